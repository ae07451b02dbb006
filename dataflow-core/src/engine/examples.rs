//! Rows that show what a step does: the first ten that it drops, and the first ten whose text it changes.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use polars::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::key::{Direction, KeyUse};
use crate::row::{compare_ids, json_of, text_of};

/// How many rows of each sort a step shows.
const EXAMPLES: usize = 10;
/// How many characters of a text are shown.
const SHOWN_CHARACTERS: usize = 80;
/// How many characters are shown before the place at which two texts begin to differ.
const BEFORE_DIFFERENCE: usize = 20;

/// A row that a step dropped, or whose text it changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowExample {
    /// The row's identity.
    pub row: String,
    /// What became of it.
    #[serde(flatten)]
    pub what: RowChange,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowChange {
    /// It was dropped.
    Dropped {
        /// What the step wrote about it, such as a count or a label.
        wrote: Map<String, Value>,
        /// What was measured and the bounds, where the step tells them.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// The beginnings of the texts that the step read, and its other values.
        read: Map<String, Value>,
    },
    /// A text of it was changed.
    Changed {
        /// The column.
        column: String,
        /// The text before, from a little before the first difference.
        before: String,
        /// The text after, from the same place.
        after: String,
    },
}

/// Beside a reason, of more columns than these only labels that say no are shown; the others are for the report.
const WROTE_SHOWN: usize = 4;

impl fmt::Display for RowExample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |(name, value): (&String, &Value)| format!("{name}={value}");
        match &self.what {
            RowChange::Dropped { wrote, why, read } => {
                let why = why.as_ref().map(|why| format!("({why})"));
                let all = wrote.len() <= WROTE_SHOWN || why.is_none();
                let shown = wrote.iter().filter(|(_, value)| all || value.as_i64() == Some(0)).map(pair);
                let told: Vec<String> = shown.chain(why).collect();
                let told = if told.is_empty() { String::new() } else { format!("{} for ", told.join(" ")) };
                write!(formatter, "row {}: {told}{}", self.row, read.iter().map(pair).collect::<Vec<_>>().join(" "))
            }
            RowChange::Changed { column, before, after } => write!(formatter, "row {}, {column}:\n    - {before:?}\n    + {after:?}", self.row),
        }
    }
}

/// The examples of every step of a run. Batches may come in any order; those of the first rows stay.
#[derive(Debug, Default)]
pub(super) struct Examples(Vec<Mutex<OfStep>>);

#[derive(Debug, Default)]
struct OfStep {
    dropped: Vec<RowExample>,
    changed: Vec<RowExample>,
}

impl Examples {
    pub fn of(steps: usize) -> Self {
        Self((0..steps).map(|_| Mutex::default()).collect())
    }

    /// Looks at a batch before and after a step. The frame after it has the rows of that before it, in their places; `dropped` says which of them go, and `why`.
    pub fn observe(
        &self,
        place: usize,
        keys: &[KeyUse],
        ids: &StringChunked,
        (before, after): (&DataFrame, &DataFrame),
        dropped: &impl Fn(usize) -> bool,
        why: &impl Fn(usize) -> Option<String>,
    ) {
        let Some(step) = self.0.get(place) else { return };
        let (mut gone, mut changed) = (Vec::new(), Vec::new());
        let texts: Vec<(&KeyUse, &Column, &Column)> = keys
            .iter()
            .filter(|key| key.direction != Direction::Read)
            .filter_map(|key| Some((key, before.column(&key.key).ok()?, after.column(&key.key).ok()?)))
            .filter(|(key, before, after)| key.direction == Direction::Change || [before, after].iter().all(|column| column.dtype() == &DataType::String))
            .collect();
        for (index, id) in ids.iter().enumerate() {
            if gone.len() == EXAMPLES && (texts.is_empty() || changed.len() == EXAMPLES) {
                break;
            }
            let row = || id.unwrap_or_default().to_owned();
            if dropped(index) {
                if gone.len() < EXAMPLES {
                    let wrote = cells(keys, |direction| direction == Direction::Write, after, index);
                    let read = cells(keys, |direction| direction != Direction::Write, before, index);
                    gone.push(RowExample { row: row(), what: RowChange::Dropped { wrote, why: why(index), read } });
                }
            } else if changed.len() < EXAMPLES {
                let difference = texts.iter().find_map(|(key, before, after)| Some((key, difference(&text(before, index)?, &text(after, index)?)?)));
                if let Some((key, (before, after))) = difference {
                    changed.push(RowExample { row: row(), what: RowChange::Changed { column: key.key.clone(), before, after } });
                }
            }
        }
        if !gone.is_empty() || !changed.is_empty() {
            let mut step = step.lock().unwrap_or_else(PoisonError::into_inner);
            first(&mut step.dropped, gone);
            first(&mut step.changed, changed);
        }
    }

