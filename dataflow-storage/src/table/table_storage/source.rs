//! The rows of a table that are to be done, page by page and claimed where several engines share them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dataflow_core::Result;
use dataflow_core::row::JSON_TEXT;
use dataflow_core::storage::{FrameReader, Rejected, Source};
use polars::prelude::*;
use serde_json::Value;

use super::{ROW_KEY, Shared, lock};
use crate::table::{Claimant, ColumnKind, RowKey, TableRow};

/// The rows that are to be done, as a run reads them.
pub(super) struct TableSource {
    pub(super) shared: Arc<Shared>,
    pub(super) rows: u64,
}

impl fmt::Debug for TableSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TableSource").field("table", &self.shared.table).field("rows", &self.rows).finish()
    }
}

impl Source for TableSource {
    fn schema(&self) -> Result<SchemaRef> {
        let shared = &self.shared;
        let mut schema = Schema::from_iter([(PlSmallStr::from_static(ROW_KEY), DataType::String)]);
        for column in shared.options.todo.columns_to_read() {
            schema.with_column(column.into(), shared.data_type(column));
        }
        Ok(Arc::new(schema))
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(format!("{:?}", self.shared.table)) // no cache is kept that could be told by it
    }

    fn open(&self, batch_rows: usize) -> Result<Box<dyn FrameReader>> {
        Ok(Box::new(TableReader {
            shared: Arc::clone(&self.shared),
            after: None,
            most_rows: batch_rows.max(1),
            passed_over: false,
            wait: SHORTEST_WAIT,
            rejected: Vec::new(),
        }))
    }

    fn row_key(&self, frame: &DataFrame, row: usize) -> Option<Value> {
        let key = frame.column(ROW_KEY).ok()?.str().ok()?.get(row)?;
        Some(told_key(&self.shared, &read_key(key)))
    }
}

/// A key as users know it: a file's line or row, or the cell of a database's key.
fn told_key(shared: &Shared, key: &RowKey) -> Value {
    match (shared.table.place(key), key) {
        (Some(place), _) => place.into(),
        (None, RowKey::Integer(number)) => i64::try_from(*number).map_or_else(|_| Value::from(number.to_string()), Value::from),
        (None, RowKey::Text(text)) => Value::from(text.as_str()),
    }
}

struct TableReader {
    shared: Arc<Shared>,
    after: Option<RowKey>,
    most_rows: usize,
    /// Whether others had claimed rows since the last look from the start.
    passed_over: bool,
    wait: Duration,
    rejected: Vec<Rejected>,
}

/// How long others are waited for before the next look at what they have claimed, at first and at most.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl TableReader {
    /// The next rows in the order of their keys, and the key of the last.
    fn next_page(&self) -> Result<Option<(RowKey, Vec<TableRow>)>> {
        let (table, todo, after) = (Arc::clone(&self.shared.table), self.shared.todo(), self.after.clone());
        let rows = self.shared.page_rows.load(Ordering::Relaxed).clamp(1, self.most_rows);
        let page = self.shared.wait(async move { table.page(&todo, after.as_ref(), rows).await })?;
        Ok(page.last().map(|row| row.key.clone()).map(|last| (last, page)))
    }

    /// Of a page, the rows that this engine has now claimed.
    fn claim(&mut self, page: Vec<TableRow>, claimant: &Claimant) -> Result<Vec<TableRow>> {
        let shared = Arc::clone(&self.shared);
        let keys: Vec<RowKey> = {
            let (held, failed) = (lock(&shared.claimed.held), lock(&shared.claimed.failed));
            page.into_iter().map(|row| row.key).filter(|key| !held.contains(key) && !failed.contains(key)).collect()
        };
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (table, todo, claimant, wanted) = (Arc::clone(&shared.table), shared.todo(), claimant.clone(), keys.len());
        let got = shared.wait(async move { table.claim(&todo, &keys, &claimant).await })?;
        lock(&shared.claimed.held).extend(got.iter().map(|row| row.key.clone()));
        self.passed_over |= got.len() < wanted;
        Ok(got)
    }
}

impl FrameReader for TableReader {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        let claimant = self.shared.options.claimant.clone();
        loop {
            let Some((last, page)) = self.next_page()? else {
                if !std::mem::take(&mut self.passed_over) {
                    return Ok(None);
                }
                // Others have claimed rows. If they do not finish them, their leases run out. An empty frame lets the run be stopped meanwhile.
                std::thread::sleep(self.wait);
                self.wait = (self.wait * 2).min(LONGEST_WAIT);
                self.after = None;
                return frame_of(&self.shared, &[]).map(Some);
            };
            self.after = Some(last);
            let rows = match &claimant {
                Some(claimant) => self.claim(page, claimant)?,
                None => page,
            };
            // A page of which others have claimed every row is passed over.
            if rows.is_empty() {
                continue;
            }
            self.wait = SHORTEST_WAIT;
            let (rows, rejected) = fitting(&self.shared, rows);
            for (key, rejected) in rejected {
                if self.shared.options.failed.is_told_in_table() {
                    lock(&self.shared.rejected).push((key.clone(), rejected.message.clone()));
                }
                lock(&self.shared.claimed.failed).insert(key);
                self.rejected.push(rejected);
            }
            return frame_of(&self.shared, &rows).map(Some);
        }
    }

    fn take_rejected(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.rejected)
    }
}

