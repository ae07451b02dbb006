//! What the filters that drop repeated rows share: reading the texts of a batch, signing them on all cores, and remembering in order.
//!
//! A new way to tell repeated rows is a [`Sign`] and a [`Remember`]. One by meaning compares vectors that an earlier step wrote: its memory is [`Vectors`].

use std::borrow::Cow;
use std::sync::Arc;

use dataflow_core::Result;
use dataflow_core::key::{Input, Text};
use dataflow_core::operator::{Changes, DatasetResult, DatasetWork, Prepare, Prepared};
use polars::prelude::*;

use crate::compatibility::Compatibility;

pub(crate) use self::beside::Beside;
pub(crate) use self::index::Index;
use self::memory::Memory;
pub(crate) use self::nearest::{Near, Vectors};
pub(crate) use self::open_beside::OpenBeside;
use self::signing::{Signing, Together};
pub(crate) use self::spill::Entry;

mod beside;
mod clusters;
mod index;
pub(crate) mod lanes;
mod memory;
mod names;
mod nearest;
mod open_beside;
mod pairs;
mod signing;
mod spill;
mod stored;

/// How alike a text is to another, from 0 to 1.
pub(crate) type SimilarityTo<'a> = Box<dyn Fn(&str) -> Option<f64> + 'a>;

/// Makes the signature of a text.
pub(crate) trait Sign: Clone + Send + Sync + 'static {
    /// Whether signatures only estimate how alike texts are: then texts are kept beside them where similarities are told.
    const ESTIMATES: bool = false;

    /// How many numbers a signature has.
    fn width(&self) -> usize;

    /// Writes the signature of a text.
    fn sign(&mut self, text: &str, signature: &mut [u64]);

    /// How alike two texts are, from 0 to 1, where signatures only estimate it.
    fn similarity(&self, one: &str, other: &str) -> Option<f64> {
        let _ = (one, other);
        None
    }

    /// How alike one text is to others, as [`similarity`](Self::similarity) tells, with what the one text needs worked out once. Texts less alike than `least` may be told as a
    /// little less or more so, below it.
    fn similarity_to<'a>(&'a self, one: &'a str, least: f64) -> SimilarityTo<'a> {
        let _ = least;
        Box::new(move |other| self.similarity(one, other))
    }

    /// How alike two texts are by their signatures alone, from 0 to 1: for a row of another run, whose text is not there.
    fn estimate(&self, one: &[u64], other: &[u64]) -> Option<f64> {
        let _ = (one, other);
        None
    }
}

/// How pairs that signatures find are looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// By the texts themselves, or the parts of them that signatures are made of.
    Exact,
}

/// The share of items that two sets have in common; two empty ones are the same.
pub(crate) fn jaccard(one: &PlHashSet<&str>, other: &PlHashSet<&str>) -> f64 {
    let both = one.intersection(other).count();
    let all = one.len() + other.len() - both;
    if all == 0 { 1.0 } else { both as f64 / all as f64 }
}

/// Remembers the signatures of the rows that stayed.
pub(crate) trait Remember: Send + 'static {
    /// Finds the remembered rows that a row of this signature repeats, in any order, also more than once.
    fn find(&self, signature: &[u64], found: &mut Vec<Found>);

    /// Remembers the signature of the next row that stays; rows are numbered from 0 in the order in which they come.
    fn remember(&mut self, signature: &[u64]);

    /// The distinct keys by which rows of this signature are found.
    fn keys(&self, signature: &[u64], keys: &mut Vec<u128>);

    /// Whether a row repeats another that is no longer in memory, by how many keys they share.
    fn judge(&self, row: u32, shared: usize, signature: &[u64]) -> Option<Found>;

    /// About how many bytes are held that [`take`](Self::take) gives back.
    fn bytes(&self) -> usize;

    /// Takes all keys out, each with its row. What comes later has higher numbers.
    fn take(&mut self) -> Vec<Entry>;
}

