//! The first word of the SHA-1 of short texts, eight at a time (FIPS 180-4, 6.1.2).

use crate::deduplication::lanes::{EIGHT, Lanes, Work};

/// What SHA-1 begins with.
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The first four bytes, as a number whose lowest byte is the first, of the SHA-1 of texts. Each text has `length` bytes, at most seven, and is a number likewise.
pub(super) struct FirstWords<'a> {
    pub(super) texts: &'a [[u64; EIGHT]],
    pub(super) length: usize,
    pub(super) words: &'a mut [[u32; EIGHT]],
}

impl Work for FirstWords<'_> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn run<V: Lanes>(self, v: V) {
        for (texts, words) in self.texts.iter().zip(self.words) {
            *words = of_eight(v, texts, self.length);
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
fn of_eight<V: Lanes>(v: V, texts: &[u64; EIGHT], length: usize) -> [u32; EIGHT] {
    let ch = |b, c, d| v.xor(d, v.and(b, v.xor(c, d)));
    let parity = |b, c, d| v.xor(v.xor(b, c), d);
    let majority = |b, c, d| v.xor(v.and(b, c), v.and(d, v.xor(b, c)));
    // Each text is one block: its bytes, a bit that ends them, and how many bits they have.
    let padded = texts.map(|text| (text | 0x80 << (8 * length)).swap_bytes());
    let mut block = [v.splat(0); 16];
    (block[0], block[1], block[15]) = (v.load(padded.map(|text| (text >> 32) as u32)), v.load(padded.map(|text| text as u32)), v.splat(length as u32 * 8));
    let mut state = START.map(|word| v.splat(word));
    twenty_rounds(v, 0, 0x5a82_7999, ch, &mut block, &mut state);
    twenty_rounds(v, 20, 0x6ed9_eba1, parity, &mut block, &mut state);
    twenty_rounds(v, 40, 0x8f1b_bcdc, majority, &mut block, &mut state);
    twenty_rounds(v, 60, 0xca62_c1d6, parity, &mut block, &mut state);
    v.store(v.add(state[0], v.splat(START[0]))).map(u32::swap_bytes)
}

/// Twenty rounds with one function and constant; the block's words are those of the last sixteen rounds.
#[inline(always)]
#[expect(clippy::inline_always, clippy::many_single_char_names, reason = "what is not inlined does not use the wide vectors; the names are the standard's")]
fn twenty_rounds<V: Lanes>(
    v: V,
    from: usize,
    constant: u32,
    mix: impl Fn(V::Eight, V::Eight, V::Eight) -> V::Eight,
    block: &mut [V::Eight; 16],
    state: &mut [V::Eight; 5],
) {
    let constant = v.splat(constant);
    for round in from..from + 20 {
        let word = |back: usize| block[(round + 16 - back) % 16];
        if round >= 16 {
            block[round % 16] = v.rotate::<1, 31>(v.xor(v.xor(word(3), word(8)), v.xor(word(14), word(16))));
        }
        let [a, b, c, d, e] = *state;
        let next = v.add(v.add(v.rotate::<5, 27>(a), mix(b, c, d)), v.add(v.add(e, constant), block[round % 16]));
        *state = [next, a, v.rotate::<30, 2>(b), c, d];
    }
}

#[cfg(test)]
mod tests {
    use sha1::{Digest, Sha1};

    use super::*;
    use crate::deduplication::lanes::{Portable, dispatch};

    #[test]
    fn eight_texts_have_the_hashes_of_each() {
        for length in 1..=7 {
            let texts: [u64; EIGHT] = std::array::from_fn(|number| (0x0807_0605_0403_0201 + 0x0101_1131 * number as u64) & u64::MAX >> (64 - 8 * length));
            let wanted = texts.map(|text| u32::from_le_bytes(Sha1::digest(&text.to_le_bytes()[..length])[..4].try_into().unwrap()));
            let (mut portable, mut best) = ([[0; EIGHT]], [[0; EIGHT]]);
            FirstWords { texts: &[texts], length, words: &mut portable }.run(Portable);
            dispatch(FirstWords { texts: &[texts], length, words: &mut best });
            assert_eq!((portable, best), ([wanted], [wanted]), "{length}");
        }
    }
}
