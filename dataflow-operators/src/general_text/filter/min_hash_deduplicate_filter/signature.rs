//! MinHash signatures as datasketch 2 makes them, and the bands in which they are looked up.

use std::array;

use polars::prelude::PlHashSet;
use pulp::{Simd, WithSimd};
use sha1::{Digest, Sha1};

use crate::scan::wide;

/// How a signature is cut up: two texts are taken for the same where all values of one band are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bands {
    pub(super) count: usize,
    pub(super) values: usize,
}

impl Bands {
    /// The bands with the least error at a threshold: half the integral of false positives below it and half that of false negatives above it.
    pub(super) fn for_threshold(threshold: f64, num_perm: usize) -> Self {
        let mut best = (f64::INFINITY, Self { count: 1, values: 1 });
        for count in 1..=num_perm {
            for values in 1..=num_perm / count {
                let missed = |similarity: f64| (1.0 - similarity.powi(values as i32)).powi(count as i32);
                let error = 0.5 * integral(0.0, threshold, |similarity| 1.0 - missed(similarity)) + 0.5 * integral(threshold, 1.0, missed);
                if error < best.0 {
                    best = (error, Self { count, values });
                }
            }
        }
        best.1
    }
}

/// By the midpoint rule with datasketch's step.
fn integral(from: f64, to: f64, of: impl Fn(f64) -> f64) -> f64 {
    const STEP: f64 = 0.001;
    let steps = ((to - from) / STEP).round() as u32;
    (0..steps).map(|step| of(from + (f64::from(step) + 0.5) * STEP) * STEP).sum()
}

/// Hash functions that are worked out together: as many as fit into the processor's registers.
const LANES: usize = 16;

/// Added to every value, so that the order of unsigned values is that of signed ones, which processors compare faster.
const SIGN: u32 = 1 << 31;

/// Shingles of up to this many bytes, which with their length fit into 64 bits, are remembered with their hash: text repeats itself, and SHA-1 is most of the work.
const REMEMBERED_BYTES: usize = 7;
const REMEMBERED: usize = 1 << 15;
const RECENT: usize = 1 << 10;

/// Makes signatures, one text after another, and remembers the SHA-1 of the shingles that it meets most.
#[derive(Clone)]
pub(super) struct Signer {
    shingle: usize,
    bands: Bands,
    multipliers: Vec<[u32; LANES]>,
    increments: Vec<[u32; LANES]>,
    hashes: Vec<u32>,
    signature: Vec<u32>,
    remembered: Vec<(u64, u32)>,
    recent: Vec<u32>,
    /// Keys of shingles that wait to be hashed.
    missing: Vec<u64>,
}

impl Signer {
    /// How many bands a signature has.
    pub(super) fn bands(&self) -> usize {
        self.bands.count
    }

    pub(super) fn new(num_perm: usize, shingle: usize, bands: Bands) -> Self {
        let mut random = MersenneTwister::new(1);
        let mut multipliers = vec![[1; LANES]; num_perm.div_ceil(LANES)];
        let mut increments = vec![[0; LANES]; num_perm.div_ceil(LANES)];
        for multiplier in multipliers.as_flattened_mut().iter_mut().take(num_perm) {
            *multiplier = (random.next_u32() & 0x7fff_ffff).wrapping_mul(2).wrapping_add(1);
        }
        for increment in increments.as_flattened_mut().iter_mut().take(num_perm) {
            *increment = random.next_u32().wrapping_add(SIGN);
        }
        let signature = vec![0; multipliers.len() * LANES];
        Self {
            shingle: shingle.max(1),
            bands,
            multipliers,
            increments,
            hashes: Vec::new(),
            signature,
            remembered: vec![(0, 0); REMEMBERED],
            recent: vec![0; RECENT],
            missing: Vec::with_capacity(TOGETHER),
        }
    }

