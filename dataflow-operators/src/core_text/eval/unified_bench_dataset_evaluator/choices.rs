//! The choices of a question, and what letters and numbers mean among them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::verdict::says_yes;
use crate::answer::sign::MINUS;
use crate::pattern::pattern;

/// From where numbers of choices are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LabelBase {
    /// From 0, or from 1 where a row's number is that of the last choice counted so.
    #[default]
    Auto,
    /// From 0.
    Zero,
    /// From 1.
    One,
}

/// The choices of one question.
pub(super) struct Choices {
    /// As [`readable`] texts, without the letters before them, as they are compared.
    texts: Vec<String>,
    /// As they are compared, but in their own letter case.
    cased: Vec<String>,
    /// Whether letter case is all that tells two of them apart: `n` and `N`.
    keeps_case: bool,
    base: LabelBase,
    /// Whether a number may be what a choice says, so that none is read as the place of one.
    pub(super) are_values: bool,
}

impl Choices {
    pub(super) fn new(choices: &[String], base: LabelBase) -> Self {
        let texts: Vec<String> = choices.iter().map(|choice| readable(choice).trim().to_owned()).collect();
        let unlabelled: Option<Vec<String>> = texts.iter().enumerate().map(|(place, text)| without_label(text, place)).collect();
        let cased: Vec<String> = unlabelled.unwrap_or(texts).iter().map(|text| squeezed(text)).collect();
        let texts: Vec<String> = cased.iter().map(|text| folded(text)).collect();
        let count = |texts: &[String]| texts.iter().collect::<BTreeSet<_>>().len();
        let keeps_case = count(&cased) > count(&texts);
        let is_value = |text: &String| text.chars().any(|character| character.is_ascii_digit()) && !text.chars().any(char::is_alphabetic);
        Self { are_values: texts.iter().any(is_value), texts: if keeps_case { cased.clone() } else { texts }, cased, keeps_case, base }
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.texts.iter().map(String::as_str).enumerate().filter(|(_, text)| !text.is_empty())
    }

    /// As [`Self::texts`], in their own letter case.
    pub(super) fn cased(&self) -> impl Iterator<Item = (usize, &str)> {
        self.cased.iter().map(String::as_str).enumerate().filter(|(_, text)| !text.is_empty())
    }

    /// A text as those of the choices are compared with it, each letter at the place where it was.
    pub(super) fn folded(&self, text: &str) -> String {
        if self.keeps_case { text.to_owned() } else { folded(text) }
    }

    /// Whether nothing was said about where numbers are counted from.
    pub(super) fn is_base_open(&self) -> bool {
        self.base == LabelBase::Auto
    }

    /// The only choice that says yes, or no.
    pub(super) fn place_of_verdict(&self, is_yes: bool) -> Option<usize> {
        let mut same = self.texts().filter(|(_, choice)| says_yes(choice) == Some(is_yes)).map(|(place, _)| place);
        same.next().filter(|_| same.next().is_none())
    }

    /// The choice whose text this is.
    pub(super) fn place_of_text(&self, text: &str) -> Option<usize> {
        let text = self.folded(&squeezed(text));
        self.texts().find(|(_, choice)| *choice == text).map(|(place, _)| place)
    }

    /// The choice of a letter.
    pub(super) fn place_of_letter(&self, letter: char) -> Option<usize> {
        Some((letter.to_ascii_uppercase() as usize).checked_sub('A' as usize)?).filter(|place| *place < self.len())
    }

    /// The choices of numbers that are named together.
    pub(super) fn places_of_numbers(&self, numbers: &[usize]) -> Vec<Option<usize>> {
        let from_one = match self.base {
            LabelBase::Auto => numbers.contains(&self.len()) && !numbers.contains(&0),
            LabelBase::Zero => false,
            LabelBase::One => true,
        };
        numbers.iter().map(|number| number.checked_sub(usize::from(from_one)).filter(|place| *place < self.len())).collect()
    }
}

