//! Drops rows that mean what an earlier row means.

use dataflow_core::key::{Float, Input, Integer, List, Output};
use dataflow_core::operator::{Changes, DatasetResult, DatasetWork};
use dataflow_core::shape::Dataset;
use dataflow_core::{Error, Result, operator};
use polars::prelude::*;
use std::path::PathBuf;

use crate::deduplication::{AllVectors, Beside, Clusters, Found, Identities, Index, NearestVectors, Pairs};

/// Keeps the first of the rows whose vectors are nearly the same: a row goes where the cosine with an earlier row that stays is at least `1 - eps`.
///
/// The vectors are a column that `EmbeddingGenerator` wrote, of any embedding model, where DataFlow runs a model of its own (`model_name`, `device`). All have to have the length of the first; a row with another fails.
/// Each row is compared with all that stay, on all cores; 4 bytes are held for each number of each of those, some 1.5 KB a row of 384 numbers, and as much on disk in an index. Vectors of one index have to be of one embedding model. The label is 1 for a row that stays and 0
/// for one that goes; a null is dropped.
///
/// # 中文
///
/// 对向量几乎相同的行，只保留最先出现的一行：与之前保留的某行余弦相似度不低于 `1 - eps` 的行会被丢弃。
/// 向量来自 `EmbeddingGenerator` 写入的列，可用任何嵌入模型；DataFlow 则自行运行模型（`model_name`、`device`）。所有向量须与第一个等长，否则该行失败。
/// 每行与所有保留的行比较，使用全部核心；每个保留的行每个数占 4 字节，384 维约 1.5 KB，索引在磁盘上也占同样大小。同一索引中的向量须来自同一嵌入模型。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Dataset)]
pub struct SemDeduplicateFilter {
    /// How far the cosine of two vectors that are the same may be from 1. 中文：视为相同的两个向量，其余弦与 1 的最大差距。
    pub eps: f64,
    /// The vector. 中文：向量列。
    pub input_key: Input<List<Float>>,
    /// Where a line of JSON goes for each row that repeats another: the row, the nearest that stays, and their cosine. 中文：每个重复行写入此处，每行一条 JSON：被丢弃的行、与其最近的保留行、两者的余弦。
    #[path(writes)]
    pub pairs_path: Option<PathBuf>,
    /// Where a line of JSON goes for each cluster: rows that pairs join, directly or through others. 中文：每个重复簇写入此处，每簇一行 JSON：直接或间接互为重复的行。
    #[path(writes)]
    pub clusters_path: Option<PathBuf>,
    /// The folder of an index by which rows are compared with those of other runs; one for each operator and setting. 中文：索引目录，据此与其他运行的行查重；每个算子、每种设置各用一个。
    #[path(owns)]
    pub index_path: Option<PathBuf>,
    /// The name of this data set in the index: a run under the same name does not meet its own rows. 中文：本数据集在索引中的名称：同名的运行不会与自己的行比较。
    pub index_name: Option<String>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

impl Default for SemDeduplicateFilter {
    fn default() -> Self {
        Self {
            eps: 0.05,
            input_key: "embeddings".into(),
            pairs_path: None,
            clusters_path: None,
            index_path: None,
            index_name: None,
            output_key: "minhash_deduplicated_label".into(),
        }
    }
}

impl SemDeduplicateFilter {
    fn beside(&self) -> Beside {
        Beside {
            pairs_path: self.pairs_path.clone(),
            clusters_path: self.clusters_path.clone(),
            index_path: self.index_path.clone(),
            index_name: self.index_name.clone(),
            settings: "SemDeduplicateFilter".into(),
            verified_from: None,
            memory_limit: None,
        }
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
            beside: self.beside(),
            opened: false,
            leaves_index: false,
            pairs: None,
            clusters: None,
            index: None,
        }))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.beside().problems();
        if !(0.0..=2.0).contains(&self.eps) {
            problems.push(format!("`eps` should be from 0 to 2, found {}", self.eps));
        }
        problems
    }
}

