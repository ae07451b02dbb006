//! Tables of text fields, for CSV and TSV.
//!
//! The reader is our own because a null must not become an empty text: a field of nothing is null, `""` is the empty text,
//! and readers at hand give both as the same. For the rest it follows RFC 4180, and takes a quote inside an unquoted
//! field as it stands. A nested value is JSON in its field.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use dataflow_core::storage::{FrameReader, Rejected, Sink, Source};
use dataflow_core::{Error, Result};
use polars::prelude::{DataFrame, DataType, Schema, SchemaRef};

use super::ReadOptions;
use crate::Separator;
use crate::column_builder::FrameBuilder;
use crate::column_text::{FrameText, Plain};
use crate::compression::{Compressed, Compression};
use crate::input_file::{InputFile, Malformed, NOT_SET_ASIDE};
use crate::json_rows::Text;
use crate::whole_file::{SharedWriter, WholeFile};

/// A file of fields that `delimiter` separates where nothing else is said.
pub(super) fn source(delimiter: u8, file: InputFile, options: &ReadOptions) -> Arc<dyn Source> {
    let delimiter = options.separator.map_or(delimiter, Separator::byte);
    Arc::new(TableSource { delimiter, file, options: options.clone(), scan: Mutex::new(None) })
}

/// Writes fields that `delimiter` separates.
pub(super) fn sink(delimiter: u8, file: WholeFile, compression: Compression, schema: &SchemaRef) -> Result<Box<dyn Sink>> {
    let writer = compression.writer(file.writer()).map_err(|error| file.error(error))?;
    let mut buffer = Vec::new();
    for (at, name) in schema.iter_names().enumerate() {
        if at > 0 {
            buffer.push(delimiter);
        }
        if is_doubtful(schema.len(), name) {
            write_quoted(name, &mut buffer);
        } else {
            write_text(delimiter, name, &mut buffer);
        }
    }
    if !schema.is_empty() {
        buffer.push(b'\n');
    }
    Ok(Box::new(TableSink { delimiter, file, writer, buffer, nested: Vec::new() }))
}

#[derive(Debug)]
struct TableSource {
    delimiter: u8,
    file: InputFile,
    options: ReadOptions,
    scan: Mutex<Option<(SchemaRef, u64)>>,
}

impl TableSource {
    /// Reads the whole file once, so that a malformed row is told before a run begins, and how many rows there are is known.
    fn scan(&self) -> Result<(SchemaRef, u64)> {
        let mut known = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scan) = &*known {
            return Ok(scan.clone());
        }
        let scan = self.file.hashed_beside(|| self.pass())?;
        *known = Some(scan.clone());
        Ok(scan)
    }

    fn pass(&self) -> Result<(SchemaRef, u64)> {
        let mut reader = TableReader::new(self, self.file.open()?, 4096)?;
        let mut rows = 0;
        while let Some(frame) = reader.next_frame()? {
            rows += frame.height() as u64;
            reader.take_rejected();
        }
        Ok((reader.schema, rows))
    }
}

impl Source for TableSource {
    fn schema(&self) -> Result<SchemaRef> {
        match &self.options.schema {
            Some(schema) => Ok(schema.clone()),
            None => Ok(self.scan()?.0),
        }
    }

    fn rows(&self) -> Option<u64> {
        self.scan.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, rows)| *rows)
    }

    fn fingerprint(&self) -> Result<String> {
        self.file.fingerprint()
    }

    fn open(&self, batch_rows: usize) -> Result<Box<dyn FrameReader>> {
        Ok(Box::new(TableReader::new(self, self.file.open()?, batch_rows)?))
    }
}

struct TableReader {
    records: Records,
    schema: SchemaRef,
    batch_rows: usize,
    malformed: Malformed,
}

