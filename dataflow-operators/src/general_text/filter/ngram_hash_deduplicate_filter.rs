//! Drops rows that share whole parts with an earlier row.

use std::path::PathBuf;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::operator::{DatasetWork, Kept};
use dataflow_core::shape::Dataset;
use dataflow_core::{Result, operator};
use polars::prelude::PlHashMap;

use crate::byte_size::ByteSize;
use crate::compatibility::Compatibility;
use crate::deduplication::{Beside, Deduplication, Entry, Found, HashFunction, Keys, Remember, Sign, Verify, in_table};

/// Keeps the first of the rows that share at least `diff_size` of their `n_gram` parts.
///
/// A text is cut into `n_gram` parts of equal length, the last of which takes what remains, and a part may stand anywhere in the earlier row. A text whose parts would have fewer than eight characters repeats only an equal one. DataFlow leaves out what remains and compares the parts of short texts too, so that `b` and `ab` repeat `a`.
/// Give either `input_key` or `input_keys`. The values of several keys are compared one after another; DataFlow puts each key's name before its value, so that short rows are alike by the names alone. `compatibility: dataflow` does as it does in all of this. The label is 1 for a row that stays and 0 for one that goes; a null is dropped. Some 30 bytes are held for each part of a row that stays; with `verify` texts wait in a temporary file.
///
/// # 中文
///
/// 把文本等分为 `n_gram` 段，与之前的行共有至少 `diff_size` 段时视为重复，只保留最先出现的一行。余下的字符归入末段，段的位置不限。每段不足八个字符的短文本只与完全相同的文本重复。DataFlow 舍去余下的字符，短文本也逐段比较，因此 `b` 与 `ab` 都算重复 `a`。`input_key` 与 `input_keys` 二者给出其一。多列按其值依次相连后比较；DataFlow 在每个值前加上列名，短文本仅因列名就会相似。`compatibility: dataflow` 均沿用其做法。保留的行标签为 1，丢弃的为 0；空值会被丢弃。保留的行每段约占 30 字节内存；使用 `verify` 时文本存放在临时文件中。
#[operator(general_text, filter, Dataset)]
pub struct NgramHashDeduplicateFilter {
    /// How many parts a text is cut into. 中文：文本等分的段数。
    pub n_gram: u32,
    /// The hash by which parts are compared. 中文：比较各段所用的哈希函数。
    pub hash_func: HashFunction,
    /// How many shared parts make a row a repetition, at most `n_gram`. 中文：共有多少段即视为重复，至多为 `n_gram`。
    pub diff_size: u32,
    /// With `exact`, parts are compared themselves and not by 64 bits of their hashes, so that no row is dropped by chance. An index then holds the texts too, for the runs that are compared with it. 中文：取 `exact` 时比较各段本身，而非其哈希的 64 位，不会误删；此时索引也保存文本，供其他运行比较。
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

impl Default for NgramHashDeduplicateFilter {
    fn default() -> Self {
        Self {
            n_gram: 3,
            hash_func: HashFunction::Md5,
            diff_size: 1,
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

impl NgramHashDeduplicateFilter {
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
                "NgramHashDeduplicateFilter n_gram={} hash_func={:?}{}",
                self.n_gram,
                self.hash_func,
                match self.compatibility {
                    Compatibility::Own => " whole",
                    Compatibility::Dataflow => "",
                }
            ),
            verified_from: self.verify.map(|Verify::Exact| f64::from(self.diff_size) / f64::from(self.n_gram)),
            memory_limit: self.memory_limit,
        }
    }
}

impl Dataset for NgramHashDeduplicateFilter {
    fn kept(&self) -> Result<Option<Kept>> {
        self.beside().kept()
    }

    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Deduplication::new(
            self.keys(),
            self.output_key.as_str(),
            Parts { count: self.n_gram as usize, hash: self.hash_func, compatibility: self.compatibility },
            SeenParts { parts: self.n_gram as usize, enough: self.diff_size as usize, ..SeenParts::default() },
            self.beside(),
        )))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.keys().problems();
        problems.extend(self.beside().problems());
        if self.n_gram == 0 {
            problems.push("`n_gram` is 0, and a text has at least one part".into());
        }
        if self.diff_size == 0 {
            problems.push("`diff_size` is 0, and every row would be a repetition".into());
        }
        if self.n_gram > 0 && self.diff_size > self.n_gram {
            problems
                .push(format!("`diff_size` should be at most `n_gram`, {}, since a text has no more parts to share; found {}", self.n_gram, self.diff_size));
        }
        problems
    }
}

