//! JSON: one array of objects, read element by element.

use std::path::PathBuf;
use std::io::{BufRead, Write};
use std::sync::Arc;

use dataflow_core::storage::Sink;
use dataflow_core::{Error, Result};
use polars::prelude::DataFrame;

use super::{Compresses, FormatInfo};
use crate::column_text::FrameText;
use crate::compression::Compressed;
use crate::input_file::NOT_SET_ASIDE;
use crate::json_rows::{JsonSource, Records, Text};
use crate::whole_file::{SharedWriter, WholeFile};

pub(super) const INFO: FormatInfo = FormatInfo {
    name: "json",
    extensions: &["json"],
    compresses: Compresses::ByWrapping,
    source: |file, options| Ok(Arc::new(JsonSource::<Elements>::new(file, options))),
    sink: |file, compression, _| {
        let writer = compression.writer(file.writer()).map_err(|error| file.error(error))?;
        Ok(Box::new(JsonSink { file, writer, buffer: b"[".to_vec(), rows: 0 }))
    },
};

/// The elements of an array: what stands between its commas, whatever that is.
struct Elements {
    text: Text,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    First,
    Next,
    End,
}

impl Records for Elements {
    fn new(text: Text) -> Self {
        Self { text: Text { line: 1, ..text }, state: State::Start }
    }

    fn next(&mut self, record: &mut Vec<u8>) -> Result<Option<u64>> {
        record.clear();
        if self.state == State::Start {
            match self.significant()? {
                None => return Ok(None), // an empty file
                Some(b'[') => self.state = State::First,
                Some(found) => {
                    let hint = if found == b'{' { "\nhint: if each line is an object, say `format: jsonl`" } else { "" };
                    return Err(self.malformed(format!("expected an array, found `{}`{hint}", char::from(found))));
                }
            }
        }
        if self.state == State::End {
            return match self.significant()? {
                None => Ok(None),
                Some(found) => Err(self.malformed(format!("expected nothing after the array, found `{}`", char::from(found)))),
            };
        }
        let Some(first) = self.significant()? else { return Err(self.not_closed()) };
        if first == b']' && self.state == State::First {
            self.state = State::End;
            return self.next(record);
        }
        let line = self.text.line;
        record.push(first);
        self.element(record)?;
        Ok(Some(line))
    }
}

impl Elements {
    /// The next byte that is not white space, taken.
    fn significant(&mut self) -> Result<Option<u8>> {
        loop {
            let bytes = self.text.input.fill_buf().map_err(|error| crate::input_file::reading(&self.text.path, error))?;
            let Some(&byte) = bytes.first() else { return Ok(None) };
            let taken = if self.state == State::Start && bytes.starts_with("\u{feff}".as_bytes()) { 3 } else { 1 };
            self.text.input.consume(taken);
            self.text.line += u64::from(byte == b'\n');
            if taken == 1 && !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
        }
    }

    /// Takes what follows the element's first byte, up to the comma or the bracket behind it.
    fn element(&mut self, record: &mut Vec<u8>) -> Result<()> {
        let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
        let mut step = |byte: u8| {
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                return None;
            }
            match byte {
                b'"' => in_string = true,
                b'[' | b'{' => depth += 1,
                b',' if depth == 0 => return Some(State::Next),
                b']' if depth == 0 => return Some(State::End),
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            None
        };
        if let Some(end) = step(record[0]) {
            record.clear(); // two commas, or a comma before the bracket: an element of nothing, which is malformed
            self.state = end;
            return Ok(());
        }
        loop {
            let bytes = self.text.input.fill_buf().map_err(|error| crate::input_file::reading(&self.text.path, error))?;
            if bytes.is_empty() {
                return Err(self.not_closed());
            }
            let mut end = None;
            let taken = bytes.iter().position(|&byte| {
                end = step(byte);
                end.is_some()
            });
            let length = taken.unwrap_or(bytes.len());
            record.extend_from_slice(&bytes[..length]);
            self.text.line += bytes[..length].split(|&byte| byte == b'\n').count() as u64 - 1;
            self.text.input.consume(length + usize::from(taken.is_some()));
            if let Some(end) = end {
                record.truncate(record.trim_ascii_end().len());
                self.state = end;
                return Ok(());
            }
        }
    }

