//! Evaluators of running text.

mod ngram_sample_evaluator;

pub use ngram_sample_evaluator::{Language, NgramSampleEvaluator};
