//! Drops rows whose text is nearly that of an earlier row.

use std::path::PathBuf;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::operator::{DatasetWork, Kept};
use dataflow_core::shape::Dataset;
use dataflow_core::{Result, operator};
use polars::prelude::{PlHashMap, PlHashSet};

use crate::byte_size::ByteSize;
use crate::compatibility::Compatibility;
use crate::deduplication::{Beside, Deduplication, Entry, Found, Keys, Remember, Sign, SimilarityTo, Verify, in_table};

use self::signature::{Bands, Signer, TO_BE_FOUND};

mod signature;

/// Keeps the first of the rows whose texts are nearly the same.
///
/// Texts are compared by MinHash signatures of their runs of `ngram` characters, looked up by locality-sensitive hashing at a Jaccard similarity of
/// about `threshold`; what is kept is what DataFlow keeps with datasketch 2. Give either `input_key` or `input_keys`. The values of several keys are compared one after another; DataFlow puts each key's name before its value, so that short rows are alike by the names alone; `compatibility: dataflow` does as it does. The label is 1 for a row that stays and 0
/// for one that goes; a null is dropped, and so is a row in which all of several keys are null. At the default threshold some 200 bytes are held for each row that stays, and 400 with
/// `verify`, whose texts wait in a temporary file; each core holds 1 MB of hashes that come often.
///
/// A pair is found where all `r` values of one of `b` bands of the signatures are equal: of pairs of a similarity `s` the share 1-(1-s^r)^b, and no others. `b` and `r` are chosen as datasketch does, by default 5 and 25: of pairs with a
/// similarity of 0.8, 0.9, 0.95 and 0.99 some 2, 31, 80 and 99.9 percent are found. With `verify`, which lets no pair below the threshold pass, bands are chosen that find at least 95 percent of the pairs at the threshold, by default 10 of 12
/// values, which find 96 percent at 0.9 and 99.9 at 0.95; a `num_perm` that is too small for it at a low threshold is refused.
/// Each pair that is found is compared then: of pairs with a similarity of 0.5, 0.6, 0.7 and 0.8 some 0.2, 2, 13 and 51 percent. Where most texts of a data set are as alike as that and few are alike enough, such as long ones out of a dozen
/// words, twice the rows take up to four times as long.
///
/// # 中文
///
/// 对文本几乎相同的行，只保留最先出现的一行。以长度为 `ngram` 的字符片段计算 MinHash 签名，用局部敏感哈希按约为 `threshold` 的 Jaccard 相似度查重，
/// 保留结果与使用 datasketch 2 的 DataFlow 相同。`input_key` 与 `input_keys` 二者给出其一。多列按其值依次相连后比较；DataFlow 在每个值前加上列名，短文本仅因列名就会相似，`compatibility: dataflow` 沿用其做法。保留的行标签为 1，丢弃的为 0；空值会被丢弃，
/// 多列全为空的行也会被丢弃。默认阈值下每个保留的行约占 200 字节内存，
/// 使用 `verify` 时约 400 字节，文本存放在临时文件中；每个核心另占 1 MB，存放常用的哈希。
///
/// 签名分为 `b` 段，每段 `r` 个值，任一段全部相等即找到一对：相似度为 `s` 的对被找到的比例为 1-(1-s^r)^b，其余会漏掉。`b` 与 `r` 的取法与 datasketch 相同，默认为 5 与 25：相似度为 0.8、0.9、0.95、0.99 的对约有 2%、31%、80%、99.9% 被找到。
/// 使用 `verify` 时低于阈值的对不会被丢弃，因此改用在阈值处至少能找到 95% 的分段，默认为 10 段、每段 12 个值，在 0.9 处找到 96%，在 0.95 处找到 99.9%；阈值低而 `num_perm` 过小、无法做到时会报错。
/// 找到的每一对都会逐一比较：相似度为 0.5、0.6、0.7、0.8 的对约有 0.2%、2%、13%、51%。若数据中多数文本彼此如此相似而少有达到阈值者（如由十几个词组成的长文本），行数加倍时耗时最多增至四倍。
#[operator(general_text, filter, Dataset)]
pub struct MinHashDeduplicateFilter {
    /// How many hash functions a signature has. 中文：签名所用哈希函数的个数。
    pub num_perm: u32,
    /// The similarity from which texts count as the same, from 0 to 1. 中文：视为相同的相似度，取 0 到 1。
    pub threshold: f64,
    /// Whether runs of characters are compared, or single characters. 中文：按字符片段比较（真）还是按单个字符比较（假）。
    pub use_n_gram: bool,
    /// How many characters a run has. 中文：每个片段的字符数。
    pub ngram: u32,
    /// With `exact`, a row goes only where the runs of both texts themselves reach the threshold, so that no row is dropped by chance. An index then holds the texts too, for the runs that are compared with it. 中文：取 `exact` 时，只有两段文本的片段本身达到阈值才丢弃，不会误删；此时索引也保存文本，供其他运行比较。
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
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

/// More hash functions than this make signing slow and nothing better.
const MOST_FUNCTIONS: u32 = 4096;

impl Default for MinHashDeduplicateFilter {
    fn default() -> Self {
        Self {
            num_perm: 128,
            threshold: 0.9,
            use_n_gram: true,
            ngram: 5,
            verify: None,
            input_keys: None,
            input_key: None,
            pairs_path: None,
            clusters_path: None,
            index_path: None,
            index_name: None,
            memory_limit: None,
            compatibility: Compatibility::Own,
            output_key: "minhash_deduplicated_label".into(),
        }
    }
}

impl MinHashDeduplicateFilter {
    fn shingle(&self) -> usize {
        if self.use_n_gram { self.ngram as usize } else { 1 }
    }

