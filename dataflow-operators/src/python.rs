//! What Python means by a word and by white space, where DataFlow's rules depend on it.

use std::sync::LazyLock;

use pulp::WithSimd;
use regex::Regex;

use crate::pattern::pattern;
use crate::scan::{BLOCK, any_pair, bits_within, character_bits, count_bytes, wide};

/// Whether Python's `str.split`, `str.strip` and `\s` take a character for white space: Rust's set and U+001C to U+001F.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The words of a text, as Python's `str.split()` gives them.
pub(crate) fn split_words(text: &str) -> SplitWords<'_> {
    let mut words = SplitWords { text, base: 0, inside: 0, carried: 0 };
    words.inside = words.inside_of_block();
    words
}

/// The words of a text, one after another.
///
/// They are found by a bit for each byte that tells whether it is in a word: a loop from byte to byte would have the processor guess where each word ends.
#[derive(Clone)]
pub(crate) struct SplitWords<'a> {
    text: &'a str,
    /// Where the block begins.
    base: usize,
    /// The bytes of the block that are in words, less the words that were given.
    inside: u64,
    /// The bytes of the next block that belong to white space of this one.
    carried: u64,
}

impl SplitWords<'_> {
    /// Which bytes of the block are in words; those after the text's end are not.
    fn inside_of_block(&mut self) -> u64 {
        let rest = self.text.as_bytes().get(self.base..).unwrap_or_default();
        !space_bits(rest, &mut self.carried) & bits_within(rest)
    }
}

impl<'a> Iterator for SplitWords<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        while self.inside == 0 {
            if self.base + BLOCK >= self.text.len() {
                return None;
            }
            self.base += BLOCK;
            self.inside = self.inside_of_block();
        }
        let first = self.inside.trailing_zeros();
        let start = self.base + first as usize;
        let mut end = first + (self.inside >> first).trailing_ones();
        // A word that reaches the block's end may go on.
        while end == u64::BITS {
            self.base += BLOCK;
            self.inside = self.inside_of_block();
            end = self.inside.trailing_ones();
        }
        self.inside &= u64::MAX << end;
        Some(&self.text[start..self.base + end as usize])
    }
}

/// How many of the words that `str.split()` gives are in capitals, as [`is_upper`] tells, and how many words there are.
pub(crate) fn count_upper(text: &str) -> (usize, usize) {
    let bytes = text.as_bytes();
    let (mut upper, mut all, mut carried, mut inside_before) = (0, 0, 0, 0);
    for base in (0..bytes.len()).step_by(BLOCK) {
        let rest = &bytes[base..];
        let inside = !space_bits(rest, &mut carried) & bits_within(rest);
        let mut begins = inside & !(inside << 1 | inside_before);
        inside_before = inside >> (u64::BITS - 1);
        all += begins.count_ones() as usize;
        while begins != 0 {
            let at = base + begins.trailing_zeros() as usize;
            begins &= begins - 1;
            // Most words begin with a small letter, and need not be looked at.
            let may_be = !bytes[at].is_ascii_lowercase();
            upper += usize::from(may_be && split_words(&text[at..]).next().is_some_and(is_upper));
        }
    }
    (upper, all)
}

/// Which of the first bytes, as [`character_bits`] tells them, are white space.
pub(crate) fn space_bits(bytes: &[u8], carried: &mut u64) -> u64 {
    character_bits(bytes, carried, is_ascii_space, |lead| (lead == 0xc2) | (lead.wrapping_sub(0xe1) < 3), |at| space_at(bytes, at))
}

/// What a byte says of white space: nothing, that it is some, or that it may begin some.
static SPACES: [u8; 256] = {
    let mut spaces = [0; 256];
    let mut byte = 0;
    while byte < 0x21 {
        if is_ascii_space(byte as u8) {
            spaces[byte] = 1;
        }
        byte += 1;
    }
    spaces[0xc2] = 2;
    spaces[0xe1] = 2;
    spaces[0xe2] = 2;
    spaces[0xe3] = 2;
    spaces
};

/// How many bytes the white space has that begins at a place of a text; 0 where there is none, and in the midst of a character.
#[inline]
pub(crate) fn space_at(bytes: &[u8], at: usize) -> usize {
    let Some(byte) = bytes.get(at) else { return 0 };
    match SPACES[usize::from(*byte)] {
        0 => 0,
        1 => 1,
        _ => match bytes[at..] {
            [0xc2, 0x85 | 0xa0, ..] => 2,
            [0xe1, 0x9a, 0x80, ..] | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..] | [0xe2, 0x81, 0x9f, ..] | [0xe3, 0x80, 0x80, ..] => 3,
            _ => 0,
        },
    }
}

