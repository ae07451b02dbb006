//! Counts how often each category occurs.

use dataflow_core::key::{Input, Text};
use dataflow_core::operator::{Changes, DatasetResult, DatasetWork};
use dataflow_core::shape::{Dataset, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::DataFrame;
use serde_json::{Map, Value, json};

use std::collections::BTreeMap;

/// Counts how often each primary category occurs, and within it each secondary one. DataFlow raises on the first category that it knows.
///
/// The result stands in the report. Rows pass as they are.
///
/// # 中文
///
/// 统计各一级类别及其下各二级类别出现的次数。DataFlow 遇到已知类别即报错。结果写入运行报告，各行原样通过。
#[operator(reasoning, eval, Dataset)]
pub struct ReasoningCategoryDatasetEvaluator {
    /// The primary category. 中文：一级类别。
    pub input_primary_category_key: Input<Text>,
    /// The secondary category. 中文：二级类别。
    pub input_secondary_category_key: Input<Text>,
}

impl Default for ReasoningCategoryDatasetEvaluator {
    fn default() -> Self {
        Self { input_primary_category_key: "primary_category".into(), input_secondary_category_key: "secondary_category".into() }
    }
}

#[derive(Default)]
struct Counting {
    operator: ReasoningCategoryDatasetEvaluator,
    counts: BTreeMap<String, (u64, BTreeMap<String, u64>)>,
}

impl Dataset for ReasoningCategoryDatasetEvaluator {
    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Counting { operator: self.clone(), ..Counting::default() }))
    }
}

impl DatasetWork for Counting {
    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        let primary = texts_of(frame, self.operator.input_primary_category_key.as_str())?;
        let secondary = texts_of(frame, self.operator.input_secondary_category_key.as_str())?;
        for (primary, secondary) in primary.iter().zip(secondary.iter()) {
            let Some(primary) = primary else { continue };
            let counts = self.counts.entry(primary.to_owned()).or_default();
            counts.0 += 1;
            if let Some(secondary) = secondary {
                *counts.1.entry(secondary.to_owned()).or_default() += 1;
            }
        }
        Ok(Changes::default())
    }

    fn end(&mut self) -> Result<Option<DatasetResult>> {
        let counts: Map<String, Value> =
            self.counts.iter().map(|(name, (count, within))| (name.clone(), json!({ "count": count, "secondary": within }))).collect();
        Ok(Some(DatasetResult { value: counts.into(), path: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::conformance;
    use polars::prelude::df;

    conformance!(ReasoningCategoryDatasetEvaluator);

    #[test]
    fn secondary_categories_are_counted_within_their_primary_one() {
        let mut work = Dataset::start(&ReasoningCategoryDatasetEvaluator::default()).unwrap();
        work.batch(&df!("primary_category" => [Some("Algebra"), Some("Algebra"), None], "secondary_category" => [Some("Rings"), None, Some("x")]).unwrap())
            .unwrap();
        assert_eq!(work.end().unwrap().unwrap().value.to_string(), r#"{"Algebra":{"count":2,"secondary":{"Rings":1}}}"#);
    }
}