/// The fewest characters of a part that says anything of a text.
const SHORTEST_PART: usize = 8;

#[derive(Clone)]
struct Parts {
    count: usize,
    hash: HashFunction,
    compatibility: Compatibility,
}

impl Parts {
    /// The parts of so many characters; what remains at the end goes with the last one, or nowhere in DataFlow.
    fn parts<'a>(&self, text: &'a str, length: usize) -> impl Iterator<Item = &'a str> {
        let (whole, last, mut rest) = (self.compatibility == Compatibility::Own, self.count - 1, text);
        (0..self.count).map(move |number| {
            let end = if whole && number == last { None } else { rest.char_indices().nth(length) };
            let (part, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
            rest = after;
            part
        })
    }

    fn length_of_parts(&self, text: &str) -> usize {
        text.chars().count() / self.count
    }

    /// Whether a text whose parts are so long repeats only an equal one.
    fn is_short(&self, length: usize) -> bool {
        self.compatibility == Compatibility::Own && length < SHORTEST_PART
    }
}

/// Makes equal hashes distinct, so that a part that a text has twice counts twice.
fn number_equal(signature: &mut [u64]) {
    signature.sort_unstable();
    for same in signature.chunk_by_mut(|one, other| one == other) {
        for (number, hash) in same.iter_mut().enumerate() {
            *hash = hash.wrapping_add(number as u64);
        }
    }
}

impl Sign for Parts {
    fn width(&self) -> usize {
        self.count
    }

    fn sign(&mut self, text: &str, signature: &mut [u64]) {
        let length = self.length_of_parts(text);
        if self.is_short(length) {
            // Inverted, so that it is no part of a longer text.
            signature.fill(!self.hash.hash(text)[0]);
        } else {
            signature.iter_mut().zip(self.parts(text, length)).for_each(|(hash, part)| *hash = self.hash.hash(part)[0]);
        }
        if self.compatibility == Compatibility::Own {
            number_equal(signature);
        }
    }

    fn similarity(&self, one: &str, other: &str) -> Option<f64> {
        let lengths = [one, other].map(|text| self.length_of_parts(text));
        if lengths.iter().any(|length| self.is_short(*length)) {
            return Some(if one == other { 1.0 } else { 0.0 });
        }
        let (mut one, mut other): (Vec<&str>, Vec<&str>) = (self.parts(one, lengths[0]).collect(), self.parts(other, lengths[1]).collect());
        if self.compatibility == Compatibility::Dataflow {
            for parts in [&mut one, &mut other] {
                parts.sort_unstable();
                parts.dedup();
            }
        }
        let shared = one.iter().filter(|part| other.iter().position(|known| known == *part).map(|at| other.swap_remove(at)).is_some()).count();
        Some(shared as f64 / self.count as f64)
    }
}

/// The parts of the rows that stayed, each with the rows that have it.
#[derive(Default)]
struct SeenParts {
    /// Parts of a text, and how many of them shared make a repetition.
    parts: usize,
    enough: usize,
    rows: u32,
    of_part: PlHashMap<u64, Vec<u32>>,
    /// How many rows stand in `of_part`, each as often as it has parts.
    held: usize,
}

fn distinct(parts: &[u64]) -> Vec<u64> {
    let mut own = parts.to_vec();
    own.sort_unstable();
    own.dedup();
    own
}