/// Python's white space among the bytes of ASCII.
#[inline]
pub(crate) const fn is_ascii_space(byte: u8) -> bool {
    (byte.wrapping_sub(9) < 5) | (byte.wrapping_sub(0x1c) < 5)
}

/// Whether a text has white space that is not of ASCII.
pub(crate) fn has_wide_space(text: &str) -> bool {
    let bytes = text.as_bytes();
    // It begins with one of four bytes, which most texts do not have.
    if text.is_ascii() || wide(|| count_bytes(bytes, |byte| (byte == 0xc2) | (byte.wrapping_sub(0xe1) < 3))) == 0 {
        return false;
    }
    (0..bytes.len()).any(|at| !bytes[at].is_ascii() && space_at(bytes, at) > 0)
}

/// A text's words, and the characters in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WordCounts {
    pub(crate) words: usize,
    pub(crate) characters: usize,
}

impl WordCounts {
    /// Those of the words that white space separates.
    pub(crate) fn of(text: &str) -> Self {
        if !has_wide_space(text) {
            return wide(OfNarrow(text.as_bytes()));
        }
        split_words(text).fold(Self::default(), |counts, word| Self { words: counts.words + 1, characters: counts.characters + word.chars().count() })
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn of_narrow(bytes: &[u8]) -> Self {
        let after = bytes.get(1..).unwrap_or_default();
        let begun: usize = bytes
            .chunks(255)
            .zip(after.chunks(255))
            .map(|(bytes, after)| usize::from(bytes.iter().zip(after).map(|(byte, next)| u8::from(is_ascii_space(*byte) & !is_ascii_space(*next))).sum::<u8>()))
            .sum();
        let first = bytes.first().is_some_and(|first| !is_ascii_space(*first));
        // A character has one byte that continues none.
        let characters = count_bytes(bytes, |byte| !is_ascii_space(byte) & (byte.cast_signed() >= -0x40));
        Self { words: begun + usize::from(first), characters }
    }
}

/// [`WordCounts::of_narrow`] with the widest vectors.
struct OfNarrow<'a>(&'a [u8]);

impl WithSimd for OfNarrow<'_> {
    type Output = WordCounts;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn with_simd<S: pulp::Simd>(self, _: S) -> WordCounts {
        WordCounts::of_narrow(self.0)
    }
}

/// Whether all white space of a text are single spaces between words.
pub(crate) fn is_tidy(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return true };
    if *first == b' ' || *last == b' ' || wide(|| any_pair(bytes, |byte, next| (is_ascii_space(byte) && byte != b' ') || (byte == b' ' && next == b' '))) {
        return false;
    }
    if is_ascii_space(*last) {
        return false;
    }
    !has_wide_space(text)
}

/// The text without white space at its ends, as Python's `str.strip()` gives it.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Whether Python's `\w` takes a character: letters, numbers of any kind and `_`, but no combining marks.
pub(crate) fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    let place = character as usize;
    WORD_BITS.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
}

/// What Python's `\w` takes, as a class of a pattern; see [`is_word`].
pub(crate) const WORD: &str = r"[\p{L}\p{N}_]";

/// What Python's `\w` does not take, or an end of the text: beside a word this is Python's `\b`, of one character that becomes a part of what is found.
pub(crate) const NO_WORD_OR_END: &str = r"(?:\A|[^\p{L}\p{N}_]|\z)";

/// What Python's `\s` takes, as a class of a pattern; see [`is_space`].
pub(crate) const SPACE: &str = r"[\s\x1c-\x1f]";

/// Whether Python's `isdigit` takes a character: decimal digits of every script, and superscript, circled and other single digits.
pub(crate) fn is_digit(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    is_decimal(character) || (character.is_numeric() && is_other_digit(character))
}

/// Whether Python's `isdecimal` and `\d` take a character: decimal digits of every script.
pub(crate) fn is_decimal(character: char) -> bool {
    character.is_ascii_digit() || (!character.is_ascii() && character.is_numeric() && DECIMAL.is_match(character.encode_utf8(&mut [0; 4])))
}

static DECIMAL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\p{Nd}$"));

