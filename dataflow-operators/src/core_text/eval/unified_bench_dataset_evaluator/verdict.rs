//! Reads whether a text says yes or no.

use std::sync::LazyLock;

use regex::Regex;

use super::choices::readable;
use super::mentions::{Asked, By};
use super::standing::{Standing, standing};
use crate::pattern::pattern;

const YES: &[&str] = &["yes", "true", "是", "是的", "对", "对的", "正确"];
const NO: &[&str] = &["no", "false", "否", "错", "错的", "错误", "不是", "不对", "不正确"];

/// Whether a text that is one such word says yes.
pub(super) fn says_yes(word: &str) -> Option<bool> {
    let word = word.trim().trim_end_matches(['.', '!', '。']).to_lowercase();
    if YES.contains(&word.as_str()) { Some(true) } else { NO.contains(&word.as_str()).then_some(false) }
}

/// What the first word for yes or no says that stands alone, or before a mark or a clause of its own: `no idea` and `no doubt` say nothing.
pub(super) fn verdict(text: &str) -> Option<bool> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| {
        let goes_on = r"\s+(?:it|they|he|she|this|that|there|we|you|i|because|since|as)\b";
        let chinese = r"(?:^|[\s，。,.;；:：!！为是])(?<han>是的?|否|不?对的?|不是|错的?|错误|不?正确)(?:$|[\s，。,.;；!！、])";
        pattern(&format!(r#"(?i)\b(?<word>yes|no|true|false)(?:["')\]}}]*\s*(?:$|[,.;:!?(\n，。！；]|\s[-–—])|{goes_on})|{chinese}"#))
    });
    let text = readable(text);
    let text = text.trim();
    WORD.captures_iter(text).find_map(|found| {
        let word = found.name("word").or_else(|| found.name("han"))?;
        let says = says_yes(word.as_str())?;
        // What comes behind says why.
        let end = found.get(0)?.end();
        match standing(&text[..word.start()], &text[word.end()..end], By::Text, Asked::One) {
            Standing::Denied | Standing::Excepted => Some(!says),
            Standing::Supposed => None,
            _ => Some(says),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_for_yes_or_no_decides() {
        for (text, wanted) in [
            ("Yes", Some(true)),
            ("Yes, no doubt.", Some(true)),
            ("Yes. There is no other way.", Some(true)),
            ("Yes it is", Some(true)),
            ("**Yes**. It is so.", Some(true)),
            ("Absolutely yes", Some(true)),
            ("There is no doubt: yes.", Some(true)),
            ("This is true.", Some(true)),
            ("The statement is true because 2 > 1", Some(true)),
            ("No, although many say yes.", Some(false)),
            ("No there is not", Some(false)),
            ("False. It is true that it rains, but no.", Some(false)),
            ("That is not true.", Some(false)),
            ("It isn't true.", Some(false)),
            ("That is not false.", Some(true)),
            ("No idea", None),
            ("I have no idea.", None),
            ("Yes (see above)", Some(true)),
            ("这是对的", Some(true)),
            ("这不是对的", Some(false)),
            ("untrue", None),
            ("Norway", None),
            ("是的", Some(true)),
            ("是。", Some(true)),
            ("不是", Some(false)),
            ("对，因为它下雨", Some(true)),
            ("错。", Some(false)),
            ("是北京", None),
        ] {
            assert_eq!(verdict(text), wanted, "{text}");
        }
    }
}
