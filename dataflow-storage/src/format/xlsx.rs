//! Excel workbooks, read and written whole: the format cannot be streamed.
//!
//! A workbook knows numbers, text, truth values and dates. Whole numbers come back as integers, dates as text, an empty
//! text as null, since a sheet does not tell it from an empty cell; rows of nulls alone at the end are not there.

use std::path::PathBuf;
use std::collections::VecDeque;
use std::io::BufReader;
use std::sync::{Arc, Mutex, PoisonError};

use calamine::{Data, Reader as _, Xlsx, XlsxError};
use dataflow_core::registry::nearest;
use dataflow_core::storage::{FrameReader, Rejected, Sink, Source};
use dataflow_core::{Error, Result};
use polars::prelude::{DataFrame, Schema, SchemaRef};
use rust_xlsxwriter::{Workbook, XlsxError as WriteError};
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

use super::columnar::{conform, slices};
use super::{Compresses, FormatInfo, ReadOptions};
use crate::column_builder::{FrameBuilder, Reading};
use crate::column_text::{FrameText, Plain};
use crate::inferred_type::{SeeRow, SeenObject};
use crate::input_file::InputFile;
use crate::whole_file::WholeFile;

pub(super) const INFO: FormatInfo = FormatInfo {
    name: "xlsx",
    extensions: &["xlsx", "xlsm"],
    compresses: Compresses::ByItself,
    source: |file, options| Ok(Arc::new(XlsxSource { file, options: options.clone(), content: Mutex::new(None) })),
    sink: |file, _, schema| XlsxSink::create(file, schema).map(|sink| Box::new(sink) as Box<dyn Sink>),
};

/// Integers beyond it are not all exact in a sheet, whose numbers are 64-bit floating point numbers.
const EXACT: i128 = 1 << 53;

/// Characters (UTF-16 units) that a cell holds.
const MOST_CHARACTERS: usize = 32_767;

/// Rows that a sheet holds under its header.
const MOST_ROWS: u32 = 1_048_575;

#[derive(Debug)]
struct XlsxSource {
    file: InputFile,
    options: ReadOptions,
    content: Mutex<Option<Content>>,
}

#[derive(Clone, Debug)]
struct Content {
    frame: DataFrame,
    warnings: Vec<String>,
}

impl XlsxSource {
    fn content(&self) -> Result<Content> {
        let mut known = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = &*known {
            return Ok(content.clone());
        }
        let content = self.read()?;
        *known = Some(content.clone());
        Ok(content)
    }

