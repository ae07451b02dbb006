//! Drops rows whose fingerprint is near that of an earlier row.

use std::path::PathBuf;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::operator::{DatasetWork, Kept};
use dataflow_core::shape::Dataset;
use dataflow_core::{Result, operator};
use polars::prelude::{PlHashMap, PlHashSet};
use pulp::{Arch, NullaryFnOnce};

use crate::byte_size::ByteSize;
use crate::compatibility::Compatibility;
use crate::deduplication::lanes::dispatch;
use crate::deduplication::{Beside, Deduplication, Entry, Found, Keys, Remember, Sign, Verify, in_table, jaccard};
use crate::python::{is_space, is_word};

use self::md5_of_runs::{Digests, Run, SIXTEEN};

mod md5_of_runs;

/// Keeps the first of the rows whose SimHash fingerprints differ in at most a share of `bound` of their bits.
///
/// Fingerprints are made of runs of four characters, letter case, spaces and punctuation aside, as in DataFlow; those of texts of marks alone are made of the marks, where DataFlow takes all such texts for one. DataFlow's share is of two bits more, less the zeros that a fingerprint begins with. The values of several keys are compared one after another, where DataFlow puts each key's name before its value. `compatibility: dataflow` does as it does in all of this. Rows are looked up by parts of their fingerprints, one of which is equal where so few bits differ (Manku, Jain and Das Sarma, "Detecting Near-Duplicates for Web Crawling", 2007). At the defaults these are seven parts of nine or ten bits, so that each row is compared with one in 80 of those before it, or more where texts are much alike: a million rows take 6,000,000,000 comparisons, on one core.
/// Give either `input_key` or `input_keys`. The label is 1 for a row that stays and 0 for one that goes; a null is dropped. Some 100 bytes are held for each row that stays; with `verify` texts wait in a temporary file.
///
/// # 中文
///
/// SimHash 指纹与之前的行相差不超过 `bound` 比例的位时视为重复，只保留最先出现的一行。与 DataFlow 一致，指纹由连续四个字符的片段构成，忽略大小写、空格与标点；只含符号的文本按其符号计算，DataFlow 则视为同一文本；DataFlow 的比例以指纹去掉前导零后的位数加二为分母。多列按其值依次相连后比较，DataFlow 则在每个值前加上列名。`compatibility: dataflow` 均沿用其做法。按指纹分段查找候选行，各段中有一段相等：默认七段，每段九或十位，每行约与之前 1/80 的行比较（文本彼此相近时更多），一百万行约需单核比较 60 亿次。`input_key` 与 `input_keys` 二者给出其一。保留的行标签为 1，丢弃的为 0；空值会被丢弃。每个保留的行约占 100 字节内存；使用 `verify` 时文本存放在临时文件中。
#[operator(general_text, filter, Dataset)]
pub struct SimHashDeduplicateFilter {
    /// How many bits a fingerprint has, a multiple of 8 up to 128. 中文：指纹的位数，8 的倍数，最多 128。
    pub fingerprint_size: u32,
    /// The share of bits that may differ. 中文：允许不同的位所占的比例。
    pub bound: f64,
    /// With `exact`, a row goes only where the runs of both texts also have a Jaccard similarity of 1 less `bound`, so that no row is dropped because fingerprints happen to be near. An index then holds the texts too, for the runs that are compared with it. 中文：取 `exact` 时，两段文本的片段的 Jaccard 相似度还须达到 1 减 `bound` 才丢弃，不会因指纹偶然接近而误删；此时索引也保存文本，供其他运行比较。
    pub verify: Option<Verify>,
    /// The texts to compare together, when there are several, among which a null is as an empty text, since marks do not count. 中文：合在一起比较的多个文本列，其中空值等同于空文本，因为不计符号。
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
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for SimHashDeduplicateFilter {
    fn default() -> Self {
        Self {
            fingerprint_size: 64,
            bound: 0.1,
            verify: None,
            input_keys: None,
            input_key: None,
            pairs_path: None,
            clusters_path: None,
            index_path: None,
            index_name: None,
            memory_limit: None,
            output_key: "minhash_deduplicated_label".into(),
            compatibility: Compatibility::Own,
        }
    }
}

impl SimHashDeduplicateFilter {
    fn keys(&self) -> Keys<'_> {
        Keys { one: self.input_key.as_ref(), several: self.input_keys.as_deref(), compatibility: self.compatibility }
    }

