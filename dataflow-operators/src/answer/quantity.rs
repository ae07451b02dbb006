//! Numbers with the units or words behind them.

mod unit;

use std::sync::LazyLock;

use regex::Regex;

pub(super) use self::unit::known_units;
use self::unit::{is_known, unit_name};
use super::expression::{self, Expression};
use super::multiplier::multiplied;
use super::number_words::word_value;
use super::words::{is_word, squeezed};
use crate::pattern::pattern;

/// A number and the unit or words behind it.
struct Quantity {
    /// The number as it is written.
    number: String,
    unit: String,
    /// What is measured in the unit: `apples` of `12 pounds of apples`.
    measured: String,
    /// By what the first words of the unit multiply.
    times: f64,
}

impl Quantity {
    fn of(text: &str) -> Self {
        let text = without_thousands(text).or_else(|| without_brackets_round_unit(text)).unwrap_or_else(|| text.to_owned());
        let (head, unit) = split_unit(&text);
        let (times, unit) = multiplied(&unit);
        // `3 millions of dollars`
        let unit = unit.strip_prefix("of ").unwrap_or(unit);
        let (unit, measured) = unit.split_once(" of ").unwrap_or((unit, ""));
        let (unit, measured) = (unit_name(unit), unit_name(measured));
        // A percent sign is a unit: it may be left out, and is no other unit.
        match head.strip_suffix('%') {
            Some(number) => Self { number: number.trim().to_owned(), unit: if unit.is_empty() { "percent".to_owned() } else { unit }, measured, times },
            None => Self { number: head.to_owned(), unit, measured, times },
        }
    }

    /// Whether both tell a unit, or what is measured in it, and not the same.
    fn contradicts(&self, other: &Self) -> bool {
        let differ = |one: &str, other: &str| !one.is_empty() && !other.is_empty() && one != other;
        differ(&self.unit, &other.unit) || differ(&self.measured, &other.measured)
    }

    /// The value, where what stands before the unit is a number.
    fn value(&self) -> Option<Expression> {
        let digits = word_value(&self.number.to_lowercase()).map(|value| value.to_string());
        let number = mixed_number(&self.number).or(digits).unwrap_or_else(|| self.number.clone());
        let number = if self.times > 1.0 { format!("{}*({number})", self.times) } else { number };
        Expression::parse(&number).filter(|value| value.constant().is_some())
    }
}

/// Whether two numbers are the same; `None` where one of the two is no number.
pub(super) fn same_number(answer: &str, reference: &str) -> Option<bool> {
    let (left, right) = (Quantity::of(answer), Quantity::of(reference));
    let have_units = (!left.unit.is_empty(), !right.unit.is_empty());
    let contradict = left.contradicts(&right);
    match (left.value(), right.value()) {
        (Some(left), Some(right)) => Some(!contradict && expression::equal(&left, &right)),
        // `2:30 pm` and `2:30`, `12x kg` and `12x`
        _ if have_units != (false, false) && expression::close(left.times, right.times) && !contradict && squeezed(&left.number) == squeezed(&right.number) => {
            Some(true)
        }
        _ => None,
    }
}

/// Whether a text is a number with a unit.
pub(super) fn is_with_unit(text: &str) -> bool {
    let quantity = Quantity::of(text);
    (!quantity.unit.is_empty() || quantity.times > 1.0) && quantity.value().is_some()
}

/// The number of a text whose commas or spaces only group its digits, without them.
pub(super) fn without_thousands(text: &str) -> Option<String> {
    static GROUPED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^-?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?:[^\d,;][^,;]*)?$"));
    static SPACED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(-?\d{1,3}(?: \d{3})+(?:\.\d+)?)(\s*[^\d\s,;/.][^,;/]*)?$"));
    if let Some(found) = SPACED.captures(text) {
        return Some(format!("{}{}", found[1].replace(' ', ""), found.get(2).map_or("", |unit| unit.as_str())));
    }
    // `1, 234` may be a list; with three digits in each group and no space it is a number.
    GROUPED.is_match(text).then(|| text.replace(',', ""))
}

/// `3 1/2` as a sum.
pub(super) fn mixed_number(text: &str) -> Option<String> {
    static MIXED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([-+]?)\s*(\d+)\s+\(*(\d+)\)*\s*/\s*\(*(\d+)\)*$"));
    let found = MIXED.captures(text)?;
    Some(format!("{}({}+{}/{})", &found[1], &found[2], &found[3], &found[4]))
}

/// `18 (dollars)` as `18 dollars`.
fn without_brackets_round_unit(text: &str) -> Option<String> {
    let (number, unit) = text.strip_suffix(')')?.rsplit_once('(')?;
    let first: String = unit.trim_start().chars().take_while(|character| character.is_alphabetic()).collect();
    let is_plain = unit.chars().all(|character| character.is_alphabetic() || matches!(character, ' ' | '/' | '^' | '.') || character.is_ascii_digit());
    let behind_number = number.trim_end().ends_with(|last: char| last.is_ascii_digit() || last == ')');
    (is_plain && behind_number && (is_word(&first) || SHORT.contains(&first.as_str()))).then(|| format!("{} {}", number.trim_end(), unit.trim()))
}

