//! Units, and how they are left out of an answer.

use std::sync::LazyLock;

use regex::Regex;

use super::super::expression::Expression;
use super::super::normal_form::normal_form;
use super::super::quantity::{is_unit, mixed_number, without_thousands};
use crate::pattern::pattern;

/// Words behind numbers that say what is counted.
#[rustfmt::skip]
const UNITS: &[&str] = &[
    "acre", "acres", "am", "amp", "amps", "apples", "apple", "balls", "blocks", "books", "boxes", "calories", "carats", "cent", "cents", "centimeter", "centimeters",
    "centimetre", "centimetres", "cm", "coins", "cubic", "cubes", "cups", "day", "days", "degree", "degrees", "digits", "dollar", "dollars", "dozen", "east", "edges", "eggs", "feet", "foot", "ft",
    "gallon", "gallons", "girls", "boys", "gram", "grams", "hectares", "hour", "hours", "hr", "hrs", "inch", "inches", "items", "kg", "kilogram", "kilograms", "kilometer", "kilometers",
    "kilometre", "kilometres", "km", "kmph", "kph", "lb", "lbs", "liter", "liters", "litre", "litres", "m", "meter", "meters", "metre", "metres", "mile", "miles", "milliliters", "millimeters",
    "min", "mins", "minute", "minutes", "ml", "mm", "mph", "mi", "month", "months", "north", "ounces", "ounce", "oz", "pages", "paise", "people", "per", "percent", "persons", "pieces", "pm",
    "points", "pound", "pounds", "quarts", "rs", "rupees", "sec", "second", "seconds", "sides", "south", "sq", "square", "squares", "students", "tickets", "tons", "ton", "unit", "units",
    "volume", "watts", "ways", "week", "weeks", "west", "yard", "yards", "year", "years", "yrs",
];

/// Letters that DataFlow takes for units too.
const LETTERS: &str = "acdghlmost";

/// Leaves out the words that are units, wherever they stand. The marks around stay.
pub(super) fn without_units(text: &str) -> String {
    let is_letter = |character: char| character.is_alphanumeric() || character == '_';
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_letter) {
        let end = rest[start..].find(|character| !is_letter(character)).map_or(rest.len(), |length| start + length);
        kept.push_str(&rest[..start]);
        let word = &rest[start..end];
        let is_unit = UNITS.contains(&word) || (word.len() == 1 && LETTERS.contains(word));
        // A command of LaTeX is no word.
        if !is_unit || kept.ends_with('\\') {
            kept.push_str(word);
        }
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// The value that an answer is with a unit behind it, and the spaces between the two; `None` where it is anything else, as `7 apples and 3 pears` is.
pub(super) fn without_unit_behind(text: &str) -> Option<String> {
    static WITH_UNIT: LazyLock<Regex> = LazyLock::new(|| {
        let power = r"(?:\^\{?-?\d\}?|[²³])?";
        let between = r"(?:[\s~./*·-]|\\cdot\b|\\[,; ])*";
        pattern(&format!(r"^(?<value>.*?(?:[\d)}}%]|\\pi))(?<space>(?:[\s~]|\\[,;: ])*)(?<unit>(?:\p{{L}}+{power}{between})+)$"))
    });
    let found = WITH_UNIT.captures(text)?;
    let (value, space, unit) = (&found["value"], &found["space"], &found["unit"]);
    let mut words = unit.split(|character: char| !character.is_alphabetic()).filter(|word| !word.is_empty() && *word != "cdot");
    // Right behind a number a letter is an unknown: `5m`.
    let is_unknown = space.is_empty() && unit.chars().count() == 1;
    let are_units = words.all(|word| UNITS.contains(&word) || is_unit(word));
    let is_one_value = || {
        let last_side = normal_form(value.rsplit('=').next().unwrap_or(value));
        let last_side = without_thousands(&last_side).unwrap_or(last_side);
        mixed_number(&last_side).is_some() || Expression::parse(&last_side).is_some()
    };
    (are_units && !is_unknown && is_one_value()).then(|| format!("{value}{space}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_goes_whole_or_stays() {
        for (text, value) in [
            ("5 m^2", "5 "),
            ("5 m/s", "5 "),
            ("5 m/s^{2}", "5 "),
            ("5cm", "5"),
            ("5  cm^2", "5  "),
            (r"3 \times 10^8  m/s", r"3 \times 10^8  "),
            (r"9\pi\, cm", r"9\pi\, "),
            (r"\frac{1}{2} miles per hour", r"\frac{1}{2} "),
            ("12 square inches", "12 "),
            ("AB = 5 cm", "AB = 5 "),
            ("1 1/2 hours", "1 1/2 "),
            ("12 元", "12 "),
            ("1,234 dollars", "1,234 "),
            (r"12\,000 km", r"12\,000 "),
        ] {
            assert_eq!(without_unit_behind(text).as_deref(), Some(value), "{text}");
        }
        for text in
            ["5", "5m", "3 a", "a+b", "cm", "7 apples and 3 pears", "3 h 20 min", "5 or more", "12 when n is odd", "5 million dollars", "2 pi", "3:30 pm"]
        {
            assert_eq!(without_unit_behind(text), None, "{text}");
        }
        let long = "5 m ".repeat(100_000);
        assert_eq!(without_unit_behind(&long), None);
    }
}
