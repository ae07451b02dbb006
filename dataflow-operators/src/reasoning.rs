//! Questions that take thinking, and their answers.

pub mod filter;
