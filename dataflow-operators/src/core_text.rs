//! Free prompts over any column.

pub mod eval;
pub mod filter;
pub mod generate;
pub mod refine;
mod score;
