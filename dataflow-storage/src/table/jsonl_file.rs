//! A JSON object a line: lines that are not written stay byte for byte, and in the others all keys that are not written.

use std::collections::HashMap;
use std::path::Path;

use dataflow_core::{Error, Result};
use serde_json::{Map, Value};

use super::file_content::{FileContent, MEND};
use super::{ColumnKind, TableColumn};

#[derive(Debug)]
pub(super) struct JsonlFile {
    text: String,
    /// Where each object begins and ends.
    lines: Vec<(usize, usize)>,
    names: Vec<String>,
    changes: HashMap<usize, Map<String, Value>>,
}

impl JsonlFile {
    pub(super) fn read(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let malformed = |line: usize, message: String| Error::Malformed { place: format!("{}:{line}", path.display()), message };
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = memchr::memchr_iter(b'\n', &error.as_bytes()[..error.utf8_error().valid_up_to()]).count() + 1;
            malformed(line, "the line is not UTF-8\nhint: save the file as UTF-8".to_owned())
        })?;
        let (mut lines, mut names, mut start) = (Vec::new(), Vec::<String>::new(), if text.starts_with('\u{feff}') { 3 } else { 0 });
        let mut known = std::collections::HashSet::new();
        for (number, line) in text[start..].split('\n').enumerate() {
            let object = line.trim();
            if !object.is_empty() {
                let parsed: Map<String, Value> =
                    serde_json::from_str(object).map_err(|error| malformed(number + 1, format!("a line should be a JSON object: {error}\n{MEND}")))?;
                for name in parsed.into_iter().map(|(name, _)| name) {
                    if known.insert(name.clone()) {
                        names.push(name);
                    }
                }
                let begin = start + (line.len() - line.trim_start().len());
                lines.push((begin, begin + object.len()));
            }
            start += line.len() + 1;
        }
        Ok(Self { text, lines, names, changes: HashMap::new() })
    }

    fn object(&self, row: usize) -> &str {
        let (start, end) = self.lines[row];
        &self.text[start..end]
    }
}

impl FileContent for JsonlFile {
    fn columns(&self) -> Vec<TableColumn> {
        self.names.iter().map(|name| TableColumn::of_file(name, "any", ColumnKind::Json)).collect()
    }

    fn rows(&self) -> usize {
        self.lines.len()
    }

    fn places(&self) -> Vec<u64> {
        let (mut line, mut counted) = (1, 0);
        let place = |(start, _): &(usize, usize)| {
            line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[counted..*start]).count() as u64;
            counted = *start;
            line
        };
        self.lines.iter().map(place).collect()
    }

    fn cells(&self, row: usize, columns: &[usize]) -> Vec<Value> {
        let mut object: Map<String, Value> = serde_json::from_str(self.object(row)).unwrap_or_default(); // it was read once
        if let Some(changes) = self.changes.get(&row) {
            object.extend(changes.clone());
        }
        columns.iter().map(|column| object.get(&self.names[*column]).cloned().unwrap_or_default()).collect()
    }

    fn add_column(&mut self, name: &str) -> Result<()> {
        self.names.push(name.to_owned());
        Ok(())
    }

    fn set(&mut self, row: usize, cells: &[(usize, &Value)]) -> Result<(), String> {
        let changes = self.changes.entry(row).or_default();
        for (column, value) in cells {
            changes.insert(self.names[*column].clone(), (*value).clone());
        }
        Ok(())
    }

    fn render(&self) -> Result<Vec<u8>> {
        let mut out = String::with_capacity(self.text.len() + self.text.len() / 4);
        let mut copied = 0;
        for (row, (start, end)) in self.lines.iter().enumerate() {
            let Some(changes) = self.changes.get(&row) else { continue };
            out.push_str(&self.text[copied..*start]);
            out.push_str(&patched(self.object(row), changes));
            copied = *end;
        }
        out.push_str(&self.text[copied..]);
        Ok(out.into_bytes())
    }
}

/// An object's text with some values set; all else stands as it was, numbers of any length included.
fn patched(object: &str, changes: &Map<String, Value>) -> String {
    let members = members(object);
    let mut out = String::with_capacity(object.len() + 64);
    let mut copied = 0;
    for (name, start, end) in &members {
        if let Some(value) = changes.get(name) {
            out.push_str(&object[copied..*start]);
            out.push_str(&value.to_string());
            copied = *end;
        }
    }
    let close = object.len() - 1;
    let last = members.last().map_or(close, |(_, _, end)| *end);
    out.push_str(&object[copied..last]);
    let mut first = members.is_empty();
    for (name, value) in changes {
        if !members.iter().any(|(there, ..)| there == name) {
            let style = if object.contains("\": ") { (", ", ": ") } else { (",", ":") };
            out.push_str(if first { "" } else { style.0 });
            out.push_str(&format!("{}{}{value}", Value::String(name.clone()), style.1));
            first = false;
        }
    }
    out.push_str(&object[last..]);
    out
}

/// The members of an object that is known to be well formed: each name, and where its value begins and ends.
fn members(object: &str) -> Vec<(String, usize, usize)> {
    let bytes = object.as_bytes();
    let mut members = Vec::new();
    let skip_space = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    };
    let mut at = skip_space(1);
    while bytes.get(at) == Some(&b'"') {
        let name_end = string_end(bytes, at);
        let name = serde_json::from_str(&object[at..name_end]).unwrap_or_default();
        let start = skip_space(skip_space(name_end) + 1);
        let mut depth = 0;
        let mut end = start;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => {
                    end = string_end(bytes, end);
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            end += 1;
        }
        let value = object[start..end].trim_end();
        members.push((name, start, start + value.len()));
        at = skip_space(end + 1);
    }
    members
}

/// Behind the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(object: &str, changes: &Value) -> String {
        patched(object, changes.as_object().unwrap())
    }

    #[test]
    fn only_the_values_that_are_set_change() {
        assert_eq!(
            check(r#"{"n": 12345678901234567890123, "a": "x\"}", "b": [1, {"a": 2}] }"#, &json!({"a": "新"})),
            r#"{"n": 12345678901234567890123, "a": "新", "b": [1, {"a": 2}] }"#
        );
        assert_eq!(check(r#"{"a":1.50}"#, &json!({"b": null, "c": [1]})), r#"{"a":1.50,"b":null,"c":[1]}"#);
        assert_eq!(check("{ }", &json!({"a": 1})), r#"{ "a":1}"#);
        assert_eq!(check(r#"{"\u0061": 1}"#, &json!({"a": 2})), r#"{"\u0061": 2}"#);
    }

    #[test]
    fn lines_that_are_not_set_stay_byte_for_byte() {
        let text = "{\"a\":1e2}\r\n\r\n  {\"a\": 2}  \n{\"b\":0.10}";
        let mut file = JsonlFile::read(text.into(), Path::new("x.jsonl")).unwrap();
        assert_eq!(file.render().unwrap(), text.as_bytes());
        file.set(1, &[(1, &json!(true))]).unwrap();
        assert_eq!(String::from_utf8(file.render().unwrap()).unwrap(), "{\"a\":1e2}\r\n\r\n  {\"a\": 2, \"b\": true}  \n{\"b\":0.10}");
        let error = JsonlFile::read("{}\n[1]\n".into(), Path::new("x.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("x.jsonl:2: a line should be a JSON object"), "{error}");
    }
}
