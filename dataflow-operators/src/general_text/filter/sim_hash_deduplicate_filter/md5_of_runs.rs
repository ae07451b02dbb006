//! MD5 of texts of at most 16 bytes, sixteen at a time (RFC 1321, 3.4).
#![expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]

use std::sync::LazyLock;

use crate::deduplication::lanes::{EIGHT, Lanes, Work};

/// How many texts are hashed at a time. Each step waits for the one before: two vectors in turn take little longer than one.
pub(super) const SIXTEEN: usize = 2 * EIGHT;

/// What MD5 begins with.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The standard's table T: the sines of 1 to 64.
static SINES: LazyLock<[u32; 64]> = LazyLock::new(|| std::array::from_fn(|place| (((place + 1) as f64).sin().abs() * 4_294_967_296.0) as u32));

/// A text of at most 16 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// The block that MD5 makes of it, as far as it is not nothing: the bytes and a bit that ends them.
    words: [u32; 5],
    /// How many bits the text has, which is the word at 14.
    bits: u32,
}

impl Run {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = [0; 20];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes[text.len()] = 0x80;
        let words = std::array::from_fn(|place| u32::from_le_bytes(std::array::from_fn(|byte| bytes[4 * place + byte])));
        Self { words, bits: 8 * text.len() as u32 }
    }
}

/// The MD5 of runs; of each digest the first byte is the highest.
pub(super) struct Digests<'a> {
    pub(super) runs: &'a [[Run; SIXTEEN]],
    pub(super) digests: &'a mut [[u128; SIXTEEN]],
}

impl Work for Digests<'_> {
    #[inline(always)]
    fn run<V: Lanes>(self, v: V) {
        for (runs, digests) in self.runs.iter().zip(self.digests) {
            *digests = of_sixteen(v, runs);
        }
    }
}

/// A word of each text.
type Sixteen<V> = [<V as Lanes>::Eight; 2];

#[inline(always)]
fn of_sixteen<V: Lanes>(v: V, runs: &[Run; SIXTEEN]) -> [u128; SIXTEEN] {
    let ones = v.splat(u32::MAX);
    let choose = |one, other, by| v.xor(other, v.and(by, v.xor(one, other)));
    let all = |number| [v.splat(number); 2];
    let load = |of: &dyn Fn(&Run) -> u32| [v.load(std::array::from_fn(|lane| of(&runs[lane]))), v.load(std::array::from_fn(|lane| of(&runs[EIGHT + lane])))];
    let mut block = [all(0); 16];
    for (place, words) in block[..5].iter_mut().enumerate() {
        *words = load(&|run| run.words[place]);
    }
    block[14] = load(&|run| run.bits);
    let mut state = [all(START[0]), all(START[1]), all(START[2]), all(START[3])];
    sixteen_steps::<V, 7, 25, 12, 20, 17, 15, 22, 10>(v, 0, |step| step, |b, c, d| choose(c, d, b), &block, &mut state);
    sixteen_steps::<V, 5, 27, 9, 23, 14, 18, 20, 12>(v, 16, |step| 5 * step + 1, choose, &block, &mut state);
    sixteen_steps::<V, 4, 28, 11, 21, 16, 16, 23, 9>(v, 32, |step| 3 * step + 5, |b, c, d| v.xor(v.xor(b, c), d), &block, &mut state);
    // `b | !d` is what is left of all bits without those of `d` that `b` does not have.
    let last = |b, c, d| v.xor(c, v.xor(ones, v.and(d, v.xor(b, ones))));
    sixteen_steps::<V, 6, 26, 10, 22, 15, 17, 21, 11>(v, 48, |step| 7 * step, last, &block, &mut state);
    let mut digests = [0; SIXTEEN];
    for (word, start) in state.into_iter().zip(START) {
        for (digests, half) in digests.as_chunks_mut::<EIGHT>().0.iter_mut().zip(word) {
            let half = v.store(v.add(half, v.splat(start)));
            digests.iter_mut().zip(half).for_each(|(digest, word)| *digest = *digest << 32 | u128::from(word.swap_bytes()));
        }
    }
    digests
}

/// A round: which word of the block each step takes, what it makes of three words of the state, and how far it rotates, to the left and as much to the right.
#[inline(always)]
fn sixteen_steps<V: Lanes, const A: i32, const A2: i32, const B: i32, const B2: i32, const C: i32, const C2: i32, const D: i32, const D2: i32>(
    v: V,
    first: usize,
    place: impl Fn(usize) -> usize,
    mix: impl Fn(V::Eight, V::Eight, V::Eight) -> V::Eight,
    block: &[Sixteen<V>; 16],
    state: &mut [Sixteen<V>; 4],
) {
    // A macro, as a closure over the rotation would be called and not inlined.
    macro_rules! step {
        ($number:expr, $left:ident, $right:ident) => {
            let [a, b, c, d] = *state;
            let (word, sine) = (block[place($number) % 16], v.splat(SINES[first + $number]));
            let next = |half: usize| {
                let sum = v.add(v.add(a[half], mix(b[half], c[half], d[half])), v.add(word[half], sine));
                v.add(b[half], v.rotate::<$left, $right>(sum))
            };
            *state = [d, [next(0), next(1)], b, c];
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
    use crate::deduplication::lanes::{Portable, dispatch};

    #[test]
    fn sixteen_texts_have_the_hashes_of_each() {
        let texts =
            ["", "a", "ab", "abc", "abcd", "数据清洗", "🚀🚀🚀🚀", "é", "0123456789abcdef", "0123456789abcde", "xyz", " ", "\0", "\u{ff}", "Łódź", "한국어"];
        let wanted = texts.map(|text| u128::from_be_bytes(Md5::digest(text).into()));
        let runs = texts.map(Run::of);
        let (mut portable, mut best) = ([[0; SIXTEEN]], [[0; SIXTEEN]]);
        Digests { runs: &[runs], digests: &mut portable }.run(Portable);
        dispatch(Digests { runs: &[runs], digests: &mut best });
        assert_eq!((portable, best), ([wanted], [wanted]));
    }
}
