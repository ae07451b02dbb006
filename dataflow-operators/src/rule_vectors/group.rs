//! Rows that are worked on together, and what kind of difference shows in them.

use dataflow_core::key::Direction;
use dataflow_core::operator::{Kind, Operator};
use dataflow_core::testing::{frame_of, run_rule};
use polars::prelude::*;
use serde_json::{Map, Value};

use super::{Case, Difference, Outcome, alike, shown};

/// Rows that are worked on together, and what came of them.
pub(super) struct Group<'a> {
    operator: &'a dyn Operator,
    case: &'a Case,
    /// Their numbers in the case.
    pub(super) rows: Vec<usize>,
    before: DataFrame,
    after: DataFrame,
    kept: Vec<bool>,
}

impl<'a> Group<'a> {
    pub(super) fn of(operator: &'a dyn Operator, case: &'a Case, rows: Vec<usize>, before: DataFrame) -> Self {
        let (after, kept) = run_rule(operator, before.clone());
        Self { operator, case, rows, before, after, kept }
    }

    /// The columns that are read, of those that are there.
    fn read(&self) -> impl Iterator<Item = String> {
        let read = self.operator.keys().into_iter().filter(|key| key.direction != Direction::Write).map(|key| key.key);
        read.filter(|key| self.before.column(key).is_ok())
    }

    /// Whether a cell that is read of a row passes a test.
    fn reads(&self, row: usize, test: fn(&Value) -> bool) -> bool {
        self.read().any(|key| test(self.case.input[row].get(&key).unwrap_or(&Value::Null)))
    }

    /// Whether a column is there already that is written.
    fn is_taken(&self) -> bool {
        self.operator.keys().iter().any(|key| key.direction == Direction::Write && self.before.column(&key.key).is_ok())
    }

    /// All that came of a row, by its place.
    pub(super) fn outcome(&self, place: usize) -> (bool, Map<String, Value>) {
        let cell = |column: &Column| (column.name().to_string(), dataflow_core::row::json_of(&column.get(place).unwrap()));
        (self.kept[place], self.after.columns().iter().map(cell).collect())
    }

    /// What came of a row, to be written down.
    pub(super) fn shown(&self, place: usize) -> String {
        let (kept, cells) = self.outcome(place);
        format!("kept={kept} {}", shown(&Value::Object(cells)))
    }

    /// Whether null cells do what is said of them: their rows go from a filter, stay as they are in a refiner and have null beside them otherwise, and the others do as without them.
    fn bears_nulls(&self, place: usize) -> bool {
        let (kept, cells) = self.outcome(place);
        if !self.reads(self.rows[place], Value::is_null) {
            let rows: Vec<usize> = self.rows.iter().copied().filter(|row| !self.reads(*row, Value::is_null)).collect();
            let without = rows.iter().position(|row| *row == self.rows[place]).unwrap();
            let inputs: Vec<Value> = rows.iter().map(|row| Value::Object(self.case.input[*row].clone())).collect();
            return Group::of(self.operator, self.case, rows, frame_of(&inputs)).outcome(without) == (kept, cells);
        }
        match self.operator.info().kind {
            Kind::Filter => !kept,
            Kind::Refine => self.after.equals_missing(&self.before),
            Kind::Generate | Kind::Eval => {
                let keys = self.operator.keys();
                kept && keys.iter().filter(|key| key.direction == Direction::Write).all(|key| cells[&key.key].is_null())
            }
        }
    }

    /// Whether numbers among the cells that are read do as their texts.
    fn reads_numbers_as_text(&self, place: usize) -> bool {
        let read: Vec<String> = self.read().collect();
        let as_text =
            |(name, cell): (&String, &Value)| (name.clone(), if read.contains(name) && cell.is_number() { cell.to_string().into() } else { cell.clone() });
        let inputs: Vec<Value> = self.rows.iter().map(|row| Value::Object(self.case.input[*row].iter().map(as_text).collect())).collect();
        let texts = Group::of(self.operator, self.case, self.rows.clone(), frame_of(&inputs));
        let written = |group: &Self| {
            let (kept, mut cells) = group.outcome(place);
            cells.retain(|name, _| !read.contains(name) || group.operator.keys().iter().any(|key| key.direction == Direction::Change && key.key == *name));
            // A number that nothing changes stays a number.
            cells.values_mut().filter(|cell| cell.is_number()).for_each(|cell| *cell = cell.to_string().into());
            (kept, cells)
        };
        written(self) == written(&texts)
    }

