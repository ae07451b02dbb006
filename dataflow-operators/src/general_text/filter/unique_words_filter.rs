//! Filters rows that repeat their words.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use polars::prelude::PlHashSet;

use crate::bounds;
use crate::language::TextLanguage;
use crate::python::{WordCounts, lower, split_words};

/// Keeps rows in which the share of distinct words among all words is above `threshold`.
///
/// Letter case does not count.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and a text without words are dropped.
///
/// # 中文
///
/// 保留不重复词占比高于 `threshold` 的行。忽略大小写。保留的行标签为 1，丢弃的为 0；空值与没有词的文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct UniqueWordsFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The share that is too low. 中文：不高于此占比即丢弃。
    pub threshold: f64,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

impl Default for UniqueWordsFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "unique_words_filter".into(), threshold: 0.1, language: TextLanguage::Dataflow }
    }
}

impl UniqueWordsFilter {
    /// The share of distinct words; below 0 where there is no word.
    fn share(&self, text: &str) -> f64 {
        let lower = lower(text);
        let (mut seen, mut words) = (PlHashSet::default(), 0_usize);
        self.language.each_word(&lower, |word| {
            words += 1;
            seen.insert(word);
        });
        if words == 0 { f64::NEG_INFINITY } else { seen.len() as f64 / words as f64 }
    }
}

impl Measure for UniqueWordsFilter {
    type Value = bool;

    fn measure(&self, text: &str) -> Option<bool> {
        if self.language != TextLanguage::Dataflow {
            return Some(self.share(text) > self.threshold);
        }
        let lower = lower(text);
        let words = WordCounts::of(&lower).words;
        let mut seen: PlHashSet<&str> = PlHashSet::default();
        seen.reserve((self.threshold * words as f64).min(words as f64) as usize + 1);
        // The share only grows from word to word: where it is enough, the rest of the text need not be read.
        Some(split_words(&lower).any(|word| seen.insert(word) && seen.len() as f64 / words as f64 > self.threshold))
    }

    fn why(&self, text: &str) -> Option<String> {
        Some(format!("measured {}, threshold {}", self.share(text), self.threshold))
    }

    fn keep(&self, enough: bool) -> bool {
        enough
    }

    fn label(&self, enough: bool) -> Cell {
        i64::from(enough).into()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = bounds::threshold(self.threshold, ..1.0, "a share is at most 1");
        problems.extend(self.language.problem_of_words());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(UniqueWordsFilter);

    #[test]
    fn letter_case_does_not_count() {
        let operator = UniqueWordsFilter { threshold: 0.5, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a A", "a b c a", ""]), @r"
        dropped
        text=a b c a unique_words_filter=1
        dropped
        ");
    }
}
