//! Counts how often each difficulty occurs.

use dataflow_core::key::{Input, Text};
use dataflow_core::operator::{Changes, DatasetResult, DatasetWork};
use dataflow_core::shape::{Dataset, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::DataFrame;
use serde_json::{Map, Value, json};

use std::collections::BTreeMap;

/// Counts how often each difficulty score occurs. Nulls are not counted.
///
/// The result stands in the report. Rows pass as they are.
///
/// # 中文
///
/// 统计各难度得分出现的次数，空值不计。结果写入运行报告，各行原样通过。
#[operator(reasoning, eval, Dataset)]
pub struct ReasoningDifficultyDatasetEvaluator {
    /// The score; DataFlow spells the key so. 中文：难度得分（键名沿用 DataFlow 的拼写）。
    pub input_diffulty_key: Input<Text>,
}

impl Default for ReasoningDifficultyDatasetEvaluator {
    fn default() -> Self {
        Self { input_diffulty_key: "difficulty_score".into() }
    }
}

#[derive(Default)]
struct Counting {
    operator: ReasoningDifficultyDatasetEvaluator,
    counts: BTreeMap<String, u64>,
}

impl Dataset for ReasoningDifficultyDatasetEvaluator {
    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Counting { operator: self.clone(), ..Counting::default() }))
    }
}

impl DatasetWork for Counting {
    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        for score in texts_of(frame, self.operator.input_diffulty_key.as_str())?.iter().flatten() {
            *self.counts.entry(score.to_owned()).or_default() += 1;
        }
        Ok(Changes::default())
    }

    fn end(&mut self) -> Result<Option<DatasetResult>> {
        let mut counts: Vec<(&String, &u64)> = self.counts.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let counts: Map<String, Value> = counts.into_iter().map(|(score, count)| (score.clone(), json!(count))).collect();
        Ok(Some(DatasetResult { value: counts.into(), path: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::conformance;
    use polars::prelude::df;

    conformance!(ReasoningDifficultyDatasetEvaluator);

    #[test]
    fn the_commonest_comes_first() {
        let mut work = Dataset::start(&ReasoningDifficultyDatasetEvaluator::default()).unwrap();
        work.batch(&df!("difficulty_score" => [Some(5.0), Some(7.5), None]).unwrap()).unwrap();
        work.batch(&df!("difficulty_score" => [7.5]).unwrap()).unwrap();
        assert_eq!(work.end().unwrap().unwrap().value.to_string(), r#"{"7.5":2,"5.0":1}"#);
    }
}
