//! Drops rows whose text was there before.

use std::path::PathBuf;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::operator::{DatasetWork, Kept};
use dataflow_core::shape::Dataset;
use dataflow_core::{Result, operator};

use crate::byte_size::ByteSize;
use crate::compatibility::Compatibility;
use crate::deduplication::{Beside, Deduplication, Exact, HashFunction, Keys, Sign};

/// Keeps the first of the rows whose texts are equal.
///
/// Texts are equal that have the same bytes: letter case and white space count, and so does whether an accent is one character with its letter or one of its own beside it, which look the same. Give either `input_key` or `input_keys`. The label is 1 for a row that stays and 0 for one that goes; a null is dropped, and so is a row in which all of several keys are null.
/// Some 50 bytes are held for each row that stays.
///
/// # 中文
///
/// 对文本完全相同的行，只保留最先出现的一行。逐字节比较：大小写与空白均计入，重音符号与字母合为一个字符或单独成字符（看上去相同）也视为不同。`input_key` 与 `input_keys` 二者给出其一。保留的行标签为 1，丢弃的为 0；空值会被丢弃，多列全为空的行也会被丢弃。每个保留的行约占 50 字节内存。
#[operator(general_text, filter, Dataset)]
pub struct HashDeduplicateFilter {
    /// The hash by which texts are compared. 中文：比较文本所用的哈希函数。
    pub hash_func: HashFunction,
    /// The texts to compare together, when there are several, among which a null is no empty text. 中文：合在一起比较的多个文本列，其中空值不同于空文本。
    pub input_keys: Option<Vec<Input<Text>>>,
    /// The text to compare. 中文：要比较的文本列。
    pub input_key: Option<Input<Text>>,
    /// Where a line of JSON goes for each pair that is found: the row that goes, the row that it repeats, and their similarity. Rows are called by their numbers in the input, from 1, and those of other runs by the name of their data set and their number, such as `may/17`. 中文：找到的每一对重复行写入此处，每对一行 JSON：被丢弃的行、它所重复的行、两者的相似度。行以其在输入中的序号（从 1 开始）称呼，其他运行的行冠以其数据集的名称，如 `may/17`。
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
    /// How much memory holds what is remembered of rows, in bytes or as `64MB` or `1GB`; above it they go to temporary files, which need some 20 bytes for each key, and memory some 1.5. 中文：内存中保留查重信息的上限，以字节计，或写作 `64MB`、`1GB`；超出部分写入临时文件，每个键约占文件 20 字节、内存 1.5 字节。
    pub memory_limit: Option<ByteSize>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

impl Default for HashDeduplicateFilter {
    fn default() -> Self {
        Self {
            hash_func: HashFunction::Md5,
            input_keys: None,
            input_key: None,
            pairs_path: None,
            clusters_path: None,
            index_path: None,
            index_name: None,
            memory_limit: None,
            output_key: "minhash_deduplicated_label".into(),
        }
    }
}

impl HashDeduplicateFilter {
    fn keys(&self) -> Keys<'_> {
        Keys { one: self.input_key.as_ref(), several: self.input_keys.as_deref(), compatibility: Compatibility::Own }
    }

    fn beside(&self) -> Beside {
        Beside {
            pairs_path: self.pairs_path.clone(),
            clusters_path: self.clusters_path.clone(),
            index_path: self.index_path.clone(),
            index_name: self.index_name.clone(),
            settings: format!("HashDeduplicateFilter hash_func={:?}", self.hash_func),
            verified_from: None,
            memory_limit: self.memory_limit,
        }
    }
}

impl Dataset for HashDeduplicateFilter {
    fn kept(&self) -> Result<Option<Kept>> {
        self.beside().kept()
    }

    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Deduplication::new(self.keys(), self.output_key.as_str(), Hashing(self.hash_func), Exact::default(), self.beside())))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.keys().problems();
        problems.extend(self.beside().problems());
        problems
    }
}

#[derive(Clone)]
struct Hashing(HashFunction);

impl Sign for Hashing {
    fn width(&self) -> usize {
        2
    }

    fn sign(&mut self, text: &str, signature: &mut [u64]) {
        signature.copy_from_slice(&self.0.hash(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance, run_rule};
    use polars::prelude::*;

    conformance!(HashDeduplicateFilter);

    #[test]
    fn texts_that_only_look_the_same_are_not_equal() {
        let over = HashDeduplicateFilter { input_key: Some("text".into()), ..Default::default() };
        let frame = polars::prelude::df!("text" => ["é", "e\u{301}", "É", "é ", "é"]).unwrap();
        assert_eq!(run_rule(&over, frame).1, [true, true, true, true, false]);
    }

    fn over(input_key: &str) -> HashDeduplicateFilter {
        HashDeduplicateFilter { input_key: Some(input_key.into()), ..Default::default() }
    }

    #[test]
    fn the_first_of_equal_texts_stays_by_any_hash() {
        for hash_func in [HashFunction::Md5, HashFunction::Sha256, HashFunction::Xxh3] {
            let operator = HashDeduplicateFilter { hash_func, ..over("text") };
            let shown = check_rule(&operator, "text", ["a", "b", "a", "", "A", ""]);
            let kept: Vec<bool> = shown.lines().map(|line| line != "dropped").collect();
            assert_eq!(kept, [true, true, false, true, true, false], "{hash_func:?}");
        }
    }

    #[test]
    fn a_null_among_several_texts_is_no_empty_text() {
        let operator = HashDeduplicateFilter { input_keys: Some(vec!["a".into(), "b".into()]), ..Default::default() };
        let texts = df!("a" => ["x", "x", "x", "x"], "b" => [None, Some(""), Some("None"), None]).unwrap();
        assert_eq!(run_rule(&operator, texts).1, [true, true, true, false]);
    }

    #[test]
    fn values_that_look_like_others_side_by_side_are_not_those() {
        let operator = HashDeduplicateFilter { input_keys: Some(vec!["a".into(), "b".into()]), ..Default::default() };
        let texts = df!("a" => ["x\u{1f}y", "x", "x\u{1f}y", "\0"], "b" => [Some("z"), Some("y\u{1f}z"), Some("z"), None]).unwrap();
        assert_eq!(run_rule(&operator, texts).1, [true, true, false, true]);
        let texts = df!("a" => [None, Some("\0"), None], "b" => ["z", "z", "z"]).unwrap();
        assert_eq!(run_rule(&operator, texts).1, [true, true, false]);
    }

    #[test]
    fn it_is_told_why_a_row_goes() {
        let mut work = over("text").start().unwrap();
        work.batch(&df!("text" => [Some("a"), None, Some("a")]).unwrap()).unwrap();
        let why: Vec<Option<String>> = (0..3).map(|row| work.why(row)).collect();
        assert_eq!(why, [None, Some("the text is null".into()), Some("repeats an earlier row, similarity 1.000".into())]);
    }
}
