//! JSON Lines: an object a line. Blank lines are passed over.

use std::path::PathBuf;
use std::io::Write;
use std::sync::Arc;

use dataflow_core::Result;
use dataflow_core::storage::Sink;
use polars::prelude::DataFrame;

use super::{Compresses, FormatInfo};
use crate::column_text::FrameText;
use crate::compression::Compressed;
use crate::json_rows::{JsonSource, Records, Text};
use crate::whole_file::{SharedWriter, WholeFile};

pub(super) const INFO: FormatInfo = FormatInfo {
    name: "jsonl",
    extensions: &["jsonl", "ndjson"],
    compresses: Compresses::ByWrapping,
    source: |file, options| Ok(Arc::new(JsonSource::<Lines>::new(file, options))),
    sink: |file, compression, _| {
        let writer = compression.writer(file.writer()).map_err(|error| file.error(error))?;
        Ok(Box::new(JsonlSink { file, writer, buffer: Vec::new() }))
    },
};

struct Lines(Text);

impl Records for Lines {
    fn new(text: Text) -> Self {
        Self(text)
    }

    fn next(&mut self, record: &mut Vec<u8>) -> Result<Option<u64>> {
        loop {
            record.clear();
            if !self.0.next_line(record)? {
                return Ok(None);
            }
            record.truncate(record.trim_ascii_end().len());
            if !record.is_empty() {
                return Ok(Some(self.0.line));
            }
        }
    }
}

struct JsonlSink {
    file: WholeFile,
    writer: Compressed<SharedWriter>,
    buffer: Vec<u8>,
}

impl Sink for JsonlSink {
    fn write(&mut self, frame: &DataFrame) -> Result<()> {
        let text = FrameText::new(frame)?;
        for row in 0..frame.height() {
            text.write_json(row, &mut self.buffer);
            self.buffer.push(b'\n');
            if self.buffer.len() >= 1 << 18 {
                self.writer.write_all(&self.buffer).map_err(|error| self.file.error(error))?;
                self.buffer.clear();
            }
        }
        self.writer.write_all(&self.buffer).map_err(|error| self.file.error(error))?;
        self.buffer.clear();
        Ok(())
    }

    fn aside(&mut self) -> Option<PathBuf> {
        Some(self.file.aside())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let Self { file, writer, .. } = *self;
        writer.finish().map_err(|error| file.error(error))?;
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use crate::format::testing::{check_round_trips, read, read_text};
    use insta::assert_snapshot;
    use polars::prelude::DataType;

    check_round_trips!("x.jsonl", nested);

    #[test]
    fn nothing_is_lost_or_guessed() {
        let text = "\u{feff}{\"t\": \"007\", \"e\": \"1e5\", \"big\": 18446744073709551615}\r\n\n  {\"t\": \"\\ud83d\\ude00 题\", \"big\": 1, \"late\": 1.0}\n{\"t\": 1, \"t\": \"last\"}";
        let (frame, warnings) = read_text("x.jsonl", text);
        assert_snapshot!(format!("{frame}\n{warnings:?}"), @r#"
        shape: (3, 4)
        ┌───────┬──────┬──────────────────────┬──────┐
        │ t     ┆ e    ┆ big                  ┆ late │
        │ ---   ┆ ---  ┆ ---                  ┆ ---  │
        │ str   ┆ str  ┆ u64                  ┆ f64  │
        ╞═══════╪══════╪══════════════════════╪══════╡
        │ 007   ┆ 1e5  ┆ 18446744073709551615 ┆ null │
        │ 😀 题 ┆ null ┆ 1                    ┆ 1.0  │
        │ last  ┆ null ┆ null                 ┆ null │
        └───────┴──────┴──────────────────────┴──────┘
        ["the key `t` is there twice in an object; its last value is read", "column `t` holds numbers and text; it is read as text, and what is not text stands in it as JSON"]
        "#);
    }

    #[test]
    fn integers_of_any_length_are_exact() {
        let (frame, _) = read_text("x.jsonl", "{\"a\": -1, \"h\": 1}\n{\"a\": 18446744073709551615, \"h\": [123456789012345678901234567890]}\n{\"a\": 0, \"h\": -9223372036854775809}");
        assert_eq!(frame.column("a").unwrap().dtype(), &DataType::Int128);
        let texts: Vec<_> = frame.column("h").unwrap().str().unwrap().iter().map(|text| text.unwrap().to_owned()).collect();
        assert_eq!(texts, ["1", "[\"123456789012345678901234567890\"]", "-9223372036854775809"]);
    }

    #[test]
    fn a_key_first_seen_on_a_late_line_is_a_column_of_every_frame() {
        let text = "{\"a\": 1}\n".repeat(5000) + "{\"a\": 2, \"late\": \"x\"}\n";
        let (frame, _) = read_text("x.jsonl", &text);
        assert_eq!(frame.shape(), (5001, 2));
        assert_eq!(frame.column("late").unwrap().null_count(), 5000);
    }

    #[test]
    fn an_empty_file_has_no_rows_and_no_columns() {
        for text in ["", "\n\n", "\u{feff}"] {
            assert_eq!(read_text("x.jsonl", text).0.shape(), (0, 0));
        }
        assert_eq!(read_text("x.jsonl", "{}\n{}\n").0.shape(), (2, 0));
    }

    #[test]
    fn numbers_that_json_does_not_have_are_named() {
        let told = |line: &str| read("x.jsonl", line).lines().next().unwrap_or_default().to_owned();
        for value in ["NaN", "Infinity", "-Infinity"] {
            let python = format!("error: x.jsonl line 1: `{value}`, which Python's `json.dumps` writes without `allow_nan=False`, is no JSON and should be null, at column ");
            for line in [format!("{{\"a\": 1, \"score\": {value}}}"), format!("{{\"a\": 1, \"score\": [{value}]}}")] {
                assert!(told(&line).starts_with(&python), "{}", told(&line));
            }
        }
        let large = "error: x.jsonl line 1: a number beyond 1.8e308, the largest that can be read, which should be null or a text, at column ";
        assert!(told("{\"a\": 1e400}").starts_with(large), "{}", told("{\"a\": 1e400}"));
        assert!(told("{\"NaN\": nope}").contains("line 1: expected ident"), "{}", told("{\"NaN\": nope}"));
    }

    #[test]
    fn a_malformed_line_is_told_or_set_aside() {
        let text = "{\"a\": 1}\n\n{\"a\": 2,}\n[1]\n{\"a\": 3} x\n{\"a\": \"\u{1}\"}\nnull\n{\"a\": 4}\n{\"a\": \"\\ud83d x\"}\n{\"b\": [1, tr";
        assert_snapshot!(read("x.jsonl", text), @r#"
        error: x.jsonl line 3: trailing comma at column 9
        hint: mend it, or have such records set aside with `on_malformed: set_aside` under `storage`
        set aside: 3: key must be a string at column 9: {"a": 2,}
        set aside: 4: invalid type: sequence, expected an object at column 1: [1]
        set aside: 5: trailing characters at column 10: {"a": 3} x
        set aside: 6: control character (\u0000-\u001F) found while parsing a string at column 7: {"a": ""}
        set aside: 7: invalid type: null, expected an object at column 4: null
        set aside: 9: half of a character, such as `\ud83d` without the `\u…` that ends it at column 14: {"a": "\ud83d x"}
        set aside: 10: EOF while parsing a value at column 12: {"b": [1, tr
        shape: (2, 1)
        ┌─────┐
        │ a   │
        │ --- │
        │ i64 │
        ╞═════╡
        │ 1   │
        │ 4   │
        └─────┘
        "#);
    }
}
