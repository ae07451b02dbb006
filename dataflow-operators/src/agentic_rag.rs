//! Questions that take several steps of search.

pub mod generate;

pub use generate::*;
