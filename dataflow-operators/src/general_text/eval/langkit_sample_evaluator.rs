//! Scores how hard a text is to read.

use dataflow_core::key::{Input, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Error, Result, operator};
use polars::prelude::*;
use std::path::{Path, PathBuf};

use crate::general_text::readability::{METRICS, ReadabilityColumns, ReadabilityMetric, easy_words, measure};
use crate::word_list;

/// Writes eleven measures of an English text: reading ease, two school grades, and counts of syllables, words, sentences, characters and difficult words.
///
/// They are those of LangKit and textstat, which DataFlow uses. Syllables are counted by groups of vowels, with a list of exceptions. Which words are easy says a list of
/// our own or of a file, so that `difficult_words`, and the grade on which most formulas agree, may differ a little from DataFlow's. A null has no scores.
///
/// # 中文
///
/// 写入英文文本的十一项指标：易读度、两项年级水平，以及音节、词、句、字符与难词等计数。
///
/// 指标与 DataFlow 所用的 LangKit 和 textstat 相同。音节按元音组计数，并有例外词表。易词表由本项目自编，也可用文件给出，因此 `difficult_words` 与多数公式一致的年级水平可能与 DataFlow 略有差异。
/// 空值没有得分。
#[operator(general_text, eval, Columns)]
pub struct LangkitSampleEvaluator {
    /// The text to score. 中文：要评分的文本。
    pub input_key: Input<Text>,
    /// The measures that are written, each to its column. 中文：要写入的指标，每项一列。
    #[keys]
    pub output_keys: ReadabilityColumns,
    /// A file with an easy word a line, in the place of the built-in list; a line that begins with `# ` is a remark. 中文：易词表文件，每行一词，取代内置词表；以 `# ` 开头的行是注释。
    pub easy_words_path: Option<PathBuf>,
}

impl Default for LangkitSampleEvaluator {
    fn default() -> Self {
        Self { input_key: "text".into(), output_keys: ReadabilityColumns::default(), easy_words_path: None }
    }
}

/// The values of all metrics of each text; `None` for a null.
pub(crate) fn values_of(frame: &DataFrame, key: &str, easy_words_path: Option<&Path>) -> Result<Vec<Option<[f64; METRICS]>>> {
    let easy_words = easy_words(easy_words_path).map_err(|error| Error::Configuration(format!("`easy_words_path`: {error}")))?;
    Ok(texts_of(frame, key)?.iter().map(|text| text.map(|text| measure(text, &easy_words))).collect())
}

/// The column of a metric.
pub(crate) fn column_of(metric: ReadabilityMetric, values: &[Option<[f64; METRICS]>]) -> Column {
    let column: Float64Chunked = values.iter().map(|values| values.map(|values| values[metric as usize])).collect();
    column.with_name(metric.column().into()).into_column()
}

impl Columns for LangkitSampleEvaluator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let values = values_of(frame, self.input_key.as_str(), self.easy_words_path.as_deref())?;
        Ok(Changes { columns: self.output_keys.metrics().iter().map(|metric| column_of(*metric, &values)).collect(), ..Changes::default() })
    }

    fn problems(&self) -> Vec<String> {
        word_list::problems("easy_words_path", self.easy_words_path.as_deref())
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

    #[test]
    fn a_list_of_ones_own_says_which_words_are_easy() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Metabolism\nis\n").unwrap();
        let difficult = |easy_words_path| {
            let operator = LangkitSampleEvaluator { easy_words_path, ..Default::default() };
            let shown = check_frame(&operator, df!("text" => ["Metabolism is a paper of many."]).unwrap());
            shown.rsplit('=').next().unwrap().to_owned()
        };
        assert_eq!((difficult(None), difficult(Some(file.path().to_owned()))), ("1.0".into(), "2.0".into()));
        let missing = LangkitSampleEvaluator { easy_words_path: Some("/no/such/list".into()), ..Default::default() };
        assert!(Columns::problems(&missing)[0].starts_with("`easy_words_path`: cannot read /no/such/list"), "{:?}", Columns::problems(&missing));
    }
}
