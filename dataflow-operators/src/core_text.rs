//! Free prompts over any column.

pub mod eval;
pub mod filter;
pub mod generate;
pub mod refine;
mod score;

pub use eval::*;
pub use filter::*;
pub use generate::*;
pub use refine::*;
