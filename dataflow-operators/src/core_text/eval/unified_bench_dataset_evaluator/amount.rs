//! Tells whether a text that says an amount, `5 apples`, goes on from it to another one.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::alternatives::MONTHS;
use crate::answer::near::end_of;
use crate::pattern::pattern;

/// Whether a text that is compared begins with a number of something: `5 million`, `约6300公里`, `3x`. The number of a date is none.
pub(super) fn is_amount(text: &str) -> bool {
    static AMOUNT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:(?:约|大约|about|approximately|around)\s*)?[$€£¥-]?\d"));
    AMOUNT.is_match(text) && !is_date(text)
}

/// Whether a text that is compared is or begins with a date: `4 March`, `March 4`, `3月4日`.
pub(super) fn is_date(text: &str) -> bool {
    static DATE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"\d{{4}}年|\d月|^\d{{1,2}}(?:st|nd|rd|th)?\s{MONTHS}|^{MONTHS}\w*\.?\s\d")));
    DATE.is_match(text)
}

/// Whether an amount is only a bound, or what stands behind it goes on to another one: behind a word that concludes (`so`, `in all`, 共), to a bare number, or to
/// another number with the same unit. What stands in brackets is an aside, and a number behind `in` or `page` is a year or a place.
pub(super) fn is_passed(amount: &str, before: &str, behind: &str) -> bool {
    static BOUND: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:\bat (?:least|most)|\bhalf(?: of)?|\btwice|至少|至多|超过|不足|大于|小于|多于|少于)\s*$"));
    static OR_MORE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:or (?:more|less|fewer)\b|以上|以下)"));
    static ASIDE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\([^()]*\)"));
    static CONCLUDES: LazyLock<Regex> = LazyLock::new(|| {
        let english = r"so|therefore|thus|hence|total|altogether|in all|sum|leav(?:es|ing)|left|giv(?:es|ing)|mak(?:es?|ing)|becomes?|equals?|remain\w*|more";
        pattern(&format!(r"\b(?:{english})\b|所以|因此|共|剩|得|等于"))
    });
    if BOUND.is_match(before) || OR_MORE.is_match(behind) {
        return true;
    }
    let said: Vec<(String, Option<String>)> = numbers(amount).map(|found| number_and_unit(&found)).collect();
    let units: BTreeSet<&String> = said.iter().filter_map(|(_, unit)| unit.as_ref()).collect();
    let behind = ASIDE.replace_all(behind, "");
    let conclusion = CONCLUDES.find(&behind).map_or(behind.len(), |found| found.start());
    numbers(&behind).any(|found| {
        let at = found.get(0).map_or(0, |number| number.start());
        let number = number_and_unit(&found);
        let is_other = match &number.1 {
            Some(unit) => units.contains(unit) && !said.contains(&number),
            None => !is_placed(&behind[..at]),
        };
        at > conclusion || is_other
    })
}

fn numbers(text: &str) -> impl Iterator<Item = Captures<'_>> {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?<number>\d+(?:[.,]\d+)*)(?:[\s-]?(?<unit>\p{Han}|[\p{L}°%&&[^\p{Han}]]+))?"));
    NUMBER.captures_iter(text)
}

/// A number and what it counts; in Chinese the first character of that.
fn number_and_unit(found: &Captures<'_>) -> (String, Option<String>) {
    /// Words behind a number that are no unit of it.
    const NO_UNITS: &[&str] =
        &["and", "or", "but", "so", "then", "more", "left", "in", "at", "on", "of", "with", "by", "from", "to", "for", "which", "after", "before", "is", "are"];
    let unit = found.name("unit").map(|unit| unit.as_str()).filter(|unit| !NO_UNITS.contains(unit));
    (found["number"].to_owned(), unit.map(ToOwned::to_owned))
}

/// Whether what stands before a bare number makes it a year or a place: `in 2020`, `in room 12`, `第3`.
fn is_placed(before: &str) -> bool {
    /// The most bytes that are looked at.
    const NEAR: usize = 40;
    static PLACED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?:\b(?:in|on|at|since|from|until|before|after|during|around|circa)\s+(?:\p{L}+\s+)?|\b(?:room|page|chapter|number|no\.)\s+|第)$")
    });
    PLACED.is_match(end_of(before, NEAR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_passed_by_what_is_reckoned_from_it() {
        let told = |text: &str, amount: &str| {
            let start = text.find(amount).unwrap();
            is_passed(amount, &text[..start], &text[start + amount.len()..])
        };
        for (text, amount) in [
            ("the population was 5 million in 2020", "5 million"),
            ("it boils at 100 °c at 1 atm", "100 °c"),
            ("it is 8,849 metres (29,032 ft) tall", "8,849 metres"),
            ("it starts at 3 pm in room 12", "3 pm"),
            ("长江全长约6300公里,是世界第3长河", "约6300公里"),
            ("it takes 2 hours 30 minutes", "2 hours 30 minutes"),
            ("2 owls and 3 more are 5 owls", "5 owls"),
        ] {
            assert!(!told(text, amount), "{text}");
        }
        for (text, amount) in [
            ("2 owls and 3 more are 5 owls", "2 owls"),
            ("2x and 3x make 5x", "3x"),
            ("he had 5 apples, ate 2 and now has 3", "5 apples"),
            ("tom has 5 apples. ann gives him 3. he has 8", "5 apples"),
            ("he has 5 apples and buys 3 pears, so he has 8 fruits", "5 apples"),
            ("他有5个苹果,又买了3个", "5个苹果"),
            ("the first leg takes 2 hours 30 minutes, both 5 hours 30 minutes", "2 hours 30 minutes"),
            ("at least 5 million", "5 million"),
            ("5 million or more", "5 million"),
        ] {
            assert!(told(text, amount), "{text}");
        }
    }

    #[test]
    fn names_and_dates_are_no_amounts() {
        for amount in ["5 million", "约6300公里", "$5 million", "3x", "about 5 km", "12 angry men"] {
            assert!(is_amount(amount), "{amount}");
        }
        for other in ["u2", "f-16", "1949年10月1日", "10月1日", "4 march 1951", "第3章", "july 4, 1776"] {
            assert!(!is_amount(other), "{other}");
        }
    }
}
