//! Filters source code: TextComposition as a measure.

use dataflow_core::key::{Any, Input, Integer, Output};
use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Result, operator};
use polars::prelude::DataFrame;

use crate::bounds;
use crate::code::composition::TextComposition;
use crate::code::measure::{filtered, why};
use crate::compatibility::Compatibility;
use crate::score_columns::ScoreColumns;

/// Keeps rows whose score lies between `min_score` and `max_score`, and writes the shares of letters and of letters and numbers, and a score of 0 where fewer than a quarter are letters, or letters and numbers where `language` is `webassembly` or `motorola 68k assembly`.
///
/// `input_key` is a text, a list of lines, or a record with `text` (or `content`), `lines` and `language`. A text is code as it stands, also one that is JSON: of a column in which some rows have a text and others a list or a record, the reader makes texts, with a warning, and CSV has texts alone. DataFlow takes each character of a text for a line, and a record with neither `text`, `content` nor `lines` for an empty text; `compatibility: dataflow` does as it does, and otherwise such a record is as a null. A null is dropped.
///
/// # 中文
///
/// 保留得分在 `min_score` 与 `max_score` 之间的行，并写入字母占比、字母与数字占比；字母不足四分之一时得分为 0；`language` 为 `webassembly` 或 `motorola 68k assembly` 时按字母与数字计。
///
/// `input_key` 可为文本、行的列表，或含 `text`（或 `content`）、`lines`、`language` 的记录。文本即代码本身，内容为 JSON 时也是如此：同一列中若有的行是文本、有的行是列表或记录，读取时会全部转为文本并给出提示，CSV 中则只有文本。DataFlow 把文本中的每个字符当作一行，并把没有 `text`、`content`、`lines` 的记录当作空文本；`compatibility: dataflow` 沿用其做法，否则此类记录视为空值。空值会被丢弃。
#[operator(code, filter, Columns)]
pub struct CodeTextCompositionFilter {
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
    pub output_prefix: ScoreColumns<TextComposition>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for CodeTextCompositionFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "text_composition_filter_label".into(),
            min_score: 1.0,
            max_score: 1.0,
            output_prefix: ScoreColumns::default(),
            compatibility: Compatibility::Own,
        }
    }
}

impl Columns for CodeTextCompositionFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        filtered(
            &TextComposition,
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
        why(&TextComposition, frame, row, self.input_key.as_str(), &self.output_prefix, self.compatibility, &kept)
    }

    fn problems(&self) -> Vec<String> {
        bounds::of_share(self.min_score, self.max_score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, run_rule};
    use polars::prelude::df;

    conformance!(CodeTextCompositionFilter);

    #[test]
    fn what_scores_too_low_goes() {
        let frame = df!("text" => ["12 34 + 56", "let x = 1;"]).unwrap();
        let (after, kept) = run_rule(&CodeTextCompositionFilter::default(), frame);
        let score = after.columns().iter().find(|column| column.name().ends_with("Score")).unwrap();
        assert_eq!(score.f64().unwrap().iter().flatten().collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!(kept, [false, true]);
    }
    #[test]
    fn what_is_out_of_bounds_is_told() {
        let frame = df!("text" => [Some("1 + 2"), None]).unwrap();
        assert_eq!(
            [0, 1].map(|row| Columns::why(&CodeTextCompositionFilter::default(), &frame, row).unwrap()),
            ["`CodeTextCompositionAlphaRatio` is 0, below 0.25", "the code is null"]
        );
    }
}
