//! A table as a pipeline's storage: its rows that are to be done come in, and what was found out about them is written back.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dataflow_core::row::JSON_TEXT;
use dataflow_core::storage::{FrameReader, Refused, Rejected, Sink, Source, Storage};
use dataflow_core::{Error, Result};
use polars::prelude::*;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use super::file_content::is_blank;
use super::{Claimant, ColumnKind, Refusal, RowKey, RowUpdate, Table, TableColumn, TableRow, ToDo};

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
    /// Whether outputs that the table does not have are added to it when a run begins.
    pub create_columns: bool,
    /// Whether inputs of JSON, of numbers with a fixed scale and of other kinds are read as JSON values, in columns of [`JSON_TEXT`]; as text without it.
    pub json_values: bool,
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
    /// Columns that are still to be added.
    missing: Mutex<Vec<String>>,
    page_rows: Arc<AtomicUsize>,
    claimed: Claimed,
    runtime: Background,
}

/// Rows that are claimed, where that is done.
#[derive(Debug, Default)]
struct Claimed {
    /// Claimed and not yet given back.
    held: Mutex<HashSet<RowKey>>,
    /// Given back undone: they are not tried again in this run.
    failed: Mutex<HashSet<RowKey>>,
}

impl fmt::Debug for TableStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TableStorage").field("table", &self.shared.table).finish_non_exhaustive()
    }
}

/// The table's own runtime, to which its connections belong. It may end where others must not wait for it.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Background {
    fn start() -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("table").enable_all().build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(|error| Error::storage("cannot start the table's thread".to_owned(), error))
    }

    /// Runs work there and waits for it.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.spawn(async move { _ = sender.send(work.await) }); // who waited may have gone
        receiver.recv().unwrap_or_else(|_| Err(Error::Data("the work on the table was given up".into())))
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(work);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        self.runtime.wait(work)
    }

    fn kind(&self, column: &str) -> ColumnKind {
        self.columns.iter().find(|known| known.name == column).map_or(ColumnKind::Text, |known| known.kind)
    }

    /// Whether a column's cells are JSON values in a frame.
    fn has_json(&self, column: &str) -> bool {
        let kinds = [ColumnKind::Json, ColumnKind::Decimal, ColumnKind::List, ColumnKind::Other];
        self.options.json_values && kinds.contains(&self.kind(column)) && self.options.todo.inputs.iter().any(|input| input == column)
    }

    /// What a column's cells are in a frame. Whatever could lose something there is text.
    fn data_type(&self, column: &str) -> DataType {
        if self.has_json(column) {
            return DataType::Struct(vec![Field::new(JSON_TEXT.into(), DataType::String)]);
        }
        let known = self.columns.iter().find(|known| known.name == column);
        match known.map_or(ColumnKind::Text, |known| known.kind) {
            ColumnKind::Integer if known.is_some_and(|known| known.declared.to_lowercase().contains("unsigned")) => DataType::UInt64,
            ColumnKind::Integer => DataType::Int64,
            ColumnKind::Float => DataType::Float64,
            ColumnKind::Boolean => DataType::Boolean,
            ColumnKind::Text | ColumnKind::Decimal | ColumnKind::Json | ColumnKind::List | ColumnKind::Other => DataType::String,
        }
    }

    /// The rows that are to be done; all with something in their inputs as long as an output is not there.
    fn todo(&self) -> ToDo {
        let todo = &self.options.todo;
        let lacks = lock(&self.missing).iter().any(|column| todo.outputs.contains(column));
        ToDo { also_done: todo.also_done || lacks, ..todo.clone() }
    }

    /// Adds the columns that are missing; a run does it, and no check.
    fn create_columns(&self) -> Result<()> {
        let missing = std::mem::take(&mut *lock(&self.missing));
        if missing.is_empty() {
            return Ok(());
        }
        let table = Arc::clone(&self.table);
        self.wait(async move { table.create_columns(&missing).await })
    }
}

