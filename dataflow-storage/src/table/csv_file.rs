//! Text with a separator, written as it was read: its encoding, separator, quotes and line ends.

use std::collections::HashMap;
use std::path::Path;

use dataflow_core::{Error, Result};
use serde_json::Value;

use super::delimited_text::{DelimitedText, OpenQuote, find_separator};
use super::file_content::{FileContent, MEND, cell_text};
use super::text_encoding::{TextEncoding, encoding_named};
use super::{ColumnKind, TableColumn};
use crate::Separator;

/// What a user says of a text, where he says something.
#[derive(Clone, Debug, Default)]
pub struct NamedText {
    /// The encoding, such as `gb18030`.
    pub encoding: Option<String>,
    /// The separator: one character of ASCII, or `tab`.
    pub separator: Option<String>,
}

impl NamedText {
    /// What nobody knows of it, each with the section that it stands in.
    pub(super) fn problems(&self, section: &str) -> Vec<String> {
        let encoding = self.encoding.as_ref().filter(|name| encoding_named(name).is_none());
        let encoding = encoding.map(|name| {
            format!(
                "`{section}.encoding` is `{name}`, which is none\nhint: it is one such as `utf-8`, `gb18030`, `big5`, `shift_jis`, `windows-1252` or `utf-16le`"
            )
        });
        let separator = self.separator.as_ref().and_then(|name| name.parse::<Separator>().err());
        let separator = separator.map(|wrong| format!("`{section}.separator` {wrong}"));
        encoding.into_iter().chain(separator).collect()
    }
}

#[derive(Debug)]
pub(super) struct CsvFile {
    text: DelimitedText,
    encoding: TextEncoding,
    /// The header's names, then those that were added.
    names: Vec<String>,
    /// New fields by record and column.
    changes: HashMap<usize, Vec<(usize, String)>>,
    /// Whether the header is in quotes throughout, and so is what is new.
    quotes_all: bool,
}

impl CsvFile {
    /// Reads a file, whose encoding and separator are found where they are not named.
    pub(super) fn read(bytes: &[u8], path: &Path, told: &NamedText) -> Result<Self> {
        let malformed = |place: String, message: String| Error::Malformed { place: format!("{}{place}", path.display()), message };
        let (text, encoding) = TextEncoding::decode(bytes, told.encoding.as_deref().and_then(encoding_named)).map_err(|name| {
            let hint = "name another with `csv.encoding`, or save the file as UTF-8";
            malformed(String::new(), format!("the text is taken for {name}, and has bytes that are none\nhint: {hint}"))
        })?;
        let is_tsv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
        let found = || if is_tsv { b'\t' } else { find_separator(&text) };
        let separator = told.separator.as_deref().and_then(|name| name.parse().ok()).map_or_else(found, Separator::byte);
        let text = DelimitedText::parse(text, separator)
            .map_err(|OpenQuote(line)| malformed(format!(":{line}"), format!("a quote begins here and does not end\n{MEND}")))?;
        if text.records() == 0 {
            return Err(malformed(String::new(), format!("the file is empty, and its first line should name the columns\n{MEND}")));
        }
        let names: Vec<String> = (0..text.fields(0)).filter_map(|field| text.field(0, field)).collect();
        for (at, name) in names.iter().enumerate() {
            if !name.is_empty() && names[..at].contains(name) {
                return Err(malformed(":1".to_owned(), format!("two columns are named `{name}`\nhint: rename one of them")));
            }
        }
        for record in 1..text.records() {
            if text.fields(record) > names.len() {
                let message = format!("record {record} has {} fields, and the first line names {} columns\n{MEND}", text.fields(record), names.len());
                return Err(malformed(String::new(), message));
            }
        }
        let quotes_all = (0..names.len()).all(|field| text.raw(0, field).is_some_and(|raw| raw.starts_with('"')));
        Ok(Self { text, encoding, names, changes: HashMap::new(), quotes_all })
    }

