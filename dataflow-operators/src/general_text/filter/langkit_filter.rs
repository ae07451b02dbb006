//! Filters rows by how hard they are to read.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use dataflow_core::key::{Input, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::bounds;
use crate::general_text::eval::langkit_sample_evaluator::{column_of, values_of};
use crate::general_text::readability::{LabelledReadabilityColumns, ReadabilityMetric};
use crate::word_list;

/// Keeps rows whose measures of reading lie within bounds, and writes each measure with a label.
///
/// The measures are those of `LangkitSampleEvaluator`. One without a bound passes; only those of `metrics_to_keep` and `output_keys` are looked at. A null is dropped.
///
/// # 中文
///
/// 保留各项阅读指标均在范围之内的行，并写入指标及其标签。
///
/// 指标与 `LangkitSampleEvaluator` 相同。没有界限的指标视为通过；只检查同时列在 `metrics_to_keep` 与 `output_keys` 中的指标。空值会被丢弃。
#[operator(general_text, filter, Columns)]
pub struct LangkitFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// The lowest values to keep. 中文：保留的最低值。
    pub min_scores: BTreeMap<ReadabilityMetric, f64>,
    /// The highest values to keep. 中文：保留的最高值。
    pub max_scores: BTreeMap<ReadabilityMetric, f64>,
    /// The measures by which rows go; the others are only written. 中文：用于过滤的指标，其余只写入。
    pub metrics_to_keep: Vec<ReadabilityMetric>,
    /// The measures that are written, each to its column and its label's. 中文：要写入的指标，每项一列，另有一列标签。
    #[keys]
    pub output_keys: LabelledReadabilityColumns,
    /// A file with an easy word a line, in the place of the built-in list; a line that begins with `# ` is a remark. 中文：易词表文件，每行一词，取代内置词表；以 `# ` 开头的行是注释。
    pub easy_words_path: Option<PathBuf>,
}

/// The lowest and the highest value of each metric, DataFlow's.
const BOUNDS: [(f64, f64); ReadabilityMetric::ALL.len()] = [
    (0.0, 100.0),
    (0.0, 100.0),
    (0.0, 100.0),
    (32.0, 2331.9),
    (23.0, 1554.0),
    (1.0, 89.1),
    (118.0, 7466.3),
    (109.0, 7193.0),
    (0.0, 216.4),
    (13.0, 1044.1),
    (4.0, 213.4),
];

impl Default for LangkitFilter {
    fn default() -> Self {
        let bounds = || ReadabilityMetric::ALL.into_iter().zip(BOUNDS);
        Self {
            input_key: "text".into(),
            min_scores: bounds().map(|(metric, (least, _))| (metric, least)).collect(),
            max_scores: bounds().map(|(metric, (_, most))| (metric, most)).collect(),
            metrics_to_keep: ReadabilityMetric::ALL.into(),
            output_keys: LabelledReadabilityColumns::default(),
            easy_words_path: None,
        }
    }
}

impl LangkitFilter {
    fn bounds_of(&self, metric: ReadabilityMetric) -> RangeInclusive<f64> {
        let bound = |bounds: &BTreeMap<ReadabilityMetric, f64>, otherwise| bounds.get(&metric).copied().unwrap_or(otherwise);
        bound(&self.min_scores, f64::NEG_INFINITY)..=bound(&self.max_scores, f64::INFINITY)
    }
}

impl Columns for LangkitFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let values = values_of(frame, self.input_key.as_str(), self.easy_words_path.as_deref())?;
        let mut keep: Vec<bool> = values.iter().map(Option::is_some).collect();
        let mut columns = Vec::new();
        for metric in self.output_keys.metrics() {
            let bounds = self.bounds_of(*metric);
            let well: Vec<Option<bool>> = values.iter().map(|values| values.map(|values| bounds.contains(&values[*metric as usize]))).collect();
            if self.metrics_to_keep.contains(metric) {
                keep.iter_mut().zip(&well).for_each(|(keep, well)| *keep &= *well == Some(true));
            }
            columns.push(column_of(*metric, &values));
            columns.push(Column::new(metric.label().into(), well.into_iter().map(|well| well.map(i64::from)).collect::<Vec<_>>()));
        }
        Ok(Changes { columns, keep: Some(keep.into_iter().map(Some).collect()), failed: Vec::new() })
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        let one = frame.slice(i64::try_from(row).ok()?, 1);
        let Some(values) = *values_of(&one, self.input_key.as_str(), self.easy_words_path.as_deref()).ok()?.first()? else {
            return Some("the text is null".into());
        };
        let looked_at = self.output_keys.metrics().iter().filter(|metric| self.metrics_to_keep.contains(metric));
        let out = looked_at.filter_map(|metric| bounds::missed(&metric.column(), values[*metric as usize], &self.bounds_of(*metric)));
        Some(out.collect::<Vec<_>>().join("; ")).filter(|out| !out.is_empty())
    }

    fn problems(&self) -> Vec<String> {
        let both = self.min_scores.iter().filter_map(|(metric, least)| self.max_scores.get(metric).map(|largest| (metric.name(), *least, *largest)));
        let mut problems = word_list::problems("easy_words_path", self.easy_words_path.as_deref());
        problems
            .extend(both.flat_map(|(name, least, largest)| bounds::closed((&format!("min_scores.{name}"), least), (&format!("max_scores.{name}"), largest))));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(LangkitFilter);

    #[test]
    fn rows_outside_the_bounds_go() {
        let parameters = json!({
            "min_scores": {"lexicon_count": 3}, "max_scores": {"lexicon_count": 4, "syllable_count": 3}, "metrics_to_keep": ["lexicon_count"],
            "output_keys": ["lexicon_count", "syllable_count"],
        });
        let operator: LangkitFilter = serde_json::from_value(parameters).unwrap();
        assert_snapshot!(check_rule(&operator, "text", ["one two", "one two three", "a paper on paper"]), @r"
        dropped
        text=one two three LangkitLexiconCountScore=3.0 LangkitLexiconCountScore_label=1 LangkitSyllableCountScore=3.0 LangkitSyllableCountScore_label=1
        text=a paper on paper LangkitLexiconCountScore=4.0 LangkitLexiconCountScore_label=1 LangkitSyllableCountScore=6.0 LangkitSyllableCountScore_label=0
        ");
        let why = |text: Option<&str>| Columns::why(&operator, &df!("text" => [text]).unwrap(), 0).unwrap();
        assert_eq!(why(Some("one two")), "`LangkitLexiconCountScore` is 2, below 3");
        assert_eq!(why(Some("one two three four five")), "`LangkitLexiconCountScore` is 5, above 4");
        assert_eq!(why(None), "the text is null");
    }

    #[test]
    fn an_unknown_measure_is_refused() {
        let error = serde_json::from_value::<LangkitFilter>(json!({"min_scores": {"lexicon": 3}})).unwrap_err().to_string();
        assert!(error.starts_with("unknown variant `lexicon`, expected one of `flesch_reading_ease`"), "{error}");
    }

    #[test]
    fn bounds_between_which_there_is_nothing_are_refused() {
        let operator: LangkitFilter = serde_json::from_value(json!({"min_scores": {"lexicon_count": 9}, "max_scores": {"lexicon_count": 4}})).unwrap();
        assert_eq!(Columns::problems(&operator), ["`min_scores.lexicon_count` is 9 and `max_scores.lexicon_count` 4, so no row can stay"]);
    }
}
