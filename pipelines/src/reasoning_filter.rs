//! Solutions of reasoning tasks, filtered by three rules.

use dataflow::operators::reasoning::{ReasoningAnswerFormatterFilter, ReasoningAnswerGroundTruthFilter, ReasoningAnswerNgramFilter};
use dataflow::prelude::*;

/// Keeps solutions that state their result in a box, state the right one, and do not repeat themselves.
pub fn reasoning_filter() -> Result<Pipeline> {
    let storage = FileStorage::at("example_data/reasoning/solutions.jsonl").output("out/solutions.jsonl").cache_path("cache/reasoning_filter");
    let mut pipeline = Pipeline::new("reasoning_filter", storage);

    pipeline.step(ReasoningAnswerFormatterFilter::default());
    pipeline.step(ReasoningAnswerGroundTruthFilter::default());
    pipeline.step(ReasoningAnswerNgramFilter::default());
    Ok(pipeline)
}
