//! Joins a question and its answer into one text.

use dataflow_core::key::{Input, Nullable, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

/// Writes a question and its answer, a line break between them, as one text for pre-training. A null counts as empty, and beside another null gives a null.
///
/// The other columns stay, where DataFlow drops them.
///
/// # 中文
///
/// 将问题与答案以换行连接，写为一段预训练文本。空值视为空文本；两者都为空值时写入空值。其他列保留，DataFlow 则会丢弃。
#[operator(reasoning, generate, Columns)]
pub struct ReasoningPretrainFormatConvertGenerator {
    /// The question. 中文：问题。
    pub input_read_key_question: Nullable<Input<Text>>,
    /// The answer. 中文：答案。
    pub input_read_key_answer: Nullable<Input<Text>>,
    /// Where the text goes. 中文：写入文本的列。
    pub output_key: Output<Text>,
}

impl Default for ReasoningPretrainFormatConvertGenerator {
    fn default() -> Self {
        Self { input_read_key_question: "question".into(), input_read_key_answer: "answer".into(), output_key: "text".into() }
    }
}

impl Columns for ReasoningPretrainFormatConvertGenerator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let (questions, answers) = (texts_of(frame, self.input_read_key_question.0.as_str())?, texts_of(frame, self.input_read_key_answer.0.as_str())?);
        let both = |(question, answer): (Option<&str>, Option<&str>)| {
            question.or(answer)?;
            Some(format!("{}\n{}", question.unwrap_or_default(), answer.unwrap_or_default()))
        };
        let texts: Vec<Option<String>> = questions.iter().zip(answers.iter()).map(both).collect();
        Ok(Changes { columns: vec![Column::new(self.output_key.as_str().into(), texts)], ..Changes::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, run_rule};

    conformance!(ReasoningPretrainFormatConvertGenerator);

    #[test]
    fn the_two_become_one_text() {
        let frame = df!("question" => [Some("Q1"), None, Some(""), None], "answer" => [Some("A1"), Some("A2"), None, None]).unwrap();
        let (after, _) = run_rule(&ReasoningPretrainFormatConvertGenerator::default(), frame);
        assert_eq!(after.column("text").unwrap().str().unwrap().iter().collect::<Vec<_>>(), [Some("Q1\nA1"), Some("\nA2"), Some("\n"), None]);
    }
}
