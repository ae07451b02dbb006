//! Reads targets, choices and predictions, as they are written in benchmarks.

use std::collections::BTreeSet;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::answer::marked_answer;
use crate::compatibility::Compatibility;

/// The right answers of a cell, blank ones aside. Where there may be several, a text is a JSON list or parted by `||`, `|` or `;`.
pub(super) fn references(cell: Value, several: bool) -> Vec<String> {
    let texts = match cell {
        Value::Null => Vec::new(),
        Value::String(text) if several => {
            if let Ok(Value::Array(items)) = serde_json::from_str(&text) {
                items.iter().map(text_of).collect()
            } else {
                let mark = ["||", "|", ";"].into_iter().find(|mark| text.contains(mark));
                mark.map_or_else(|| vec![text.clone()], |mark| text.split(mark).map(|part| part.trim().to_owned()).collect())
            }
        }
        Value::Array(items) if several => items.iter().map(text_of).collect(),
        other => vec![text_of(&other)],
    };
    texts.into_iter().filter(|text| !text.trim().is_empty()).collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text as it is compared: compatible forms composed, letter case and white space aside, without a mark at its end.
fn plain(text: &str) -> String {
    let composed: String = text.nfkc().collect();
    let squeezed = composed.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = squeezed.strip_suffix(['.', '!', '?', '。', '！', '？']).unwrap_or(&squeezed);
    end.trim_end().to_lowercase()
}

/// Whether a prediction says a target: its words one after another, in whole words where a script parts them, in the answer that is marked as such if one is. DataFlow takes any part of either text.
pub(super) fn says(prediction: &str, target: &str, compatibility: Compatibility) -> bool {
    let marked = marked_answer(prediction).filter(|_| compatibility == Compatibility::Own);
    let (prediction, target) = (plain(marked.as_deref().unwrap_or(prediction)), plain(target));
    if prediction.is_empty() || target.is_empty() {
        return false;
    }
    if compatibility == Compatibility::Dataflow {
        return prediction.contains(&target) || target.contains(&prediction);
    }
    if prediction == target {
        return true;
    }
    // A number or a part of a formula within a text may be anything; the value of the final answer tells.
    if !target.chars().any(char::is_alphabetic) || target.chars().count() == 1 || target.contains(|character| "=+^_\\|<>*/0123456789".contains(character)) {
        return false;
    }
    let is_apart = |one: Option<char>, other: Option<char>| match (one, other) {
        (Some(one), Some(other)) => !(goes_on(one) && goes_on(other)),
        _ => true,
    };
    prediction.match_indices(&target).any(|(start, _)| {
        let end = start + target.len();
        let (before, after) = (&prediction[..start], &prediction[end..]);
        let is_denied = ["no", "not", "never", "neither", "nor", "isn't", "没有", "不是", "不"]
            .iter()
            .any(|word| before.trim_end().strip_suffix(word).is_some_and(|rest| is_apart(rest.chars().next_back(), word.chars().next())));
        is_apart(before.chars().next_back(), target.chars().next()) && is_apart(target.chars().next_back(), after.chars().next()) && !is_denied
    })
}

/// Whether a character is of a word that goes on until a space: not so in Chinese.
fn goes_on(character: char) -> bool {
    (character.is_alphanumeric() || matches!(character, '\'' | '’')) && !crate::python::is_han(character)
}

/// The choices of a cell; the error of a row without them.
pub(super) fn listed(cell: Value) -> Result<Vec<String>, &'static str> {
    match cell {
        Value::Null => Err("empty_choices"),
        Value::Array(items) => Ok(items.iter().map(text_of).collect()),
        Value::String(text) if text.trim().is_empty() => Err("empty_choices"),
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Array(items)) => Ok(items.iter().map(text_of).collect()),
            _ => Err("choices_not_list"),
        },
        _ => Err("choices_not_list"),
    }
}

/// The letters that stand alone, with what follows each.
fn lone_letters(text: &str) -> impl Iterator<Item = (char, &str)> {
    let is_word = |character: Option<char>| character.is_some_and(crate::python::is_word);
    let letters = text.char_indices().filter(|(_, character)| character.is_ascii_alphabetic());
    letters
        .map(move |(at, letter)| (letter, &text[..at], &text[at + 1..]))
        .filter(move |(_, before, after)| !is_word(before.chars().next_back()) && !is_word(after.chars().next()))
        .map(|(letter, _, after)| (letter, after))
}

