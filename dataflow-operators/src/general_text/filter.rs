//! Filters of running text.

mod alpha_words_filter;
mod blocklist_filter;
mod capital_words_filter;
mod char_number_filter;
mod colon_end_filter;
mod content_null_filter;
mod curly_bracket_filter;
mod hash_deduplicate_filter;
mod html_entity_filter;
mod id_card_filter;
mod langkit_filter;
mod lexical_diversity_filter;
mod line_end_with_ellipsis_filter;
mod line_start_with_bulletpoint_filter;
mod line_with_javascript_filter;
mod lorem_ipsum_filter;
mod mean_word_length_filter;
mod min_hash_deduplicate_filter;
mod ngram_filter;
mod ngram_hash_deduplicate_filter;
mod no_punc_filter;
mod sem_deduplicate_filter;
mod sentence_number_filter;
mod sim_hash_deduplicate_filter;
mod special_character_filter;
mod stop_word_filter;
mod symbol_word_ratio_filter;
mod unique_words_filter;
mod watermark_filter;
mod word_number_filter;

pub use crate::deduplication::Verify;
pub use alpha_words_filter::AlphaWordsFilter;
pub use blocklist_filter::BlocklistFilter;
pub use capital_words_filter::CapitalWordsFilter;
pub use char_number_filter::CharNumberFilter;
pub use colon_end_filter::ColonEndFilter;
pub use content_null_filter::ContentNullFilter;
pub use curly_bracket_filter::CurlyBracketFilter;
pub use hash_deduplicate_filter::HashDeduplicateFilter;
pub use html_entity_filter::HtmlEntityFilter;
pub use id_card_filter::IDCardFilter;
pub use langkit_filter::LangkitFilter;
pub use lexical_diversity_filter::LexicalDiversityFilter;
pub use line_end_with_ellipsis_filter::LineEndWithEllipsisFilter;
pub use line_start_with_bulletpoint_filter::LineStartWithBulletpointFilter;
pub use line_with_javascript_filter::LineWithJavascriptFilter;
pub use lorem_ipsum_filter::LoremIpsumFilter;
pub use mean_word_length_filter::MeanWordLengthFilter;
pub use min_hash_deduplicate_filter::MinHashDeduplicateFilter;
pub use ngram_filter::NgramFilter;
pub use ngram_hash_deduplicate_filter::NgramHashDeduplicateFilter;
pub use no_punc_filter::NoPuncFilter;
pub use sem_deduplicate_filter::SemDeduplicateFilter;
pub use sentence_number_filter::SentenceNumberFilter;
pub use sim_hash_deduplicate_filter::SimHashDeduplicateFilter;
pub use special_character_filter::SpecialCharacterFilter;
pub use stop_word_filter::StopWordFilter;
pub use symbol_word_ratio_filter::SymbolWordRatioFilter;
pub use unique_words_filter::UniqueWordsFilter;
pub use watermark_filter::WatermarkFilter;
pub use word_number_filter::WordNumberFilter;

#[cfg(test)]
mod tests {
    use dataflow_core::operator::Work;
    use dataflow_core::registry;
    use dataflow_core::testing::frame_of;
    use serde_json::{Value, json};

    /// Why a filter drops a text.
    fn why(name: &str, mut parameters: Value, text: &str) -> String {
        if name != "GeneralFilter" {
            parameters["input_key"] = "text".into();
        }
        let operator = (registry::operator(name).unwrap().build)(parameters).unwrap();
        let Work::Column(work) = operator.work().unwrap() else { panic!("{name} remembers rows") };
        let frame = frame_of(&[json!({ "text": text })]);
        assert_eq!(work.batch(&frame).unwrap().keep.unwrap().get(0), Some(false), "{name} keeps {text}");
        work.why(&frame, 0).unwrap()
    }

    #[test]
    fn a_dropped_text_has_its_reason() {
        let list = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(list.path(), "foo\nbar\nbar of soap\n").unwrap();
        let list = list.path();
        for (name, parameters, text, expected) in [
            ("HtmlEntityFilter", json!({}), "a &lt; b&nbsp;", "it has the entity `&lt;`"),
            ("HtmlEntityFilter", json!({}), "5 ＆amp；", "it has the entity `＆amp；`"),
            ("SpecialCharacterFilter", json!({}), "smile U+1F600", "it has `U+1F600`"),
            ("SpecialCharacterFilter", json!({}), "caf\u{fffd}", "it has the character U+FFFD"),
            ("WatermarkFilter", json!({}), "a Confidential note", "it has the watermark `Confidential`"),
            ("IDCardFilter", json!({}), "11010519491231002X", "it has the number of an identity card"),
            ("IDCardFilter", json!({ "threshold": 1 }), "身份", "measured 1, threshold 1"),
            ("ColonEndFilter", json!({}), "as follows:", "it ends with a colon"),
            ("LineWithJavascriptFilter", json!({}), "a javascript\njavascript b", "no line has words other than of JavaScript"),
            ("UniqueWordsFilter", json!({ "threshold": 0.5 }), "a a b a", "measured 0.5, threshold 0.5"),
            ("StopWordFilter", json!({}), "the words", "1 of 2 words are stop words, and more than 2 and a share of 0.01 are needed"),
            ("BlocklistFilter", json!({ "blocklist_path": list }), "Foo, a bar and bar of soap", "it has `foo,`, `bar`, `bar`, `bar of soap`; threshold 1"),
            ("ContentNullFilter", json!({}), " ", "the text is blank"),
            ("CurlyBracketFilter", json!({ "threshold": 0.1 }), "a{}b", "measured 0.5, threshold 0.1"),
            ("ReasoningAnswerFormatterFilter", json!({}), "it is 5", "no `\\boxed{…}` holds a result"),
            ("GeneralFilter", json!({ "filter_rules": ["length(text) > 1", "length(text) > 9"] }), "short", "`length(text) > 9` does not hold"),
        ] {
            assert_eq!(why(name, parameters, text), expected, "{name}");
        }
    }
}