/// A choice without its own letter, as in `B. Paris`.
fn without_label(text: &str, place: usize) -> Option<String> {
    let text = text.strip_prefix('(').unwrap_or(text);
    let letter = char::from(b'A' + u8::try_from(place).ok().filter(|place| *place < 26)?);
    let rest = text.strip_prefix(letter)?.strip_prefix([')', '.', ':', '、', ','])?.trim();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// A text with compatible forms composed (`Ｂ` is `B`), with `minus 5` as a number, and without marks of Markdown and LaTeX that only say how it looks.
pub(super) fn readable(text: &str) -> String {
    static COMMAND: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\\(?:text\w*|math(?:rm|bf|it|sf|tt|normal)|mbox|bm|boldsymbol)\s*\{([^{}]*)\}|\\[()\[\],;!]|__"));
    let shown = text.nfkc().filter(|character| !matches!(character, '*' | '`' | '$'));
    let mut composed: String = shown.collect();
    if composed.contains(['\\', '_']) {
        composed = COMMAND.replace_all(&composed, "$1").into_owned();
    }
    with_signs(&composed)
}

/// A text with each number below zero as `-5`: behind a number or a bracket `minus` takes away, and a dash of print is a sign where it begins a word or a formula.
pub(super) fn with_signs(text: &str) -> String {
    static SIGNED: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?i)(^|[^\d)\s]\s*){MINUS}([$€£¥]?\d)")));
    static DASH: LazyLock<Regex> = LazyLock::new(|| pattern(r"(^|[\s=(:,{$])–(\d)"));
    let text = text.replace('−', "-");
    if !text.contains(char::is_numeric) {
        return text;
    }
    DASH.replace_all(&SIGNED.replace_all(&text, "$1-$2"), "$1-$2").into_owned()
}

/// A text of composed forms as it is compared, but for its letter case: white space aside, without a mark at its end.
pub(super) fn squeezed(text: &str) -> String {
    let mut squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = squeezed.strip_suffix(['.', '!', '?', '。']).unwrap_or(&squeezed).trim_end().len();
    squeezed.truncate(end);
    squeezed
}

/// A text in small letters, each at the place where it was.
fn folded(text: &str) -> String {
    let small = |character: char| character.to_lowercase().next().filter(|small| small.len_utf8() == character.len_utf8()).unwrap_or(character);
    text.chars().map(small).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(base: LabelBase) -> Choices {
        Choices::new(&["A. London", "B. Ｐaris", "C. Rome", "D. $x^2$"].map(ToOwned::to_owned), base)
    }

    #[test]
    fn numbers_that_are_named_together_count_from_one_place() {
        let places = |base, numbers: &[usize]| choices(base).places_of_numbers(numbers);
        assert_eq!(places(LabelBase::Auto, &[2]), [Some(2)]);
        assert_eq!(places(LabelBase::Auto, &[4]), [Some(3)]);
        assert_eq!(places(LabelBase::Auto, &[1, 4]), [Some(0), Some(3)]);
        assert_eq!(places(LabelBase::Auto, &[0, 4]), [Some(0), None]);
        assert_eq!(places(LabelBase::Zero, &[2, 4]), [Some(2), None]);
        assert_eq!(places(LabelBase::One, &[2, 0]), [Some(1), None]);
    }

    #[test]
    fn letter_case_counts_where_it_tells_choices_apart() {
        let places = |texts: [&str; 2], wanted: [&str; 2]| {
            let choices = Choices::new(&texts.map(ToOwned::to_owned), LabelBase::Auto);
            wanted.map(|text| choices.place_of_text(text))
        };
        assert_eq!(places(["n", "N"], ["N", "n."]), [Some(1), Some(0)]);
        assert_eq!(places([r"\frac{r}{R}", r"\frac{R}{r}"], [r"\frac{R}{r}", r"\frac{R}{R}"]), [Some(1), None]);
        assert_eq!(places(["n", "M"], ["N", "m"]), [Some(0), Some(1)]);
    }

    #[test]
    fn a_number_below_zero_may_be_said_in_words() {
        for (text, wanted) in [
            ("The answer is minus 5.", "The answer is -5."),
            ("negative 5", "-5"),
            ("−5", "-5"),
            ("负5", "-5"),
            ("零下5度", "-5度"),
            ("是–5", "是–5"),
            ("x = –5", "x = -5"),
            ("10 minus 5", "10 minus 5"),
        ] {
            assert_eq!(readable(text), wanted);
        }
    }

    #[test]
    fn a_choice_is_known_by_its_text() {
        let choices = choices(LabelBase::Auto);
        assert_eq!(["paris.", "LONDON", "x^2", "B. Paris", ""].map(|text| choices.place_of_text(&readable(text))), [Some(1), Some(0), Some(3), None, None]);
    }
}
