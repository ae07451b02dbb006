//! Dialogues.

pub mod generate;
