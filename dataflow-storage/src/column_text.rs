//! Writes the cells of a frame as JSON, or as the plain text that a field of a table holds.

use std::io::Write as _;

use dataflow_core::Result;
use polars::prelude::*;
use polars_arrow::bitmap::Bitmap;
use polars_arrow::offset::OffsetsBuffer;
use serde::Serialize;

use crate::scalar_text;

/// A column made ready to be written cell by cell.
pub(crate) struct ColumnText {
    cells: Cells,
}

enum Cells {
    Null,
    Boolean(BooleanChunked),
    Integer(Int64Chunked),
    Unsigned(UInt64Chunked),
    Digits(StringChunked), // integers of more than 64 bits: numbers in JSON too
    Float(Float64Chunked),
    ShortFloat(Float32Chunked),
    Text(StringChunked),
    List { valid: Option<Bitmap>, offsets: OffsetsBuffer<i64>, items: Box<ColumnText> },
    Object { valid: Option<Bitmap>, fields: Vec<(Vec<u8>, ColumnText)> },
}

/// A cell of a table, as a spreadsheet tells its kinds apart.
pub(crate) enum Plain<'a> {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
    Json,
}

impl ColumnText {
    pub(crate) fn new(series: &Series) -> Result<Self> {
        let series = series.rechunk();
        let cells = match series.dtype() {
            DataType::Null => Cells::Null,
            DataType::Boolean => Cells::Boolean(series.bool()?.clone()),
            DataType::String => Cells::Text(series.str()?.clone()),
            DataType::Int64 => Cells::Integer(series.i64()?.clone()),
            DataType::UInt64 => Cells::Unsigned(series.u64()?.clone()),
            DataType::Float64 => Cells::Float(series.f64()?.clone()),
            DataType::Float32 => Cells::ShortFloat(series.f32()?.clone()),
            DataType::Float16 => Cells::ShortFloat(series.cast(&DataType::Float32)?.f32()?.clone()),
            DataType::Int128 | DataType::UInt128 => Cells::Digits(series.cast(&DataType::String)?.str()?.clone()),
            DataType::Date => {
                let days = series.cast(&DataType::Int32)?;
                Cells::Text(texts(days.i32()?.iter(), scalar_text::date))
            }
            DataType::Datetime(unit, zone) => {
                let (unit, zone) = (*unit, if zone.is_some() { "Z" } else { "" }); // a moment of any zone is kept as that of UTC
                let moments = series.cast(&DataType::Int64)?;
                Cells::Text(texts(moments.i64()?.iter(), |moment| scalar_text::datetime(moment, unit) + zone))
            }
            DataType::Time => {
                let times = series.cast(&DataType::Int64)?;
                Cells::Text(texts(times.i64()?.iter(), scalar_text::time))
            }
            DataType::Binary => Cells::Text(texts(series.binary()?.iter(), scalar_text::base64)),
            DataType::Duration(_) => Cells::Integer(series.cast(&DataType::Int64)?.i64()?.clone()), // in the column's own unit
            integer if integer.is_integer() => Cells::Integer(series.cast(&DataType::Int64)?.i64()?.clone()),
            DataType::List(_) => {
                let lists = series.list()?;
                let array = lists.downcast_as_array();
                Cells::List { valid: array.validity().cloned(), offsets: array.offsets().clone(), items: Box::new(Self::new(&lists.get_inner())?) }
            }
            DataType::Array(items, _) => return Self::new(&series.cast(&DataType::List(items.clone()))?),
            DataType::Struct(_) => {
                let objects = series.struct_()?;
                let fields = objects.fields_as_series().iter().map(|field| Ok((key_of(field.name())?, Self::new(field)?))).collect::<Result<_>>()?;
                Cells::Object { valid: objects.rechunk_validity(), fields }
            }
            _ => Cells::Text(series.cast(&DataType::String)?.str()?.clone()),
        };
        Ok(Self { cells })
    }

    /// Appends a cell as JSON. What JSON has no number for (infinities, not-a-number) is null.
    pub(crate) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        match &self.cells {
            Cells::Null => json(&(), out),
            Cells::Boolean(cells) => json(&cells.get(row), out),
            Cells::Integer(cells) => json(&cells.get(row), out),
            Cells::Unsigned(cells) => json(&cells.get(row), out),
            Cells::Digits(cells) => out.extend_from_slice(cells.get(row).unwrap_or("null").as_bytes()),
            Cells::Float(cells) => json(&cells.get(row), out),
            Cells::ShortFloat(cells) => json(&cells.get(row), out),
            Cells::Text(cells) => match cells.get(row) {
                Some(text) => json_text(text, out),
                None => json(&(), out),
            },
            Cells::List { valid, .. } | Cells::Object { valid, .. } if !is_valid(valid.as_ref(), row) => json(&(), out),
            Cells::List { offsets, items, .. } => {
                let (from, to) = offsets.start_end(row);
                out.push(b'[');
                for item in from..to {
                    if item > from {
                        out.push(b',');
                    }
                    items.write_json(item, out);
                }
                out.push(b']');
            }
            Cells::Object { fields, .. } => write_object(fields, row, out),
        }
    }

    /// A cell of a table; `Json` is a nested one.
    pub(crate) fn plain(&self, row: usize) -> Plain<'_> {
        let plain = match &self.cells {
            Cells::Null => None,
            Cells::Boolean(cells) => cells.get(row).map(Plain::Boolean),
            Cells::Integer(cells) => cells.get(row).map(|value| Plain::Integer(value.into())),
            Cells::Unsigned(cells) => cells.get(row).map(|value| Plain::Integer(value.into())),
            Cells::Float(cells) => cells.get(row).map(Plain::Float),
            Cells::ShortFloat(cells) => cells.get(row).map(|value| Plain::Float(value.to_string().parse().unwrap_or(f64::from(value)))), // 0.1, not 0.10000000149
            Cells::Text(cells) | Cells::Digits(cells) => cells.get(row).map(Plain::Text),
            Cells::List { valid, .. } | Cells::Object { valid, .. } => is_valid(valid.as_ref(), row).then_some(Plain::Json),
        };
        plain.unwrap_or(Plain::Null)
    }
}

