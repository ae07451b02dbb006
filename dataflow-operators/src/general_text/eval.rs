//! Evaluators of running text.

mod bleu_sample_evaluator;
mod cider_sample_evaluator;
pub(crate) mod langkit_sample_evaluator;
mod lexical_diversity_sample_evaluator;
pub(crate) mod ngram_sample_evaluator;

pub use bleu_sample_evaluator::{BleuSampleEvaluator, EffectiveLength};
pub use cider_sample_evaluator::{CiderSampleEvaluator, DocumentFrequencies};
pub use langkit_sample_evaluator::LangkitSampleEvaluator;
pub use lexical_diversity_sample_evaluator::LexicalDiversitySampleEvaluator;
pub use ngram_sample_evaluator::NgramSampleEvaluator;
