//! Evaluators with a free prompt, and of answers against references.

mod bench_dataset_evaluator;
mod bench_dataset_evaluator_question;
mod prompted_evaluator;
mod unified_bench_dataset_evaluator;

pub use bench_dataset_evaluator::{BenchDatasetEvaluator, CompareMethod};
pub use bench_dataset_evaluator_question::BenchDatasetEvaluatorQuestion;
pub use prompted_evaluator::PromptedEvaluator;
pub use unified_bench_dataset_evaluator::{EvalType, LabelBase, UnifiedBenchDatasetEvaluator};