/// The columns of a frame, made ready, each with its name as a JSON key.
pub(crate) struct FrameText(Vec<(Vec<u8>, ColumnText)>);

impl FrameText {
    pub(crate) fn new(frame: &DataFrame) -> Result<Self> {
        let columns = frame.columns().iter().map(|column| Ok((key_of(column.name())?, ColumnText::new(column.as_materialized_series())?)));
        columns.collect::<Result<_>>().map(Self)
    }

    /// Appends a row as a JSON object.
    pub(crate) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        write_object(&self.0, row, out);
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &ColumnText> {
        self.0.iter().map(|(_, column)| column)
    }
}

fn write_object(fields: &[(Vec<u8>, ColumnText)], row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (key, column)) in fields.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        column.write_json(row, out);
    }
    out.push(b'}');
}

/// `"name":`, escaped once for all rows.
fn key_of(name: &str) -> Result<Vec<u8>> {
    let mut key = serde_json::to_vec(name).map_err(|error| dataflow_core::Error::Data(error.to_string()))?;
    key.push(b':');
    Ok(key)
}

fn json(value: &impl Serialize, out: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *out, value).is_err() {
        let _ = out.write_all(b"null"); // neither scalars nor vectors of bytes can fail
    }
}

/// Appends a text as a JSON string. Most blocks of a text have nothing that must be escaped, which the processor sees of many bytes at once.
fn json_text(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    for block in text.as_bytes().chunks(32) {
        let escapes = block.iter().fold(0, |escapes, byte| escapes + u8::from(matches!(byte, 0..b' ' | b'"' | b'\\')));
        if escapes == 0 {
            out.extend_from_slice(block);
            continue;
        }
        for byte in block {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..b' ' => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => out.push(*byte),
            }
        }
    }
    out.push(b'"');
}

fn is_valid(valid: Option<&Bitmap>, row: usize) -> bool {
    valid.is_none_or(|valid| valid.get_bit(row))
}

fn texts<T>(cells: impl Iterator<Item = Option<T>>, text: impl Fn(T) -> String) -> StringChunked {
    StringChunked::from_iter_options(PlSmallStr::EMPTY, cells.map(|cell| cell.map(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn check(frame: &DataFrame) -> String {
        let text = FrameText::new(frame).unwrap();
        let mut out = Vec::new();
        for row in 0..frame.height() {
            text.write_json(row, &mut out);
            out.push(b'\n');
        }
        String::from_utf8(out).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back(text in "([ -~]{0,40}|.|[\\x00-\\x1f\"\\\\\\n])*") {
            let mut out = Vec::new();
            json_text(&text, &mut out);
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn cells_are_written_exactly() {
        let frame = df!(
            "题目" => ["007", "quote \" line\n😀"],
            "u" => [u64::MAX, 0],
            "f" => [1.0, f64::NAN],
            "s" => [0.1f32, 1e30],
            "b" => [Some(true), None],
        )
        .unwrap();
        assert_snapshot!(check(&frame), @r#"
        {"题目":"007","u":18446744073709551615,"f":1.0,"s":0.1,"b":true}
        {"题目":"quote \" line\n😀","u":0,"f":null,"s":1e+30,"b":null}
        "#);
    }

    #[test]
    fn a_moment_of_a_zone_says_that_it_is_that_of_utc() {
        let at = |zone| Int64Chunked::new("at".into(), [1500]).into_datetime(TimeUnit::Milliseconds, zone).into_column();
        assert_snapshot!(check(&DataFrame::new(1, vec![at(Some(TimeZone::UTC))]).unwrap()), @r#"{"at":"1970-01-01T00:00:01.500Z"}"#);
        assert_snapshot!(check(&DataFrame::new(1, vec![at(None)]).unwrap()), @r#"{"at":"1970-01-01T00:00:01.500"}"#);
    }

    #[test]
    fn nested_cells_of_a_slice_are_its_own() {
        let inner = df!("a" => [1, 2, 3], "b" => ["x", "y", "z"]).unwrap().into_struct("s".into()).into_series();
        let lists = Series::new("l".into(), [inner.slice(0, 1), inner.slice(1, 2), inner.slice(0, 0)]);
        let frame = DataFrame::new(3, vec![inner.into_column(), lists.into_column()]).unwrap();
        assert_snapshot!(check(&frame.slice(1, 2)), @r#"
        {"s":{"a":2,"b":"y"},"l":[{"a":2,"b":"y"},{"a":3,"b":"z"}]}
        {"s":{"a":3,"b":"z"},"l":[]}
        "#);
    }
}
