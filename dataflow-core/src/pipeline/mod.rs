//! Pipelines.
mod problems;
pub use problems::{Problem, Problems, Severity};
