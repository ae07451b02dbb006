//! Instructions for fine-tuning, filtered by the length of their answers.

use dataflow::operators::general_text::WordNumberFilter;
use dataflow::prelude::*;

/// Keeps answers of 20 to 999 words.
pub fn text_sft_filter() -> Result<Pipeline> {
    let storage = FileStorage::at("example_data/text/instructions.jsonl").output("out/instructions.jsonl").cache_path("cache/text_sft_filter");
    let mut pipeline = Pipeline::new("text_sft_filter", storage);

    pipeline.step(WordNumberFilter { input_key: "output".into(), min_words: 20, max_words: 1000, ..Default::default() });
    Ok(pipeline)
}
