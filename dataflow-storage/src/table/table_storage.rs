//! A table as a pipeline's storage: its rows that are to be done come in, and what was found out about them is written back.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow_core::storage::{FrameReader, Refused, Sink, Source, Storage};
use dataflow_core::{Error, Result};
use polars::prelude::*;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use super::{Claimant, ColumnKind, RowKey, RowUpdate, Table, TableColumn, TableRow, ToDo};

/// The column in which a row carries the key that it is written back by.
pub const ROW_KEY: &str = "_row_key";

/// What is written into a row that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedRows {
    /// The pipeline's column that tells why a row failed: the step's `error_key`.
    pub told_in: Option<String>,
    /// The table's column that takes the reason; it is emptied when the row is answered.
    pub error_column: Option<String>,
    /// Whether the reason goes into all outputs, as `ERROR: …`, so that no later run tries the row again.
    pub into_outputs: bool,
}

/// How a table serves a pipeline.
#[derive(Clone, Debug)]
pub struct TableStorageOptions {
    /// Which rows are read, and what is written.
    pub todo: ToDo,
    /// What is done about failed rows.
    pub failed: FailedRows,
    /// Who claims rows, where several engines share the table.
    pub claimant: Option<Claimant>,
    /// Rows that are read at once.
    pub page_rows: usize,
    /// How often a file is written while the run goes on.
    pub save_interval: Duration,
    /// The folder for what a run must remember.
    pub work_path: PathBuf,
    /// The table's place, to tell the user.
    pub shown: PathBuf,
    /// The storage as a pipeline file has it.
    pub spec: Value,
}

/// A table as a pipeline's storage.
///
/// It keeps no step caches: what was paid for is in the journal, and what is done is in the table.
pub struct TableStorage {
    shared: Arc<Shared>,
}

struct Shared {
    table: Arc<dyn Table>,
    options: TableStorageOptions,
    columns: Vec<TableColumn>,
    runtime: Runtime,
}

impl fmt::Debug for TableStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TableStorage").field("table", &self.shared.table).finish_non_exhaustive()
    }
}

impl Shared {
    /// Runs work on the table's own runtime, to which its connections belong, and waits for it.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        wait_on(&self.runtime, work)
    }

    fn kind(&self, column: &str) -> ColumnKind {
        self.columns.iter().find(|known| known.name == column).map_or(ColumnKind::Text, |known| known.kind)
    }
}

fn wait_on<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (sender, receiver) = std::sync::mpsc::channel();
    runtime.spawn(async move { sender.send(work.await).ok() });
    receiver.recv().unwrap_or_else(|_| Err(Error::Data("the work on the table was given up".into())))
}