struct Meaning {
    least: f32,
    input: String,
    output: String,
    dimensions: Option<usize>,
    seen: Box<dyn NearestVectors>,
    identities: Identities,
    /// What the rows that stayed are called, those of other runs before those of this one.
    names: Vec<Box<str>>,
    /// The rows of the last batch that went, each with the number of the one that it repeats and their cosine; one that repeats none has no vector.
    gone: Vec<(usize, Option<(usize, f32)>)>,
    beside: Beside,
    opened: bool,
    leaves_index: bool,
    pairs: Option<Pairs>,
    clusters: Option<Clusters>,
    index: Option<Index>,
}

impl Meaning {
    /// Opens what is written; only now, since compiling a pipeline touches no file.
    fn open(&mut self) -> Result<()> {
        self.opened = true;
        self.pairs = self.beside.pairs_path.as_deref().map(Pairs::create).transpose()?;
        self.clusters = self.beside.clusters_path.is_some().then(Clusters::default);
        Ok(())
    }

    /// Opens the index and takes in the vectors of other runs, once the first row says how many numbers a vector has.
    fn open_index(&mut self, dimensions: usize) -> Result<()> {
        let Beside { index_path: Some(folder), index_name: Some(name), settings, .. } = &self.beside else { return Ok(()) };
        let index = Index::new(folder, name, &format!("{settings} dimensions={dimensions}"), dimensions.div_ceil(2), false);
        index.read_others(|name, signature, _| {
            self.seen.remember(&vector_of(signature, dimensions));
            self.names.push(name.into());
            Ok(())
        })?;
        self.index = Some(index);
        Ok(())
    }

    /// Remembers the vector of a row that stays.
    fn remember(&mut self, vector: &[f32], identity: &str) -> Result<()> {
        self.seen.remember(vector);
        self.names.push(identity.into());
        if let Some(index) = &mut self.index {
            // By its greatest number a data set is told from another of the same name: a service does not give a text the same vector to the last bit each time.
            let greatest = (0..vector.len()).max_by(|one, other| vector[*one].abs().total_cmp(&vector[*other].abs())).unwrap_or_default();
            index.push(identity, &greatest.to_string(), &signature_of(vector))?;
        }
        Ok(())
    }

    /// Writes down that a row repeats another.
    fn tell(&mut self, identity: &str, (row, cosine): (usize, f32)) -> Result<()> {
        if let Some(pairs) = &mut self.pairs {
            pairs.push(identity, &self.names[row], Some(f64::from(cosine)))?;
        }
        if let Some(clusters) = &mut self.clusters {
            clusters.join(identity, &[Found { row: row as u32, similarity: None }]);
        }
        Ok(())
    }

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

/// Two numbers of a vector in each number of a signature, as the index holds it.
fn signature_of(vector: &[f32]) -> Vec<u64> {
    vector.chunks(2).map(|two| u64::from(two[0].to_bits()) << 32 | u64::from(two.get(1).map_or(0, |number| number.to_bits()))).collect()
}

fn vector_of(signature: &[u64], dimensions: usize) -> Vec<f32> {
    let numbers = signature.iter().flat_map(|two| [f32::from_bits((two >> 32) as u32), f32::from_bits(*two as u32)]);
    numbers.take(dimensions).collect()
}

impl DatasetWork for Meaning {
    fn only_first_rows(&mut self) {
        self.leaves_index = true;
    }

