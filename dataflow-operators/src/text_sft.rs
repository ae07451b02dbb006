//! Instructions and answers for fine-tuning.

pub mod generate;

pub use generate::*;