    fn push_field(&self, out: &mut String, text: &str) {
        let separator = char::from(self.text.separator);
        let odd = |character: char| character == separator || matches!(character, '"' | '\n' | '\r');
        if self.quotes_all || text.contains(odd) || text.trim() != text {
            out.push('"');
            out.push_str(&text.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(text);
        }
    }

    /// A record with its changes, and with a field for each column that was added.
    fn push_record(&self, out: &mut String, record: usize, changes: &[(usize, String)]) {
        let separator = char::from(self.text.separator);
        let (there, added) = (self.text.fields(record), self.names.len() > self.text.fields(0));
        let last = changes.iter().map(|(column, _)| column + 1).max().unwrap_or(0);
        let fields = if added { self.names.len() } else { there.max(last) };
        for field in 0..fields {
            if field > 0 {
                out.push(separator);
            }
            match (changes.iter().find(|(column, _)| *column == field), self.text.raw(record, field)) {
                (Some((_, text)), _) => self.push_field(out, text),
                (None, Some(raw)) => out.push_str(raw),
                (None, None) => {}
            }
        }
    }
}

impl FileContent for CsvFile {
    fn columns(&self) -> Vec<TableColumn> {
        self.names.iter().map(|name| TableColumn::of_file(name, "text", ColumnKind::Text)).collect()
    }

    fn text(&self) -> Option<String> {
        let separator = if self.text.separator == b'\t' { "tab".to_owned() } else { char::from(self.text.separator).to_string() };
        Some(format!("{}, separated by `{separator}`", self.encoding.name()))
    }

    fn warnings(&self, _read: &[&str], _outputs: &[String]) -> Vec<String> {
        let name = self.encoding.name();
        let doubt = format!("the text is taken for {name}, which is a guess from little text: `csv.encoding` names the right one");
        self.encoding.is_doubtful.then_some(doubt).into_iter().collect()
    }

    fn rows(&self) -> usize {
        self.text.records() - 1
    }

    fn places(&self) -> Vec<u64> {
        self.text.lines().skip(1).collect()
    }

    fn cells(&self, row: usize, columns: &[usize]) -> Vec<Value> {
        let changes = self.changes.get(&(row + 1));
        let cell = |column: &usize| {
            let new = changes.and_then(|changes| changes.iter().find(|(at, _)| at == column)).map(|(_, text)| text.clone());
            Value::String(new.or_else(|| self.text.field(row + 1, *column)).unwrap_or_default())
        };
        columns.iter().map(cell).collect()
    }

    fn add_column(&mut self, name: &str) -> Result<()> {
        if let Some(character) = self.encoding.cannot_write(name) {
            return Err(Error::Configuration(format!("column `{name}` has `{character}`, which the file's encoding {} cannot write", self.encoding.name())));
        }
        self.changes.entry(0).or_default().push((self.names.len(), name.to_owned()));
        self.names.push(name.to_owned());
        Ok(())
    }

    fn set(&mut self, row: usize, cells: &[(usize, &Value)]) -> Result<(), String> {
        let texts: Vec<(usize, String)> = cells.iter().map(|(column, value)| (*column, cell_text(value))).collect();
        for (column, text) in &texts {
            if let Some(character) = self.encoding.cannot_write(text) {
                return Err(format!(
                    "column `{}`: the file is in {}, which cannot write `{character}`\nhint: save it as UTF-8, or name another `output_path`",
                    self.names[*column],
                    self.encoding.name()
                ));
            }
        }
        let changes = self.changes.entry(row + 1).or_default();
        for (column, text) in texts {
            changes.retain(|(at, _)| *at != column);
            changes.push((column, text));
        }
        Ok(())
    }

    fn render(&self) -> Result<Vec<u8>> {
        let mut out = String::with_capacity(self.text.text.len() + self.text.text.len() / 4);
        out.push_str(self.text.head());
        let added = self.names.len() > self.text.fields(0);
        for record in 0..self.text.records() {
            match self.changes.get(&record) {
                None if !added => out.push_str(self.text.record(record)),
                changes => self.push_record(&mut out, record, changes.map_or(&[], Vec::as_slice)),
            }
            out.push_str(self.text.tail(record));
        }
        self.encoding.encode_file(&out).ok_or_else(|| Error::Data(format!("a text cannot be written in {}", self.encoding.name()))) // seen to when it was set
    }
}
