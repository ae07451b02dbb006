//! Compares answers as DataFlow does, which hands bare texts to math_verify: what is not marked as LaTeX is only searched for numbers.

use std::sync::LazyLock;

use regex::Regex;

use super::boxed::last_boxed;
use super::expression::{self, Expression};
use super::final_answer::{Units, final_answer};
use super::normal_form::normal_form;
use crate::pattern::pattern;

/// Whether the final answer of a solution has the value of the reference answer where both have one.
///
/// A letter, an interval, a set, and a formula with letters in it have no value, and so agree with nothing, not even with themselves.
pub(super) fn bare_values_match(solution: &str, reference: &str) -> bool {
    let answer = final_answer(solution, Units::Everywhere);
    matches!((value(&answer), value(reference)), (Some(answer), Some(reference)) if expression::close(answer, reference))
}

/// The value of a text: of the last formula that is marked as LaTeX, else of the last fraction of two whole numbers, else of the last number or sum of numbers.
fn value(text: &str) -> Option<f64> {
    if let Some(formula) = marked_formula(text) {
        return constant(&normal_form(formula.rsplit('=').next()?));
    }
    last_fraction(text).or_else(|| last_number(text))
}

fn constant(text: &str) -> Option<f64> {
    Expression::parse(text)?.constant().filter(|value| !value.is_nan())
}

fn marked_formula(text: &str) -> Option<&str> {
    last_boxed(text).or_else(|| formulas(text).last())
}

/// What stands between marks of LaTeX. A mark that is not closed is none, and the text is not searched for its end again for each that follows.
fn formulas(text: &str) -> impl Iterator<Item = &str> {
    static OPEN: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$+|\\\(|\\\["));
    let mut at = 0;
    let mut unclosed: Vec<&str> = Vec::new();
    std::iter::from_fn(move || {
        loop {
            let open = OPEN.find_at(text, at)?;
            at = open.end();
            let close = match open.as_str() {
                "\\(" => "\\)",
                "\\[" => "\\]",
                _ => "$",
            };
            let first = text[at..].chars().next()?.len_utf8();
            if unclosed.contains(&close) {
                continue;
            }
            match text[at + first..].find(close) {
                Some(length) => {
                    let formula = &text[at..at + first + length];
                    at += formula.len() + close.len();
                    return Some(formula);
                }
                None => unclosed.push(close),
            }
        }
    })
}

fn last_fraction(text: &str) -> Option<f64> {
    static FRACTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(-?)\\[dt]?frac(?:\{\s*(-?\d+)\s*\}\{\s*(-?\d+)\s*\}|(\d)(\d))"));
    let found = FRACTION.captures_iter(text).last()?;
    let part = |braced: usize, bare: usize| found.get(braced).or_else(|| found.get(bare))?.as_str().parse::<f64>().ok();
    let share = part(2, 4)? / part(3, 5)?;
    (!share.is_nan()).then_some(if &found[1] == "-" { -share } else { share })
}

/// The last number, or calculation with numbers, at the start of the text, after a space or after `=`.
fn last_number(text: &str) -> Option<f64> {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        let calculation = r"-?\(?-?\d[\d.\s+\-*×/^()÷]*[+\-*×/^()÷][\d.\s+\-*×/^()÷]+\)?";
        let grouped = r"-? ?\d{1,3}(?:[ ,]\d{3})+(?:\.\d+)?";
        let number = r"-? ?\d+[.,]\d+|-? ?\.\d+|-? ?\d+";
        pattern(&format!(r"(?:^|[\s=])(?:\*\*)?(?:({calculation})(?:[.,:\s)$]|$)|[$€£¥₹]?({grouped}|{number})(\s*(?:%|[Pp]ercent))?)"))
    });
    let found = NUMBER.captures_iter(text).filter_map(|found| {
        if let Some(calculation) = found.get(1) {
            return constant(&normal_form(calculation.as_str()));
        }
        let plain = found.get(2)?.as_str().replace(' ', "");
        // `1,000` groups digits, and `2,5` is two and a half.
        let groups = plain.split_once(',').is_some_and(|(_, rest)| rest.split(['.', ',']).next().is_some_and(|group| group.len() == 3));
        let number: f64 = plain.replace(',', if groups { "" } else { "." }).parse().ok()?;
        Some(if found.get(3).is_some() { number / 100.0 } else { number })
    });
    found.last()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_numbers_have_a_value_where_nothing_is_marked() {
        let values = [
            ("42", 42.0),
            ("So 7 and -3.5", -3.5),
            (".5", 0.5),
            ("2/4", 0.5),
            (r"\frac{3}{4}", 0.75),
            (r"-\frac12", -0.5),
            ("1,000", 1000.0),
            ("2,5", 2.5),
            ("$0.5$", 0.5),
            (r"$\frac{\pi}{\pi}$", 1.0),
            ("$5 each", 5.0),
            ("x = 5", 5.0),
            ("5%", 0.05),
        ];
        for (text, wanted) in values {
            assert!(value(text).is_some_and(|found| expression::close(found, wanted)), "{text}: {:?}", value(text));
        }
        for none in ["B", "", "x^2+1", "$1+x^2$", r"(-\infty,3]", "{1,2}", "a+b", r"$\{1, 2\}$"] {
            assert_eq!(value(none), None, "{none}");
        }
    }

    #[test]
    fn what_has_no_value_agrees_with_nothing() {
        assert!(bare_values_match(r"So \boxed{\frac{3}{4}}.", "0.75"));
        assert!(!bare_values_match("The answer is B.", "B"));
        assert!(!bare_values_match(r"\boxed{2\pi}", r"$2\pi$"));
        assert!(!bare_values_match(r"\boxed{1{,}000}", "1000"));
    }

    #[test]
    fn formulas_stand_between_marks_that_are_closed() {
        for (text, wanted) in [
            (r"$1$ and $$2$$, \(3\) or \[4\]", &["1", "2", "3", "4"][..]),
            (r"\( $1$ \[2\] \)", &[r" $1$ \[2\] "]),
            (r"\( $1$ \[ $2$", &["1", "2"]),
            (r"\(\) 1\)", &[r"\) 1"]),
            ("$5 and $", &["5 and "]),
            ("$$", &[]),
            (r"1\(", &[]),
        ] {
            assert_eq!(formulas(text).collect::<Vec<_>>(), wanted, "{text}");
        }
        assert_eq!(formulas(&r"\( $a$ ".repeat(50_000)).count(), 50_000);
    }

    proptest! {
        #[test]
        fn formulas_are_those_of_the_pattern(text in r"(?:\$|\\[()\[\]]|[ab\\é]){0,30}") {
            let pattern = pattern(r"(?s)\$+([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]");
            let wanted: Vec<&str> = pattern.captures_iter(&text).filter_map(|found| (1..=3).find_map(|group| found.get(group))).map(|found| found.as_str()).collect();
            prop_assert_eq!(formulas(&text).collect::<Vec<_>>(), wanted);
        }

        #[test]
        fn no_text_panics(text in r"[\\boxed{}$(). =frac0-9,%+*/^\-é]{0,60}") {
            bare_values_match(&text, &text);
        }
    }
}
