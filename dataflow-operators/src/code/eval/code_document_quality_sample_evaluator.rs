//! Scores source code: DocumentQuality as a measure.

use dataflow_core::key::{Any, Input};
use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Result, operator};
use polars::prelude::DataFrame;

use crate::code::document_quality::{DocumentQuality, QualityThresholds};
use crate::code::measure::evaluated;
use crate::compatibility::Compatibility;
use crate::score_columns::ScoreColumns;

/// Writes characters, words, the shares of repeated lines and of repeated runs of 2 to 10 words, of curly brackets and of words in capitals, the entropy of the words, and a score of 0 where one is out of its bounds.
///
/// `input_key` is a text, a list of lines, or a record with `text` (or `content`), `lines` and `language`. A text is code as it stands, also one that is JSON: of a column in which some rows have a text and others a list or a record, the reader makes texts, with a warning, and CSV has texts alone. DataFlow takes each character of a text for a line, and a record with neither `text`, `content` nor `lines` for an empty text; `compatibility: dataflow` does as it does, and otherwise such a record is as a null. A null has no score.
///
/// # 中文
///
/// 写入字符数、词数、重复行占比、2 至 10 词重复片段占比、花括号占比、全大写单词占比与词的熵；任一项越界时得分为 0。
///
/// `input_key` 可为文本、行的列表，或含 `text`（或 `content`）、`lines`、`language` 的记录。文本即代码本身，内容为 JSON 时也是如此：同一列中若有的行是文本、有的行是列表或记录，读取时会全部转为文本并给出提示，CSV 中则只有文本。DataFlow 把文本中的每个字符当作一行，并把没有 `text`、`content`、`lines` 的记录当作空文本；`compatibility: dataflow` 沿用其做法，否则此类记录视为空值。空值没有得分。
#[operator(code, eval, Columns)]
pub struct CodeDocumentQualitySampleEvaluator {
    /// The code. 中文：代码。
    pub input_key: Input<Any>,
    /// The bounds by their names; those that are not given are `min_num_chars` 1, `max_num_chars` 100000, `min_num_words` 1, `max_num_words` 100000, `min_entropy_unigram` 0, and 1, which any share keeps, for `max_frac_duplicate_lines`, `max_frac_duplicate_2gram` and so on to `max_frac_duplicate_10gram`, `max_frac_curly_bracket` and `max_frac_all_caps_words`. 中文：各项界限，以名称为键；未给出时 `min_num_chars` 为 1，`max_num_chars` 为 100000，`min_num_words` 为 1，`max_num_words` 为 100000，`min_entropy_unigram` 为 0，`max_frac_duplicate_lines`、`max_frac_duplicate_2gram` 至 `max_frac_duplicate_10gram`、`max_frac_curly_bracket`、`max_frac_all_caps_words` 为 1，即不限。
    pub thresholds: QualityThresholds,
    /// What the names of the columns begin with. 中文：写入列名的前缀。
    #[keys]
    pub output_prefix: ScoreColumns<DocumentQuality>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for CodeDocumentQualitySampleEvaluator {
    fn default() -> Self {
        Self { input_key: "text".into(), thresholds: QualityThresholds::default(), output_prefix: ScoreColumns::default(), compatibility: Compatibility::Own }
    }
}

impl Columns for CodeDocumentQualitySampleEvaluator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        evaluated(&DocumentQuality(self.thresholds.clone()), frame, self.input_key.as_str(), &self.output_prefix, self.compatibility)
    }

    fn problems(&self) -> Vec<String> {
        self.thresholds.problems()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, run_rule};
    use polars::prelude::df;

    conformance!(CodeDocumentQualitySampleEvaluator);

    #[test]
    fn what_is_wrong_scores_0() {
        let frame = df!("text" => ["", "let x = 1;"]).unwrap();
        let (after, kept) = run_rule(&CodeDocumentQualitySampleEvaluator::default(), frame);
        let score = after.columns().iter().find(|column| column.name().ends_with("Score")).unwrap();
        assert_eq!(score.f64().unwrap().iter().flatten().collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!(kept, [true, true]);
    }

    #[test]
    fn the_entropy_of_one_word_or_none_is_0_without_a_sign() {
        let (after, _) = run_rule(&CodeDocumentQualitySampleEvaluator::default(), df!("text" => ["", "x x x", "x y"]).unwrap());
        let entropy = after.columns().iter().find(|column| column.name().ends_with("Entropy")).unwrap();
        let written: Vec<String> = entropy.f64().unwrap().iter().flatten().map(|entropy| format!("{entropy:?}")).collect();
        assert_eq!(written, ["0.0", "0.0", "1.0"]);
    }
}