/// Rows whose cells are what their columns hold, and what is wrong with the others: SQLite may have any text in a column of numbers.
pub(super) fn fitting(shared: &Shared, rows: Vec<TableRow>) -> (Vec<TableRow>, Vec<(RowKey, Rejected)>) {
    let mut rejected = Vec::new();
    let names = shared.options.todo.columns_to_read();
    let misfit = |name: &&str, row: &TableRow| {
        let value = row.values.get(*name).filter(|value| !value.is_null() && !holds(&shared.data_type(name), value))?;
        let declared = shared.columns.iter().find(|column| column.name == *name).map_or("", |column| &column.declared);
        Some(format!("column `{name}` is `{declared}`, found `{value}`"))
    };
    let mut kept = Vec::with_capacity(rows.len());
    for mut row in rows {
        let Some(wrong) = row.unreadable.take().or_else(|| names.iter().find_map(|name| misfit(name, &row))) else {
            kept.push(row);
            continue;
        };
        let line = match &row.key {
            RowKey::Integer(number) => u64::try_from(*number).unwrap_or_default(),
            RowKey::Text(_) => 0,
        };
        let message = format!("row `{}`: {wrong}", row.key);
        let key = Some(told_key(shared, &row.key));
        rejected.push((row.key, Rejected { line, message, text: Value::Object(row.values).to_string(), key }));
    }
    (kept, rejected)
}

fn holds(data_type: &DataType, value: &Value) -> bool {
    match data_type {
        DataType::Int64 => value.is_i64(),
        DataType::UInt64 => value.is_u64(),
        DataType::Float64 => float(value).is_some(),
        DataType::Boolean => value.is_boolean(),
        _ => true,
    }
}

/// A number, also one that JSON does not have and that came as text: `NaN`, `Infinity`, `-Infinity`.
fn float(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok().filter(|number: &f64| !number.is_finite()))
}

pub(super) fn frame_of(shared: &Shared, rows: &[TableRow]) -> Result<DataFrame> {
    let keys: Vec<String> = rows.iter().map(|row| written_key(&row.key)).collect();
    let mut columns = vec![Column::new(ROW_KEY.into(), keys)];
    for name in shared.options.todo.columns_to_read() {
        let cells = rows.iter().map(|row| row.values.get(name).filter(|value| !value.is_null()));
        let series = match shared.data_type(name) {
            DataType::Int64 => cells.map(|cell| cell.and_then(Value::as_i64)).collect::<Int64Chunked>().into_series(),
            DataType::UInt64 => cells.map(|cell| cell.and_then(Value::as_u64)).collect::<UInt64Chunked>().into_series(),
            DataType::Float64 => cells.map(|cell| cell.and_then(float)).collect::<Float64Chunked>().into_series(),
            DataType::Boolean => cells.map(|cell| cell.and_then(Value::as_bool)).collect::<BooleanChunked>().into_series(),
            DataType::Struct(_) => {
                let kind = shared.kind(name);
                let cells = cells.map(|cell| cell.map(|value| json_text(value, kind))).collect::<StringChunked>().with_name(JSON_TEXT.into()).into_series();
                StructChunked::from_series(name.into(), rows.len(), [cells].iter())?.into_series()
            }
            _ => {
                cells.map(|cell| cell.map(|value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))).collect::<StringChunked>().into_series()
            }
        };
        columns.push(series.with_name(name.into()).into_column());
    }
    Ok(DataFrame::new(rows.len(), columns)?)
}

/// A cell as JSON. A number with a fixed scale is one where JSON holds it exactly, and a text otherwise.
pub(super) fn json_text(value: &Value, kind: ColumnKind) -> String {
    match value {
        Value::String(text) if kind == ColumnKind::Decimal && is_exact_number(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Whether a text is a number that nobody rounds who reads it as JSON.
fn is_exact_number(text: &str) -> bool {
    let Ok(number) = serde_json::from_str::<serde_json::Number>(text) else { return false };
    let shortest = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    let is_float = |float: f64| float.to_string() == shortest; // written without an exponent
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(is_float)
}

/// A key as text that tells a number from a text of digits.
fn written_key(key: &RowKey) -> String {
    match key {
        RowKey::Integer(number) => number.to_string(),
        RowKey::Text(text) => format!("={text}"),
    }
}

pub(super) fn read_key(text: &str) -> RowKey {
    match text.strip_prefix('=') {
        Some(text) => RowKey::Text(text.to_owned()),
        None => text.parse().map_or_else(|_| RowKey::Text(text.to_owned()), RowKey::Integer),
    }
}
