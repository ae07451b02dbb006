//! Applies what an operator says a batch becomes, and holds the operator to its kind while doing so.

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::key::{ColumnType, Direction, KeyUse};
use crate::operator::{Changes, Kind, OperatorInfo};

/// The batch with the operator's columns put in, all rows still there. Refuses what the operator's kind does not allow.
pub(crate) fn apply_columns(info: &OperatorInfo, keys: &[KeyUse], mut frame: DataFrame, changes: &Changes) -> Result<DataFrame> {
    let broke = |message: String| Error::Operator { operator: info.name.to_owned(), message };
    if changes.keep.is_some() && info.kind != Kind::Filter {
        return Err(broke(format!("drops rows, and its kind is {}", info.kind.name())));
    }
    if let Some(keep) = changes.keep.as_ref().filter(|keep| keep.len() != frame.height()) {
        return Err(broke(format!("says which of {} rows stay, and the batch has {}", keep.len(), frame.height())));
    }
    for column in &changes.columns {
        let name = column.name().as_str();
        let Some(key) = keys.iter().find(|key| key.key == name && key.direction != Direction::Read) else {
            return Err(broke(format!("writes the column `{name}`, which none of its keys declares")));
        };
        if column.len() != frame.height() {
            return Err(broke(format!("writes {} cells of `{name}`, and the batch has {} rows", column.len(), frame.height())));
        }
        let expected = match key.column_type {
            ColumnType::Inferred => ColumnType::inferred_from(column.dtype()).data_type(), // outside of a pipeline, which settles it
            _ => key.column_type.data_type(),
        };
        if column.dtype() != &expected {
            return Err(broke(format!("declares `{name}` as {expected} and writes {}", column.dtype())));
        }
    }
    if let Some(key) = keys.iter().find(|key| key.direction != Direction::Read && !changes.columns.iter().any(|column| column.name().as_str() == key.key)) {
        return Err(broke(format!("declares the column `{}` and does not write it", key.key)));
    }
    // In the order of the keys, as the schema has them, whatever the operator's order is.
    for key in keys.iter().filter(|key| key.direction != Direction::Read) {
        if let Some(column) = changes.columns.iter().find(|column| column.name().as_str() == key.key) {
            frame.with_column(column.clone())?;
        }
    }
    Ok(frame)
}

/// The columns after an operator: what it changes keeps its place, what it writes comes last, an overwritten column keeps its place.
pub(crate) fn schema_after(keys: &[KeyUse], schema: &Schema) -> Schema {
    let mut after = schema.clone();
    for key in keys.iter().filter(|key| key.direction != Direction::Read) {
        after.with_column(key.key.as_str().into(), key.column_type.data_type());
    }
    after
}
