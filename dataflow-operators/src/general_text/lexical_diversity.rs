//! Two measures of how varied the words of a text are.
//!
//! P. M. McCarthy and S. Jarvis, "MTLD, vocd-D, and HD-D: A validation study of sophisticated approaches to lexical diversity assessment",
//! Behavior Research Methods 42, 2010.

use crate::language::TextLanguage;
use crate::ngram::numbered;
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
    let mut plain = String::with_capacity(text.len());
    let mut ends: Vec<usize> = Vec::new();
    language.each_word(text, |word| {
        let start = plain.len();
        plain.extend(word.chars().filter(|character| !character.is_ascii_punctuation()));
        if plain[start..].is_ascii() {
            plain[start..].make_ascii_lowercase();
        } else {
            let lower = plain[start..].to_lowercase();
            plain.replace_range(start.., &lower);
        }
        ends.push(plain.len());
    });
    let count = ends.len();
    if count <= 50 {
        return [None, None];
    }
    let starts = std::iter::once(&0).chain(&ends);
    let words = numbered(starts.zip(&ends).map(|(start, end)| &plain[*start..*end]));
    [Some(mtld(&words)), (count < 1000).then(|| hdd(&words))]
}

/// The mean number of words over which the share of distinct ones stays above 0.72, read forwards and backwards.
fn mtld(words: &[u32]) -> f64 {
    f64::midpoint(mtld_of(words.iter(), words.len()), mtld_of(words.iter().rev(), words.len()))
}

fn mtld_of<'a>(words: impl Iterator<Item = &'a u32>, length: usize) -> f64 {
    const LEAST: f64 = 0.72;
    // The factor in which each word was last seen, from 1.
    let mut seen_in = vec![0_u32; length];
    let (mut factors, mut factor, mut seen, mut count, mut share) = (0.0, 1, 0_usize, 0_usize, 1.0);
    for word in words {
        count += 1;
        let last = &mut seen_in[*word as usize];
        seen += usize::from(*last != factor);
        *last = factor;
        share = seen as f64 / count as f64;
        if share <= LEAST {
            factors += 1.0;
            factor += 1;
            (seen, count) = (0, 0);
        }
    }
    if count > 0 {
        factors += (1.0 - share) / (1.0 - LEAST);
    }
    // A text of different words has no factor; DataFlow's library says -1.
    if factors == 0.0 { -1.0 } else { length as f64 / factors }
}

/// The mean share of types that a sample of 42 words would hold, by the hypergeometric distribution.
fn hdd(words: &[u32]) -> f64 {
    const SAMPLE: usize = 42;
    let mut counts = vec![0_usize; words.iter().max().map_or(0, |most| *most as usize + 1)];
    for word in words {
        counts[*word as usize] += 1;
    }
    let all = words.len();
    let of_count = |count: usize| {
        let absent: f64 = if all - count < SAMPLE { 0.0 } else { (0..SAMPLE).map(|drawn| (all - count - drawn) as f64 / (all - drawn) as f64).product() };
        (1.0 - absent) / SAMPLE as f64
    };
    // Most words come once or twice: each count is worked out once.
    let mut known: Vec<Option<f64>> = vec![None; counts.iter().max().map_or(0, |most| most + 1)];
    counts.iter().map(|count| *known[*count].get_or_insert_with(|| of_count(*count))).sum()
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
