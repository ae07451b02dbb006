//! Reads choices as DataFlow does: the first letter that stands alone, else the first number.

use std::collections::BTreeSet;

use serde_json::Value;

/// The letters that stand alone.
fn lone_letters(text: &str) -> impl Iterator<Item = char> {
    let is_word = |character: Option<char>| character.is_some_and(crate::python::is_word);
    let letters = text.char_indices().filter(|(_, character)| character.is_ascii_alphabetic());
    letters.filter(move |(at, _)| !is_word(text[..*at].chars().next_back()) && !is_word(text[at + 1..].chars().next())).map(|(_, letter)| letter)
}

fn place_of(letter: char, choices: usize) -> Option<usize> {
    Some(letter.to_ascii_uppercase() as usize - 'A' as usize).filter(|place| *place < choices)
}

/// The place that a number means: from 0, or from 1 where there is no such place.
fn place_of_number(number: usize, choices: usize) -> Option<usize> {
    if number < choices { Some(number) } else { Some(number).filter(|number| *number == choices && choices > 0).map(|number| number - 1) }
}

fn numbers(text: &str) -> impl Iterator<Item = usize> {
    text.split(|character: char| !character.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
}

/// The choice that a text names.
pub(super) fn choice(text: &str, choices: usize) -> Option<usize> {
    let letter = lone_letters(text).next().and_then(|letter| place_of(letter, choices));
    letter.or_else(|| place_of_number(numbers(text).next()?, choices))
}

/// The choices that a cell names: a list, its JSON, a record with it as `choices`, letters that stand alone, or numbers. Those that do not exist are left out.
pub(super) fn choice_set(cell: &Value, choices: usize) -> Option<BTreeSet<usize>> {
    let one_of = |item: &Value| match item {
        Value::Number(number) => place_of_number(usize::try_from(number.as_u64()?).ok()?, choices),
        Value::String(text) => choice(text, choices),
        _ => None,
    };
    match cell {
        Value::Array(items) => Some(items.iter().filter_map(one_of).collect()),
        Value::Object(record) => choice_set(record.get("choices")?, choices),
        Value::String(text) => {
            if let Ok(inner @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
                return choice_set(&inner, choices);
            }
            let letters: BTreeSet<usize> = lone_letters(text).filter_map(|letter| place_of(letter, choices)).collect();
            let found = if letters.is_empty() { numbers(text).filter_map(|number| place_of_number(number, choices)).collect() } else { letters };
            Some(found).filter(|found| !found.is_empty())
        }
        Value::Number(_) => one_of(cell).map(|place| BTreeSet::from([place])),
        _ => None,
    }
}
