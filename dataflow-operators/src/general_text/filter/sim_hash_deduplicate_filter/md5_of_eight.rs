//! MD5 of texts of at most 16 bytes, eight at a time (RFC 1321, 3.4).
#![expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]

use std::sync::LazyLock;

use crate::deduplication::vectors::{EIGHT, Vectors, Work};

/// What MD5 begins with.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The standard's table T: the sines of 1 to 64.
static SINES: LazyLock<[u32; 64]> = LazyLock::new(|| std::array::from_fn(|place| (((place + 1) as f64).sin().abs() * 4_294_967_296.0) as u32));

/// A text of at most 16 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// The first byte is the lowest.
    bytes: u128,
    length: u32,
}

impl Run {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self { bytes: u128::from_le_bytes(bytes), length: text.len() as u32 }
    }

    /// A word of the block that MD5 makes of it: its bytes, a bit that ends them, and how many bits they have.
    fn word(self, place: u32) -> u32 {
        let end = 8 * self.length;
        match place {
            0..4 => ((self.bytes | 0x80_u128.checked_shl(end).unwrap_or(0)) >> (32 * place)) as u32,
            4 if self.length == 16 => 0x80,
            14 => end,
            _ => 0,
        }
    }
}

/// The MD5 of runs; of each digest the first byte is the highest.
pub(super) struct Digests<'a> {
    pub(super) runs: &'a [[Run; EIGHT]],
    pub(super) digests: &'a mut [[u128; EIGHT]],
}

impl Work for Digests<'_> {
    #[inline(always)]
    fn run<V: Vectors>(self, v: V) {
        for (runs, digests) in self.runs.iter().zip(self.digests) {
            *digests = of_eight(v, runs);
        }
    }
}

#[inline(always)]
fn of_eight<V: Vectors>(v: V, runs: &[Run; EIGHT]) -> [u128; EIGHT] {
    let ones = v.splat(u32::MAX);
    let choose = |one, other, by| v.xor(other, v.and(by, v.xor(one, other)));
    let mut block = [v.splat(0); 16];
    for place in [0, 1, 2, 3, 4, 14] {
        block[place as usize] = v.load(runs.map(|run| run.word(place)));
    }
    let mut state = START.map(|word| v.splat(word));
    sixteen_steps::<V, 7, 25, 12, 20, 17, 15, 22, 10>(v, 0, |step| step, |b, c, d| choose(c, d, b), &block, &mut state);
    sixteen_steps::<V, 5, 27, 9, 23, 14, 18, 20, 12>(v, 16, |step| 5 * step + 1, choose, &block, &mut state);
    sixteen_steps::<V, 4, 28, 11, 21, 16, 16, 23, 9>(v, 32, |step| 3 * step + 5, |b, c, d| v.xor(v.xor(b, c), d), &block, &mut state);
    // `b | !d` is what is left of all bits without those of `d` that `b` does not have.
    let last = |b, c, d| v.xor(c, v.xor(ones, v.and(d, v.xor(b, ones))));
    sixteen_steps::<V, 6, 26, 10, 22, 15, 17, 21, 11>(v, 48, |step| 7 * step, last, &block, &mut state);
    let words: [[u32; EIGHT]; 4] = std::array::from_fn(|place| v.store(v.add(state[place], v.splat(START[place]))));
    std::array::from_fn(|lane| words.iter().fold(0, |digest, word| digest << 32 | u128::from(word[lane].swap_bytes())))
}

/// A round: which word of the block each step takes, what it makes of three words of the state, and how far it rotates, to the left and as much to the right.
#[inline(always)]
fn sixteen_steps<V: Vectors, const A: i32, const A2: i32, const B: i32, const B2: i32, const C: i32, const C2: i32, const D: i32, const D2: i32>(
    v: V,
    first: usize,
    place: impl Fn(usize) -> usize,
    mix: impl Fn(V::Eight, V::Eight, V::Eight) -> V::Eight,
    block: &[V::Eight; 16],
    state: &mut [V::Eight; 4],
) {
    // A macro, as a closure over the rotation would be called and not inlined.
    macro_rules! step {
        ($number:expr, $left:ident, $right:ident) => {
            let [a, b, c, d] = *state;
            let sum = v.add(v.add(a, mix(b, c, d)), v.add(block[place($number) % 16], v.splat(SINES[first + $number])));
            *state = [d, v.add(b, v.rotate::<$left, $right>(sum)), b, c];
        };
    }
    for number in (0..16).step_by(4) {
        step!(number, A, A2);
        step!(number + 1, B, B2);
        step!(number + 2, C, C2);
        step!(number + 3, D, D2);
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};

    use super::*;
    use crate::deduplication::vectors::{Portable, dispatch};

    #[test]
    fn eight_texts_have_the_hashes_of_each() {
        for texts in
            [["", "a", "ab", "abc", "abcd", "数据清洗", "🚀🚀🚀🚀", "é"], ["0123456789abcdef", "0123456789abcde", "xyz", " ", "\0", "\u{ff}", "Łódź", "한국어"]]
        {
            let wanted = texts.map(|text| u128::from_be_bytes(Md5::digest(text).into()));
            let runs = texts.map(Run::of);
            let (mut portable, mut best) = ([[0; EIGHT]], [[0; EIGHT]]);
            Digests { runs: &[runs], digests: &mut portable }.run(Portable);
            dispatch(Digests { runs: &[runs], digests: &mut best });
            assert_eq!((portable, best), ([wanted], [wanted]), "{texts:?}");
        }
    }
}