    /// Says that too few hash functions are asked for to find the pairs at the threshold that `verify` promises.
    fn missed_pairs(&self) -> Option<String> {
        // Bands of one value find the most.
        let recall = |num_perm: u32| Bands { count: num_perm as usize, values: 1 }.recall(self.threshold);
        let found = recall(self.num_perm);
        let enough = (2..=MOST_FUNCTIONS).find(|num_perm| recall(*num_perm) >= TO_BE_FOUND);
        (found < TO_BE_FOUND).then(|| {
            let hint = enough.map_or_else(|| "a higher `threshold`".to_owned(), |enough| format!("`num_perm` of at least {enough}"));
            format!(
                "`verify: exact` should find {:.0} percent of the pairs at `threshold` {}, and `num_perm` {} finds at most {:.1}\nhint: {hint}",
                TO_BE_FOUND * 100.0,
                self.threshold,
                self.num_perm,
                found * 100.0
            )
        })
    }

    fn keys(&self) -> Keys<'_> {
        Keys { one: self.input_key.as_ref(), several: self.input_keys.as_deref(), compatibility: self.compatibility }
    }

    fn beside(&self) -> Beside {
        let shingle = self.shingle();
        Beside {
            pairs_path: self.pairs_path.clone(),
            clusters_path: self.clusters_path.clone(),
            index_path: self.index_path.clone(),
            index_name: self.index_name.clone(),
            settings: format!(
                "MinHashDeduplicateFilter num_perm={} threshold={} shingle={shingle} with 8 bits of each value{}{}",
                self.num_perm,
                self.threshold,
                if self.verify.is_some() { ", to be verified" } else { "" },
                if self.compatibility == Compatibility::Dataflow { ", as DataFlow" } else { "" }
            ),
            verified_from: self.verify.map(|Verify::Exact| self.threshold),
            memory_limit: self.memory_limit,
        }
    }
}

impl Dataset for MinHashDeduplicateFilter {
    fn kept(&self) -> Result<Option<Kept>> {
        self.beside().kept()
    }

    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        let shingle = self.shingle();
        let of = if self.verify.is_some() { Bands::that_find } else { Bands::for_threshold };
        let bands = of(self.threshold, self.num_perm as usize);
        // Only rows of other runs are compared by more than bands.
        let sketched = if self.index_path.is_some() { self.num_perm as usize } else { 0 };
        let signer = Signer::new(self.num_perm as usize, shingle, bands).with_sketch(sketched);
        let seen = SeenBands::new(bands.count, self.verify);
        Ok(Box::new(Deduplication::new(self.keys(), self.output_key.as_str(), signer, seen, self.beside())))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.keys().problems();
        problems.extend(self.beside().problems());
        if !(2..=MOST_FUNCTIONS).contains(&self.num_perm) {
            problems.push(format!("`num_perm` should be from 2 to {MOST_FUNCTIONS}, found {}", self.num_perm));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            problems.push(format!("`threshold` should be a similarity from 0 to 1, found {}", self.threshold));
        }
        if problems.is_empty() && self.verify.is_some() {
            problems.extend(self.missed_pairs());
        }
        if self.use_n_gram && self.ngram == 0 {
            problems.push("`ngram` is 0, and a run has at least one character".into());
        }
        problems
    }
}

