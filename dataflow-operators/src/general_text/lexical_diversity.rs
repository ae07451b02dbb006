//! Two measures of how varied the words of a text are.
//!
//! P. M. McCarthy and S. Jarvis, "MTLD, vocd-D, and HD-D: A validation study of sophisticated approaches to lexical diversity assessment",
//! Behavior Research Methods 42, 2010.

use polars::prelude::{PlHashMap, PlHashSet};

use crate::language::TextLanguage;
use crate::score_columns::ScoreNames;

/// The columns of the scores.
#[derive(Debug)]
pub struct LexicalDiversity;

impl ScoreNames for LexicalDiversity {
    const PREFIX: &'static str = "LexicalDiversity";
    const NAMES: &'static [&'static str] = &["MTLDScore", "HD-DScore"];
}

/// MTLD and HD-D of a text; `None` for one that is too short, and HD-D also for one that is too long for it.
pub(crate) fn scores(text: &str, language: TextLanguage) -> [Option<f64>; 2] {
    let mut tokens: Vec<String> = Vec::new();
    language.each_word(text, |word| tokens.push(word.chars().filter(|character| !character.is_ascii_punctuation()).collect::<String>().to_lowercase()));
    let count = tokens.len();
    let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    [(count > 50).then(|| mtld(&words)), (count > 50 && count < 1000).then(|| hdd(&words))]
}

/// The mean number of words over which the share of distinct ones stays above 0.72, read forwards and backwards.
fn mtld(words: &[&str]) -> f64 {
    f64::midpoint(mtld_of(words.iter().copied(), words.len()), mtld_of(words.iter().rev().copied(), words.len()))
}

fn mtld_of<'a>(words: impl Iterator<Item = &'a str>, length: usize) -> f64 {
    const LEAST: f64 = 0.72;
    let (mut factors, mut seen, mut count, mut share) = (0.0, PlHashSet::default(), 0usize, 1.0);
    for word in words {
        count += 1;
        seen.insert(word);
        share = seen.len() as f64 / count as f64;
        if share <= LEAST {
            factors += 1.0;
            seen.clear();
            count = 0;
        }
    }
    if count > 0 {
        factors += (1.0 - share) / (1.0 - LEAST);
    }
    // A text of different words has no factor; DataFlow's library says -1.
    if factors == 0.0 { -1.0 } else { length as f64 / factors }
}

/// The mean share of types that a sample of 42 words would hold, by the hypergeometric distribution.
fn hdd(words: &[&str]) -> f64 {
    const SAMPLE: usize = 42;
    let (mut place, mut counts): (PlHashMap<&str, usize>, Vec<usize>) = (PlHashMap::default(), Vec::new());
    for word in words {
        let place = *place.entry(word).or_insert_with(|| {
            counts.push(0);
            counts.len() - 1
        });
        counts[place] += 1;
    }
    let all = words.len();
    counts
        .iter()
        .map(|count| {
            let absent: f64 = if all - count < SAMPLE { 0.0 } else { (0..SAMPLE).map(|drawn| (all - count - drawn) as f64 / (all - drawn) as f64).product() };
            (1.0 - absent) / SAMPLE as f64
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_lowers_both_and_short_texts_have_neither() {
        assert_eq!(scores(&"word ".repeat(50), TextLanguage::Dataflow), [None, None]);
        let [mtld, hdd] = scores(&"word ".repeat(60), TextLanguage::Dataflow);
        assert_eq!((mtld, hdd.map(|hdd| (hdd * 42.0).round())), (Some(2.0), Some(1.0)));
        let different: String = (0..80).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
        let [mtld, hdd] = scores(&different, TextLanguage::Dataflow);
        assert_eq!(mtld, Some(-1.0));
        assert!((hdd.unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(scores(&"a b ".repeat(600), TextLanguage::Dataflow)[1], None);
    }
}
