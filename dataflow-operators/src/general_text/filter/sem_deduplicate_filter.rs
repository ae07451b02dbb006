//! Drops rows that mean what an earlier row means.

use dataflow_core::key::{Input, Integer, Output, Vector};
use dataflow_core::operator::{Changes, DatasetResult, DatasetWork, Kept};
use dataflow_core::shape::Dataset;
use dataflow_core::{Error, Result, operator};
use polars::prelude::*;
use std::path::PathBuf;

use crate::byte_size::ByteSize;
use crate::deduplication::{Beside, Found, Identities, Near, OpenBeside, Vectors};

/// Keeps the first of the rows whose vectors are nearly the same: a row goes where the cosine with an earlier row that stays is at least `1 - eps`.
///
/// The vectors are a column that `EmbeddingGenerator` wrote, of any embedding model, or such lists as JSON text, as a csv file holds them, where DataFlow runs a model of its own (`model_name`, `device`). A row without a vector is dropped. A row fails where a number of
/// its vector is null or not finite, where its text is no list of numbers, and where the vector is empty or does not have the length of the first; what becomes of failed rows is said by the step's `on_error`. A vector of zeros has no direction and is like no other, so that all rows with one stay.
/// Each row is compared with all that stay, on all cores; 4 bytes are held for each number of each of those and some 16 for its name, 1.6 KB a row of 384 numbers, and as much on disk in an index. Above `memory_limit` the vectors go to a temporary file, which is read once for each batch.
/// Vectors of one index have to be of one embedding model. The label is 1 for a row that stays and 0 for one that goes.
///
/// # 中文
///
/// 对向量几乎相同的行，只保留最先出现的一行：与之前保留的某行余弦相似度不低于 `1 - eps` 的行会被丢弃。
/// 向量来自 `EmbeddingGenerator` 写入的列，可用任何嵌入模型，也可以是 csv 文件中那样的 JSON 文本列表；DataFlow 则自行运行模型（`model_name`、`device`）。没有向量的行会被丢弃；
/// 向量中有空值或非有限数、文本不是数字列表、向量为空或与第一个不等长时，该行失败，如何处理由步骤的 `on_error` 决定。零向量没有方向，与任何向量都不相似，因此全部保留。
/// 每行与所有保留的行比较，使用全部核心；每个保留的行每个数占 4 字节，名称约占 16 字节，384 维约 1.6 KB，索引在磁盘上也占同样大小。超出 `memory_limit` 时向量写入临时文件，每批读取一遍。同一索引中的向量须来自同一嵌入模型。保留的行标签为 1，丢弃的为 0。
#[operator(general_text, filter, Dataset)]
pub struct SemDeduplicateFilter {
    /// How far the cosine of two vectors that are the same may be from 1. 中文：视为相同的两个向量，其余弦与 1 的最大差距。
    pub eps: f64,
    /// The vector. 中文：向量列。
    pub input_key: Input<Vector>,
    /// Where a line of JSON goes for each row that repeats another: the row, the nearest that stays, and their cosine. 中文：每个重复行写入此处，每行一条 JSON：被丢弃的行、与其最近的保留行、两者的余弦。
    #[path(writes)]
    pub pairs_path: Option<PathBuf>,
    /// Where a line of JSON goes for each cluster: rows that pairs join, directly or through others. 中文：每个重复簇写入此处，每簇一行 JSON：直接或间接互为重复的行。
    #[path(writes)]
    pub clusters_path: Option<PathBuf>,
    /// The folder of an index by which rows are compared with those of other runs; one for each operator and setting. 中文：索引目录，据此与其他运行的行查重；每个算子、每种设置各用一个。
    #[path(owns)]
    pub index_path: Option<PathBuf>,
    /// The name of this data set in the index: a run under the same name does not meet its own rows, and replaces them, also where it has none; it is refused where most of the first hundred texts are others, which may be those of another data set. A step that has run is worked through again where the rows of other names have changed since. Runs at the same time do not meet each other's rows; the first of them meets those of the others when it is run again. 中文：本数据集在索引中的名称：同名的运行不会与自己的行比较，而是将其替换（没有行时即清空）；若前一百条文本大多不同，可能是另一数据集，则拒绝运行。其他名称的行有变化后，再次运行时该步骤会重新执行。同时进行的运行彼此不比较，再次运行其中一个时才会与其余的比较。
    pub index_name: Option<String>,
    /// How much memory holds vectors, in bytes or as `64MB` or `1GB`, those of one batch aside; above it they go to a temporary file. 中文：内存中保留向量的上限，以字节计，或写作 `64MB`、`1GB`，当前一批除外；超出部分写入临时文件。
    pub memory_limit: Option<ByteSize>,
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
            memory_limit: None,
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
            memory_limit: self.memory_limit,
        }
    }
}

