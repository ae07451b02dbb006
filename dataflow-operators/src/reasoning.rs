//! Questions that take reasoning, and their answers.

pub mod filter;
pub mod generate;

pub use filter::*;
pub use generate::*;
