//! Filters rows by their number of words.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::operator;
use dataflow_core::shape::Measure;

use crate::bounds;
use crate::language::TextLanguage;

/// Keeps rows whose text has at least `min_words` and fewer than `max_words` words.
///
/// Words are what white space separates, as in DataFlow, or those of a `language`; a null goes or stays as an empty text does, and has no count.
///
/// # 中文
///
/// 保留词数不少于 `min_words` 且少于 `max_words` 的行；词以空白分隔（与 DataFlow 一致），或按 `language` 切分。空值与空文本同去留，且没有计数。
#[operator(general_text, filter, Measure)]
pub struct WordNumberFilter {
    /// The text to count. 中文：要计数的文本。
    pub input_key: Input<Text>,
    /// Where the count goes. 中文：写入词数的列。
    pub output_key: Output<Integer>,
    /// The fewest words to keep. 中文：保留的最少词数。
    pub min_words: u32,
    /// The first number of words that is too many. 中文：词数达到此值即丢弃。
    pub max_words: u32,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

impl Default for WordNumberFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "word_number_filter_label".into(), min_words: 20, max_words: 100_000, language: TextLanguage::Dataflow }
    }
}

impl Measure for WordNumberFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(self.language.count_words(text) as i64)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = bounds::half_open(("min_words", self.min_words), ("max_words", self.max_words));
        problems.extend(self.language.problem_of_words());
        problems
    }

    fn keep(&self, words: i64) -> bool {
        (i64::from(self.min_words)..i64::from(self.max_words)).contains(&words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_frame, check_rule, conformance};
    use insta::assert_snapshot;
    use polars::prelude::df;

    conformance!(WordNumberFilter);

    #[test]
    fn the_upper_bound_is_exclusive() {
        let operator = WordNumberFilter { min_words: 1, max_words: 3, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["", "one", "one two", "one two three"]), @r"
        dropped
        text=one word_number_filter_label=1
        text=one two word_number_filter_label=2
        dropped
        ");
    }

    #[test]
    fn a_null_stays_where_an_empty_text_stays() {
        let operator = WordNumberFilter { min_words: 0, max_words: 1, ..Default::default() };
        let texts = df!("text" => [None, Some(""), Some("one")]).unwrap();
        assert_snapshot!(check_frame(&operator, texts), @r"
        text=null word_number_filter_label=null
        text= word_number_filter_label=0
        dropped
        ");
    }

    #[test]
    fn a_language_without_spaces_has_no_words_to_count() {
        let of = |language: &str| WordNumberFilter { language: language.to_owned().try_into().unwrap(), ..Default::default() };
        assert_snapshot!(Measure::problems(&of("th")).join("\n"), @r"
        `language`: words of `th` have no spaces between them, and there is no segmenter for it
        hint: leave `language` out, and separate the words by spaces before
        ");
        assert_eq!(["zh", "auto", "de", "ko"].map(|language| Measure::problems(&of(language))).concat(), Vec::<String>::new());
    }

    #[test]
    fn a_language_has_words_of_its_own() {
        let operator = WordNumberFilter { min_words: 2, language: TextLanguage::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["我们使用分词器。", "你好", "well, well - yes"]), @r"
        text=我们使用分词器。 word_number_filter_label=3
        dropped
        text=well, well - yes word_number_filter_label=3
        ");
    }
}
