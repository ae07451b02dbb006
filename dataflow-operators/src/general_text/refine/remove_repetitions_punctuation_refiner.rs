//! Leaves one of a run of equal marks.

use std::borrow::Cow;

use crate::python::{is_space, is_word};
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;

/// Leaves one of every run of the same mark, `!!!` becomes `!`.
///
/// As in DataFlow every run counts: `...` becomes `.`, `http://` becomes `http:/` and `i++` becomes `i+`.
///
/// # 中文
///
/// 把连续相同的标点合并为一个，`!!!` 变为 `!`。与 DataFlow 一致，所有重复都会合并：`...` 变为 `.`，`http://` 变为 `http:/`，`i++` 变为 `i+`。
#[operator(general_text, refine, Refine)]
pub struct RemoveRepetitionsPunctuationRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
}

impl Default for RemoveRepetitionsPunctuationRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

impl Refine for RemoveRepetitionsPunctuationRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let repeats = |before: Option<char>, character: char| before == Some(character) && is_mark(character);
        let mut before = None;
        if !text.chars().any(|character| repeats(before.replace(character), character)) {
            return text.into();
        }
        let mut before = None;
        text.chars().filter(|character| !repeats(before.replace(*character), *character)).collect::<String>().into()
    }
}

fn is_mark(character: char) -> bool {
    character == '_' || !(is_word(character) || is_space(character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveRepetitionsPunctuationRefiner);

    #[test]
    fn one_of_each_run_stays() {
        let texts = ["Really??? Yes!! __x__", "他笑了……", "a  b c 11", "?!?!"];
        assert_snapshot!(check_rule(&RemoveRepetitionsPunctuationRefiner::default(), "text", texts), @r"
        text=Really? Yes! _x_
        text=他笑了…
        text=a  b c 11
        text=?!?!
        ");
    }
}
