//! Filters answers by their form.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::answer::has_boxed_result;
use crate::compatibility::Compatibility;

/// Keeps answers whose result stands in a box, `\\boxed{…}` or `\\boxed 5`.
///
/// The last box counts, and a box with nothing to read in it, such as `\\boxed{\\text{}}`, holds no result, nor does one that the end of the text cuts off.
/// As for the operators that compare answers, a box within `<think>…</think>` is none, and `boxed{4}` is one whose backslash was lost.
/// DataFlow's check is commented out and keeps every row; `compatibility: dataflow` does as it does. A null goes or stays as an empty text does.
///
/// # 中文
///
/// 保留结果写在 `\\boxed{…}` 或 `\\boxed 5` 中的答案。以最后一个方框为准；空方框（如 `\\boxed{\\text{}}`）和被文本结尾截断的方框不算。与比较答案的算子一致，`<think>…</think>` 内的方框不算，`boxed{4}` 视为丢失了反斜杠的方框。DataFlow 的检查被注释掉，会保留所有行；`compatibility: dataflow` 沿用其做法。空值与空文本同去留。
#[operator(reasoning, filter, Measure)]
pub struct ReasoningAnswerFormatterFilter {
    /// The answer. 中文：答案。
    pub input_key: Input<Text>,
    /// Where the label goes, 1 for a row that stays and 0 for one that goes; not written unless it is named. 中文：写入标签的列（保留为 1，丢弃为 0）；不指定则不写。
    pub output_key: Option<Output<Integer>>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for ReasoningAnswerFormatterFilter {
    fn default() -> Self {
        Self { input_key: "generated_cot".into(), output_key: None, compatibility: Compatibility::Own }
    }
}

impl Measure for ReasoningAnswerFormatterFilter {
    type Value = bool;

    fn measure(&self, text: &str) -> Option<bool> {
        let boxed = has_boxed_result(text);
        Some(boxed || self.compatibility == Compatibility::Dataflow)
    }

    fn why(&self, _: &str) -> Option<String> {
        Some("no `\\boxed{…}` holds a result".into())
    }

    fn keep(&self, boxed: bool) -> bool {
        boxed
    }

    fn label(&self, boxed: bool) -> Cell {
        i64::from(boxed).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(ReasoningAnswerFormatterFilter);

    #[test]
    fn a_box_with_something_in_it_is_wanted() {
        assert_snapshot!(check_rule(&ReasoningAnswerFormatterFilter::default(), "generated_cot", [
            r"so \boxed{42}.", "so 42", r"\boxed{ }", r"so $\boxed 4$", r"\boxed{\text{}}", r"\boxed{4", r"\boxed{\text{yes}}", r"\boxed{\{\}}", r"\boxed{4}, so \boxed{}", r"<think>\boxed{4}</think> 4", "boxed{4}"]), @r"
        generated_cot=so \boxed{42}.
        dropped
        dropped
        generated_cot=so $\boxed 4$
        dropped
        dropped
        generated_cot=\boxed{\text{yes}}
        generated_cot=\boxed{\{\}}
        dropped
        dropped
        generated_cot=boxed{4}
        ");
    }
}
