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
    /// What the columns held when the file was read, by their places; those beyond it held nothing.
    held: Vec<Held>,
    /// The last column (from 0) of the cells that are merged in the header's row: of them, only the first is shown.
    last_merged: Option<u32>,
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
        let merged = book.merge_cells_by_sheet_name(&sheet).map_err(not_readable)?;
        let last_merged = merged.iter().filter(|range| range.start.0 <= origin.0 && origin.0 <= range.end.0).map(|range| range.end.1).max();
        let held = (0..names.len()).map(|column| Held::of(cells.rows().skip(1).filter_map(|row| row.get(column)))).collect();
        let part = part_of_sheet(&workbook, &sheet).map_err(|error| malformed(&place, format!("{error}\nhint: open it in Excel and save it as .xlsx")))?;
        Ok(Self {
            workbook,
            path: path.display().to_string(),
            part,
            cells,
            formulas,
            origin,
            names,
            held,
            last_merged,
            added: BTreeMap::new(),
            changes: HashMap::new(),
        })
    }

    fn column_number(&self, column: usize) -> u32 {
        self.origin.1 + column as u32
    }

    fn held(&self, column: usize) -> Held {
        self.held.get(column).copied().unwrap_or(Held::Nothing)
    }
}

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    Numbers,
    TruthValues,
    /// Texts, dates, or cells of several kinds.
    Texts,
}

impl Held {
    fn of<'a>(cells: impl Iterator<Item = &'a Data>) -> Self {
        cells.fold(Self::Nothing, |held, cell| {
            let kind = match cell {
                Data::Empty => return held,
                Data::String(text) if text.trim().is_empty() => return held,
                Data::Int(_) | Data::Float(_) => Self::Numbers,
                Data::Bool(_) => Self::TruthValues,
                _ => Self::Texts,
            };
            if held == Self::Nothing || held == kind { kind } else { Self::Texts }
        })
    }

    /// How a reply's text stands in such a column: as a number or a truth value, where the column holds those, or nothing and the text loses nothing by it.
    fn cell(self, text: &str) -> Option<NewCell> {
        match (self, text) {
            (Self::TruthValues | Self::Nothing, "true" | "false") => Some(NewCell::Boolean(text == "true")),
            (Self::Nothing, text) if is_canonical(text) => Some(NewCell::Number(text.to_owned())),
            (Self::Numbers, text) => Some(text.trim()).filter(|text| is_json_number(text)).map(|text| NewCell::Number(text.to_owned())),
            _ => None,
        }
    }
}

/// Digits that a sheet keeps of a number.
const DIGITS: usize = 15;

/// Whether a text is a number as JSON has it, of no more digits than a sheet keeps.
fn is_json_number(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let is_number = serde_json::from_str::<Value>(text).is_ok_and(|value| value.as_f64().is_some_and(f64::is_finite));
    is_number && mantissa.bytes().filter(u8::is_ascii_digit).count() <= DIGITS
}

/// Whether a number's text is just what the number is printed as, so that none of `007`, `7.50` and `1e5` is changed.
fn is_canonical(text: &str) -> bool {
    is_json_number(text) && text != "-0" && text.parse::<f64>().is_ok_and(|number| number.to_string() == text)
}

/// A cell as the text that a prompt has.
fn text_of(cell: &Data) -> String {
    match cell {
        Data::Empty | Data::Error(_) => String::new(), // `#N/A` and its like say that there is no value
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Bool(value) => value.to_string(),
        Data::Int(value) => value.to_string(),
        Data::Float(value) => value.to_string(), // 3 for 3.0
        Data::DateTime(moment) if moment.is_duration() => format!("{} days", moment.as_f64()),
        Data::DateTime(at) => match at.as_datetime() {
            Some(moment) if (0.0..1.0).contains(&at.as_f64()) => moment.format("%H:%M:%S%.f").to_string(),
            Some(moment) if moment.time() == chrono::NaiveTime::MIN => moment.date().to_string(),
            Some(moment) => moment.format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
            None => at.as_f64().to_string(),
        },
    }
}

/// How a value stands in a column of a sheet; the error is why it cannot.
fn new_cell(value: &Value, held: Held) -> Result<NewCell, String> {
    let text = match value {
        Value::Null => return Ok(NewCell::Empty),
        Value::Bool(yes) => return Ok(NewCell::Boolean(*yes)),
        Value::Number(number) if number.as_i64().is_none_or(|whole| whole.unsigned_abs() <= EXACT) && number.as_u64().is_none_or(|whole| whole <= EXACT) => {
            return Ok(NewCell::Number(number.to_string()));
        }
        Value::String(text) if text.is_empty() => return Ok(NewCell::Empty),
        value => cell_text(value),
    };
    if let Some(cell) = held.cell(&text) {
        return Ok(cell);
    }
    match text.encode_utf16().count() {
        characters if characters > MOST_CHARACTERS => Err(format!("the text has {characters} characters, and a cell of a workbook holds {MOST_CHARACTERS}")),
        _ => Ok(NewCell::Text(text)),
    }
}

