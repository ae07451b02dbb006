//! Filters rows without text.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::python::strip;

/// Drops rows whose text is null, empty or nothing but white space.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 丢弃文本为空值、空串或只有空白的行。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct ContentNullFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

impl Default for ContentNullFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "content_null_filter_label".into() }
    }
}

impl Measure for ContentNullFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(i64::from(!strip(text).is_empty()))
    }

    fn keep(&self, filled: i64) -> bool {
        filled == 1
    }

    fn label(&self, filled: i64) -> Cell {
        i64::from(self.keep(filled)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(ContentNullFilter);

    #[test]
    fn white_space_is_no_content() {
        let operator = ContentNullFilter { ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a", "  ", ""]), @r"
        text=a content_null_filter_label=1
        dropped
        dropped
        ");
    }
}
