//! Scores source code: CodeLength as a measure.

use dataflow_core::key::{Any, Input};
use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Result, operator};
use polars::prelude::DataFrame;

use crate::code::length::CodeLength;
use crate::code::measure::evaluated;
use crate::compatibility::Compatibility;
use crate::score_columns::ScoreColumns;

/// Writes the number of lines, their mean and greatest length, and a score of 0 where there are more than 100,000 lines, lines of more than 100 characters in the mean, or one of more than 1,000; where `language` is `html`, `json`, `markdown`, `roff`, `roff manpage`, `smt`, `tex`, `text` or `xml`, a line may have 100,000, and there is no bound for the mean.
///
/// `input_key` is a text, a list of lines, or a record with `text` (or `content`), `lines` and `language`. A text is code as it stands, also one that is JSON: of a column in which some rows have a text and others a list or a record, the reader makes texts, with a warning, and CSV has texts alone. DataFlow takes each character of a text for a line, and a record with neither `text`, `content` nor `lines` for an empty text; `compatibility: dataflow` does as it does, and otherwise such a record is as a null. A null has no score.
///
/// # 中文
///
/// 写入行数、平均行长、最大行长；行数超过 100000、平均行长超过 100 或最大行长超过 1000 时得分为 0；`language` 为 `html`、`json`、`markdown`、`roff`、`roff manpage`、`smt`、`tex`、`text` 或 `xml` 时，行可长达 100000，平均行长不限。
///
/// `input_key` 可为文本、行的列表，或含 `text`（或 `content`）、`lines`、`language` 的记录。文本即代码本身，内容为 JSON 时也是如此：同一列中若有的行是文本、有的行是列表或记录，读取时会全部转为文本并给出提示，CSV 中则只有文本。DataFlow 把文本中的每个字符当作一行，并把没有 `text`、`content`、`lines` 的记录当作空文本；`compatibility: dataflow` 沿用其做法，否则此类记录视为空值。空值没有得分。
#[operator(code, eval, Columns)]
pub struct CodeLengthSampleEvaluator {
    /// The code. 中文：代码。
    pub input_key: Input<Any>,
    /// What the names of the columns begin with. 中文：写入列名的前缀。
    #[keys]
    pub output_prefix: ScoreColumns<CodeLength>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for CodeLengthSampleEvaluator {
    fn default() -> Self {
        Self { input_key: "text".into(), output_prefix: ScoreColumns::default(), compatibility: Compatibility::Own }
    }
}

impl Columns for CodeLengthSampleEvaluator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        evaluated(&CodeLength, frame, self.input_key.as_str(), &self.output_prefix, self.compatibility)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, run_rule};
    use polars::prelude::df;

    conformance!(CodeLengthSampleEvaluator);

    #[test]
    fn what_is_wrong_scores_0() {
        let frame = df!("text" => [&"x".repeat(1001), "short"]).unwrap();
        let (after, kept) = run_rule(&CodeLengthSampleEvaluator::default(), frame);
        let score = after.columns().iter().find(|column| column.name().ends_with("Score")).unwrap();
        assert_eq!(score.f64().unwrap().iter().flatten().collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!(kept, [true, true]);
    }
}
