//! Questions that take several steps of search.

pub mod eval;
pub mod generate;

pub use eval::*;
pub use generate::*;