    /// The text's shingles, each once.
    pub(super) fn shingles<'a>(&self, text: &'a str) -> PlHashSet<&'a str> {
        let starts = text.char_indices().map(|(at, _)| at);
        let mut ends = starts.clone().chain([text.len()]).skip(self.shingle).peekable();
        if ends.peek().is_none() && !text.is_empty() {
            return std::iter::once(text).collect();
        }
        starts.zip(ends).map(|(start, end)| &text[start..end]).collect()
    }

    /// Writes one hash for each band of a text's signature.
    pub(super) fn band_hashes(&mut self, text: &str, band_hashes: &mut [u64]) {
        self.hash_shingles(text);
        self.sign();
        for (hash, values) in band_hashes.iter_mut().zip(self.signature.chunks_exact(self.bands.values)) {
            *hash = values.iter().fold(values.len() as u64, |state, value| fold_multiply(state ^ u64::from(*value), 0x9e37_79b9_7f4a_7c15));
        }
    }

    /// Gathers the hashes of the text's shingles; one that came a little earlier in the text is left out, since it cannot lower a minimum again.
    fn hash_shingles(&mut self, text: &str) {
        self.hashes.clear();
        for (slot, hash) in self.recent.iter_mut().enumerate() {
            *hash = !(slot as u32); // no hash that belongs into this slot
        }
        if text.len() >= 8 && self.shingle <= REMEMBERED_BYTES && text.is_ascii() {
            // A character is a byte, and all shingles but the last few have eight bytes from their start on.
            let (bytes, length) = (text.as_bytes(), self.shingle);
            self.missing.clear();
            for eight in bytes.array_windows::<8>() {
                let key = key_of(*eight, length);
                let (known, hash) = self.remembered[slot_of(key)];
                if known == key {
                    self.push(hash);
                    continue;
                }
                self.missing.push(key);
                if self.missing.len() == TOGETHER {
                    self.hash_missing();
                }
            }
            self.hash_missing();
            for last in bytes[bytes.len() - 7..].windows(length) {
                self.push(first_word_of_sha1(last));
            }
            return;
        }
        let starts = text.char_indices().map(|(at, _)| at);
        let mut ends = starts.clone().chain([text.len()]).skip(self.shingle).peekable();
        if ends.peek().is_none() && !text.is_empty() {
            self.push(first_word_of_sha1(text.as_bytes()));
            return;
        }
        for (start, end) in starts.zip(ends) {
            let hash = self.sha1_of(text.as_bytes(), start, end);
            self.push(hash);
        }
    }

    /// Takes a shingle's hash in, unless it was among the last ones.
    #[inline]
    fn push(&mut self, sha1: u32) {
        let hash = finalize(sha1);
        let recent = &mut self.recent[hash as usize % RECENT];
        if *recent != hash {
            *recent = hash;
            self.hashes.push(hash);
        }
    }

    /// The first word of a shingle's SHA-1.
    fn sha1_of(&mut self, text: &[u8], start: usize, end: usize) -> u32 {
        let length = end - start;
        let eight = text.get(start..start + 8).and_then(|bytes| bytes.first_chunk());
        let (Some(eight), true) = (eight, length <= REMEMBERED_BYTES) else { return first_word_of_sha1(&text[start..end]) };
        self.remembered_sha1(*eight, length, &text[start..end])
    }

    /// The SHA-1 of a shingle, whose length is that of so many of eight bytes.
    fn remembered_sha1(&mut self, eight: [u8; 8], length: usize, shingle: &[u8]) -> u32 {
        let key = key_of(eight, length);
        let (known, hash) = self.remembered[slot_of(key)];
        if known == key {
            return hash;
        }
        let hash = first_word_of_sha1(shingle);
        self.remembered[slot_of(key)] = (key, hash);
        hash
    }

    /// Hashes the shingles that were not remembered, side by side.
    fn hash_missing(&mut self) {
        let mut keys = [0; TOGETHER];
        let missing = self.missing.len();
        keys[..missing].copy_from_slice(&self.missing);
        self.missing.clear();
        let hashes = wide(FirstWords(&keys));
        for (key, hash) in keys.into_iter().zip(hashes).take(missing) {
            self.remembered[slot_of(key)] = (key, hash);
            self.push(hash);
        }
    }

    /// The least value of each hash function over all shingles.
    fn sign(&mut self) {
        let Self { hashes, multipliers, increments, signature, .. } = self;
        wide(LeastValues { hashes, multipliers, increments, signature });
    }
}

