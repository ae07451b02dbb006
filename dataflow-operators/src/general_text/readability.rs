//! How hard an English text is to read, as textstat measures it.
//!
//! The formulas are those of Flesch (1948), Kincaid et al. (1975), McLaughlin (SMOG, 1969), Coleman and Liau (1975), Smith and Senter (ARI, 1967), Dale and Chall (1948),
//! Gunning (fog, 1952) and the Linsear Write of the US Air Force.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use dataflow_core::key::{ColumnType, Direction, KeyField, KeyUse};
use dataflow_core::private::schemars::{self, JsonSchema};
use polars::prelude::{PlHashMap, PlHashSet};
use serde::{Deserialize, Serialize};

use crate::python::{is_decimal, is_word, lower, split_words};
use crate::word_list::{self, WordList};

/// A measure of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadabilityMetric {
    /// Flesch's reading ease: near 100 for what is easy, near 0 for what is hard.
    FleschReadingEase,
    /// The school grade of the automated readability index.
    AutomatedReadabilityIndex,
    /// The school grade on which most of eight formulas agree.
    AggregateReadingLevel,
    /// Syllables.
    SyllableCount,
    /// Words.
    LexiconCount,
    /// Sentences of more than two words, and at least 1.
    SentenceCount,
    /// Characters but for white space.
    CharacterCount,
    /// Letters and digits.
    LetterCount,
    /// Words of three or more syllables.
    PolysyllableCount,
    /// Words of one syllable.
    MonosyllableCount,
    /// Different words of two or more syllables that are not everyday ones.
    DifficultWords,
}

/// How many metrics there are.
pub(crate) const METRICS: usize = 11;

impl ReadabilityMetric {
    /// All of them, in the order of [`measure`].
    pub(crate) const ALL: [Self; METRICS] = [
        Self::FleschReadingEase,
        Self::AutomatedReadabilityIndex,
        Self::AggregateReadingLevel,
        Self::SyllableCount,
        Self::LexiconCount,
        Self::SentenceCount,
        Self::CharacterCount,
        Self::LetterCount,
        Self::PolysyllableCount,
        Self::MonosyllableCount,
        Self::DifficultWords,
    ];

    /// Its name among the parameters.
    pub(crate) fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(ToOwned::to_owned)).unwrap_or_default()
    }

    /// The name of its column, as in DataFlow.
    pub(crate) fn column(self) -> String {
        format!("Langkit{self:?}Score")
    }

    /// The name of the column of its label.
    pub(crate) fn label(self) -> String {
        format!("Langkit{self:?}Score_label")
    }
}

/// The metrics that are written, a column each.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ReadabilityColumns(Vec<ReadabilityMetric>);

/// The metrics that are written, a column each and one more for its label.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LabelledReadabilityColumns(Vec<ReadabilityMetric>);

impl ReadabilityColumns {
    /// The metrics.
    pub fn metrics(&self) -> &[ReadabilityMetric] {
        &self.0
    }
}

impl LabelledReadabilityColumns {
    /// The metrics.
    pub fn metrics(&self) -> &[ReadabilityMetric] {
        &self.0
    }
}

impl Default for ReadabilityColumns {
    fn default() -> Self {
        Self(ReadabilityMetric::ALL.into())
    }
}

impl Default for LabelledReadabilityColumns {
    fn default() -> Self {
        Self(ReadabilityMetric::ALL.into())
    }
}

fn written(field: &'static str, key: String, column_type: ColumnType) -> KeyUse {
    KeyUse { field: field.into(), key, direction: Direction::Write, column_type, nullable: false, may_be_missing: false, hint: None }
}

impl KeyField for ReadabilityColumns {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        uses.extend(self.0.iter().map(|metric| written(field, metric.column(), ColumnType::Float)));
    }
}

impl KeyField for LabelledReadabilityColumns {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        for metric in &self.0 {
            uses.push(written(field, metric.column(), ColumnType::Float));
            uses.push(written(field, metric.label(), ColumnType::Integer));
        }
    }
}

/// What is counted in one reading of a text.
#[derive(Default)]
struct Counts {
    characters: usize,
    letters: usize,
    words: usize,
    sentences: usize,
    syllables: usize,
    polysyllables: usize,
    monosyllables: usize,
    /// Different words that are not everyday ones, and of these those of two and of three syllables or more.
    unknown: [usize; 3],
    /// What Linsear Write gives for the first hundred words: 1 for a short one and 3 for a long one.
    linsear: usize,
    linsear_sentences: usize,
}

