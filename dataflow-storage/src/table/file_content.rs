//! What the kinds of files have in common: cells in memory, and the file that is made of them.

use std::fmt;

use dataflow_core::Result;
use serde_json::Value;

use super::TableColumn;

/// A file's cells. Rows and columns are counted from 0.
pub(super) trait FileContent: fmt::Debug + Send + Sync {
    /// The columns, with those that were added.
    fn columns(&self) -> Vec<TableColumn>;

    /// The encoding and the separator of a text.
    fn text(&self) -> Option<String> {
        None
    }

    /// What a user should know before rows are asked about; each is told with the file's name.
    fn warnings(&self, _read: &[&str], _outputs: &[String]) -> Vec<String> {
        Vec::new()
    }

    /// Whether a cell stays whatever is written, such as one that holds a formula.
    fn stays(&self, _row: usize, _column: usize) -> bool {
        false
    }

    /// How many rows there are.
    fn rows(&self) -> usize;

    /// Where each row stands in the file, from 1: its first line, or its row in the sheet.
    fn places(&self) -> Vec<u64>;

    /// A row's cells in some columns.
    fn cells(&self, row: usize, columns: &[usize]) -> Vec<Value>;

    /// Adds a column at the end.
    fn add_column(&mut self, name: &str) -> Result<()>;

    /// Sets cells of a row, all of them or none; the error is why the file cannot hold one.
    fn set(&mut self, row: usize, cells: &[(usize, &Value)]) -> Result<(), String>;

    /// The whole file: what was not set stands as it was read.
    fn render(&self) -> Result<Vec<u8>>;
}

/// What a user does about a file that is not of its kind: a table is written back whole, so nothing of it can be set aside.
pub(super) const MEND: &str = "hint: mend the file, and run the same command again";

/// A value as the text of a cell: texts as they are, null as nothing, lists and objects as JSON.
pub(super) fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