impl Remember for SeenParts {
    fn find(&self, parts: &[u64], found: &mut Vec<Found>) {
        let mut rows_of: Vec<&[u32]> = distinct(parts).iter().map(|part| self.of_part.get(part).map_or(&[][..], Vec::as_slice)).collect();
        // A row that shares enough parts shares one of any so many; of these the rarest are taken, since a part such as a licence may be in all rows.
        let Some(rarest) = (rows_of.len() + 1).checked_sub(self.enough) else { return };
        rows_of.sort_unstable_by_key(|rows| rows.len());
        let (rare, others) = rows_of.split_at(rarest.min(rows_of.len()));
        let mut candidates = rare.concat();
        candidates.sort_unstable();
        for same in candidates.chunk_by(|one, other| one == other) {
            let shared = same.len() + others.iter().filter(|rows| rows.binary_search(&same[0]).is_ok()).count();
            found.extend(self.judge(same[0], shared, parts));
        }
    }

    fn remember(&mut self, parts: &[u64]) {
        for part in distinct(parts) {
            self.of_part.entry(part).or_default().push(self.rows);
            self.held += 1;
        }
        self.rows += 1;
    }

    fn keys(&self, parts: &[u64], keys: &mut Vec<u128>) {
        keys.extend(distinct(parts).into_iter().map(u128::from));
    }

    fn judge(&self, row: u32, shared: usize, _: &[u64]) -> Option<Found> {
        (shared >= self.enough).then(|| Found { row, similarity: Some(shared as f64 / self.parts as f64) })
    }

    fn bytes(&self) -> usize {
        in_table(self.of_part.capacity(), 32) + self.held * 16
    }