impl Counts {
    fn of(text: &str, easy_words: &WordList) -> Self {
        let mut counts = Self { sentences: sentences(text), ..Self::default() };
        let mut clean = String::new();
        let mut hundredth = 0;
        for (place, token) in split_words(text).enumerate() {
            letters_of(token, &mut clean);
            let syllables = syllables(&clean);
            counts.characters += token.chars().count();
            counts.syllables += syllables;
            if !clean.is_empty() {
                counts.words += 1;
                counts.letters += token.chars().filter(|character| is_word(*character)).count();
                counts.polysyllables += usize::from(syllables >= 3);
                counts.monosyllables += usize::from(syllables < 2);
            }
            if place < 100 {
                counts.linsear += if syllables >= 3 { 3 } else { 1 };
                hundredth = token.as_ptr() as usize + token.len() - text.as_ptr() as usize;
            }
        }
        counts.linsear_sentences = if hundredth == text.len() { counts.sentences } else { sentences(&text[..hundredth]) };
        let lower = lower(text);
        let mut seen = PlHashSet::default();
        seen.reserve(counts.words);
        for word in lower.split(|character: char| !(is_word(character) || matches!(character, '=' | '\'' | '‘' | '’'))) {
            if !word.is_empty() && seen.insert(word) && !easy_words.contains(word) {
                letters_of(word, &mut clean);
                let syllables = syllables(&clean);
                for (count, least) in counts.unknown.iter_mut().zip([0, 2, 3]) {
                    *count += usize::from(syllables >= least);
                }
            }
        }
        counts
    }
}

/// The English words that are easy, or those of a file.
pub(crate) fn easy_words(path: Option<&Path>) -> Result<Arc<WordList>, String> {
    static EASY_WORDS: LazyLock<Arc<WordList>> =
        LazyLock::new(|| Arc::new(lines(include_str!("readability/easy_words_en.txt")).flat_map(str::split_whitespace).map(ToOwned::to_owned).collect()));
    path.map_or_else(|| Ok(Arc::clone(&EASY_WORDS)), |path| word_list::WORD_LISTS.known(path, ()))
}

/// The values of all metrics of a text, in the order of [`ReadabilityMetric::ALL`].
pub(crate) fn measure(text: &str, easy_words: &WordList) -> [f64; METRICS] {
    let counts = Counts::of(text, easy_words);
    let [_, difficult, _] = counts.unknown;
    let of = |count: usize| count as f64;
    let sentence_length = rounded(of(counts.words) / of(counts.sentences), 1);
    let word_syllables = if counts.words == 0 { 0.0 } else { rounded(of(counts.syllables) / of(counts.words), 1) };
    let ease = rounded(206.835 - 1.015 * sentence_length - 84.6 * word_syllables, 2);
    let grades = Grades::of(&counts, sentence_length, word_syllables);
    [
        ease,
        grades.automated,
        grades.aggregate(ease),
        of(counts.syllables),
        of(counts.words),
        of(counts.sentences),
        of(counts.characters),
        of(counts.letters),
        of(counts.polysyllables),
        of(counts.monosyllables),
        of(difficult),
    ]
}

/// The school grades that several formulas give.
struct Grades {
    kincaid: f64,
    smog: f64,
    coleman: f64,
    automated: f64,
    dale: f64,
    linsear: f64,
    gunning: f64,
}

impl Grades {
    fn of(counts: &Counts, sentence_length: f64, word_syllables: f64) -> Self {
        let of = |count: usize| count as f64;
        let (words, sentences) = (of(counts.words), of(counts.sentences));
        let share = |count: f64| if counts.words == 0 { 0.0 } else { rounded(count / words, 2) };
        let [unknown, _, long] = counts.unknown.map(of);
        let automated = 4.71 * share(of(counts.characters)) + 0.5 * rounded(words / sentences, 2) - 21.43;
        // The share is that of all words, though different ones are counted, as in textstat.
        let strange = 100.0 - (words - unknown) / words * 100.0;
        let dale = 0.1579 * strange + 0.0496 * sentence_length + if strange > 5.0 { 3.6365 } else { 0.0 };
        let linsear = of(counts.linsear) / of(counts.linsear_sentences);
        let unless_empty = |value: f64, digits| if counts.words == 0 { 0.0 } else { rounded(value, digits) };
        Self {
            kincaid: rounded(0.39 * sentence_length + 11.8 * word_syllables - 15.59, 1),
            smog: if counts.sentences >= 3 { rounded(1.043 * (30.0 * (of(counts.polysyllables) / sentences)).sqrt() + 3.1291, 1) } else { 0.0 },
            coleman: rounded(0.058 * rounded(share(of(counts.letters)) * 100.0, 2) - 0.296 * rounded(share(sentences) * 100.0, 2) - 15.8, 2),
            automated: unless_empty(automated, 1),
            dale: unless_empty(dale, 2),
            linsear: if linsear <= 20.0 { (linsear - 2.0) / 2.0 } else { linsear / 2.0 },
            gunning: unless_empty(0.4 * (sentence_length + long / words * 100.0), 2),
        }
    }

