//! The mean score of a whole set.

use std::path::PathBuf;

use dataflow_core::Result;
use dataflow_core::operator::{DatasetResult, Summary};
use dataflow_core::row::json_of;
use dataflow_core::shape::texts_of;
use polars::prelude::DataFrame;
use serde_json::json;

use super::choices::LabelBase;
use super::label::NumbersSeen;
use super::reading::{Listed, listed};
use super::{EvalType, UnifiedBenchDatasetEvaluator, is_unread};
use crate::compatibility::Compatibility;

/// The mean score so far.
pub(super) struct Mean {
    path: Option<PathBuf>,
    eval_type: EvalType,
    compatibility: Compatibility,
    label_base: LabelBase,
    /// Those of whether a row is valid, why not, and its score.
    columns: [String; 3],
    /// Those of the choices and the labels, where numbers among them are looked at.
    labels: Option<[String; 2]>,
    numbers: NumbersSeen,
    total: usize,
    valid: usize,
    /// Rows whose prediction could not be read.
    unread: usize,
    sum: f64,
}

impl Mean {
    pub(super) fn of(operator: &UnifiedBenchDatasetEvaluator) -> Self {
        let column = |key: &Option<dataflow_core::key::Input<dataflow_core::key::Any>>| key.as_ref().map(|key| key.as_str().to_owned());
        let labels = match operator.eval_type {
            EvalType::Key3QChoicesA => column(&operator.input_label_key),
            EvalType::Key3QChoicesAs => column(&operator.input_labels_key),
            _ => None,
        };
        let labels = labels.filter(|_| operator.compatibility == Compatibility::Own && operator.label_base == LabelBase::Auto);
        Self {
            path: operator.eval_result_path.clone(),
            eval_type: operator.eval_type,
            compatibility: operator.compatibility,
            label_base: operator.label_base,
            columns: [operator.output_eval_valid_key.as_str(), operator.output_eval_error_key.as_str(), operator.output_eval_score_key.as_str()]
                .map(ToOwned::to_owned),
            labels: column(&operator.input_choices_key).zip(labels).map(|(choices, labels)| [choices, labels]),
            numbers: NumbersSeen::default(),
            total: 0,
            valid: 0,
            unread: 0,
            sum: 0.0,
        }
    }
}

impl Summary for Mean {
    fn observe(&mut self, frame: &DataFrame) -> Result<()> {
        let [valid, error, score] = &self.columns;
        self.total += frame.height();
        self.valid += frame.column(valid)?.bool()?.iter().filter(|valid| *valid == Some(true)).count();
        self.unread += texts_of(frame, error)?.iter().flatten().filter(|error| is_unread(error)).count();
        self.sum += frame.column(score)?.f64()?.iter().flatten().sum::<f64>();
        if let Some([choices, labels]) = &self.labels {
            let (choices, labels) = (frame.column(choices)?, frame.column(labels)?);
            for row in 0..frame.height() {
                let Ok(Listed { texts, base: None }) = listed(json_of(&choices.get(row)?), self.compatibility) else { continue };
                self.numbers.observe(&json_of(&labels.get(row)?), &texts);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<DatasetResult> {
        let counted = self.valid + if self.compatibility == Compatibility::Own { self.unread } else { 0 };
        let measure = if self.eval_type == EvalType::Key3QChoicesAs { "micro_f1_mean" } else { "accuracy" };
        let mut value = json!({
            "bench_name_or_prefix": self.path.as_ref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy()),
            "eval_type": self.eval_type,
            "total_samples": self.total,
            "valid_samples": self.valid,
            "unread_predictions": self.unread,
            measure: (counted > 0).then(|| self.sum / counted as f64),
        });
        if let Some(warning) = self.numbers.warning(self.label_base) {
            tracing::warn!("{warning}");
            value["warning"] = json!(warning);
        }
        Ok(DatasetResult { value, path: self.path.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::choices;
    use super::*;
    use dataflow_core::shape::AskModel;
    use dataflow_core::testing::frame_of;
    use serde_json::Value;

    #[test]
    fn predictions_that_cannot_be_read_are_wrong() {
        let rows = frame_of(&[
            json!({ "choices": ["x", "y"], "label": "A", "eval_valid": true, "eval_error": "", "eval_score": 1.0 }),
            json!({ "choices": ["x", "y"], "label": "A", "eval_valid": false, "eval_error": "parse_failed", "eval_score": null }),
            json!({ "choices": ["x", "y"], "label": "A", "eval_valid": false, "eval_error": "invalid_label", "eval_score": null }),
        ]);
        let told = |operator: &UnifiedBenchDatasetEvaluator| {
            let mut summary = AskModel::summary(operator).unwrap();
            summary.observe(&rows).unwrap();
            summary.end().unwrap().value["accuracy"].clone()
        };
        assert_eq!(told(&choices()), 0.5);
        assert_eq!(told(&UnifiedBenchDatasetEvaluator { compatibility: Compatibility::Dataflow, ..choices() }), 1.0);
    }

    #[test]
    fn a_set_whose_labels_seem_to_count_from_one_is_told_of() {
        let told = |operator: &UnifiedBenchDatasetEvaluator, labels: &[Value]| {
            let rows: Vec<_> =
                labels.iter().map(|label| json!({ "choices": ["x", "y"], "label": label, "eval_valid": true, "eval_error": "", "eval_score": 1.0 })).collect();
            let mut summary = AskModel::summary(operator).unwrap();
            for row in rows {
                summary.observe(&frame_of(&[row])).unwrap();
            }
            summary.end().unwrap().value.get("warning").and_then(Value::as_str).unwrap_or("none").to_owned()
        };
        assert!(told(&choices(), &[json!(1), json!(2)]).contains("`label_base: one`"));
        assert!(told(&choices(), &[json!(0), json!(2)]).contains("both"));
        assert_eq!(told(&choices(), &[json!(0), json!(1)]), "none");
        assert_eq!(told(&choices(), &[json!("A"), json!("B")]), "none");
        assert_eq!(told(&choices(), &[json!("x"), json!("y")]), "none");
        assert_eq!(told(&UnifiedBenchDatasetEvaluator { label_base: LabelBase::One, ..choices() }, &[json!(1), json!(2)]), "none");
        assert_eq!(told(&UnifiedBenchDatasetEvaluator { compatibility: Compatibility::Dataflow, ..choices() }, &[json!(1), json!(2)]), "none");
    }
}