    fn beside(&self) -> Beside {
        Beside {
            pairs_path: self.pairs_path.clone(),
            clusters_path: self.clusters_path.clone(),
            index_path: self.index_path.clone(),
            index_name: self.index_name.clone(),
            settings: format!(
                "SimHashDeduplicateFilter fingerprint_size={}{}",
                self.fingerprint_size,
                match self.compatibility {
                    Compatibility::Own => " marks",
                    Compatibility::Dataflow => "",
                }
            ),
            verified_from: self.verify.map(|Verify::Exact| 1.0 - self.bound),
            memory_limit: self.memory_limit,
        }
    }
}

impl Dataset for SimHashDeduplicateFilter {
    fn kept(&self) -> Result<Option<Kept>> {
        self.beside().kept()
    }

    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Deduplication::new(
            self.keys(),
            self.output_key.as_str(),
            Fingerprint { bits: self.fingerprint_size, as_dataflow: self.compatibility == Compatibility::Dataflow, runs: Vec::new(), hashes: Vec::new() },
            SeenFingerprints::new(self.fingerprint_size, self.bound, self.compatibility),
            self.beside(),
        )))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.keys().problems();
        problems.extend(self.beside().problems());
        if self.fingerprint_size == 0 || self.fingerprint_size > 128 || !self.fingerprint_size.is_multiple_of(8) {
            problems.push(format!("`fingerprint_size` should be a multiple of 8 from 8 to 128, found {}", self.fingerprint_size));
        }
        if !(0.0..1.0).contains(&self.bound) {
            problems.push(format!("`bound` should be a share from 0 to below 1, found {}", self.bound));
        }
        problems
    }
}

#[derive(Clone)]
struct Fingerprint {
    bits: u32,
    /// Whether a text of marks alone is as one without characters.
    as_dataflow: bool,
    /// The runs of a text, and the MD5 of each.
    runs: Vec<Run>,
    hashes: Vec<u128>,
}

/// The characters of a run.
const RUN: usize = 4;

impl Fingerprint {
    /// What of a text its runs are made of.
    fn words_of(&self, text: &str) -> String {
        let words: String = text.to_lowercase().chars().filter(|character| is_word(*character)).collect();
        if words.is_empty() && !self.as_dataflow {
            // All texts of marks alone would be one.
            return text.chars().filter(|character| !is_space(*character)).collect();
        }
        words
    }
}

/// The runs of words, of which there is at least one.
fn runs_of(words: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> = words.char_indices().map(|(at, _)| at).chain([words.len()]).collect();
    let runs = starts.len().saturating_sub(RUN).max(1);
    (0..runs).map(move |run| &words[starts[run]..starts[(run + RUN).min(starts.len() - 1)]])
}

impl Sign for Fingerprint {
    fn width(&self) -> usize {
        2
    }

    fn sign(&mut self, text: &str, signature: &mut [u64]) {
        let words = self.words_of(text);
        self.runs.clear();
        self.runs.extend(runs_of(&words).map(Run::of));
        let runs = self.runs.len();
        self.runs.resize(runs.next_multiple_of(SIXTEEN), Run::default());
        self.hashes.resize(self.runs.len(), 0);
        dispatch(Digests { runs: self.runs.as_chunks().0, digests: self.hashes.as_chunks_mut().0 });
        let fingerprint = BitCounts::of(&mut self.hashes[..runs]).above(runs / 2) & u128::MAX >> (128 - self.bits);
        signature.copy_from_slice(&[(fingerprint >> 64) as u64, fingerprint as u64]);
    }

    fn similarity(&self, one: &str, other: &str) -> Option<f64> {
        let (one, other) = (self.words_of(one), self.words_of(other));
        Some(jaccard(&runs_of(&one).collect::<PlHashSet<_>>(), &runs_of(&other).collect()))
    }
}