    /// What kind of difference it is that shows in a row.
    pub(super) fn difference(&self, place: usize, differs: &Differs) -> Difference {
        let row = self.rows[place];
        let (error, keys) = (self.case.output[row].error.is_some(), self.operator.keys());
        let is_written = |name: &str| keys.iter().any(|key| key.direction == Direction::Write && key.key == name);
        let cells = if let Differs::Cells(cells) = differs { &cells[..] } else { &[] };
        let all = |test: fn(&Value, &Value) -> bool| !cells.is_empty() && cells.iter().all(|(_, wanted, found)| test(wanted, found));
        let has_null = self.rows.iter().any(|row| self.reads(*row, Value::is_null));
        match () {
            () if error && has_null && self.bears_nulls(place) => Difference::RaisedOnNull,
            () if error && !has_null && self.reads(row, Value::is_number) && self.reads_numbers_as_text(place) => Difference::RaisedOnNumber,
            () if error && self.is_taken() => Difference::RaisedOnTakenColumn,
            () if error => Difference::Raised,
            () if cells.iter().all(|(name, ..)| is_of_word_list(name)) && !cells.is_empty() => Difference::OfWordList,
            () if self.reads(row, Value::is_null)
                && cells.iter().all(|(name, ..)| is_written(name))
                && all(|wanted, found| wanted.as_f64() == Some(0.0) && found.is_null()) =>
            {
                Difference::NullHasNoLabel
            }
            () if all(|wanted, found| wanted == "" && found.is_null()) => Difference::EmptyIsNull,
            () if !cells.is_empty() && self.reads(row, Value::is_number) && self.reads_numbers_as_text(place) => Difference::NumberIsText,
            () if self.reads(row, |cell| cell.is_null() || cell == "None") => Difference::NullIsNotNone,
            () => Difference::Other,
        }
    }
}

/// What differs in a row: whether it stays or failed, or each cell that was wanted and the one that was found.
pub(super) enum Differs {
    Row,
    Cells(Vec<(String, Value, Value)>),
}

/// Whether the values of a column depend on a list of words.
fn is_of_word_list(name: &str) -> bool {
    ["LangkitDifficultWords", "LangkitAggregateReadingLevel"].iter().any(|column| name.starts_with(column))
}

pub(super) fn compare(wanted: &Outcome, group: &Group<'_>, place: usize) -> Option<(Differs, String)> {
    let Group { before, after, kept, .. } = group;
    let kept = kept[place];
    if let Some(error) = &wanted.error {
        return Some((Differs::Row, format!("DataFlow raised {error}, found {}", group.shown(place))));
    }
    if wanted.kept != kept {
        return Some((Differs::Row, format!("wanted kept={}, found {}", wanted.kept, group.shown(place))));
    }
    if let Some(name) = wanted.columns.keys().find(|name| after.column(name).is_err()) {
        return Some((Differs::Row, format!("wanted the column `{name}`, which is not written")));
    }
    let mut cells = Vec::new();
    for column in after.columns() {
        let name = column.name().as_str();
        let found = dataflow_core::row::json_of(&column.get(place).unwrap());
        let wanted = match (wanted.columns.get(name), before.column(name)) {
            (Some(value), _) => value.clone(),
            (None, Ok(column)) => dataflow_core::row::json_of(&column.get(place).unwrap()),
            (None, Err(_)) if !kept => continue, // DataFlow does not always tell what it computed of a row that goes
            (None, Err(_)) => Value::Null,
        };
        if !alike(&wanted, &found) {
            cells.push((name.to_owned(), wanted, found));
        }
    }
    let told: Vec<String> = cells.iter().map(|(name, wanted, found)| format!("wanted {name}={}, found {}", shown(wanted), shown(found))).collect();
    (!cells.is_empty()).then(|| (Differs::Cells(cells), told.join("; ")))
}