    fn read(&self) -> Result<Content> {
        let path = self.file.path();
        let malformed = |place: String, message: String| Error::Malformed { place: format!("{}{place}", path.display()), message };
        let not_readable = |error: XlsxError| malformed(String::new(), format!("not a workbook that can be read: {error}"));
        let mut workbook: Xlsx<_> = calamine::open_workbook_from_rs(BufReader::new(self.file.open_beginning(b"PK", "a workbook")?)).map_err(not_readable)?;
        let sheets = workbook.sheet_names();
        let sheet = match &self.options.sheet {
            Some(sheet) if sheets.contains(sheet) => sheet.clone(),
            Some(sheet) => {
                let meant = nearest(sheet, sheets.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
                let names = sheets.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                return Err(Error::Configuration(format!("`{}` has no sheet `{sheet}`\nhint: {meant}it has {names}", path.display())));
            }
            None => sheets.first().cloned().ok_or_else(|| malformed(String::new(), "the workbook has no sheet".into()))?,
        };
        let range = workbook.worksheet_range(&sheet).map_err(not_readable)?;
        let first_row = range.start().map_or(0, |(row, _)| row);
        let mut warnings = Vec::new();
        let mut rows = range.rows();
        let mut names: Vec<Option<String>> = Vec::new();
        for (at, cell) in rows.next().unwrap_or_default().iter().enumerate() {
            let name = match cell {
                Data::Empty => None,
                Data::String(name) => Some(name.clone()),
                other => Some(match value_of(other) {
                    Value::String(name) => name,
                    value => value.to_string(),
                }),
            };
            if name.is_some() && names.contains(&name) {
                let message = format!("two columns are named `{}`\nhint: rename one of them in the first row", name.unwrap_or_default());
                return Err(malformed(format!(" sheet `{sheet}`"), message));
            }
            if name.is_none() && range.rows().skip(1).any(|row| !matches!(row[at], Data::Empty)) {
                let letters = rust_xlsxwriter::utility::column_number_to_name(at as u16 + range.start().map_or(0, |(_, column)| column as u16));
                return Err(malformed(format!(" sheet `{sheet}`"), format!("column {letters} has cells and no name in the first row")));
            }
            names.push(name);
        }
        let mut errors = 0u64;
        let objects: Vec<Value> = rows
            .map(|row| {
                let cells = names.iter().zip(row).filter_map(|(name, cell)| {
                    errors += u64::from(matches!(cell, Data::Error(_)));
                    Some((name.clone()?, value_of(cell)))
                });
                Value::Object(cells.collect::<Map<_, _>>())
            })
            .collect();
        if errors > 0 {
            warnings.push(format!("{errors} cells of sheet `{sheet}` hold an error such as #DIV/0!; they are read as null"));
        }
        let mut seen = SeenObject::default();
        for object in &objects {
            SeeRow { seen: &mut seen, refuse_huge: false }.deserialize(object).map_err(|error| self.file.error(error))?;
        }
        let mut schema = seen.schema(&mut warnings);
        for name in names.into_iter().flatten() {
            if !schema.contains(&name) {
                schema.insert(name.into(), polars::prelude::DataType::Null); // a header without rows
            }
        }
        self.options.apply_types(path, &mut schema)?;
        let mut builder = FrameBuilder::new(&schema, objects.len());
        for (at, object) in objects.iter().enumerate() {
            let row = u64::from(first_row) + at as u64 + 2;
            builder.push_object(object, Reading::Again).map_err(|error| malformed(format!(" sheet `{sheet}` row {row}"), error.to_string()))?;
        }
        let mut frame = builder.finish()?;
        if let Some(wanted) = &self.options.schema {
            frame = conform(frame, wanted, path)?;
        }
        Ok(Content { frame, warnings })
    }
}

fn value_of(cell: &Data) -> Value {
    match cell {
        Data::Empty | Data::Error(_) => Value::Null,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => Value::String(text.clone()),
        Data::Bool(value) => Value::Bool(*value),
        Data::Int(value) => Value::from(*value),
        Data::Float(value) if value.fract() == 0.0 && value.abs() <= EXACT as f64 => Value::from(*value as i64),
        Data::Float(value) => Value::from(*value),
        Data::DateTime(moment) if moment.is_duration() => Value::String(format!("{} days", moment.as_f64())),
        Data::DateTime(moment) => match moment.as_datetime() {
            Some(moment) if moment.time() == chrono::NaiveTime::MIN => Value::String(moment.date().to_string()),
            Some(moment) => Value::String(moment.format("%Y-%m-%dT%H:%M:%S%.f").to_string()),
            None => Value::from(moment.as_f64()),
        },
    }
}

impl Source for XlsxSource {
    fn schema(&self) -> Result<SchemaRef> {
        Ok(self.content()?.frame.schema().clone())
    }

    fn rows(&self) -> Option<u64> {
        self.content().ok().map(|content| content.frame.height() as u64)
    }

    fn fingerprint(&self) -> Result<String> {
        self.file.fingerprint()
    }

    fn open(&self, batch_rows: usize) -> Result<Box<dyn FrameReader>> {
        Ok(Box::new(Reader(slices(&self.content()?.frame, batch_rows))))
    }

    fn warnings(&self) -> Vec<String> {
        self.content().map(|content| content.warnings).unwrap_or_default()
    }
}

struct Reader(VecDeque<DataFrame>);

impl FrameReader for Reader {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        Ok(self.0.pop_front())
    }

    fn take_rejected(&mut self) -> Vec<Rejected> {
        Vec::new()
    }
}

struct XlsxSink {
    file: WholeFile,
    workbook: Workbook,
    names: Vec<String>,
    rows: u32,
    nested: Vec<u8>,
}

impl XlsxSink {
    fn create(file: WholeFile, schema: &Schema) -> Result<Self> {
        let names: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
        if names.len() > 16_384 {
            return Err(Error::Data(format!("an xlsx sheet holds 16,384 columns, and there are {}", names.len())));
        }
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet_with_constant_memory().map_err(|error| file.error(error))?;
        for (column, name) in names.iter().enumerate() {
            sheet.write_string(0, column as u16, name).map_err(|error| file.error(error))?;
        }
        Ok(Self { file, workbook, names, rows: 0, nested: Vec::new() })
    }
}

