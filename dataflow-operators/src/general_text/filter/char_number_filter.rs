//! Filters rows by their number of characters.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::python::strip;
use crate::scan::{count_bytes, wide};

/// Keeps rows whose text has at least `threshold` characters, white space at the ends and spaces, line feeds and tabs within not counted.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null goes or stays as an empty text does.
///
/// # 中文
///
/// 保留字符数不少于 `threshold` 的行；首尾空白以及文中的空格、换行和制表符不计。保留的行标签为 1，丢弃的为 0；空值与空文本同去留。
#[operator(general_text, filter, Measure)]
pub struct CharNumberFilter {
    /// The text to count. 中文：要计数的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The fewest characters to keep. 中文：保留的最少字符数。
    pub threshold: u32,
}

impl Default for CharNumberFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "char_number_filter_label".into(), threshold: 100 }
    }
}

impl Measure for CharNumberFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        let text = strip(text);
        let left_out = wide(|| count_bytes(text.as_bytes(), |byte| matches!(byte, b' ' | b'\n' | b'\t')));
        Some((text.chars().count() - left_out) as i64)
    }

    fn keep(&self, characters: i64) -> bool {
        characters >= i64::from(self.threshold)
    }

    fn label(&self, characters: i64) -> Cell {
        i64::from(self.keep(characters)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(CharNumberFilter);

    #[test]
    fn spaces_are_not_counted_and_other_white_space_within_is() {
        let operator = CharNumberFilter { threshold: 3, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a b\tc", "a b  ", "一二三", "a\u{3000}b", ""]), @r"
        text=a b	c char_number_filter_label=1
        dropped
        text=一二三 char_number_filter_label=1
        text=a　b char_number_filter_label=1
        dropped
        ");
    }
}
