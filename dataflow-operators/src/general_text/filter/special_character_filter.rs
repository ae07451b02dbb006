//! Filters rows with traces of broken encoding.

use std::sync::LazyLock;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use regex::Regex;

/// Drops rows whose text holds replacement characters or escapes that nobody decoded, such as `U+1F600` or `&#247;`.
///
/// Emoji and other real characters stay, as in DataFlow; it is the text `u200e` that is looked for, and not the character.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 丢弃含有替换字符或未解码转义（如 `U+1F600`、`&#247;`）的行。与 DataFlow 一致，真正的表情符号不受影响；查找的是文字 `u200e` 而非该字符。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct SpecialCharacterFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

impl Default for SpecialCharacterFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "special_character_filter_label".into() }
    }
}

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static TRACES: LazyLock<Regex> = LazyLock::new(|| {
    // `[0-F]` and `[0-D]` are ranges of characters, as DataFlow has them: they hold `:` to `@` too.
    Regex::new(r"u200e|&#247;|\? :|[\u{fffd}\u{25a1}]|\{/U\}|U\+26[0-F][0-D]|U\+273[34]|U\+1F[3-6][0-F][0-F]").expect("a valid pattern")
});

impl Measure for SpecialCharacterFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(i64::from(!text.is_empty() && !TRACES.is_match(text)))
    }

    fn keep(&self, clean: i64) -> bool {
        clean == 1
    }

    fn label(&self, clean: i64) -> Cell {
        i64::from(self.keep(clean)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(SpecialCharacterFilter);

    #[test]
    fn escapes_go_and_characters_stay() {
        let operator = SpecialCharacterFilter { ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a � b", "U+1F600", "U+26FE", "sun ☀ 😀", ""]), @r"
        dropped
        dropped
        text=U+26FE special_character_filter_label=1
        text=sun ☀ 😀 special_character_filter_label=1
        dropped
        ");
    }
}
