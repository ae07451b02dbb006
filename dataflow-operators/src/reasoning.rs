//! Questions that take reasoning, and their answers.

pub mod eval;
pub mod filter;
pub mod generate;

pub use eval::*;
pub use filter::*;
pub use generate::*;
