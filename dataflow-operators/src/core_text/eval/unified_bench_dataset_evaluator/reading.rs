//! Reads targets and lists of choices, as benchmarks write them, and tells whether a prediction says a target.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::mentions::{is_denied, whole};
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

pub(super) fn text_of(value: &Value) -> String {
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
    // A number or a part of a formula within a text may be anything; the value of the final answer tells. `Apollo 11` is a name.
    let target = target.strip_prefix("the ").unwrap_or(&target);
    let is_formula = target.contains(|character| "=+^_\\|<>*/".contains(character));
    let first_word = target.chars().take_while(|character| character.is_alphabetic()).count();
    let is_name = first_word > 2 && !target.contains(['(', '[', '{']) || !target.contains(|character: char| character.is_ascii_digit());
    if !target.chars().any(char::is_alphabetic) || target.chars().count() == 1 || is_formula || !is_name {
        return false;
    }
    whole(&prediction, target).any(|start| !is_denied(&prediction, start, start + target.len()))
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
