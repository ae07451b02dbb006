//! A file whose cells are filled in: kept in memory, and written whole.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use dataflow_core::registry::nearest;
use dataflow_core::row::is_blank;
use dataflow_core::{Error, Result};
use serde_json::Value;
use tokio::sync::Mutex;

use super::csv_file::{CsvFile, NamedText};
use super::excel_file::ExcelFile;
use super::file_content::FileContent;
use super::jsonl_file::JsonlFile;
use super::parquet_file::ParquetFile;
use super::{Claimant, Refusal, RowKey, RowUpdate, Table, TableColumn, TableRow, ToDo};
use crate::input_file::{check_is_there, reading};
use crate::whole_file::WholeFile;

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
    /// The encoding and the separator of a csv; they are found where they are not named.
    pub text: NamedText,
}

/// A file whose rows are to be done. Its rows are known by their numbers, from 1.
///
/// The file is read whole and kept in memory; [`save`](Table::save) writes it anew, whole or not at all, and off the async threads.
#[derive(Debug)]
pub struct FileTable {
    options: FileTableOptions,
    /// Where each row stands in the input.
    places: Vec<u64>,
    text: Option<String>,
    content: Arc<Mutex<Content>>,
}

#[derive(Debug)]
struct Content {
    file: Box<dyn FileContent>,
    /// Whether there is something that the output does not have.
    unsaved: bool,
}

impl FileTable {
    /// Reads the file, adds the columns that will be written, and takes over the answers that the output has already.
    pub async fn open(options: FileTableOptions) -> Result<Self> {
        let has_macros = |path: &Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xlsm"));
        if has_macros(&options.input) != has_macros(&options.output) {
            return Err(Error::Configuration(format!(
                "`output_path` should end as `input_path` does, since a workbook keeps its macros, found `{}` for `{}`\nhint: Excel opens one with macros as `.xlsm` alone, and one without as `.xlsx`",
                options.output.display(),
                options.input.display()
            )));
        }
        off_the_async_threads(move || {
            let mut file = read_file(&options, &options.input)?;
            let is_one_file = same_file(&options.input, &options.output);
            let mut unsaved = add_columns(&mut *file, &options.outputs)? || !is_one_file;
            if !is_one_file && options.output.exists() {
                let earlier = read_file(&options, &options.output)?;
                unsaved = take_over(&mut *file, &*earlier, &options)?;
            }
            Ok(Self { options, places: file.places(), text: file.text(), content: Arc::new(Mutex::new(Content { file, unsaved })) })
        })
        .await
    }

