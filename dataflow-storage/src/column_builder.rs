//! Builds frames of known types from JSON objects or from rows of text fields.

use std::fmt;

use dataflow_core::Result;
use polars::prelude::*;
use polars_arrow::array::ListArray;
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use polars_arrow::offset::OffsetsBuffer;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::inferred_type::{Keys, MAY_BE_HUGE, may_be_huge};
use crate::scalar_text;

/// The message of an object that has a key twice, which has to be read again so that the last one wins.
pub(crate) const KEY_TWICE: &str = "a key that is there twice";

/// How careful a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Straight from the text; [`MAY_BE_HUGE`] and [`KEY_TWICE`] are errors after which the record is read again.
    First,
    /// From a value in which neither can be.
    Again,
}

/// Builds frames, one row after the other.
pub(crate) struct FrameBuilder {
    fields: Fields,
    dropped: Vec<usize>,
}

/// Columns that grow together: those of a frame, or of a nested object.
struct Fields {
    keys: Keys,
    columns: Vec<ColumnBuilder>,
    rows: usize,
}

/// One column that grows.
struct ColumnBuilder {
    data_type: DataType,
    cells: Cells,
    rows: usize,
}

enum Cells {
    Null,
    Boolean(BooleanChunkedBuilder),
    Integer(PrimitiveChunkedBuilder<Int64Type>),
    Unsigned(PrimitiveChunkedBuilder<UInt64Type>),
    Wide(Vec<Option<i128>>),
    Float(PrimitiveChunkedBuilder<Float64Type>),
    Text(StringChunkedBuilder),
    Bytes(BinaryChunkedBuilder),
    List { offsets: Vec<i64>, valid: MutableBitmap, items: Box<ColumnBuilder> },
    Object { fields: Fields, valid: MutableBitmap },
}

/// What was expected and what was found.
type Mismatch = String;

impl FrameBuilder {
    pub(crate) fn new(schema: &Schema, capacity: usize) -> Self {
        let fields = Fields::new(schema.iter().map(|(name, data_type)| (name.as_str(), data_type)), capacity);
        Self { fields, dropped: Vec::new() }
    }

    /// How many rows there are, those included that failed.
    pub(crate) fn rows(&self) -> usize {
        self.fields.rows
    }

    /// Appends a row from a JSON object. After an error there is no row of it.
    pub(crate) fn push_object<'de, D: Deserializer<'de>>(&mut self, object: D, reading: Reading) -> Result<(), D::Error> {
        let row = self.fields.rows;
        let done = object.deserialize_any(RowVisitor { fields: &mut self.fields, reading });
        if done.is_err() {
            self.drop_row(row);
        }
        done
    }

    /// Appends a row from one text a column; `None` is null. After an error there is no row of it.
    pub(crate) fn push_texts<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) -> Result<(), Mismatch> {
        let row = self.fields.rows;
        let done = self.fields.columns.iter_mut().enumerate().zip(texts).try_for_each(|((at, column), text)| match text {
            None => {
                column.push_null();
                Ok(())
            }
            Some(text) => column.push_parsed(text).map_err(|mismatch| format!("column `{}`: {mismatch}", self.fields.keys.names()[at])),
        });
        match done {
            Ok(()) => self.fields.end_row(),
            Err(_) => self.drop_row(row),
        }
        done
    }

    /// A row that failed half-way is filled with nulls, and left out of the frame in the end.
    fn drop_row(&mut self, row: usize) {
        for column in &mut self.fields.columns {
            column.settle();
        }
        self.fields.end_row();
        self.dropped.push(row);
    }

    /// Leaves out the row that was appended last.
    pub(crate) fn drop_last(&mut self) {
        self.dropped.push(self.fields.rows - 1);
    }

    /// The rows, but for those that failed.
    pub(crate) fn finish(self) -> Result<DataFrame> {
        let rows = self.fields.rows;
        let names = self.fields.keys.names().to_vec();
        let columns = self.fields.columns.into_iter().zip(names).map(|(column, name)| Ok(column.finish(name.as_str().into())?.into_column()));
        let frame = DataFrame::new(rows, columns.collect::<Result<_>>()?)?;
        if self.dropped.is_empty() {
            return Ok(frame);
        }
        if frame.width() == 0 {
            return Ok(DataFrame::new(rows - self.dropped.len(), Vec::new())?);
        }
        let mut keep = MutableBitmap::from_len_set(rows);
        for row in self.dropped {
            keep.set(row, false);
        }
        Ok(frame.filter(&BooleanChunked::from_bitmap("".into(), keep.into()))?)
    }
}

