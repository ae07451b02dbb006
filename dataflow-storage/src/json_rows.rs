//! Reads rows that are JSON objects, however a format sets them apart.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use dataflow_core::storage::{FrameReader, Rejected, Source};
use dataflow_core::{Error, Result};
use polars::prelude::{DataFrame, SchemaRef};
use serde::de::{DeserializeSeed, IgnoredAny};

use crate::column_builder::{FrameBuilder, KEY_TWICE, Reading};
use crate::format::{OnMalformed, ReadOptions};
use crate::inferred_type::{SeeRow, SeenObject, is_maybe_huge, message_of, quote_huge_integers};
use crate::input_file::{InputFile, Malformed};

/// A text, line by line.
pub(crate) struct Text {
    pub(crate) input: BufReader<Box<dyn Read + Send>>,
    pub(crate) path: PathBuf,
    /// The number of the last line that was begun, from 1.
    pub(crate) line: u64,
}

impl Text {
    /// Begins a text, which has to be in UTF-8.
    pub(crate) fn new(path: PathBuf, input: Box<dyn Read + Send>) -> Result<Self> {
        let mut input = BufReader::with_capacity(1 << 18, input);
        let begin = input.fill_buf().map_err(|error| crate::input_file::reading(&path, error))?;
        // Its mark, or its first character, since that of a table or of JSON is of ASCII.
        if matches!(begin, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]) {
            return Err(Error::Malformed {
                place: path.display().to_string(),
                message: "the text should be in UTF-8, found UTF-16\nhint: save it as UTF-8 (in Excel `CSV UTF-8`), as `iconv -f UTF-16 -t UTF-8` does".into(),
            });
        }
        Ok(Self { input, path, line: 0 })
    }

    /// Appends the next line, its end included; false after the last. A byte order mark before the first is left out.
    pub(crate) fn next_line(&mut self, into: &mut Vec<u8>) -> Result<bool> {
        let before = into.len();
        let read = self.input.read_until(b'\n', into).map_err(|error| crate::input_file::reading(&self.path, error))?;
        if self.line == 0 && into[before..].starts_with(BYTE_ORDER_MARK) {
            into.drain(before..before + BYTE_ORDER_MARK.len());
        }
        self.line += u64::from(read > 0);
        Ok(read > 0)
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How a format sets its objects apart.
pub(crate) trait Records: Send + Sized + 'static {
    /// Begins at the start of a text.
    fn new(text: Text) -> Self;

    /// Puts the next record's bytes into `record` and gives its line; `None` after the last. An error ends the file, whatever the user chose.
    fn next(&mut self, record: &mut Vec<u8>) -> Result<Option<u64>>;
}

/// A file of JSON objects.
pub(crate) struct JsonSource<R> {
    file: InputFile,
    options: ReadOptions,
    scan: Mutex<Option<Scan>>,
    records: std::marker::PhantomData<fn() -> R>,
}

/// What one pass over the whole file has told.
#[derive(Clone)]
struct Scan {
    schema: SchemaRef,
    rows: u64,
    warnings: Vec<String>,
}

impl<R> fmt::Debug for JsonSource<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("JsonSource").field("file", &self.file).finish_non_exhaustive()
    }
}

impl<R: Records> JsonSource<R> {
    pub(crate) fn new(file: InputFile, options: &ReadOptions) -> Self {
        Self { file, options: options.clone(), scan: Mutex::new(None), records: std::marker::PhantomData }
    }

    fn scan(&self) -> Result<Scan> {
        let mut known = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scan) = &*known {
            return Ok(scan.clone());
        }
        let scan = self.file.hashed_beside(|| self.pass())?;
        *known = Some(scan.clone());
        Ok(scan)
    }

    fn pass(&self) -> Result<Scan> {
        let mut records = R::new(Text::new(self.file.path().to_owned(), self.file.open()?)?);
        let mut malformed = Malformed::new(self.file.path(), self.options.on_malformed);
        let (mut seen, mut rows, mut record) = (SeenObject::default(), 0, Vec::new());
        while let Some(line) = records.next(&mut record)? {
            match see(&mut seen, &record, self.options.on_malformed) {
                Ok(()) => rows += 1,
                Err(error) => malformed.record(line, message_of(&error, &record), &record)?,
            }
            malformed.take(); // the reader hands them out
        }
        let mut warnings = Vec::new();
        let mut schema = seen.schema(&mut warnings);
        self.options.apply_types(self.file.path(), &mut schema)?;
        Ok(Scan { schema: Arc::new(schema), rows, warnings })
    }
}

/// Sees one record. A record that turns out to be malformed in its middle must not have shaped the columns where it is set aside.
fn see(seen: &mut SeenObject, record: &[u8], on_malformed: OnMalformed) -> serde_json::Result<()> {
    if on_malformed == OnMalformed::SetAside {
        serde_json::from_slice::<IgnoredAny>(record)?;
    }
    match see_once(seen, record, true) {
        Err(error) if is_maybe_huge(&error) => see_once(seen, &quote_huge_integers(record), false),
        done => done,
    }
}

fn see_once(seen: &mut SeenObject, record: &[u8], refuse_huge: bool) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_slice(record);
    SeeRow { seen, refuse_huge }.deserialize(&mut json)?;
    json.end()
}

impl<R: Records> Source for JsonSource<R> {
    fn schema(&self) -> Result<SchemaRef> {
        match &self.options.schema {
            Some(schema) => Ok(schema.clone()),
            None => Ok(self.scan()?.schema),
        }
    }

    fn rows(&self) -> Option<u64> {
        self.scan.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|scan| scan.rows)
    }

    fn fingerprint(&self) -> Result<String> {
        self.file.fingerprint()
    }

    fn open(&self, batch_rows: usize) -> Result<Box<dyn FrameReader>> {
        let schema = self.schema()?;
        Ok(Box::new(JsonReader {
            records: R::new(Text::new(self.file.path().to_owned(), self.file.open()?)?),
            schema,
            batch_rows: batch_rows.max(1),
            malformed: Malformed::new(self.file.path(), self.options.on_malformed),
            record: Vec::new(),
        }))
    }

    fn warnings(&self) -> Vec<String> {
        if self.options.schema.is_some() {
            return Vec::new();
        }
        self.scan().map(|scan| scan.warnings).unwrap_or_default()
    }
}

struct JsonReader<R> {
    records: R,
    schema: SchemaRef,
    batch_rows: usize,
    malformed: Malformed,
    record: Vec<u8>,
}

impl<R: Records> FrameReader for JsonReader<R> {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        loop {
            let mut builder = FrameBuilder::new(&self.schema, self.batch_rows);
            while builder.rows() < self.batch_rows {
                let Some(line) = self.records.next(&mut self.record)? else { break };
                if let Err(error) = push(&mut builder, &self.record) {
                    self.malformed.record(line, message_of(&error, &self.record), &self.record)?;
                }
            }
            if builder.rows() == 0 {
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

fn push(builder: &mut FrameBuilder, record: &[u8]) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_slice(record);
    match builder.push_object(&mut json, Reading::First) {
        Ok(()) => match json.end() {
            Ok(()) => Ok(()),
            Err(error) => {
                builder.drop_last();
                Err(error)
            }
        },
        Err(error) if is_maybe_huge(&error) || (error.is_data() && error.to_string().starts_with(KEY_TWICE)) => {
            let value: serde_json::Value = serde_json::from_slice(&quote_huge_integers(record))?;
            builder.push_object(&value, Reading::Again)
        }
        Err(error) => {
            serde_json::from_slice::<IgnoredAny>(record)?; // that it is no JSON is the better reason
            Err(error)
        }
    }
}
