//! Drops rows whose text was there before, by a part of its hash.

use std::path::PathBuf;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::operator::{DatasetWork, Kept};
use dataflow_core::shape::Dataset;
use dataflow_core::{Result, operator};

use crate::byte_size::ByteSize;
use crate::compatibility::Compatibility;
use crate::deduplication::{Beside, Deduplication, Exact, Keys, Sign, Verify, halves};

/// Keeps the first of the rows whose texts have equal first `bit_length` bits of SHA-1.
///
/// With few bits different texts meet by chance: of a million rows 32 bits drop some hundred that are unique, 64 bits none; `verify: exact` drops none at any length, and has texts wait in a temporary file.
/// Give either `input_key` or `input_keys`. The label is 1 for a row that stays and 0 for one that goes; a null is dropped. Some 50 bytes are held for each row that stays.
///
/// # 中文
///
/// 对 SHA-1 前 `bit_length` 位相同的文本，只保留最先出现的一行。位数少时不同文本会偶然相同：一百万行时 32 位约误删一百余行，64 位则不会；`verify: exact` 在任何位数下都不会误删，文本存放在临时文件中。`input_key` 与 `input_keys` 二者给出其一。保留的行标签为 1，丢弃的为 0；空值会被丢弃。每个保留的行约占 50 字节内存。
#[operator(text_pt, filter, Dataset)]
pub struct CCNetDeduplicateFilter {
    /// How many bits are compared, a multiple of 8 up to 128. 中文：比较的位数，8 的倍数，最多 128。
    pub bit_length: u32,
    /// With `exact`, a row goes only where the texts themselves are equal, so that none is dropped by chance. An index then holds the texts too, for the runs that are compared with it. 中文：取 `exact` 时只有文本本身相同才丢弃，不会误删；此时索引也保存文本，供其他运行比较。
    pub verify: Option<Verify>,
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

impl Default for CCNetDeduplicateFilter {
    fn default() -> Self {
        Self {
            bit_length: 64,
            verify: None,
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

impl CCNetDeduplicateFilter {
    fn keys(&self) -> Keys<'_> {
        Keys { one: self.input_key.as_ref(), several: self.input_keys.as_deref(), compatibility: Compatibility::Own }
    }

    fn beside(&self) -> Beside {
        Beside {
            pairs_path: self.pairs_path.clone(),
            clusters_path: self.clusters_path.clone(),
            index_path: self.index_path.clone(),
            index_name: self.index_name.clone(),
            settings: format!("CCNetDeduplicateFilter bit_length={}", self.bit_length),
            verified_from: self.verify.map(|Verify::Exact| 1.0),
            memory_limit: self.memory_limit,
        }
    }
}

impl Dataset for CCNetDeduplicateFilter {
    fn kept(&self) -> Result<Option<Kept>> {
        self.beside().kept()
    }

    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Deduplication::new(self.keys(), self.output_key.as_str(), FirstBits(self.bit_length), Exact::default(), self.beside())))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.keys().problems();
        problems.extend(self.beside().problems());
        if self.bit_length == 0 || self.bit_length > 128 || !self.bit_length.is_multiple_of(8) {
            problems.push(format!("`bit_length` should be a multiple of 8 from 8 to 128, found {}", self.bit_length));
        }
        problems
    }
}

#[derive(Clone)]
struct FirstBits(u32);

impl Sign for FirstBits {
    fn width(&self) -> usize {
        2
    }

    fn sign(&mut self, text: &str, signature: &mut [u64]) {
        use sha1::Digest;
        let [high, low] = halves(&sha1::Sha1::digest(text));
        let bits = (u128::from(high) << 64 | u128::from(low)) >> (128 - self.0);
        signature.copy_from_slice(&[(bits >> 64) as u64, bits as u64]);
    }

    fn similarity(&self, one: &str, other: &str) -> Option<f64> {
        Some(if one == other { 1.0 } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(CCNetDeduplicateFilter);

    fn over(input_key: &str) -> CCNetDeduplicateFilter {
        CCNetDeduplicateFilter { input_key: Some(input_key.into()), ..Default::default() }
    }

    #[test]
    fn the_first_of_equal_texts_stays() {
        assert_snapshot!(check_rule(&over("text"), "text", ["a", "b", "a"]), @r"
        text=a minhash_deduplicated_label=1
        text=b minhash_deduplicated_label=1
        dropped
        ");
        let few: Vec<String> = (0..800).map(|number| (number % 400).to_string()).collect();
        let frame = polars::prelude::df!("text" => few).unwrap();
        let kept = |verify| {
            let kept = dataflow_core::testing::run_rule(&CCNetDeduplicateFilter { bit_length: 8, verify, ..over("text") }, frame.clone()).1;
            kept.into_iter().filter(|kept| *kept).count()
        };
        assert!(kept(None) <= 256, "8 bits tell 256 texts apart");
        assert_eq!(kept(Some(Verify::Exact)), 400);
    }
}
