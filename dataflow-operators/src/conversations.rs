//! Dialogues.

pub mod generate;

pub use generate::*;
