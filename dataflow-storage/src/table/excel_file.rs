//! A workbook whose cells are filled in, and of which nothing else changes.
//!
//! Other sheets, formulas, formats, widths, charts and macros stay. What does not: the values that Excel has kept for formulas over the new cells are those of before until it
//! calculates anew, which it does when the workbook is opened and a cell changes; and a table (Ctrl+T) does not grow over a column that was added beside it.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::Path;

use calamine::{Data, Range, Reader as _, Xlsx, XlsxError};
use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use serde_json::Value;

use super::file_content::{FileContent, MEND, cell_text};
use super::sheet_patch::{NewCell, NewCells, letters, patch};
use super::workbook_package::{part, part_of_sheet, with_part};
use super::{ColumnKind, TableColumn};

/// Characters (UTF-16 units) that a cell holds.
const MOST_CHARACTERS: usize = 32_767;

/// Columns that a sheet holds.
const MOST_COLUMNS: usize = 16_384;

/// Whole numbers beyond it are not all exact in a sheet, whose numbers are floating point numbers of 64 bits.
const EXACT: u64 = 1 << 53;

pub(super) struct ExcelFile {
    workbook: Vec<u8>,
    path: String,
    /// The sheet's part in the archive.
    part: String,
    cells: Range<Data>,
    formulas: Range<String>,
    /// The place of the header's first cell, from 0.
    origin: (u32, u32),
    names: Vec<String>,
    /// The header's new names by column.
    added: BTreeMap<u32, NewCell>,
    changes: HashMap<usize, HashMap<usize, Value>>,
}

impl std::fmt::Debug for ExcelFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "`{}`, {}", self.path, self.part)
    }
}

impl ExcelFile {
    pub(super) fn read(workbook: Vec<u8>, path: &Path, sheet: Option<&str>) -> Result<Self> {
        let malformed = |place: &str, message: String| Error::Malformed { place: format!("{}{place}", path.display()), message };
        let not_readable =
            |error: XlsxError| malformed("", format!("not a workbook (xlsx, xlsm) that can be read: {error}\nhint: open it in Excel and save it as .xlsx"));
        let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(workbook.as_slice())).map_err(not_readable)?;
        let sheets = book.sheet_names();
        let sheet = match sheet {
            Some(sheet) if sheets.iter().any(|name| name == sheet) => sheet.to_owned(),
            Some(sheet) => {
                let meant = nearest(sheet, sheets.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
                let names = sheets.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                return Err(Error::Configuration(format!("`{}` has no sheet `{sheet}`\nhint: {meant}it has {names}", path.display())));
            }
            None => sheets.first().cloned().ok_or_else(|| malformed("", format!("the workbook has no sheet\n{MEND}")))?,
        };
        let place = format!(" sheet `{sheet}`");
        let cells = book.worksheet_range(&sheet).map_err(not_readable)?;
        let formulas = book.worksheet_formula(&sheet).map_err(not_readable)?;
        let origin = cells.start().ok_or_else(|| malformed(&place, format!("the sheet is empty, and its first row should name the columns\n{MEND}")))?;
        let names: Vec<String> = cells.rows().next().unwrap_or_default().iter().map(text_of).collect();
        for (at, name) in names.iter().enumerate() {
            if !name.is_empty() && names[..at].contains(name) {
                return Err(malformed(&place, format!("two columns are named `{name}`\nhint: rename one of them in the first row")));
            }
        }
        let part = part_of_sheet(&workbook, &sheet).map_err(|error| malformed(&place, format!("{error}\nhint: open it in Excel and save it as .xlsx")))?;
        Ok(Self { workbook, path: path.display().to_string(), part, cells, formulas, origin, names, added: BTreeMap::new(), changes: HashMap::new() })
    }

    fn column_number(&self, column: usize) -> u32 {
        self.origin.1 + column as u32
    }
}

/// A cell as the text that a prompt has.
fn text_of(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Bool(value) => value.to_string(),
        Data::Int(value) => value.to_string(),
        Data::Float(value) => value.to_string(), // 3 for 3.0
        Data::Error(error) => error.to_string(),
        Data::DateTime(moment) if moment.is_duration() => format!("{} days", moment.as_f64()),
        Data::DateTime(moment) => match moment.as_datetime() {
            Some(moment) if moment.time() == chrono::NaiveTime::MIN => moment.date().to_string(),
            Some(moment) => moment.format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
            None => moment.as_f64().to_string(),
        },
    }
}

