//! Reads targets and lists of choices, as benchmarks write them.

use dataflow_core::reply::find_json;
use serde_json::{Map, Value};

use super::choices::LabelBase;
use crate::compatibility::Compatibility;
use crate::nested::text_of;

/// The right answers of a cell, blank ones aside. Where there may be several, a text is a list, as JSON or as Python writes it, or parted by `||`, `|` or `;`.
pub(super) fn references(cell: Value, several: bool, compatibility: Compatibility) -> Vec<String> {
    let is_own = compatibility == Compatibility::Own;
    let texts = match cell {
        Value::Null => Vec::new(),
        Value::String(text) if several => match list_or_record(&text, compatibility) {
            Some(Value::Array(items)) if is_own => flat(&items),
            Some(Value::Array(items)) => items.iter().map(some_text).collect(),
            _ => parted(&text, compatibility).into_iter().map(ToOwned::to_owned).collect(),
        },
        Value::Array(items) if several && is_own => flat(&items),
        Value::Array(items) if several => items.iter().map(some_text).collect(),
        other => vec![some_text(&other)],
    };
    texts.into_iter().filter(|text| !text.trim().is_empty()).collect()
}

/// The texts of a list, and of lists within it.
fn flat(items: &[Value]) -> Vec<String> {
    let texts = items.iter().flat_map(|item| match item {
        Value::Array(items) => flat(items),
        other => vec![some_text(other)],
    });
    texts.collect()
}

/// A text at the first mark that parts it. A mark within brackets, or a bar that something begins or ends with, is of a formula: `P(A|B)`, `|x|`.
fn parted(text: &str, compatibility: Compatibility) -> Vec<&str> {
    let parts_at = |mark: &&str| {
        let parts: Vec<&str> = text.split(*mark).map(str::trim).collect();
        let are_whole = || parts.iter().all(|part| is_balanced(part) && (*mark != "|" || !part.is_empty()));
        (parts.len() > 1 && (compatibility == Compatibility::Dataflow || are_whole())).then_some(parts)
    };
    ["||", "|", ";"].iter().find_map(parts_at).unwrap_or_else(|| vec![text])
}

/// Whether as many brackets are closed as are opened, and none before.
fn is_balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    for character in text.chars() {
        depth += i32::from(matches!(character, '(' | '[' | '{')) - i32::from(matches!(character, ')' | ']' | '}'));
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// The text of a value; of a null an empty one.
fn some_text(value: &Value) -> String {
    text_of(value).unwrap_or_default().into_owned()
}

/// What a text is that is written as a list or a record: JSON, and by our rule also what Python writes.
pub(super) fn list_or_record(text: &str, compatibility: Compatibility) -> Option<Value> {
    let fits = |value: &Value| matches!(value, Value::Array(_) | Value::Object(_));
    if compatibility == Compatibility::Dataflow {
        return serde_json::from_str(text).ok().filter(fits);
    }
    let is_whole = |open: char, close: char| text.trim().starts_with(open) && text.trim().ends_with(close);
    (is_whole('[', ']') || is_whole('{', '}')).then(|| serde_json::from_str(text).ok().filter(fits).or_else(|| find_json(text, fits))).flatten()
}

/// The choices of a cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) texts: Vec<String>,
    /// From where the cell itself counts them.
    pub(super) base: Option<LabelBase>,
}

/// The choices of a cell; the error of a row without them. Our rule also takes records of texts and their names: `{"text": […], "label": […]}`, `{"A": …, "B": …}`.
pub(super) fn listed(cell: Value, compatibility: Compatibility) -> Result<Listed, &'static str> {
    let is_own = compatibility == Compatibility::Own;
    match cell {
        Value::Null => Err("empty_choices"),
        Value::Array(items) if items.is_empty() && is_own => Err("empty_choices"),
        Value::Array(items) => Ok(Listed { texts: items.iter().map(some_text).collect(), base: None }),
        Value::Object(record) if is_own => named(&record).ok_or("choices_not_list"),
        Value::String(text) if text.trim().is_empty() => Err("empty_choices"),
        Value::String(text) => match list_or_record(&text, compatibility) {
            Some(Value::Object(_)) if !is_own => Err("choices_not_list"),
            Some(value) => listed(value, compatibility),
            None => Err("choices_not_list"),
        },
        _ => Err("choices_not_list"),
    }
}

