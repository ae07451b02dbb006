//! The final answer of a solution, cleaned so that it can be compared letter by letter: the rules that evaluations of mathematics models share.

mod unit;

use std::sync::LazyLock;

use regex::Regex;

use self::unit::{without_unit_behind, without_units};
use super::number_words::{Words, in_digits, number_of_words};
use crate::pattern::pattern;

/// What is done with the unit behind an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    /// The unit behind an answer that is one value goes, with its powers and divisors: `m^2`, `m/s`.
    AfterNumbers,
    /// Every word that is a unit goes, single letters such as `a` and `m` too, as in DataFlow.
    Everywhere,
    /// Units stay.
    Stay,
}

/// The final answer by the first of these that is there: `final answer is $…$. I hope`, the last `boxed`, what follows the last "he answer is", the last number;
/// then without dollars, units, `\text`, `x=`, percent signs and with numbers that are written out as digits. Empty where there is none.
pub(crate) fn final_answer(solution: &str, units: Units) -> String {
    without_signs(&marked(solution), units, Words::AddedUp)
}

/// An answer that was found, without dollars, units, `\text`, `x=`, percent signs and with a number that is written out as digits.
pub(crate) fn cleaned_answer(answer: &str, units: Units) -> String {
    without_signs(answer, units, Words::Said)
}

fn without_signs(answer: &str, units: Units, words: Words) -> String {
    let answer = answer.lines().map(str::trim_start).collect::<Vec<_>>().concat();
    let answer = answer.strip_prefix(':').unwrap_or(&answer);
    let answer = answer.strip_suffix('.').unwrap_or(answer);
    cleaned(answer.strip_suffix('/').unwrap_or(answer), units, words)
}

fn marked(solution: &str) -> String {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"-?\d*\.?\d+"));
    // Two letters that a tokenizer of Russian puts in the place of a mark.
    let solution = solution.replace("ки", "");
    if let Some((_, rest)) = solution.split_once("final answer is $")
        && let Some((answer, _)) = rest.split_once("$. I hope")
    {
        return answer.trim().to_owned();
    }
    if let Some((_, rest)) = solution.rsplit_once("boxed") {
        return boxed(rest).to_owned();
    }
    if let Some((_, rest)) = solution.rsplit_once("he answer is") {
        return rest.trim().to_owned();
    }
    let plain = solution.replace(',', "");
    NUMBER.find_iter(&plain).last().map(|found| found.as_str().to_owned()).unwrap_or_default()
}

/// What follows `boxed`: the inside of its braces, to the end where they are never closed; without braces what comes before the next dollar.
fn boxed(rest: &str) -> &str {
    let Some(inner) = rest.strip_prefix('{') else {
        return rest.split('$').next().unwrap_or_default().trim();
    };
    let mut depth = 1_usize;
    for (at, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &inner[..at];
        }
    }
    inner
}

/// What is replaced before units go, in this order.
const REPLACED: &[(&str, &str)] = &[
    ("\\!", ""),
    ("\\end{array}", "\\end{pmatrix}"),
    ("bmatrix", "pmatrix"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("\\{", "{"),
    ("\\}", "}"),
];

fn cleaned(answer: &str, units: Units, words: Words) -> String {
    static ARRAY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\begin\{array\}\{[^}]*\}"));
    static TEXT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\(?:text|mbox)\{([^}]*)\}"));
    let mut text = ARRAY.replace_all(answer, "\\begin{pmatrix}").into_owned();
    for (from, to) in REPLACED {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    text = TEXT.replace_all(&text, "$1").into_owned();
    if units == Units::Everywhere {
        text = without_units(&text);
    }
    for gone in ["^{\\circ}", "^\\circ", "\\$", "$", "\\(", "\\)"] {
        text = text.replace(gone, "");
    }
    let number = match words {
        Words::AddedUp => number_of_words(&text, words).map(|number| number.to_string()),
        Words::Said => in_digits(&text),
    };
    text = number.unwrap_or(text);
    for name in ["x=", "y=", "z=", "x\\in", "y\\in", "z\\in"] {
        text = text.replace(name, "");
    }
    if units == Units::AfterNumbers {
        text = without_unit_behind(&text).unwrap_or(text);
    }
    text.replace("\\emptyset", "{}").replace("\\%", "").replace('%', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_unit_goes_only_behind_a_number_unless_everywhere_is_asked_for() {
        let answers = ["a+b", r"10 \text{ meters}", "5m", "5 m", r"\frac{1}{2} \text{ miles}"];
        let of = |units| answers.map(|answer| final_answer(&format!(r"\boxed{{{answer}}}"), units));
        assert_eq!(answers.map(|answer| cleaned_answer(answer, Units::AfterNumbers)), ["a+b", "10  ", "5m", "5 ", r"\frac{1}{2}  "]);
        assert_eq!(of(Units::Everywhere), ["+b", "10  ", "5m", "5 ", r"\frac{1}{2}  "]);
        assert_eq!(of(Units::Stay), ["a+b", "10  meters", "5m", "5 m", r"\frac{1}{2}  miles"]);
    }

    #[test]
    fn numbers_are_read_from_words() {
        let numbers = ["twenty five", "three hundred and two", "one million two thousand", "Ninety-Nine", "hundred", "two apples", "", "and"];
        let read = |words| numbers.map(|text| number_of_words(text, words));
        assert_eq!(read(Words::AddedUp), read(Words::Said));
        assert_eq!(read(Words::Said), [Some(25), Some(302), Some(1_002_000), Some(99), Some(100), None, None, None]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"[\\boxed{}$#. 答案a-z0-9,\-ки]{0,80}") {
            for units in [Units::AfterNumbers, Units::Everywhere, Units::Stay] {
                final_answer(&text, units);
            }
        }
    }
}