    fn take(&mut self) -> Vec<Entry> {
        self.held = 0;
        std::mem::take(&mut self.of_part).into_iter().flat_map(|(part, rows)| rows.into_iter().map(move |row| (u128::from(part), row))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance, run_rule};
    use insta::assert_snapshot;
    use polars::prelude::*;

    conformance!(NgramHashDeduplicateFilter);

    fn over(input_key: &str) -> NgramHashDeduplicateFilter {
        NgramHashDeduplicateFilter { input_key: Some(input_key.into()), ..Default::default() }
    }

    fn kept(operator: &NgramHashDeduplicateFilter, texts: &[&str]) -> Vec<bool> {
        check_rule(operator, "text", texts.iter().copied()).lines().map(|line| line != "dropped").collect()
    }

    #[test]
    fn a_shared_part_of_a_long_text_makes_a_repetition_and_short_texts_repeat_equal_ones_alone() {
        assert_eq!(kept(&over("text"), &["a", "b", "ab", "abc", "abc1", "", "ab", "", "好"]), [true, true, true, true, true, true, false, false, true]);
        let [one, two, three, four] = ["the harbour was ", "quiet in the mor", "ning, and boats ", "rocked gently by"];
        let text = |parts: [&str; 3]| parts.concat();
        let texts = [text([one, two, three]), text([three, four, four]), text([one, two, three]) + "1", text([four, four, four])];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(kept(&over("text"), &texts), [true, false, false, true]);
        let two = NgramHashDeduplicateFilter { diff_size: 2, ..over("text") };
        assert_eq!(kept(&two, &texts), [true, true, false, false], "a part that stands twice in both counts twice");
        let all = NgramHashDeduplicateFilter { diff_size: 3, ..over("text") };
        assert_eq!(kept(&all, &["same", "same", texts[3], texts[3], texts[1]]), [true, false, true, false, true]);
    }

    #[test]
    fn the_names_of_several_keys_are_compared_by_dataflow_alone() {
        let frame = df!("instruction" => ["2+2", "1+5", "9-8"], "input" => ["", "", ""], "output" => ["4", "6", "1"]).unwrap();
        let keys = || Some(["instruction", "input", "output"].map(Into::into).into());
        let own = NgramHashDeduplicateFilter { input_keys: keys(), ..Default::default() };
        assert_eq!(run_rule(&own, frame.clone()).1, [true, true, true]);
        let dataflow = NgramHashDeduplicateFilter { compatibility: Compatibility::Dataflow, ..own };
        assert_eq!(run_rule(&dataflow, frame).1, [true, false, false]);
    }

    #[test]
    fn more_shared_parts_than_a_text_has_are_refused() {
        let problems = |n_gram, diff_size| Dataset::problems(&NgramHashDeduplicateFilter { n_gram, diff_size, ..over("text") }).join("\n");
        assert_snapshot!(problems(3, 4), @"`diff_size` should be at most `n_gram`, 3, since a text has no more parts to share; found 4");
        assert_snapshot!(problems(0, 1), @"`n_gram` is 0, and a text has at least one part");
        assert_eq!(problems(3, 3), "");
    }

    #[test]
    fn parts_that_are_compared_themselves_are_the_same_as_by_their_hashes() {
        let [one, two, three] = ["the harbour was ", "quiet in the mor", "ning, and boats "];
        let texts = [[one, two, three], [three, one, one], [two, two, two], [two, two, one], [one, three, two]].map(|parts| parts.concat());
        let texts: Vec<&str> = texts.iter().map(String::as_str).chain(["a", "ab", "a", "", "", "aaaaaa"]).collect();
        for compatibility in [Compatibility::Own, Compatibility::Dataflow] {
            for diff_size in 1..=3 {
                let kept = |verify| kept(&NgramHashDeduplicateFilter { diff_size, verify, compatibility, ..over("text") }, &texts);
                assert_eq!(kept(Some(Verify::Exact)), kept(None), "{compatibility:?} {diff_size}");
            }
        }
    }

    #[test]
    fn rows_that_share_enough_parts_are_found_by_the_rarest() {
        let mut seen = SeenParts { parts: 4, enough: 2, ..SeenParts::default() };
        let rows: Vec<[u64; 4]> = (0..200).map(|row| [7, 1000 + row, 2000 + row % 50, 3000 + row % 3]).collect();
        for row in &rows {
            seen.remember(row);
        }
        for parts in [[7, 1003, 9, 9], [7, 8, 2003, 9], [7, 8, 9, 3001], [8, 9, 2004, 3001], [7, 1005, 2005, 3002], [8, 9, 2005, 10], [7, 7, 7, 1001]] {
            let mut found = Vec::new();
            seen.find(&parts, &mut found);
            found.sort_unstable_by_key(|found| found.row);
            let own = distinct(&parts);
            let shared = |row: &[u64; 4]| row.iter().filter(|part| own.contains(part)).count();
            let wanted: Vec<(u32, usize)> = (0..).zip(&rows).map(|(number, row)| (number, shared(row))).filter(|(_, shared)| *shared >= 2).collect();
            let found: Vec<(u32, usize)> = found.iter().map(|found| (found.row, (found.similarity.unwrap() * 4.0) as usize)).collect();
            assert_eq!(found, wanted, "{parts:?}");
        }
    }

    #[test]
    fn a_shared_part_makes_a_repetition_in_dataflow() {
        let dataflow = || NgramHashDeduplicateFilter { compatibility: Compatibility::Dataflow, ..over("text") };
        assert_snapshot!(check_rule(&dataflow(), "text", ["aaabbbccc", "xxxyyyaaa", "pppqqqrrrs", "pppqqqrrrt", "ab", ""]), @r"
        text=aaabbbccc minhash_deduplicated_label=1
        dropped
        text=pppqqqrrrs minhash_deduplicated_label=1
        dropped
        text=ab minhash_deduplicated_label=1
        dropped
        ");
        let two = NgramHashDeduplicateFilter { diff_size: 2, ..dataflow() };
        assert_snapshot!(check_rule(&two, "text", ["aaabbbccc", "xxxyyyaaa", "cccbbbzzz"]), @r"
        text=aaabbbccc minhash_deduplicated_label=1
        text=xxxyyyaaa minhash_deduplicated_label=1
        dropped
        ");
    }
}
