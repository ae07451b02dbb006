//! Counts over the bytes of texts, many bytes at a time.
//!
//! Each is a loop without branches that the compiler turns into vector instructions. [`wide`] chooses those of the processor that runs, in the place of those that every
//! processor of its kind has.

use pulp::WithSimd;

use crate::python::{space_at, split_words};

/// Has the loops of some work use the widest vectors that the processor has.
#[inline]
pub(crate) fn wide<W: WithSimd>(work: W) -> W::Output {
    pulp::Arch::new().dispatch(work)
}

/// How many bytes are so.
#[inline(always)]
#[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
pub(crate) fn count_bytes(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    // A sum in one byte takes no more than 255 summands, and is 16 or 32 of them in one instruction.
    bytes.chunks(255).map(|bytes| usize::from(bytes.iter().map(|byte| u8::from(is(*byte))).sum::<u8>())).sum()
}

/// Whether any byte and the next one are so.
#[inline(always)]
#[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
pub(crate) fn any_pair(bytes: &[u8], are: impl Fn(u8, u8) -> bool) -> bool {
    let after = bytes.get(1..).unwrap_or_default();
    bytes.chunks(128).zip(after.chunks(128)).any(|(bytes, after)| bytes.iter().zip(after).fold(false, |any, (byte, next)| any | are(*byte, *next)))
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

/// Whether a text of ASCII has an ASCII needle, letter case aside; the needle is of small letters.
pub(crate) fn has_ignoring_case(text: &str, needle: &str) -> bool {
    let (bytes, needle) = (text.as_bytes(), needle.as_bytes());
    let [first, second, ..] = needle else { return false };
    // Two letters one after another are rare enough that what follows them can be compared byte by byte.
    if !wide(|| any_pair(bytes, |byte, next| byte | 0x20 == *first && next | 0x20 == *second)) {
        return false;
    }
    bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::is_space;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_one_word_after_another(text in r"(?s)[a-c .\t\n\x1c\u{a0}\u{3000}é好]{0,600}") {
            let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
            let counted = WordCounts { words: words.len(), characters: words.iter().map(|word| word.chars().count()).sum() };
            prop_assert_eq!(WordCounts::of(&text), counted);
            prop_assert_eq!(split_words(&text).collect::<Vec<_>>(), words.clone());
            prop_assert_eq!(is_tidy(&text), words.join(" ") == text);
            let ascii: String = text.chars().filter(char::is_ascii).collect();
            prop_assert_eq!(WordCounts::of(&ascii).words, ascii.split(is_space).filter(|word| !word.is_empty()).count());
            prop_assert_eq!(count_bytes(text.as_bytes(), |byte| byte == b'a'), text.matches('a').count());
        }
    }

    #[test]
    fn a_needle_is_found_in_any_case_and_place() {
        for (text, found) in [("a Lorem IPSUM b", true), ("lorem ipsum", true), ("lorem  ipsum", false), ("", false), ("lo", false), ("好lorem ipsum", true)] {
            assert_eq!(has_ignoring_case(text, "lorem ipsum"), found, "{text}");
        }
    }
}
