//! Evaluators of running text.

pub(crate) mod ngram_sample_evaluator;

pub use ngram_sample_evaluator::{Language, NgramSampleEvaluator};
