//! Turns letters into lower case.

use std::borrow::Cow;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;

/// Turns all letters into lower case, of every script that has two cases.
///
/// # 中文
///
/// 把所有字母转为小写，适用于一切区分大小写的文字。
#[operator(general_text, refine, Refine)]
pub struct LowercaseRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
}

impl Default for LowercaseRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

impl Refine for LowercaseRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let lower_already =
            if text.is_ascii() { !text.bytes().any(|byte| byte.is_ascii_uppercase()) } else { text.chars().all(|character| !has_lower(character)) };
        if lower_already { text.into() } else { text.to_lowercase().into() }
    }
}

fn has_lower(character: char) -> bool {
    let mut lower = character.to_lowercase();
    lower.next() != Some(character) || lower.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(LowercaseRefiner);

    #[test]
    fn every_script_with_two_cases_is_lowered() {
        assert_snapshot!(check_rule(&LowercaseRefiner::default(), "text", ["Das ÄPFEL", "ΟΔΟΣ İ", "中文 abc"]), @r"
        text=das äpfel
        text=οδος i̇
        text=中文 abc
        ");
        assert!(matches!(LowercaseRefiner::default().refine("中文 abc"), Cow::Borrowed(_)));
    }
}
