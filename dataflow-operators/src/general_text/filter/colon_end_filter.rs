//! Filters rows whose text breaks off at a colon.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

/// Drops rows whose text ends with a colon: what was announced is missing.
///
/// Only `:` at the very end counts, as in DataFlow: a space after it, or the full-width `：`, lets the row stay.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 丢弃以半角冒号结尾的行：冒号之后的内容已缺失。与 DataFlow 一致，只看最后一个字符；冒号后有空格或使用全角冒号的行会保留。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct ColonEndFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

impl Default for ColonEndFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "colonendfilter_label".into() }
    }
}

impl Measure for ColonEndFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(i64::from(!text.is_empty() && !text.ends_with(':')))
    }

    fn keep(&self, whole: i64) -> bool {
        whole == 1
    }

    fn label(&self, whole: i64) -> Cell {
        i64::from(self.keep(whole)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(ColonEndFilter);

    #[test]
    fn only_a_colon_at_the_very_end_counts() {
        let operator = ColonEndFilter { ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["as follows:", "as follows: ", "如下：", ""]), @r"
        dropped
        text=as follows:  colonendfilter_label=1
        text=如下： colonendfilter_label=1
        dropped
        ");
    }
}