    /// Shows the rows after a key that are to be done, with the cells that are read, until it is told to stop.
    async fn each_open(&self, todo: &ToDo, after: Option<&RowKey>, mut see: impl FnMut(usize, Vec<Value>) -> ControlFlow<()> + Send) -> Result<()> {
        let content = self.content.lock().await;
        let names: Vec<String> = content.file.columns().into_iter().map(|column| column.name).collect();
        let read = todo.columns_to_read();
        let inputs = read.iter().take_while(|name| todo.inputs.iter().any(|input| input == *name)).count();
        let outputs = todo.outputs.iter().filter(|_| !todo.also_done);
        let places = read.iter().copied().chain(outputs.map(String::as_str)).map(|name| self.place(&names, name)).collect::<Result<Vec<_>>>()?;
        for row in row_after(after)..content.file.rows() {
            let mut cells = content.file.cells(row, &places);
            let mut filled = cells[..inputs].iter().map(|cell| !is_blank(cell));
            let wanted = inputs == 0 || if todo.require_all { filled.all(|filled| filled) } else { filled.any(|filled| filled) };
            let is_open = || cells[read.len()..].iter().any(is_blank) && !places[read.len()..].iter().any(|output| content.file.stays(row, *output));
            if wanted && (todo.also_done || is_open()) {
                cells.truncate(read.len());
                if see(row, cells).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn place(&self, names: &[String], name: &str) -> Result<usize> {
        names.iter().position(|there| there == name).ok_or_else(|| {
            let meant = nearest(name, names.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
            let there = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            Error::Configuration(format!("`{}` has no column `{name}`\nhint: {meant}it has {there}", self.options.input.display()))
        })
    }

    fn no_claims<T>(&self) -> Result<T> {
        let path = self.options.input.display();
        Err(Error::Configuration(format!(
            "rows of `{path}` cannot be claimed: a file is written by one engine\nhint: leave `claim` out, or keep the rows in a database"
        )))
    }
}

/// The row that comes after a key, counted from 0.
fn row_after(key: Option<&RowKey>) -> usize {
    match key {
        Some(RowKey::Integer(number)) => usize::try_from((*number).max(0)).unwrap_or(usize::MAX),
        Some(RowKey::Text(_)) => usize::MAX,
        None => 0,
    }
}

/// That there is no file of rows.
fn read_file(options: &FileTableOptions, path: &Path) -> Result<Box<dyn FileContent>> {
    check_is_there(path)?;
    let bytes = fs::read(path).map_err(|error| reading(path, error))?;
    Ok(match options.kind {
        TableFileKind::Excel => Box::new(ExcelFile::read(bytes, path, options.sheet.as_deref())?),
        TableFileKind::Csv => Box::new(CsvFile::read(&bytes, path, &options.text)?),
        TableFileKind::Jsonl => Box::new(JsonlFile::read(bytes, path)?),
        TableFileKind::Parquet => Box::new(ParquetFile::read(bytes, path)?),
    })
}

/// Adds the columns that are missing; whether there were any.
fn add_columns(file: &mut dyn FileContent, names: &[String]) -> Result<bool> {
    let mut added = false;
    for name in names {
        if !file.columns().iter().any(|column| column.name == *name) {
            file.add_column(name)?;
            added = true;
        }
    }
    Ok(added)
}

fn same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Takes over the answers that an earlier run wrote for the same rows, wherever they stand now; whether the file has something that the earlier one has not.
///
/// Rows are the same whose cells are, but for those that are written.
fn take_over(file: &mut dyn FileContent, earlier: &dyn FileContent, options: &FileTableOptions) -> Result<bool> {
    let names = |file: &dyn FileContent| file.columns().into_iter().map(|column| column.name).collect::<Vec<_>>();
    let (ours, theirs) = (names(file), names(earlier));
    let place = |names: &[String], name: &String| names.iter().position(|there| there == name);
    let (kept, written): (Vec<&String>, Vec<&String>) = ours.iter().partition(|name| !options.outputs.contains(name));
    let foreign = |why: &str| {
        Error::Configuration(format!(
            "`{}` is there already, and is not the output of an earlier run over `{}`: {why}\nhint: move it away, or name another `output_path`",
            options.output.display(),
            options.input.display()
        ))
    };
    let mut their_kept = Vec::with_capacity(kept.len());
    for name in &kept {
        their_kept.push(place(&theirs, name).ok_or_else(|| foreign(&format!("it has no column `{name}`")))?);
    }
    let our_kept: Vec<usize> = kept.iter().filter_map(|name| place(&ours, name)).collect();
    let pairs: Vec<(usize, usize)> = written.iter().filter_map(|name| Some((place(&ours, name)?, place(&theirs, name)?))).collect();
    let mark = |cells: Vec<Value>| *blake3::hash(Value::Array(cells).to_string().as_bytes()).as_bytes();
    let mut known: HashMap<[u8; 32], VecDeque<usize>> = HashMap::new();
    for row in 0..earlier.rows() {
        known.entry(mark(earlier.cells(row, &their_kept))).or_default().push_back(row);
    }
    let (mut same, mut differs) = (0, file.rows() != earlier.rows() || pairs.len() < written.len());
    for row in 0..file.rows() {
        let Some(their_row) = known.get_mut(&mark(file.cells(row, &our_kept))).and_then(VecDeque::pop_front) else {
            differs = true;
            continue;
        };
        same += 1;
        differs |= row != their_row;
        let (at, from): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
        let (mine, answers) = (file.cells(row, &at), earlier.cells(their_row, &from));
        let new: Vec<(usize, &Value)> = at
            .into_iter()
            .zip(mine.iter().zip(&answers))
            .filter(|(_, (mine, answer))| is_blank(mine) && !is_blank(answer))
            .map(|(at, (_, answer))| (at, answer))
            .collect();
        if !new.is_empty() {
            file.set(row, &new).map_err(Error::Data)?;
        }
        differs |= mine.iter().zip(&answers).any(|(mine, answer)| !is_blank(mine) && mine != answer);
    }
    if same == 0 && file.rows() > 0 && earlier.rows() > 0 {
        return Err(foreign("none of its rows is one of the input's"));
    }
    if same < earlier.rows() {
        tracing::warn!(output = %options.output.display(), rows = earlier.rows() - same, "rows of the earlier output are no longer in the input, and leave it");
    }
    Ok(differs)
}

async fn off_the_async_threads<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::storage("working on a file", error)))
}

#[async_trait]
impl Table for FileTable {
    async fn columns(&self) -> Result<Vec<TableColumn>> {
        Ok(self.content.lock().await.file.columns())
    }

