//! Rules over running text.

pub mod filter;
pub mod refine;
