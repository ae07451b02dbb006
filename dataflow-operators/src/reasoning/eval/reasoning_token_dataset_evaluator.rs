//! Tells how long questions and answers are in tokens.

use std::sync::Arc;

use dataflow_core::key::{Input, Text};
use dataflow_core::operator::{Changes, DatasetResult, DatasetWork, Prepare, Prepared};
use dataflow_core::shape::{Dataset, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::DataFrame;
use serde_json::{Map, json};

use crate::tokens::Tokenizer;

/// Tells how long questions and answers are in tokens: how many are empty, the least, the most, the mean and the upper median.
///
/// The result stands in the report. Rows pass as they are. The special tokens that a model's tokenizer puts around a text are not counted.
///
/// # 中文
///
/// 统计问题与答案的 token 长度：为空的个数、最小、最大、平均与上中位数。结果写入运行报告，各行原样通过。分词器在文本首尾添加的特殊 token 不计。
#[operator(reasoning, eval, Dataset)]
pub struct ReasoningTokenDatasetEvaluator {
    /// The question. 中文：问题。
    pub input_question_key: Input<Text>,
    /// The answer. 中文：答案。
    pub input_answer_key: Input<Text>,
    /// The vocabulary that is counted by: `o200k_base`, `cl100k_base`, `whitespace`, or the path of a model's `tokenizer.json`. 中文：计数所用的词表：`o200k_base`、`cl100k_base`、`whitespace`，或模型的 `tokenizer.json` 路径。
    #[path(json)]
    pub tokenizer: Tokenizer,
}

impl Default for ReasoningTokenDatasetEvaluator {
    fn default() -> Self {
        Self { input_question_key: "question".into(), input_answer_key: "answer".into(), tokenizer: Tokenizer::default() }
    }
}

#[derive(Default)]
struct Counting {
    operator: ReasoningTokenDatasetEvaluator,
    questions: Vec<u32>,
    answers: Vec<u32>,
}

impl Dataset for ReasoningTokenDatasetEvaluator {
    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Counting { operator: self.clone(), ..Counting::default() }))
    }

    fn problems(&self) -> Vec<String> {
        self.tokenizer.problem().map(|problem| format!("`tokenizer`: {problem}")).into_iter().collect()
    }
}

impl ReasoningTokenDatasetEvaluator {
    /// How many tokens the questions have, and the answers.
    fn lengths(&self, frame: &DataFrame) -> Result<[Vec<u32>; 2]> {
        let of = |key: &Input<Text>| {
            texts_of(frame, key.as_str())?.iter().map(|text| text.map_or(Ok(0), |text| Ok(self.tokenizer.count(text)? as u32))).collect::<Result<Vec<u32>>>()
        };
        Ok([of(&self.input_question_key)?, of(&self.input_answer_key)?])
    }
}

impl Prepare for ReasoningTokenDatasetEvaluator {
    fn prepare(&self, frame: &DataFrame) -> Result<Prepared> {
        Ok(Box::new(self.lengths(frame)?))
    }
}

impl Counting {
    fn add(&mut self, [questions, answers]: [Vec<u32>; 2]) -> Changes {
        self.questions.extend(questions);
        self.answers.extend(answers);
        Changes::default()
    }
}

impl DatasetWork for Counting {
    fn preparation(&self) -> Option<Arc<dyn Prepare>> {
        Some(Arc::new(self.operator.clone()))
    }

    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        let lengths = self.operator.lengths(frame)?;
        Ok(self.add(lengths))
    }

    fn prepared_batch(&mut self, frame: &DataFrame, prepared: Prepared) -> Result<Changes> {
        match prepared.downcast() {
            Ok(lengths) => Ok(self.add(*lengths)),
            Err(_) => self.batch(frame), // prepared by other work
        }
    }

    fn end(&mut self) -> Result<Option<DatasetResult>> {
        let mut result = Map::new();
        for (name, lengths) in [("questions", &mut self.questions), ("answers", &mut self.answers)] {
            lengths.sort_unstable();
            let mean = if lengths.is_empty() { 0.0 } else { lengths.iter().map(|length| f64::from(*length)).sum::<f64>() / lengths.len() as f64 };
            let told = [
                ("zeros_count", json!(lengths.iter().filter(|length| **length == 0).count())),
                ("min", json!(lengths.first())),
                ("max", json!(lengths.last())),
                ("mean", json!(mean)),
                ("median", json!(lengths.get(lengths.len() / 2))),
            ];
            result.extend(told.map(|(what, value)| (format!("{name}_{what}"), value)));
        }
        Ok(Some(DatasetResult { value: result.into(), path: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::conformance;
    use polars::prelude::df;

    conformance!(ReasoningTokenDatasetEvaluator);

    #[test]
    fn lengths_are_those_of_all_batches() {
        let operator = ReasoningTokenDatasetEvaluator { tokenizer: Tokenizer::Whitespace, ..Default::default() };
        let mut work = Dataset::start(&operator).unwrap();
        work.batch(&df!("question" => ["a b", ""], "answer" => [Some("c d e"), None]).unwrap()).unwrap();
        work.batch(&df!("question" => ["x", "one two three four"], "answer" => ["y", ""]).unwrap()).unwrap();
        let value = work.end().unwrap().unwrap().value;
        assert_eq!(
            (&value["questions_zeros_count"], &value["questions_max"], &value["questions_mean"], &value["questions_median"]),
            (&json!(1), &json!(4), &json!(1.75), &json!(2))
        );
        assert_eq!((&value["answers_zeros_count"], &value["answers_max"], &value["answers_median"]), (&json!(2), &json!(3), &json!(1)));
    }
}