    fn not_closed(&self) -> Error {
        self.malformed(format!("the array is not closed\n{NOT_SET_ASIDE}"))
    }

    fn malformed(&self, message: impl Into<String>) -> Error {
        Error::Malformed { place: format!("{} line {}", self.text.path.display(), self.text.line), message: message.into() }
    }
}

struct JsonSink {
    file: WholeFile,
    writer: Compressed<SharedWriter>,
    buffer: Vec<u8>,
    rows: u64,
}

impl Sink for JsonSink {
    fn write(&mut self, frame: &DataFrame) -> Result<()> {
        let text = FrameText::new(frame)?;
        for row in 0..frame.height() {
            self.buffer.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
            text.write_json(row, &mut self.buffer);
            self.rows += 1;
            if self.buffer.len() >= 1 << 18 {
                self.writer.write_all(&self.buffer).map_err(|error| self.file.error(error))?;
                self.buffer.clear();
            }
        }
        Ok(())
    }

    fn aside(&mut self) -> Option<PathBuf> {
        Some(self.file.aside())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let Self { file, mut writer, mut buffer, rows } = *self;
        buffer.extend_from_slice(if rows == 0 { b"]\n" } else { b"\n]\n" });
        writer.write_all(&buffer).map_err(|error| file.error(error))?;
        writer.finish().map_err(|error| file.error(error))?;
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use crate::format::testing::{check_round_trips, read, read_text};
    use insta::assert_snapshot;

    check_round_trips!("x.json", nested);

    #[test]
    fn elements_are_read_over_any_lines() {
        let (frame, _) = read_text("x.json", "\u{feff}\n [ {\"a\":\n1, \"t\": \"],{\\\"[\"},{\"a\": 2}\n\n, {\"late\": []} ]\n");
        assert_eq!(frame.shape(), (3, 3));
        assert_eq!(frame.column("t").unwrap().str().unwrap().get(0), Some("],{\"["));
    }

    #[test]
    fn empty_arrays_and_empty_files_have_no_rows() {
        for text in ["", " \n", "[]", "[ \n ]\n"] {
            assert_eq!(read_text("x.json", text).0.shape(), (0, 0), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_an_array_is_told() {
        assert_snapshot!(read("x.json", "{\"a\": 1}\n{\"a\": 2}\n"), @r"
        error: x.json line 1: expected an array, found `{`
        hint: if each line is an object, say `format: jsonl`
        error: x.json line 1: expected an array, found `{`
        hint: if each line is an object, say `format: jsonl`
        ");
        assert_snapshot!(read("x.json", "[{\"a\": 1},\n{\"a\": 2}"), @r"
        error: x.json line 2: the array is not closed
        hint: mend it; it cannot be set aside, since where the record ends is not known
        error: x.json line 2: the array is not closed
        hint: mend it; it cannot be set aside, since where the record ends is not known
        ");
    }

    #[test]
    fn a_malformed_element_is_told_or_set_aside() {
        assert_snapshot!(read("x.json", "[{\"a\": 1},\n{\"a\": tru},\n\n7, ,\n{\"a\": 2},]"), @r#"
        error: x.json line 2: expected ident at column 10
        hint: mend it, or have such records set aside with `on_malformed: set_aside` under `storage`
        set aside: 2: expected ident at column 10: {"a": tru}
        set aside: 4: invalid type: integer `7`, expected an object at column 1: 7
        set aside: 4: EOF while parsing a value: 
        set aside: 5: EOF while parsing a value: 
        shape: (2, 1)
        ┌─────┐
        │ a   │
        │ --- │
        │ i64 │
        ╞═════╡
        │ 1   │
        │ 2   │
        └─────┘
        "#);
    }
}
