//! Rules over running text.

pub mod eval;
pub mod filter;
pub mod refine;
