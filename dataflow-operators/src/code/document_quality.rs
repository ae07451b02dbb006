//! Counts of words, repetitions and marks of a document, and bounds for them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use dataflow_core::private::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use super::measure::CodeMeasure;
use super::source_code::SourceCode;
use crate::ngram::{Grams, numbered};
use crate::python::{is_upper, is_word, strip};
use crate::score_columns::ScoreNames;

/// The counts of a document, and whether they are within bounds.
#[derive(Clone, Debug)]
pub struct DocumentQuality(pub(super) QualityThresholds);

impl ScoreNames for DocumentQuality {
    const PREFIX: &'static str = "CodeDocumentQuality";
    const NAMES: &'static [&'static str] = &[
        "CharCount",
        "WordCount",
        "DuplicateLinesRatio",
        "CurlyBracketRatio",
        "AllCapsRatio",
        "Entropy",
        "Score",
        // DataFlow's names, one word too many.
        "Duplicate_2Gram_RatioRatio",
        "Duplicate_3Gram_RatioRatio",
        "Duplicate_4Gram_RatioRatio",
        "Duplicate_5Gram_RatioRatio",
        "Duplicate_6Gram_RatioRatio",
        "Duplicate_7Gram_RatioRatio",
        "Duplicate_8Gram_RatioRatio",
        "Duplicate_9Gram_RatioRatio",
        "Duplicate_10Gram_RatioRatio",
    ];
}

/// Bounds of the counts, by DataFlow's names; one that is not given is as wide as there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct QualityThresholds(pub BTreeMap<String, f64>);

/// The bounds and what they are without being given.
const BOUNDS: [(&str, f64); 17] = [
    ("min_num_chars", 1.0),
    ("max_num_chars", 100_000.0),
    ("min_num_words", 1.0),
    ("max_num_words", 100_000.0),
    ("max_frac_duplicate_lines", 1.0),
    ("max_frac_duplicate_2gram", 1.0),
    ("max_frac_duplicate_3gram", 1.0),
    ("max_frac_duplicate_4gram", 1.0),
    ("max_frac_duplicate_5gram", 1.0),
    ("max_frac_duplicate_6gram", 1.0),
    ("max_frac_duplicate_7gram", 1.0),
    ("max_frac_duplicate_8gram", 1.0),
    ("max_frac_duplicate_9gram", 1.0),
    ("max_frac_duplicate_10gram", 1.0),
    ("max_frac_curly_bracket", 1.0),
    ("max_frac_all_caps_words", 1.0),
    ("min_entropy_unigram", 0.0),
];

impl QualityThresholds {
    pub(super) fn problems(&self) -> Vec<String> {
        let names = || BOUNDS.iter().map(|(name, _)| *name);
        let unknown =
            self.0.keys().filter(|name| !names().any(|known| known == name.as_str())).map(|name| match dataflow_core::registry::nearest(name, names()) {
                Some(near) => format!("`thresholds` has no `{name}`\nhint: did you mean `{near}`?"),
                None => format!("`thresholds` has no `{name}`\nhint: it has {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
            });
        unknown.chain(self.unmet()).collect()
    }

    /// What is wrong with bounds that no text keeps.
    fn unmet(&self) -> impl Iterator<Item = String> {
        let pairs = [("min_num_chars", "max_num_chars"), ("min_num_words", "max_num_words")].into_iter().filter_map(|(least, most)| {
            let (at_least, at_most) = (self.bound(least), self.bound(most));
            (at_least > at_most).then(|| format!("`thresholds`: `{least}` is {at_least} and `{most}` {at_most}, so every text has a score of 0"))
        });
        let shares = BOUNDS.iter().map(|(name, _)| (name, self.bound(name))).filter(|(name, most)| name.starts_with("max_frac_") && *most < 0.0);
        pairs.chain(shares.map(|(name, most)| format!("`thresholds`: `{name}` is {most}, and a share is never below 0, so every text has a score of 0")))
    }

    fn bound(&self, name: &str) -> f64 {
        let otherwise = || BOUNDS.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, bound)| *bound);
        self.0.get(name).copied().unwrap_or_else(otherwise)
    }
}

