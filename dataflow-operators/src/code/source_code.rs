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
        let lines_of = |items: &[Value]| items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), ToOwned::to_owned)).collect();
        Some(match json_of(cell) {
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

    /// The lines. DataFlow takes each character of a text for one.
    pub fn lines(&self) -> Vec<String> {
        match (&self.lines, self.compatibility) {
            (Some(lines), _) => lines.clone(),
            (None, Compatibility::Own) if self.text().is_empty() => Vec::new(),
            (None, Compatibility::Own) => self.text().split('\n').map(ToOwned::to_owned).collect(),
            // A record without lines has none there.
            (None, Compatibility::Dataflow) if self.is_record() => Vec::new(),
            (None, Compatibility::Dataflow) => self.text().chars().map(String::from).collect(),
        }
    }

    fn is_record(&self) -> bool {
        self.language.is_some() || self.content.is_some() || self.text.is_none()
    }
}
