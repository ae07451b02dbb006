//! Filters rows with filler text.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::scan::has_ignoring_case;

/// Drops rows in which `lorem ipsum` stands more than `threshold` times a character.
///
/// With DataFlow's default one occurrence is enough in any text below 33 million characters.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 丢弃每字符出现 `lorem ipsum` 的次数超过 `threshold` 的行。按 DataFlow 的默认值，3300 万字符以下的文本出现一次即丢弃。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct LoremIpsumFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The most occurrences a character. 中文：每字符允许的最多出现次数。
    pub threshold: f64,
}

impl Default for LoremIpsumFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "loremipsum_filter_label".into(), threshold: 3e-8 }
    }
}

impl Measure for LoremIpsumFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        if text.is_empty() {
            return Some(f64::INFINITY);
        }
        if !has_ignoring_case(text, "lorem ipsum") {
            return Some(0.0);
        }
        Some(text.to_lowercase().matches("lorem ipsum").count() as f64 / text.chars().count() as f64)
    }

    fn keep(&self, share: f64) -> bool {
        share <= self.threshold
    }

    fn label(&self, share: f64) -> Cell {
        i64::from(self.keep(share)).into()
    }

    fn problems(&self) -> Vec<String> {
        bounds::threshold(self.threshold, 0.0.., "a share is at least 0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(LoremIpsumFilter);

    #[test]
    fn one_is_enough() {
        let operator = LoremIpsumFilter { ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["Lorem  ipsum", "LOREM IPSUM dolor", ""]), @r"
        text=Lorem  ipsum loremipsum_filter_label=1
        dropped
        dropped
        ");
    }
}
