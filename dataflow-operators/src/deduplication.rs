//! What the filters that drop repeated rows share: reading the texts of a batch, signing them on all cores, and remembering in order.

use std::thread;

use dataflow_core::Result;
use dataflow_core::key::{Input, Text};
use dataflow_core::operator::{Changes, DatasetWork};
use dataflow_core::shape::texts_of;
use polars::prelude::*;

/// Makes the signature of a text.
pub(crate) trait Sign: Clone + Send + 'static {
    /// How many numbers a signature has.
    fn width(&self) -> usize;

    /// Writes the signature of a text.
    fn sign(&mut self, text: &str, signature: &mut [u64]);
}

/// Remembers the signatures of the rows that stayed.
pub(crate) trait Remember: Send + 'static {
    /// Remembers a signature that is like no earlier one; `false` for one that is.
    fn insert(&mut self, signature: &[u64]) -> bool;
}

/// Drops the rows whose signature was seen before.
pub(crate) struct Deduplication<S, R> {
    keys: Vec<String>,
    /// Whether each value stands after its key's name.
    labelled: bool,
    output: String,
    signers: Vec<S>,
    seen: R,
}

/// Below this many rows a thread costs more than it saves.
const ROWS_WORTH_A_THREAD: usize = 32;

impl<S: Sign, R: Remember> Deduplication<S, R> {
    /// Compares the text of one key, or those of several together.
    pub(crate) fn new(input_key: Option<&Input<Text>>, input_keys: Option<&[Input<Text>]>, output: &str, signer: &S, seen: R) -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Self {
            keys: input_keys.into_iter().flatten().chain(input_key).map(|key| key.as_str().to_owned()).collect(),
            labelled: input_keys.is_some(),
            output: output.to_owned(),
            signers: vec![signer.clone(); workers],
            seen,
        }
    }
}

/// What is wrong with the keys: one of the two has to be given.
pub(crate) fn key_problems(input_key: Option<&Input<Text>>, input_keys: Option<&[Input<Text>]>) -> Vec<String> {
    let wrong = match (input_key, input_keys) {
        (None, None) => "either `input_key` or `input_keys` has to be given",
        (Some(_), Some(_)) => "`input_key` and `input_keys` are both given, and only one of them can be used",
        (None, Some([])) => "`input_keys` is an empty list",
        _ => return Vec::new(),
    };
    vec![wrong.to_owned()]
}

impl<S: Sign, R: Remember> DatasetWork for Deduplication<S, R> {
    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        let columns: Vec<StringChunked> = self.keys.iter().map(|key| texts_of(frame, key).map(|texts| texts.rechunk().into_owned())).collect::<Result<_>>()?;
        let source = Source { keys: &self.keys, columns: &columns, labelled: self.labelled };
        let (height, width) = (frame.height(), self.signers.first().map_or(0, Sign::width));
        let mut signatures = vec![0; height * width];
        let rows = height.div_ceil(self.signers.len()).max(ROWS_WORTH_A_THREAD);
        thread::scope(|scope| {
            for (number, (signer, signatures)) in self.signers.iter_mut().zip(signatures.chunks_mut(rows * width)).enumerate() {
                let mut sign = move || {
                    for (offset, signature) in signatures.chunks_mut(width).enumerate() {
                        source.with_text(number * rows + offset, |text| signer.sign(text, signature));
                    }
                };
                if height <= rows { sign() } else { drop(scope.spawn(sign)) }
            }
        });
        // Only this part has to see the rows one after another.
        let kept: Vec<bool> = signatures.chunks(width).enumerate().map(|(row, signature)| source.has_text(row) && self.seen.insert(signature)).collect();
        let label: Vec<i64> = kept.iter().map(|kept| i64::from(*kept)).collect();
        Ok(Changes {
            columns: vec![Column::new(self.output.as_str().into(), label)],
            keep: Some(BooleanChunked::from_iter_values("".into(), kept.into_iter())),
            failed: Vec::new(),
        })
    }
}

/// The texts of a batch.
#[derive(Clone, Copy)]
struct Source<'a> {
    keys: &'a [String],
    columns: &'a [StringChunked],
    labelled: bool,
}

impl Source<'_> {
    fn has_text(&self, row: usize) -> bool {
        self.columns.iter().any(|column| column.get(row).is_some())
    }

    fn with_text(&self, row: usize, mut work: impl FnMut(&str)) {
        if !self.labelled {
            if let Some(text) = self.columns.first().and_then(|column| column.get(row)) {
                work(text);
            }
            return;
        }
        let values = self.keys.iter().zip(self.columns).map(|(key, column)| format!("{key}:\n{}", column.get(row).unwrap_or_default()));
        work(&values.collect::<Vec<_>>().join("\n"));
    }
}

/// Signatures that are the same or not.
#[derive(Default)]
pub(crate) struct Exact(PlHashSet<[u64; 2]>);

impl Remember for Exact {
    fn insert(&mut self, signature: &[u64]) -> bool {
        self.0.insert([signature[0], signature[1]])
    }
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
