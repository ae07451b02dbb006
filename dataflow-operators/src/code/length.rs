//! How many lines code has, and how long they are.

use std::ops::RangeInclusive;

use super::measure::CodeMeasure;
use super::source_code::SourceCode;
use crate::score_columns::ScoreNames;

/// Lines, their mean and greatest length, and whether all are within bounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CodeLength;

impl ScoreNames for CodeLength {
    const PREFIX: &'static str = "CodeLength";
    const NAMES: &'static [&'static str] = &["TotalLines", "AvgLineLength", "MaxLineLength", "Score"];
}

/// Languages of data and documents, whose lines may be long.
const LONG_LINES: [&str; 9] = ["html", "json", "markdown", "roff", "roff manpage", "smt", "tex", "text", "xml"];

impl CodeMeasure for CodeLength {
    const SCORE: usize = 3;

    fn numbers(&self, code: &SourceCode<'_>) -> Vec<f64> {
        let lengths: Vec<usize> = code.lines().map(|line| line.chars().count()).collect();
        let (lines, longest) = (lengths.len(), lengths.iter().max().copied().unwrap_or(0));
        let mean = if lines == 0 { 0.0 } else { lengths.iter().sum::<usize>() as f64 / lines as f64 };
        vec![lines as f64, mean, longest as f64]
    }

    fn bounds(&self, code: &SourceCode<'_>) -> Vec<(usize, RangeInclusive<f64>)> {
        let may_be_long = code.language.as_ref().is_some_and(|language| LONG_LINES.contains(&language.to_lowercase().as_str()));
        let (mean, longest) = if may_be_long { (f64::INFINITY, 100_000.0) } else { (100.0, 1000.0) };
        vec![(0, 0.0..=100_000.0), (1, 0.0..=mean), (2, 0.0..=longest)]
    }
}