impl FileContent for ExcelFile {
    fn columns(&self) -> Vec<TableColumn> {
        self.names.iter().map(|name| TableColumn::of_file(name, "cell", ColumnKind::Text)).collect()
    }

    fn rows(&self) -> usize {
        self.cells.height().saturating_sub(1)
    }

    /// Some programs write formulas and leave it to Excel to work them out.
    fn warnings(&self, read: &[&str], outputs: &[String]) -> Vec<String> {
        let mut warnings = Vec::new();
        for (column, name) in self.names.iter().enumerate().filter(|(_, name)| outputs.contains(name)) {
            let rows = (0..self.rows()).filter(|row| self.stays(*row, column)).count();
            if rows > 0 {
                warnings.push(format!("column `{name}` holds formulas in {rows} rows, which stay, so those rows are not asked about"));
            }
        }
        for (column, name) in self.names.iter().enumerate().filter(|(_, name)| read.contains(&name.as_str())) {
            let has_formula = |row: usize| self.stays(row, column);
            let has_nothing = |row: usize| matches!(self.cells.get((row + 1, column)), None | Some(Data::Empty));
            let rows = (0..self.rows()).filter(|row| has_nothing(*row) && has_formula(*row)).count();
            if rows > 0 {
                warnings.push(format!(
                    "column `{name}` holds formulas without results in {rows} rows, which count as empty\nhint: open the workbook in Excel or LibreOffice, and save it there"
                ));
            }
        }
        warnings
    }

    fn stays(&self, row: usize, column: usize) -> bool {
        let place = (self.origin.0 + 1 + row as u32, self.column_number(column));
        self.formulas.get_value(place).is_some_and(|formula| !formula.is_empty())
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
        while self.last_merged.is_some_and(|last| self.column_number(self.names.len()) <= last) {
            self.names.push(String::new()); // a name there would not be seen
        }
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
            new_cell(value, self.held(*column)).map_err(|message| format!("column `{}`: {message}\nhint: write csv or jsonl", self.names[*column]))?;
            if self.stays(row, *column) {
                let (sheet_row, sheet_column) = (self.origin.0 + 2 + row as u32, self.column_number(*column));
                return Err(format!("column `{}`: cell {}{sheet_row} holds a formula, which stays", self.names[*column], letters(sheet_column)));
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
                cells.insert(self.column_number(*column), new_cell(value, self.held(*column)).map_err(|error| failed(error.into()))?);
            }
        }
        let xml = part(&self.workbook, &self.part).map_err(failed)?;
        let patched = patch(&xml, &new, header).map_err(|error| failed(error.into()))?;
        with_part(&self.workbook, &self.part, &patched).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_becomes_what_its_column_holds() {
        let number = |text: &str| Some(NewCell::Number(text.into()));
        for text in ["7", "-7", "0", "0.5", "-0.25", "123456789012345"] {
            assert_eq!((Held::Nothing.cell(text), Held::Numbers.cell(text), Held::Texts.cell(text)), (number(text), number(text), None), "{text}");
        }
        for text in ["7.50", "1e5", "1E-3", "7.0"] {
            assert_eq!((Held::Nothing.cell(text), Held::Numbers.cell(text)), (None, number(text)), "{text}");
        }
        for text in ["007", "+1", ".5", "5.", "1,000", "1234567890123456", "NaN", "inf", "1e999", "", "null", "[1]", "\"1\"", "seven", "٣"] {
            assert_eq!((Held::Nothing.cell(text), Held::Numbers.cell(text)), (None, None), "{text}");
        }
        assert_eq!((Held::Nothing.cell("-0"), Held::Nothing.cell(" 7"), Held::Numbers.cell(" 7 ")), (None, None, number("7")));
        let yes = Some(NewCell::Boolean(true));
        assert_eq!(
            (Held::Nothing.cell("true"), Held::TruthValues.cell("true"), Held::Numbers.cell("true"), Held::Texts.cell("true")),
            (yes.clone(), yes, None, None)
        );
        assert_eq!((Held::TruthValues.cell("1"), Held::Nothing.cell("True")), (None, None));
    }

    #[test]
    fn a_column_holds_what_its_cells_are() {
        let check = |cells: &[Data]| Held::of(cells.iter());
        assert_eq!(check(&[Data::Empty, Data::String(" ".into())]), Held::Nothing);
        assert_eq!(check(&[Data::Int(1), Data::Empty, Data::Float(0.5)]), Held::Numbers);
        assert_eq!(check(&[Data::Bool(true)]), Held::TruthValues);
        assert_eq!((check(&[Data::Int(1), Data::Bool(true)]), check(&[Data::Int(1), Data::String("n/a".into())])), (Held::Texts, Held::Texts));
    }
}
