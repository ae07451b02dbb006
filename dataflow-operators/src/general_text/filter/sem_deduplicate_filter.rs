//! Drops rows that mean what an earlier row means.

use dataflow_core::key::{Float, Input, Integer, List, Output};
use dataflow_core::operator::{Changes, DatasetWork};
use dataflow_core::shape::Dataset;
use dataflow_core::{Error, Result, operator};
use polars::prelude::*;

use crate::deduplication::{AllVectors, Identities, NearestVectors};

/// Keeps the first of the rows whose vectors are nearly the same: a row goes where the cosine with an earlier row that stays is at least `1 - eps`.
///
/// The vectors are a column that `EmbeddingGenerator` wrote, of any embedding model, where DataFlow runs a model of its own (`model_name`, `device`). All have to have the length of the first; a row with another fails.
/// Each row is compared with all that stay, on all cores; 4 bytes are held for each number of each of those, some 1.5 KB a row of 384 numbers. The label is 1 for a row that stays and 0
/// for one that goes; a null is dropped.
///
/// # 中文
///
/// 对向量几乎相同的行，只保留最先出现的一行：与之前保留的某行余弦相似度不低于 `1 - eps` 的行会被丢弃。
/// 向量来自 `EmbeddingGenerator` 写入的列，可用任何嵌入模型；DataFlow 则自行运行模型（`model_name`、`device`）。所有向量须与第一个等长，否则该行失败。
/// 每行与所有保留的行比较，使用全部核心；每个保留的行每个数占 4 字节，384 维约 1.5 KB。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Dataset)]
pub struct SemDeduplicateFilter {
    /// How far the cosine of two vectors that are the same may be from 1. 中文：视为相同的两个向量，其余弦与 1 的最大差距。
    pub eps: f64,
    /// The vector. 中文：向量列。
    pub input_key: Input<List<Float>>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

impl Default for SemDeduplicateFilter {
    fn default() -> Self {
        Self { eps: 0.05, input_key: "embeddings".into(), output_key: "minhash_deduplicated_label".into() }
    }
}

impl Dataset for SemDeduplicateFilter {
    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Meaning {
            least: (1.0 - self.eps) as f32,
            input: self.input_key.as_str().to_owned(),
            output: self.output_key.as_str().to_owned(),
            dimensions: None,
            seen: Box::new(AllVectors::default()),
            identities: Identities::default(),
            names: Vec::new(),
            gone: Vec::new(),
        }))
    }

    fn problems(&self) -> Vec<String> {
        if (0.0..=2.0).contains(&self.eps) { Vec::new() } else { vec![format!("`eps` should be from 0 to 2, found {}", self.eps)] }
    }
}

struct Meaning {
    least: f32,
    input: String,
    output: String,
    dimensions: Option<usize>,
    seen: Box<dyn NearestVectors>,
    identities: Identities,
    /// What the rows that stayed are called.
    names: Vec<Box<str>>,
    /// The rows of the last batch that went, each with the number of the one that it repeats and their cosine; one that repeats none has no vector.
    gone: Vec<(usize, Option<(usize, f32)>)>,
}

impl Meaning {
    /// The vector of a row, of length 1; `None` for a null or for one with a null in it.
    fn vector(&mut self, vectors: &ListChunked, row: usize) -> Result<Option<Vec<f32>>> {
        let Some(numbers) = vectors.get_as_series(row) else { return Ok(None) };
        let numbers = numbers.cast(&DataType::Float64)?;
        let mut vector: Vec<f64> = Vec::with_capacity(numbers.len());
        for number in numbers.f64()?.iter() {
            let Some(number) = number.filter(|number| number.is_finite()) else { return Ok(None) };
            vector.push(number);
        }
        let expected = *self.dimensions.get_or_insert(vector.len());
        if vector.len() != expected {
            return Err(Error::Data(format!("all vectors of `{}` should have {expected} numbers, found one of {}", self.input, vector.len())));
        }
        let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
        Ok(Some(vector.into_iter().map(|number| if length > 0.0 { (number / length) as f32 } else { 0.0 }).collect()))
    }
}