impl TableStorage {
    /// Opens a table by `open`, which runs on the storage's own runtime, and looks at its columns.
    ///
    /// Errors: a column that is read or written and is not there, with the statement that would add it.
    pub fn open(open: impl Future<Output = Result<Arc<dyn Table>>> + Send + 'static, options: TableStorageOptions) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("table")
            .enable_all()
            .build()
            .map_err(|error| Error::storage("cannot start the table's thread".to_owned(), error))?;
        let outputs = options.todo.outputs.clone();
        let (table, columns, missing) = wait_on(&runtime, async move {
            let table = open.await?;
            let (columns, missing) = (table.columns().await?, table.missing_columns(&outputs).await?);
            Ok((table, columns, missing))
        })?;
        if let Some(statement) = missing {
            return Err(Error::Configuration(format!(
                "the table lacks columns that are to be written\nhint: add them with `{statement}`, or have that done with `--create-columns`"
            )));
        }
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        for column in options.todo.columns_to_read() {
            if !names.contains(&column) {
                let near = dataflow_core::registry::nearest(column, names.iter().copied());
                let hint = near.map_or_else(
                    || format!("it has {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(Error::Configuration(format!("the table has no column `{column}`\nhint: {hint}")));
            }
        }
        Ok(Self { shared: Arc::new(Shared { table, options, columns, runtime }) })
    }

    /// The table's columns.
    pub fn columns(&self) -> &[TableColumn] {
        &self.shared.columns
    }
}

impl Storage for TableStorage {
    fn spec(&self) -> Value {
        self.shared.options.spec.clone()
    }

    fn source(&self) -> Result<Arc<dyn Source>> {
        let (table, todo) = (Arc::clone(&self.shared.table), self.shared.options.todo.clone());
        let rows = self.shared.wait(async move { table.count(&todo).await })?;
        Ok(Arc::new(TableSource { shared: Arc::clone(&self.shared), rows }))
    }

    fn output(&self, _schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>> {
        Ok(Some(Box::new(TableSink { shared: Arc::clone(&self.shared), refused: Vec::new(), saved: Instant::now(), unsaved: false })))
    }

    fn written_output(&self, _schema: &SchemaRef) -> Result<Option<Arc<dyn Source>>> {
        Ok(None) // rows are in their places already, and those that failed are still to be done
    }

    fn output_path(&self) -> Option<PathBuf> {
        Some(self.shared.options.shown.clone())
    }

    fn step_path(&self, _step: usize) -> Option<PathBuf> {
        None
    }

    fn step_sink(&self, _step: usize, _schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>> {
        Ok(None)
    }

    fn step_source(&self, _step: usize, _schema: &SchemaRef) -> Result<Option<Arc<dyn Source>>> {
        Ok(None)
    }

    fn work_path(&self) -> &Path {
        &self.shared.options.work_path
    }

    fn journal_path(&self) -> Option<PathBuf> {
        Some(self.shared.options.work_path.join("journal"))
    }
}

struct TableSource {
    shared: Arc<Shared>,
    rows: u64,
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
            schema.with_column(column.into(), data_type(shared.kind(column)));
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
        Ok(Box::new(TableReader { shared: Arc::clone(&self.shared), after: None, rows: batch_rows.min(self.shared.options.page_rows).max(1) }))
    }
}

/// What cells of a kind are in a frame. Whatever could lose something there is text.
fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Float => DataType::Float64,
        ColumnKind::Boolean => DataType::Boolean,
        ColumnKind::Text | ColumnKind::Decimal | ColumnKind::Json | ColumnKind::List | ColumnKind::Other => DataType::String,
    }
}

struct TableReader {
    shared: Arc<Shared>,
    after: Option<RowKey>,
    rows: usize,
}

impl FrameReader for TableReader {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        loop {
            let (shared, after, rows) = (Arc::clone(&self.shared), self.after.clone(), self.rows);
            let (table, todo, claimant) = (Arc::clone(&shared.table), shared.options.todo.clone(), shared.options.claimant.clone());
            let (last, page) = shared.wait(async move {
                let page = table.page(&todo, after.as_ref(), rows).await?;
                let last = page.last().map(|row| row.key.clone());
                let page = match claimant {
                    Some(claimant) if !page.is_empty() => {
                        table.renew(&claimant).await?;
                        let keys: Vec<RowKey> = page.into_iter().map(|row| row.key).collect();
                        table.claim(&todo, &keys, &claimant).await?
                    }
                    _ => page,
                };
                Ok((last, page))
            })?;
            let Some(last) = last else { return Ok(None) };
            self.after = Some(last);
            // A page of which others have claimed every row is passed over.
            if !page.is_empty() {
                return frame_of(&shared, &page).map(Some);
            }
        }
    }
}

fn frame_of(shared: &Shared, rows: &[TableRow]) -> Result<DataFrame> {
    let keys: Vec<String> = rows.iter().map(|row| written_key(&row.key)).collect();
    let mut columns = vec![Column::new(ROW_KEY.into(), keys)];
    for name in shared.options.todo.columns_to_read() {
        let cells = rows.iter().map(|row| row.values.get(name).filter(|value| !value.is_null()));
        let wrong = |value: &Value| Error::Data(format!("column `{name}` should hold {}, found `{value}`", data_type(shared.kind(name))));
        let series = match data_type(shared.kind(name)) {
            DataType::Int64 => {
                cells.map(|cell| cell.map(|value| value.as_i64().ok_or_else(|| wrong(value))).transpose()).collect::<Result<Int64Chunked>>()?.into_series()
            }
            DataType::Float64 => {
                cells.map(|cell| cell.map(|value| value.as_f64().ok_or_else(|| wrong(value))).transpose()).collect::<Result<Float64Chunked>>()?.into_series()
            }
            DataType::Boolean => {
                cells.map(|cell| cell.map(|value| value.as_bool().ok_or_else(|| wrong(value))).transpose()).collect::<Result<BooleanChunked>>()?.into_series()
            }
            _ => {
                cells.map(|cell| cell.map(|value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))).collect::<StringChunked>().into_series()
            }
        };
        columns.push(series.with_name(name.into()).into_column());
    }
    Ok(DataFrame::new(rows.len(), columns)?)
}