/// How many numbers have each of their bits set: each bit's count, written in binary across the planes, the lowest first.
struct BitCounts {
    planes: Vec<u128>,
}

impl BitCounts {
    /// Adds two numbers at a time, for all bits at once, and then what they carry in the same way (Harley and Seal's method, in Warren's "Hacker's Delight", 5-1). The numbers are used up.
    fn of(mut numbers: &mut [u128]) -> Self {
        let mut planes = Vec::new();
        while !numbers.is_empty() {
            let pairs = numbers.len() / 2;
            let mut plane = if numbers.len().is_multiple_of(2) { 0 } else { numbers[2 * pairs] };
            for pair in 0..pairs {
                let [one, other] = [numbers[2 * pair], numbers[2 * pair + 1]];
                numbers[pair] = (one & other) | (plane & (one ^ other));
                plane ^= one ^ other;
            }
            planes.push(plane);
            numbers = &mut numbers[..pairs];
        }
        Self { planes }
    }

    /// The bits that more numbers than these have set, of which there are no more than numbers.
    fn above(&self, most: usize) -> u128 {
        let (mut above, mut equal) = (0, u128::MAX);
        for (place, plane) in self.planes.iter().enumerate().rev() {
            if most >> place & 1 == 1 {
                equal &= plane;
            } else {
                above |= equal & plane;
                equal &= !plane;
            }
        }
        above
    }
}

/// The fingerprints of the rows that stayed, by each of their parts.
struct SeenFingerprints {
    bits: u32,
    bound: f64,
    compatibility: Compatibility,
    /// How many bits may differ in any case.
    most: u32,
    /// Bits before each part, and the bits of it.
    parts: Vec<(u32, u128)>,
    /// Those of all rows, 16 bytes each: they are never put on disk.
    fingerprints: Vec<u128>,
    of_part: Vec<PlHashMap<u128, Vec<u32>>>,
    /// How many rows have been taken out of `of_part`.
    taken: usize,
}

impl SeenFingerprints {
    fn new(bits: u32, bound: f64, compatibility: Compatibility) -> Self {
        let own = Self { bits, bound, compatibility, most: 0, parts: Vec::new(), fingerprints: Vec::new(), of_part: Vec::new(), taken: 0 };
        let largest = match compatibility {
            Compatibility::Own => bits,
            Compatibility::Dataflow => bits + 2,
        };
        let most = (0..=bits).rev().find(|differing| own.is_within(similarity_of(*differing, largest))).unwrap_or(0);
        // With one part more than bits that may differ, one part is equal; where all may differ, the one part is of no bits.
        let (parts, bits) = if most < bits { (most + 1, bits) } else { (1, 0) };
        let edges: Vec<u32> = (0..=parts).map(|part| bits * part / parts).collect();
        let parts: Vec<(u32, u128)> = edges.windows(2).map(|edge| (edge[0], u128::MAX.checked_shr(128 - (edge[1] - edge[0])).unwrap_or(0))).collect();
        Self { most, of_part: vec![PlHashMap::default(); parts.len()], parts, ..own }
    }

    /// One less the share of bits that differ. DataFlow's share is of the length of the longer fingerprint, written in binary with `0b` before it.
    fn similarity(&self, one: u128, other: u128) -> f64 {
        let written = |fingerprint: u128| 2 + (128 - fingerprint.leading_zeros()).max(1);
        let all = match self.compatibility {
            Compatibility::Own => self.bits,
            Compatibility::Dataflow => written(one).max(written(other)),
        };
        similarity_of((one ^ other).count_ones(), all)
    }

    fn is_within(&self, similarity: f64) -> bool {
        similarity >= 1.0 - self.bound
    }

    fn is_near(&self, one: u128, other: u128) -> bool {
        self.is_within(self.similarity(one, other))
    }
}

fn similarity_of(differing: u32, all: u32) -> f64 {
    1.0 - f64::from(differing) / f64::from(all)
}

/// Finds the rows whose fingerprints differ in few bits, with the processor's own count of bits where it has one.
struct Near<'a> {
    fingerprint: u128,
    /// How many bits may differ.
    most: u32,
    fingerprints: &'a [u128],
    rows: &'a [u32],
    found: &'a mut Vec<Found>,
}