/// A remembered row that another one repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Found {
    /// Its number among the remembered rows.
    pub(crate) row: u32,
    /// How alike the two are, where that is known.
    pub(crate) similarity: Option<f64>,
}

/// What rows are called: as the engine says, or by their numbers from 1.
#[derive(Default)]
pub(crate) struct Identities {
    of_batch: Option<StringChunked>,
    /// How many rows came before the batch.
    before: u64,
}

impl Identities {
    /// Takes the names of the rows of the next batch.
    pub(crate) fn of_next(&mut self, identities: &StringChunked) {
        self.of_batch = Some(identities.clone());
    }

    /// The name of a row of the batch.
    pub(crate) fn of(&self, row: usize) -> Cow<'_, str> {
        match self.of_batch.as_ref().and_then(|identities| identities.get(row)) {
            Some(identity) => identity.into(),
            None => (self.before + row as u64 + 1).to_string().into(),
        }
    }

    /// Leaves a batch of so many rows.
    pub(crate) fn pass(&mut self, rows: usize) {
        self.before += rows as u64;
        self.of_batch = None;
    }
}

/// The texts that are compared: those of one key, or those of several together.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) one: Option<&'a Input<Text>>,
    pub(crate) several: Option<&'a [Input<Text>]>,
    pub(crate) compatibility: Compatibility,
}

impl Keys<'_> {
    /// What is wrong with them: one of the two has to be given.
    pub(crate) fn problems(self) -> Vec<String> {
        let wrong = match (self.one, self.several) {
            (None, None) => "either `input_key` or `input_keys` has to be given",
            (Some(_), Some(_)) => "`input_key` and `input_keys` are both given, and only one of them can be used",
            (None, Some([])) => "`input_keys` is an empty list",
            _ => return Vec::new(),
        };
        vec![wrong.to_owned()]
    }
}

/// Drops the rows whose signature was seen before.
pub(crate) struct Deduplication<S, R> {
    signing: Arc<Signing<S>>,
    output: String,
    memory: Memory<R>,
    identities: Identities,
    /// The rows of the last batch that went, each with the row that it repeats; one that repeats none has no text.
    gone: Vec<(usize, Option<Found>)>,
}

impl<S: Sign, R: Remember> Deduplication<S, R> {
    pub(crate) fn new(keys: Keys<'_>, output: &str, signer: S, seen: R, beside: Beside) -> Self {
        let together = match (keys.several, keys.compatibility) {
            (None, _) => Together::Alone,
            (Some(_), Compatibility::Own) => Together::Values,
            (Some(_), Compatibility::Dataflow) => Together::Named,
        };
        let keys = keys.several.into_iter().flatten().chain(keys.one).map(|key| key.as_str().to_owned()).collect();
        Self {
            output: output.to_owned(),
            memory: Memory::new(seen, signer.width(), S::ESTIMATES, beside),
            signing: Arc::new(Signing::new(keys, together, signer)),
            identities: Identities::default(),
            gone: Vec::new(),
        }
    }

    /// What a batch with these signatures becomes: the part that has to see the rows one after another.
    fn judge(&mut self, frame: &DataFrame, signatures: &[u64]) -> Result<Changes> {
        let Self { signing, output, memory, identities, gone } = self;
        gone.clear();
        let columns = signing.columns(frame)?;
        let mut kept = Vec::with_capacity(frame.height());
        for (row, signature) in signatures.chunks(signing.signer.width()).enumerate() {
            let (stays, repeated) = match signing.text(&columns, row) {
                Some(text) => (memory.stays(&signing.signer, &text, signature, || identities.of(row))?, memory.repeated()),
                None => (false, None),
            };
            if !stays {
                gone.push((row, repeated));
            }
            kept.push(stays);
        }
        identities.pass(frame.height());
        let label: Vec<i64> = kept.iter().map(|kept| i64::from(*kept)).collect();
        Ok(Changes {
            columns: vec![Column::new(output.as_str().into(), label)],
            keep: Some(BooleanChunked::from_iter_values("".into(), kept.into_iter())),
            failed: Vec::new(),
        })
    }
}

