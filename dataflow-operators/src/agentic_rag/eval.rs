//! Evaluators.

mod agentic_rag_qa_f1_sample_evaluator;

pub use agentic_rag_qa_f1_sample_evaluator::AgenticRAGQAF1SampleEvaluator;