impl Fields {
    fn new<'a>(columns: impl Iterator<Item = (&'a str, &'a DataType)>, capacity: usize) -> Self {
        let mut keys = Keys::default();
        let columns = columns.map(|(name, data_type)| {
            keys.push(name);
            ColumnBuilder::new(data_type, capacity)
        });
        Self { columns: columns.collect(), keys, rows: 0 }
    }

    /// Fills what the row did not have with nulls.
    fn end_row(&mut self) {
        for column in &mut self.columns {
            if column.rows == self.rows {
                column.push_null();
            }
        }
        self.rows += 1;
    }

    fn read<'de, A: MapAccess<'de>>(&mut self, mut map: A, reading: Reading) -> Result<(), A::Error> {
        let mut hint = 0;
        while let Some(place) = map.next_key_seed(FindKey { keys: &self.keys, hint })? {
            let column = &mut self.columns[place];
            if column.rows > self.rows {
                return Err(A::Error::custom(KEY_TWICE));
            }
            map.next_value_seed(ReadCell { column, reading })?;
            hint = place + 1;
        }
        self.end_row();
        Ok(())
    }
}

impl ColumnBuilder {
    fn new(data_type: &DataType, capacity: usize) -> Self {
        let name = PlSmallStr::EMPTY;
        let cells = match data_type {
            DataType::Null => Cells::Null,
            DataType::Boolean => Cells::Boolean(BooleanChunkedBuilder::new(name, capacity)),
            DataType::UInt64 => Cells::Unsigned(PrimitiveChunkedBuilder::new(name, capacity)),
            DataType::Int128 | DataType::UInt128 => Cells::Wide(Vec::with_capacity(capacity)),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Cells::Float(PrimitiveChunkedBuilder::new(name, capacity)),
            DataType::Date | DataType::Datetime(..) | DataType::Time | DataType::Duration(_) => Cells::Integer(PrimitiveChunkedBuilder::new(name, capacity)),
            integer if integer.is_integer() => Cells::Integer(PrimitiveChunkedBuilder::new(name, capacity)),
            DataType::Binary => Cells::Bytes(BinaryChunkedBuilder::new(name, capacity)),
            DataType::List(items) | DataType::Array(items, _) => {
                Cells::List { offsets: vec![0], valid: MutableBitmap::with_capacity(capacity), items: Box::new(Self::new(items, capacity)) }
            }
            DataType::Struct(fields) => Cells::Object {
                fields: Fields::new(fields.iter().map(|field| (field.name().as_str(), field.dtype())), capacity),
                valid: MutableBitmap::with_capacity(capacity),
            },
            _ => Cells::Text(StringChunkedBuilder::new(name, capacity)), // text, categories, decimals
        };
        Self { data_type: data_type.clone(), cells, rows: 0 }
    }

    fn push_null(&mut self) {
        match &mut self.cells {
            Cells::Null => {}
            Cells::Boolean(cells) => cells.append_null(),
            Cells::Integer(cells) => cells.append_null(),
            Cells::Unsigned(cells) => cells.append_null(),
            Cells::Wide(cells) => cells.push(None),
            Cells::Float(cells) => cells.append_null(),
            Cells::Text(cells) => cells.append_null(),
            Cells::Bytes(cells) => cells.append_null(),
            Cells::List { offsets, valid, items } => {
                offsets.push(items.rows as i64);
                valid.push(false);
            }
            Cells::Object { fields, valid } => {
                fields.end_row();
                valid.push(false);
            }
        }
        self.rows += 1;
    }

    fn push_boolean(&mut self, value: bool) -> Result<(), Mismatch> {
        match &mut self.cells {
            Cells::Boolean(cells) => cells.append_value(value),
            Cells::Text(cells) => cells.append_value(if value { "true" } else { "false" }),
            _ => return Err(self.expected("a truth value")),
        }
        self.rows += 1;
        Ok(())
    }

    fn push_integer(&mut self, value: i128) -> Result<(), Mismatch> {
        let found = |builder: &Self| builder.expected(&format!("the integer {value}"));
        match &mut self.cells {
            Cells::Integer(cells) => match i64::try_from(value) {
                Ok(value) if fits(value, &self.data_type) => cells.append_value(value),
                _ => return Err(found(self)),
            },
            Cells::Unsigned(cells) => match u64::try_from(value) {
                Ok(value) => cells.append_value(value),
                Err(_) => return Err(found(self)),
            },
            Cells::Wide(cells) => cells.push(Some(value)),
            Cells::Float(cells) => cells.append_value(value as f64),
            Cells::Text(cells) => cells.append_value(value.to_string()),
            _ => return Err(found(self)),
        }
        self.rows += 1;
        Ok(())
    }