/// The least value of each function over all hashes. A closure in its place might be compiled apart, for vectors that every processor has.
struct LeastValues<'a> {
    hashes: &'a [u32],
    multipliers: &'a [[u32; LANES]],
    increments: &'a [[u32; LANES]],
    signature: &'a mut [u32],
}

impl WithSimd for LeastValues<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn with_simd<S: Simd>(self, _: S) {
        for ((multipliers, increments), least) in self.multipliers.iter().zip(self.increments).zip(self.signature.as_chunks_mut::<LANES>().0) {
            let mut lanes = [i32::MAX; LANES];
            for hash in self.hashes {
                for lane in 0..LANES {
                    lanes[lane] = lanes[lane].min(multipliers[lane].wrapping_mul(*hash).wrapping_add(increments[lane]).cast_signed());
                }
            }
            *least = lanes.map(|lane| lane.cast_unsigned() ^ SIGN);
        }
    }
}

/// Shingles that are hashed side by side.
const TOGETHER: usize = 8;

/// The bytes of a shingle of at most seven, and their number, as one number.
fn key_of(eight: [u8; 8], length: usize) -> u64 {
    u64::from_le_bytes(eight) & (u64::MAX >> (64 - 8 * length)) | (length as u64) << 56
}

fn slot_of(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % REMEMBERED
}

/// What SHA-1 begins with.
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// [`first_words_of_sha1`] with the widest vectors.
struct FirstWords<'a>(&'a [u64; TOGETHER]);

impl WithSimd for FirstWords<'_> {
    type Output = [u32; TOGETHER];

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn with_simd<S: Simd>(self, _: S) -> [u32; TOGETHER] {
        first_words_of_sha1(self.0)
    }
}

/// As [`first_word_of_sha1`] of shingles by their keys (FIPS 180-4, 6.1.2): a shingle of at most seven bytes is one block.
#[inline(always)]
#[expect(clippy::inline_always, clippy::many_single_char_names, reason = "what is not inlined does not use the wide vectors; the names are the standard's")]
fn first_words_of_sha1(keys: &[u64; TOGETHER]) -> [u32; TOGETHER] {
    let mut words = [[0_u32; TOGETHER]; 16];
    for (lane, key) in keys.iter().enumerate() {
        let length = key >> 56;
        let padded = (key & (u64::MAX >> 8) | 0x80 << (8 * length)).swap_bytes();
        (words[0][lane], words[1][lane], words[15][lane]) = ((padded >> 32) as u32, padded as u32, length as u32 * 8);
    }
    let [mut a, mut b, mut c, mut d, mut e] = START.map(|word| [word; TOGETHER]);
    for round in 0..80 {
        if round >= 16 {
            let before = |back: usize| words[(round - back) % 16];
            let [one, two, three, four] = [before(3), before(8), before(14), before(16)];
            words[round % 16] = array::from_fn(|lane| (one[lane] ^ two[lane] ^ three[lane] ^ four[lane]).rotate_left(1));
        }
        let (mixed, constant): ([u32; TOGETHER], u32) = match round / 20 {
            0 => (array::from_fn(|lane| b[lane] & c[lane] | !b[lane] & d[lane]), 0x5a82_7999),
            1 => (array::from_fn(|lane| b[lane] ^ c[lane] ^ d[lane]), 0x6ed9_eba1),
            2 => (array::from_fn(|lane| b[lane] & c[lane] | d[lane] & (b[lane] | c[lane])), 0x8f1b_bcdc),
            _ => (array::from_fn(|lane| b[lane] ^ c[lane] ^ d[lane]), 0xca62_c1d6),
        };
        let word = &words[round % 16];
        let next =
            array::from_fn(|lane| a[lane].rotate_left(5).wrapping_add(mixed[lane]).wrapping_add(e[lane]).wrapping_add(constant).wrapping_add(word[lane]));
        (e, d, c, b, a) = (d, c, b.map(|word| word.rotate_left(30)), a, next);
    }
    a.map(|word| word.wrapping_add(START[0]).swap_bytes())
}

