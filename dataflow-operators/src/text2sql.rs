//! Questions to databases.

pub mod eval;

pub use eval::*;
