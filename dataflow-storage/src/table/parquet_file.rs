//! Parquet: columns keep their types, and a value that is none of its column's type is refused.

use std::collections::HashMap;
use std::fmt;
use std::io::Cursor;
use std::path::Path;

use dataflow_core::{Error, Result};
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Field, IntoColumn as _, NamedFrom as _, ParquetCompression, ParquetReader, ParquetWriter, SerReader as _, Series,
};
use serde_json::{Map, Value};

use super::file_content::{FileContent, MEND, cell_text};
use super::{ColumnKind, TableColumn};
use crate::column_text::FrameText;

pub(super) struct ParquetFile {
    frame: DataFrame,
    text: FrameText,
    /// New values by column and row, in the column's type.
    changes: HashMap<usize, HashMap<usize, (Value, AnyValue<'static>)>>,
}

impl fmt::Debug for ParquetFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} rows of {:?}", self.frame.height(), self.frame.get_column_names())
    }
}

impl ParquetFile {
    pub(super) fn read(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let frame = ParquetReader::new(Cursor::new(bytes)).finish().map_err(|error| Error::Malformed {
            place: path.display().to_string(),
            message: format!("not a parquet file that can be read: {error}\n{MEND}"),
        })?;
        Ok(Self { text: FrameText::new(&frame)?, frame, changes: HashMap::new() })
    }
}

/// A value in a column's type.
fn typed(value: &Value, data_type: &DataType) -> Option<AnyValue<'static>> {
    let one = match (value, data_type) {
        (Value::Null, _) => return Some(AnyValue::Null),
        (Value::Array(items), DataType::List(inner)) => {
            let items = items.iter().map(|item| typed(item, inner)).collect::<Option<Vec<_>>>()?;
            return Series::from_any_values_and_dtype("".into(), &items, inner, true).ok().map(AnyValue::List);
        }
        (Value::Object(given), DataType::Struct(fields)) => {
            let is_known = |name: &String| fields.iter().any(|field| field.name().as_str() == name);
            let cell = |field: &Field| typed(given.get(field.name().as_str()).unwrap_or(&Value::Null), field.dtype());
            let cells = given.keys().all(is_known).then(|| fields.iter().map(cell).collect::<Option<Vec<_>>>())??;
            return Some(AnyValue::StructOwned(Box::new((cells, fields.clone()))));
        }
        (_, data_type) if data_type.is_nested() => return None,
        (value, DataType::String) => Series::new("".into(), &[cell_text(value)]),
        (Value::Bool(yes), _) => Series::new("".into(), &[*yes]),
        (Value::Number(number), _) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Series::new("".into(), &[number]),
            (_, Some(number), _) => Series::new("".into(), &[number]),
            (_, _, Some(number)) if data_type.is_integer() && number.fract() != 0.0 => return None, // a cast would round it
            (_, _, number) => Series::new("".into(), &[number?]),
        },
        (Value::String(text), _) => Series::new("".into(), &[text.trim()]),
        (Value::Array(_) | Value::Object(_), _) => return None,
    };
    let cast = one.strict_cast(data_type).ok()?;
    let typed = cast.get(0).ok()?.into_static();
    (!typed.is_null()).then_some(typed)
}

fn kind(data_type: &DataType) -> ColumnKind {
    match data_type {
        DataType::String => ColumnKind::Text,
        DataType::Boolean => ColumnKind::Boolean,
        DataType::Decimal(..) => ColumnKind::Decimal,
        DataType::List(_) | DataType::Struct(_) => ColumnKind::Json,
        other if other.is_integer() => ColumnKind::Integer,
        other if other.is_float() => ColumnKind::Float,
        _ => ColumnKind::Other,
    }
}

impl FileContent for ParquetFile {
    fn columns(&self) -> Vec<TableColumn> {
        let column = |column: &Column| TableColumn::of_file(column.name(), &column.dtype().to_string(), kind(column.dtype()));
        self.frame.columns().iter().map(column).collect()
    }

    fn rows(&self) -> usize {
        self.frame.height()
    }

    fn places(&self) -> Vec<u64> {
        (1..).take(self.rows()).collect()
    }

    fn cells(&self, row: usize, columns: &[usize]) -> Vec<Value> {
        let mut json = Vec::new();
        self.text.write_json(row, &mut json);
        let object: Map<String, Value> = serde_json::from_slice(&json).unwrap_or_default();
        let cell = |column: &usize| match self.changes.get(column).and_then(|changes| changes.get(&row)) {
            Some((value, _)) => value.clone(),
            None => self.frame.columns().get(*column).and_then(|column| object.get(column.name().as_str())).cloned().unwrap_or_default(),
        };
        columns.iter().map(cell).collect()
    }

    fn add_column(&mut self, name: &str) -> Result<()> {
        let empty = Column::full_null(name.into(), self.frame.height(), &DataType::String);
        self.frame.with_column(empty)?;
        self.text = FrameText::new(&self.frame)?;
        Ok(())
    }

    fn set(&mut self, row: usize, cells: &[(usize, &Value)]) -> Result<(), String> {
        let mut new = Vec::with_capacity(cells.len());
        for (at, value) in cells {
            let column = &self.frame.columns()[*at];
            let typed = typed(value, column.dtype()).ok_or_else(|| format!("column `{}` is `{}`, and `{value}` is none", column.name(), column.dtype()))?;
            let value = if column.dtype() == &DataType::String && !value.is_null() { Value::String(cell_text(value)) } else { (*value).clone() };
            new.push((*at, (value, typed)));
        }
        for (at, cell) in new {
            self.changes.entry(at).or_default().insert(row, cell);
        }
        Ok(())
    }

    fn render(&self) -> Result<Vec<u8>> {
        let mut frame = self.frame.clone();
        for (at, changes) in &self.changes {
            let column = &self.frame.columns()[*at];
            let series = column.as_materialized_series();
            let values: Vec<AnyValue<'_>> = series.iter().enumerate().map(|(row, value)| changes.get(&row).map_or(value, |(_, value)| value.clone())).collect();
            frame.with_column(Series::from_any_values_and_dtype(column.name().clone(), &values, column.dtype(), true)?.into_column())?;
        }
        let mut out = Vec::new();
        ParquetWriter::new(&mut out).with_compression(ParquetCompression::Zstd(None)).with_row_group_size(Some(16_384)).finish(&mut frame)?;
        Ok(out)
    }
}
