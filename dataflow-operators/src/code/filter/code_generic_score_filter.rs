//! Filters rows by a number that is there already.

use dataflow_core::key::{Any, Input, Integer, Output};
use dataflow_core::operator::Changes;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::row::json_of;
use dataflow_core::shape::Columns;
use dataflow_core::{Result, operator};
use polars::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Keeps rows whose score compares with a threshold as `filter_method` says.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null, and what is no number, is dropped.
///
/// # 中文
///
/// 按 `filter_method` 将得分与阈值比较并保留满足条件的行。保留的行标签为 1，丢弃的为 0；空值与不是数字的内容会被丢弃。
#[operator(code, filter, Columns)]
pub struct CodeGenericScoreFilter {
    /// The score. 中文：得分。
    pub input_key: Input<Any>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// What it is compared with. 中文：阈值。
    pub score_threshold: f64,
    /// How they compare. 中文：比较方式。
    pub filter_method: Comparison,
}

/// How a score compares with a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// The score is as high or higher.
    #[default]
    GreaterEqual,
    /// The score is higher.
    Greater,
    /// The score is as low or lower.
    LessEqual,
    /// The score is lower.
    Less,
    /// The two are equal.
    Equal,
}

impl Default for CodeGenericScoreFilter {
    fn default() -> Self {
        Self {
            input_key: "quality_score".into(),
            output_key: "generic_score_filter_label".into(),
            score_threshold: 8.0,
            filter_method: Comparison::GreaterEqual,
        }
    }
}

impl CodeGenericScoreFilter {
    fn keeps(&self, score: f64) -> bool {
        let threshold = self.score_threshold;
        match self.filter_method {
            Comparison::GreaterEqual => score >= threshold,
            Comparison::Greater => score > threshold,
            Comparison::LessEqual => score <= threshold,
            Comparison::Less => score < threshold,
            #[expect(clippy::float_cmp, reason = "the user asks for equal numbers")]
            Comparison::Equal => score == threshold,
        }
    }
}

impl Columns for CodeGenericScoreFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let scores = scores_of(frame.column(self.input_key.as_str())?)?;
        let keep: Vec<bool> = scores.iter().map(|score| score.is_some_and(|score| self.keeps(score))).collect();
        let label = Column::new(self.output_key.as_str().into(), keep.iter().map(|keep| i64::from(*keep)).collect::<Vec<_>>());
        Ok(Changes { columns: vec![label], keep: Some(keep.into_iter().map(Some).collect()), failed: Vec::new() })
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        let column = frame.column(self.input_key.as_str()).ok()?.slice(i64::try_from(row).ok()?, 1);
        let score = scores_of(&column).ok()?.get(0);
        Some(match (score, json_of(&column.get(0).ok()?)) {
            (Some(score), _) => format!("measured {score}, score_threshold {}", self.score_threshold),
            (None, Value::Null) => "the score is null".into(),
            (None, other) => format!("{other} is no number"),
        })
    }
}

/// The numbers of a column; a list and a record are none.
fn scores_of(column: &Column) -> Result<Float64Chunked> {
    if column.dtype().is_nested() {
        return Ok(Float64Chunked::full_null(column.name().clone(), column.len()));
    }
    Ok(column.cast(&DataType::Float64)?.f64()?.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, frame_of, run_rule};
    use serde_json::json;

    conformance!(CodeGenericScoreFilter);

    #[test]
    fn every_comparison_is_made() {
        let kept = |filter_method| {
            let frame = df!("quality_score" => [Some(7.0), Some(8.0), Some(9.0), None]).unwrap();
            run_rule(&CodeGenericScoreFilter { filter_method, ..Default::default() }, frame).1
        };
        assert_eq!(kept(Comparison::GreaterEqual), [false, true, true, false]);
        assert_eq!(kept(Comparison::Greater), [false, false, true, false]);
        assert_eq!(kept(Comparison::LessEqual), [true, true, false, false]);
        assert_eq!(kept(Comparison::Less), [true, false, false, false]);
        assert_eq!(kept(Comparison::Equal), [false, true, false, false]);
    }

    #[test]
    fn what_is_no_number_is_told() {
        let frame = df!("quality_score" => [Some("7.5"), Some("good"), None]).unwrap();
        let why = |row| Columns::why(&CodeGenericScoreFilter::default(), &frame, row).unwrap();
        assert_eq!([why(0), why(1), why(2)], ["measured 7.5, score_threshold 8", "\"good\" is no number", "the score is null"]);
    }

    #[test]
    fn a_list_and_a_record_go_as_what_is_no_number() {
        let check = |score: Value| {
            let (filter, frame) = (CodeGenericScoreFilter::default(), frame_of(&[json!({ "quality_score": score })]));
            (run_rule(&filter, frame.clone()).1[0], Columns::why(&filter, &frame, 0).unwrap())
        };
        assert_eq!(check(json!([9])), (false, "[9] is no number".into()));
        assert_eq!(check(json!({ "score": 9 })), (false, "{\"score\":9} is no number".into()));
    }
}
