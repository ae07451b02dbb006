//! Deletes digits.

use std::borrow::Cow;

use crate::python::is_digit;
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;

/// Deletes digits of every script, superscript and circled ones too.
///
/// As in DataFlow the marks between them stay, `3.14` becomes `.`; numerals that are letters or words (Ⅳ, ½, 三) stay.
///
/// # 中文
///
/// 删除各种文字的数字，包括上标与带圈数字。与 DataFlow 一致：数字之间的符号保留，`3.14` 变为 `.`；罗马数字、分数字符与汉字数字保留。
#[operator(general_text, refine, Refine)]
pub struct RemoveNumberRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
}

impl Default for RemoveNumberRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

impl Refine for RemoveNumberRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.contains(is_digit) { text.replace(is_digit, "").into() } else { text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveNumberRefiner);

    #[test]
    fn digits_of_every_script_go() {
        assert_snapshot!(check_rule(&RemoveNumberRefiner::default(), "text", ["a1b 3.14", "x² ① ٣४ Ⅳ ½ 三", "none"]), @r"
        text=ab .
        text=x   Ⅳ ½ 三
        text=none
        ");
    }
}
