//! Refiners with a free prompt.

mod prompted_refiner;

pub use prompted_refiner::PromptedRefiner;
