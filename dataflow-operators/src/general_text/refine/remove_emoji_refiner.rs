//! Deletes emoji.

use std::borrow::Cow;
use std::sync::LazyLock;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;

use crate::compatibility::Compatibility;
use crate::pattern::pattern;

/// Deletes emoji: faces, pictographs, transport signs, flags and dingbats.
///
/// They are Unicode's (UTS #51), whole sequences with their joiners, skin tones and variation selectors; of the characters that are text unless a selector follows, the symbols and dingbats from U+2600 on, such as `☎`, `♥` and `✈`, go without it too, and letters, arrows and signs before them, such as `©`, `™`, `ℹ`, `↔` and `▶`, stay without it, as do `〰`, `〽`, `㊗` and `㊙`.
/// DataFlow knows five ranges of characters alone, and leaves joiners, symbols such as `☎` and `♥`, and all emoji from U+1F900 on; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 删除表情符号：表情、图形、交通标志、旗帜与装饰符号，以 Unicode（UTS #51）为准，整个序列连同连接符、肤色与变体选择符一并删除；默认为文字的字符中，U+2600 起的符号与装饰符（如 `☎`、`♥`、`✈`）没有变体选择符也删除，此前的字母、箭头与符号（如 `©`、`™`、`ℹ`、`↔`、`▶`）没有变体选择符时保留，`〰`、`〽`、`㊗`、`㊙` 同样保留。DataFlow 只认五个码位区间，会留下连接符、`☎`、`♥` 等符号和 U+1F900 之后的表情；`compatibility: dataflow` 沿用其做法。
#[operator(general_text, refine, Refine)]
pub struct RemoveEmojiRefiner {
    /// The text to clean. 中文：要清理的文本。
    pub input_key: InOut<Text>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for RemoveEmojiRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), compatibility: Compatibility::Own }
    }
}

/// An emoji and all that hangs on it. The signs and dingbats among them are emoji in text too, where Unicode leaves it to the font.
static EMOJI: LazyLock<Regex> = LazyLock::new(|| {
    let emoji = r"\p{Emoji_Presentation}|[\p{Emoji}&&[\u{2600}-\u{27bf}\u{1f000}-\u{1faff}]]|[\p{Emoji}--[0-9#*]]\u{fe0f}|[0-9#*]\u{fe0f}?\u{20e3}";
    let after = r"[\u{fe0e}\u{fe0f}\u{20e3}\u{200d}\p{Emoji_Modifier}\u{e0020}-\u{e007f}]*";
    pattern(&format!("(?:{emoji}){after}"))
});

/// Whether DataFlow takes a character for an emoji.
fn is_emoji(character: char) -> bool {
    matches!(character, '\u{2702}'..='\u{27b0}' | '\u{1f1e0}'..='\u{1f1ff}' | '\u{1f300}'..='\u{1f64f}' | '\u{1f680}'..='\u{1f6ff}')
}

impl Refine for RemoveEmojiRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        // All emoji have one of three bytes: those of two kinds, and the variation selector of all others.
        if memchr::memchr3(0xe2, 0xef, 0xf0, text.as_bytes()).is_none() {
            return text.into();
        }
        match self.compatibility {
            Compatibility::Own => EMOJI.replace_all(text, ""),
            Compatibility::Dataflow if text.contains(is_emoji) => text.replace(is_emoji, "").into(),
            Compatibility::Dataflow => text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveEmojiRefiner);

    #[test]
    fn whole_sequences_go_and_text_stays() {
        let texts =
            ["a🤖b👨‍👩‍👧c👍🏽d🏴󠁧󠁢󠁥󠁮󠁧󠁿e🏳️‍🌈f", "press 1️⃣ or #⃣, ☀ ❤️ ✂ ⭐ 🦀🪐🇨🇳", "© 2024 ™ 1 # * ↔ ✓ → ①", "☎ ☺ ♥ ✔ ✈, and ℹ ▶", "©️ and ↔️", "می‌خواهم क्‍ष 中文，标点！"];
        assert_snapshot!(check_rule(&RemoveEmojiRefiner::default(), "text", texts), @r"
        text=abcdef
        text=press  or ,     
        text=© 2024 ™ 1 # * ↔ ✓ → ①
        text=    , and ℹ ▶
        text= and 
        text=می‌خواهم क्‍ष 中文，标点！
        ");
    }

    #[test]
    fn the_five_ranges_go_and_nothing_else_in_dataflow() {
        let operator = RemoveEmojiRefiner { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["好😀的🚀 ok ✂", "🇨🇳 flag", "🤖 and ☀ ☎ ☺ ♥ stay", "plain"]), @r"
        text=好的 ok 
        text= flag
        text=🤖 and ☀ ☎ ☺ ♥ stay
        text=plain
        ");
    }

    #[test]
    fn a_text_without_emoji_is_not_copied() {
        assert!(matches!(RemoveEmojiRefiner::default().refine("没有表情"), Cow::Borrowed(_)));
    }
}
