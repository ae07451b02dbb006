//! Finds the words of a dictionary that are nearest to a misspelled one, by the symmetric deletes of SymSpell (W. Garbe, 2012).
//!
//! Two words that are at most `d` edits apart have a common text that both become by at most `d` deletions. The deletions of all words of the dictionary are made
//! once, of their first letters only; those of a word that is looked up meet them, and what is met is measured.

use std::cmp::Reverse;
use std::ops::Range;
use std::path::Path;

use polars::prelude::{PlHashMap, PlHashSet};
use xxhash_rust::xxh3::xxh3_64;

use crate::made_of_files::MadeOfFiles;
use crate::word_list;

/// The dictionaries of files, indexed once for each limits.
pub(crate) static DICTIONARIES: MadeOfFiles<Dictionary, Limits> = MadeOfFiles::by(Dictionary::of_file);

/// The words of a dictionary with how often each occurs, and the index of their deletions.
pub(crate) struct Dictionary {
    words: Vec<Word>,
    places: PlHashMap<String, u32>,
    /// Where in `made_of` the words stand that a deletion is made of, by its hash. What hashes alike by chance is told apart when it is measured.
    deletions: PlHashMap<u64, Range<u32>>,
    made_of: Vec<u32>,
    limits: Limits,
}

struct Word {
    text: String,
    /// In characters.
    length: usize,
    letters: Letters,
    count: u64,
}

/// Which letters a word has, one bit for those that are alike in their last five bits.
#[derive(Clone, Copy)]
struct Letters(u32);

impl Letters {
    fn of(word: &str) -> Self {
        Self(word.chars().fold(0, |letters, letter| letters | 1 << (letter as u32 & 31)))
    }

    /// The least number of edits between words with these letters: an edit adds one letter at most, and takes one away.
    fn edits_to(self, other: Self) -> usize {
        (self.0 & !other.0).count_ones().max((other.0 & !self.0).count_ones()) as usize
    }
}

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Limits {
    /// The most edits between a word and its correction.
    pub edits: usize,
    /// How many letters of a word deletions are made of.
    pub prefix: usize,
}

impl Dictionary {
    /// Reads a file of lines with a word and a number.
    fn of_file(path: &Path, limits: Limits) -> Result<Self, String> {
        let hint = "hint: give a text file with a word and how often it occurs in each line, such as SymSpell's";
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read the dictionary {}: {error}\n{hint}", path.display()))?;
        Self::parse(&bytes, limits).map_err(|error| format!("{}: {error}\n{hint}", path.display()))
    }

    fn parse(bytes: &[u8], limits: Limits) -> Result<Self, String> {
        let mut words = Vec::new();
        for line in word_list::lines_of(bytes)? {
            let mut parts = line.text.split_whitespace();
            let read = parts.next().zip(parts.next().and_then(|count| count.parse().ok()));
            let (word, count) = read.ok_or_else(|| line.wrong("a word and a number"))?;
            words.push(Word { text: word.to_owned(), length: word.chars().count(), letters: Letters::of(word), count });
        }
        if words.is_empty() {
            return Err("the dictionary has no words".into());
        }
        let mut made: Vec<(u64, u32)> = Vec::new();
        for (place, word) in words.iter().enumerate() {
            for deletions in deletions_of(&word.text, limits.prefix).take(limits.edits + 1) {
                made.extend(deletions.into_iter().map(|deletion| (deletion, place as u32)));
            }
        }
        made.sort_unstable();
        made.dedup();
        let mut end = 0;
        let range_of = |same: &[(u64, u32)]| {
            let begin = end;
            end += same.len() as u32;
            (same[0].0, begin..end)
        };
        let deletions = made.chunk_by(|(hash, _), (next, _)| hash == next).map(range_of).collect();
        let made_of = made.iter().map(|(_, place)| *place).collect();
        let places = words.iter().enumerate().map(|(place, word)| (word.text.clone(), place as u32)).collect();
        Ok(Self { words, places, deletions, made_of, limits })
    }

    /// Whether a word is in the dictionary.
    pub fn knows(&self, word: &str) -> bool {
        self.places.contains_key(word)
    }

