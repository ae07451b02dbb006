//! The traits that an operator's author implements: one for each shape of work.
//!
//! | trait | for | the author writes |
//! | --- | --- | --- |
//! | [`Measure`] | evaluators and filters by rule | a value of a text, and which values stay |
//! | [`Refine`] | refiners by rule | a text of a text |
//! | [`Columns`] | any other rule | what a batch becomes |
//! | [`AskModel`] | whatever asks a model about a row | what one row becomes |
//! | [`MakeRows`] | whatever makes rows out of nothing | the rows of one seed |
//! | [`Dataset`] | whatever has to remember earlier rows | what each batch becomes, in order |

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use polars::prelude::*;

use crate::cell::{Cell, Cells, column_of};
use crate::error::{Error, Result};
use crate::key::{ColumnType, Direction, KeyUse};
use crate::model::Model;
use crate::operator::{AtMost, Changes, ColumnWork, DatasetWork, Kept, Kind, Operator, Outcome, RowWork, Seed, Shape, SourceWork, Summary, Work};
use crate::row::Row;

/// A value of a text: evaluators write it, filters keep the rows whose value is right.
///
/// The operator has one key that is read and at most one that is written. A null has no value: null is written for it, and a filter keeps or drops the row as it
/// does that of an empty text.
pub trait Measure: Operator + Clone {
    /// What is measured.
    type Value: Copy + Into<Cell>;

    /// The value of a text; `None` where it has none.
    ///
    /// A filter that drops a text whatever its bounds are gives the highest integer, an infinity or NaN for it, which [`keep`](Self::keep) lets go in any case. Where dropped rows are
    /// explained, none of these is told as what was measured.
    fn measure(&self, text: &str) -> Option<Self::Value>;

    /// For filters: whether a row of this value stays.
    fn keep(&self, value: Self::Value) -> bool {
        let _ = value;
        true
    }

    /// What is written for a value: the value itself, unless the operator's label is another.
    fn label(&self, value: Self::Value) -> Cell {
        value.into()
    }

    /// For filters: why a text goes, where its value and the bounds do not tell. Asked for rows that are shown.
    fn why(&self, text: &str) -> Option<String> {
        let _ = text;
        None
    }

    /// What is wrong with the parameters.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    #[doc(hidden)]
    const SHAPE: Shape = Shape::Column;

    #[doc(hidden)]
    fn into_work(self) -> Result<Work> {
        let keys = self.keys();
        let input = only_key(&keys, Direction::Read, self.info().name)?.clone();
        let output = keys.iter().find(|key| key.direction == Direction::Write).cloned();
        Ok(Work::Column(Arc::new(Measuring { filter: self.info().kind == Kind::Filter, operator: self, input, output })))
    }

    #[doc(hidden)]
    fn bounds(&self) -> AtMost {
        AtMost::default()
    }
}

struct Measuring<M> {
    operator: M,
    input: KeyUse,
    output: Option<KeyUse>,
    filter: bool,
}

impl<M: Measure> ColumnWork for Measuring<M> {
    fn batch(&self, frame: &DataFrame) -> Result<Changes> {
        let texts = texts_of(frame, &self.input.key)?;
        let values: Vec<Option<M::Value>> = texts.iter().map(|text| text.and_then(|text| self.operator.measure(text))).collect();
        let keep = self.filter.then(|| {
            let of_null = if texts.null_count() > 0 { self.operator.measure("") } else { None };
            let decisive = texts.iter().zip(&values).map(|(text, value)| if text.is_some() { *value } else { of_null });
            decisive.map(|value| Some(value.is_some_and(|value| self.operator.keep(value)))).collect::<BooleanChunked>()
        });
        let columns = match &self.output {
            Some(output) => {
                let cells = values.into_iter().map(|value| value.map_or(Cell::Null, |value| self.operator.label(value))).collect();
                vec![column_of(&output.key, &output.column_type, cells)?]
            }
            None => Vec::new(),
        };
        Ok(Changes { columns, keep, failed: Vec::new() })
    }

    fn why(&self, frame: &DataFrame, index: usize) -> Option<String> {
        let texts = texts_of(&frame.slice(i64::try_from(index).ok()?, 1), &self.input.key).ok()?;
        let Some(text) = texts.get(0) else { return Some("the text is null".into()) };
        if text.trim().is_empty() {
            return Some("the text is blank".into());
        }
        if let Some(why) = self.operator.why(text) {
            return Some(why);
        }
        let measured = match self.operator.measure(text).map(Into::into) {
            // The others stand for a text that goes whatever the bounds are.
            Some(Cell::Integer(number)) if number < i64::MAX => Some(format!("measured {number}")),
            Some(Cell::Float(number)) if number.is_finite() => Some(format!("measured {number}")),
            _ => None,
        };
        let parameters = self.operator.parameters();
        let bounds = parameters.as_object()?.iter().filter(|(_, value)| value.is_number()).map(|(name, value)| format!("{name} {value}"));
        let why: Vec<String> = measured.into_iter().chain(bounds).collect();
        (!why.is_empty()).then(|| why.join(", "))
    }
}