impl<S: Sign, R: Remember> DatasetWork for Deduplication<S, R> {
    fn only_first_rows(&mut self) {
        self.memory.leave_index();
    }

    fn will_explain(&mut self) {
        self.memory.hold_names();
    }

    fn identities(&mut self, identities: &StringChunked) {
        self.identities.of_next(identities);
    }

    fn preparation(&self) -> Option<Arc<dyn Prepare>> {
        Some(self.signing.clone())
    }

    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        let signatures = self.signing.signatures(frame)?;
        self.judge(frame, &signatures)
    }

    fn prepared_batch(&mut self, frame: &DataFrame, prepared: Prepared) -> Result<Changes> {
        match prepared.downcast::<Vec<u64>>() {
            Ok(signatures) => self.judge(frame, &signatures),
            Err(_) => self.batch(frame), // prepared by other work
        }
    }

    fn why(&self, index: usize) -> Option<String> {
        let at = self.gone.binary_search_by_key(&index, |(row, _)| *row).ok()?;
        Some(self.gone[at].1.map_or_else(|| "the text is null".into(), |found| self.memory.reason(found)))
    }

    fn end(&mut self) -> Result<Option<DatasetResult>> {
        self.memory.end().map(|()| None)
    }
}

/// Signatures that are the same or not.
#[derive(Default)]
pub(crate) struct Exact {
    /// The last row of each signature.
    seen: PlHashMap<[u64; 2], u32>,
    /// Of a row the one before it of the same signature. Only texts that are compared themselves let both stay.
    before: PlHashMap<u32, u32>,
    rows: u32,
}

impl Exact {
    /// A row and those before it of the same signature.
    fn chain(&self, last: Option<u32>) -> impl Iterator<Item = u32> {
        std::iter::successors(last, |row| self.before.get(row).copied())
    }
}

impl Remember for Exact {
    fn find(&self, signature: &[u64], found: &mut Vec<Found>) {
        let last = self.seen.get(&[signature[0], signature[1]]).copied();
        found.extend(self.chain(last).map(|row| Found { row, similarity: Some(1.0) }));
    }

    fn remember(&mut self, signature: &[u64]) {
        if let Some(before) = self.seen.insert([signature[0], signature[1]], self.rows) {
            self.before.insert(self.rows, before);
        }
        self.rows += 1;
    }

    fn keys(&self, signature: &[u64], keys: &mut Vec<u128>) {
        keys.push(key_of([signature[0], signature[1]]));
    }

    fn judge(&self, row: u32, _: usize, _: &[u64]) -> Option<Found> {
        Some(Found { row, similarity: Some(1.0) })
    }

    fn bytes(&self) -> usize {
        in_table(self.seen.capacity(), 24) + in_table(self.before.capacity(), 8)
    }

    fn take(&mut self) -> Vec<Entry> {
        let seen = std::mem::take(&mut self.seen);
        let entries = seen.into_iter().flat_map(|(signature, last)| self.chain(Some(last)).map(move |row| (key_of(signature), row))).collect();
        self.before = PlHashMap::default();
        entries
    }
}

/// Two numbers as a key.
pub(crate) fn key_of([high, low]: [u64; 2]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// About how many bytes a hash table has with room for so many entries of so many bytes.
pub(crate) fn in_table(capacity: usize, entry: usize) -> usize {
    // A byte of control for each, and an eighth of the places is never used.
    capacity * 8 / 7 * (entry + 1)
}

/// A hash function by its name in DataFlow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HashFunction {
    /// MD5.
    #[default]
    Md5,
    /// SHA-256.
    Sha256,
    /// XXH3, the fastest.
    Xxh3,
}