impl NullaryFnOnce for Near<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the processor's instructions")]
    fn call(self) {
        let near = |row: &&u32| (self.fingerprints[**row as usize] ^ self.fingerprint).count_ones() <= self.most;
        self.found.extend(self.rows.iter().filter(near).map(|row| Found { row: *row, similarity: None }));
    }
}

fn fingerprint_of(signature: &[u64]) -> u128 {
    u128::from(signature[0]) << 64 | u128::from(signature[1])
}

impl Remember for SeenFingerprints {
    fn find(&self, signature: &[u64], found: &mut Vec<Found>) {
        let fingerprint = fingerprint_of(signature);
        let of_part = self.parts.iter().zip(&self.of_part).filter_map(|((from, mask), rows)| rows.get(&(fingerprint >> from & mask)));
        for rows in of_part {
            Arch::new().dispatch(Near { fingerprint, most: self.most, fingerprints: &self.fingerprints, rows, found });
        }
        found.retain_mut(|candidate| {
            let earlier = self.fingerprints[candidate.row as usize];
            candidate.similarity = Some(self.similarity(earlier, fingerprint));
            self.is_near(earlier, fingerprint)
        });
    }

    fn remember(&mut self, signature: &[u64]) {
        let fingerprint = fingerprint_of(signature);
        for ((from, mask), rows) in self.parts.iter().zip(&mut self.of_part) {
            rows.entry(fingerprint >> from & mask).or_default().push(self.fingerprints.len() as u32);
        }
        self.fingerprints.push(fingerprint);
    }

    fn keys(&self, signature: &[u64], keys: &mut Vec<u128>) {
        let fingerprint = fingerprint_of(signature);
        keys.extend(self.parts.iter().enumerate().map(|(number, (from, mask))| part_key(number, fingerprint >> from & mask)));
    }

    fn judge(&self, row: u32, _: usize, signature: &[u64]) -> Option<Found> {
        let (earlier, fingerprint) = (*self.fingerprints.get(row as usize)?, fingerprint_of(signature));
        self.is_near(earlier, fingerprint).then(|| Found { row, similarity: Some(self.similarity(earlier, fingerprint)) })
    }

    fn bytes(&self) -> usize {
        let rows = self.fingerprints.len() - self.taken;
        self.of_part.iter().map(|rows| in_table(rows.capacity(), 48)).sum::<usize>() + rows * self.parts.len() * 16
    }

    fn take(&mut self) -> Vec<Entry> {
        self.taken = self.fingerprints.len();
        let of_part = self.of_part.iter_mut().map(std::mem::take).enumerate();
        of_part
            .flat_map(|(number, rows)| rows.into_iter().flat_map(move |(part, rows)| rows.into_iter().map(move |row| (part_key(number, part), row))))
            .collect()
    }
}