    /// The word itself, or the nearest one within `edits`, of several the most frequent, and of those the first in the dictionary.
    pub fn nearest(&self, word: &str, edits: usize) -> Option<&str> {
        if let Some(place) = self.places.get(word) {
            return Some(&self.words[*place as usize].text);
        }
        let (length, letters) = (word.chars().count(), Letters::of(word));
        let mut seen = PlHashSet::default();
        let mut best: Option<(usize, Reverse<u64>, u32)> = None;
        for (deleted, deletions) in deletions_of(word, self.limits.prefix).take(edits.min(self.limits.edits) + 1).enumerate() {
            if best.is_some_and(|(distance, ..)| distance < deleted) {
                break; // words that are so near have a deletion among those before
            }
            let met = deletions.iter().filter_map(|deletion| self.deletions.get(deletion));
            for place in met.flat_map(|range| &self.made_of[range.start as usize..range.end as usize]) {
                let known = &self.words[*place as usize];
                let reach = best.map_or(edits, |(distance, ..)| distance);
                if known.length.abs_diff(length).max(known.letters.edits_to(letters)) > reach || !seen.insert(*place) {
                    continue;
                }
                let distance = strsim::osa_distance(word, &known.text);
                if distance <= reach {
                    let found = (distance, Reverse(known.count), *place);
                    best = Some(best.map_or(found, |best| best.min(found)));
                }
            }
        }
        best.map(|(.., place)| self.words[place as usize].text.as_str())
    }
}

/// What is left of the beginning of a word.
struct Deletion {
    text: String,
    /// Where the last letter was deleted, in bytes. The next one stands behind it, so that each choice of letters is deleted once.
    at: usize,
}

impl Deletion {
    fn hash(&self) -> u64 {
        xxh3_64(self.text.as_bytes())
    }

    /// Of letters that repeat, each being deleted leaves the same, and the first one is.
    fn shorter(&self) -> impl Iterator<Item = Self> {
        let mut before = None;
        self.text[self.at..].char_indices().filter(move |(_, letter)| before.replace(*letter) != Some(*letter)).map(|(behind, letter)| {
            let at = self.at + behind;
            Self { text: [&self.text[..at], &self.text[at + letter.len_utf8()..]].concat(), at }
        })
    }
}

/// The hashes of the beginning of a word, of all that is left of it after one deletion, after two, and so on.
fn deletions_of(word: &str, prefix: usize) -> impl Iterator<Item = Vec<u64>> {
    let beginning: String = word.chars().take(prefix).collect();
    let mut last: Option<Vec<Deletion>> = None;
    std::iter::from_fn(move || {
        let next = match &last {
            Some(last) => last.iter().flat_map(Deletion::shorter).collect(),
            None => vec![Deletion { text: beginning.clone(), at: 0 }],
        };
        Some(last.insert(next).iter().map(Deletion::hash).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::hash_set;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { edits: 2, prefix: 7 };

    #[test]
    fn the_nearest_and_then_the_most_frequent_word_is_found() {
        let dictionary = Dictionary::parse("\u{feff}the 100\nthen 40\ntree 60\nmaintenance 5\na 200".as_bytes(), LIMITS).unwrap();
        let nearest = |word| dictionary.nearest(word, 2);
        assert_eq!(nearest("the"), Some("the"));
        assert_eq!(nearest("teh"), Some("the"), "two letters in the wrong order are one edit");
        assert_eq!(nearest("thee"), Some("the"), "the more frequent of two that are one edit away");
        assert_eq!(nearest("maintainance"), Some("maintenance"), "beyond the letters that are indexed");
        assert_eq!(nearest("x"), Some("a"));
        assert_eq!(nearest("zzzzzz"), None);
        assert_eq!(dictionary.nearest("maintainance", 1), None);
    }

    proptest! {
        #[test]
        fn every_word_within_reach_is_found(words in hash_set("[abcé]{1,9}", 1..40), word in "[abcé]{1,9}", edits in 0_usize..=3, prefix in 4_usize..7) {
            let lines: Vec<String> = words.iter().enumerate().map(|(place, word)| format!("{word} {}", place % 5)).collect();
            let dictionary = Dictionary::parse(lines.join("\n").as_bytes(), Limits { edits: 3, prefix }).unwrap();
            let measured = words.iter().enumerate().map(|(place, known)| (strsim::osa_distance(&word, known), Reverse(place % 5), place, known.as_str()));
            let wanted = measured.min().filter(|(distance, ..)| *distance <= edits).map(|(.., known)| known);
            prop_assert_eq!(dictionary.nearest(&word, edits), wanted);
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        assert_eq!(Dictionary::parse(b"the 5\n\nsoil much", LIMITS).err().unwrap(), "line 3 should be a word and a number, found `soil much`");
        assert_eq!(Dictionary::parse(br#"{"the": 5}"#, LIMITS).err().unwrap(), "line 1 should be plain text, found the beginning of JSON");
        assert_eq!(Dictionary::parse(b"the 5\rsoil much", LIMITS).err().unwrap(), "line 2 should be a word and a number, found `soil much`");
        assert_eq!(Dictionary::parse(b"the 5\nna\xefve 3", LIMITS).err().unwrap(), "line 2 should be text in UTF-8, found bytes that are none");
    }
}