/// A key as text that tells a number from a text of digits.
fn written_key(key: &RowKey) -> String {
    match key {
        RowKey::Integer(number) => number.to_string(),
        RowKey::Text(text) => format!("={text}"),
    }
}

fn read_key(text: &str) -> RowKey {
    match text.strip_prefix('=') {
        Some(text) => RowKey::Text(text.to_owned()),
        None => text.parse().map_or_else(|_| RowKey::Text(text.to_owned()), RowKey::Integer),
    }
}

struct TableSink {
    shared: Arc<Shared>,
    refused: Vec<Refused>,
    saved: Instant,
    unsaved: bool,
}

impl TableSink {
    /// What is written into a row; `None` where it is left as it is.
    fn update(&self, frame: &DataFrame, row: usize) -> Result<Option<Map<String, Value>>> {
        let options = &self.shared.options;
        let text = |column: &str| -> Result<Option<String>> {
            let value = frame.column(column)?.get(row)?;
            Ok(dataflow_core::row::text_of(value).map(std::borrow::Cow::into_owned))
        };
        let reason = match &options.failed.told_in {
            Some(column) => text(column)?,
            None => None,
        };
        let mut values = Map::new();
        if let Some(reason) = &reason {
            if options.failed.into_outputs {
                values.extend(options.todo.outputs.iter().map(|output| (output.clone(), Value::from(format!("ERROR: {reason}")))));
            }
        } else {
            for output in &options.todo.outputs {
                let value = text(output)?.map_or(Value::Null, |text| cell_of(text, self.shared.kind(output)));
                values.insert(output.clone(), value);
            }
            if values.values().all(Value::is_null) {
                return Ok(None); // nothing was found out, so nothing that stands there is emptied
            }
        }
        if let Some(column) = &options.failed.error_column {
            values.insert(column.clone(), reason.map_or(Value::Null, Value::from));
        }
        Ok((!values.is_empty()).then_some(values))
    }

    fn save(&mut self) -> Result<()> {
        let table = Arc::clone(&self.shared.table);
        self.shared.wait(async move { table.save().await })?;
        (self.saved, self.unsaved) = (Instant::now(), false);
        Ok(())
    }
}

/// A reply's text as a cell of a kind: numbers and truth values where the column holds such, lists and objects where it holds JSON.
fn cell_of(text: String, kind: ColumnKind) -> Value {
    let parsed = || serde_json::from_str::<Value>(&text).ok();
    let fits = match kind {
        ColumnKind::Json | ColumnKind::List => parsed(),
        ColumnKind::Integer | ColumnKind::Float => parsed().filter(Value::is_number),
        ColumnKind::Boolean => parsed().filter(Value::is_boolean),
        ColumnKind::Text | ColumnKind::Decimal | ColumnKind::Other => None,
    };
    fits.unwrap_or(Value::String(text)) // the database says what it does not take
}

