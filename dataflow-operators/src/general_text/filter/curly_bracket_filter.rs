//! Filters rows with many curly brackets.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::scan::{count_bytes, wide};

/// Keeps rows in which the share of `{` and `}` among all characters is below `threshold`.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 保留花括号字符占比低于 `threshold` 的行。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct CurlyBracketFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The share at which a row goes. 中文：达到此占比即丢弃。
    pub threshold: f64,
}

impl Default for CurlyBracketFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "curly_bracket_filter_label".into(), threshold: 0.025 }
    }
}

impl Measure for CurlyBracketFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        let brackets = wide(|| count_bytes(text.as_bytes(), |byte| matches!(byte, b'{' | b'}')));
        Some(if text.is_empty() { f64::INFINITY } else { brackets as f64 / text.chars().count() as f64 })
    }

    fn keep(&self, share: f64) -> bool {
        share < self.threshold
    }

    fn label(&self, share: f64) -> Cell {
        i64::from(self.keep(share)).into()
    }

    fn problems(&self) -> Vec<String> {
        bounds::threshold(self.threshold, f64::MIN_POSITIVE.., "a share is at least 0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(CurlyBracketFilter);

    #[test]
    fn the_threshold_itself_goes() {
        let operator = CurlyBracketFilter { threshold: 0.5, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["{a", "{ab", ""]), @r"
        dropped
        text={ab curly_bracket_filter_label=1
        dropped
        ");
    }
}