/// The choices of a record, in the order of their names, which are the letters from A or the numbers from 0 or 1.
fn named(record: &Map<String, Value>) -> Option<Listed> {
    let mut pairs: Vec<(String, String)> = match (record.get("text"), record.get("label")) {
        (Some(Value::Array(texts)), Some(Value::Array(names))) if texts.len() == names.len() => {
            names.iter().zip(texts).map(|(name, text)| (some_text(name), some_text(text))).collect()
        }
        // A frame fills up the names that a row does not have.
        _ => record.iter().filter(|(_, text)| !text.is_null()).map(|(name, text)| (name.clone(), some_text(text))).collect(),
    };
    pairs.sort_by_cached_key(|(name, _)| (name.trim().len(), name.trim().to_uppercase()));
    let counted_from = |first: usize| pairs.iter().enumerate().all(|(place, (name, _))| name.trim() == (place + first).to_string());
    let is_letter = |(place, (name, _)): (usize, &(String, String))| matches!(name.trim().as_bytes(), [letter] if usize::from(letter.to_ascii_uppercase()) == usize::from(b'A') + place);
    let base = if pairs.iter().enumerate().all(is_letter) {
        None
    } else if counted_from(0) {
        Some(LabelBase::Zero)
    } else if counted_from(1) {
        Some(LabelBase::One)
    } else {
        return None;
    };
    (!pairs.is_empty()).then(|| Listed { texts: pairs.into_iter().map(|(_, text)| text).collect(), base })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn targets_are_parted_where_no_formula_is_cut() {
        let own = |cell: Value| references(cell, true, Compatibility::Own).join(" + ");
        for (cell, wanted) in [
            (json!("New York||NYC"), "New York + NYC"),
            (json!("New York|NYC"), "New York + NYC"),
            (json!("New York | NYC"), "New York + NYC"),
            (json!("New York; NYC;"), "New York + NYC"),
            (json!("|x|"), "|x|"),
            (json!("2|x|"), "2|x|"),
            (json!("|x|; |y|"), "|x| + |y|"),
            (json!("P(A|B)"), "P(A|B)"),
            (json!("P(A|B) || P(A)"), "P(A|B) + P(A)"),
            (json!(r"\{x | x>0\}"), r"\{x | x>0\}"),
            (json!("['New York', 'NYC']"), "New York + NYC"),
            (json!(r#"["New York", "NYC"]"#), "New York + NYC"),
            (json!([["Paris", "Lutetia"], "x"]), "Paris + Lutetia + x"),
            (json!("[['Paris', 'Lutetia']]"), "Paris + Lutetia"),
        ] {
            assert_eq!(own(cell.clone()), wanted, "{cell}");
        }
        let dataflow = |text: &str| references(json!(text), true, Compatibility::Dataflow).join(" + ");
        assert_eq!(["P(A|B)", "|x|", "['a', 'b']"].map(dataflow), ["P(A + B)", "x", "['a', 'b']"]);
    }

    #[test]
    fn choices_are_read_as_benchmarks_write_them() {
        let own = |cell: Value| listed(cell, Compatibility::Own).map(|listed| (listed.texts.join(" + "), listed.base));
        let both = || "Paris + London".to_owned();
        for (cell, base) in [
            (json!(["Paris", "London"]), None),
            (json!(r#"["Paris", "London"]"#), None),
            (json!("['Paris', 'London']"), None),
            (json!({ "text": ["Paris", "London"], "label": ["A", "B"] }), None),
            (json!({ "text": ["London", "Paris"], "label": ["B", "A"] }), None),
            (json!({ "text": ["Paris", "London"], "label": ["1", "2"] }), Some(LabelBase::One)),
            (json!({ "A": "Paris", "B": "London", "C": null }), None),
            (json!(r#"{"A": "Paris", "B": "London"}"#), None),
            (json!({ "0": "Paris", "1": "London" }), Some(LabelBase::Zero)),
        ] {
            assert_eq!(own(cell.clone()), Ok((both(), base)), "{cell}");
        }
        assert_eq!(own(json!([])), Err("empty_choices"));
        assert_eq!(own(json!({ "x": "Paris", "y": "London" })), Err("choices_not_list"));
        let dataflow = |cell: Value| listed(cell, Compatibility::Dataflow).map(|listed| listed.texts.len());
        assert_eq!(
            [json!([]), json!("['a']"), json!({ "A": "x" }), json!("[1, 2]")].map(dataflow),
            [Ok(0), Err("choices_not_list"), Err("choices_not_list"), Ok(2)]
        );
    }
}