impl TableReader {
    fn new(source: &TableSource, input: Box<dyn std::io::Read + Send>, batch_rows: usize) -> Result<Self> {
        let path = source.file.path();
        let malformed = Malformed::new(path, source.options.on_malformed);
        let mut records = Records::new(source.delimiter, Text::new(path.to_owned(), input)?);
        let mut schema = Schema::default();
        if let Some(line) = records.next(&malformed)? {
            for at in 0..records.width() {
                let name = records.field(at).map_err(|message| malformed.at(line, format!("{message}\nhint: save the file as UTF-8")))?.unwrap_or_default();
                if schema.insert(name.into(), DataType::String).is_some() {
                    return Err(malformed.at(line, format!("two columns are named `{name}`\nhint: rename one of them in the first line")));
                }
            }
            records.columns = schema.len();
            if source.options.separator.is_none() && source.options.schema.is_none() {
                records.is_parted().map_err(|message| malformed.at(line, message))?;
            }
        }
        source.options.apply_types(path, &mut schema)?;
        let schema = match &source.options.schema {
            Some(wanted) if wanted.iter_names().eq(schema.iter_names()) => wanted.clone(),
            Some(wanted) => {
                let names = |schema: &Schema| schema.iter_names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                return Err(malformed.at(1, format!("expected the columns {}, found {}", names(wanted), names(&schema))));
            }
            None => Arc::new(schema),
        };
        Ok(Self { records, schema, batch_rows: batch_rows.max(1), malformed })
    }
}

impl FrameReader for TableReader {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        loop {
            let mut builder = FrameBuilder::new(&self.schema, self.batch_rows);
            let mut read = false;
            while builder.rows() < self.batch_rows {
                let Some(line) = self.records.next(&self.malformed)? else { break };
                read = true;
                if let Err(message) = self.records.push_into(&mut builder) {
                    self.malformed.record(line, message, self.records.text())?;
                }
            }
            if !read {
                return Ok(None);
            }
            let frame = builder.finish()?;
            if frame.height() > 0 {
                return Ok(Some(frame));
            }
        }
    }

    fn take_rejected(&mut self) -> Vec<Rejected> {
        self.malformed.take()
    }
}

/// A text's records, one after the other.
struct Records {
    delimiter: u8,
    text: Text,
    /// How many columns there are, 0 before the header was read.
    columns: usize,
    record: Vec<u8>,
    content: Vec<u8>,
    fields: Vec<Field>,
}

/// Where a field ends in the content, and whether it was quoted.
struct Field {
    end: usize,
    quoted: bool,
}

/// Where in a record the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    QuoteInQuoted,
}

impl Records {
    fn new(delimiter: u8, text: Text) -> Self {
        Self { delimiter, text, columns: 0, record: Vec::new(), content: Vec::new(), fields: Vec::new() }
    }

    /// Takes the next record and gives the line that it begins on. A blank line is one only where there is one column.
    fn next(&mut self, malformed: &Malformed) -> Result<Option<u64>> {
        loop {
            self.record.clear();
            self.content.clear();
            self.fields.clear();
            if !self.text.next_line(&mut self.record)? {
                return Ok(None);
            }
            let line = self.text.line;
            if self.columns != 1 && matches!(&*self.record, b"\n" | b"\r\n") {
                continue;
            }
            let (mut state, mut from) = (State::FieldStart, 0);
            loop {
                state = self.split(state, from);
                if state != State::Quoted {
                    return Ok(Some(line));
                }
                from = self.record.len();
                if !self.text.next_line(&mut self.record)? {
                    return Err(malformed.at(line, format!("a quote is opened in this record and never closed\n{NOT_SET_ASIDE}")));
                }
            }
        }
    }

    /// Splits a line of the record into fields. It ends in `Quoted` where the record goes on in the next line.
    fn split(&mut self, mut state: State, from: usize) -> State {
        let mut quoted = state == State::Quoted;
        let mut at = from;
        while at < self.record.len() {
            let rest = &self.record[at..];
            let byte = rest[0];
            let ends_line = byte == b'\n' || rest == b"\r\n";
            match state {
                State::FieldStart if byte == b'"' => (state, quoted) = (State::Quoted, true),
                State::Quoted if byte == b'"' => state = State::QuoteInQuoted,
                State::Quoted => {
                    let run = rest.iter().position(|&byte| byte == b'"').unwrap_or(rest.len());
                    self.content.extend_from_slice(&rest[..run]);
                    at += run;
                    continue;
                }
                State::QuoteInQuoted if byte == b'"' => {
                    self.content.push(b'"');
                    state = State::Quoted;
                }
                _ if ends_line => break,
                _ if byte == self.delimiter => {
                    self.fields.push(Field { end: self.content.len(), quoted });
                    (state, quoted) = (State::FieldStart, false);
                }
                _ => {
                    let run = rest.iter().position(|&byte| byte == self.delimiter || byte == b'\n' || byte == b'\r').unwrap_or(rest.len()).max(1);
                    self.content.extend_from_slice(&rest[..run]);
                    state = State::Unquoted;
                    at += run;
                    continue;
                }
            }
            at += 1;
        }
        if state != State::Quoted {
            self.fields.push(Field { end: self.content.len(), quoted });
        }
        state
    }

