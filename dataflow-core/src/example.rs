//! What a rule makes of a few rows, for the pages that describe operators.

use std::sync::Arc;

use async_trait::async_trait;
use polars::prelude::*;
use serde_json::{Map, Value};

use crate::cell::{Cell, Cells, column_of};
use crate::engine::apply::apply_columns;
use crate::error::{Error, Result};
use crate::key::{Direction, KeyUse};
use crate::model::{Answers, Model};
use crate::operator::{Operator, Others, Outcome, RowWork, Work};
use crate::row::{Row, json_of};
use crate::serving::{Chat, Embeddings, Reply};

/// What a rule made of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// What each row became: itself, nothing or several rows.
    pub rows: Vec<Vec<Value>>,
    /// The result for all rows together, of an operator that has one.
    pub result: Option<Value>,
}

/// Runs a rule over rows that are JSON objects, without a pipeline. An operator that asks a model has no example.
pub fn example(operator: &dyn Operator, rows: &[Value]) -> Result<Option<Example>> {
    if let Some(problem) = operator.problems().into_iter().next() {
        return Err(Error::Operator { operator: operator.info().name.into(), message: problem });
    }
    let frame = frame_of(&rows.iter().collect::<Vec<_>>())?;
    let (changes, result) = match operator.work()? {
        Work::Column(work) => (work.batch(&frame)?, None),
        Work::Dataset(mut work) => (work.batch(&frame)?, work.end()?.map(|result| result.value)),
        Work::Row(work) if operator.at_most().calls == 0 => return of_rows(operator, work.as_ref(), &frame).map(Some),
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
        left.push(if keeps(row) { vec![Value::Object(object)] } else { Vec::new() });
    }
    Ok(Some(Example { rows: left, result }))
}

/// The work of a rule that goes row by row, because a row may become several.
fn of_rows(operator: &dyn Operator, work: &dyn RowWork, frame: &DataFrame) -> Result<Example> {
    let mut example = Example::default();
    let written: Vec<KeyUse> = operator.keys().into_iter().filter(|key| key.direction != Direction::Read).collect();
    let model = Model::new(Arc::new(NoAnswers));
    for index in 0..frame.height() {
        let mut before = Map::new();
        for column in frame.columns() {
            before.insert(column.name().to_string(), json_of(&column.get(index)?));
        }
        let with = |cells: &Cells, mut object: Map<String, Value>| -> Result<Value> {
            for key in &written {
                let cell: Cell = cells.get(&key.key).cloned().unwrap_or_default();
                object.insert(key.key.clone(), json_of(&column_of(&key.key, &key.column_type, vec![cell])?.get(0)?));
            }
            Ok(Value::Object(object))
        };
        let row = Row::new(frame, index, "1", 0);
        let outcome = if work.skips(&row) { Outcome::from(Cells::new()) } else { futures::executor::block_on(work.row(row, &model))? };
        let own = outcome.keep.then(|| with(&outcome.cells, before.clone()));
        let new = outcome.rows.iter().map(|new| match new.others {
            Others::AsParent => with(&new.cells, before.clone()),
            Others::Null => with(&new.cells, before.keys().map(|name| (name.clone(), Value::Null)).collect()),
        });
        example.rows.push(own.into_iter().chain(new).collect::<Result<_>>()?);
    }
    if let Some(mut summary) = work.summary() {
        let rows: Vec<&Value> = example.rows.iter().flatten().collect();
        let mut after = frame_of(&rows)?;
        // A column without a value has no type of its own.
        for key in &written {
            if after.column(&key.key).is_ok_and(|column| column.dtype().is_null()) {
                let height = after.height();
                after.with_column(Column::full_null(key.key.as_str().into(), height, &key.column_type.data_type()))?;
            }
        }
        summary.observe(&after)?;
        example.result = Some(summary.end()?.value);
    }
    Ok(example)
}

fn frame_of(rows: &[&Value]) -> Result<DataFrame> {
    let lines = rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    Ok(JsonReader::new(std::io::Cursor::new(lines)).with_json_format(JsonFormat::JsonLines).infer_schema_len(None).finish()?)
}

/// Nobody to ask: a rule does not.
struct NoAnswers;

#[async_trait]
impl Answers for NoAnswers {
    async fn answer(&self, _: &Chat) -> Result<Reply> {
        Err(Error::Data("a rule asks no model".into()))
    }
    async fn forget(&self, _: &Chat) -> Result<()> {
        Ok(())
    }
    async fn embed(&self, _: &[String]) -> Result<Embeddings> {
        Err(Error::Data("a rule asks no model".into()))
    }
}