/// A text of a text. The operator has one key, which is read and changed. A null stays null.
pub trait Refine: Operator + Clone {
    /// The better text; borrowed where nothing changes.
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str>;

    /// What is wrong with the parameters.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    #[doc(hidden)]
    const SHAPE: Shape = Shape::Column;

    #[doc(hidden)]
    fn into_work(self) -> Result<Work> {
        let key = only_key(&self.keys(), Direction::Change, self.info().name)?.key.clone();
        Ok(Work::Column(Arc::new(Refining { operator: self, key })))
    }

    #[doc(hidden)]
    fn bounds(&self) -> AtMost {
        AtMost::default()
    }
}

struct Refining<R> {
    operator: R,
    key: String,
}

impl<R: Refine> ColumnWork for Refining<R> {
    fn batch(&self, frame: &DataFrame) -> Result<Changes> {
        let texts = texts_of(frame, &self.key)?.with_name(self.key.as_str().into());
        let refined: Vec<Option<Cow<'_, str>>> = texts.iter().map(|text| text.map(|text| self.operator.refine(text))).collect();
        let is_same = |(text, refined): (Option<&str>, &Option<Cow<'_, str>>)| match refined {
            Some(Cow::Borrowed(refined)) => text.is_some_and(|text| std::ptr::eq(text, *refined)),
            Some(Cow::Owned(_)) => false,
            None => true,
        };
        let same: Vec<bool> = texts.iter().zip(&refined).map(is_same).collect();
        let mut column = texts.clone();
        if same.contains(&false) {
            let mut changed = StringChunkedBuilder::new(texts.name().clone(), texts.len());
            for (refined, same) in refined.iter().zip(&same) {
                changed.append_option(refined.as_deref().filter(|_| !same));
            }
            let changed = changed.finish();
            // Texts that nothing changes are not copied.
            let same = BooleanChunked::from_iter_values("".into(), same.into_iter());
            column = if same.any() { texts.zip_with(&same, &changed)? } else { changed };
        }
        Ok(Changes { columns: vec![column.into_column()], ..Changes::default() })
    }
}

/// Any rule over a batch: it reads the frame and says which declared columns come of it and which rows stay.
pub trait Columns: Operator + Clone {
    /// What the batch becomes.
    fn columns(&self, frame: &DataFrame) -> Result<Changes>;

    /// For filters: why a row is dropped, beyond what is written about it. Asked for rows that are shown.
    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        let _ = (frame, row);
        None
    }

    /// What is wrong with the parameters.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    #[doc(hidden)]
    const SHAPE: Shape = Shape::Column;

    #[doc(hidden)]
    fn into_work(self) -> Result<Work> {
        Ok(Work::Column(Arc::new(AnyColumns(self))))
    }

    #[doc(hidden)]
    fn bounds(&self) -> AtMost {
        AtMost::default()
    }
}

struct AnyColumns<C>(C);

impl<C: Columns> ColumnWork for AnyColumns<C> {
    fn batch(&self, frame: &DataFrame) -> Result<Changes> {
        self.0.columns(frame)
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        self.0.why(frame, row)
    }
}

