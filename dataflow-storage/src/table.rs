//! Tables whose rows are read where something is to be done, and whose cells are written back in place.
//!
//! A [`Table`] is a table of a database ([`SqlTable`]) or a file ([`FileTable`]). What is not written stays as it is.

mod claims;
mod csv_file;
mod delimited_text;
mod excel_file;
mod file_content;
mod file_table;
#[cfg(test)]
mod file_table_tests;
mod jsonl_file;
mod mysql;
mod parquet_file;
mod postgresql;
mod sheet_patch;
mod sql_statement;
mod sql_table;
mod sqlite;
#[cfg(test)]
mod sqlite_tests;
mod table_spec;
mod table_storage;
mod text_encoding;
mod workbook_package;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use dataflow_core::Result;
use serde::Serialize;
use serde_json::{Map, Value};

pub use csv_file::NamedText;
pub use file_table::{FileTable, FileTableOptions, TableFileKind};
pub use sql_table::{SqlAddress, SqlTable, SqlTableOptions};
pub use table_spec::{TablePlace, TableSource, TableSpec};
pub use table_storage::{FailedRows, ROW_KEY, TableStorage, TableStorageOptions};

/// What a column holds, as far as reading and writing its cells goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Text of any length.
    Text,
    /// Whole numbers.
    Integer,
    /// Decimal numbers with a fixed scale; they are read as text, so that no digit is lost.
    Decimal,
    /// Floating point numbers.
    Float,
    /// True or false.
    Boolean,
    /// JSON; lists and objects are read and written as they are.
    Json,
    /// A list of the database's own (PostgreSQL).
    List,
    /// Dates, times, UUIDs and whatever else; read and written in the database's text form.
    Other,
}

/// A column as the table declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type in the table's own words, such as `numeric(10,2)`.
    pub declared: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether a cell may be null.
    pub nullable: bool,
    /// Whether the table works its cells out itself, so that nothing can be written there.
    pub is_generated: bool,
}

impl TableColumn {
    /// A column of a file, in which any cell may be empty and written.
    pub(crate) fn of_file(name: &str, declared: &str, kind: ColumnKind) -> Self {
        Self { name: name.to_owned(), declared: declared.to_owned(), kind, nullable: true, is_generated: false }
    }
}

/// Which rows are to be done: those with something in their inputs, and an output that is still empty.
///
/// In a database a cell is empty that is null, or is the empty text in a column of text. In a file a cell is empty that is absent, null or blank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToDo {
    /// Columns that are read, and of which all or any must hold something.
    pub inputs: Vec<String>,
    /// Columns that are written; a row with one of them empty is to be done.
    pub outputs: Vec<String>,
    /// Whether all inputs must hold something; otherwise one of them must.
    pub require_all: bool,
    /// Columns that are read as well and may be empty, such as the one that a routing looks at.
    pub read_also: Vec<String>,
    /// Whether rows are wanted too in which no output is empty; the outputs need not be there then.
    pub also_done: bool,
}

impl ToDo {
    /// The columns that are read, each once: the inputs, then the others.
    pub fn columns_to_read(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for name in self.inputs.iter().chain(&self.read_also) {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
        columns
    }
}

/// What a row is known by: its key in the database, or its number in the file from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum RowKey {
    /// An integer of any size and sign that a database's integer column holds.
    Integer(i128),
    /// Text, a UUID or another value in its text form.
    Text(String),
}

impl fmt::Display for RowKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(out),
            Self::Text(text) => text.fmt(out),
        }
    }
}

/// A row that is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// What it is known by.
    pub key: RowKey,
    /// Its cells, in the order of [`ToDo::columns_to_read`].
    pub values: Map<String, Value>,
    /// What is wrong with a cell that could not be read; it stands as null, and the row is rejected.
    pub unreadable: Option<String>,
}

/// Cells to write into a row; every other cell of the row stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct RowUpdate {
    /// The row.
    pub key: RowKey,
    /// The new cells by column. A null empties the cell.
    pub values: Map<String, Value>,
}