impl Sign for Signer {
    const ESTIMATES: bool = true;

    fn width(&self) -> usize {
        self.bands() + self.sketch_width()
    }

    fn sign(&mut self, text: &str, signature: &mut [u64]) {
        let (band_hashes, sketch) = signature.split_at_mut(self.bands());
        self.band_hashes(text, band_hashes);
        self.sketch(sketch);
    }

    fn similarity(&self, one: &str, other: &str) -> Option<f64> {
        self.similarity_to(one, 0.0)(other)
    }

    fn similarity_to<'a>(&'a self, one: &'a str, least: f64) -> SimilarityTo<'a> {
        let own: PlHashSet<&str> = self.shingles(one).collect();
        Box::new(move |other| {
            // Most texts of a band are not alike, and a few shingles that this one has not tell it.
            let mut strange = PlHashSet::default();
            for shingle in self.shingles(other).filter(|shingle| !own.contains(shingle)) {
                strange.insert(shingle);
                let most = own.len() as f64 / (own.len() + strange.len()) as f64;
                if most < least {
                    return Some(most);
                }
            }
            let of_other: PlHashSet<&str> = self.shingles(other).collect();
            let all = own.len() + strange.len();
            Some(if all == 0 { 1.0 } else { (of_other.len() - strange.len()) as f64 / all as f64 })
        })
    }

    fn estimate(&self, one: &[u64], other: &[u64]) -> Option<f64> {
        self.similarity_of_sketches(one.get(self.bands()..)?, other.get(self.bands()..)?)
    }
}

/// Remembers, band by band, the rows that stayed.
struct SeenBands {
    /// For each band the last row of each hash.
    last: Vec<PlHashMap<u64, u32>>,
    /// For each row in memory and each band the row before it of the same hash. Only texts that are compared themselves let two rows of one hash stay; without that there is none.
    before: Option<Vec<u32>>,
    rows: u32,
    /// The first row that is in memory.
    first: u32,
}

/// No row.
const NONE: u32 = u32::MAX;

impl SeenBands {
    fn new(bands: usize, verify: Option<Verify>) -> Self {
        Self { last: vec![PlHashMap::default(); bands], before: verify.map(|_| Vec::new()), rows: 0, first: 0 }
    }

    /// The row before one, of the same hash in a band.
    fn before(&self, row: u32, band: usize) -> u32 {
        self.before.as_ref().map_or(NONE, |before| before[(row - self.first) as usize * self.last.len() + band])
    }
}

/// A hash of a band as a key.
fn band_key(band: usize, hash: u64) -> u128 {
    (band as u128) << 64 | u128::from(hash)
}

impl Remember for SeenBands {
    fn find(&self, hashes: &[u64], found: &mut Vec<Found>) {
        for (band, (last, hash)) in self.last.iter().zip(hashes).enumerate() {
            let mut next = last.get(hash).copied().unwrap_or(NONE);
            while next != NONE {
                found.push(Found { row: next, similarity: None });
                next = self.before(next, band);
            }
        }
    }

    fn remember(&mut self, hashes: &[u64]) {
        for (last, hash) in self.last.iter_mut().zip(hashes) {
            let replaced = last.insert(*hash, self.rows);
            if let Some(before) = &mut self.before {
                before.push(replaced.unwrap_or(NONE));
            }
        }
        self.rows += 1;
    }

    fn keys(&self, hashes: &[u64], keys: &mut Vec<u128>) {
        keys.extend(hashes.iter().take(self.last.len()).enumerate().map(|(band, hash)| band_key(band, *hash)));
    }

    fn judge(&self, row: u32, _: usize, _: &[u64]) -> Option<Found> {
        Some(Found { row, similarity: None })
    }