    fn push_float(&mut self, value: f64) -> Result<(), Mismatch> {
        match &mut self.cells {
            Cells::Float(cells) => cells.append_value(value),
            Cells::Text(cells) => cells.append_value(serde_json::Value::from(value).to_string()),
            _ => return Err(self.expected(&format!("the number {value}"))),
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends a JSON string: text as it is, and what JSON has no type for from its text.
    fn push_text(&mut self, text: &str) -> Result<(), Mismatch> {
        match &mut self.cells {
            Cells::Text(cells) => cells.append_value(text),
            Cells::Bytes(_) | Cells::Wide(_) => return self.push_parsed(text),
            Cells::Integer(_) if self.data_type.is_temporal() => return self.push_parsed(text),
            _ => return Err(self.expected("text")),
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends what a text says.
    fn push_parsed(&mut self, text: &str) -> Result<(), Mismatch> {
        let found = |builder: &Self| builder.expected(&format!("`{}`", text.chars().take(60).collect::<String>()));
        match &mut self.cells {
            Cells::Text(cells) => cells.append_value(text),
            Cells::Boolean(cells) => match text.trim() {
                "true" | "True" | "TRUE" | "1" => cells.append_value(true),
                "false" | "False" | "FALSE" | "0" => cells.append_value(false),
                _ => return Err(found(self)),
            },
            Cells::Integer(cells) => {
                let value = match &self.data_type {
                    DataType::Date => scalar_text::parse_date(text.trim()),
                    DataType::Datetime(unit, _) => scalar_text::parse_datetime(text.trim(), *unit),
                    DataType::Time => scalar_text::parse_time(text.trim()),
                    _ => text.trim().parse().ok(),
                };
                match value {
                    Some(value) if fits(value, &self.data_type) => cells.append_value(value),
                    _ => return Err(found(self)),
                }
            }
            Cells::Unsigned(cells) => match text.trim().parse() {
                Ok(value) => cells.append_value(value),
                Err(_) => return Err(found(self)),
            },
            Cells::Wide(cells) => match text.trim().parse() {
                Ok(value) => cells.push(Some(value)),
                Err(_) => return Err(found(self)),
            },
            Cells::Float(cells) => match text.trim().parse() {
                Ok(value) => cells.append_value(value),
                Err(_) => return Err(found(self)),
            },
            Cells::Bytes(cells) => match scalar_text::parse_base64(text) {
                Some(bytes) => cells.append_value(bytes),
                None => return Err(self.expected("text that is not base64")),
            },
            Cells::Null => return Err(found(self)),
            Cells::List { .. } | Cells::Object { .. } => {
                // By way of a value, as a key that is there twice must not count twice here either.
                let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("expected JSON: {error}"))?;
                return ReadCell { column: self, reading: Reading::Again }.deserialize(&value).map_err(|error| error.to_string());
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn expected(&self, found: &str) -> Mismatch {
        let expected = match &self.cells {
            Cells::Null => "nothing but null",
            Cells::Boolean(_) => "a truth value",
            Cells::Integer(_) if self.data_type.is_temporal() => "a date or time",
            Cells::Integer(_) | Cells::Unsigned(_) | Cells::Wide(_) => "an integer",
            Cells::Float(_) => "a number",
            Cells::Text(_) => "text",
            Cells::Bytes(_) => "bytes as base64",
            Cells::List { .. } => "a list",
            Cells::Object { .. } => "an object",
        };
        format!("expected {expected} ({:?}), found {found}", self.data_type)
    }

    /// Ends what an error left open inside, so that the next row begins on firm ground.
    fn settle(&mut self) {
        match &mut self.cells {
            Cells::List { offsets, valid, items } => {
                items.settle();
                if offsets.last().is_some_and(|&end| (end as usize) < items.rows) {
                    offsets.push(items.rows as i64);
                    valid.push(false);
                    self.rows += 1;
                }
            }
            Cells::Object { fields, valid } => {
                for column in &mut fields.columns {
                    column.settle();
                }
                if fields.columns.iter().any(|column| column.rows > fields.rows) {
                    fields.end_row();
                }
                if fields.rows > self.rows {
                    valid.push(false);
                    self.rows += 1;
                }
            }
            _ => {}
        }
    }

    fn finish(self, name: PlSmallStr) -> Result<Series> {
        let rows = self.rows;
        let series = match self.cells {
            Cells::Null => Series::new_null(name.clone(), rows),
            Cells::Boolean(cells) => cells.finish().into_series(),
            Cells::Integer(cells) => cells.finish().into_series(),
            Cells::Unsigned(cells) => cells.finish().into_series(),
            Cells::Wide(cells) => Int128Chunked::from_iter_options(name.clone(), cells.into_iter()).into_series(),
            Cells::Float(cells) => cells.finish().into_series(),
            Cells::Text(cells) => cells.finish().into_series(),
            Cells::Bytes(cells) => cells.finish().into_series(),
            Cells::List { offsets, valid, items } => {
                let items = items.finish(name.clone())?.rechunk();
                let values = items.to_arrow(0, CompatLevel::newest());
                let data_type = ListArray::<i64>::default_datatype(values.dtype().clone());
                let list = ListArray::<i64>::try_new(data_type, OffsetsBuffer::try_from(offsets)?, values, Some(Bitmap::from(valid)))?;
                let list = Box::new(list) as ArrayRef;
                Series::try_from((name.clone(), list))?
            }
            Cells::Object { fields, valid } => {
                let Fields { keys, columns, rows } = fields;
                let columns = columns.into_iter().zip(keys.names());
                let columns = columns.map(|(column, name)| column.finish(name.as_str().into())).collect::<Result<Vec<_>>>()?;
                let object = StructChunked::from_series(name.clone(), rows, columns.iter())?;
                let valid = Bitmap::from(valid);
                object.with_outer_validity((valid.unset_bits() > 0).then_some(valid)).into_series()
            }
        };
        Ok(to_type(series, &self.data_type)?.with_name(name))
    }
}

/// Gives a column the type that it was built for, which may be a logical one.
fn to_type(series: Series, data_type: &DataType) -> PolarsResult<Series> {
    if series.dtype() == data_type {
        return Ok(series);
    }
    match data_type {
        DataType::Date => series.strict_cast(&DataType::Int32)?.strict_cast(data_type),
        _ => series.strict_cast(data_type),
    }
}

/// Whether an integer is in the range of a type; only of the small ones there is a doubt.
fn fits(value: i64, data_type: &DataType) -> bool {
    match data_type {
        DataType::Int8 => i8::try_from(value).is_ok(),
        DataType::Int16 => i16::try_from(value).is_ok(),
        DataType::Int32 | DataType::Date => i32::try_from(value).is_ok(),
        DataType::UInt8 => u8::try_from(value).is_ok(),
        DataType::UInt16 => u16::try_from(value).is_ok(),
        DataType::UInt32 => u32::try_from(value).is_ok(),
        _ => true,
    }
}

struct RowVisitor<'a> {
    fields: &'a mut Fields,
    reading: Reading,
}

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.fields.read(map, self.reading)
    }
}

struct FindKey<'a> {
    keys: &'a Keys,
    hint: usize,
}

impl<'de> DeserializeSeed<'de> for FindKey<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FindKey<'_> {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<usize, E> {
        self.keys.find(key, self.hint).ok_or_else(|| E::custom(format!("the key `{key}` is not in the schema")))
    }
}

