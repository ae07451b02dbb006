//! Filters rows that carry a watermark.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

/// Drops rows whose text holds one of `watermarks`.
///
/// They are plain text here; DataFlow takes them for regular expressions, so that `a.b` is found in `axb`, and an empty list drops every row.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 丢弃含有 `watermarks` 中任一文字的行。此处按原文匹配；DataFlow 当作正则表达式，`a.b` 会匹配 `axb`，空列表会丢弃所有行。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct WatermarkFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The texts to look for, letter case included. 中文：要查找的文字，区分大小写。
    pub watermarks: Vec<String>,
}

impl Default for WatermarkFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "watermark_filter_label".into(),
            watermarks: ["Copyright", "Watermark", "Confidential"].map(String::from).to_vec(),
        }
    }
}

impl WatermarkFilter {
    fn found(&self, text: &str) -> Option<&str> {
        self.watermarks.iter().map(String::as_str).find(|mark| memchr::memmem::find(text.as_bytes(), mark.as_bytes()).is_some())
    }
}

impl Measure for WatermarkFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(i64::from(!text.is_empty() && self.found(text).is_none()))
    }

    fn keep(&self, clean: i64) -> bool {
        clean == 1
    }

    fn label(&self, clean: i64) -> Cell {
        i64::from(self.keep(clean)).into()
    }

    fn why(&self, text: &str) -> Option<String> {
        Some(format!("it has the watermark `{}`", self.found(text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(WatermarkFilter);

    #[test]
    fn a_dot_is_a_dot() {
        let operator = WatermarkFilter { watermarks: vec!["a.b".into()], ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["axb", "a.b", ""]), @r"
        text=axb watermark_filter_label=1
        dropped
        dropped
        ");
    }
}