    /// What was gathered about a step.
    pub fn take(&self, place: usize) -> Vec<RowExample> {
        let Some(step) = self.0.get(place) else { return Vec::new() };
        let OfStep { mut dropped, changed } = std::mem::take(&mut *step.lock().unwrap_or_else(PoisonError::into_inner));
        dropped.extend(changed);
        dropped
    }
}

/// The first rows of the known and the new ones.
fn first(known: &mut Vec<RowExample>, new: Vec<RowExample>) {
    known.extend(new);
    known.sort_by(|left, right| compare_ids(&left.row, &right.row));
    known.truncate(EXAMPLES);
}

fn cells(keys: &[KeyUse], wanted: impl Fn(Direction) -> bool, frame: &DataFrame, index: usize) -> Map<String, Value> {
    let of = |key: &KeyUse| {
        let value = json_of(&frame.column(&key.key).ok()?.get(index).ok()?);
        let shown = match value {
            Value::String(text) => Value::String(excerpt(&text, 0)),
            Value::Array(_) | Value::Object(_) => Value::String(excerpt(&value.to_string(), 0)),
            plain => plain,
        };
        Some((key.key.clone(), shown))
    };
    keys.iter().filter(|key| wanted(key.direction)).filter_map(of).collect()
}

fn text(column: &Column, index: usize) -> Option<Cow<'_, str>> {
    column.get(index).ok().and_then(text_of)
}

/// Two texts from a little before the place at which they begin to differ; `None` where they are equal.
fn difference(before: &str, after: &str) -> Option<(String, String)> {
    if before == after {
        return None;
    }
    let same = before.chars().zip(after.chars()).take_while(|(before, after)| before == after).count();
    let from = same.saturating_sub(BEFORE_DIFFERENCE);
    Some((excerpt(before, from), excerpt(after, from)))
}

/// Some characters of a text, with dots where more of it is.
fn excerpt(text: &str, from: usize) -> String {
    let mut rest = text.chars().skip(from);
    let shown: String = rest.by_ref().take(SHOWN_CHARACTERS).collect();
    let dots = |there: bool| if there { "…" } else { "" };
    format!("{}{shown}{}", dots(from > 0), dots(rest.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_from_a_little_before_it() {
        assert_eq!(difference("same", "same"), None);
        assert_eq!(difference("one  two", "one two"), Some(("one  two".into(), "one two".into())));
        let long = "0123456789".repeat(30);
        let (before, after) = difference(&format!("{long}, and \u{1f600}more"), &format!("{long}, and more")).unwrap();
        assert_eq!((before.as_str(), after.as_str()), ("…67890123456789, and \u{1f600}more", "…67890123456789, and more"));
        assert_eq!(excerpt(&long, 0).chars().count(), SHOWN_CHARACTERS + 1);
    }

    #[test]
    fn a_label_is_shown_beside_a_reason_however_many_columns_are_written() {
        let told = |columns: usize| {
            let wrote = (1..columns).map(|column| (format!("measure{column}"), Value::from(column))).chain([("label".to_owned(), Value::from(0))]).collect();
            let what = RowChange::Dropped { wrote, why: Some("measure1 is below 2".into()), read: Map::new() };
            RowExample { row: "7".into(), what }.to_string()
        };
        assert_eq!(told(3), "row 7: measure1=1 measure2=2 label=0 (measure1 is below 2) for ");
        assert_eq!(told(9), "row 7: label=0 (measure1 is below 2) for ");
    }

    #[test]
    fn texts_are_shown_before_and_after_also_where_a_column_is_written_anew() {
        let key = |name: &str| KeyUse {
            field: "process_fn".into(),
            key: name.to_owned(),
            direction: Direction::Write,
            column_type: crate::key::ColumnType::Text,
            nullable: true,
            may_be_missing: false,
            hint: None,
        };
        let (before, after) =
            (df!("text" => ["a", "B"], "length" => [1, 1]).unwrap(), df!("text" => ["A", "B"], "length" => [2, 2], "new" => ["x", "y"]).unwrap());
        let examples = Examples::of(1);
        let ids = StringChunked::from_slice("".into(), &["1", "2"]);
        examples.observe(0, &[key("length"), key("new"), key("text")], &ids, (&before, &after), &|_| false, &|_| None);
        let told: Vec<String> = examples.take(0).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["row 1, text:\n    - \"a\"\n    + \"A\""]);
    }

    #[test]
    fn the_first_rows_stay_in_whatever_order_batches_come() {
        let named = |row: u32| RowExample { row: row.to_string(), what: RowChange::Changed { column: "text".into(), before: "a".into(), after: "b".into() } };
        let mut known = Vec::new();
        first(&mut known, (100..115).map(named).collect());
        first(&mut known, (8..12).map(named).collect());
        let rows: Vec<&str> = known.iter().map(|example| example.row.as_str()).collect();
        assert_eq!(rows, ["8", "9", "10", "11", "100", "101", "102", "103", "104", "105"]);
    }
}
