//! Scores how hard a text is to read.

use dataflow_core::key::{Input, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::general_text::readability::{METRICS, ReadabilityColumns, ReadabilityMetric, measure};

/// Writes eleven measures of an English text: reading ease, two school grades, and counts of syllables, words, sentences, characters and difficult words.
///
/// They are those of LangKit and textstat, which DataFlow uses. Syllables are counted by groups of vowels, with a list of exceptions. Which words are easy says a list of
/// our own, so that `difficult_words`, and the grade on which most formulas agree, may differ a little from DataFlow's. A null has no scores.
///
/// # 中文
///
/// 写入英文文本的十一项指标：易读度、两项年级水平，以及音节、词、句、字符与难词等计数。
///
/// 指标与 DataFlow 所用的 LangKit 和 textstat 相同。音节按元音组计数，并有例外词表。易词表由本项目自编，因此 `difficult_words` 与多数公式一致的年级水平可能与 DataFlow 略有差异。
/// 空值没有得分。
#[operator(general_text, eval, Columns)]
pub struct LangkitSampleEvaluator {
    /// The text to score. 中文：要评分的文本。
    pub input_key: Input<Text>,
    /// The measures that are written, each to its column. 中文：要写入的指标，每项一列。
    #[keys]
    pub output_keys: ReadabilityColumns,
}

impl Default for LangkitSampleEvaluator {
    fn default() -> Self {
        Self { input_key: "text".into(), output_keys: ReadabilityColumns::default() }
    }
}

/// The values of all metrics of each text; `None` for a null.
pub(crate) fn values_of(frame: &DataFrame, key: &str) -> Result<Vec<Option<[f64; METRICS]>>> {
    Ok(texts_of(frame, key)?.iter().map(|text| text.map(measure)).collect())
}

/// The column of a metric.
pub(crate) fn column_of(metric: ReadabilityMetric, values: &[Option<[f64; METRICS]>]) -> Column {
    let column: Float64Chunked = values.iter().map(|values| values.map(|values| values[metric as usize])).collect();
    column.with_name(metric.column().into()).into_column()
}

impl Columns for LangkitSampleEvaluator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let values = values_of(frame, self.input_key.as_str())?;
        Ok(Changes { columns: self.output_keys.metrics().iter().map(|metric| column_of(*metric, &values)).collect(), ..Changes::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_frame, conformance};
    use insta::assert_snapshot;

    conformance!(LangkitSampleEvaluator);

    #[test]
    fn a_text_has_eleven_scores_and_a_null_has_none() {
        let shown = check_frame(&LangkitSampleEvaluator::default(), df!("text" => [Some("Trees grow.\nRivers flow."), None]).unwrap());
        assert_snapshot!(shown.replace(" Langkit", "\n"), @r"
        text=Trees grow.
        Rivers flow.
        FleschReadingEaseScore=92.8
        AutomatedReadabilityIndexScore=5.3
        AggregateReadingLevelScore=1.0
        SyllableCountScore=5.0
        LexiconCountScore=4.0
        SentenceCountScore=1.0
        CharacterCountScore=21.0
        LetterCountScore=19.0
        PolysyllableCountScore=0.0
        MonosyllableCountScore=3.0
        DifficultWordsScore=1.0
        text=null
        FleschReadingEaseScore=null
        AutomatedReadabilityIndexScore=null
        AggregateReadingLevelScore=null
        SyllableCountScore=null
        LexiconCountScore=null
        SentenceCountScore=null
        CharacterCountScore=null
        LetterCountScore=null
        PolysyllableCountScore=null
        MonosyllableCountScore=null
        DifficultWordsScore=null
        ");
    }
}
