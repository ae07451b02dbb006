//! Evaluators with a free prompt, and of answers against references.

mod bench_dataset_evaluator;
mod prompted_evaluator;

pub use bench_dataset_evaluator::{BenchDatasetEvaluator, CompareMethod};
pub use prompted_evaluator::PromptedEvaluator;