    fn width(&self) -> usize {
        self.fields.len()
    }

    /// Whether the header is parted into columns, as it is not where the file has another separator.
    fn is_parted(&self) -> Result<(), String> {
        let [Field { quoted: false, .. }] = self.fields[..] else { return Ok(()) };
        let header = String::from_utf8_lossy(&self.content);
        Separator::in_text(&header).map_or(Ok(()), |found| {
            let expected = Separator::of(self.delimiter);
            Err(format!(
                "the columns should be separated by `{expected}`, found one column `{header}`, which `{found}` seems to separate\nhint: say `separator: '{found}'` under `storage`, or `separator: '{expected}'` where it is one column"
            ))
        })
    }

    /// A field; an unquoted one of nothing is null.
    fn field(&self, at: usize) -> Result<Option<&str>, String> {
        let begin = if at == 0 { 0 } else { self.fields[at - 1].end };
        let bytes = &self.content[begin..self.fields[at].end];
        if bytes.is_empty() && !self.fields[at].quoted {
            return Ok(None);
        }
        std::str::from_utf8(bytes).map(Some).map_err(|error| format!("field {} is not UTF-8: {error}", at + 1))
    }

    fn push_into(&self, builder: &mut FrameBuilder) -> Result<(), String> {
        if self.width() != self.columns {
            return Err(format!("expected {} fields, found {}", self.columns, self.width()));
        }
        let fields = (0..self.width()).map(|at| self.field(at)).collect::<Result<Vec<_>, _>>()?;
        builder.push_texts(fields.into_iter())
    }

    /// The record as it stands in the file, but for its last line's end.
    fn text(&self) -> &[u8] {
        let text = self.record.strip_suffix(b"\n").unwrap_or(&self.record);
        text.strip_suffix(b"\r").unwrap_or(text)
    }
}

struct TableSink {
    delimiter: u8,
    file: WholeFile,
    writer: Compressed<SharedWriter>,
    buffer: Vec<u8>,
    nested: Vec<u8>,
}

impl TableSink {
    fn flush(&mut self) -> Result<()> {
        self.writer.write_all(&self.buffer).map_err(|error| self.file.error(error))?;
        self.buffer.clear();
        Ok(())
    }
}

impl Sink for TableSink {
    fn write(&mut self, frame: &DataFrame) -> Result<()> {
        let text = FrameText::new(frame)?;
        for row in 0..frame.height() {
            for (at, column) in text.columns().enumerate() {
                if at > 0 {
                    self.buffer.push(self.delimiter);
                }
                match column.plain(row) {
                    Plain::Null => {}
                    Plain::Boolean(value) => self.buffer.extend_from_slice(if value { b"true" } else { b"false" }),
                    Plain::Integer(value) => self.buffer.extend_from_slice(value.to_string().as_bytes()),
                    Plain::Float(value) if value.is_finite() => column.write_json(row, &mut self.buffer),
                    Plain::Float(value) => self.buffer.extend_from_slice(value.to_string().as_bytes()),
                    Plain::Text(text) => write_text(self.delimiter, text, &mut self.buffer),
                    Plain::Json => {
                        self.nested.clear();
                        column.write_json(row, &mut self.nested);
                        let json = std::str::from_utf8(&self.nested).map_err(|error| Error::Data(error.to_string()))?;
                        write_text(self.delimiter, json, &mut self.buffer);
                    }
                }
            }
            self.buffer.push(b'\n');
            if self.buffer.len() >= 1 << 18 {
                self.flush()?;
            }
        }
        self.flush()
    }

    fn aside(&mut self) -> Option<PathBuf> {
        Some(self.file.aside())
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.flush()?;
        let Self { file, writer, .. } = *self;
        writer.finish().map_err(|error| file.error(error))?;
        file.commit()
    }
}

/// Whether the name of an only column looks as if it were several, which have another separator.
fn is_doubtful(columns: usize, name: &str) -> bool {
    columns == 1 && Separator::in_text(name).is_some()
}

/// Writes a text, in quotes where it is empty or could be taken for something else.
fn write_text(delimiter: u8, text: &str, out: &mut Vec<u8>) {
    let plain = !text.is_empty() && !text.starts_with('\u{feff}') && !text.bytes().any(|byte| matches!(byte, b'"' | b'\n' | b'\r') || byte == delimiter);
    if plain {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    write_quoted(text, out);
}

fn write_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}
