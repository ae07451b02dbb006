//! Filters rows by their share of words with letters.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::language::TextLanguage;

/// Keeps rows in which more than `threshold` of the words have a letter of `a` to `z`. Chinese words have none, whatever the `language`.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and a text without words are dropped.
///
/// # 中文
///
/// 保留含有英文字母的词占比高于 `threshold` 的行；中文词不论 `language` 如何都不含英文字母。保留的行标签为 1，丢弃的为 0；空值与没有词的文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct AlphaWordsFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The share that is too low. 中文：不高于此占比即丢弃。
    pub threshold: f64,
    /// Whether words are told apart as NLTK's word tokenizer does, `the,` being two, or by white space alone. 中文：是否按 NLTK 分词器的规则切词（`the,` 为两个词）；否则仅按空白切分。
    pub use_tokenizer: bool,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

impl Default for AlphaWordsFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "alpha_words_filter_label".into(), threshold: 0.6, use_tokenizer: false, language: TextLanguage::Dataflow }
    }
}

impl Measure for AlphaWordsFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        let has_letter = |word: &str| word.bytes().any(|byte| byte.is_ascii_alphabetic());
        let (found, all) = self.language.count_wanted(text, self.use_tokenizer, has_letter);
        Some(if all == 0 { f64::NEG_INFINITY } else { found as f64 / all as f64 })
    }

    fn keep(&self, share: f64) -> bool {
        share > self.threshold
    }

    fn label(&self, share: f64) -> Cell {
        i64::from(self.keep(share)).into()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = bounds::threshold(self.threshold, ..1.0, "a share is at most 1");
        problems.extend(self.language.problem(self.use_tokenizer));
        problems.extend(self.language.problem_of_words());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(AlphaWordsFilter);

    #[test]
    fn words_with_letters_are_counted() {
        let texts = ["one two 3", "1 2 three", "中文 abc", ""];
        assert_snapshot!(check_rule(&AlphaWordsFilter { threshold: 0.5, ..Default::default() }, "text", texts), @r"
        text=one two 3 alpha_words_filter_label=1
        dropped
        dropped
        dropped
        ");
    }

    #[test]
    fn the_tokenizer_takes_marks_for_words() {
        let operator = AlphaWordsFilter { threshold: 0.5, use_tokenizer: true, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["yes!!", "yes, it is"]), @r"
        dropped
        text=yes, it is alpha_words_filter_label=1
        ");
    }

    #[test]
    fn a_language_has_words_of_its_own() {
        let operator = AlphaWordsFilter { threshold: 0.5, language: TextLanguage::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["我们使用Python编写程序", "rust、python、go，用"]), @r"
        dropped
        text=rust、python、go，用 alpha_words_filter_label=1
        ");
    }

    #[test]
    fn a_threshold_that_no_share_is_above_is_refused() {
        let operator = AlphaWordsFilter { threshold: 7.0, use_tokenizer: true, language: TextLanguage::En, ..Default::default() };
        assert_eq!(
            Measure::problems(&operator),
            [
                "`threshold` is 7 and a share is at most 1, so no row can stay",
                "`use_tokenizer` and `language` both say what a word is\nhint: leave one of them out"
            ]
        );
    }
}