    async fn missing_columns(&self, _outputs: &[String]) -> Result<Option<String>> {
        Ok(None)
    }

    async fn create_columns(&self, outputs: &[String]) -> Result<()> {
        let mut content = self.content.lock().await;
        content.unsaved |= add_columns(&mut *content.file, outputs)?;
        Ok(())
    }

    async fn count(&self, todo: &ToDo) -> Result<u64> {
        let mut count = 0;
        self.each_open(todo, None, |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })
        .await?;
        Ok(count)
    }

    async fn page(&self, todo: &ToDo, after: Option<&RowKey>, rows: usize) -> Result<Vec<TableRow>> {
        let names = todo.columns_to_read();
        let mut found = Vec::new();
        let see = |row: usize, cells: Vec<Value>| {
            let values = names.iter().map(|name| (*name).to_owned()).zip(cells).collect();
            found.push(TableRow { key: RowKey::Integer(row as i128 + 1), values, unreadable: None });
            if found.len() < rows { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.each_open(todo, after, see).await?;
        Ok(found)
    }

    async fn write(&self, rows: Vec<RowUpdate>) -> Result<Vec<Refusal>> {
        let mut content = self.content.lock().await;
        let names: Vec<String> = content.file.columns().into_iter().map(|column| column.name).collect();
        let mut refusals = Vec::new();
        for RowUpdate { key, values } in rows {
            let cells = values.iter().map(|(name, value)| Ok((self.place(&names, name)?, value))).collect::<Result<Vec<_>>>()?;
            let row = match &key {
                RowKey::Integer(number) => usize::try_from(*number - 1).ok().filter(|row| *row < content.file.rows()),
                RowKey::Text(_) => None,
            };
            let written = match row {
                Some(row) => content.file.set(row, &cells),
                None => Err(format!("no row has the number `{key}`")),
            };
            match written {
                Ok(()) => content.unsaved = true,
                Err(message) => refusals.push(Refusal { key, message }),
            }
        }
        Ok(refusals)
    }

    async fn claim(&self, _todo: &ToDo, _keys: &[RowKey], _claimant: &Claimant) -> Result<Vec<TableRow>> {
        self.no_claims()
    }

    async fn renew(&self, _claimant: &Claimant) -> Result<u64> {
        self.no_claims()
    }

    async fn release(&self, _keys: &[RowKey], _claimant: &Claimant) -> Result<()> {
        self.no_claims()
    }

    fn place(&self, key: &RowKey) -> Option<u64> {
        self.places.get(row_after(Some(key)).checked_sub(1)?).copied()
    }

    fn text(&self) -> Option<String> {
        self.text.clone()
    }

    async fn warnings(&self, todo: &ToDo) -> Vec<String> {
        let warnings = self.content.lock().await.file.warnings(&todo.columns_to_read(), &todo.outputs);
        warnings.into_iter().map(|warning| format!("`{}`: {warning}", self.options.input.display())).collect()
    }

    async fn save(&self) -> Result<()> {
        let mut content = self.content.clone().lock_owned().await;
        if !content.unsaved {
            return Ok(());
        }
        let output = self.options.output.clone();
        off_the_async_threads(move || {
            let bytes = content.file.render()?;
            let file = WholeFile::create(&output)?;
            file.writer().write_all(&bytes).map_err(|error| file.error(error))?;
            file.commit()?;
            content.unsaved = false;
            Ok(())
        })
        .await
    }
}