/// Asks a model about one row, any number of times.
///
/// A row in which a key that is read or changed is null or blank is not asked about: generators and evaluators write null, refiners
/// leave it, filters drop it. Keys that are optional, in a list or in a map may be null.
pub trait AskModel: Operator + Clone {
    /// What the row becomes.
    fn row(&self, row: &Row<'_>, model: &Model) -> impl Future<Output = Result<Outcome>> + Send;

    /// Whether the row is passed over; see the trait.
    fn skips(&self, row: &Row<'_>) -> bool {
        let _ = row;
        false
    }

    /// The most calls that a row can need, re-asks of unreadable replies aside.
    fn calls_per_row(&self) -> u64 {
        1
    }

    /// The most rows that a row can become; `u64::MAX` where nothing bounds them.
    fn rows_per_row(&self) -> u64 {
        1
    }

    /// What gathers a result for the whole set from the step's own output.
    fn summary(&self) -> Option<Box<dyn Summary>> {
        None
    }

    /// What is wrong with the parameters.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    #[doc(hidden)]
    const SHAPE: Shape = Shape::Row;

    #[doc(hidden)]
    fn into_work(self) -> Result<Work> {
        let needed = self.keys().into_iter().filter(|key| key.direction != Direction::Write && !key.nullable).map(|key| key.key).collect();
        Ok(Work::Row(Arc::new(Asking { operator: self, needed })))
    }

    #[doc(hidden)]
    fn bounds(&self) -> AtMost {
        AtMost { calls: self.calls_per_row(), rows: self.rows_per_row(), seeds: 0 }
    }
}

struct Asking<A> {
    operator: A,
    needed: Vec<String>,
}

impl<A: AskModel> RowWork for Asking<A> {
    fn row<'a>(&'a self, row: Row<'a>, model: &'a Model) -> BoxFuture<'a, Result<Outcome>> {
        Box::pin(async move { self.operator.row(&row, model).await })
    }

    fn skips(&self, row: &Row<'_>) -> bool {
        self.needed.iter().any(|key| row.is_blank_at(key)) || self.operator.skips(row)
    }

    fn summary(&self) -> Option<Box<dyn Summary>> {
        self.operator.summary()
    }
}

/// Makes rows out of nothing by asking a model. Rows that come in pass, and the new ones follow them.
pub trait MakeRows: Operator + Clone {
    /// How many seeds there are.
    fn seeds(&self) -> u64;

    /// The rows of one seed.
    fn rows(&self, seed: &Seed, model: &Model) -> impl Future<Output = Result<Vec<Cells>>> + Send;

    /// The most calls that a seed can need.
    fn calls_per_seed(&self) -> u64 {
        1
    }

    /// The most rows that a seed can give.
    fn rows_per_seed(&self) -> u64 {
        1
    }

    /// What is wrong with the parameters.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    #[doc(hidden)]
    const SHAPE: Shape = Shape::Source;

    #[doc(hidden)]
    fn into_work(self) -> Result<Work> {
        Ok(Work::Source(Arc::new(Making(self))))
    }

    #[doc(hidden)]
    fn bounds(&self) -> AtMost {
        AtMost { calls: self.calls_per_seed(), rows: self.rows_per_seed(), seeds: self.seeds() }
    }
}

struct Making<M>(M);

impl<M: MakeRows> SourceWork for Making<M> {
    fn seeds(&self) -> u64 {
        self.0.seeds()
    }

    fn rows<'a>(&'a self, seed: &'a Seed, model: &'a Model) -> BoxFuture<'a, Result<Vec<Cells>>> {
        Box::pin(self.0.rows(seed, model))
    }
}

/// Sees all rows in order and remembers what it must: keys, signatures, counts, and not the rows.
pub trait Dataset: Operator + Clone {
    /// Begins a run.
    fn start(&self) -> Result<Box<dyn DatasetWork>>;

    /// What is wrong with the parameters.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// What is kept from run to run beside the rows, and shapes what a later run gives. Asked before each run; an error ends that before a row is read.
    fn kept(&self) -> Result<Option<Kept>> {
        Ok(None)
    }

    #[doc(hidden)]
    const SHAPE: Shape = Shape::Dataset;

    #[doc(hidden)]
    fn into_work(self) -> Result<Work> {
        Ok(Work::Dataset(self.start()?))
    }

    #[doc(hidden)]
    fn bounds(&self) -> AtMost {
        AtMost::default()
    }
}

fn only_key<'a>(keys: &'a [KeyUse], direction: Direction, operator: &str) -> Result<&'a KeyUse> {
    match keys.iter().filter(|key| key.direction == direction).collect::<Vec<_>>()[..] {
        [key] => Ok(key),
        ref found => {
            Err(Error::Operator { operator: operator.into(), message: format!("its shape needs one key of direction {direction:?}, found {}", found.len()) })
        }
    }
}

/// A column as texts: plain numbers, dates and truth values are written out, lists and records as JSON, nulls stay null.
pub fn texts_of(frame: &DataFrame, key: &str) -> Result<StringChunked> {
    let column = frame.column(key)?;
    if let Ok(texts) = column.str() {
        return Ok(texts.clone());
    }
    if !(ColumnType::Text.accepts(column.dtype()) || ColumnType::Text.reads_written_out(column.dtype())) {
        return Err(Error::Data(format!("column `{key}` should hold text, found {}", column.dtype())));
    }
    // Not a cast: `true`, `2.0` and dates read as polars prints them, the same as in a row.
    Ok((0..column.len()).map(|index| column.get(index).ok().and_then(crate::row::text_of).map(Cow::into_owned)).collect())
}