/// The place of a letter among so many choices.
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
pub(super) fn choice(text: &str, choices: &[String], compatibility: Compatibility) -> Option<usize> {
    if compatibility == Compatibility::Dataflow {
        let letter = lone_letters(text).next().and_then(|(letter, _)| place_of(letter, choices.len()));
        return letter.or_else(|| place_of_number(numbers(text).next()?, choices.len()));
    }
    let own = plain(text);
    if let Some(place) = choices.iter().position(|choice| plain(choice) == own) {
        return Some(place);
    }
    // A box or "the answer is" comes first, and then the only capital letter that stands alone; the article `A` is followed by a word.
    let named = marked_answer(text).filter(|answer| answer.len() < text.trim().len());
    if let Some(place) = named.and_then(|answer| choice(&answer, choices, compatibility)) {
        return Some(place);
    }
    let is_word = |after: &str| after.starts_with(char::is_lowercase) && !["or ", "and "].iter().any(|joined| after.starts_with(joined));
    let is_article = |letter: char, after: &str| letter.eq_ignore_ascii_case(&'a') && after.strip_prefix(' ').is_some_and(is_word);
    let of = |keep: fn(char) -> bool| -> BTreeSet<usize> {
        let letters = lone_letters(text).filter(|(letter, after)| keep(*letter) && !is_article(*letter, after));
        letters.filter_map(|(letter, _)| place_of(letter, choices.len())).collect()
    };
    for places in [of(|letter| letter.is_ascii_uppercase()), of(|_| true)] {
        match places.len() {
            0 => {}
            1 => return places.first().copied(),
            _ => return None,
        }
    }
    place_of_number(numbers(text).next()?, choices.len())
}

/// The choices that a cell names: a list, its JSON, a record with it as `choices`, letters that stand alone, or numbers; by our own rule
/// joined capital letters too. Those that do not exist are left out.
pub(super) fn choice_set(cell: &Value, choices: usize, compatibility: Compatibility) -> Option<BTreeSet<usize>> {
    match cell {
        Value::Array(items) => Some(items.iter().filter_map(|item| one_of(item, choices)).collect()),
        Value::Object(record) => choice_set(record.get("choices")?, choices, compatibility),
        Value::String(text) => {
            if let Ok(inner @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
                return choice_set(&inner, choices, compatibility);
            }
            let mut letters: BTreeSet<usize> = lone_letters(text).filter_map(|(letter, _)| place_of(letter, choices)).collect();
            if letters.is_empty() && compatibility == Compatibility::Own {
                letters = joined_letters(text, choices);
            }
            let found = if letters.is_empty() { numbers(text).filter_map(|number| place_of_number(number, choices)).collect() } else { letters };
            Some(found).filter(|found| !found.is_empty())
        }
        Value::Number(_) => one_of(cell, choices).map(|place| BTreeSet::from([place])),
        _ => None,
    }
}

/// The places of the capital letters that are written as one, as in `AB`: different ones, all of choices that exist. None where there are several such words, which say no one thing.
fn joined_letters(text: &str, choices: usize) -> BTreeSet<usize> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let places = words.filter(|word| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase())).filter_map(|word| {
        let places: BTreeSet<usize> = word.chars().map(|letter| place_of(letter, choices)).collect::<Option<_>>()?;
        Some(places).filter(|places| places.len() == word.len())
    });
    let found: BTreeSet<BTreeSet<usize>> = places.collect();
    if found.len() == 1 { found.into_iter().flatten().collect() } else { BTreeSet::new() }
}

fn one_of(item: &Value, choices: usize) -> Option<usize> {
    match item {
        Value::Number(number) => place_of_number(usize::try_from(number.as_u64()?).ok()?, choices),
        Value::String(text) => {
            let letter = lone_letters(text).next().and_then(|(letter, _)| place_of(letter, choices));
            letter.or_else(|| place_of_number(numbers(text).next()?, choices))
        }
        _ => None,
    }
}