fn first_word_of_sha1(bytes: &[u8]) -> u32 {
    let digest = Sha1::digest(bytes);
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// The last step of MurmurHash3.
fn finalize(mut hash: u32) -> u32 {
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

fn fold_multiply(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

/// The generator that NumPy seeds its older random state with.
struct MersenneTwister {
    state: [u32; 624],
    next: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> Self {
        let mut state = [seed; 624];
        for place in 1..624 {
            let before = state[place - 1];
            state[place] = (before ^ before >> 30).wrapping_mul(1_812_433_253).wrapping_add(place as u32);
        }
        Self { state, next: 624 }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == 624 {
            for place in 0..624 {
                let joined = self.state[place] & SIGN | self.state[(place + 1) % 624] & !SIGN;
                let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[place] = self.state[(place + 397) % 624] ^ joined >> 1 ^ twist;
            }
            self.next = 0;
        }
        let mut value = self.state[self.next];
        self.next += 1;
        value ^= value >> 11;
        value ^= value << 7 & 0x9d2c_5680;
        value ^= value << 15 & 0xefc6_0000;
        value ^ value >> 18
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_are_those_of_datasketch() {
        for (num_perm, threshold, count, values) in [(128, 0.9, 5, 25), (128, 0.5, 25, 5), (64, 0.7, 8, 8)] {
            assert_eq!(Bands::for_threshold(threshold, num_perm), Bands { count, values });
        }
    }

    #[test]
    fn the_generator_is_the_mersenne_twister() {
        let mut random = MersenneTwister::new(5489);
        let last = (0..10_000).map(|_| random.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995)); // the ten thousandth value that the C++ standard names
    }

    #[test]
    fn a_text_without_shingles_has_the_highest_values() {
        let mut signer = Signer::new(16, 5, Bands { count: 2, values: 8 });
        signer.hash_shingles("");
        signer.sign();
        assert_eq!(signer.signature, [u32::MAX; 16]);
    }

    #[test]
    fn texts_of_ascii_have_the_hashes_of_all_their_shingles() {
        for shingle in 1..=9 {
            for text in ["", "abc", "abcdefg", "abcdefgh", "a longer text that has many shingles, some of them twice, twice, twice"] {
                let mut signer = Signer::new(8, shingle, Bands { count: 1, values: 8 });
                signer.hash_shingles(text);
                let mut found = signer.hashes.clone();
                let mut wanted: Vec<u32> = signer.shingles(text).into_iter().map(|shingle| finalize(first_word_of_sha1(shingle.as_bytes()))).collect();
                for hashes in [&mut found, &mut wanted] {
                    hashes.sort_unstable();
                    hashes.dedup();
                }
                assert_eq!(found, wanted, "{shingle} of {text}");
            }
        }
    }

    #[test]
    fn what_is_remembered_changes_no_signature() {
        let bands = Bands { count: 5, values: 25 };
        let text = "数据清洗，the same words and the same words, 🚀🚀🚀🚀🚀🚀 again and again";
        let (mut fresh, mut used) = (Signer::new(128, 5, bands), Signer::new(128, 5, bands));
        let (mut first, mut second) = ([0; 5], [0; 5]);
        used.band_hashes("quite another text", &mut second);
        used.band_hashes(text, &mut second);
        used.band_hashes(text, &mut second);
        fresh.band_hashes(text, &mut first);
        assert_eq!(first, second);
    }
}
