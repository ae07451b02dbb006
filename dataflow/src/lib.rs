//! Library half.

pub mod graph_page;
