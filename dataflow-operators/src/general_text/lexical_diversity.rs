//! Two measures of how varied the words of a text are.
//!
//! P. M. McCarthy and S. Jarvis, "MTLD, vocd-D, and HD-D: A validation study of sophisticated approaches to lexical diversity assessment",
//! Behavior Research Methods 42, 2010.

use crate::compatibility::Compatibility;
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
///
/// A text of different words alone has an HD-D of 1, and the MTLD that it would have if its last word came again, which no other text of its length surpasses: by the definition it would be
/// infinite. No MTLD is above [`HIGHEST_MTLD`]. DataFlow's library says -1, and an HD-D that lies above 1 by a rounding error.
pub(crate) fn scores(text: &str, language: TextLanguage, compatibility: Compatibility) -> [Option<f64>; 2] {
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
    let (mtld, hdd) = (mtld(&words), (count < 1000).then(|| hdd(&words)));
    match (compatibility, mtld) {
        (Compatibility::Own, Some(mtld)) => [Some(mtld.min(HIGHEST_MTLD)), hdd],
        (Compatibility::Own, None) => {
            let one_again = count as f64 / factor_of((count - 1) as f64 / count as f64);
            [Some(one_again.min(HIGHEST_MTLD)), hdd.map(|_| 1.0)]
        }
        (Compatibility::Dataflow, mtld) => [Some(mtld.unwrap_or(-1.0)), hdd],
    }
}

/// The highest MTLD: DataFlow's upper bound, which stands for none. A text of some 600 words of which hardly any comes again would be above it.
const HIGHEST_MTLD: f64 = 99_999.0;

/// The share of distinct words at which a factor of MTLD ends.
const LEAST: f64 = 0.72;

/// The part of a factor that words of such a share of distinct ones make.
fn factor_of(share: f64) -> f64 {
    (1.0 - share) / (1.0 - LEAST)
}

/// The mean number of words over which the share of distinct ones stays above 0.72, read forwards and backwards; `None` where no word comes again.
fn mtld(words: &[u32]) -> Option<f64> {
    Some(f64::midpoint(mtld_of(words.iter(), words.len())?, mtld_of(words.iter().rev(), words.len())?))
}

fn mtld_of<'a>(words: impl Iterator<Item = &'a u32>, length: usize) -> Option<f64> {
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
        factors += factor_of(share);
    }
    (factors > 0.0).then(|| length as f64 / factors)
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

    fn scores_of(text: &str) -> [Option<f64>; 2] {
        scores(text, TextLanguage::Dataflow, Compatibility::Own)
    }

    #[test]
    fn repetition_lowers_both_and_short_texts_have_neither() {
        assert_eq!(scores_of(&"word ".repeat(50)), [None, None]);
        let [mtld, hdd] = scores_of(&"word ".repeat(60));
        assert_eq!((mtld, hdd.map(|hdd| (hdd * 42.0).round())), (Some(2.0), Some(1.0)));
        assert_eq!(scores_of(&"a b ".repeat(600))[1], None);
    }

    #[test]
    fn a_text_of_different_words_is_as_diverse_as_can_be() {
        let words: Vec<String> = (0..60).map(|number| format!("w{number}")).collect();
        let [mtld, hdd] = scores_of(&words.join(" "));
        assert_eq!((mtld.map(f64::round), hdd), (Some(1008.0), Some(1.0)));
        let one_again = scores_of(&format!("{} w0", words[..59].join(" ")));
        assert!(one_again[0] <= mtld && one_again[1] < hdd, "{one_again:?}");
        let long: Vec<String> = (0..900).map(|number| format!("w{number}")).collect();
        assert_eq!(scores_of(&long.join(" ")), [Some(HIGHEST_MTLD), Some(1.0)]);
        let [mtld, hdd] = scores(&words.join(" "), TextLanguage::Dataflow, Compatibility::Dataflow);
        assert!(mtld == Some(-1.0) && hdd.unwrap() > 1.0);
    }
}
