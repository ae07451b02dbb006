//! Filters source code: DocumentQuality as a measure.

use dataflow_core::key::{Any, Input, Integer, Output};
use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Result, operator};
use polars::prelude::DataFrame;

use crate::bounds;
use crate::code::document_quality::{DocumentQuality, QualityThresholds};
use crate::code::measure::{filtered, why};
use crate::compatibility::Compatibility;
use crate::score_columns::ScoreColumns;

/// Keeps rows whose score lies between `min_score` and `max_score`, and writes characters, words, the shares of repeated lines and of repeated runs of 2 to 10 words, of curly brackets and of words in capitals, the entropy of the words, and a score of 0 where one is out of its bounds.
///
/// `input_key` is a text, a list of lines, or a record with `text` (or `content`), `lines` and `language`. A text is code as it stands, also one that is JSON: of a column in which some rows have a text and others a list or a record, the reader makes texts, with a warning, and CSV has texts alone. DataFlow takes each character of a text for a line, and a record with neither `text`, `content` nor `lines` for an empty text; `compatibility: dataflow` does as it does, and otherwise such a record is as a null. A null is dropped.
///
/// # 中文
///
/// 保留得分在 `min_score` 与 `max_score` 之间的行，并写入字符数、词数、重复行占比、2 至 10 词重复片段占比、花括号占比、全大写单词占比与词的熵；任一项越界时得分为 0。
///
/// `input_key` 可为文本、行的列表，或含 `text`（或 `content`）、`lines`、`language` 的记录。文本即代码本身，内容为 JSON 时也是如此：同一列中若有的行是文本、有的行是列表或记录，读取时会全部转为文本并给出提示，CSV 中则只有文本。DataFlow 把文本中的每个字符当作一行，并把没有 `text`、`content`、`lines` 的记录当作空文本；`compatibility: dataflow` 沿用其做法，否则此类记录视为空值。空值会被丢弃。
#[operator(code, filter, Columns)]
pub struct CodeDocumentQualityFilter {
    /// The code. 中文：代码。
    pub input_key: Input<Any>,
    /// Where the label goes, 1 for a row that stays. 中文：写入标签的列，保留的行为 1。
    pub output_key: Output<Integer>,
    /// The lowest score to keep. 中文：保留的最低得分。
    pub min_score: f64,
    /// The highest score to keep. 中文：保留的最高得分。
    pub max_score: f64,
    /// The bounds by their names; those that are not given are `min_num_chars` 1, `max_num_chars` 100000, `min_num_words` 1, `max_num_words` 100000, `min_entropy_unigram` 0, and 1, which any share keeps, for `max_frac_duplicate_lines`, `max_frac_duplicate_2gram` and so on to `max_frac_duplicate_10gram`, `max_frac_curly_bracket` and `max_frac_all_caps_words`. 中文：各项界限，以名称为键；未给出时 `min_num_chars` 为 1，`max_num_chars` 为 100000，`min_num_words` 为 1，`max_num_words` 为 100000，`min_entropy_unigram` 为 0，`max_frac_duplicate_lines`、`max_frac_duplicate_2gram` 至 `max_frac_duplicate_10gram`、`max_frac_curly_bracket`、`max_frac_all_caps_words` 为 1，即不限。
    pub thresholds: QualityThresholds,
    /// What the names of the columns begin with. 中文：写入列名的前缀。
    #[keys]
    pub output_prefix: ScoreColumns<DocumentQuality>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for CodeDocumentQualityFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "doc_quality_filter_label".into(),
            min_score: 1.0,
            max_score: 1.0,
            thresholds: QualityThresholds::default(),
            output_prefix: ScoreColumns::default(),
            compatibility: Compatibility::Own,
        }
    }
}

impl Columns for CodeDocumentQualityFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        filtered(
            &DocumentQuality(self.thresholds.clone()),
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
        why(&DocumentQuality(self.thresholds.clone()), frame, row, self.input_key.as_str(), &self.output_prefix, self.compatibility, &kept)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.thresholds.problems();
        problems.extend(bounds::of_share(self.min_score, self.max_score));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, run_rule};
    use polars::prelude::df;

    conformance!(CodeDocumentQualityFilter);

    #[test]
    fn what_scores_too_low_goes() {
        let frame = df!("text" => ["", "let x = 1;"]).unwrap();
        let (after, kept) = run_rule(&CodeDocumentQualityFilter::default(), frame);
        let score = after.columns().iter().find(|column| column.name().ends_with("Score")).unwrap();
        assert_eq!(score.f64().unwrap().iter().flatten().collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!(kept, [false, true]);
    }
    #[test]
    fn bounds_that_no_text_keeps_are_refused() {
        let problems = |thresholds: &[(&str, f64)]| {
            let thresholds = QualityThresholds(thresholds.iter().map(|(name, bound)| ((*name).to_owned(), *bound)).collect());
            Columns::problems(&CodeDocumentQualityFilter { thresholds, ..Default::default() })
        };
        assert_eq!(problems(&[("min_num_chars", 5.0), ("max_num_chars", 5.0), ("max_frac_curly_bracket", 0.0)]), [""; 0]);
        assert_eq!(
            problems(&[("min_num_chars", 10.0), ("max_num_chars", 5.0)]),
            ["`thresholds`: `min_num_chars` is 10 and `max_num_chars` 5, so every text has a score of 0"]
        );
        assert_eq!(
            problems(&[("max_frac_duplicate_lines", -0.5)]),
            ["`thresholds`: `max_frac_duplicate_lines` is -0.5, and a share is never below 0, so every text has a score of 0"]
        );
    }
    #[test]
    fn what_is_out_of_bounds_is_told() {
        let frame = df!("text" => [Some(""), None]).unwrap();
        assert_eq!(
            [0, 1].map(|row| Columns::why(&CodeDocumentQualityFilter::default(), &frame, row).unwrap()),
            ["`CodeDocumentQualityCharCount` is 0, below 1; `CodeDocumentQualityWordCount` is 0, below 1", "the code is null"]
        );
        let one_word = QualityThresholds([("max_frac_duplicate_2gram".to_owned(), 0.5)].into());
        let repeats = CodeDocumentQualityFilter { thresholds: one_word, ..Default::default() };
        let why = Columns::why(&repeats, &df!("text" => ["a b a b a b"]).unwrap(), 0);
        assert_eq!(why.as_deref(), Some("`CodeDocumentQualityDuplicate_2Gram_RatioRatio` is 1, above 0.5"));
    }
}