impl Dataset for SemDeduplicateFilter {
    fn kept(&self) -> Result<Option<Kept>> {
        self.beside().kept()
    }

    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        let mut beside = OpenBeside::new(self.beside());
        beside.hold_names();
        Ok(Box::new(Meaning {
            least: (1.0 - self.eps) as f32,
            input: self.input_key.as_str().to_owned(),
            output: self.output_key.as_str().to_owned(),
            dimensions: None,
            seen: Vectors::new(self.memory_limit.map(|limit| usize::try_from(limit.bytes()).unwrap_or(usize::MAX))),
            identities: Identities::default(),
            gone: Vec::new(),
            beside,
            index_opened: false,
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
    seen: Vectors,
    identities: Identities,
    /// The rows of the last batch that went, each with the number of the one that it repeats and their cosine; one that repeats none has no vector.
    gone: Vec<(usize, Option<Near>)>,
    beside: OpenBeside,
    index_opened: bool,
}

impl Meaning {
    /// Opens the index and takes in the vectors of other runs, once the first row says how many numbers a vector has.
    fn open_index(&mut self, dimensions: usize) -> Result<()> {
        self.index_opened = true;
        let settings = format!("{} dimensions={dimensions}", self.beside.asked().settings);
        self.beside.open_index(&settings, dimensions.div_ceil(2), |signature, _| {
            self.seen.remember(&vector_of(signature, dimensions));
            self.seen.spill()
        })
    }

    /// The vector of each row, of length 1 or 0; `None` for a row without one.
    fn vectors(&mut self, column: &Column) -> Result<Vec<Result<Option<Vec<f32>>>>> {
        if let Ok(texts) = column.str() {
            return Ok(texts.iter().map(|text| self.vector(text.filter(|text| !text.trim().is_empty()).map(|text| numbers_of(&self.input, text)))).collect());
        }
        if column.dtype().is_null() {
            return Ok((0..column.len()).map(|_| Ok(None)).collect());
        }
        let lists = column.cast(&DataType::List(Box::new(DataType::Float64)))?;
        let lists = lists.list()?;
        let numbers = |row| lists.get_as_series(row).map(|numbers| Ok(numbers.f64()?.iter().collect()));
        Ok((0..lists.len()).map(|row| self.vector(numbers(row))).collect())
    }

    /// The numbers of a row as a vector of length 1, or 0 where all are 0.
    fn vector(&mut self, numbers: Option<Result<Vec<Option<f64>>>>) -> Result<Option<Vec<f32>>> {
        let Some(numbers) = numbers.transpose()? else { return Ok(None) };
        let wrong = |found: String| Err(Error::Data(format!("`{}` should hold {found}", self.input)));
        if let Some(place) = numbers.iter().position(|number| number.is_none_or(|number| !number.is_finite())) {
            let found = numbers[place].map_or_else(|| "null".to_owned(), |number| number.to_string());
            return wrong(format!("finite numbers, found {found} at place {} of {}", place + 1, numbers.len()));
        }
        let vector: Vec<f64> = numbers.into_iter().flatten().collect();
        match self.dimensions {
            _ if vector.is_empty() => return wrong("a vector of at least one number, found an empty list".into()),
            Some(expected) if expected != vector.len() => {
                return wrong(format!("vectors of {expected} numbers, as many as the first has, found one of {}", vector.len()));
            }
            _ => self.dimensions = Some(vector.len()),
        }
        let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
        Ok(Some(vector.into_iter().map(|number| if length > 0.0 { (number / length) as f32 } else { 0.0 }).collect()))
    }
}

/// The places of the greatest numbers of a vector, by which it is told from others: a service does not give a text the same vector to the last bit each time.
fn greatest(vector: &[f32]) -> String {
    let mut places: Vec<usize> = (0..vector.len()).collect();
    places.sort_by(|one, other| vector[*other].abs().total_cmp(&vector[*one].abs()));
    places.truncate(4);
    format!("{places:?}")
}

/// The numbers of a list that is written as JSON.
fn numbers_of(column: &str, text: &str) -> Result<Vec<Option<f64>>> {
    let wrong = |error| format!("`{column}` should hold a list of numbers in JSON, such as `[0.1, 0.2]`, found another text: {error}");
    serde_json::from_str(text).map_err(|error| Error::Data(wrong(error)))
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
        self.beside.leave_index();
    }

    fn end(&mut self) -> Result<Option<DatasetResult>> {
        self.beside.open()?;
        if !self.index_opened {
            self.beside.empty_index(); // no row has a vector
        }
        self.beside.end()?;
        Ok(None)
    }

    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        if frame.height() > 0 {
            self.beside.open()?;
        }
        let vectors = self.vectors(frame.column(&self.input)?)?;
        if let Some(vector) = vectors.iter().find_map(|vector| vector.as_ref().ok()?.as_ref()).filter(|_| !self.index_opened) {
            self.open_index(vector.len())?;
        }
        let in_file = self.seen.nearest_in_file(&vectors.iter().map(|vector| vector.as_ref().ok()?.as_deref()).collect::<Vec<_>>())?;
        let (mut kept, mut labels, mut failed) = (Vec::with_capacity(frame.height()), Vec::with_capacity(frame.height()), Vec::new());
        self.gone.clear();
        for (row, (vector, in_file)) in vectors.into_iter().zip(in_file).enumerate() {
            let vector = match vector {
                Ok(vector) => vector,
                Err(error) => {
                    failed.push((row, error));
                    kept.push(true); // what becomes of a failed row is said elsewhere
                    labels.push(None);
                    continue;
                }
            };
            if let Some(vector) = vector.as_ref().filter(|_| self.beside.has_index()) {
                self.beside.meet(&greatest(vector))?;
            }
            let repeated = vector.as_ref().and_then(|vector| self.seen.nearest(vector, in_file, self.least));
            let new = vector.filter(|_| repeated.is_none());
            kept.push(new.is_some());
            labels.push(Some(i64::from(new.is_some())));
            if let Some(vector) = new {
                self.seen.remember(&vector);
                self.beside.stays(|| self.identities.of(row), "", || signature_of(&vector).into())?;
                continue;
            }
            if let Some((repeated, cosine)) = repeated {
                self.beside.goes(&self.identities.of(row), &[Found { row: repeated as u32, similarity: Some(f64::from(cosine)) }])?;
            }
            self.gone.push((row, repeated));
        }
        self.seen.spill()?;
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
            Some((repeated, cosine)) => format!("repeats row {}, similarity {cosine:.3}", self.beside.name(repeated as u32).unwrap_or_default()),
            None => "the vector is null".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, frame_of, run_rule};
    use insta::assert_snapshot;
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
            json!({ "embeddings": [0.0, 0.0, 0.0] }),
        ]);
        assert_eq!(run_rule(&SemDeduplicateFilter::default(), frame.clone()).1, [true, false, true, false, true, true, true]);
        let mut work = SemDeduplicateFilter::default().start().unwrap();
        work.batch(&frame).unwrap();
        let why: Vec<Option<String>> = (0..4).map(|row| work.why(row)).collect();
        assert_eq!(why, [None, Some("repeats row 1, similarity 0.995".into()), None, Some("the vector is null".into())]);
        assert_eq!(run_rule(&SemDeduplicateFilter { eps: 0.2, ..Default::default() }, frame).1, [true, false, true, false, true, false, true]);
    }

    #[test]
    fn vectors_are_read_from_json_text_and_from_integers() {
        let texts = df!("embeddings" => [Some("[1, 0, 0]"), Some(" [5.0, 0.5, 0e0] "), Some("[0,2,0]"), None, Some(" ")]).unwrap();
        assert_eq!(run_rule(&SemDeduplicateFilter::default(), texts).1, [true, false, true, false, false]);
        let integers = frame_of(&[json!({ "embeddings": [1, 0] }), json!({ "embeddings": [0, 1] }), json!({ "embeddings": [7, 0] })]);
        assert_eq!(run_rule(&SemDeduplicateFilter::default(), integers).1, [true, true, false]);
        let array = df!("embeddings" => [1.0, 0.0, 2.0, 0.0])
            .unwrap()
            .column("embeddings")
            .unwrap()
            .reshape_array(&[ReshapeDimension::Infer, ReshapeDimension::new(2)])
            .unwrap();
        assert_eq!(run_rule(&SemDeduplicateFilter::default(), DataFrame::new(2, vec![array]).unwrap()).1, [true, false]);
    }

    #[test]
    fn a_vector_that_cannot_be_compared_fails_its_row_alone_and_says_why() {
        let failed = |frame: DataFrame| {
            let changes = SemDeduplicateFilter::default().start().unwrap().batch(&frame).unwrap();
            let told: Vec<String> = changes.failed.iter().map(|(row, error)| format!("{row}: {error}")).collect();
            let labels = changes.columns[0].i64().unwrap().iter().map(|label| label.map_or("-".to_owned(), |label| label.to_string())).collect::<String>();
            format!("{labels}\n{}", told.join("\n"))
        };
        let lists = frame_of(&[
            json!({ "embeddings": [] }),
            json!({ "embeddings": [1.0, 0.0] }),
            json!({ "embeddings": [1.0] }),
            json!({ "embeddings": [1.0, null] }),
            json!({ "embeddings": [1.0, 0.0] }),
        ]);
        assert_snapshot!(failed(lists), @r"
        -1--0
        0: `embeddings` should hold a vector of at least one number, found an empty list
        2: `embeddings` should hold vectors of 2 numbers, as many as the first has, found one of 1
        3: `embeddings` should hold finite numbers, found null at place 2 of 2
        ");
        let texts = df!("embeddings" => ["[1, 0]", "[1]", "[1, null]", "[1, NaN]", "1.0", "[0.1 0.2]", "[1e400, 1]", "[1, 0]"]).unwrap();
        assert_snapshot!(failed(texts), @r"
        1------0
        1: `embeddings` should hold vectors of 2 numbers, as many as the first has, found one of 1
        2: `embeddings` should hold finite numbers, found null at place 2 of 2
        3: `embeddings` should hold a list of numbers in JSON, such as `[0.1, 0.2]`, found another text: expected value at line 1 column 5
        4: `embeddings` should hold a list of numbers in JSON, such as `[0.1, 0.2]`, found another text: invalid type: floating point `1.0`, expected a sequence at line 1 column 3
        5: `embeddings` should hold a list of numbers in JSON, such as `[0.1, 0.2]`, found another text: expected `,` or `]` at line 1 column 6
        6: `embeddings` should hold a list of numbers in JSON, such as `[0.1, 0.2]`, found another text: number out of range at line 1 column 6
        ");
    }

    #[test]
    fn vectors_above_the_limit_go_to_disk_and_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let vector = |number: usize| json!({ "embeddings": (0..24).map(|place| ((number % 150 + place * 13).pow(2) * (place + 3) * 7 % 1009) as f64 - 504.0).collect::<Vec<_>>() });
        let rows: Vec<_> = (0..400).map(vector).collect();
        let run = |memory_limit: Option<u64>, name: &str, rows: &[serde_json::Value]| {
            let pairs_path = folder.path().join("pairs.jsonl");
            let operator = SemDeduplicateFilter {
                memory_limit: memory_limit.map(ByteSize::from),
                pairs_path: Some(pairs_path.clone()),
                index_path: Some(folder.path().join(format!("index {memory_limit:?}"))),
                index_name: Some(name.into()),
                eps: 0.3,
                ..Default::default()
            };
            let mut work = operator.start().unwrap();
            let kept: Vec<bool> =
                rows.chunks(16).flat_map(|rows| work.batch(&frame_of(rows)).unwrap().keep.unwrap().no_null_iter().collect::<Vec<_>>()).collect();
            work.end().unwrap();
            (kept, std::fs::read_to_string(pairs_path).unwrap())
        };
        let whole = [run(None, "a", &rows[..100]), run(None, "b", &rows)];
        assert!(whole[1].0.contains(&true) && whole[1].1.lines().count() > 100, "some stay and some go");
        for limit in [0, 2000] {
            assert_eq!([run(Some(limit), "a", &rows[..100]), run(Some(limit), "b", &rows)], whole, "with {limit} bytes");
        }
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
    fn a_batch_without_rows_which_compiling_tries_touches_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let operator = SemDeduplicateFilter { pairs_path: Some(folder.path().join("new/pairs.jsonl")), ..Default::default() };
        let vectors = frame_of(&[json!({ "embeddings": [1.0, 0.0] })]).clear();
        operator.start().unwrap().batch(&vectors).unwrap();
        assert!(!folder.path().join("new").exists());
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
        for other in [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]] {
            let error = run(&of("monday"), &[other]).unwrap_err().to_string();
            assert!(error.contains("the index has other data under the name `monday`"), "also where the row is in tuesday's: {error}");
        }
        assert_eq!(run(&of("thursday"), &[]).unwrap(), [true; 0]);
        assert_eq!(run(&of("friday"), &[[0.0, 1.0, 0.0]]).unwrap(), [false], "thursday had no vectors, and tells no length of them");
        let unnamed = SemDeduplicateFilter { index_path: Some("index".into()), ..Default::default() };
        assert_eq!(Dataset::problems(&unnamed), ["`index_path` is given without `index_name`, the name that this data set has in the index"]);
    }
}
