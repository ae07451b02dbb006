//! Answers that name a choice by its letter, and may say what it is: `B`, `(B) 42`, `B. 42`, `42 (B)`.

use std::sync::LazyLock;

use regex::Regex;

use super::super::expression;
use super::super::words::is_word;
use crate::pattern::pattern;

/// A choice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice<'a> {
    pub(super) letter: char,
    /// What it says, where that stands beside the letter.
    pub(super) value: Option<&'a str>,
}

impl<'a> Choice<'a> {
    /// The choice that a text in plain notation names: `B`, `(B)`, `B.`, `(B) 42`, `B. 42`, `B.42`, `42 (B)`, `Option B`, `选B`.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        static BARE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"^{NAMED}(?:\(([A-Ja-j])\)|([A-Ja-j])\s*[.):]?)$")));
        // Without a space between them letters may be an abbreviation.
        static BEFORE: LazyLock<Regex> =
            LazyLock::new(|| pattern(&format!(r"^{NAMED}(?:\(([A-Ja-j])\)\s|([A-J])\s*[.):]\s|([A-J])\s*[.)][^\sA-Za-z.,;:=<>+*/^!)])")));
        static BEHIND: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\S.*)\s\(([A-J])\)$"));
        let letter = |found: regex::Captures<'_>| (1..=3).find_map(|group| found.get(group)?.as_str().chars().next()).map(|letter| letter.to_ascii_uppercase());
        if let Some(found) = BARE.captures(text) {
            return Some(Self { letter: letter(found)?, value: None });
        }
        if let Some(found) = BEFORE.captures(text) {
            let mark = found.get(0)?.as_str();
            // The first character of the value may be in the pattern.
            let end = mark.rfind([')', '.', ':'])? + 1;
            let value = Some(text[end..].trim()).filter(|value| !value.is_empty() && !joins(value))?;
            return Some(Self { letter: letter(found)?, value: Some(value) });
        }
        let found = BEHIND.captures(text)?;
        let (value, letter) = (found.get(1)?.as_str().trim(), found[2].chars().next()?);
        says_something(value).then_some(Self { letter, value: Some(value) })
    }
}

/// What may stand before the letter.
const NAMED: &str = r"(?:(?:[Oo]ption|[Cc]hoice|选项?)\s*)?";

/// Whether a text goes on with another choice: `(A) or (B)`.
fn joins(value: &str) -> bool {
    value.starts_with([',', ';', '或', '和']) || matches!(value.split_whitespace().next(), Some("or" | "and"))
}

/// Whether a text before a letter in brackets is a value, and no name of what is in them: `12 (C)`, not `f (A)` and not `log (A)`.
fn says_something(value: &str) -> bool {
    let ends_with_name = value.rsplit(|character: char| !character.is_alphabetic()).next().is_some_and(expression::is_name);
    !ends_with_name && (value.contains(|character: char| character.is_ascii_digit()) || value.split_whitespace().all(is_word))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn a_choice_is_a_letter_with_or_without_its_value() {
        for (text, letter, value) in [
            ("B", 'B', None),
            ("b", 'B', None),
            ("(B)", 'B', None),
            ("B.", 'B', None),
            ("Option B", 'B', None),
            ("选B", 'B', None),
            ("(B) 42", 'B', Some("42")),
            ("B. 42", 'B', Some("42")),
            ("B . 42", 'B', Some("42")),
            ("B.42", 'B', Some("42")),
            ("B.-42", 'B', Some("-42")),
            ("B.北京", 'B', Some("北京")),
            ("B: the sun", 'B', Some("the sun")),
            ("42 (B)", 'B', Some("42")),
            ("the sun (B)", 'B', Some("the sun")),
        ] {
            assert_eq!(Choice::of(text), Some(Choice { letter, value }), "{text}");
        }
        for text in ["", "AB", "B.C", "A.B.C.", "3B", "f(A)", "f (A)", "P (A)", "2 log (A)", "(A) or (B)", "(A), (B)", "A:B", "A:2", "B=2", "A)+1", "5(B)"] {
            assert_eq!(Choice::of(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_choice_says_counts_where_both_say_it() {
        check(
            &[
                ("C. 12", "C"),
                ("C. 12", "12"),
                ("C.12", "12"),
                ("C.12", "C. 12"),
                (r"\mathrm{C}. 12", "12"),
                (r"\mathrm{C}. 12", "(C)"),
                ("12 (C)", "C"),
                ("12 (C)", "12"),
                ("12 (C)", "(C) 12"),
                ("C. Paris", "(C) Paris"),
                (r"C. \frac{1}{2}", "C. 0.5"),
                ("(A) or (B)", "(B) or (A)"),
            ],
            &[
                ("C. 12", "C. 13"),
                ("C. 12", "B. 12"),
                ("C. Paris", "C. London"),
                ("12 (C)", "13"),
                ("12 (C)", "B"),
                ("C.12", "0.12"),
                ("f (A)", "A"),
                ("(A) or (B)", "A"),
            ],
        );
    }
}
