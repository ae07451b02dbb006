//! Deletes emoji.

use std::borrow::Cow;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;

/// Deletes emoji: faces, pictographs, transport signs, flags and dingbats.
///
/// These are DataFlow's five ranges of characters. Joiners and variation selectors between them stay, and so do the newer emoji from U+1F900 on.
///
/// # 中文
///
/// 删除表情符号：表情、图形、交通标志、旗帜与装饰符号，即 DataFlow 的五个码位区间。其间的连接符与变体选择符保留，U+1F900 之后的新表情也保留。
#[operator(general_text, refine, Refine)]
pub struct RemoveEmojiRefiner {
    /// The text to clean. 中文：要清理的文本。
    pub input_key: InOut<Text>,
}

impl Default for RemoveEmojiRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

fn is_emoji(character: char) -> bool {
    matches!(character, '\u{2702}'..='\u{27b0}' | '\u{1f1e0}'..='\u{1f1ff}' | '\u{1f300}'..='\u{1f64f}' | '\u{1f680}'..='\u{1f6ff}')
}

impl Refine for RemoveEmojiRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        // All emoji begin with one of two bytes.
        if memchr::memchr2(0xe2, 0xf0, text.as_bytes()).is_none() || !text.contains(is_emoji) {
            return text.into();
        }
        text.replace(is_emoji, "").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveEmojiRefiner);

    #[test]
    fn the_five_ranges_go_and_nothing_else() {
        assert_snapshot!(check_rule(&RemoveEmojiRefiner::default(), "text", ["好😀的🚀 ok ✂", "🇨🇳 flag", "🤖 and ☀ stay", "plain"]), @r"
        text=好的 ok 
        text= flag
        text=🤖 and ☀ stay
        text=plain
        ");
    }

    #[test]
    fn a_text_without_emoji_is_not_copied() {
        assert!(matches!(RemoveEmojiRefiner::default().refine("没有表情"), Cow::Borrowed(_)));
    }
}
