//! Source code as a cell holds it: text, a list of lines, or a record with `text` (or `content`), `lines` and `language`.
//!
//! A text is code as it stands, also one that is JSON: files of it are code too, and a list or a record that a reader made a text of cannot be told from them.

use std::borrow::Cow;

use dataflow_core::row::json_of;
use polars::prelude::AnyValue;
use serde_json::Value;

use crate::compatibility::Compatibility;
use crate::nested::text_of;

/// One piece of source code.
pub(crate) struct SourceCode<'a> {
    text: Option<Cow<'a, str>>,
    content: Option<String>,
    lines: Option<Vec<String>>,
    /// The language's name, where the cell tells it.
    pub language: Option<String>,
    compatibility: Compatibility,
}

impl<'a> SourceCode<'a> {
    /// Reads a cell; `None` for a null, and for a record in which no code stands where it is looked for.
    ///
    /// DataFlow takes such a record for a text without characters.
    pub fn of(cell: &'a AnyValue<'_>, compatibility: Compatibility) -> Option<Self> {
        let empty = Self { text: None, content: None, lines: None, language: None, compatibility };
        if let Some(text) = cell.get_str() {
            return Some(Self { text: Some(text.into()), ..empty });
        }
        let cell = json_of(cell);
        Some(match &cell {
            Value::Null => return None,
            Value::Array(_) => Self { lines: lines_of(&cell), ..empty },
            Value::Object(fields) => {
                let text = |name: &str| fields.get(name).and_then(text_of).map(Cow::into_owned);
                let lines = fields.get("lines").and_then(lines_of);
                let found = Self { text: text("text").map(Cow::Owned), content: text("content"), language: text("language"), lines, ..empty };
                let has_code = found.text.is_some() || found.content.is_some() || found.lines.is_some();
                return (has_code || compatibility == Compatibility::Dataflow).then_some(found);
            }
            other => Self { text: Some(other.to_string().into()), ..empty },
        })
    }

    /// Why [`SourceCode::of`] reads nothing out of a cell.
    pub fn absent(cell: &AnyValue<'_>) -> String {
        match json_of(cell) {
            Value::Object(fields) => {
                let names: Vec<String> = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| format!("`{name}`")).collect();
                let found = if names.is_empty() { "nothing in it".to_owned() } else { names.join(", ") };
                format!("a record with `text`, `content` or `lines` was expected; found one with {found}")
            }
            _ => "the code is null".into(),
        }
    }

    /// The whole text.
    pub fn text(&self) -> Cow<'_, str> {
        match (self.written(), &self.lines) {
            (Some(text), _) => text.into(),
            (None, Some(lines)) => lines.join("\n").into(),
            (None, None) => "".into(),
        }
    }

    /// The text, of records what stands in `text` alone where DataFlow's rule is followed.
    pub fn text_alone(&self) -> Cow<'_, str> {
        match self.compatibility {
            Compatibility::Dataflow => self.text.as_deref().unwrap_or_default().into(),
            Compatibility::Own => self.text(),
        }
    }

    /// The lines, without what ends them. DataFlow takes each character of a text for one.
    pub fn lines(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let text = self.written().unwrap_or_default();
        match (&self.lines, self.compatibility) {
            (Some(lines), _) => Box::new(lines.iter().map(String::as_str)),
            (None, Compatibility::Own) => Box::new(text.lines()),
            // A record without lines has none there.
            (None, Compatibility::Dataflow) if self.is_record() => Box::new(std::iter::empty()),
            (None, Compatibility::Dataflow) => Box::new(text.char_indices().map(|(at, character)| &text[at..at + character.len_utf8()])),
        }
    }

    /// What stands as text.
    fn written(&self) -> Option<&str> {
        self.text.as_deref().or(self.content.as_deref())
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
        other => text_of(other).map(|text| list_of(&text).unwrap_or_else(|| text.lines().map(str::to_owned).collect())),
    }
}

