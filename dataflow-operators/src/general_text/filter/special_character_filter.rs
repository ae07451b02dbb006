//! Filters rows with traces of broken encoding.

use std::sync::LazyLock;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use regex::Regex;

use crate::compatibility::Compatibility;
use crate::pattern::pattern;

/// Drops rows whose text holds replacement characters or escapes that nobody decoded, such as `U+1F600` or `&#247;`.
///
/// Looked for are U+FFFD, `□`, the left-to-right mark U+200E and its escape `\u200e`, `{/U}`, `&#247;` and the `U+` names of emoji. Emoji and other real characters stay.
/// DataFlow looks for the text `u200e` and not for the mark, takes `? :` for a trace, and `U+26?0` for a name but not `U+26FE`; `compatibility: dataflow` does as it does.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 丢弃含有替换字符或未解码转义（如 `U+1F600`、`&#247;`）的行。查找 U+FFFD、`□`、从左至右标记 U+200E 及其转义 `\u200e`、`{/U}`、`&#247;` 与表情符号的 `U+` 名称；真正的表情符号不受影响。DataFlow 查找的是文字 `u200e` 而非该字符，`? :` 也算，`U+26?0` 算而 `U+26FE` 不算；`compatibility: dataflow` 沿用其做法。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct SpecialCharacterFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The texts to look for, letter case included, in the place of the built-in ones. 中文：要查找的文字，区分大小写，取代内置的。
    pub special_characters: Option<Vec<String>>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for SpecialCharacterFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "special_character_filter_label".into(), special_characters: None, compatibility: Compatibility::Own }
    }
}

static TRACES: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    [
        pattern(r"\\u200[eE]|&#247;|[\u{200e}\u{fffd}\u{25a1}]|\{/U\}|U\+(?:26[0-9A-Fa-f]|273|1F[0-9A-Fa-f]{2})[0-9A-Fa-f]"),
        // `[0-F]` and `[0-D]` are ranges of characters, as DataFlow has them: they hold `:` to `@` too.
        pattern(r"u200e|&#247;|\? :|[\u{fffd}\u{25a1}]|\{/U\}|U\+26[0-F][0-D]|U\+273[34]|U\+1F[3-6][0-F][0-F]"),
    ]
});

impl SpecialCharacterFilter {
    /// What of a text is a trace.
    fn found<'a>(&'a self, text: &'a str) -> Option<&'a str> {
        let [own, dataflow] = &*TRACES;
        match (&self.special_characters, self.compatibility) {
            (Some(traces), _) => traces.iter().map(String::as_str).find(|trace| memchr::memmem::find(text.as_bytes(), trace.as_bytes()).is_some()),
            (None, Compatibility::Own) => own.find(text).map(|found| found.as_str()),
            (None, Compatibility::Dataflow) => dataflow.find(text).map(|found| found.as_str()),
        }
    }
}

impl Measure for SpecialCharacterFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(i64::from(!text.is_empty() && self.found(text).is_none()))
    }

    fn keep(&self, clean: i64) -> bool {
        clean == 1
    }

    fn label(&self, clean: i64) -> Cell {
        i64::from(self.keep(clean)).into()
    }

    fn why(&self, text: &str) -> Option<String> {
        let trace = self.found(text)?;
        Some(match trace.chars().next()? {
            first if first.is_ascii() => format!("it has `{trace}`"),
            first => format!("it has the character U+{:04X}", u32::from(first)),
        })
    }

    fn problems(&self) -> Vec<String> {
        let empty = self.special_characters.iter().flatten().position(String::is_empty);
        empty
            .map(|place| format!("`special_characters` should be texts to look for, found an empty one in place {}, which every text has", place + 1))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(SpecialCharacterFilter);

    #[test]
    fn texts_of_ones_own_take_the_place_of_ours() {
        let of =
            |texts: &[&str]| SpecialCharacterFilter { special_characters: Some(texts.iter().map(|text| (*text).to_owned()).collect()), ..Default::default() };
        let operator = of(&["\u{ad}", "[?]"]);
        assert_eq!(["a\u{ad}b", "what [?]", "a � b", "plain"].map(|text| operator.measure(text) == Some(1)), [false, false, true, true]);
        assert_eq!(Measure::why(&operator, "a\u{ad}b"), Some("it has the character U+00AD".into()));
        assert!(Measure::problems(&of(&["x", ""]))[0].starts_with("`special_characters` should be texts to look for, found an empty one in place 2"));
    }

    #[test]
    fn escapes_go_and_characters_stay() {
        let kept = |compatibility, texts: &[&str]| {
            let operator = SpecialCharacterFilter { compatibility, ..Default::default() };
            check_rule(&operator, "text", texts.iter().copied()).lines().map(|line| line != "dropped").collect::<Vec<_>>()
        };
        let texts = ["a \u{200e} b", r"a \u200e b", "U+26FE", "U+1F916", "the text u200e", "what ? : that", "U+26?0", "sun ☀ 😀"];
        assert_eq!(kept(Compatibility::Own, &texts), [false, false, false, false, true, true, true, true]);
        assert_eq!(kept(Compatibility::Dataflow, &texts), [true, false, true, true, false, false, false, true]);
        let operator = SpecialCharacterFilter { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a � b", "U+1F600", "U+26FE", "sun ☀ 😀", ""]), @r"
        dropped
        dropped
        text=U+26FE special_character_filter_label=1
        text=sun ☀ 😀 special_character_filter_label=1
        dropped
        ");
    }
}