impl HashFunction {
    /// The first 128 bits of a text's hash.
    pub(crate) fn hash(self, text: &str) -> [u64; 2] {
        use md5::Digest;
        match self {
            Self::Md5 => halves(&md5::Md5::digest(text)),
            Self::Sha256 => halves(&sha2::Sha256::digest(text)),
            Self::Xxh3 => halves(&xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_be_bytes()),
        }
    }
}

/// The first 16 bytes as two numbers, the first bytes highest.
pub(crate) fn halves(bytes: &[u8]) -> [u64; 2] {
    let half = |from: usize| bytes[from..from + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    [half(0), half(8)]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dataflow_core::operator::Operator;
    use dataflow_core::shape::Dataset;

    use super::*;
    use crate::byte_size::ByteSize;
    use crate::general_text::{HashDeduplicateFilter, MinHashDeduplicateFilter};

    /// Runs to the end, two rows a batch, and tells which rows stay.
    fn run(operator: &impl Dataset, texts: &[&str]) -> Result<Vec<bool>> {
        let mut work = operator.start()?;
        let mut kept = Vec::new();
        for (number, texts) in texts.chunks(2).enumerate() {
            work.identities(&StringChunked::from_iter_values("".into(), (0..texts.len()).map(|row| format!("r{}", 2 * number + row))));
            let changes = work.batch(&df!("text" => texts)?)?;
            kept.extend(changes.keep.iter().flat_map(BooleanChunked::no_null_iter));
        }
        work.end().map(|_| kept)
    }

    fn lines(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    const LONG: &str = "The harbour was quiet in the early morning, and the fishing boats rocked gently against the wooden pier while gulls circled above an old man who mended his nets.";

    #[test]
    fn pairs_and_clusters_are_written_with_the_identities_of_their_rows() {
        let folder = tempfile::tempdir().unwrap();
        let (pairs, clusters) = (folder.path().join("pairs.jsonl"), folder.path().join("more/clusters.jsonl"));
        let operator = MinHashDeduplicateFilter {
            input_key: Some("text".into()),
            pairs_path: Some(pairs.clone()),
            clusters_path: Some(clusters.clone()),
            ..Default::default()
        };
        let near = format!("{LONG} ");
        assert_eq!(run(&operator, &["other", LONG, &near, "another", LONG]).unwrap(), [true, true, false, true, false]);
        let shingles = LONG.as_bytes().windows(5).collect::<PlHashSet<_>>().len();
        assert_eq!(
            lines(&pairs),
            format!(
                "{{\"row\":\"r2\",\"repeats\":\"r1\",\"similarity\":{}}}\n{{\"row\":\"r4\",\"repeats\":\"r1\",\"similarity\":1.0}}\n",
                shingles as f64 / (shingles + 1) as f64
            )
        );
        assert_eq!(lines(&clusters), "{\"cluster\":\"r1\",\"rows\":[\"r1\",\"r2\",\"r4\"]}\n");
    }

    #[test]
    fn what_is_compared_exactly_is_dropped_by_its_own_similarity_alone() {
        // Signatures of so few bands with one value each call nearly everything the same.
        let loose = MinHashDeduplicateFilter { input_key: Some("text".into()), threshold: 0.05, ..Default::default() };
        let texts = [LONG, "The harbour was loud in the late evening, and nobody mended nets.", "The harbour was quiet.", LONG];
        assert_eq!(run(&loose, &texts).unwrap(), [true, false, false, false]);
        let jaccard = |one: &str, other: &str| {
            let runs = |text: &str| -> PlHashSet<String> { text.as_bytes().windows(5).map(|run| String::from_utf8_lossy(run).into_owned()).collect() };
            let (one, other) = (runs(one), runs(other));
            one.intersection(&other).count() as f64 / one.union(&other).count() as f64
        };
        let (second, third) = (jaccard(texts[0], texts[1]), jaccard(texts[0], texts[2]));
        assert!(third < second, "{third} {second}");
        let verified = MinHashDeduplicateFilter { verify: Some(Verify::Exact), threshold: 0.05, ..loose };
        let expected = |least: f64| [true, second < least, third.max(if second < least { jaccard(texts[1], texts[2]) } else { 0.0 }) < least, false];
        assert_eq!(run(&verified, &texts).unwrap(), expected(0.05));
    }

    #[test]
    fn a_data_set_is_compared_with_those_of_other_runs_and_never_with_itself() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| HashDeduplicateFilter {
            input_key: Some("text".into()),
            index_path: Some(folder.path().join("index")),
            index_name: Some(name.into()),
            pairs_path: Some(folder.path().join("pairs.jsonl")),
            ..Default::default()
        };
        let (may, june) = (["a", "b", "a", "c"], ["d", "b", "e", "d"]);
        assert_eq!(run(&of("may"), &may).unwrap(), [true, true, false, true]);
        assert_eq!(run(&of("june"), &june).unwrap(), [true, false, true, false]);
        assert_eq!(
            lines(&folder.path().join("pairs.jsonl")),
            "{\"row\":\"r1\",\"repeats\":\"may/r1\",\"similarity\":1.0}\n{\"row\":\"r3\",\"repeats\":\"r0\",\"similarity\":1.0}\n"
        );
        // A run that is repeated, and one that was cut before its end, change nothing.
        assert_eq!(run(&of("june"), &june).unwrap(), [true, false, true, false]);
        let mut cut = of("july").start().unwrap();
        cut.batch(&df!("text" => ["f"]).unwrap()).unwrap();
        drop(cut);
        assert_eq!(run(&of("may"), &may).unwrap(), [true, true, false, true]);
        assert_eq!(run(&of("august"), &["f", "c", "e"]).unwrap(), [true, false, false]);
        assert!(run(&of("may"), &june).unwrap_err().to_string().starts_with("the index has other data under the name `may`"));
    }

    #[test]
    fn pairs_across_runs_have_a_similarity_by_signatures_and_where_it_is_verified_that_of_their_texts() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, verify| MinHashDeduplicateFilter {
            input_key: Some("text".into()),
            threshold: 0.2,
            verify,
            index_path: Some(folder.path().join("index")),
            index_name: Some(name.into()),
            pairs_path: Some(folder.path().join("pairs.jsonl")),
            ..Default::default()
        };
        let other = LONG.replace("mended his nets", "sold fish to the people of the town").replace("The harbour", "Our old town by the sea");
        let similarities = || -> Vec<f64> {
            let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["similarity"].as_f64().unwrap();
            lines(&folder.path().join("pairs.jsonl")).lines().map(of).collect()
        };
        // At so low a threshold a few equal runs make a pair.
        let alike = ["The harbour was", LONG, &other];
        run(&of("may", None), &[LONG]).unwrap();
        run(&of("june", None), &alike).unwrap();
        let estimated = similarities();
        assert!(estimated.last().is_some_and(|similarity| (0.4..0.9).contains(similarity)), "{estimated:?}");
        let told = run(&of("july", Some(Verify::Exact)), &alike).unwrap_err().to_string();
        assert!(told.starts_with("the index should hold texts"), "{told}");

        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        run(&of("may", Some(Verify::Exact)), &[LONG]).unwrap();
        assert_eq!(run(&of("june", Some(Verify::Exact)), &alike).unwrap(), [true, false, false]);
        let runs = |text: &str| text.as_bytes().windows(5).map(<[u8]>::to_vec).collect::<std::collections::HashSet<_>>();
        let (one, two) = (runs(LONG), runs(&other));
        let jaccard = one.intersection(&two).count() as f64 / one.union(&two).count() as f64;
        assert_eq!(similarities(), [1.0, jaccard]);
    }

    #[test]
    fn an_index_needs_a_name() {
        let operator =
            MinHashDeduplicateFilter { input_key: Some("text".into()), index_path: Some("index".into()), index_name: Some("a/b".into()), ..Default::default() };
        insta::assert_snapshot!(Operator::problems(&operator).join("\n"), @"`index_name` should have letters, digits, `-` and `_` alone, since it names a file; found `a/b`");
        let nameless = HashDeduplicateFilter { input_key: Some("text".into()), index_path: Some("index".into()), ..Default::default() };
        insta::assert_snapshot!(Operator::problems(&nameless).join("\n"), @"`index_path` is given without `index_name`, the name that this data set has in the index");
    }

    /// Texts of few words, many of which come again or nearly so.
    fn texts(count: u64) -> Vec<String> {
        let mut random = 11_u64;
        let mut next = move |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let words = ["harbour", "gull", "net", "boat", "pier", "tide", "rope", "morning"];
        let mut texts: Vec<String> = Vec::new();
        for number in 0..count {
            let earlier = texts.get(next(number.max(1)) as usize).cloned();
            let new = (0..6 + next(30)).map(|place| words[(place.pow(2) + next(3)) as usize % words.len()]).collect::<Vec<_>>().join(" ");
            texts.push(match earlier.filter(|_| number % 4 == 0) {
                Some(earlier) if number % 8 == 0 => earlier + " again",
                Some(earlier) => earlier,
                None => new,
            });
        }
        texts
    }

    #[test]
    fn what_goes_to_disk_changes_nothing() {
        use crate::general_text::{NgramHashDeduplicateFilter, SimHashDeduplicateFilter};
        use crate::text_pt::CCNetDeduplicateFilter;
        let folder = tempfile::tempdir().unwrap();
        let texts = texts(1200);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let pairs_path = Some(folder.path().join("pairs.jsonl"));
        let input_key: Option<Input<Text>> = Some("text".into());
        let told = |kept: Result<Vec<bool>>| (kept.unwrap(), lines(&folder.path().join("pairs.jsonl")));
        // So small a limit that there are many runs, and that they are merged.
        let with = |memory_limit: Option<ByteSize>| {
            let (input_key, pairs_path) = (input_key.clone(), pairs_path.clone());
            let min_hash = |verify, threshold| MinHashDeduplicateFilter {
                input_key: input_key.clone(),
                pairs_path: pairs_path.clone(),
                memory_limit,
                verify,
                threshold,
                ..Default::default()
            };
            [
                told(run(&HashDeduplicateFilter { input_key: input_key.clone(), pairs_path: pairs_path.clone(), memory_limit, ..Default::default() }, &texts)),
                told(run(&CCNetDeduplicateFilter { input_key: input_key.clone(), pairs_path: pairs_path.clone(), memory_limit, ..Default::default() }, &texts)),
                told(run(&min_hash(None, 0.9), &texts)),
                told(run(&min_hash(Some(Verify::Exact), 0.5), &texts)),
                told(run(
                    &CCNetDeduplicateFilter {
                        input_key: input_key.clone(),
                        pairs_path: pairs_path.clone(),
                        memory_limit,
                        bit_length: 8,
                        verify: Some(Verify::Exact),
                        ..Default::default()
                    },
                    &texts,
                )),
                told(run(
                    &NgramHashDeduplicateFilter {
                        input_key: input_key.clone(),
                        pairs_path: pairs_path.clone(),
                        memory_limit,
                        diff_size: 2,
                        ..Default::default()
                    },
                    &texts,
                )),
                told(run(
                    &SimHashDeduplicateFilter { input_key: input_key.clone(), pairs_path: pairs_path.clone(), memory_limit, ..Default::default() },
                    &texts,
                )),
            ]
        };
        let whole = with(None);
        assert!(whole.iter().all(|(kept, _)| kept.iter().filter(|kept| !**kept).count() > 5), "every filter drops rows");
        for limit in [0, 20_000] {
            for ((kept, pairs), (kept_whole, pairs_whole)) in with(Some(ByteSize::from(limit))).iter().zip(&whole) {
                assert!(kept == kept_whole && pairs == pairs_whole, "with {limit} bytes");
            }
        }
    }
}
