//! One value of one row, on its way from an operator into a column.

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::key::{CellType, ColumnType, InOut, Output};
use crate::serving::Message;

/// One value of one row.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Cell {
    /// Nothing.
    #[default]
    Null,
    /// Text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A truth value.
    Boolean(bool),
    /// A list.
    List(Vec<Cell>),
    /// A conversation.
    Messages(Vec<Message>),
}

macro_rules! cells_from {
    ($($from:ty => $make:expr;)*) => {$(
        impl From<$from> for Cell {
            fn from(value: $from) -> Self { ($make)(value) }
        }
    )*};
}

cells_from! {
    String => Cell::Text;
    &str => |text: &str| Cell::Text(text.to_owned());
    i64 => Cell::Integer;
    f64 => Cell::Float;
    bool => Cell::Boolean;
    Vec<Message> => Cell::Messages;
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

macro_rules! lists_from {
    ($($item:ty),*) => {$(
        impl From<Vec<$item>> for Cell {
            fn from(items: Vec<$item>) -> Self { Cell::List(items.into_iter().map(Into::into).collect()) }
        }
    )*};
}

lists_from!(String, i64, f64, bool);

/// What an operator writes into one row, each value under the key that names its column.
///
/// ```
/// use dataflow_core::{Cells, key::{Integer, Output, Text}};
/// let (answer, score) = (Output::<Text>::from("answer"), Output::<Integer>::from("score"));
/// let cells = Cells::new().set(&answer, "forty-two").set(&score, 5);
/// assert_eq!(cells.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells(Vec<(String, Cell)>);

impl Cells {
    /// No values yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a value of the key's type.
    #[must_use]
    pub fn set<T: CellType>(self, key: &Output<T>, value: impl Into<T::Value>) -> Self {
        self.put(key.as_str(), value.into().into())
    }

    /// Writes a value, or null for `None`.
    #[must_use]
    pub fn set_option<T: CellType>(self, key: &Output<T>, value: Option<impl Into<T::Value>>) -> Self {
        self.put(key.as_str(), value.map_or(Cell::Null, |value| value.into().into()))
    }

    /// Replaces the value of a column that is read and changed.
    #[must_use]
    pub fn replace<T: CellType>(self, key: &InOut<T>, value: impl Into<T::Value>) -> Self {
        self.put(key.as_str(), value.into().into())
    }

    /// Writes a value by its column's name, which the operator has declared.
    #[must_use]
    pub fn put(mut self, key: &str, value: Cell) -> Self {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, cell)) => *cell = value,
            None => self.0.push((key.to_owned(), value)),
        }
        self
    }

    /// The value of a column, where one was written.
    pub fn get(&self, key: &str) -> Option<&Cell> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, cell)| cell)
    }

    /// Takes the value of a column out.
    pub(crate) fn take(&mut self, key: &str) -> Cell {
        self.0.iter_mut().find(|(name, _)| name == key).map(|(_, cell)| std::mem::take(cell)).unwrap_or_default()
    }

    /// The names of the columns that are written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Makes a column of a type from one cell a row.