/// Rows that a run had claimed and did not come to are for others at once.
impl Drop for Shared {
    fn drop(&mut self) {
        let held: Vec<RowKey> = lock(&self.claimed.held).drain().collect();
        if let (Some(claimant), false) = (self.options.claimant.clone(), held.is_empty()) {
            let table = Arc::clone(&self.table);
            let released = self.wait(async move {
                let released = tokio::time::timeout(Duration::from_secs(5), table.release(&held, &claimant)).await;
                released.unwrap_or_else(|_| Err(Error::Data("it took too long".into())))
            });
            if let Err(error) = released {
                tracing::warn!(%error, "claimed rows could not be given back; their lease runs out");
            }
        }
    }
}

impl TableStorage {
    /// Opens a table by `open`, which runs on the storage's own runtime, and looks at its columns.
    ///
    /// Errors: a column that is read or written and is not there, with the statement that would add it.
    pub fn open(open: impl Future<Output = Result<Arc<dyn Table>>> + Send + 'static, options: TableStorageOptions) -> Result<Self> {
        let runtime = Background::start()?;
        let outputs: Vec<String> = options.todo.outputs.iter().chain(&options.failed.error_column).cloned().collect();
        let (table, columns, missing) = runtime.wait({
            let outputs = outputs.clone();
            async move {
                let table = open.await?;
                let (columns, missing) = (table.columns().await?, table.missing_columns(&outputs).await?);
                Ok((table, columns, missing))
            }
        })?;
        let mut problems = Vec::new();
        if let Some(statement) = missing.as_ref().filter(|_| !options.create_columns) {
            problems
                .push(format!("the table lacks columns that are to be written\nhint: add them with `{statement}`, or have that done with `--create-columns`"));
        }
        let lacking = outputs.into_iter().filter(|output| missing.is_some() && !columns.iter().any(|column| column.name == *output)).collect();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        for column in options.todo.columns_to_read() {
            if !names.contains(&column) {
                let near = dataflow_core::registry::nearest(column, names.iter().copied());
                let hint = near.map_or_else(
                    || format!("it has {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                problems.push(format!("the table has no column `{column}`\nhint: {hint}"));
            }
        }
        if !problems.is_empty() {
            return Err(Error::Configuration(problems.join("\n")));
        }
        if let Some(claimant) = options.claimant.clone() {
            runtime.spawn(keep_claims(Arc::clone(&table), claimant));
        }
        let page_rows = Arc::new(AtomicUsize::new(options.page_rows));
        Ok(Self { shared: Arc::new(Shared { table, options, columns, missing: Mutex::new(lacking), page_rows, claimed: Claimed::default(), runtime }) })
    }

    /// The rows that are to be done; all with something in their inputs as long as an output is not there.
    pub fn todo(&self) -> ToDo {
        self.shared.todo()
    }

    /// How many rows are read at once; it may be changed while a run goes on.
    pub fn page_rows(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.shared.page_rows)
    }

    /// The table itself, for a look at other rows: `look` runs where the table's connections belong, and is waited for.
    pub fn look<T: Send + 'static, F: Future<Output = Result<T>> + Send + 'static>(&self, look: impl FnOnce(Arc<dyn Table>) -> F) -> Result<T> {
        self.shared.wait(look(Arc::clone(&self.shared.table)))
    }

    /// Rows as a run has them; those that it would reject are left out.
    pub fn frame(&self, rows: Vec<TableRow>) -> Result<DataFrame> {
        frame_of(&self.shared, &fitting(&self.shared, rows).0)
    }

    /// The table's columns.
    pub fn columns(&self) -> &[TableColumn] {
        &self.shared.columns
    }
}

/// Lets the claims hold on for as long as the table is open.
async fn keep_claims(table: Arc<dyn Table>, claimant: Claimant) {
    loop {
        tokio::time::sleep(claimant.lease / 3).await;
        if let Err(error) = table.renew(&claimant).await {
            tracing::warn!(%error, "the claims could not be renewed");
        }
    }
}

impl Storage for TableStorage {
    fn spec(&self) -> Value {
        self.shared.options.spec.clone()
    }

