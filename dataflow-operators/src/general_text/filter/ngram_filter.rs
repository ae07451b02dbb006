//! Filters rows that repeat themselves.

use dataflow_core::key::{Float, Input, Output, Text};
use dataflow_core::operator;
use dataflow_core::shape::Measure;

use crate::bounds;
use crate::general_text::eval::ngram_sample_evaluator::score;
use crate::language::TextLanguage;

/// Keeps rows whose share of distinct n-grams lies between `min_score` and `max_score`.
///
/// The score is that of `NgramSampleEvaluator`: a text with fewer than `ngrams` words scores 0 and is dropped, as in DataFlow. A null goes or stays as an empty text does.
///
/// # 中文
///
/// 保留不重复 n-gram 占比在 `min_score` 与 `max_score` 之间（含两端）的行。得分与 `NgramSampleEvaluator` 相同：词数少于 `ngrams` 的文本得 0 而被丢弃，与 DataFlow 一致。空值与空文本同去留。
#[operator(general_text, filter, Measure)]
pub struct NgramFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the score goes. 中文：写入得分的列。
    pub output_key: Output<Float>,
    /// The lowest score to keep. 中文：保留的最低得分。
    pub min_score: f64,
    /// The highest score to keep. 中文：保留的最高得分。
    pub max_score: f64,
    /// How many words or characters an n-gram has. 中文：每个 n-gram 的词数或字数。
    pub ngrams: u32,
    /// What an n-gram is made of: `en`, or `dataflow`, for words between white space; `zh` for characters; `auto` for characters where a text has a Chinese one, and words otherwise; another code of ISO 639-1 for the words of that language as Unicode tells them apart, which for Japanese or Thai are mostly characters. 中文：n-gram 的单位：`en`（或 `dataflow`）为以空白分隔的词；`zh` 为字；`auto` 在文本含汉字时为字，否则为词；其他 ISO 639-1 代码按 Unicode 规则切分该语言的词，日文、泰文等大多为单字。
    pub language: TextLanguage,
}

impl Default for NgramFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "NgramScore".into(), min_score: 0.8, max_score: 1.0, ngrams: 5, language: TextLanguage::En }
    }
}

impl Measure for NgramFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        Some(score(text, self.ngrams as usize, self.language))
    }

    fn keep(&self, score: f64) -> bool {
        (self.min_score..=self.max_score).contains(&score)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = bounds::of_share(self.min_score, self.max_score);
        if self.ngrams == 0 {
            problems.push("`ngrams` is 0, and an n-gram has at least one word".into());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(NgramFilter);

    #[test]
    fn repetition_is_dropped_and_so_is_what_is_too_short() {
        let operator = NgramFilter { ngrams: 2, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["one two three", "go go go go", "word"]), @r"
        text=one two three NgramScore=1.0
        dropped
        dropped
        ");
    }
}
