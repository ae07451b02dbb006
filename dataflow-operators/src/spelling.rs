//! Finds the words of a dictionary that are nearest to a misspelled one, by the symmetric deletes of SymSpell (W. Garbe, 2012).
//!
//! Two words that are at most `d` edits apart have a common text that both become by at most `d` deletions. The deletions of all words of the dictionary are made
//! once, of their first letters only; those of a word that is looked up meet them, and what is met is measured.

use std::path::Path;

use polars::prelude::{PlHashMap, PlHashSet};
use xxhash_rust::xxh3::xxh3_64;

use crate::made_of_files::MadeOfFiles;
use crate::word_list;

/// The dictionaries of files, indexed once for each limits.
pub(crate) static DICTIONARIES: MadeOfFiles<Dictionary, Limits> = MadeOfFiles::by(Dictionary::of_file);

/// The words of a dictionary with how often each occurs, and the index of their deletions.
pub(crate) struct Dictionary {
    words: Vec<(String, u64)>,
    places: PlHashMap<String, u32>,
    /// The hash of a deletion and the place of the word that it is made of, sorted. What hashes alike by chance is told apart when it is measured.
    deletions: Vec<(u64, u32)>,
    limits: Limits,
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
            words.push((word.to_owned(), count));
        }
        if words.is_empty() {
            return Err("the dictionary has no words".into());
        }
        let mut deletions = Vec::new();
        for (place, (word, _)) in words.iter().enumerate() {
            deletions.extend(deletions_of(word, limits).iter().map(|deletion| (xxh3_64(deletion.as_bytes()), place as u32)));
        }
        deletions.sort_unstable();
        let places = words.iter().enumerate().map(|(place, (word, _))| (word.clone(), place as u32)).collect();
        Ok(Self { words, places, deletions, limits })
    }

    /// Whether a word is in the dictionary.
    pub fn knows(&self, word: &str) -> bool {
        self.places.contains_key(word)
    }

    /// The word itself, or the nearest one within `edits`, of several the most frequent, and of those the first in the dictionary.
    pub fn nearest(&self, word: &str, edits: usize) -> Option<&str> {
        if let Some(place) = self.places.get(word) {
            return Some(&self.words[*place as usize].0);
        }
        let length = word.chars().count();
        let mut seen = PlHashSet::default();
        let mut best: Option<(usize, std::cmp::Reverse<u64>, u32)> = None;
        for deletion in deletions_of(word, Limits { edits: edits.min(self.limits.edits), ..self.limits }) {
            let hash = xxh3_64(deletion.as_bytes());
            let from = self.deletions.partition_point(|(known, _)| *known < hash);
            for (_, place) in self.deletions[from..].iter().take_while(|(known, _)| *known == hash) {
                let (known, count) = &self.words[*place as usize];
                let reach = best.map_or(edits, |(distance, ..)| distance);
                if known.chars().count().abs_diff(length) > reach || !seen.insert(*place) {
                    continue;
                }
                let distance = strsim::osa_distance(word, known);
                if distance <= reach {
                    let found = (distance, std::cmp::Reverse(*count), *place);
                    best = Some(best.map_or(found, |best| best.min(found)));
                }
            }
        }
        best.map(|(.., place)| self.words[place as usize].0.as_str())
    }
}

/// The beginning of a word and all that is left of it after at most so many deletions.
fn deletions_of(word: &str, limits: Limits) -> PlHashSet<String> {
    let beginning: String = word.chars().take(limits.prefix).collect();
    let mut found = PlHashSet::default();
    let mut last = vec![beginning.clone()];
    found.insert(beginning);
    for _ in 0..limits.edits {
        let mut next = Vec::new();
        for text in &last {
            for (at, character) in text.char_indices() {
                let shorter = [&text[..at], &text[at + character.len_utf8()..]].concat();
                if found.insert(shorter.clone()) {
                    next.push(shorter);
                }
            }
        }
        last = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn every_word_within_reach_is_found() {
        let words = ["spelling", "spieling", "selling", "swelling", "dwelling", "speling", "pelting", "ping"];
        let lines: Vec<String> = words.iter().enumerate().map(|(place, word)| format!("{word} {}", place + 1)).collect();
        let dictionary = Dictionary::parse(lines.join("\n").as_bytes(), LIMITS).unwrap();
        for word in ["spelng", "spellling", "welling", "psieling", "pilng", "dweling", "qq"] {
            let measured = words.iter().enumerate().map(|(place, known)| (strsim::osa_distance(word, known), std::cmp::Reverse(place), *known));
            let wanted = measured.min().filter(|(distance, ..)| *distance <= 2).map(|(.., known)| known);
            assert_eq!(dictionary.nearest(word, 2), wanted, "{word}");
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
