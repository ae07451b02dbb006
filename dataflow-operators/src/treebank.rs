//! Words as NLTK's `word_tokenize` tells them apart: the conventions of the Penn Treebank.
//!
//! Sentences, at whose ends alone a full stop is a word, are found by their marks and not by NLTK's trained model.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::pattern::pattern;
use crate::python::split_words;

/// The words of a text.
pub(crate) enum Words<'a> {
    /// What white space separates.
    Split(&'a str),
    /// What the tokenizer makes, with one space between words.
    Tokens(String),
}

impl<'a> Words<'a> {
    /// The words of a text, by the tokenizer or by white space.
    pub fn of(text: &'a str, tokenizer: bool) -> Self {
        if tokenizer { Self::Tokens(tokens(text)) } else { Self::Split(text) }
    }

    /// How many words there are that are wanted, and how many in all.
    pub fn count(&self, mut wanted: impl FnMut(&str) -> bool) -> (usize, usize) {
        let text = match self {
            Self::Split(text) => text,
            Self::Tokens(text) => text.as_str(),
        };
        split_words(text).fold((0, 0), |(found, all), word| (found + usize::from(wanted(word)), all + 1))
    }
}

/// A pattern and what takes its place.
type Rule = (Regex, &'static str);

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        // Quotation marks that open.
        ("[«“‘„]|`+", " $0 "),
        ("^\"", "``"),
        ("``", " $0 "),
        ("([ (\\[{<])(\"|'{2})", "$1 `` "),
        ("(?i)(')([a-z0-9_&&[^mtsdn]])\\b", "$1 $2"),
        // Punctuation.
        ("([^.])(\\.)([\\])}>\"'»”’ ]*)\\s*$", "$1 $2 $3 "),
        ("([:,])([^0-9])", " $1 $2"),
        ("([:,])$", " $1 "),
        ("\\.{2,}", " $0 "),
        ("[;@#$%&]", " $0 "),
        ("[?!]", " $0 "),
        ("([^'])' ", "$1 ' "),
        ("[*]", " $0 "),
        ("[\\]\\[(){}<>]", " $0 "),
        ("--", " -- "),
        // Quotation marks that close, and what hangs on words.
        ("[»”’]", " $0 "),
        ("''", " '' "),
        ("\"", " '' "),
        ("\\s+", " "),
        ("([^' ])('[sSmMdD]|') ", "$1 $2 "),
        ("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 "),
        ("(?i)\\b(can)(not)\\b", " $1 $2 "),
        ("(?i)\\b(d)('ye)\\b", " $1 $2 "),
        ("(?i)\\b(gim)(me)\\b", " $1 $2 "),
        ("(?i)\\b(gon)(na)\\b", " $1 $2 "),
        ("(?i)\\b(got)(ta)\\b", " $1 $2 "),
        ("(?i)\\b(lem)(me)\\b", " $1 $2 "),
        ("(?i)\\b(more)('n)\\b", " $1 $2 "),
        ("(?i)\\b(wan)(na)\\b", " $1 $2 "),
        ("(?i) ('t)(is|was)\\b", " $1 $2 "),
    ]
    .map(|(written, by)| (pattern(written), by))
    .into()
});

/// Where a sentence ends: marks, closing quotes, and then white space before anything but a small letter.
static SENTENCE_END: LazyLock<Regex> = LazyLock::new(|| pattern("([.?!][)\\]\"'”’]*)(\\s+)([^a-z\\s])"));

/// The words of a text with spaces between them.
fn tokens(text: &str) -> String {
    // A mark that does not occur in text parts the sentences.
    let parted = SENTENCE_END.replace_all(text, |found: &Captures<'_>| format!("{}\u{1}{}", &found[1], &found[3]));
    let mut tokens = String::with_capacity(text.len() * 5 / 4);
    for sentence in parted.split('\u{1}') {
        tokens.push_str(&of_sentence(sentence));
        tokens.push(' ');
    }
    tokens
}

fn of_sentence(sentence: &str) -> String {
    // The rules up to the dashes see the sentence alone, those after them see spaces around it.
    const INSIDE: usize = 15;
    let mut text = sentence.to_owned();
    for (number, (pattern, by)) in RULES.iter().enumerate() {
        if number == INSIDE {
            text = format!(" {text} ");
        }
        if let std::borrow::Cow::Owned(changed) = pattern.replace_all(&text, *by) {
            text = changed;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        split_words(&tokens(text)).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn marks_and_clitics_are_words() {
        assert_eq!(check("Good muffins cost $3.88 in New York."), "Good | muffins | cost | $ | 3.88 | in | New | York | .");
        assert_eq!(check("They'll save, won't they? \"Yes\""), "They | 'll | save | , | wo | n't | they | ? | `` | Yes | ''");
        assert_eq!(check("I cannot. He's (not) gonna -- well..."), "I | can | not | . | He | 's | ( | not | ) | gon | na | -- | well | ...");
        assert_eq!(check("at 10:30, see a:b"), "at | 10:30 | , | see | a | : | b");
    }
}
