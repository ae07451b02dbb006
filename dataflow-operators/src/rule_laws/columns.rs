//! The columns that the laws are tried on: texts, and what is made of them.

use dataflow_core::Cell;
use dataflow_core::cell::column_of;
use dataflow_core::key::{ColumnType, Direction, KeyUse};
use dataflow_core::serving::{Message, Role};
use polars::prelude::*;

/// What a column holds that may hold anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// The texts themselves.
    #[default]
    Texts,
    /// Lists of their words.
    Lists,
    /// Records of them and their lengths.
    Records,
    /// Their lengths.
    Integers,
    /// Thirds of these.
    Floats,
    /// Whether they are odd.
    Booleans,
}

impl Held {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Texts, Self::Lists, Self::Records, Self::Integers, Self::Floats, Self::Booleans];

    fn column(self, name: &str, texts: &[Option<&str>]) -> Column {
        let of = |column_type: ColumnType| {
            let cells = texts.iter().map(|text| text.map_or(Cell::Null, |text| cell(text, &column_type))).collect();
            column_of(name, &column_type, cells).unwrap()
        };
        match self {
            Self::Texts => of(ColumnType::Text),
            Self::Lists => of(ColumnType::List(Box::new(ColumnType::Text))),
            Self::Integers => of(ColumnType::Integer),
            Self::Floats => of(ColumnType::Float),
            Self::Booleans => of(ColumnType::Boolean),
            Self::Records => {
                let fields = [("text", Self::Texts), ("lines", Self::Lists), ("length", Self::Integers)];
                let fields: Vec<Series> = fields.map(|(name, held)| held.column(name, texts).take_materialized_series()).to_vec();
                let validity = texts.iter().map(Option::is_some).collect();
                let records = StructChunked::from_series(name.into(), texts.len(), fields.iter()).unwrap();
                records.with_outer_validity(Some(validity)).into_column()
            }
        }
    }
}

/// The columns that an operator reads: those for texts or anything hold what is said of each, by its place, and other types are made of the texts.
pub(super) fn frame(keys: &[KeyUse], rows: &[Vec<Option<String>>], held: &[Held]) -> DataFrame {
    let mut names: Vec<&KeyUse> = Vec::new();
    for key in keys.iter().filter(|key| key.direction != Direction::Write) {
        if names.iter().all(|known| known.key != key.key) {
            names.push(key);
        }
    }
    let columns = names.iter().enumerate().map(|(place, key)| {
        let texts: Vec<Option<&str>> = rows.iter().map(|row| row[place % row.len()].as_deref()).collect();
        if matches!(key.column_type, ColumnType::Text | ColumnType::Any | ColumnType::Inferred) {
            return held.get(place).copied().unwrap_or_default().column(&key.key, &texts);
        }
        let cells = texts.iter().map(|text| text.map_or(Cell::Null, |text| cell(text, &key.column_type)));
        column_of(&key.key, &key.column_type, cells.collect()).unwrap()
    });
    DataFrame::new(rows.len(), columns.collect()).unwrap()
}

/// A cell made of a text, equal for equal texts.
fn cell(text: &str, column_type: &ColumnType) -> Cell {
    let length = text.len() as i64 - 3;
    match column_type {
        ColumnType::Text | ColumnType::Any | ColumnType::Inferred => text.into(),
        ColumnType::Integer => Cell::Integer(length),
        ColumnType::Float => Cell::Float(length as f64 / 3.0),
        ColumnType::Boolean => Cell::Boolean(length % 2 == 0),
        ColumnType::Vector => {
            // A vector of how often kinds of bytes occur, so that like texts have like vectors; one now and then is no vector among these.
            let dimensions = if text.len() % 13 == 12 { 3 } else { 4 };
            let number = |place| text.bytes().filter(|byte| byte % dimensions == place).count() as f64;
            let odd = [("NaN", Cell::Float(f64::NAN)), ("null", Cell::Null)].into_iter().find(|(word, _)| text.contains(word));
            let first = odd.map_or_else(|| Cell::Float(number(0)), |(_, cell)| cell);
            Cell::List(std::iter::once(first).chain((1..dimensions).map(|place| Cell::Float(number(place)))).collect())
        }
        ColumnType::List(inner) => Cell::List(text.split_inclusive(' ').map(|part| cell(part, inner)).collect()),
        ColumnType::Messages => {
            let roles = [Role::User, Role::Assistant, Role::System].into_iter().cycle();
            Cell::Messages(text.split_inclusive('\n').zip(roles).map(|(line, role)| Message { role, content: line.to_owned() }).collect())
        }
    }
}
