//! Filters rows whose text breaks off at a colon.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::compatibility::Compatibility;
use crate::python::strip;

/// Drops rows whose text ends with a colon: what was announced is missing.
///
/// White space after it does not matter, and the full-width `：` counts too. DataFlow looks for `:` at the very end alone; `compatibility: dataflow` does as it does.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 丢弃以冒号结尾的行：冒号之后的内容已缺失。忽略末尾的空白，全角冒号 `：` 也算。DataFlow 只看最后一个字符是否为半角冒号；`compatibility: dataflow` 沿用其做法。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct ColonEndFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for ColonEndFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "colonendfilter_label".into(), compatibility: Compatibility::Own }
    }
}

impl Measure for ColonEndFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        let breaks_off = match self.compatibility {
            Compatibility::Own => strip(text).ends_with([':', '：']),
            Compatibility::Dataflow => text.ends_with(':'),
        };
        Some(i64::from(!text.is_empty() && !breaks_off))
    }

    fn why(&self, _: &str) -> Option<String> {
        Some("it ends with a colon".into())
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
    fn a_colon_of_either_width_at_the_end_counts() {
        assert_snapshot!(check_rule(&ColonEndFilter::default(), "text", ["as follows: ", "说明如下：", "10:30", ""]), @r"
        dropped
        dropped
        text=10:30 colonendfilter_label=1
        dropped
        ");
    }

    #[test]
    fn only_a_colon_at_the_very_end_counts_in_dataflow() {
        let operator = ColonEndFilter { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["as follows:", "as follows: ", "如下：", ""]), @r"
        dropped
        text=as follows:  colonendfilter_label=1
        text=如下： colonendfilter_label=1
        dropped
        ");
    }
}
