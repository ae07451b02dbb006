//! What is remembered, part in memory and, above a limit, part on disk.
//!
//! When memory holds more than the limit, all that it holds goes to a run: a temporary file of entries in the order of their keys. A lookup asks memory and then each run, of which
//! memory keeps a Bloom filter (10 bits an entry, B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970) and the first key of each block, so that what a run does not
//! have costs no read. Runs that were merged as often are merged when there are several, as in a log-structured merge tree (P. O'Neil et al., 1996), so that an entry is written once for each time
//! that there are so many times more. What is found is the same with any limit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use dataflow_core::{Error, Result};

use super::{Found, Remember};

/// A key and the row that is found by it.
pub(crate) type Entry = (u128, u32);

/// The bytes of an entry on disk.
const ENTRY: usize = 20;
/// Entries that are read together.
const BLOCK: usize = 204;
/// So many runs that were merged as often become one.
const MERGED: usize = 4;
const BITS_AN_ENTRY: usize = 10;
/// How many bits of the filter an entry sets.
const PROBES: u32 = 6;

/// A memory of rows with a limit.
pub(super) struct Spill<R> {
    memory: R,
    /// In bytes.
    limit: Option<usize>,
    runs: Vec<Run>,
    keys: Vec<u128>,
    rows: Vec<u32>,
}

impl<R: Remember> Spill<R> {
    pub(super) fn new(memory: R, limit: Option<usize>) -> Self {
        Self { memory, limit, runs: Vec::new(), keys: Vec::new(), rows: Vec::new() }
    }

    /// As [`Remember::find`], on disk too.
    pub(super) fn find(&mut self, signature: &[u64], found: &mut Vec<Found>) -> Result<()> {
        self.memory.find(signature, found);
        if self.runs.is_empty() {
            return Ok(());
        }
        self.keys.clear();
        self.memory.keys(signature, &mut self.keys);
        for run in &mut self.runs {
            // All keys of a row are in one run, so that they can be counted there.
            self.rows.clear();
            for key in &self.keys {
                run.find(*key, &mut self.rows)?;
            }
            self.rows.sort_unstable();
            for same in self.rows.chunk_by(|one, other| one == other) {
                found.extend(self.memory.judge(same[0], same.len(), signature));
            }
        }
        Ok(())
    }

    /// As [`Remember::remember`]; above the limit what was remembered goes to disk.
    pub(super) fn remember(&mut self, signature: &[u64]) -> Result<()> {
        self.memory.remember(signature);
        if self.limit.is_some_and(|limit| self.memory.bytes() > limit) {
            let mut entries = self.memory.take();
            entries.sort_unstable();
            let count = entries.len();
            let run = Run::write(entries.into_iter().map(Ok), count)?;
            add(&mut self.runs, run)?;
        }
        Ok(())
    }
}

/// Adds a run to those that were merged at least as often, and merges the last ones for as long as so many were merged as often. Each is some [`MERGED`] times as long as one that was merged once less.
fn add(runs: &mut Vec<Run>, run: Run) -> Result<()> {
    let mut merges = run.merges;
    runs.push(run);
    while let Some(first) = runs.len().checked_sub(MERGED).filter(|first| runs[*first].merges == merges) {
        let together = merged(runs.split_off(first))?;
        merges = together.merges;
        runs.push(together);
    }
    Ok(())
}

/// Entries on disk, in the order of their keys.
struct Run {
    file: File,
    entries: usize,
    /// The first key of each block.
    firsts: Vec<u128>,
    filter: Vec<u64>,
    block: Vec<u8>,
    /// How often its entries were merged.
    merges: u32,
}