    fn end(&mut self) -> Result<Option<DatasetResult>> {
        if !self.opened {
            self.open()?;
        }
        if let Some(pairs) = self.pairs.take() {
            pairs.finish()?;
        }
        if let (Some(clusters), Some(path)) = (self.clusters.take(), &self.beside.clusters_path) {
            clusters.write(path, |row| self.names[row as usize].to_string())?;
        }
        match self.index.take() {
            Some(_) if self.leaves_index => tracing::warn!("the index is left as it was: it is written by a run over all rows"),
            Some(mut index) => index.finish()?,
            None => {}
        }
        Ok(None)
    }

    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        if !self.opened {
            self.open()?;
        }
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
            if let Some(vector) = vector.as_ref().filter(|_| self.index.is_none()) {
                self.open_index(vector.len())?;
            }
            let repeated = vector.as_ref().and_then(|vector| self.seen.nearest(vector, self.least));
            let new = vector.filter(|_| repeated.is_none());
            kept.push(new.is_some());
            labels.push(Some(i64::from(new.is_some())));
            let identity = self.identities.of(row).into_owned();
            if let Some(vector) = new {
                self.remember(&vector, &identity)?;
                continue;
            }
            if let Some(repeated) = repeated {
                self.tell(&identity, repeated)?;
            }
            self.gone.push((row, repeated));
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

    fn run(operator: &SemDeduplicateFilter, vectors: &[[f64; 3]]) -> Result<Vec<bool>> {
        let rows: Vec<_> = vectors.iter().map(|vector| json!({ "embeddings": vector })).collect();
        let mut work = operator.start()?;
        let mut kept = Vec::new();
        for rows in rows.chunks(2) {
            kept.extend(work.batch(&frame_of(rows))?.keep.iter().flat_map(BooleanChunked::no_null_iter));
        }
        work.end().map(|_| kept)
    }

    #[test]
    fn pairs_and_clusters_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let (pairs, clusters) = (folder.path().join("pairs.jsonl"), folder.path().join("clusters.jsonl"));
        let operator = SemDeduplicateFilter { pairs_path: Some(pairs.clone()), clusters_path: Some(clusters.clone()), ..Default::default() };
        assert_eq!(run(&operator, &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0]]).unwrap(), [true, true, false, false]);
        let pairs = std::fs::read_to_string(pairs).unwrap();
        assert_eq!(pairs, "{\"row\":\"3\",\"repeats\":\"1\",\"similarity\":1.0}\n{\"row\":\"4\",\"repeats\":\"1\",\"similarity\":1.0}\n");
        assert_eq!(std::fs::read_to_string(clusters).unwrap(), "{\"cluster\":\"1\",\"rows\":[\"1\",\"3\",\"4\"]}\n");
    }

    #[test]
    fn rows_of_other_runs_are_repeated_and_those_of_the_same_run_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = folder.path().join("pairs.jsonl");
        let of = |name: &str| SemDeduplicateFilter {
            index_path: Some(folder.path().join("index")),
            index_name: Some(name.into()),
            pairs_path: Some(pairs.clone()),
            ..Default::default()
        };
        assert_eq!(run(&of("monday"), &[[1.0, 0.2, 0.0], [0.0, 1.0, 0.0]]).unwrap(), [true, true]);
        assert_eq!(run(&of("monday"), &[[1.0, 0.200_01, 0.0], [0.0, 1.0, 0.0]]).unwrap(), [true, true], "a run again, with vectors that differ a little");
        assert_eq!(run(&of("tuesday"), &[[0.0, 0.0, 1.0], [0.0, 5.0, 0.0]]).unwrap(), [true, false]);
        assert!(std::fs::read_to_string(&pairs).unwrap().contains("\"repeats\":\"monday/2\""));
        let other = run(&of("monday"), &[[0.0, 0.0, 1.0]]);
        assert_eq!(other.unwrap(), [false], "its row is in tuesday's");
        let error = run(&of("monday"), &[[0.0, 1.0, 1.0]]).unwrap_err().to_string();
        assert!(error.contains("the index has other data under the name `monday`"), "{error}");
        let unnamed = SemDeduplicateFilter { index_path: Some("index".into()), ..Default::default() };
        assert_eq!(Dataset::problems(&unnamed), ["`index_path` is given without `index_name`, the name that this data set has in the index"]);
    }
}