impl Sink for TableSink {
    fn write(&mut self, frame: &DataFrame) -> Result<()> {
        let keys = frame.column(ROW_KEY)?.str()?;
        let (mut places, mut updates, mut all) = (HashMap::new(), Vec::new(), Vec::new());
        for row in 0..frame.height() {
            let key = read_key(keys.get(row).unwrap_or_default());
            all.push(key.clone());
            if let Some(values) = self.update(frame, row)? {
                places.insert(key.clone(), row);
                updates.push(RowUpdate { key, values });
            }
        }
        let (table, claimant) = (Arc::clone(&self.shared.table), self.shared.options.claimant.clone());
        let refusals = self.shared.wait(async move {
            let refusals = if updates.is_empty() { Vec::new() } else { table.write(updates).await? };
            if let Some(claimant) = claimant {
                table.release(&all, &claimant).await?;
            }
            Ok(refusals)
        })?;
        self.refused
            .extend(refusals.into_iter().map(|refusal| Refused { row: places.get(&refusal.key).copied().unwrap_or_default(), message: refusal.message }));
        self.unsaved = true;
        if self.saved.elapsed() >= self.shared.options.save_interval {
            self.save()?;
        }
        Ok(())
    }

    fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.save()
    }

    fn aside(&mut self) -> Option<PathBuf> {
        // What a stopped run has written stands in the table, where it belongs.
        Some(self.shared.options.shown.clone())
    }
}

