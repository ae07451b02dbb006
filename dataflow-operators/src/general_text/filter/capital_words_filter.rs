//! Filters rows written in capitals.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::language::TextLanguage;
use crate::python::{count_upper, is_upper};

/// Keeps rows in which at most `threshold` of the words are in capitals.
///
/// A word is in capitals if it has a capital letter and no small one: `I` and `A1` are. A text of white space alone is kept, as in DataFlow.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 保留全大写单词占比不高于 `threshold` 的行。含大写字母且不含小写字母的词即为全大写，`I` 与 `A1` 也算。与 DataFlow 一致，只有空白的文本保留。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct CapitalWordsFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The highest share to keep. 中文：保留的最高占比。
    pub threshold: f64,
    /// Whether words are told apart as NLTK's word tokenizer does, `the,` being two, or by white space alone. 中文：是否按 NLTK 分词器的规则切词（`the,` 为两个词）；否则仅按空白切分。
    pub use_tokenizer: bool,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

impl Default for CapitalWordsFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "capital_words_filter".into(), threshold: 0.2, use_tokenizer: false, language: TextLanguage::Dataflow }
    }
}

impl Measure for CapitalWordsFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        // DataFlow drops an empty text, and keeps one of white space.
        if text.is_empty() {
            return Some(f64::INFINITY);
        }
        let (capital, all) = match (self.language, self.use_tokenizer) {
            (TextLanguage::Dataflow, false) => count_upper(text),
            (language, tokenizer) => language.count_wanted(text, tokenizer, is_upper),
        };
        Some(capital as f64 / all.max(1) as f64)
    }

    fn keep(&self, share: f64) -> bool {
        share <= self.threshold
    }

    fn label(&self, share: f64) -> Cell {
        i64::from(self.keep(share)).into()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = bounds::threshold(self.threshold, 0.0.., "a share is at least 0");
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

    conformance!(CapitalWordsFilter);

    #[test]
    fn shouting_goes() {
        let texts = ["ALL CAPS here", "NASA sent a probe to Mars", "I A1 b c d", " ", ""];
        assert_snapshot!(check_rule(&CapitalWordsFilter::default(), "text", texts), @r"
        dropped
        text=NASA sent a probe to Mars capital_words_filter=1
        dropped
        text=  capital_words_filter=1
        dropped
        ");
    }

    #[test]
    fn capitals_among_chinese_words_are_counted_by_words() {
        let texts = ["请使用 GPU 训练这个模型"];
        assert_snapshot!(check_rule(&CapitalWordsFilter::default(), "text", texts), @"dropped");
        let operator = CapitalWordsFilter { language: TextLanguage::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", texts), @"text=请使用 GPU 训练这个模型 capital_words_filter=1");
    }
}