impl CodeMeasure for DocumentQuality {
    const SCORE: usize = 6;

    fn numbers(&self, code: &SourceCode<'_>) -> Vec<f64> {
        let text = code.text();
        let characters = text.chars().count();
        let share = |count: usize, all: usize| if all == 0 { 0.0 } else { count as f64 / all as f64 };
        let words: Vec<&str> = text.split(|character| !is_word(character)).filter(|word| !word.is_empty()).collect();
        let is_line_end = |character| matches!(character, '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let lines: Vec<&str> = text.split(is_line_end).map(strip).filter(|line| !line.is_empty()).collect();
        let duplicate_lines = repeated_share(&counts_of(&numbered(lines.iter().copied())));
        let brackets = share(text.matches(['{', '}']).count(), characters);
        let capitals = share(words.iter().filter(|word| word.chars().nth(1).is_some() && is_upper(word)).count(), words.len());
        let numbers = numbered(words.iter().copied());
        let entropy = entropy(&numbers);
        let grams = duplicate_shares(&numbers, 10);
        let mut numbers = vec![characters as f64, words.len() as f64, duplicate_lines, brackets, capitals, entropy];
        numbers.extend(grams);
        numbers
    }

    fn bounds(&self, _: &SourceCode<'_>) -> Vec<(usize, RangeInclusive<f64>)> {
        let bound = |name: &str| self.0.bound(name);
        let at_most = |name: &str| f64::NEG_INFINITY..=bound(name);
        let mut bounds = vec![
            (0, bound("min_num_chars")..=bound("max_num_chars")),
            (1, bound("min_num_words")..=bound("max_num_words")),
            (2, at_most("max_frac_duplicate_lines")),
            (3, at_most("max_frac_curly_bracket")),
            (4, at_most("max_frac_all_caps_words")),
            (5, bound("min_entropy_unigram")..=f64::INFINITY),
        ];
        bounds.extend((2..=10).map(|n| (Self::SCORE + n - 1, at_most(&format!("max_frac_duplicate_{n}gram")))));
        bounds
    }
}

/// The entropy of the words, in bits.
fn entropy(words: &[u32]) -> f64 {
    // Numbers are given in the order in which words came, so the sum is the same in every run.
    let entropy: f64 = counts_of(words).iter().map(|count| f64::from(*count) / words.len() as f64).map(|share| -share * share.log2()).sum();
    entropy + 0.0 // one word alone makes -0.0
}

/// How often each number comes.
fn counts_of(numbers: &[u32]) -> Vec<u32> {
    let mut counts = vec![0; numbers.iter().max().map_or(0, |most| *most as usize + 1)];
    for number in numbers {
        counts[*number as usize] += 1;
    }
    counts
}

/// The share of items that come more than once.
fn repeated_share(counts: &[u32]) -> f64 {
    let all: u32 = counts.iter().sum();
    if all == 0 { 0.0 } else { f64::from(counts.iter().filter(|count| **count > 1).sum::<u32>()) / f64::from(all) }
}

/// The share of n-grams that come more than once, for each n from 2.
fn duplicate_shares(words: &[u32], longest: usize) -> Vec<f64> {
    let (mut grams, mut ids) = (Grams::default(), words.to_vec());
    let mut shares = Vec::with_capacity(longest - 1);
    for n in 2..=longest {
        grams.begin();
        grams.extend(&mut ids, words, n);
        shares.push(repeated_share(grams.counts()));
        // Where no gram comes again, no longer one does.
        if grams.counts().len() == ids.len() {
            shares.resize(longest - 1, 0.0);
            break;
        }
    }
    shares
}
