//! Source code as a cell holds it: text, a list of lines, or a record with `text` (or `content`), `lines` and `language`.

use dataflow_core::row::json_of;
use polars::prelude::AnyValue;
use serde_json::Value;

use crate::compatibility::Compatibility;

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
    /// Reads a cell; `None` for a null.
    pub fn of(cell: &AnyValue<'_>, compatibility: Compatibility) -> Option<Self> {
        let empty = Self { text: None, content: None, lines: None, language: None, compatibility };
        let cell = json_of(cell);
        // Where some rows have a list or a record and some a text, a reader makes texts of all.
        let cell = cell.as_str().and_then(as_reader_wrote).unwrap_or(cell);
        let lines_of = |items: &[Value]| items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), ToOwned::to_owned)).collect();
        Some(match cell {
            Value::Null => return None,
            Value::Array(items) => Self { lines: Some(lines_of(&items)), ..empty },
            Value::Object(fields) => {
                let text = |name: &str| fields.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
                Self {
                    text: text("text"),
                    content: text("content"),
                    language: text("language"),
                    lines: fields.get("lines").and_then(Value::as_array).map(|items| lines_of(items)),
                    ..empty
                }
            }
            Value::String(text) => Self { text: Some(text), ..empty },
            other => Self { text: Some(other.to_string()), ..empty },
        })
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
    fn lists_and_records_beside_texts_are_what_they_were() {
        assert_eq!(check(r#"["fn a() {","}"]"#), (vec!["fn a() {".into(), "}".into()], None));
        assert_eq!(check(r#"{"text":"a\nb","language":"rust"}"#), (vec!["a".into(), "b".into()], Some("rust".into())));
        for json in [r#"["a", "b"]"#, r#"["a",1]"#, r#"["a""#, r#"{"name":"x","text":"y"}"#, r#"{"language":"rust"}"#, "[1]"] {
            assert_eq!(check(json), (vec![json.to_owned()], None), "source code in JSON is a text");
        }
    }
}
