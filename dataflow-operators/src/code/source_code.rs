//! Source code as a cell holds it: text, a list of lines, or a record with `text` (or `content`), `lines` and `language`.

use std::borrow::Cow;

use dataflow_core::row::json_of;
use polars::prelude::AnyValue;
use serde_json::Value;

use crate::compatibility::Compatibility;
use crate::nested::{text_of, unfolded};

/// One piece of source code.
pub(crate) struct SourceCode {
    text: Option<String>,
    content: Option<String>,
    lines: Option<Vec<String>>,
    /// The language's name, where the cell tells it.
    pub language: Option<String>,
    compatibility: Compatibility,
}

impl SourceCode {
    /// Reads a cell; `None` for a null, and for a record in which no code stands where it is looked for.
    ///
    /// DataFlow takes such a record for a text without characters.
    pub fn of(cell: &AnyValue<'_>, compatibility: Compatibility) -> Option<Self> {
        let empty = Self { text: None, content: None, lines: None, language: None, compatibility };
        let cell = json_of(cell);
        // Where some rows have a list or a record and some a text, a reader makes texts of all.
        let cell = cell.as_str().and_then(as_reader_wrote).unwrap_or(cell);
        Some(match cell {
            Value::Null => return None,
            Value::Array(_) => Self { lines: lines_of(&cell), ..empty },
            Value::Object(fields) => {
                let text = |name: &str| fields.get(name).and_then(text_of).map(Cow::into_owned);
                let found =
                    Self { text: text("text"), content: text("content"), language: text("language"), lines: fields.get("lines").and_then(lines_of), ..empty };
                let has_code = found.text.is_some() || found.content.is_some() || found.lines.is_some();
                return (has_code || compatibility == Compatibility::Dataflow).then_some(found);
            }
            Value::String(text) => Self { text: Some(text), ..empty },
            other => Self { text: Some(other.to_string()), ..empty },
        })
    }

    /// Why [`SourceCode::of`] reads nothing out of a cell.
    pub fn absent(cell: &AnyValue<'_>) -> String {
        match unfolded(json_of(cell)) {
            Value::Object(fields) => {
                let names: Vec<String> = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| format!("`{name}`")).collect();
                let found = if names.is_empty() { "nothing in it".to_owned() } else { names.join(", ") };
                format!("a record with `text`, `content` or `lines` was expected; found one with {found}")
            }
            _ => "the code is null".into(),
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let lines = || self.lines.as_ref().map(|lines| lines.join("\n"));
        self.text.clone().or_else(|| self.content.clone()).or_else(lines).unwrap_or_default()
    }

    /// The text, of records what stands in `text` alone where DataFlow's rule is followed.
    pub fn text_alone(&self) -> String {
        match self.compatibility {
            Compatibility::Dataflow => self.text.clone().unwrap_or_default(),
            Compatibility::Own => self.text(),
        }
    }

    /// The lines, without what ends them. DataFlow takes each character of a text for one.
    pub fn lines(&self) -> Vec<String> {
        match (&self.lines, self.compatibility) {
            (Some(lines), _) => lines.clone(),
            (None, Compatibility::Own) => self.text().lines().map(ToOwned::to_owned).collect(),
            // A record without lines has none there.
            (None, Compatibility::Dataflow) if self.is_record() => Vec::new(),
            (None, Compatibility::Dataflow) => self.text().chars().map(String::from).collect(),
        }
    }

    fn is_record(&self) -> bool {
        self.language.is_some() || self.content.is_some() || self.text.is_none()
    }
}

/// The lines of a record's field, or of a cell; `None` for a null.
fn lines_of(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => Some(items.iter().map(|item| text_of(item).unwrap_or_default().into_owned()).collect()),
        // A text stands here where it does so in another row: then a list is text too.
        other => {
            text_of(other).map(|text| as_reader_wrote(&text).and_then(|list| lines_of(&list)).unwrap_or_else(|| text.lines().map(str::to_owned).collect()))
        }
    }
}

/// The lines or the record that a text holds as a reader writes it, without a space, so that source code in JSON is hardly taken for one.
fn as_reader_wrote(text: &str) -> Option<Value> {
    if !text.starts_with("[\"") && !text.starts_with("{\"") {
        return None;
    }
    let is_code = |value: &Value| match value {
        Value::Array(lines) => lines.iter().all(Value::is_string),
        Value::Object(fields) => {
            fields.keys().all(|name| ["text", "content", "lines", "language"].contains(&name.as_str())) && fields.keys().any(|name| name != "language")
        }
        _ => false,
    };
    let value: Value = serde_json::from_str(text).ok()?;
    let written = value.to_string();
    (is_code(&value) && written == text).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cell: &str) -> (Vec<String>, Option<String>) {
        let code = SourceCode::of(&AnyValue::String(cell), Compatibility::Own).unwrap();
        (code.lines(), code.language)
    }

    #[test]
    fn what_ends_a_line_is_none_of_it_and_begins_none() {
        assert_eq!(check("a\n\nb\r\n").0, ["a", "", "b"]);
        assert_eq!(check("\n").0, [""]);
        assert_eq!(check("").0, [""; 0]);
    }

    #[test]
    fn numbers_and_nulls_within_a_cell_are_texts() {
        assert_eq!(check(r#"{"text":5}"#).0, ["5"]);
        assert_eq!(check(r#"{"lines":["a",null,7]}"#).0, ["a", "", "7"]);
        assert_eq!(check(r#"{"lines":"a\nb"}"#).0, ["a", "b"]);
        assert_eq!(check(r#"{"lines":"[\"a\",\"b\"]"}"#).0, ["a", "b"], "a list that a reader made a text of");
    }

    #[test]
    fn lists_and_records_beside_texts_are_what_they_were() {
        assert_eq!(check(r#"["fn a() {","}"]"#), (vec!["fn a() {".into(), "}".into()], None));
        assert_eq!(check(r#"{"text":"a\nb","language":"rust"}"#), (vec!["a".into(), "b".into()], Some("rust".into())));
        for json in [r#"["a", "b"]"#, r#"["a",1]"#, r#"["a""#, r#"{"name":"x","text":"y"}"#, r#"{"language":"rust"}"#, "[1]"] {
            assert_eq!(check(json), (vec![json.to_owned()], None), "source code in JSON is a text");
        }
    }
}
