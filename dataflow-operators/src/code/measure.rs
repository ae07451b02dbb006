//! What the evaluator and the filter of one measure of source code share.

use std::ops::RangeInclusive;

use dataflow_core::Result;
use dataflow_core::operator::Changes;
use polars::prelude::*;

use super::source_code::SourceCode;
use crate::bounds;
use crate::compatibility::Compatibility;
use crate::score_columns::{ScoreColumns, ScoreNames};

/// A measure of source code: several numbers, one of which is its score.
pub(crate) trait CodeMeasure: ScoreNames {
    /// The place of the score among the numbers.
    const SCORE: usize;

    /// The numbers of a piece of code, in the order of their names, without the score.
    fn numbers(&self, code: &SourceCode<'_>) -> Vec<f64>;

    /// The places of numbers and the bounds that they have to keep for a score of 1; without that it is 0.
    fn bounds(&self, code: &SourceCode<'_>) -> Vec<(usize, RangeInclusive<f64>)>;

    /// All numbers, the score among them.
    fn scored(&self, code: &SourceCode<'_>) -> Vec<f64> {
        let mut numbers = self.numbers(code);
        numbers.insert(Self::SCORE, 0.0);
        numbers[Self::SCORE] = f64::from(self.bounds(code).iter().all(|(place, bounds)| bounds.contains(&numbers[*place])));
        numbers
    }
}

/// The columns of a measure, and the score of each row.
fn measured<M: CodeMeasure>(
    measure: &M,
    frame: &DataFrame,
    key: &str,
    output: &ScoreColumns<M>,
    compatibility: Compatibility,
) -> Result<(Vec<Column>, Vec<Option<f64>>)> {
    let cells = frame.column(key)?;
    let mut columns: Vec<Vec<Option<f64>>> = vec![Vec::with_capacity(cells.len()); M::NAMES.len()];
    for row in 0..cells.len() {
        let cell = cells.get(row)?;
        let numbers = SourceCode::of(&cell, compatibility).map(|code| measure.scored(&code));
        for (place, column) in columns.iter_mut().enumerate() {
            column.push(numbers.as_ref().map(|numbers| numbers[place]));
        }
    }
    let scores = columns[M::SCORE].clone();
    Ok((output.columns().zip(columns).map(|(name, column)| Column::new(name.as_str().into(), column)).collect(), scores))
}

/// What an evaluator of a measure writes.
pub(crate) fn evaluated<M: CodeMeasure>(measure: &M, frame: &DataFrame, key: &str, output: &ScoreColumns<M>, compatibility: Compatibility) -> Result<Changes> {
    let (columns, _) = measured(measure, frame, key, output, compatibility)?;
    Ok(Changes { columns, ..Changes::default() })
}

/// The same columns and a label; rows stay whose score lies within the bounds.
pub(crate) fn filtered<M: CodeMeasure>(
    measure: &M,
    frame: &DataFrame,
    key: &str,
    output: &ScoreColumns<M>,
    compatibility: Compatibility,
    label: &str,
    bounds: std::ops::RangeInclusive<f64>,
) -> Result<Changes> {
    let (mut columns, scores) = measured(measure, frame, key, output, compatibility)?;
    let keep: Vec<bool> = scores.iter().map(|score| score.is_some_and(|score| bounds.contains(&score))).collect();
    columns.push(Column::new(label.into(), keep.iter().map(|keep| i64::from(*keep)).collect::<Vec<_>>()));
    Ok(Changes { columns, keep: Some(keep.into_iter().map(Some).collect()), failed: Vec::new() })
}

/// Why [`filtered`] drops a row: the numbers that are out of their bounds, or the score where it is not wanted.
pub(crate) fn why<M: CodeMeasure>(
    measure: &M,
    frame: &DataFrame,
    row: usize,
    key: &str,
    output: &ScoreColumns<M>,
    compatibility: Compatibility,
    kept: &RangeInclusive<f64>,
) -> Option<String> {
    let cell = frame.column(key).ok()?.get(row).ok()?;
    let Some(code) = SourceCode::of(&cell, compatibility) else { return Some(SourceCode::absent(&cell)) };
    let (numbers, names): (Vec<f64>, Vec<String>) = (measure.scored(&code), output.columns().collect());
    let out: Vec<String> = measure.bounds(&code).iter().filter_map(|(place, bounds)| bounds::missed(&names[*place], numbers[*place], bounds)).collect();
    let score = bounds::missed(&names[M::SCORE], numbers[M::SCORE], kept)?;
    Some(if out.is_empty() { score } else { out.join("; ") })
}
