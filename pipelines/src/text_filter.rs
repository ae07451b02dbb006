//! Web pages cleaned and filtered by rules alone.

use dataflow::operators::core_text::GeneralFilter;
use dataflow::operators::general_text::{
    CharNumberFilter, HtmlUrlRemoverRefiner, MinHashDeduplicateFilter, NgramSampleEvaluator, RemoveEmojiRefiner, RemoveExtraSpacesRefiner, WordNumberFilter,
};
use dataflow::operators::language::TextLanguage;
use dataflow::prelude::*;

/// Takes emoji, markup and needless space out, drops near-duplicates, short texts and texts that repeat themselves.
pub fn text_filter() -> Result<Pipeline> {
    let storage = FileStorage::at("example_data/text/web_pages.jsonl").output("out/web_pages.jsonl").cache_path("cache/text_filter");
    let mut pipeline = Pipeline::new("text_filter", storage);

    pipeline.step(RemoveEmojiRefiner::default());
    pipeline.step(HtmlUrlRemoverRefiner::default());
    pipeline.step(RemoveExtraSpacesRefiner::default());
    pipeline.step(MinHashDeduplicateFilter { input_key: Some("text".into()), ..Default::default() });
    pipeline.step(CharNumberFilter { threshold: 50, input_key: "text".into(), ..Default::default() });
    pipeline.step(WordNumberFilter { min_words: 5, language: TextLanguage::Auto, ..Default::default() });
    pipeline.step(NgramSampleEvaluator { input_key: "text".into(), ..Default::default() });
    pipeline.step(GeneralFilter { filter_rules: vec!["NgramScore >= 0.5".into()], ..Default::default() }).named("not_repetitive");
    Ok(pipeline)
}