/// A row that was not written, while its neighbours were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The row.
    pub key: RowKey,
    /// Why, in the words of the database or of the file's format.
    pub message: String,
}

/// Who claims rows, and for how long without a word from him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// A name that no other process has.
    pub owner: String,
    /// How long a claim holds when it is not renewed.
    pub lease: Duration,
}

/// A table whose rows are read where something is to be done, and whose cells are written back.
///
/// A run looks at [`columns`](Self::columns) and [`missing_columns`](Self::missing_columns), asks for [`page`](Self::page) after page, each after the last key of the
/// one before, gives what came of them to [`write`](Self::write), and calls [`save`](Self::save) now and then and at the end.
/// Two engines on one table have each page pass through [`claim`](Self::claim).
///
/// A connection that is lost is waited for, and what was being done is done again: every method may therefore take as long as the database is away.
///
/// ```
/// use dataflow_core::Result;
/// use dataflow_storage::table::{RowUpdate, Table, ToDo};
/// use serde_json::json;
///
/// /// Writes the length of each text beside it.
/// async fn lengths(table: &dyn Table) -> Result<()> {
///     let todo = ToDo { inputs: vec!["text".into()], outputs: vec!["length".into()], require_all: true, ..ToDo::default() };
///     let mut after = None;
///     loop {
///         let page = table.page(&todo, after.as_ref(), 500).await?;
///         let Some(last) = page.last() else { break };
///         after = Some(last.key.clone());
///         let length = |value: &serde_json::Value| value.as_str().map_or(0, str::len);
///         let updates = page.iter().map(|row| RowUpdate {
///             key: row.key.clone(),
///             values: [("length".to_owned(), json!(length(&row.values["text"])))].into_iter().collect(),
///         });
///         for refusal in table.write(updates.collect()).await? {
///             eprintln!("row {}: {}", refusal.key, refusal.message);
///         }
///     }
///     table.save().await
/// }
/// ```
#[async_trait]
pub trait Table: fmt::Debug + Send + Sync {
    /// All columns, in the table's order.
    async fn columns(&self) -> Result<Vec<TableColumn>>;

    /// The statement that would add those of the outputs that the table does not have; `None` where none is missing. Files have none missing: a column that is written
    /// is added to them.
    async fn missing_columns(&self, outputs: &[String]) -> Result<Option<String>>;

    /// Adds the outputs that are missing, as text.
    async fn create_columns(&self, outputs: &[String]) -> Result<()>;

    /// How many rows are to be done.
    async fn count(&self, todo: &ToDo) -> Result<u64>;

    /// The next rows to be done after a key, in the order of the keys; at most `rows`, and none at the end.
    async fn page(&self, todo: &ToDo, after: Option<&RowKey>, rows: usize) -> Result<Vec<TableRow>>;

    /// Writes cells, all rows in one transaction; a row that is refused is told, and the others are written. In a file the cells are kept until
    /// [`save`](Self::save).
    async fn write(&self, rows: Vec<RowUpdate>) -> Result<Vec<Refusal>>;

    /// Claims rows for one engine, and gives those that it got, read again, where they are still to be done. A claim of another whose lease has ended is taken over.
    async fn claim(&self, todo: &ToDo, keys: &[RowKey], claimant: &Claimant) -> Result<Vec<TableRow>>;

    /// Lets all of an engine's claims hold for another lease, and gives their number.
    async fn renew(&self, claimant: &Claimant) -> Result<u64>;

    /// Gives rows back, done or not.
    async fn release(&self, keys: &[RowKey], claimant: &Claimant) -> Result<()>;

    /// Where a file's row stands: its line, or its row in the sheet, from 1. `None` in a database, whose rows are told by their keys.
    fn place(&self, _key: &RowKey) -> Option<u64> {
        None
    }

    /// The encoding and the separator of a file of text. `None` for all else.
    fn text(&self) -> Option<String> {
        None
    }

    /// What a user should know before rows are asked about.
    async fn warnings(&self, _todo: &ToDo) -> Vec<String> {
        Vec::new()
    }

    /// Makes what was written durable: a file is written anew, whole or not at all. A database has done so already.
    async fn save(&self) -> Result<()>;
}
