//! Filters rows that ask for JavaScript.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::compatibility::Compatibility;
use crate::python::is_space;

/// Keeps rows with at least `threshold` lines that do not speak of JavaScript; a text of three lines or fewer stays too, unless it has several and all of them do.
///
/// Punctuation and letter case do not count, so `java-script` is found too; blank lines are left out, and a text without any other is dropped. In DataFlow a text of three lines or fewer always stays; `compatibility: dataflow` does as it does.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 保留至少有 `threshold` 行未提及 JavaScript 的文本；不超过三行的文本也保留，除非有多行且每行都提及。忽略标点与大小写，`java-script` 也会识别；空行不计，没有非空行的文本会被丢弃。DataFlow 一律保留不超过三行的文本；`compatibility: dataflow` 沿用其做法。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct LineWithJavascriptFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The fewest lines without JavaScript. 中文：未提及 JavaScript 的最少行数。
    pub threshold: u32,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for LineWithJavascriptFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "line_with_javascript_filter_label".into(), threshold: 3, compatibility: Compatibility::Own }
    }
}

/// Whether a line has the word `javascript`, letter case and marks within it aside.
fn has_javascript(line: &str) -> bool {
    memchr::memchr2_iter(b'j', b'J', line.as_bytes()).any(|at| {
        let mut letters = line.as_bytes()[at + 1..].iter().filter(|byte| !byte.is_ascii_punctuation());
        b"avascript".iter().all(|wanted| letters.next().is_some_and(|letter| letter.eq_ignore_ascii_case(wanted)))
    })
}

impl Measure for LineWithJavascriptFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        let (mut lines, mut others) = (0, 0);
        for line in text.split('\n') {
            if !line.chars().any(|character| !character.is_ascii_punctuation() && !is_space(character)) {
                continue;
            }
            lines += 1;
            others += i64::from(!has_javascript(line));
        }
        Some(match lines {
            0 => -1,
            2..=3 if others == 0 && self.compatibility == Compatibility::Own => -1,
            1..=3 => i64::MAX,
            _ => others,
        })
    }

    fn why(&self, text: &str) -> Option<String> {
        (self.measure(text) == Some(-1)).then(|| "no line has words other than of JavaScript".into())
    }

    fn keep(&self, others: i64) -> bool {
        others >= i64::from(self.threshold)
    }

    fn label(&self, others: i64) -> Cell {
        i64::from(self.keep(others)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(LineWithJavascriptFilter);

    #[test]
    fn short_texts_stay_unless_all_their_lines_are_of_javascript() {
        let texts = ["javascript\njavascript\nJavaScript", "JavaScript is a language.", "Enable JavaScript\nto go on"];
        assert_snapshot!(check_rule(&LineWithJavascriptFilter::default(), "text", texts), @r"
        dropped
        text=JavaScript is a language. line_with_javascript_filter_label=1
        text=Enable JavaScript
        to go on line_with_javascript_filter_label=1
        ");
    }

    #[test]
    fn short_texts_stay_in_dataflow() {
        let operator = LineWithJavascriptFilter { threshold: 2, compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["javascript\njavascript\nJavaScript", "a\nJava-Script\njavascript\njavascript", "a\nb\njavascript\nc", ""]), @r"
        text=javascript
        javascript
        JavaScript line_with_javascript_filter_label=1
        dropped
        text=a
        b
        javascript
        c line_with_javascript_filter_label=1
        dropped
        ");
    }
}
