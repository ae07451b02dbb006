//! Filters rows that speak of identity documents.

use std::sync::LazyLock;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use regex::Regex;

use crate::bounds;
use crate::compatibility::Compatibility;
use crate::pattern::pattern;

/// Keeps rows that name an identity document fewer than `threshold` times and have no number of a Chinese identity card.
///
/// It looks for names such as `ID card`, `id-cards`, `identity` and `身份`, and for 18 digits with a date of birth in their midst. DataFlow looks for no number, and finds names within words too, so that `kid number` counts; `compatibility: dataflow` does as it does.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 保留提及身份证件的次数少于 `threshold` 且不含身份证号码的行。查找 `ID card`、`id-cards`、`identity`、`身份` 等名称，以及含出生日期的 18 位号码。DataFlow 不识别号码，且单词内部的名称也会计入，如 `kid number`；`compatibility: dataflow` 沿用其做法。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct IDCardFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The number of mentions at which a row goes. 中文：达到此次数即丢弃。
    pub threshold: u32,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for IDCardFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "id_card_filter_label".into(), threshold: 3, compatibility: Compatibility::Own }
    }
}

static PATTERNS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    let spaced = |written: &str, gap: &str| pattern(&format!("(?i){}", written.replace('_', gap)));
    let own = "身_份|(?-u:\\b)(?:id_(?:numbers?|cards?|nos?)|identifications?|identit(?:y|ies)|(?:nric|ic|i\\.d\\.)_numbers?|resident_registrations?)(?-u:\\b)";
    // Where one lives, the date of birth, a number for the day, and a digit or X to check.
    let number = "(?-u:\\b)[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9xX](?-u:\\b)";
    let dataflow =
        ["身_份", "id_number_", "identification", "identity", "_ID_No_", "id_card_", "NRIC_number_", "IC_number_", "resident_registration_", "I.D._Number_"];
    [spaced(own, r"[\s\x1c-\x1f_-]{0,10}"), pattern(number), spaced(&dataflow.join("|"), r"[\s\x1c-\x1f]{0,10}")]
});

impl Measure for IDCardFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        let [own, number, dataflow] = &*PATTERNS;
        Some(match self.compatibility {
            _ if text.is_empty() => i64::MAX,
            Compatibility::Own if number.is_match(text) => i64::MAX,
            Compatibility::Own => own.find_iter(text).count() as i64,
            Compatibility::Dataflow => dataflow.find_iter(text).count() as i64,
        })
    }

    fn keep(&self, names: i64) -> bool {
        names < i64::from(self.threshold)
    }

    fn label(&self, names: i64) -> Cell {
        i64::from(self.keep(names)).into()
    }

    fn why(&self, text: &str) -> Option<String> {
        let [_, number, _] = &*PATTERNS;
        (self.compatibility == Compatibility::Own && number.is_match(text)).then(|| "it has the number of an identity card".into())
    }

    fn problems(&self) -> Vec<String> {
        bounds::threshold(self.threshold, 1.., "a text has at least 0 names")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(IDCardFilter);

    #[test]
    fn whole_names_are_counted_and_a_number_of_18_digits_goes() {
        let texts = [
            "kid number, a candid card, an identity",
            "身份证号110101199003070001，",
            "11010119900307001X",
            "order 110101199013070001, 1101011990030700011",
            "ID card no. 5 and I.D. number",
            "We store ID numbers and the identities of guests",
            "an ID-card and id_card",
        ];
        let shown = check_rule(&IDCardFilter { threshold: 2, ..Default::default() }, "text", texts);
        let kept: Vec<bool> = shown.lines().map(|line| line != "dropped").collect();
        assert_eq!(kept, [true, false, false, true, false, false, false]);
    }

    #[test]
    fn names_are_counted_and_numbers_are_not_in_dataflow() {
        let operator = IDCardFilter { threshold: 2, compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["identity and ID card", "110101199003070000", "身 份", ""]), @r"
        dropped
        text=110101199003070000 id_card_filter_label=1
        text=身 份 id_card_filter_label=1
        dropped
        ");
    }
}
