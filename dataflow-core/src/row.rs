//! One row as an operator sees it, and the identity that it keeps.

use std::borrow::Cow;
use std::cmp::Ordering;

use polars::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::serving::{Message, Role};

/// A row of a frame, with its identity.
///
/// Cells are read by the operator's keys, so only what is declared can be read.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    frame: &'a DataFrame,
    index: usize,
    id: &'a str,
    seed: u64,
}

/// A key by which a row's cell can be read: an `Input` or an `InOut`.
pub trait ReadKey {
    /// The column's name.
    fn column(&self) -> &str;
}

impl<T> ReadKey for crate::key::Input<T> {
    fn column(&self) -> &str {
        self.as_str()
    }
}

impl<T> ReadKey for crate::key::InOut<T> {
    fn column(&self) -> &str {
        self.as_str()
    }
}

impl<K: ReadKey> ReadKey for crate::key::Nullable<K> {
    fn column(&self) -> &str {
        self.0.column()
    }
}

impl<'a> Row<'a> {
    /// The row at `index` of a frame. `seed` is the step's; with the identity it feeds [`random`](Self::random).
    pub fn new(frame: &'a DataFrame, index: usize, id: &'a str, seed: u64) -> Self {
        Self { frame, index, id, seed }
    }

    /// The row's identity: its number in the source from 1; `17.3-2` is the second row that step 3 made of row 17.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// The cell as it is.
    pub fn value(&self, key: &impl ReadKey) -> Result<AnyValue<'a>> {
        Ok(self.frame.column(key.column())?.get(self.index)?)
    }

    /// Whether the cell is null, or text of white space alone.
    pub fn is_blank(&self, key: &impl ReadKey) -> bool {
        self.is_blank_at(key.column())
    }

    pub(crate) fn is_blank_at(&self, column: &str) -> bool {
        match self.frame.column(column).and_then(|column| column.get(self.index)) {
            Ok(AnyValue::Null) | Err(_) => true,
            Ok(AnyValue::String(text)) => text.trim().is_empty(),
            Ok(AnyValue::StringOwned(text)) => text.trim().is_empty(), // what a column of one value gives
            Ok(_) => false,
        }
    }

    /// The cell's text; a number, date or truth value is written out, a null is an error.
    pub fn text(&self, key: &impl ReadKey) -> Result<Cow<'a, str>> {
        self.text_or_null(key)?.ok_or_else(|| Error::Data(format!("column `{}` is null in this row", key.column())))
    }

    /// As [`text`](Self::text), and `None` for a null. A nested cell is written out as JSON.
    pub fn text_or_null(&self, key: &impl ReadKey) -> Result<Option<Cow<'a, str>>> {
        Ok(text_of(self.value(key)?))
    }

    /// The cell's integer.
    pub fn integer(&self, key: &crate::key::Input<crate::key::Integer>) -> Result<i64> {
        let value = self.value(key)?;
        value.extract::<i64>().ok_or_else(|| Error::Data(format!("column `{}` should hold an integer, found {value}", key.as_str())))
    }

    /// The cell's number.
    pub fn float(&self, key: &crate::key::Input<crate::key::Float>) -> Result<f64> {
        let value = self.value(key)?;
        value.extract::<f64>().ok_or_else(|| Error::Data(format!("column `{}` should hold a number, found {value}", key.as_str())))
    }

    /// The cell's conversation.
    pub fn messages(&self, key: &crate::key::Input<crate::key::Messages>) -> Result<Vec<Message>> {
        let value = json_of(&self.value(key)?);
        let items = value.as_array().cloned().unwrap_or_default();
        items
            .into_iter()
            .map(|item| {
                let text = |name: &str| item.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
                let role = match text("role").as_str() {
                    "system" => Role::System,
                    "user" | "human" => Role::User,
                    "assistant" | "gpt" => Role::Assistant,
                    "tool" => Role::Tool,
                    other => return Err(Error::Data(format!("a message's role should be system, user, assistant or tool, found `{other}`"))),
                };
                Ok(Message { role, content: text("content") })
            })
            .collect()
    }

    /// A source of randomness that is the same for this row and `purpose` in every run with the pipeline's seed.
    pub fn random(&self, purpose: &str) -> ChaCha8Rng {
        seeded(self.seed, &[self.id, purpose])
    }
}

