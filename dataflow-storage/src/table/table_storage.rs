//! A table as a pipeline's storage: its rows that are to be done come in, and what was found out about them is written back.

mod sink;
mod source;

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dataflow_core::row::JSON_TEXT;
use dataflow_core::storage::{Sink, Source, Storage};
use dataflow_core::{Error, Result};
use polars::prelude::*;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use self::sink::TableSink;
use self::source::{TableSource, fitting, frame_of};
use super::{Claimant, ColumnKind, RowKey, Table, TableColumn, TableRow, ToDo};

/// The column in which a row carries the key that it is written back by.
pub const ROW_KEY: &str = "_row_key";

/// What is written into a row that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedRows {
    /// The pipeline's column that tells why a row failed: the step's `error_key`.
    pub told_in: Option<String>,
    /// The table's column that takes the reason; it is emptied when the row is answered.
    pub error_column: Option<String>,
    /// Whether the reason goes into all outputs, as AI-DataFlux's `ERROR: <class> - <message>`, so that no later run tries the row again.
    pub into_outputs: bool,
}

impl FailedRows {
    fn is_told_in_table(&self) -> bool {
        self.error_column.is_some() || self.into_outputs
    }
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
    /// The file that rows are read from, where they are written to another.
    pub input: Option<PathBuf>,
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
    /// Rows that could not be read, and why, until that is written into them.
    rejected: Mutex<Vec<(RowKey, String)>>,
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

    /// Begins work there, which can be ended by what it gives.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        self.0.as_ref().map(|runtime| runtime.spawn(work).abort_handle())
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
        for output in columns.iter().filter(|column| column.is_generated && outputs.contains(&column.name)) {
            problems.push(format!(
                "the table works out column `{}` itself (`{}`), so nothing can be written there\nhint: name another column",
                output.name, output.declared
            ));
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
            return Err(Error::Faults(problems.into()));
        }
        if let Some(claimant) = options.claimant.clone() {
            runtime.spawn(keep_claims(Arc::clone(&table), claimant));
        }
        let page_rows = Arc::new(AtomicUsize::new(options.page_rows));
        let (missing, claimed, rejected) = (Mutex::new(lacking), Claimed::default(), Mutex::default());
        Ok(Self { shared: Arc::new(Shared { table, options, columns, missing, page_rows, claimed, rejected, runtime }) })
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
        Ok(Some(Box::new(TableSink::new(Arc::clone(&self.shared)))))
    }

    fn written_output(&self, _schema: &SchemaRef) -> Result<Option<Arc<dyn Source>>> {
        Ok(None) // rows are in their places already, and those that failed are still to be done
    }

    fn input_path(&self) -> Option<PathBuf> {
        self.shared.options.input.clone()
    }

    fn output_path(&self) -> Option<PathBuf> {
        Some(self.shared.options.shown.clone())
    }

    fn replaced_path(&self) -> Option<PathBuf> {
        None
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

#[cfg(test)]
mod tests;
