//! Rules over running text.

pub mod eval;
pub mod filter;
pub mod lexical_diversity;
pub mod readability;
pub mod refine;

pub use crate::deduplication::HashFunction;
pub use eval::*;
pub use filter::*;
pub use refine::*;
