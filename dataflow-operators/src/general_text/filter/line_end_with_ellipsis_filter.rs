//! Filters rows whose lines break off.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::python::strip;

/// Keeps rows of whose lines a share below `threshold` ends with an ellipsis.
///
/// Blank lines do not count, and a text without any other is dropped.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 保留以省略号结尾的行占比低于 `threshold` 的文本。空行不计；没有非空行的文本会被丢弃。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct LineEndWithEllipsisFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The share of lines at which a row goes. 中文：达到此占比即丢弃。
    pub threshold: f64,
}

impl Default for LineEndWithEllipsisFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "line_end_with_ellipsis_filter_label".into(), threshold: 0.3 }
    }
}

impl Measure for LineEndWithEllipsisFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        let (mut lines, mut ellipses) = (0_u32, 0_u32);
        for line in text.split('\n').map(strip).filter(|line| !line.is_empty()) {
            lines += 1;
            ellipses += u32::from(line.ends_with("...") || line.ends_with('…'));
        }
        Some(if lines == 0 { f64::INFINITY } else { f64::from(ellipses) / f64::from(lines) })
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

    conformance!(LineEndWithEllipsisFilter);

    #[test]
    fn the_share_of_lines_decides() {
        let operator = LineEndWithEllipsisFilter { threshold: 0.5, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a...\nb", "a…\nb\nc", "", " "]), @r"
        dropped
        text=a…
        b
        c line_end_with_ellipsis_filter_label=1
        dropped
        dropped
        ");
    }
}