    fn source(&self) -> Result<Arc<dyn Source>> {
        let (table, todo) = (Arc::clone(&self.shared.table), self.shared.todo());
        let rows = self.shared.wait(async move { table.count(&todo).await })?;
        Ok(Arc::new(TableSource { shared: Arc::clone(&self.shared), rows }))
    }

    fn output(&self, _schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>> {
        self.shared.create_columns()?;
        Ok(Some(Box::new(TableSink { shared: Arc::clone(&self.shared), refused: Vec::new(), written: 0, saved: Instant::now(), unsaved: false })))
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
fn fitting(shared: &Shared, rows: Vec<TableRow>) -> (Vec<TableRow>, Vec<(RowKey, Rejected)>) {
    let mut rejected = Vec::new();
    let names = shared.options.todo.columns_to_read();
    let fits = |name: &&str, row: &TableRow| row.values.get(*name).is_none_or(|value| value.is_null() || holds(&shared.data_type(name), value));
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(name) = names.iter().find(|name| !fits(name, &row)) else {
            kept.push(row);
            continue;
        };
        let line = match &row.key {
            RowKey::Integer(number) => u64::try_from(*number).unwrap_or_default(),
            RowKey::Text(_) => 0,
        };
        let declared = shared.columns.iter().find(|column| column.name == *name).map_or("", |column| &column.declared);
        let message = format!("row `{}`: column `{name}` is `{declared}`, found `{}`", row.key, row.values.get(*name).unwrap_or(&Value::Null));
        let key = Some(told_key(shared, &row.key));
        rejected.push((row.key, Rejected { line, message, text: Value::Object(row.values).to_string(), key }));
    }
    (kept, rejected)
}

fn holds(data_type: &DataType, value: &Value) -> bool {
    match data_type {
        DataType::Int64 => value.is_i64(),
        DataType::UInt64 => value.is_u64(),
        DataType::Float64 => value.is_number(),
        DataType::Boolean => value.is_boolean(),
        _ => true,
    }
}

fn frame_of(shared: &Shared, rows: &[TableRow]) -> Result<DataFrame> {
    let keys: Vec<String> = rows.iter().map(|row| written_key(&row.key)).collect();
    let mut columns = vec![Column::new(ROW_KEY.into(), keys)];
    for name in shared.options.todo.columns_to_read() {
        let cells = rows.iter().map(|row| row.values.get(name).filter(|value| !value.is_null()));
        let series = match shared.data_type(name) {
            DataType::Int64 => cells.map(|cell| cell.and_then(Value::as_i64)).collect::<Int64Chunked>().into_series(),
            DataType::UInt64 => cells.map(|cell| cell.and_then(Value::as_u64)).collect::<UInt64Chunked>().into_series(),
            DataType::Float64 => cells.map(|cell| cell.and_then(Value::as_f64)).collect::<Float64Chunked>().into_series(),
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
fn json_text(value: &Value, kind: ColumnKind) -> String {
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

fn read_key(text: &str) -> RowKey {
    match text.strip_prefix('=') {
        Some(text) => RowKey::Text(text.to_owned()),
        None => text.parse().map_or_else(|_| RowKey::Text(text.to_owned()), RowKey::Integer),
    }
}

struct TableSink {
    shared: Arc<Shared>,
    refused: Vec<Refused>,
    /// Rows that were filled in.
    written: u64,
    saved: Instant,
    unsaved: bool,
}

impl TableSink {
    fn reason(&self, frame: &DataFrame, row: usize) -> Result<Option<String>> {
        match &self.shared.options.failed.told_in {
            Some(column) if frame.get_column_index(column).is_some() => text_at(frame, column, row),
            _ => Ok(None),
        }
    }

    /// Why a row is not written although it did not fail.
    fn nothing_found(&self) -> String {
        let outputs: Vec<String> = self.shared.options.todo.outputs.iter().map(|output| format!("`{output}`")).collect();
        format!("the reply has nothing for {}, so the row stays to be done", outputs.join(", "))
    }

    /// What is written into a row, which failed where there is a reason; `None` where it is left as it is.
    fn update(&self, frame: &DataFrame, row: usize, reason: Option<String>) -> Result<Option<Map<String, Value>>> {
        let options = &self.shared.options;
        let mut values = Map::new();
        if let Some(reason) = &reason {
            if options.failed.into_outputs {
                values.extend(options.todo.outputs.iter().map(|output| (output.clone(), Value::from(format!("ERROR: {reason}")))));
            }
        } else {
            for output in &options.todo.outputs {
                let value = text_at(frame, output, row)?.map_or(Value::Null, |text| cell_of(text, self.shared.kind(output)));
                values.insert(output.clone(), value);
            }
            if values.values().all(is_blank) {
                return Ok(None); // nothing was found out, so nothing that stands there is emptied
            }
        }
        if let Some(column) = &options.failed.error_column {
            values.insert(column.clone(), reason.map_or(Value::Null, Value::from));
        }
        Ok((!values.is_empty()).then_some(values))
    }

    /// Writes cells; gives the rows that were refused. Those and `others`, which nothing is written into, get their reasons into the error column.
    fn put(&self, updates: Vec<RowUpdate>, others: Vec<Refusal>, reasons: &HashMap<RowKey, String>) -> Result<Vec<Refusal>> {
        let table = Arc::clone(&self.shared.table);
        let mut refusals = self.shared.wait(async move { if updates.is_empty() { Ok(Vec::new()) } else { table.write(updates).await } })?;
        refusals.extend(others);
        let Some(column) = self.shared.options.failed.error_column.clone().filter(|_| !refusals.is_empty()) else { return Ok(refusals) };
        let told = |refusal: &Refusal| {
            let reason = reasons.get(&refusal.key).cloned().unwrap_or_else(|| format!("refused: {}", refusal.message));
            RowUpdate { key: refusal.key.clone(), values: Map::from_iter([(column.clone(), reason.into())]) }
        };
        let (told, table): (Vec<RowUpdate>, _) = (refusals.iter().map(told).collect(), Arc::clone(&self.shared.table));
        for refusal in self.shared.wait(async move { table.write(told).await })? {
            tracing::debug!(key = %refusal.key, message = refusal.message, "a reason could not be written");
        }
        Ok(refusals)
    }

    fn save(&mut self) -> Result<()> {
        let table = Arc::clone(&self.shared.table);
        self.shared.wait(async move { table.save().await })?;
        (self.saved, self.unsaved) = (Instant::now(), false);
        Ok(())
    }
}

fn text_at(frame: &DataFrame, column: &str, row: usize) -> Result<Option<String>> {
    let value = frame.column(column)?.get(row)?;
    Ok(dataflow_core::row::text_of(value).map(std::borrow::Cow::into_owned))
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
        let tells_failures = self.shared.options.failed.told_in.as_ref().is_some_and(|column| frame.get_column_index(column).is_some());
        let (mut places, mut updates, mut all, mut empty, mut reasons) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        for row in 0..frame.height() {
            let key = read_key(keys.get(row).unwrap_or_default());
            all.push(key.clone());
            places.insert(key.clone(), row);
            let reason = self.reason(frame, row)?;
            if let Some(reason) = &reason {
                reasons.insert(key.clone(), reason.clone());
            }
            match self.update(frame, row, reason)? {
                Some(values) => updates.push(RowUpdate { key, values }),
                None if reasons.contains_key(&key) => {}
                None => empty.push(key),
            }
        }
        // A row of which nothing was found out stays to be done. Where failures are told elsewhere, that is no failure of its own.
        let mut failed: Vec<RowKey> = reasons.keys().chain(&empty).cloned().collect();
        let empty = if tells_failures { empty.into_iter().map(|key| Refusal { key, message: self.nothing_found() }).collect() } else { Vec::new() };
        let answered = updates.iter().filter(|update| !reasons.contains_key(&update.key)).count();
        let no_answer = empty.len();
        let refusals = self.put(updates, empty, &reasons)?;
        failed.extend(refusals.iter().map(|refusal| refusal.key.clone()));
        let refusals: Vec<Refusal> = refusals.into_iter().filter(|refusal| !reasons.contains_key(&refusal.key)).collect();
        self.written += (answered + no_answer).saturating_sub(refusals.len()) as u64;
        if let Some(claimant) = self.shared.options.claimant.clone() {
            lock(&self.shared.claimed.failed).extend(failed);
            let (table, done) = (Arc::clone(&self.shared.table), all.clone());
            self.shared.wait(async move { table.release(&done, &claimant).await })?;
            let mut held = lock(&self.shared.claimed.held);
            for key in &all {
                held.remove(key);
            }
        }
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

    fn rows_written(&self) -> Option<u64> {
        Some(self.written)
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
            create_columns: false,
            json_values: true,
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
    fn a_row_that_is_not_filled_in_is_not_counted_and_says_why() {
        let table = three_rows();
        let storage = storage(&table, &["question"]).unwrap();
        let source = storage.source().unwrap();
        let mut sink = storage.output(&source.schema().unwrap()).unwrap().unwrap();
        let frame = df!(ROW_KEY => ["-5", "7", "=7"], "answer" => [Some("too long"), Some(" "), Some("fine")], "tags" => [None::<&str>; 3], "_error" => [None::<&str>; 3]);
        let frame = frame.unwrap();
        sink.write(&frame).unwrap();
        let nothing = "the reply has nothing for `answer`, `tags`, so the row stays to be done";
        assert_eq!(sink.take_refused(), [Refused { row: 0, message: "value too long".into() }, Refused { row: 1, message: nothing.into() }]);
        assert_eq!(sink.rows_written(), Some(1));
        let errors: Vec<Value> = table.rows.lock().unwrap().iter().map(|(_, row)| row["error"].clone()).collect();
        assert_eq!(errors, [json!("refused: value too long"), json!(format!("refused: {nothing}")), Value::Null]);
        assert_eq!([0, 2].map(|row| source.row_key(&frame, row)), [Some(json!(-5)), Some(json!("7"))]);
    }

    #[test]
    fn cells_of_json_and_numbers_with_a_scale_are_json_values() {
        let literal = |value: Value, kind| json_text(&value, kind);
        assert_eq!(literal(json!({ "a": [1] }), ColumnKind::Json), r#"{"a":[1]}"#);
        assert_eq!(literal(json!("甲"), ColumnKind::Json), "\"甲\"");
        assert_eq!(literal(json!("2024-01-31"), ColumnKind::Other), "\"2024-01-31\"");
        for (decimal, expected) in [("12.50", "12.50"), ("-0.10", "-0.10"), ("3.00", "3.00"), ("7", "7"), ("18446744073709551615", "18446744073709551615")] {
            assert_eq!(literal(json!(decimal), ColumnKind::Decimal), expected);
        }
        for decimal in ["0.12345678901234567890", "99999999999999999999", "NaN"] {
            assert_eq!(literal(json!(decimal), ColumnKind::Decimal), format!("\"{decimal}\""));
        }
        let table = three_rows();
        let storage = storage(&table, &["question", "tags"]).unwrap();
        let row = |tags: Value| TableRow { key: RowKey::Integer(1), values: json!({ "question": "q", "tags": tags }).as_object().unwrap().clone() };
        let frame = storage.frame(vec![row(json!(["a"])), row(Value::Null)]).unwrap();
        let cells = (0..2).map(|at| dataflow_core::row::json_of(&frame.column("tags").unwrap().get(at).unwrap())).collect::<Vec<_>>();
        assert_eq!(cells, [json!(["a"]), Value::Null]);
        assert_eq!(frame.column("tags").unwrap().dtype(), storage.source().unwrap().schema().unwrap().get("tags").unwrap());
    }

    #[test]
    fn a_column_that_is_not_there_is_told_with_the_nearest() {
        let error = storage(&three_rows(), &["qestion"]).unwrap_err();
        assert_eq!(error.to_string(), "the table has no column `qestion`\nhint: did you mean `question`?");
        let error = storage(&three_rows(), &["qestion", "ansver"]).unwrap_err().to_string();
        assert!(error.contains("no column `qestion`\nhint: did you mean `question`?\nthe table has no column `ansver`"), "all are told: {error}");
    }
}