/// A source of randomness that depends on a seed and some names alone.
pub fn seeded(seed: u64, names: &[&str]) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for name in names {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

/// The one field of a column whose cells are JSON of any kind, written out: a table's column of JSON or decimals, whose rows may hold whatever they like.
pub const JSON_TEXT: &str = "_json_text";

/// What a cell of such a column holds, where it is one: null, or JSON as text.
fn json_text<'a>(value: &'a AnyValue<'_>) -> Option<AnyValue<'a>> {
    let is_one = |fields: &[Field]| matches!(fields, [field] if field.name() == JSON_TEXT);
    match value {
        AnyValue::Struct(_, _, fields) if is_one(fields) => value._iter_struct_av().next(),
        AnyValue::StructOwned(inner) if is_one(&inner.1) => inner.0.first().cloned(),
        _ => None,
    }
}

/// The text of a cell; `None` for a null.
pub fn text_of(value: AnyValue<'_>) -> Option<Cow<'_, str>> {
    match value {
        AnyValue::Null => None,
        AnyValue::String(text) => Some(Cow::Borrowed(text)),
        AnyValue::StringOwned(text) => Some(Cow::Owned(text.to_string())),
        value @ (AnyValue::List(_) | AnyValue::Struct(..) | AnyValue::StructOwned(_) | AnyValue::Array(..)) => match json_text(&value) {
            // A JSON string is its text, and all else as it is written out.
            Some(json) => text_of(json).map(|json| Cow::Owned(serde_json::from_str::<String>(&json).unwrap_or_else(|_| json.into_owned()))),
            None => Some(Cow::Owned(json_of(&value).to_string())),
        },
        AnyValue::Float64(value) => Some(Cow::Owned(format!("{value:?}"))), // polars prints six digits and no more
        AnyValue::Float32(value) => Some(Cow::Owned(format!("{value:?}"))),
        value => Some(Cow::Owned(value.to_string())),
    }
}

/// Whether a cell of JSON holds nothing: null or blank.
pub fn is_blank(value: &serde_json::Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A cell as JSON, nested values included; what JSON has no type for is written as its text.
pub fn json_of(value: &AnyValue<'_>) -> serde_json::Value {
    use serde_json::Value;
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => Value::Bool(*value),
        AnyValue::String(text) => Value::String((*text).to_owned()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::Float64(value) => serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number),
        AnyValue::Float32(value) => serde_json::from_str(&value.to_string()).unwrap_or(Value::Null), // the short form, 0.1 and not 0.10000000149
        AnyValue::List(items) | AnyValue::Array(items, _) => Value::Array(items.iter().map(|item| json_of(&item)).collect()),
        AnyValue::Struct(..) | AnyValue::StructOwned(_) => {
            if let Some(json) = json_text(value) {
                return text_of(json).map_or(Value::Null, |json| serde_json::from_str(&json).unwrap_or_else(|_| Value::String(json.into_owned())));
            }
            let mut object = serde_json::Map::new();
            let fields: Vec<String> = match value.dtype() {
                DataType::Struct(fields) => fields.iter().map(|field| field.name().to_string()).collect(),
                _ => Vec::new(),
            };
            let values: Vec<AnyValue<'_>> = match value {
                AnyValue::Struct(..) => value._iter_struct_av().collect(),
                AnyValue::StructOwned(inner) => inner.0.clone(),
                _ => Vec::new(),
            };
            for (name, value) in fields.into_iter().zip(values) {
                object.insert(name, json_of(&value));
            }
            Value::Object(object)
        }
        value if value.is_unsigned_integer() => value.extract::<u64>().map_or_else(|| Value::String(value.to_string()), Into::into),
        value if value.is_signed_integer() => value.extract::<i64>().map_or_else(|| Value::String(value.to_string()), Into::into),
        value => Value::String(value.to_string()),
    }
}

/// Orders identities as rows leave a run: `2` before `10`, a parent before the rows that came of it, rows from nothing last.
///
/// Rows that a later step made of a row stand before those that an earlier step made of it, since the later step saw the
/// earlier one's rows follow their parent.
pub fn compare_ids(left: &str, right: &str) -> Ordering {
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let part = |(place, part): (usize, &str)| match (place, part.strip_prefix('g').unwrap_or(part).split_once('-')) {
        (0, Some((step, seed))) => (1, number(step), number(seed)),
        (_, Some((step, row))) => (0, u64::MAX - number(step), number(row)),
        (_, None) => (0, 0, number(part)),
    };
    left.split('.').enumerate().map(part).cmp(right.split('.').enumerate().map(part))
}

/// The identity of the `number`-th row, from 1, that a step made of a row.
pub(crate) fn child_id(parent: &str, step: usize, number: usize) -> String {
    format!("{parent}.{step}-{number}")
}

/// The identity of a seed of a step that makes rows out of nothing.
pub(crate) fn seed_id(step: usize, seed: u64) -> String {
    format!("g{step}-{seed}")
}

/// The identity of the source row that a row came from.
pub fn root_of(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Input, Text};
    use rand::Rng;

    #[test]
    fn identities_are_ordered_as_rows_leave() {
        let mut ids = ["g1-1", "10", "2.1-10", "2", "2.1-9", "2.3-1", "2.1-9.3-1", "g1-0.1-1", "g2-0"];
        ids.sort_by(|left, right| compare_ids(left, right));
        assert_eq!(ids, ["2", "2.3-1", "2.1-9", "2.1-9.3-1", "2.1-10", "10", "g1-0.1-1", "g1-1", "g2-0"]);
    }

    #[test]
    fn cells_are_read_as_text_and_json() {
        let frame = df!("n" => [7i64], "t" => ["007"], "x" => [None::<&str>]).unwrap();
        let row = Row::new(&frame, 0, "1", 0);
        assert_eq!(row.text(&Input::<Text>::from("n")).unwrap(), "7");
        assert_eq!(row.text(&Input::<Text>::from("t")).unwrap(), "007");
        assert!(row.is_blank(&Input::<Text>::from("x")));
        let blank = DataFrame::new(3, vec![Column::new_scalar("t".into(), Scalar::from(PlSmallStr::from_static(" ")), 3)]).unwrap();
        assert!(Row::new(&blank, 1, "1", 0).is_blank(&Input::<Text>::from("t")));
        assert_eq!(text_of(AnyValue::Float64(1.0 / 3.0)).as_deref(), Some("0.3333333333333333"));
        assert_eq!(text_of(AnyValue::Float64(2.0)).as_deref(), Some("2.0"));
        assert!(row.text(&Input::<Text>::from("x")).unwrap_err().to_string().contains("null"));
    }

    #[test]
    fn a_column_of_json_text_is_read_as_the_json_that_it_holds() {
        let cells = Series::new(JSON_TEXT.into(), [Some("{\"a\": [1]}"), Some("12.50"), Some("\"甲\""), None]);
        let column = StructChunked::from_series("j".into(), 4, [cells].iter()).unwrap().into_series();
        let shown = |row: usize| (json_of(&column.get(row).unwrap()).to_string(), text_of(column.get(row).unwrap()).map(Cow::into_owned));
        assert_eq!(shown(0), (r#"{"a":[1]}"#.into(), Some("{\"a\": [1]}".into())));
        assert_eq!(shown(1), ("12.5".into(), Some("12.50".into())));
        assert_eq!(shown(2), ("\"甲\"".into(), Some("甲".into())));
        assert_eq!(shown(3), ("null".into(), None));
    }

    #[test]
    fn white_space_is_blank_in_a_frame_of_one_row_too() {
        let frame = DataFrame::new(1, vec![Column::new_scalar("t".into(), Scalar::from(PlSmallStr::from(" \n")), 1)]).unwrap();
        assert!(Row::new(&frame, 0, "1", 0).is_blank(&Input::<Text>::from("t")));
    }

    #[test]
    fn randomness_depends_on_seed_row_and_purpose() {
        let draw = |seed, names: &[&str]| seeded(seed, names).next_u64();
        assert_eq!(draw(1, &["5", "domain"]), draw(1, &["5", "domain"]));
        assert_ne!(draw(1, &["5", "domain"]), draw(1, &["6", "domain"]));
        assert_ne!(draw(1, &["5", "domain"]), draw(2, &["5", "domain"]));
    }
}
