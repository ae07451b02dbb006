//! Counts over the bytes of texts, many bytes at a time.
//!
//! Each is a loop without branches that the compiler turns into vector instructions. [`wide`] chooses those of the processor that runs, in the place of those that every
//! processor of its kind has.

use pulp::WithSimd;

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

/// How many bytes have their bits in one number.
pub(crate) const BLOCK: usize = u64::BITS as usize;

/// Which of the first [`BLOCK`] bytes are of certain characters: a bit for each, the first one lowest, and none for those after the end.
///
/// Characters of ASCII are told by their byte. Others begin with a byte that may be their `lead`, and are told by how many bytes they have at a place; where they end in the
/// next block, their bits of it are `carried` there.
#[inline]
pub(crate) fn character_bits(
    bytes: &[u8],
    carried: &mut u64,
    ascii: impl Fn(u8) -> bool,
    lead: impl Fn(u8) -> bool,
    length_at: impl Fn(usize) -> usize,
) -> u64 {
    let padded;
    let block = if let Some(block) = bytes.first_chunk() {
        block
    } else {
        let mut block = [0; BLOCK];
        block[..bytes.len()].copy_from_slice(bytes);
        padded = block;
        &padded
    };
    let mut bits = bits_of(block, ascii) | std::mem::take(carried);
    if !block.is_ascii() {
        let mut leads = bits_of(block, lead);
        while leads != 0 {
            let at = leads.trailing_zeros() as usize;
            let character: u128 = ((1 << length_at(at)) - 1) << at;
            bits |= character as u64;
            *carried |= (character >> BLOCK) as u64;
            leads &= leads - 1;
        }
    }
    bits
}

/// The bits of the first [`BLOCK`] bytes that are there.
#[inline]
pub(crate) fn bits_within(bytes: &[u8]) -> u64 {
    if bytes.len() < BLOCK { (1 << bytes.len()) - 1 } else { u64::MAX }
}

/// A bit for each byte that is so.
#[inline]
fn bits_of(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let flags = block.map(|byte| u8::from(is(byte)));
    // The product has the lowest bits of eight bytes side by side at its top.
    let eight = |flags: &[u8; 8]| u64::from_le_bytes(*flags).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    flags.as_chunks().0.iter().rev().fold(0, |bits, flags| bits << 8 | eight(flags))
}

/// Whether a text has an ASCII needle of at least four small letters, letter case aside.
pub(crate) fn has_ignoring_case(text: &str, needle: &str) -> bool {
    let (bytes, needle) = (text.as_bytes(), needle.as_bytes());
    // Four letters one after another are rare enough that what follows them can be compared byte by byte.
    needle.first_chunk().is_some_and(|first| wide(|| any_four(bytes, *first))) && bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

/// Whether four small letters come one after another, letter case aside.
#[inline(always)]
#[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
fn any_four(bytes: &[u8], letters: [u8; 4]) -> bool {
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|from| bytes.get(from..).unwrap_or_default().chunks(128));
    first.zip(second).zip(third.zip(fourth)).any(|((first, second), (third, fourth))| {
        let four = first.iter().zip(second).zip(third.iter().zip(fourth));
        four.fold(false, |any, ((first, second), (third, fourth))| any | ([first, second, third, fourth].map(|byte| byte | 0x20) == letters))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_are_counted_in_texts_of_any_length(text in r"(?s)[a-c é好]{0,600}") {
            prop_assert_eq!(count_bytes(text.as_bytes(), |byte| byte == b'a'), text.matches('a').count());
            prop_assert_eq!(any_pair(text.as_bytes(), |byte, next| (byte, next) == (b'a', b'b')), text.contains("ab"));
        }
    }

    #[test]
    fn a_needle_is_found_in_any_case_and_place() {
        let late = format!("{}Lo{}lorem Ipsum", "a".repeat(126), "lore ".repeat(30));
        assert!(has_ignoring_case(&late, "lorem ipsum") && !has_ignoring_case(&late[..200], "lorem ipsum"));
        for (text, found) in [("a Lorem IPSUM b", true), ("lorem ipsum", true), ("lorem  ipsum", false), ("", false), ("lo", false), ("好lorem ipsum", true)] {
            assert_eq!(has_ignoring_case(text, "lorem ipsum"), found, "{text}");
        }
    }
}
