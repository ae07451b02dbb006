//! Filters rows by the mean length of their words.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::language::TextLanguage;
use crate::python::WordCounts;

/// Keeps rows whose words have on average at least `min_length` and fewer than `max_length` characters.
///
/// The mean is rounded to two decimals first, as in DataFlow; a text without words is dropped. The bounds are those of words between spaces: Chinese words, which a
/// `language` tells apart, have one to two characters, so that a `min_length` of about 1 fits them.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 保留平均词长不低于 `min_length` 且小于 `max_length` 的行。与 DataFlow 一致，先四舍五入到两位小数；没有词的文本会被丢弃。默认界限适用于以空格分隔的词；按 `language` 切出的中文词多为一到两个字，宜把 `min_length` 设为 1 左右。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct MeanWordLengthFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The least mean length to keep. 中文：保留的最小平均词长。
    pub min_length: f64,
    /// The first mean length that is too long. 中文：达到此平均词长即丢弃。
    pub max_length: f64,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

impl Default for MeanWordLengthFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "mean_word_length_filter_label".into(),
            min_length: 3.0,
            max_length: 10.0,
            language: TextLanguage::Dataflow,
        }
    }
}

/// Rounded to two decimals, from the binary value, as Python rounds.
fn hundredths(mean: f64) -> f64 {
    let scaled = mean * 100.0;
    // Only near a half does it matter which of the two neighbours the binary value is nearer to, and only formatting tells.
    if (scaled.fract() - 0.5).abs() > 1e-6 { scaled.round() / 100.0 } else { format!("{mean:.2}").parse().unwrap_or(mean) }
}

impl Measure for MeanWordLengthFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        let WordCounts { words, characters } = match self.language {
            TextLanguage::Dataflow => WordCounts::of(text),
            language => {
                let mut counts = WordCounts::default();
                language.each_word(text, |word| counts = WordCounts { words: counts.words + 1, characters: counts.characters + word.chars().count() });
                counts
            }
        };
        Some(if words == 0 { f64::INFINITY } else { hundredths(characters as f64 / words as f64) })
    }

    fn keep(&self, mean: f64) -> bool {
        self.min_length <= mean && mean < self.max_length
    }

    fn label(&self, mean: f64) -> Cell {
        i64::from(self.keep(mean)).into()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = bounds::half_open(("min_length", self.min_length), ("max_length", self.max_length));
        problems.extend(self.language.problem_of_words());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(MeanWordLengthFilter);

    #[test]
    fn the_upper_bound_is_exclusive() {
        let operator = MeanWordLengthFilter { min_length: 2.0, max_length: 3.0, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a bcd", "abc", "a", ""]), @r"
        text=a bcd mean_word_length_filter_label=1
        dropped
        dropped
        dropped
        ");
    }

    #[test]
    fn lengths_between_which_there_is_none_are_refused() {
        let operator = MeanWordLengthFilter { min_length: 9.0, max_length: 2.0, ..Default::default() };
        assert_eq!(Measure::problems(&operator), ["`min_length` is 9 and `max_length` 2, so no row can stay"]);
    }
}