pub fn column_of(name: &str, column_type: &ColumnType, cells: Vec<Cell>) -> Result<Column> {
    let name: PlSmallStr = name.into();
    let mismatch = |cell: &Cell| Error::Data(format!("column `{name}` holds {column_type}, and the operator wrote {cell:?}"));
    let series = match column_type {
        ColumnType::Text | ColumnType::Any | ColumnType::Inferred => {
            let mut column = StringChunkedBuilder::new(name.clone(), cells.len());
            for cell in &cells {
                match cell {
                    Cell::Null => column.append_null(),
                    Cell::Text(text) => column.append_value(text),
                    other => return Err(mismatch(other)),
                }
            }
            column.finish().into_series()
        }
        ColumnType::Integer => {
            let values: Result<Vec<Option<i64>>> = cells
                .iter()
                .map(|cell| match cell {
                    Cell::Null => Ok(None),
                    Cell::Integer(value) => Ok(Some(*value)),
                    other => Err(mismatch(other)),
                })
                .collect();
            Series::new(name.clone(), values?)
        }
        ColumnType::Float => {
            let values: Result<Vec<Option<f64>>> = cells
                .iter()
                .map(|cell| match cell {
                    Cell::Null => Ok(None),
                    Cell::Float(value) => Ok(Some(*value)),
                    Cell::Integer(value) => Ok(Some(*value as f64)),
                    other => Err(mismatch(other)),
                })
                .collect();
            Series::new(name.clone(), values?)
        }
        ColumnType::Boolean => {
            let values: Result<Vec<Option<bool>>> = cells
                .iter()
                .map(|cell| match cell {
                    Cell::Null => Ok(None),
                    Cell::Boolean(value) => Ok(Some(*value)),
                    other => Err(mismatch(other)),
                })
                .collect();
            Series::new(name.clone(), values?)
        }
        ColumnType::List(_) | ColumnType::Messages | ColumnType::Vector => {
            let values: Vec<AnyValue<'static>> = cells.into_iter().map(|cell| any_value(cell, column_type)).collect::<Result<_>>()?;
            Series::from_any_values_and_dtype(name.clone(), &values, &column_type.data_type(), true)?
        }
    };
    Ok(series.into_column())
}

fn any_value(cell: Cell, column_type: &ColumnType) -> Result<AnyValue<'static>> {
    Ok(match (cell, column_type) {
        (Cell::Null, _) => AnyValue::Null,
        (Cell::Text(text), ColumnType::Text | ColumnType::Any) => AnyValue::StringOwned(text.into()),
        (Cell::Integer(value), ColumnType::Integer) => AnyValue::Int64(value),
        (Cell::Integer(value), ColumnType::Float) => AnyValue::Float64(value as f64),
        (Cell::Float(value), ColumnType::Float) => AnyValue::Float64(value),
        (Cell::Boolean(value), ColumnType::Boolean) => AnyValue::Boolean(value),
        (Cell::List(items), ColumnType::List(inner)) => {
            let items: Vec<AnyValue<'static>> = items.into_iter().map(|item| any_value(item, inner)).collect::<Result<_>>()?;
            AnyValue::List(Series::from_any_values_and_dtype(PlSmallStr::EMPTY, &items, &inner.data_type(), true)?)
        }
        (cell @ Cell::List(_), ColumnType::Vector) => any_value(cell, &ColumnType::List(Box::new(ColumnType::Float)))?,
        (Cell::Messages(messages), ColumnType::Messages) => {
            let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
            let contents: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
            let fields = [Series::new("role".into(), roles), Series::new("content".into(), contents)];
            AnyValue::List(StructChunked::from_series(PlSmallStr::EMPTY, messages.len(), fields.iter())?.into_series())
        }
        (cell, column_type) => return Err(Error::Data(format!("a cell of type {column_type} was expected, and the operator wrote {cell:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::Role;

    #[test]
    fn every_type_becomes_a_column_of_its_type() {
        let list = ColumnType::List(Box::new(ColumnType::Text));
        let messages = vec![Message { role: Role::User, content: "你好".into() }];
        for (column_type, cell) in [
            (ColumnType::Text, Cell::from("a")),
            (ColumnType::Integer, Cell::Integer(i64::MAX)),
            (ColumnType::Float, Cell::Float(0.5)),
            (ColumnType::Boolean, Cell::Boolean(true)),
            (list, Cell::List(vec!["x".into(), Cell::Null])),
            (ColumnType::Messages, Cell::Messages(messages)),
        ] {
            let column = column_of("c", &column_type, vec![cell, Cell::Null]).unwrap();
            assert_eq!((column.len(), column.null_count()), (2, 1), "{column_type}");
            assert_eq!(column.dtype(), &column_type.data_type());
            let empty = column_of("c", &column_type, vec![]).unwrap();
            assert_eq!(empty.dtype(), &column_type.data_type());
        }
    }

    #[test]
    fn a_wrong_value_is_an_error_with_both_types() {
        let error = column_of("score", &ColumnType::Integer, vec!["five".into()]).unwrap_err();
        assert_eq!(error.to_string(), "column `score` holds integer, and the operator wrote Text(\"five\")");
    }
}
