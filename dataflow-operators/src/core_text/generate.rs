//! Generators with a free prompt.

mod prompted_generator;

pub use prompted_generator::PromptedGenerator;
