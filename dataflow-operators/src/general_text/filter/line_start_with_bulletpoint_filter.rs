//! Filters rows that are lists.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::compatibility::Compatibility;
use crate::python::{is_space, strip};

/// Keeps rows of whose lines at most the share `threshold` starts with a bullet.
///
/// Blank lines do not count, and numbers are no bullets. `-`, `*`, `+` and `·` are bullets before white space, as in Markdown; DataFlow does not know them, nor `●`, and `compatibility: dataflow` does as it does.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and a text of blank lines alone are dropped.
///
/// # 中文
///
/// 保留以项目符号开头的行占比不超过 `threshold` 的文本。空行不计，编号不算项目符号。与 Markdown 一致，其后有空白的 `-`、`*`、`+`、`·` 算项目符号；DataFlow 不认这些，也不认 `●`，`compatibility: dataflow` 沿用其做法。保留的行标签为 1，丢弃的为 0；空值与只有空行的文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct LineStartWithBulletpointFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The largest share to keep. 中文：保留的最大占比。
    pub threshold: f64,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for LineStartWithBulletpointFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "line_start_with_bullet_point_filter_label".into(), threshold: 0.9, compatibility: Compatibility::Own }
    }
}

/// The bullets that DataFlow knows.
const BULLETS: [char; 10] = ['•', '‣', '▶', '◀', '◦', '■', '□', '▪', '▫', '–'];

/// Bullets that DataFlow does not know, and those that are bullets only before white space.
const MORE_BULLETS: [char; 5] = ['●', '○', '◆', '►', '➤'];
const BULLETS_BEFORE_SPACE: [char; 4] = ['-', '*', '+', '·'];

impl LineStartWithBulletpointFilter {
    fn is_item(&self, line: &str) -> bool {
        let before_space = || line.strip_prefix(BULLETS_BEFORE_SPACE).is_some_and(|item| item.starts_with(is_space));
        line.starts_with(BULLETS) || self.compatibility == Compatibility::Own && (line.starts_with(MORE_BULLETS) || before_space())
    }
}

impl Measure for LineStartWithBulletpointFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        let (mut lines, mut bullets) = (0_u32, 0_u32);
        for line in text.split('\n').map(strip).filter(|line| !line.is_empty()) {
            lines += 1;
            bullets += u32::from(self.is_item(line));
        }
        Some(if lines == 0 { f64::INFINITY } else { f64::from(bullets) / f64::from(lines) })
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

    conformance!(LineStartWithBulletpointFilter);

    #[test]
    fn lists_of_markdown_go() {
        let texts = ["- a\n* b\n+ c", "● a\n· b", "-5 degrees\n*emphasis*\n+1", "1. a\n2. b"];
        let shown = check_rule(&LineStartWithBulletpointFilter::default(), "text", texts);
        let dropped = shown.lines().filter(|line| *line == "dropped").count();
        assert!(dropped == 2 && shown.starts_with("dropped\ndropped\n"), "{shown}");
    }

    #[test]
    fn bullets_are_counted_by_lines_in_dataflow() {
        let operator = LineStartWithBulletpointFilter { threshold: 0.5, compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["• a\n– b\nc", "• a\n- b", ""]), @r"
        dropped
        text=• a
        - b line_start_with_bullet_point_filter_label=1
        dropped
        ");
    }
}
