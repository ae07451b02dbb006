//! A file whose cells are filled in: kept in memory, and written whole.

use std::path::PathBuf;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFileKind {
    /// A workbook, `.xlsx` or `.xlsm`.
    Excel,
    /// Text with a separator, of any common encoding; also tsv.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Parquet.
    Parquet,
}

/// Which file, and where it is written.
#[derive(Clone, Debug)]
pub struct FileTableOptions {
    /// What kind of file it is.
    pub kind: TableFileKind,
    /// The file that is read.
    pub input: PathBuf,
    /// The file that is written; it may be the input. Answers that it has already, from an earlier run over the same rows, are kept.
    pub output: PathBuf,
    /// The columns that will be written; they are added where they are missing.
    pub outputs: Vec<String>,
    /// The sheet of a workbook; the first where none is named.
    pub sheet: Option<String>,
}
