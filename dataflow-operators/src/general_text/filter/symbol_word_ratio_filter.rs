//! Filters rows with many symbols.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::language::TextLanguage;
use crate::python::{is_space, is_word};

/// Keeps rows in which `#` and ellipses over words are fewer than `threshold`.
///
/// Words are runs of letters and numbers and runs of other marks; a run of `#` is one word and several symbols, as in DataFlow.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and a text without words are dropped.
///
/// # 中文
///
/// 保留 `#` 与省略号数量与词数之比低于 `threshold` 的行。连续的文字数字、连续的其他符号各算一个词；与 DataFlow 一致，一串 `#` 是一个词、多个符号。保留的行标签为 1，丢弃的为 0；空值与没有词的文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct SymbolWordRatioFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The ratio at which a row goes. 中文：达到此比值即丢弃。
    pub threshold: f64,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

impl Default for SymbolWordRatioFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "symbol_word_ratio_filter_label".into(), threshold: 0.4, language: TextLanguage::Dataflow }
    }
}

/// How many runs of letters and numbers, and runs of marks, a text has.
fn words_and_marks(text: &str) -> usize {
    let mut before = None;
    text.chars()
        .filter(|character| {
            let kind = if is_word(*character) { Some(true) } else { (!is_space(*character)).then_some(false) };
            let begins = kind.is_some() && kind != before;
            before = kind;
            begins
        })
        .count()
}

impl Measure for SymbolWordRatioFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        let symbols = || text.matches('#').count() + text.matches("...").count() + text.matches('…').count();
        let ratio = |words: usize| Some(if words == 0 { f64::INFINITY } else { symbols() as f64 / words as f64 });
        if self.language != TextLanguage::Dataflow {
            return ratio(self.language.count_words(text));
        }
        let has_symbols = memchr::memchr2(b'#', 0xe2, text.as_bytes()).is_some() || memchr::memmem::find(text.as_bytes(), b"...").is_some();
        if !has_symbols {
            // Nothing to divide: only whether there is a word or a mark.
            return Some(if text.chars().all(is_space) { f64::INFINITY } else { 0.0 });
        }
        ratio(words_and_marks(text))
    }

    fn keep(&self, ratio: f64) -> bool {
        ratio < self.threshold
    }

    fn label(&self, ratio: f64) -> Cell {
        i64::from(self.keep(ratio)).into()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = bounds::threshold(self.threshold, f64::MIN_POSITIVE.., "a share is at least 0");
        problems.extend(self.language.problem_of_words());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(SymbolWordRatioFilter);

    #[test]
    fn runs_are_words_and_each_symbol_counts() {
        let operator = SymbolWordRatioFilter { ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["# one two three", "##", "a b ...", ""]), @r"
        text=# one two three symbol_word_ratio_filter_label=1
        dropped
        text=a b ... symbol_word_ratio_filter_label=1
        dropped
        ");
    }

    #[test]
    fn words_are_those_of_the_language() {
        let text = ["#今天天气很好，我们去公园散步#"];
        assert_snapshot!(check_rule(&SymbolWordRatioFilter::default(), "text", text), @"dropped");
        let operator = SymbolWordRatioFilter { language: TextLanguage::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", text), @"text=#今天天气很好，我们去公园散步# symbol_word_ratio_filter_label=1");
    }
}