/// A part of a fingerprint and its number, as one key. A part alone has fewer bits than a fingerprint unless it is the only one.
fn part_key(number: usize, part: u128) -> u128 {
    part.rotate_left(7) ^ (number as u128) << 120
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::conformance;

    conformance!(SimHashDeduplicateFilter);

    fn over(input_key: &str) -> SimHashDeduplicateFilter {
        SimHashDeduplicateFilter { input_key: Some(input_key.into()), ..Default::default() }
    }

    const LONG: &str = "The harbour was quiet in the early morning, and the fishing boats rocked gently against the wooden pier while gulls circled above an old man who mended his nets.";

    #[test]
    fn a_text_with_few_changes_is_a_repetition() {
        let near = LONG.replace("old man", "OLD man!");
        let texts = [LONG, &near, "something else altogether", "", "?!", "🌱🌱 🎉", "? !"];
        let kept = |operator| dataflow_core::testing::run_rule(&operator, polars::prelude::df!("text" => texts).unwrap()).1;
        assert_eq!(kept(over("text")), [true, false, true, true, true, true, false]);
        let dataflow = SimHashDeduplicateFilter { compatibility: Compatibility::Dataflow, ..over("text") };
        assert_eq!(kept(dataflow), [true, false, true, true, false, false, false]);
    }

    #[test]
    fn what_is_compared_exactly_is_dropped_by_its_runs_alone() {
        // With so few bits many texts have near fingerprints.
        let few = |verify| SimHashDeduplicateFilter { fingerprint_size: 8, bound: 0.3, verify, ..over("text") };
        let near = LONG.replace("old man", "young man");
        let texts = [LONG, "a lighthouse keeper counts ships", "bread is baked before dawn", "nobody knows why owls turn their heads", &near];
        let kept = |operator| dataflow_core::testing::run_rule(&operator, polars::prelude::df!("text" => texts).unwrap()).1;
        assert_ne!(kept(few(None))[..4], [true; 4]);
        assert_eq!(kept(few(Some(Verify::Exact))), [true, true, true, true, false]);
    }

    #[test]
    fn the_bound_is_a_share_of_the_bits_and_in_dataflow_of_two_more() {
        let most = |bits, bound, compatibility| SeenFingerprints::new(bits, bound, compatibility).most;
        for (bits, bound, own, dataflow) in [(64, 0.1, 6, 6), (64, 0.2, 12, 13), (8, 0.3, 2, 3), (40, 0.35, 14, 14), (128, 0.0, 0, 0), (8, 0.95, 7, 8)] {
            assert_eq!((most(bits, bound, Compatibility::Own), most(bits, bound, Compatibility::Dataflow)), (own, dataflow), "{bits} bits at {bound}");
        }
    }

    #[test]
    fn bits_are_counted_as_one_by_one() {
        let mut random = 7u128;
        for length in [1, 2, 3, 4, 7, 64, 1000] {
            let numbers: Vec<u128> = std::iter::repeat_with(|| {
                random = random.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
                random ^ random >> 64
            })
            .take(length)
            .collect();
            let counts = BitCounts::of(&mut numbers.clone());
            for most in [0, length / 2, length] {
                let wanted = (0..128).filter(|bit| numbers.iter().filter(|number| *number >> bit & 1 == 1).count() > most);
                assert_eq!(counts.above(most), wanted.fold(0, |bits, bit| bits | 1 << bit), "{most} of {length}");
            }
        }
    }

    #[test]
    fn looking_up_by_parts_finds_what_comparing_all_finds() {
        let mut random = 7u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 40
        };
        let texts: Vec<String> = (0..300).map(|_| ["word", "term", "item"].map(|word| word.repeat(1 + next() as usize % 5)).concat()).collect();
        for (bits, bound, compatibility) in [
            (64, 0.0, Compatibility::Own),
            (64, 0.05, Compatibility::Own),
            (64, 0.1, Compatibility::Own),
            (64, 0.1, Compatibility::Dataflow),
            (64, 0.3, Compatibility::Own),
            (40, 0.35, Compatibility::Own),
            (8, 0.3, Compatibility::Own),
            (8, 0.3, Compatibility::Dataflow),
            (8, 0.95, Compatibility::Own),
            (8, 0.95, Compatibility::Dataflow),
            (128, 0.1, Compatibility::Own),
            (128, 0.0, Compatibility::Dataflow),
        ] {
            let mut signer = Fingerprint { bits, as_dataflow: false, runs: Vec::new(), hashes: Vec::new() };
            let (mut seen, mut all): (_, Vec<u128>) = (SeenFingerprints::new(bits, bound, compatibility), Vec::new());
            for text in &texts {
                let mut signature = [0; 2];
                signer.sign(text, &mut signature);
                let fingerprint = fingerprint_of(&signature);
                let is_near = |other: u128| {
                    let differing = f64::from((other ^ fingerprint).count_ones());
                    match compatibility {
                        Compatibility::Own => differing / f64::from(bits) <= bound,
                        Compatibility::Dataflow => seen.is_near(other, fingerprint),
                    }
                };
                let new = !all.iter().any(|other| is_near(*other));
                let mut found = Vec::new();
                seen.find(&signature, &mut found);
                assert_eq!(found.is_empty(), new, "{text} with {bits} bits at {bound}");
                if new {
                    seen.remember(&signature);
                    all.push(fingerprint);
                }
            }
        }
    }
}
