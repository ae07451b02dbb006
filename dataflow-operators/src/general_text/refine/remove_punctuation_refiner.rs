//! Deletes ASCII punctuation.

use std::borrow::Cow;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;

/// Deletes the 32 punctuation marks of ASCII. Chinese and typographic marks stay, as in DataFlow.
///
/// # 中文
///
/// 删除 32 个 ASCII 标点。与 DataFlow 一致，中文标点与弯引号等保留。
#[operator(general_text, refine, Refine)]
pub struct RemovePunctuationRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
}

impl Default for RemovePunctuationRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

impl Refine for RemovePunctuationRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let is_mark = |character: char| character.is_ascii_punctuation();
        if text.contains(is_mark) { text.replace(is_mark, "").into() } else { text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemovePunctuationRefiner);

    #[test]
    fn ascii_marks_go_and_others_stay() {
        assert_snapshot!(check_rule(&RemovePunctuationRefiner::default(), "text", ["Hello, world! (a_b)", "你好，世界。“x”"]), @r"
        text=Hello world ab
        text=你好，世界。“x”
        ");
    }
}