/// The two numbers of which the places of a key in a filter are made.
fn hashes(key: u128) -> (u64, u64) {
    let mix = |number: u64| {
        let number = (number ^ number >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        (number ^ number >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ number >> 29
    };
    let one = mix(key as u64 ^ mix((key >> 64) as u64));
    (one, mix(one ^ 0x9e37_79b9_7f4a_7c15) | 1)
}

pub(super) fn failed(error: std::io::Error) -> Error {
    Error::storage("cannot use a temporary file for what is remembered of rows\nhint: `TMPDIR` names the folder that it is in", error)
}

impl Run {
    fn write(entries: impl Iterator<Item = Result<Entry>>, count: usize) -> Result<Self> {
        let mut file = BufWriter::new(tempfile::tempfile().map_err(failed)?);
        let mut filter = vec![0_u64; (count * BITS_AN_ENTRY).div_ceil(64).max(1)];
        let mut firsts = Vec::with_capacity(count.div_ceil(BLOCK));
        for (number, entry) in entries.enumerate() {
            let (key, row) = entry?;
            if number % BLOCK == 0 {
                firsts.push(key);
            }
            for bit in bits(key, filter.len()) {
                filter[bit / 64] |= 1 << (bit % 64);
            }
            file.write_all(&key.to_le_bytes()).and_then(|()| file.write_all(&row.to_le_bytes())).map_err(failed)?;
        }
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(Self { file, entries: count, firsts, filter, block: Vec::new(), merges: 0 })
    }

    /// Adds the rows of a key.
    fn find(&mut self, key: u128, rows: &mut Vec<u32>) -> Result<()> {
        if bits(key, self.filter.len()).any(|bit| self.filter[bit / 64] >> (bit % 64) & 1 == 0) {
            return Ok(());
        }
        // Entries of one key may begin at the end of the block before the first one that begins with it.
        let mut block = self.firsts.partition_point(|first| *first < key).saturating_sub(1);
        while block < self.firsts.len() && self.firsts[block] <= key {
            self.read(block)?;
            for entry in self.block.chunks_exact(ENTRY).map(entry_of).filter(|(other, _)| *other == key) {
                rows.push(entry.1);
            }
            block += 1;
        }
        Ok(())
    }

    fn read(&mut self, block: usize) -> Result<()> {
        let entries = BLOCK.min(self.entries - block * BLOCK);
        self.block.resize(entries * ENTRY, 0);
        let read = self.file.seek(SeekFrom::Start((block * BLOCK * ENTRY) as u64)).and_then(|_| self.file.read_exact(&mut self.block));
        read.map_err(failed)
    }

    /// All entries, in order.
    fn into_entries(mut self) -> Result<impl Iterator<Item = Result<Entry>>> {
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut file = BufReader::new(self.file);
        Ok((0..self.entries).map(move |_| {
            let mut bytes = [0; ENTRY];
            file.read_exact(&mut bytes).map_err(failed).map(|()| entry_of(&bytes))
        }))
    }
}

/// The places of a key in a filter of so many words.
fn bits(key: u128, words: usize) -> impl Iterator<Item = usize> {
    let (one, step) = hashes(key);
    (0..u64::from(PROBES)).map(move |probe| (one.wrapping_add(probe.wrapping_mul(step)) % (words as u64 * 64)) as usize)
}

fn entry_of(bytes: &[u8]) -> Entry {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let key = (0..16).rev().fold(0, |key, at| key << 8 | u128::from(byte(at)));
    (key, (16..ENTRY).rev().fold(0, |row, at| row << 8 | u32::from(byte(at))))
}

/// Several runs as one.
fn merged(runs: Vec<Run>) -> Result<Run> {
    let count = runs.iter().map(|run| run.entries).sum();
    let merges = 1 + runs.iter().map(|run| run.merges).max().unwrap_or_default();
    let mut sources = Vec::with_capacity(runs.len());
    let mut next = BinaryHeap::new();
    for run in runs {
        let mut entries = run.into_entries()?;
        if let Some(first) = entries.next() {
            next.push(Reverse((first?, sources.len())));
        }
        sources.push(entries);
    }
    let in_order = std::iter::from_fn(|| {
        let Reverse((entry, source)) = next.pop()?;
        match sources[source].next() {
            Some(Ok(following)) => next.push(Reverse((following, source))),
            Some(Err(error)) => return Some(Err(error)),
            None => {}
        }
        Some(Ok(entry))
    });
    Ok(Run { merges, ..Run::write(in_order, count)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_finds_all_rows_of_a_key_and_no_others() {
        let entries: Vec<Entry> = (0..3000_u32).map(|number| (u128::from(number / 500) << 70 | 7, number)).collect();
        let mut run = Run::write(entries.iter().copied().map(Ok), entries.len()).unwrap();
        for key in [0_u128, 3, 5] {
            let mut rows = Vec::new();
            run.find(key << 70 | 7, &mut rows).unwrap();
            assert_eq!(rows, (key as u32 * 500..key as u32 * 500 + 500).collect::<Vec<_>>());
        }
        let mut none = Vec::new();
        run.find(9, &mut none).unwrap();
        assert_eq!(none, [0; 0]);
    }

    #[test]
    fn merged_runs_are_in_order() {
        let of = |start: u32| Run::write((0..700).map(|number| Ok((u128::from(number * 3 + start), start))), 700).unwrap();
        let whole = merged(vec![of(2), of(0), of(1)]).unwrap();
        let entries: Vec<Entry> = whole.into_entries().unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(entries, (0..2100_u32).map(|number| (u128::from(number), number % 3)).collect::<Vec<_>>());
    }

    #[test]
    fn runs_of_one_size_are_merged_and_long_ones_seldom() {
        let (mut runs, mut written) = (Vec::new(), 0);
        for number in 0..255_u32 {
            let before = runs.len();
            add(&mut runs, Run::write(std::iter::once(Ok((u128::from(number), number))), 1).unwrap()).unwrap();
            written += if runs.len() > before { 1 } else { runs[runs.len() - 1].entries };
        }
        let sizes: Vec<usize> = runs.iter().map(|run| run.entries).collect();
        assert_eq!(sizes, [64, 64, 64, 16, 16, 16, 4, 4, 4, 1, 1, 1]);
        assert!(written < 255 * 4, "{written} entries");
        let mut found = Vec::new();
        for run in &mut runs {
            (0..255_u32).for_each(|key| run.find(u128::from(key), &mut found).unwrap());
        }
        found.sort_unstable();
        assert_eq!(found, (0..255).collect::<Vec<_>>());
    }

    #[test]
    fn few_keys_that_are_not_there_pass_the_filter() {
        let run = Run::write((0..10_000_u32).map(|number| Ok((u128::from(number), number))), 10_000).unwrap();
        let passed = (10_000..20_000_u32).filter(|key| bits(u128::from(*key), run.filter.len()).all(|bit| run.filter[bit / 64] >> (bit % 64) & 1 == 1)).count();
        assert!(passed < 300, "{passed} of 10000");
    }
}