struct ReadCell<'a> {
    column: &'a mut ColumnBuilder,
    reading: Reading,
}

impl<'de> DeserializeSeed<'de> for ReadCell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ReadCell<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.column.push_null();
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.column.push_boolean(value).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.column.push_integer(value.into()).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.column.push_integer(value.into()).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        if self.reading == Reading::First && may_be_huge(value) {
            return Err(E::custom(MAY_BE_HUGE));
        }
        self.column.push_float(value).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.column.push_text(text).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { column, reading } = self;
        match &mut column.cells {
            Cells::List { offsets, valid, items } => {
                let before = items.rows;
                while list.next_element_seed(ReadCell { column: items, reading })?.is_some() {}
                if let DataType::Array(_, width) = column.data_type
                    && items.rows - before != width
                {
                    return Err(A::Error::custom(format!("expected a list of {width} items, found {}", items.rows - before)));
                }
                offsets.push(items.rows as i64);
                valid.push(true);
                column.rows += 1;
                Ok(())
            }
            Cells::Text(_) => push_json(column, SeqAccessDeserializer::new(list), reading),
            _ => Err(A::Error::custom(column.expected("a list"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Self { column, reading } = self;
        match &mut column.cells {
            Cells::Object { fields, valid } => {
                fields.read(map, reading)?;
                valid.push(true);
                column.rows += 1;
                Ok(())
            }
            Cells::Text(_) => push_json(column, MapAccessDeserializer::new(map), reading),
            _ => Err(A::Error::custom(column.expected("an object"))),
        }
    }
}

/// A nested value in a column of text stands there as JSON.
fn push_json<'de, D: Deserializer<'de>>(column: &mut ColumnBuilder, value: D, reading: Reading) -> Result<(), D::Error> {
    let value = serde_json::Value::deserialize(value)?;
    if reading == Reading::First && holds_huge(&value) {
        return Err(D::Error::custom(MAY_BE_HUGE));
    }
    column.push_text(&value.to_string()).map_err(D::Error::custom)
}

fn holds_huge(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(may_be_huge),
        serde_json::Value::Array(items) => items.iter().any(holds_huge),
        serde_json::Value::Object(fields) => fields.values().any(holds_huge),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &[(&str, DataType)], rows: &[&str]) -> DataFrame {
        let schema: Schema = schema.iter().map(|(name, data_type)| (PlSmallStr::from(*name), data_type.clone())).collect();
        let mut builder = FrameBuilder::new(&schema, rows.len());
        for row in rows {
            let _ = builder.push_object(&mut serde_json::Deserializer::from_str(row), Reading::First);
        }
        let frame = builder.finish().unwrap();
        assert_eq!(**frame.schema(), schema);
        frame
    }

    #[test]
    fn a_row_that_fails_half_way_leaves_nothing_behind() {
        let nested = DataType::List(Box::new(DataType::List(Box::new(DataType::Struct(vec![
            Field::new("a".into(), DataType::Int64),
            Field::new("b".into(), DataType::List(Box::new(DataType::String))),
        ])))));
        let schema = [("x", nested), ("y", DataType::Int64)];
        let good = [r#"{"x": [[{"a": 1, "b": ["p"]}], null, []], "y": 1}"#, r#"{"x": [[{"b": ["q", null]}, null]], "y": 2}"#, r#"{"y": 3}"#];
        let bad = [
            r#"{"x": [[{"a": 9, "b": ["z", tru"#,
            r#"{"x": [[{"a": 9}], [{"a": "nine"}]]}"#,
            r#"{"x": [[{"b": ["z"], "a": 9}"#,
            r#"{"x": [["#,
            r#"{"y": "q"}"#,
        ];
        let expected = check(&schema, &good);
        for bad in bad {
            assert!(check(&schema, &[bad, good[0], bad, bad, good[1], good[2], bad]).equals_missing(&expected), "{bad}");
        }
    }

    #[test]
    fn logical_types_come_from_their_text() {
        let frame = check(
            &[
                ("date", DataType::Date),
                ("at", DataType::List(Box::new(DataType::Datetime(TimeUnit::Microseconds, None)))),
                ("pair", DataType::Array(Box::new(DataType::Int8), 2)),
                ("bytes", DataType::Binary),
                ("price", DataType::Decimal(10, 2)),
            ],
            &[r#"{"date": "2024-01-31", "at": ["2024-01-31T12:00:00", null], "pair": [1, 2], "bytes": "YQ==", "price": "1.20"}"#, "{}"],
        );
        assert_eq!(frame.column("date").unwrap().get(0).unwrap().to_string(), "2024-01-31");
        assert_eq!(frame.column("price").unwrap().get(0).unwrap().to_string(), "1.20");
        assert_eq!(frame.null_count().transpose(None, None).unwrap().column("column_0").unwrap().u32().unwrap().sum(), Some(5));
    }

    #[test]
    fn a_row_of_texts_is_parsed_and_a_bad_one_is_told_by_its_column() {
        let schema = Schema::from_iter([Field::new("n".into(), DataType::Int64), Field::new("list".into(), DataType::List(Box::new(DataType::String)))]);
        let mut builder = FrameBuilder::new(&schema, 2);
        builder.push_texts([Some("7"), Some("[\"a\"]")].into_iter()).unwrap();
        let error = builder.push_texts([Some("seven"), None].into_iter()).unwrap_err();
        assert_eq!(error, "column `n`: expected an integer (Int64), found `seven`");
        assert_eq!(builder.finish().unwrap().height(), 1);
    }
}