impl Sink for XlsxSink {
    fn write(&mut self, frame: &DataFrame) -> Result<()> {
        let text = FrameText::new(frame)?;
        let Self { file, workbook, names, rows, nested } = self;
        let sheet = workbook.worksheet_from_index(0).map_err(|error| file.error(error))?;
        for row in 0..frame.height() {
            if *rows == MOST_ROWS {
                return Err(Error::Data(format!("`{}`: an xlsx sheet holds {MOST_ROWS} rows, and there are more", file.path().display())));
            }
            *rows += 1;
            for (at, column) in text.columns().enumerate() {
                let (place, at) = (*rows, at as u16);
                let too_long = |text: &str| {
                    let characters = text.encode_utf16().count();
                    let begins: String = text.chars().take(60).collect();
                    Error::Data(format!(
                        "`{}` row {place}, column `{}`: an xlsx cell holds {MOST_CHARACTERS} characters, and this text has {characters}; it begins `{begins}`\nhint: write jsonl or parquet",
                        file.path().display(),
                        names[usize::from(at)],
                    ))
                };
                let mut write_text = |text: &str| match sheet.write_string(place, at, text) {
                    Ok(_) => Ok(()),
                    Err(WriteError::MaxStringLengthExceeded) => Err(too_long(text)),
                    Err(error) => Err(file.error(error)),
                };
                match column.plain(row) {
                    Plain::Null => {}
                    Plain::Text(text) => write_text(text)?,
                    Plain::Integer(value) if value.abs() > EXACT => write_text(&value.to_string())?,
                    Plain::Integer(value) => drop(sheet.write_number(place, at, value as f64).map_err(|error| file.error(error))?),
                    Plain::Float(value) if value.is_finite() => drop(sheet.write_number(place, at, value).map_err(|error| file.error(error))?),
                    Plain::Float(value) => write_text(&value.to_string())?,
                    Plain::Boolean(value) => drop(sheet.write_boolean(place, at, value).map_err(|error| file.error(error))?),
                    Plain::Json => {
                        nested.clear();
                        column.write_json(row, nested);
                        write_text(&String::from_utf8_lossy(nested))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn aside(&mut self) -> Option<PathBuf> {
        Some(self.file.aside())
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let Self { file, mut workbook, .. } = *self;
        let content = workbook.save_to_buffer().map_err(|error| file.error(error))?;
        std::io::Write::write_all(&mut file.writer(), &content).map_err(|error| file.error(error))?;
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use crate::format::testing::{check_round_trips, read_frame, write};
    use crate::{ReadOptions, sink_at, source_at};
    use insta::assert_snapshot;
    use polars::prelude::*;

    check_round_trips!("x.xlsx", sheet);

    #[test]
    fn numbers_text_and_truth_values_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.xlsx");
        let frame = df!(
            "题目" => ["007", "=1+1", "😀"], "n" => [Some(1i64), None, Some(3)], "f" => [0.1, 2.0, -1e300], "b" => [true, false, true],
            "u" => [u64::MAX, u64::MAX - 1, 1 << 60],
        ).unwrap();
        write(&path, &[frame]);
        assert_snapshot!(read_frame(&path, 2).0.to_string(), @r"
        shape: (3, 5)
        ┌──────┬──────┬─────────────┬───────┬──────────────────────┐
        │ 题目 ┆ n    ┆ f           ┆ b     ┆ u                    │
        │ ---  ┆ ---  ┆ ---         ┆ ---   ┆ ---                  │
        │ str  ┆ i64  ┆ f64         ┆ bool  ┆ str                  │
        ╞══════╪══════╪═════════════╪═══════╪══════════════════════╡
        │ 007  ┆ 1    ┆ 0.1         ┆ true  ┆ 18446744073709551615 │
        │ =1+1 ┆ null ┆ 2.0         ┆ false ┆ 18446744073709551614 │
        │ 😀   ┆ 3    ┆ -1.0000e300 ┆ true  ┆ 1152921504606846976  │
        └──────┴──────┴─────────────┴───────┴──────────────────────┘
        ");
    }

    #[test]
    fn a_text_that_no_cell_holds_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let frame = df!("a" => ["short".to_owned(), "long ".repeat(8000)]).unwrap();
        let mut sink = sink_at(folder.path().join("x.xlsx"), None, frame.schema()).unwrap();
        let error = sink.write(&frame).unwrap_err().to_string().replace(&folder.path().display().to_string(), "");
        assert_snapshot!(error, @r"
        `/x.xlsx` row 2, column `a`: an xlsx cell holds 32767 characters, and this text has 40000; it begins `long long long long long long long long long long long long `
        hint: write jsonl or parquet
        ");
    }

    #[test]
    fn a_sheet_is_chosen_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.xlsx");
        write(&path, &[df!("a" => [1i64]).unwrap()]);
        let options = |sheet: &str| ReadOptions { sheet: Some(sheet.into()), ..Default::default() };
        assert!(source_at(&path, &options("Sheet1")).unwrap().schema().is_ok());
        let error = source_at(&path, &options("Sheet2")).unwrap().schema().unwrap_err().to_string();
        assert!(error.ends_with("hint: did you mean `Sheet1`? it has `Sheet1`"), "{error}");
    }
}