/// How a value stands in a sheet; the error is why it cannot.
fn new_cell(value: &Value) -> Result<NewCell, String> {
    let text = match value {
        Value::Null => return Ok(NewCell::Empty),
        Value::Bool(yes) => return Ok(NewCell::Boolean(*yes)),
        Value::Number(number) if number.as_i64().is_none_or(|whole| whole.unsigned_abs() <= EXACT) && number.as_u64().is_none_or(|whole| whole <= EXACT) => {
            return Ok(NewCell::Number(number.to_string()));
        }
        Value::String(text) if text.is_empty() => return Ok(NewCell::Empty),
        value => cell_text(value),
    };
    match text.encode_utf16().count() {
        characters if characters > MOST_CHARACTERS => Err(format!("the text has {characters} characters, and a cell of a workbook holds {MOST_CHARACTERS}")),
        _ => Ok(NewCell::Text(text)),
    }
}

impl FileContent for ExcelFile {
    fn columns(&self) -> Vec<TableColumn> {
        self.names.iter().map(|name| TableColumn { name: name.clone(), declared: "cell".into(), kind: ColumnKind::Text, nullable: true }).collect()
    }

    fn rows(&self) -> usize {
        self.cells.height().saturating_sub(1)
    }

    fn places(&self) -> Vec<u64> {
        let first = u64::from(self.origin.0) + 2; // the names stand in row 1 of the sheet, or where the sheet begins
        (first..).take(self.rows()).collect()
    }

    fn cells(&self, row: usize, columns: &[usize]) -> Vec<Value> {
        let changes = self.changes.get(&row);
        let cell = |column: &usize| match changes.and_then(|changes| changes.get(column)) {
            Some(value) => Value::String(cell_text(value)),
            None => Value::String(self.cells.get((row + 1, *column)).map(text_of).unwrap_or_default()),
        };
        columns.iter().map(cell).collect()
    }

    fn add_column(&mut self, name: &str) -> Result<()> {
        let number = self.column_number(self.names.len());
        if number as usize >= MOST_COLUMNS {
            return Err(Error::Data(format!("`{}`: a sheet holds {MOST_COLUMNS} columns, and column `{name}` would be one more", self.path)));
        }
        self.added.insert(number, NewCell::Text(name.to_owned()));
        self.names.push(name.to_owned());
        Ok(())
    }

    fn set(&mut self, row: usize, cells: &[(usize, &Value)]) -> Result<(), String> {
        for (column, value) in cells {
            new_cell(value).map_err(|message| format!("column `{}`: {message}\nhint: write csv or jsonl", self.names[*column]))?;
            let (sheet_row, sheet_column) = (self.origin.0 + 1 + row as u32, self.column_number(*column));
            if self.formulas.get_value((sheet_row, sheet_column)).is_some_and(|formula| !formula.is_empty()) {
                return Err(format!("column `{}`: cell {}{} holds a formula, which stays", self.names[*column], letters(sheet_column), sheet_row + 1));
            }
        }
        let changes = self.changes.entry(row).or_default();
        for (column, value) in cells {
            changes.insert(*column, (*value).clone());
        }
        Ok(())
    }

    fn render(&self) -> Result<Vec<u8>> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::storage(format!("changing `{}`", self.path), error);
        let mut new = NewCells::new();
        let header = self.origin.0 + 1;
        if !self.added.is_empty() {
            new.insert(header, self.added.clone());
        }
        for (row, changes) in &self.changes {
            let cells = new.entry(header + 1 + *row as u32).or_default();
            for (column, value) in changes {
                cells.insert(self.column_number(*column), new_cell(value).map_err(|error| failed(error.into()))?);
            }
        }
        let xml = part(&self.workbook, &self.part).map_err(failed)?;
        let patched = patch(&xml, &new, header).map_err(|error| failed(error.into()))?;
        with_part(&self.workbook, &self.part, &patched).map_err(failed)
    }
}