impl DatasetWork for Meaning {
    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        let column = frame.column(&self.input)?;
        let vectors = if column.dtype().is_null() { ListChunked::full_null("".into(), frame.height()) } else { column.list()?.clone() };
        let (mut kept, mut labels, mut failed) = (Vec::with_capacity(frame.height()), Vec::with_capacity(frame.height()), Vec::new());
        self.gone.clear();
        for row in 0..frame.height() {
            let vector = match self.vector(&vectors, row) {
                Ok(vector) => vector,
                Err(error) => {
                    failed.push((row, error));
                    kept.push(true); // what becomes of a failed row is said elsewhere
                    labels.push(None);
                    continue;
                }
            };
            let repeated = vector.as_ref().and_then(|vector| self.seen.nearest(vector, self.least));
            let new = vector.filter(|_| repeated.is_none());
            kept.push(new.is_some());
            labels.push(Some(i64::from(new.is_some())));
            if let Some(vector) = new {
                self.seen.remember(&vector);
                self.names.push(self.identities.of(row).into());
            } else {
                self.gone.push((row, repeated));
            }
        }
        self.identities.pass(frame.height());
        let keep = BooleanChunked::from_iter_values("".into(), kept.into_iter());
        Ok(Changes { columns: vec![Column::new(self.output.as_str().into(), labels)], keep: Some(keep), failed })
    }

    fn identities(&mut self, identities: &StringChunked) {
        self.identities.of_next(identities);
    }

    fn why(&self, index: usize) -> Option<String> {
        let at = self.gone.binary_search_by_key(&index, |(row, _)| *row).ok()?;
        Some(match self.gone[at].1 {
            Some((repeated, cosine)) => format!("repeats row {}, similarity {cosine:.3}", self.names[repeated]),
            None => "the vector is null".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, frame_of, run_rule};
    use serde_json::json;

    conformance!(SemDeduplicateFilter);

    #[test]
    fn vectors_of_nearly_one_direction_are_the_same() {
        let frame = frame_of(&[
            json!({ "embeddings": [1.0, 0.0, 0.0] }),
            json!({ "embeddings": [5.0, 0.5, 0.0] }),
            json!({ "embeddings": [0.0, 2.0, 0.0] }),
            json!({ "embeddings": null }),
            json!({ "embeddings": [0.0, 0.0, 0.0] }),
            json!({ "embeddings": [1.0, 0.6, 0.0] }),
        ]);
        assert_eq!(run_rule(&SemDeduplicateFilter::default(), frame.clone()).1, [true, false, true, false, true, true]);
        let mut work = SemDeduplicateFilter::default().start().unwrap();
        work.batch(&frame).unwrap();
        let why: Vec<Option<String>> = (0..4).map(|row| work.why(row)).collect();
        assert_eq!(why, [None, Some("repeats row 1, similarity 0.995".into()), None, Some("the vector is null".into())]);
        assert_eq!(run_rule(&SemDeduplicateFilter { eps: 0.2, ..Default::default() }, frame).1, [true, false, true, false, true, false]);
    }

    #[test]
    fn a_vector_of_another_length_fails_its_row_alone() {
        let frame = frame_of(&[json!({ "embeddings": [1.0, 0.0] }), json!({ "embeddings": [1.0] }), json!({ "embeddings": [1.0, 0.0] })]);
        let mut work = SemDeduplicateFilter::default().start().unwrap();
        let changes = work.batch(&frame).unwrap();
        assert!(changes.failed[0].0 == 1 && changes.failed[0].1.to_string().contains("should have 2 numbers, found one of 1"), "{:?}", changes.failed);
        assert_eq!(changes.keep.unwrap().iter().map(Option::unwrap).collect::<Vec<_>>(), [true, true, false]);
    }
}