fn is_other_digit(character: char) -> bool {
    matches!(character,
        '\u{b2}'..='\u{b3}' | '\u{b9}' | '\u{1369}'..='\u{1371}' | '\u{19da}' | '\u{2070}' | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}'
        | '\u{2460}'..='\u{2468}' | '\u{2474}'..='\u{247c}' | '\u{2488}'..='\u{2490}' | '\u{24ea}' | '\u{24f5}'..='\u{24fd}' | '\u{24ff}'
        | '\u{2776}'..='\u{277e}' | '\u{2780}'..='\u{2788}' | '\u{278a}'..='\u{2792}' | '\u{10a40}'..='\u{10a43}' | '\u{10e60}'..='\u{10e68}'
        | '\u{11052}'..='\u{1105a}' | '\u{1f100}'..='\u{1f10a}')
}

/// The text in small letters, as Python's `str.lower()` gives it.
pub(crate) fn lower(text: &str) -> String {
    // Several times as fast as what knows all letters.
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}

/// Whether Python's `isupper` holds of a word.
#[inline]
pub(crate) fn is_upper(word: &str) -> bool {
    // Most words end here.
    !word.bytes().next().is_some_and(|first| first.is_ascii_lowercase()) && is_all_upper(word)
}

fn is_all_upper(word: &str) -> bool {
    if word.is_ascii() {
        let mut upper = false;
        for byte in word.bytes() {
            if byte.is_ascii_lowercase() {
                return false;
            }
            upper |= byte.is_ascii_uppercase();
        }
        return upper;
    }
    let is_title = |character: char| matches!(character, '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}' | '\u{1f88}'..='\u{1f8f}' | '\u{1f98}'..='\u{1f9f}' | '\u{1fa8}'..='\u{1faf}' | '\u{1fbc}' | '\u{1fcc}' | '\u{1ffc}');
    !word.contains(|character: char| character.is_lowercase() || is_title(character)) && word.contains(char::is_uppercase)
}

/// A bit for each character. Rust's own classes count marks as letters, and the regex crate has the right ones but no question for one character.
static WORD_BITS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    const END: u32 = 0x4_0000; // letters and numbers lie in the first four planes
    let mut bits = vec![0; END as usize / 64];
    let Ok(word) = Regex::new(r"[\p{L}\p{N}_]+") else { return bits };
    let all: String = (0..END).filter_map(char::from_u32).collect();
    for character in word.find_iter(&all).flat_map(|found| found.as_str().chars()) {
        bits[character as usize / 64] |= 1 << (character as usize % 64);
    }
    bits
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_one_word_after_another(text in r"(?s)[a-cA-C .\t\n\x1c\u{a0}\u{3000}éÉ好]{0,600}") {
            let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
            let counted = WordCounts { words: words.len(), characters: words.iter().map(|word| word.chars().count()).sum() };
            prop_assert_eq!(WordCounts::of(&text), counted);
            prop_assert_eq!(split_words(&text).collect::<Vec<_>>(), words.clone());
            prop_assert_eq!(is_tidy(&text), words.join(" ") == text);
            prop_assert_eq!(count_upper(&text), (words.iter().filter(|word| is_upper(word)).count(), words.len()));
            let ascii: String = text.chars().filter(char::is_ascii).collect();
            prop_assert_eq!(WordCounts::of(&ascii).words, ascii.split(is_space).filter(|word| !word.is_empty()).count());
        }
    }

    #[test]
    fn words_have_letters_and_numbers_of_any_script_and_no_marks() {
        assert!("aZ0_é文²½Ⅳ٣\u{10400}".chars().all(is_word));
        assert!(!"-. \u{301}\u{93f}Ⓐ\u{203f}😀\u{e0100}".chars().any(is_word));
    }

    #[test]
    fn white_space_is_the_same_as_bytes() {
        let mut buffer = [0; 4];
        for character in '\0'..=char::MAX {
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            assert_eq!(space_at(bytes, 0), if is_space(character) { bytes.len() } else { 0 }, "{character:?}");
            assert!((1..bytes.len()).all(|at| space_at(bytes, at) == 0));
        }
    }

    #[test]
    fn the_separators_of_ascii_are_white_space() {
        assert_eq!(split_words("a\u{1c}b\u{3000}c\u{200b}").collect::<Vec<_>>(), ["a", "b", "c\u{200b}"]);
        assert_eq!(strip("\u{1f} a \u{a0}"), "a");
    }
}
