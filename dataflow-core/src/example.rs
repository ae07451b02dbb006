//! What a rule makes of a few rows, for the pages that describe operators.

use polars::prelude::*;
use serde_json::{Map, Value};

use crate::engine::apply::apply_columns;
use crate::error::{Error, Result};
use crate::operator::{Operator, Work};
use crate::row::json_of;

/// What a rule made of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// Each row as it left; `None` for one that was dropped.
    pub rows: Vec<Option<Value>>,
    /// The result for all rows together, of an operator that has one.
    pub result: Option<Value>,
}

/// Runs a rule over rows that are JSON objects, without a pipeline. An operator that asks a model has no example.
pub fn example(operator: &dyn Operator, rows: &[Value]) -> Result<Option<Example>> {
    if let Some(problem) = operator.problems().into_iter().next() {
        return Err(Error::Operator { operator: operator.info().name.into(), message: problem });
    }
    let lines = rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let frame = JsonReader::new(std::io::Cursor::new(lines)).with_json_format(JsonFormat::JsonLines).infer_schema_len(None).finish()?;
    let (changes, result) = match operator.work()? {
        Work::Column(work) => (work.batch(&frame)?, None),
        Work::Dataset(mut work) => (work.batch(&frame)?, work.end()?.map(|result| result.value)),
        Work::Row(_) | Work::Source(_) => return Ok(None),
    };
    if let Some((_, error)) = changes.failed.into_iter().next() {
        return Err(error);
    }
    let changes = crate::operator::Changes { failed: Vec::new(), ..changes };
    let after = apply_columns(operator.info(), &operator.keys(), frame, &changes)?;
    let keeps = |row: usize| changes.keep.as_ref().is_none_or(|keep| keep.get(row) == Some(true));
    let mut left = Vec::with_capacity(after.height());
    for row in 0..after.height() {
        let mut object = Map::new();
        for column in after.columns().iter().filter(|_| keeps(row)) {
            object.insert(column.name().to_string(), json_of(&column.get(row)?));
        }
        left.push(keeps(row).then_some(Value::Object(object)));
    }
    Ok(Some(Example { rows: left, result }))
}