    fn bytes(&self) -> usize {
        let tables: usize = self.last.iter().map(|last| in_table(last.capacity(), 16)).sum();
        tables + self.before.as_ref().map_or(0, |before| before.len() * 4)
    }

    fn take(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (band, last) in self.last.iter().enumerate() {
            for (hash, row) in last {
                let mut next = *row;
                while next != NONE {
                    entries.push((band_key(band, *hash), next));
                    next = self.before(next, band);
                }
            }
        }
        self.last.iter_mut().for_each(|last| *last = PlHashMap::default());
        self.before.iter_mut().for_each(Vec::clear);
        self.first = self.rows;
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{check_frame, check_rule, conformance, run_rule};
    use insta::assert_snapshot;
    use polars::prelude::*;

    conformance!(MinHashDeduplicateFilter);

    fn over(input_key: &str) -> MinHashDeduplicateFilter {
        MinHashDeduplicateFilter { input_key: Some(input_key.into()), ..Default::default() }
    }

    const LONG: &str = "The harbour was quiet in the early morning, and the fishing boats rocked gently against the wooden pier while gulls circled above an old man who mended his nets.";

    #[test]
    fn the_first_of_nearly_equal_texts_stays() {
        let near = format!("{LONG} ");
        assert_snapshot!(check_rule(&over("text"), "text", [LONG, "短文本", &near, "短文本", "短文本。", "", "a", ""]), @r"
        text=The harbour was quiet in the early morning, and the fishing boats rocked gently against the wooden pier while gulls circled above an old man who mended his nets. minhash_deduplicated_label=1
        text=短文本 minhash_deduplicated_label=1
        dropped
        dropped
        text=短文本。 minhash_deduplicated_label=1
        text= minhash_deduplicated_label=1
        text=a minhash_deduplicated_label=1
        dropped
        ");
    }

    #[test]
    fn several_keys_are_compared_together_and_a_null_is_not_the_word_none() {
        let frame = df!("a" => [Some("same"), Some("same"), Some("x"), Some("x"), None], "b" => [Some("one"), Some("two"), None, Some("None"), None]).unwrap();
        let operator = MinHashDeduplicateFilter { input_keys: Some(vec!["a".into(), "b".into()]), ..Default::default() };
        assert_snapshot!(check_frame(&operator, frame), @r"
        a=same b=one minhash_deduplicated_label=1
        a=same b=two minhash_deduplicated_label=1
        a=x b=null minhash_deduplicated_label=1
        a=x b=None minhash_deduplicated_label=1
        dropped
        ");
    }

    #[test]
    fn the_names_of_several_keys_are_compared_by_dataflow_alone() {
        let (one, two) = ("a_rather_long_column_name_here", "another_long_column");
        let frame = df!(one => ["Say hi", "Q"], two => ["Hello", "R"]).unwrap();
        let own =
            MinHashDeduplicateFilter { input_keys: Some(vec![one.into(), two.into()]), threshold: 0.6, verify: Some(Verify::Exact), ..Default::default() };
        assert_eq!(run_rule(&own, frame.clone()).1, [true, true]);
        let dataflow = MinHashDeduplicateFilter { compatibility: Compatibility::Dataflow, ..own };
        assert_eq!(run_rule(&dataflow, frame).1, [true, false]);
    }

    #[test]
    fn earlier_batches_are_remembered_and_threads_change_nothing() {
        let texts: Vec<String> = (0..400).map(|number| format!("{} {LONG}", "一二三四五六七八九十".repeat(number % 150))).collect();
        let frame = df!("text" => &texts).unwrap();
        let label = |frame: &DataFrame, batch: usize| {
            let mut work = Dataset::start(&over("text")).unwrap();
            let parts = (0..frame.height()).step_by(batch).map(|start| work.batch(&frame.slice(start as i64, batch)).unwrap().keep.unwrap());
            parts.flat_map(|part| part.no_null_iter().collect::<Vec<_>>()).collect::<Vec<bool>>()
        };
        assert_eq!(label(&frame, 400), label(&frame, 7));
        assert!(label(&frame, 400)[150..].iter().all(|kept| !kept), "every text after the 150th came before");
    }

    #[test]
    fn a_reason_names_the_row_and_tells_how_alike_the_two_are() {
        let mut work = Dataset::start(&over("text")).unwrap();
        work.will_explain();
        work.batch(&df!("text" => [LONG, &format!("{LONG} ")]).unwrap()).unwrap();
        assert_eq!(work.why(1).as_deref(), Some("repeats row 1, similarity 0.994"));
    }

    #[test]
    fn too_few_functions_to_find_the_pairs_that_verify_promises_are_refused() {
        let problems = |num_perm, threshold, verify| Operator::problems(&MinHashDeduplicateFilter { num_perm, threshold, verify, ..over("text") }).join("\n");
        let verify = Some(Verify::Exact);
        assert_snapshot!(problems(4, 0.5, verify), @r"
        `verify: exact` should find 95 percent of the pairs at `threshold` 0.5, and `num_perm` 4 finds at most 93.8
        hint: `num_perm` of at least 5
        ");
        assert_snapshot!(problems(2, 0.01, verify), @r"
        `verify: exact` should find 95 percent of the pairs at `threshold` 0.01, and `num_perm` 2 finds at most 2.0
        hint: `num_perm` of at least 299
        ");
        assert_snapshot!(problems(4, 0.0, verify), @r"
        `verify: exact` should find 95 percent of the pairs at `threshold` 0, and `num_perm` 4 finds at most 0.0
        hint: a higher `threshold`
        ");
        assert_eq!([problems(4, 0.9, verify), problems(5, 0.5, verify), problems(4, 0.5, None)], ["", "", ""]);
    }

    #[test]
    fn the_promised_share_of_pairs_at_the_threshold_is_found() {
        // Two texts of 19 characters, 18 of which are the same, and none of which is in another pair: a similarity of 0.9.
        let text = |pair: u32, last| (0..18).chain([last]).filter_map(|place| char::from_u32(0x4e00 + pair * 20 + place)).collect::<String>();
        let texts: Vec<String> = (0..1000).flat_map(|pair| [text(pair, 18), text(pair, 19)]).collect();
        let frame = df!("text" => texts).unwrap();
        for num_perm in [3, 4, 16, 128] {
            let filter = MinHashDeduplicateFilter { num_perm, verify: Some(Verify::Exact), use_n_gram: false, ..over("text") };
            assert_eq!(Operator::problems(&filter), [""; 0]);
            let found = dataflow_core::testing::run_rule(&filter, frame.clone()).1.into_iter().filter(|kept| !*kept).count();
            assert!(found >= 930, "{found} of 1000 with {num_perm}"); // chance takes or gives some
        }
    }

    #[test]
    fn texts_that_are_not_alike_enough_are_given_up_early_and_the_others_are_told_exactly() {
        let signer = Signer::new(16, 2, Bands { count: 4, values: 4 });
        let thousandths = |one: &str, other: &str, least| (signer.similarity_to(one, least)(other).unwrap() * 1000.0).round() as u32;
        assert_eq!(thousandths("abcdef", "abcdxy", 0.0), 429, "3 of 7 pairs of letters");
        assert_eq!(thousandths("abcdef", "abcdxy", 0.4), 429);
        assert_eq!(thousandths("abcdef", "abcdxy", 0.9), 833, "given up after the first that is strange");
        assert_eq!(thousandths("abcdef", "abcdef", 1.0), 1000);
        assert_eq!(["", "a"].map(|other| thousandths("", other, 0.5)), [1000, 0]);
        assert_eq!(thousandths("ab", "", 0.5), 0);
        assert_eq!(signer.similarity("aaab", "ab"), Some(0.5), "each counts once");
    }

    #[test]
    fn a_step_without_one_key_is_refused() {
        let both = MinHashDeduplicateFilter { input_keys: Some(Vec::new()), num_perm: 1, threshold: 1.5, ngram: 0, ..over("text") };
        assert_snapshot!(Operator::problems(&both).join("\n"), @r"
        `input_key` and `input_keys` are both given, and only one of them can be used
        `num_perm` should be from 2 to 4096, found 1
        `threshold` should be a similarity from 0 to 1, found 1.5
        `ngram` is 0, and a run has at least one character
        ");
        assert_snapshot!(Operator::problems(&MinHashDeduplicateFilter::default()).join("\n"), @"either `input_key` or `input_keys` has to be given");
    }
}