impl Drop for TableSink {
    fn drop(&mut self) {
        if self.unsaved
            && let Err(error) = self.save()
        {
            tracing::error!(%error, "the table could not be saved; the journal has what was answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Refusal;
    use async_trait::async_trait;
    use serde_json::json;
    use std::sync::Mutex;

    /// A table in memory: rows by their key, and how often it was saved.
    #[derive(Debug, Default)]
    struct InMemory {
        rows: Mutex<Vec<(RowKey, Map<String, Value>)>>,
        saves: Mutex<u32>,
    }

    fn is_empty(value: Option<&Value>) -> bool {
        value.is_none_or(|value| value.is_null() || value == "")
    }

    #[async_trait]
    impl Table for InMemory {
        async fn columns(&self) -> Result<Vec<TableColumn>> {
            let kinds = [
                ("id", ColumnKind::Integer),
                ("question", ColumnKind::Text),
                ("n", ColumnKind::Integer),
                ("answer", ColumnKind::Text),
                ("tags", ColumnKind::Json),
                ("error", ColumnKind::Text),
            ];
            Ok(kinds.map(|(name, kind)| TableColumn { name: name.into(), declared: String::new(), kind, nullable: true }).into())
        }
        async fn missing_columns(&self, _: &[String]) -> Result<Option<String>> {
            Ok(None)
        }
        async fn create_columns(&self, _: &[String]) -> Result<()> {
            Ok(())
        }
        async fn count(&self, todo: &ToDo) -> Result<u64> {
            Ok(self.page(todo, None, usize::MAX).await?.len() as u64)
        }
        async fn page(&self, todo: &ToDo, after: Option<&RowKey>, rows: usize) -> Result<Vec<TableRow>> {
            let table = self.rows.lock().unwrap();
            let wanted = table.iter().filter(|(key, row)| after.is_none_or(|after| key > after) && todo.outputs.iter().any(|output| is_empty(row.get(output))));
            Ok(wanted.take(rows).map(|(key, row)| TableRow { key: key.clone(), values: row.clone() }).collect())
        }
        async fn write(&self, rows: Vec<RowUpdate>) -> Result<Vec<Refusal>> {
            let mut table = self.rows.lock().unwrap();
            let mut refusals = Vec::new();
            for update in rows {
                if update.values.get("answer") == Some(&json!("too long")) {
                    refusals.push(Refusal { key: update.key, message: "value too long".into() });
                    continue;
                }
                let (_, row) = table.iter_mut().find(|(key, _)| *key == update.key).unwrap();
                row.extend(update.values);
            }
            Ok(refusals)
        }
        async fn claim(&self, _: &ToDo, _: &[RowKey], _: &Claimant) -> Result<Vec<TableRow>> {
            Ok(Vec::new())
        }
        async fn renew(&self, _: &Claimant) -> Result<u64> {
            Ok(0)
        }
        async fn release(&self, _: &[RowKey], _: &Claimant) -> Result<()> {
            Ok(())
        }
        async fn save(&self) -> Result<()> {
            *self.saves.lock().unwrap() += 1;
            Ok(())
        }
    }

    fn storage(table: &Arc<InMemory>, inputs: &[&str]) -> Result<TableStorage> {
        let table: Arc<dyn Table> = Arc::clone(table) as Arc<dyn Table>;
        let options = TableStorageOptions {
            todo: ToDo {
                inputs: inputs.iter().map(ToString::to_string).collect(),
                outputs: vec!["answer".into(), "tags".into()],
                require_all: true,
                ..ToDo::default()
            },
            failed: FailedRows { told_in: Some("_error".into()), error_column: Some("error".into()), into_outputs: false },
            claimant: None,
            page_rows: 2,
            save_interval: Duration::from_hours(1),
            work_path: "work".into(),
            shown: "table".into(),
            spec: Value::Null,
        };
        TableStorage::open(async move { Ok(table) }, options)
    }

    fn three_rows() -> Arc<InMemory> {
        let row = |question: &str, n: i64| json!({ "question": question, "n": n, "answer": null, "tags": null, "error": "old" }).as_object().unwrap().clone();
        let rows = vec![(RowKey::Integer(-5), row("why?", 1)), (RowKey::Integer(7), row("who?", 2)), (RowKey::Text("7".into()), row("how?", 3))];
        Arc::new(InMemory { rows: Mutex::new(rows), ..InMemory::default() })
    }

    #[test]
    fn rows_come_with_their_keys_and_go_back_by_them() {
        let table = three_rows();
        let storage = storage(&table, &["question", "n"]).unwrap();
        let source = storage.source().unwrap();
        assert_eq!(source.rows(), Some(3));
        assert_eq!(source.schema().unwrap().get("n"), Some(&DataType::Int64));
        let mut reader = source.open(1024).unwrap();
        let mut sink = storage.output(&source.schema().unwrap()).unwrap().unwrap();
        let mut frames = 0;
        while let Some(mut frame) = reader.next_frame().unwrap() {
            frames += 1;
            let answers: StringChunked = frame.column("n").unwrap().i64().unwrap().iter().map(|n| (n != Some(2)).then_some("well")).collect();
            let tags: StringChunked = frame.column("n").unwrap().i64().unwrap().iter().map(|n| (n == Some(1)).then_some("[\"a\"]")).collect();
            let errors: StringChunked = frame.column("n").unwrap().i64().unwrap().iter().map(|n| (n == Some(2)).then_some("transient: no")).collect();
            for (name, column) in [("answer", answers), ("tags", tags), ("_error", errors)] {
                frame.with_column(column.with_name(name.into()).into_column()).unwrap();
            }
            sink.write(&frame).unwrap();
            assert!(sink.take_refused().is_empty());
        }
        sink.commit().unwrap();
        assert_eq!((frames, *table.saves.lock().unwrap()), (2, 1), "a page is two rows");
        let rows: Vec<Value> = table.rows.lock().unwrap().iter().map(|(_, row)| json!([row["answer"], row["tags"], row["error"]])).collect();
        assert_eq!(rows, [json!(["well", ["a"], null]), json!([null, null, "transient: no"]), json!(["well", null, null])]);
    }

    #[test]
    fn a_refused_row_is_told_by_its_place_and_what_was_written_is_saved_without_a_commit() {
        let table = three_rows();
        let storage = storage(&table, &["question"]).unwrap();
        let mut sink = storage.output(&storage.source().unwrap().schema().unwrap()).unwrap().unwrap();
        let none: [Option<&str>; 2] = [None, None];
        sink.write(&df!(ROW_KEY => ["-5", "=7"], "answer" => ["fine", "too long"], "tags" => none, "_error" => none).unwrap()).unwrap();
        assert_eq!(sink.take_refused(), [Refused { row: 1, message: "value too long".into() }]);
        drop(sink);
        assert_eq!(*table.saves.lock().unwrap(), 1);
    }

    #[test]
    fn a_column_that_is_not_there_is_told_with_the_nearest() {
        let error = storage(&three_rows(), &["qestion"]).unwrap_err();
        assert_eq!(error.to_string(), "the table has no column `qestion`\nhint: did you mean `question`?");
    }
}
