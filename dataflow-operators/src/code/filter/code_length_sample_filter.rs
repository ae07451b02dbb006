//! Filters source code: CodeLength as a measure.

use dataflow_core::key::{Any, Input, Integer, Output};
use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Result, operator};
use polars::prelude::DataFrame;

use crate::bounds;
use crate::code::length::CodeLength;
use crate::code::measure::{filtered, why};
use crate::compatibility::Compatibility;
use crate::score_columns::ScoreColumns;

/// Keeps rows whose score lies between `min_score` and `max_score`, and writes the number of lines, their mean and greatest length, and a score of 0 where there are more than 100,000 lines, lines of more than 100 characters in the mean, or one of more than 1,000; where `language` is `html`, `json`, `markdown`, `roff`, `roff manpage`, `smt`, `tex`, `text` or `xml`, a line may have 100,000, and there is no bound for the mean.
///
/// `input_key` is a text, a list of lines, or a record with `text` (or `content`), `lines` and `language`. A text is code as it stands, also one that is JSON: of a column in which some rows have a text and others a list or a record, the reader makes texts, with a warning, and CSV has texts alone. DataFlow takes each character of a text for a line, and a record with neither `text`, `content` nor `lines` for an empty text; `compatibility: dataflow` does as it does, and otherwise such a record is as a null. A null is dropped.
///
/// # 中文
///
/// 保留得分在 `min_score` 与 `max_score` 之间的行，并写入行数、平均行长、最大行长；行数超过 100000、平均行长超过 100 或最大行长超过 1000 时得分为 0；`language` 为 `html`、`json`、`markdown`、`roff`、`roff manpage`、`smt`、`tex`、`text` 或 `xml` 时，行可长达 100000，平均行长不限。
///
/// `input_key` 可为文本、行的列表，或含 `text`（或 `content`）、`lines`、`language` 的记录。文本即代码本身，内容为 JSON 时也是如此：同一列中若有的行是文本、有的行是列表或记录，读取时会全部转为文本并给出提示，CSV 中则只有文本。DataFlow 把文本中的每个字符当作一行，并把没有 `text`、`content`、`lines` 的记录当作空文本；`compatibility: dataflow` 沿用其做法，否则此类记录视为空值。空值会被丢弃。
#[operator(code, filter, Columns)]
pub struct CodeLengthSampleFilter {
    /// The code. 中文：代码。
    pub input_key: Input<Any>,
    /// Where the label goes, 1 for a row that stays. 中文：写入标签的列，保留的行为 1。
    pub output_key: Output<Integer>,
    /// The lowest score to keep. 中文：保留的最低得分。
    pub min_score: f64,
    /// The highest score to keep. 中文：保留的最高得分。
    pub max_score: f64,
    /// What the names of the columns begin with. 中文：写入列名的前缀。
    #[keys]
    pub output_prefix: ScoreColumns<CodeLength>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for CodeLengthSampleFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "length_filter_label".into(),
            min_score: 1.0,
            max_score: 1.0,
            output_prefix: ScoreColumns::default(),
            compatibility: Compatibility::Own,
        }
    }
}

impl Columns for CodeLengthSampleFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        filtered(
            &CodeLength,
            frame,
            self.input_key.as_str(),
            &self.output_prefix,
            self.compatibility,
            self.output_key.as_str(),
            self.min_score..=self.max_score,
        )
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        let kept = self.min_score..=self.max_score;
        why(&CodeLength, frame, row, self.input_key.as_str(), &self.output_prefix, self.compatibility, &kept)
    }

    fn problems(&self) -> Vec<String> {
        bounds::of_share(self.min_score, self.max_score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, frame_of, run_rule};
    use polars::prelude::df;
    use serde_json::json;

    conformance!(CodeLengthSampleFilter);

    #[test]
    fn what_scores_too_low_goes() {
        let frame = df!("text" => [&"x".repeat(1001), "short"]).unwrap();
        let (after, kept) = run_rule(&CodeLengthSampleFilter::default(), frame);
        let score = after.columns().iter().find(|column| column.name().ends_with("Score")).unwrap();
        assert_eq!(score.f64().unwrap().iter().flatten().collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!(kept, [false, true]);
    }
    #[test]
    fn a_record_without_code_goes_as_a_null_does() {
        let cells = [json!({ "foo": "x" }), json!({ "text": null, "language": "rust" }), json!({ "content": "x" }), json!({ "lines": ["x"] }), json!(null)];
        let frame = frame_of(&cells.map(|cell| json!({ "text": cell })));
        let kept = |compatibility| run_rule(&CodeLengthSampleFilter { compatibility, ..Default::default() }, frame.clone()).1;
        assert_eq!(kept(Compatibility::Own), [false, false, true, true, false]);
        assert_eq!(kept(Compatibility::Dataflow), [true, true, true, true, false]);
    }
    #[test]
    fn what_is_out_of_bounds_is_told() {
        let frame = df!("text" => [Some(&*"x".repeat(1001)), None]).unwrap();
        assert_eq!(
            [0, 1].map(|row| Columns::why(&CodeLengthSampleFilter::default(), &frame, row).unwrap()),
            ["`CodeLengthAvgLineLength` is 1001, above 100; `CodeLengthMaxLineLength` is 1001, above 1000", "the code is null"]
        );
        let mistyped = frame_of(&[json!({ "text": { "code": "x", "language": "rust" } }), json!({ "text": { "text": "x" } })]);
        assert_eq!(
            Columns::why(&CodeLengthSampleFilter::default(), &mistyped, 0).unwrap(),
            "a record with `text`, `content` or `lines` was expected; found one with `code`, `language`"
        );
        let bad_alone = CodeLengthSampleFilter { min_score: 0.0, max_score: 0.5, ..Default::default() };
        assert_eq!(Columns::why(&bad_alone, &df!("text" => ["short"]).unwrap(), 0).unwrap(), "`CodeLengthScore` is 1, above 0.5");
    }
}