/// Whether two texts are the same row of numbers with units: `2 hours and 30 minutes`, `2 h 30 min`.
pub(super) fn same_rows(answer: &str, reference: &str) -> bool {
    matches!((row(answer), row(reference)), (Some(answer), Some(reference)) if answer == reference)
}

fn row(text: &str) -> Option<Vec<(String, String)>> {
    static ROW: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\d+(?:\.\d+)?\s*\p{L}+(?:\s*,?\s*(?:and\s+)?|$)){2,}$"));
    static PART: LazyLock<Regex> = LazyLock::new(|| pattern(r"(\d+(?:\.\d+)?)\s*(\p{L}+)"));
    if !ROW.is_match(text) {
        return None;
    }
    Some(PART.captures_iter(text).map(|part| (part[1].to_owned(), unit_name(&part[2].to_lowercase()))).collect())
}

/// The number of a text that is one with a unit or words behind it: `18` of `18 dollars`.
pub(crate) fn without_unit(text: &str) -> &str {
    split_unit(text).0
}

/// Whether the `s` right behind a number makes a decade of it, and no seconds: `1990s`. `1800s` may be half an hour.
fn is_decade(number: &str) -> bool {
    matches!(number.as_bytes(), [b'1', b'5'..=b'9', b'1'..=b'9', b'0'] | [b'2', b'0', b'1'..=b'9', b'0'])
}

/// Units that may stand right after a number.
const SHORT: [&str; 22] =
    ["cm", "mm", "km", "kg", "mg", "ml", "ms", "min", "hr", "hrs", "ft", "mi", "lb", "oz", "kw", "hz", "pa", "mol", "mph", "in", "am", "pm"];

/// Those of one letter, which are variables in another case: `5N` and `5n`.
const LETTERS: &str = "mgshlLNJWVKC";

/// Whether a word is the name of a unit.
pub(super) fn is_unit(word: &str) -> bool {
    if word.len() == 1 { LETTERS.contains(word) } else { SHORT.contains(&word) || is_known(&word.to_lowercase()) }
}

/// A number and the unit or words after it, in small letters.
fn split_unit(text: &str) -> (&str, String) {
    static WITH_UNIT: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"^(-?\d+(?:\.\d+)?[eE][+-]?\d+|.*?[\d)%](?:\s*pi\b)?)(\s*)((?:[\p{L}µ%]+(?:\^?\(?-?\d\)?)?[\s./*-]*)+)$"));
    let none = || (text, String::new());
    let Some(found) = WITH_UNIT.captures(text) else { return none() };
    let (Some(head), Some(space), Some(words)) = (found.get(1), found.get(2), found.get(3)) else { return none() };
    let words = words.as_str().trim();
    if words == "s" && space.as_str().is_empty() && is_decade(head.as_str()) {
        return none();
    }
    let letter = words.split(|character: char| !character.is_alphabetic()).next().filter(|word| word.chars().count() == 1 && LETTERS.contains(word));
    let words = words.to_lowercase();
    let first: String = words.chars().filter(|character| *character != '.').take_while(|character| character.is_alphabetic()).collect();
    // Of seconds and the secant the latter has something behind it that it is of: `5 sec` and `5 sec later`, but `3 sec x`; so have least values and degrees.
    let is_unit_too = || ["sec", "min", "deg"].contains(&first.as_str()) && words.split_whitespace().nth(1).is_none_or(is_word);
    // Greek letters are unknowns, but for the one that a millionth of a unit begins with: `5 μm`.
    let of_unit = first.strip_prefix('μ').filter(|unit| !unit.is_empty()).unwrap_or(&first);
    let is_mathematics = of_unit.contains(|letter| matches!(letter, 'α'..='ω')) || (expression::is_name(&first) && !is_unit_too());
    let known = letter.is_some() || SHORT.contains(&first.as_str()) || !first.is_ascii();
    if is_mathematics || !(known || (first.chars().count() > 1 && !space.as_str().is_empty())) {
        return none();
    }
    (head.as_str().trim(), words)
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::check;

    #[test]
    fn what_is_measured_belongs_to_a_unit_and_a_decade_is_no_time() {
        check(
            &[
                ("12 pounds", "12 pounds of apples"),
                ("3 cups of flour", "3"),
                ("3 millions of dollars", "3 million dollars"),
                ("1990s", "1990s"),
                ("1800s", "1800"),
            ],
            &[("12 ounces", "12 pounds of apples"), ("12 apples", "12 pounds of apples"), ("3 cups of flour", "3 cups of sugar"), ("1990", "1990s")],
        );
    }
}