/// The lines that a text in the place of lines holds as a reader writes a list, without a space.
fn list_of(text: &str) -> Option<Vec<String>> {
    let lines: Vec<String> = if text.starts_with("[\"") { serde_json::from_str(text).ok()? } else { return None };
    (serde_json::to_string(&lines).ok()? == text).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::run_rule;
    use polars::prelude::*;

    use crate::code::{CodeAutoGeneratedSampleEvaluator, CodeLengthSampleEvaluator};

    fn lines(cell: &str) -> Vec<String> {
        SourceCode::of(&AnyValue::String(cell), Compatibility::Own).unwrap().lines().map(str::to_owned).collect()
    }

    fn in_field(lines: &str) -> Option<Vec<String>> {
        lines_of(&Value::from(lines))
    }

    #[test]
    fn what_ends_a_line_is_none_of_it_and_begins_none() {
        assert_eq!(lines("a\n\nb\r\n"), ["a", "", "b"]);
        assert_eq!(lines("\n"), [""]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn numbers_and_nulls_within_a_cell_are_texts() {
        assert_eq!(lines_of(&serde_json::json!(["a", null, 7])).unwrap(), ["a", "", "7"]);
        assert_eq!(in_field("a\nb").unwrap(), ["a", "b"]);
        assert_eq!(in_field(r#"["a","b"]"#).unwrap(), ["a", "b"], "a list that a reader made a text of");
        assert_eq!(in_field(r#"["a", "b"]"#).unwrap(), [r#"["a", "b"]"#]);
    }

    #[test]
    fn source_code_in_json_is_a_text() {
        for json in [r#"["fn a() {","}"]"#, r#"{"text":"a\nb","language":"rust"}"#, r#"{"text":"short"}"#, r#"{"lines":["a"]}"#, "[1]", "null", "5"] {
            assert_eq!(lines(json), [json]);
        }
        let words: Vec<String> = (0..20_000).map(|number| format!("\"word{number}\"")).collect();
        let frame = df!("text" => [format!("[{}]", words.join(",")), r#"{"text":"auto-generated"}"#.into()]).unwrap();
        let numbers = |frame: &DataFrame, column: &str| frame.column(column).unwrap().f64().unwrap().iter().flatten().collect::<Vec<_>>();
        let (length, _) = run_rule(&CodeLengthSampleEvaluator::default(), frame.clone());
        assert_eq!(numbers(&length, "CodeLengthTotalLines"), [1.0, 1.0]);
        assert_eq!(numbers(&length, "CodeLengthMaxLineLength"), [228_891.0, 25.0]);
        assert_eq!(numbers(&length, "CodeLengthScore"), [0.0, 1.0]);
        let dataflow = CodeLengthSampleEvaluator { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_eq!(numbers(&run_rule(&dataflow, frame.clone()).0, "CodeLengthTotalLines"), [228_891.0, 25.0]);
        let (generated, _) = run_rule(&CodeAutoGeneratedSampleEvaluator::default(), frame);
        assert_eq!(numbers(&generated, "CodeAutoGeneratedMarkerCount"), [0.0, 1.0]);
    }

    #[test]
    fn a_list_is_lines_and_a_record_tells_the_language() {
        let text = Series::new("text".into(), ["a\nb"]);
        let record = StructChunked::from_series("code".into(), 1, [text, Series::new("language".into(), ["rust"])].iter()).unwrap().into_series();
        let cell = record.get(0).unwrap();
        let code = SourceCode::of(&cell, Compatibility::Own).unwrap();
        assert_eq!((code.lines().collect::<Vec<_>>(), code.language.as_deref()), (vec!["a", "b"], Some("rust")));
        let list = Series::new("code".into(), [Series::new("".into(), ["a", "b"])]);
        let cell = list.get(0).unwrap();
        assert_eq!(SourceCode::of(&cell, Compatibility::Own).unwrap().lines().collect::<Vec<_>>(), ["a", "b"]);
    }
}