    /// The grade that is named most often, each formula naming its own rounded and rounded up; of several the one that is named first.
    fn aggregate(&self, ease: f64) -> f64 {
        let of_ease: &[f64] = match ease {
            90.0..100.0 => &[5.0],
            80.0..90.0 => &[6.0],
            70.0..80.0 => &[7.0],
            60.0..70.0 => &[8.0, 9.0],
            50.0..60.0 => &[10.0],
            40.0..50.0 => &[11.0],
            30.0..40.0 => &[12.0],
            _ => &[13.0],
        };
        let both = |grade: f64| [rounded(grade, 0), grade.ceil()];
        let mut named = both(self.kincaid).to_vec();
        named.extend_from_slice(of_ease);
        named.extend([self.smog, self.coleman, self.automated, self.dale, self.linsear, self.gunning].into_iter().flat_map(both));
        let mut most = (0, 0.0);
        for grade in &named {
            let times = named.iter().filter(|other| (**other - *grade).abs() < 0.5).count();
            if times > most.0 {
                most = (times, *grade + 0.0); // no negative zero
            }
        }
        most.1
    }
}

/// Rounded half away from zero upwards, and below zero downwards, as textstat rounds.
fn rounded(value: f64, digits: i32) -> f64 {
    let places = 10_f64.powi(digits);
    (value * places + 0.5_f64.copysign(value)).floor() / places
}

/// How many sentences a text has: they end at `.`, `!` and `?`, and those of one or two words do not count; at least 1.
fn sentences(text: &str) -> usize {
    let is_long = |sentence: &str| split_words(sentence).filter(|word| word.contains(is_word)).nth(2).is_some();
    text.split(['.', '!', '?']).filter(|sentence| is_long(sentence)).count().max(1)
}

/// The letters, digits and `_` of a token, in lower case.
fn letters_of(token: &str, clean: &mut String) {
    clean.clear();
    if token.chars().all(is_word) {
        clean.push_str(token);
    } else {
        clean.extend(token.chars().filter(|character| is_word(*character)));
    }
    if clean.is_ascii() {
        clean.make_ascii_lowercase();
    } else if clean.chars().any(char::is_uppercase) {
        *clean = clean.to_lowercase();
    }
}

/// The syllables of a word in lower case: its groups of vowels but for a mute `e`, with exceptions; none where it has a digit.
fn syllables(word: &str) -> usize {
    let has_digit = if word.is_ascii() { word.bytes().any(|letter| letter.is_ascii_digit()) } else { word.contains(is_decimal) };
    if word.is_empty() || has_digit {
        return 0;
    }
    if let Some(known) = SYLLABLES.get(word) {
        return *known;
    }
    let is_vowel = |letter: u8| matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let letters = word.as_bytes();
    let first = usize::from(is_vowel(letters[0]));
    let groups = first + letters.windows(2).filter(|pair| !is_vowel(pair[0]) & is_vowel(pair[1])).count();
    let mute = usize::from(word.ends_with('e'));
    let spoken = matches!(letters, [.., before, b'l', b'e'] if !is_vowel(*before));
    (groups + usize::from(spoken)).saturating_sub(mute).max(1)
}

static SYLLABLES: LazyLock<PlHashMap<&str, usize>> = LazyLock::new(|| {
    let entries = lines(include_str!("readability/syllables_en.txt")).filter_map(|line| line.split_once(' '));
    entries.filter_map(|(word, count)| Some((word, count.parse().ok()?))).collect()
});

fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_are_groups_of_vowels_with_exceptions() {
        let words = ["again", "table", "science", "rhythm", "make", "supercalifragilisticexpialidocious", "ab1", "", "你好"];
        assert_eq!(words.map(syllables), [2, 2, 2, 1, 1, 13, 0, 0, 1]);
    }

    #[test]
    fn every_exception_is_read() {
        let entries = lines(include_str!("readability/syllables_en.txt")).count();
        assert!(entries > 50 && SYLLABLES.len() == entries, "{entries} lines, {} words", SYLLABLES.len());
        assert!(easy_words(None).unwrap().len() > 2000);
    }

    fn measure(text: &str) -> [f64; METRICS] {
        super::measure(text, &easy_words(None).unwrap())
    }

    #[test]
    fn easy_texts_are_told_from_hard_ones() {
        let [ease, _, grade, .., difficult] = measure("The cat sat on the mat. It was a warm day. The dog ran to the tree.");
        assert!(ease > 90.0 && grade < 3.0 && difficult == 0.0, "{ease} {grade} {difficult}");
        let [ease, _, grade, .., difficult] =
            measure("Notwithstanding considerable methodological heterogeneity, contemporary investigations substantiate longitudinal associations.");
        assert!(ease < 0.0 && grade > 12.0 && difficult > 8.0, "{ease} {grade} {difficult}");
        assert_eq!(measure("").map(|value| value as i64), [206, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    }
}
