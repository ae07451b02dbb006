//! A verdict that a solution begins or ends with: `Yes, since 4 > 3.`, `Therefore, no.`, `The statement is false.`

use std::sync::LazyLock;

use regex::Regex;

use super::denial::is_denied;
use crate::pattern::pattern;

/// The verdict of a solution: that of its last sentence, else that of its first; `no` where it says `absolutely not`.
pub(super) fn verdict<'a>(text: &'a str) -> Option<&'a str> {
    static VERDICT: LazyLock<Regex> = LazyLock::new(|| {
        // Bounds of words by ASCII, as Unicode's take many times as long in a text with letters of other alphabets.
        let ended = r"(?:[,.;:!，。；：！—–]|\s-|\n|$)";
        let alone = format!(r"^[\s*]*(?:(?:so|therefore|thus|hence)(?-u:\b),?[\s*]*)?(?<alone>yes|no|true|false)\**\s*{ended}");
        let denied = format!(r"^[\s*]*(?<denied>(?:absolutely|certainly|definitely|of\s+course)\s+not|not\s+at\s+all)\**\s*{ended}");
        let said = r"(?-u:\b)(?:statement|claim|assertion|proposition)\s+is\s+\**(?<said>true|false)\**\s*\.?\s*$";
        pattern(&format!("(?i)(?:{alone}|{denied}|{said})"))
    });
    let of = |sentence: &'a str| {
        let found = VERDICT.captures(sentence)?;
        let word = || found.name("alone").or_else(|| found.name("said")).map(|word| word.as_str());
        if found.name("denied").is_some() { Some("no") } else { word() }
    };
    let text = text.trim();
    let last = text.trim_end_matches(['.', '!']).rfind(". ").map_or(0, |end| end + 2).max(text.rfind('\n').map_or(0, |end| end + 1));
    of(&text[last..]).or_else(|| of(&text[..text.floor_char_boundary(60)]))
}

/// What the last sentence says that something is, in words: `even` of `So the sum is even.`, `no solution` of `There is no solution.`
pub(super) fn words_of_last_sentence(text: &str) -> Option<&str> {
    static COPULA: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:\s(?:is|are|was|were)|^it['’]s)\s+(?:(?:an?|the)\s+)?"));
    static ARTICLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^(?:an?|the)\s+"));
    let text = text.trim().trim_end_matches(['.', '!']);
    let start = text.rfind(". ").map_or(0, |end| end + 2).max(text.rfind('\n').map_or(0, |end| end + 1));
    let sentence = &text[start..];
    if sentence.len() > LONGEST {
        return None;
    }
    let said = COPULA.find_iter(sentence).last().or_else(|| ARTICLE.find(sentence))?;
    Some(&sentence[said.end()..]).filter(|said| !said.contains(|character: char| character.is_numeric()))
}

/// The circled numbers that a text ends with, of statements that are right: `①③④` of `正确的是①、③、④`.
pub(super) fn circled_numbers(text: &str) -> Option<String> {
    static CIRCLED: LazyLock<Regex> = LazyLock::new(|| pattern(r"[①-⑳](?:[、，,和\s]*[①-⑳])*"));
    let found = CIRCLED.find_iter(text).filter(|found| !is_denied(text, found.start(), found.end())).last()?;
    Some(found.as_str().chars().filter(|character| matches!(character, '①'..='⑳')).collect())
}

/// The most bytes of a sentence that says in plain words what the answer is.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_begins_or_ends_a_text() {
        for (text, wanted) in [
            ("Yes, because the sum is even.", Some("Yes")),
            ("No. The sum is 4.", Some("No")),
            ("**Yes**, it does.", Some("Yes")),
            ("Yes\n\nExplanation: 2 < 3.", Some("Yes")),
            ("It is even. Therefore, yes.", Some("yes")),
            ("Yes, at first. So no.", Some("no")),
            ("The statement is false.", Some("false")),
            ("Absolutely not", Some("no")),
            ("Of course not, since 2 < 3.", Some("no")),
            ("It is odd. Certainly not.", Some("no")),
            ("Not at all easy", None),
            ("Certainly not 5 of them", None),
            ("No one knows.", None),
            ("True or false?", None),
            ("There are 4.", None),
        ] {
            assert_eq!(verdict(text), wanted, "{text}");
        }
    }

    #[test]
    fn circled_numbers_are_read_without_what_parts_them() {
        for (text, wanted) in [("正确的是①、③、④。", Some("①③④")), ("①③正确，②错误", Some("①③")), ("不是②", None), ("12", None)]
        {
            assert_eq!(circled_numbers(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_last_sentence_says_what_something_is() {
        for (text, wanted) in [
            ("x = 2. So the function is even.", Some("even")),
            ("There is no solution.", Some("no solution")),
            ("An ellipse.", Some("ellipse")),
            ("It's Paris.", Some("Paris")),
            ("The sum is not even.", Some("not even")),
            ("It is 12.", None),
            ("Paris", None),
        ] {
            assert_eq!(words_of_last_sentence(text), wanted, "{text}");
        }
    }
}
