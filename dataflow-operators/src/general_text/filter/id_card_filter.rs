//! Filters rows that speak of identity documents.

use std::sync::LazyLock;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use regex::Regex;

/// Keeps rows that name an identity document fewer than `threshold` times.
///
/// It looks for names such as `ID card`, `identity` and `身份` and for no number, as in DataFlow: also `kid number` counts.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 保留提及身份证件的次数少于 `threshold` 的行。与 DataFlow 一致，只找 `ID card`、`identity`、`身份` 等名称，不识别号码；`kid number` 也会计入。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct IDCardFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The number of mentions at which a row goes. 中文：达到此次数即丢弃。
    pub threshold: u32,
}

impl Default for IDCardFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "id_card_filter_label".into(), threshold: 3 }
    }
}

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static NAMES: LazyLock<Regex> = LazyLock::new(|| {
    let gap = r"[\s\x1c-\x1f]{0,10}";
    let names =
        ["身_份", "id_number_", "identification", "identity", "_ID_No_", "id_card_", "NRIC_number_", "IC_number_", "resident_registration_", "I.D._Number_"];
    Regex::new(&format!("(?i){}", names.join("|").replace('_', gap))).expect("a valid pattern")
});

impl Measure for IDCardFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(if text.is_empty() { i64::MAX } else { NAMES.find_iter(text).count() as i64 })
    }

    fn keep(&self, names: i64) -> bool {
        names < i64::from(self.threshold)
    }

    fn label(&self, names: i64) -> Cell {
        i64::from(self.keep(names)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(IDCardFilter);

    #[test]
    fn names_are_counted_and_numbers_are_not() {
        let operator = IDCardFilter { threshold: 2, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["identity and ID card", "110101199003070000", "身 份", ""]), @r"
        dropped
        text=110101199003070000 id_card_filter_label=1
        text=身 份 id_card_filter_label=1
        dropped
        ");
    }
}
