//! Web pages for pre-training, cleaned and filtered by twenty-three rules.

use dataflow::operators::general_text::{
    BlocklistFilter, CapitalWordsFilter, CharNumberFilter, ColonEndFilter, ContentNullFilter, CurlyBracketFilter, HtmlEntityFilter, HtmlUrlRemoverRefiner,
    LineEndWithEllipsisFilter, LineStartWithBulletpointFilter, LineWithJavascriptFilter, LoremIpsumFilter, MeanWordLengthFilter, MinHashDeduplicateFilter,
    NoPuncFilter, RemoveEmojiRefiner, RemoveExtraSpacesRefiner, SentenceNumberFilter, SpecialCharacterFilter, SymbolWordRatioFilter, UniqueWordsFilter,
    WatermarkFilter, WordNumberFilter,
};
use dataflow::prelude::*;

/// Drops blank, doubled, short, broken and promotional pages, and pages that say little, and tidies those that stay.
///
/// The rules are those of DataFlow's pipeline of this name. Two stand elsewhere, since they could do nothing where it has them: blank pages go first, before the
/// rule that counts words, and white space is tidied last, because a tidied page is one line and three rules look at lines.
pub fn text_pt_filter() -> Result<Pipeline> {
    let storage = FileStorage::at("example_data/text/pretraining.jsonl").output("out/pretraining.jsonl").cache_path("cache/text_pt_filter");
    let mut pipeline = Pipeline::new("text_pt_filter", storage);

    pipeline.step(ContentNullFilter::default());
    pipeline.step(RemoveEmojiRefiner::default());
    pipeline.step(HtmlUrlRemoverRefiner::default());
    pipeline.step(MinHashDeduplicateFilter { input_key: Some("text".into()), ..Default::default() });
    pipeline.step(BlocklistFilter::default());
    pipeline.step(WordNumberFilter::default());
    pipeline.step(ColonEndFilter::default());
    pipeline.step(SentenceNumberFilter::default());
    pipeline.step(LineEndWithEllipsisFilter::default());
    pipeline.step(MeanWordLengthFilter::default());
    pipeline.step(SymbolWordRatioFilter::default());
    pipeline.step(HtmlEntityFilter::default());
    pipeline.step(NoPuncFilter::default());
    pipeline.step(SpecialCharacterFilter::default());
    pipeline.step(WatermarkFilter::default());
    pipeline.step(CurlyBracketFilter::default());
    pipeline.step(CapitalWordsFilter::default());
    pipeline.step(LoremIpsumFilter::default());
    pipeline.step(UniqueWordsFilter::default());
    pipeline.step(CharNumberFilter::default());
    pipeline.step(LineStartWithBulletpointFilter::default());
    pipeline.step(LineWithJavascriptFilter::default());
    pipeline.step(RemoveExtraSpacesRefiner::default());
    Ok(pipeline)
}
