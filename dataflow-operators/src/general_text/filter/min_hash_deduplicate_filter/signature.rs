//! MinHash signatures as datasketch 2 makes them, and the bands in which they are looked up.

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

/// ASCII shingles of up to so many characters are remembered with their hash: text repeats itself, and SHA-1 is most of the work.
const REMEMBERED_LENGTH: usize = 6;
/// An entry for each value of 16 bits, which with the 32 of a tag make the 48 bits of six characters.
const REMEMBERED: usize = 1 << 16;

/// Makes signatures, one text after another, and remembers the SHA-1 of the shingles that it meets most.
#[derive(Clone)]
pub(super) struct Signer {
    shingle: usize,
    bands: Bands,
    multipliers: Vec<[u32; LANES]>,
    increments: Vec<[u32; LANES]>,
    /// The first word of the SHA-1 of each of the text's shingles.
    hashes: Vec<u32>,
    signature: Vec<u32>,
    /// How many values of the signature go into a sketch.
    sketched: usize,
    /// Tag and hash of a shingle for each slot; no tag is 0.
    remembered: Vec<(u32, u32)>,
    /// Shingles that are not remembered, and their places among the hashes.
    keys: Vec<u64>,
    places: Vec<u32>,
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
            sketched: 0,
            remembered: vec![(0, 0); REMEMBERED],
            keys: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Has texts also get a sketch, of so many values.
    pub(super) fn with_sketch(self, values: usize) -> Self {
        Self { sketched: values, ..self }
    }

    /// How many numbers a sketch has.
    pub(super) fn sketch_width(&self) -> usize {
        self.sketched.div_ceil(8)
    }

    /// Writes the sketch of the text whose bands were written last: the lowest 8 bits of each value, eight in a number.
    pub(super) fn sketch(&self, sketch: &mut [u64]) {
        for (number, values) in sketch.iter_mut().zip(self.signature[..self.sketched].chunks(8)) {
            *number = values.iter().fold(0, |number, value| number << 8 | u64::from(value & 0xff));
        }
    }

    /// How alike two texts are by the share of equal values, less those that are equal by chance; `None` without sketches.
    ///
    /// P. Li and A. C. König, "b-Bit Minwise Hashing", 2010.
    pub(super) fn similarity_of_sketches(&self, one: &[u64], other: &[u64]) -> Option<f64> {
        const BY_CHANCE: f64 = 1.0 / 256.0;
        let differing = |(one, other): (&u64, &u64)| (one ^ other).to_le_bytes().iter().filter(|byte| **byte != 0).count();
        let differing: usize = one.iter().zip(other).map(differing).sum();
        let equal = 1.0 - differing as f64 / self.sketched as f64;
        (self.sketched > 0).then(|| ((equal - BY_CHANCE) / (1.0 - BY_CHANCE)).max(0.0))
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

    /// Gathers the hashes of the text's shingles.
    #[inline(never)] // for registers of its own
    fn hash_shingles(&mut self, text: &str) {
        let Self { shingle: length, hashes, keys, places, remembered, .. } = self;
        let (bytes, length) = (text.as_bytes(), *length);
        hashes.resize(bytes.len() + 1, 0);
        keys.resize(bytes.len().max(keys.len()), 0);
        places.resize(bytes.len().max(places.len()), 0);
        let (mut shingles, mut missing, mut one_by_one) = (0, 0, 0);
        if length <= REMEMBERED_LENGTH {
            // All shingles but the last few have eight bytes from their start on.
            let mask = u64::MAX >> (64 - 8 * length);
            for (start, eight) in bytes.array_windows().enumerate() {
                let key = u64::from_le_bytes(*eight) & mask;
                if key & NOT_ASCII != 0 {
                    if let Some(end) = end_of(text, start, length) {
                        hashes[shingles] = first_word_of_sha1(&bytes[start..end]);
                        shingles += 1;
                    }
                    continue;
                }
                let (slot, tag) = slot_of(key);
                let (known, hash) = remembered[slot];
                // Without a branch, which would be guessed wrong too often.
                hashes[shingles] = hash;
                keys[missing] = key;
                places[missing] = shingles as u32;
                missing += usize::from(known != tag);
                shingles += 1;
            }
            one_by_one = bytes.len().saturating_sub(7);
        }
        for start in one_by_one..bytes.len() {
            if let Some(end) = end_of(text, start, length) {
                hashes[shingles] = first_word_of_sha1(&bytes[start..end]);
                shingles += 1;
            }
        }
        if shingles == 0 && !text.is_empty() {
            hashes[0] = first_word_of_sha1(bytes);
            shingles = 1;
        }
        hashes.truncate(shingles);
        self.hash_missing(missing);
    }

    /// Hashes the first of the shingles that were not remembered, side by side.
    fn hash_missing(&mut self, missing: usize) {
        for (keys, places) in self.keys[..missing].chunks(TOGETHER).zip(self.places[..missing].chunks(TOGETHER)) {
            let mut together = [0; TOGETHER];
            together[..keys.len()].copy_from_slice(keys);
            let hashes = wide(FirstWords(&together, self.shingle));
            for ((key, place), hash) in keys.iter().zip(places).zip(hashes) {
                let (slot, tag) = slot_of(*key);
                self.hashes[*place as usize] = hash;
                self.remembered[slot] = (tag, hash);
            }
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
    hashes: &'a mut [u32],
    multipliers: &'a [[u32; LANES]],
    increments: &'a [[u32; LANES]],
    signature: &'a mut [u32],
}

impl WithSimd for LeastValues<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn with_simd<S: Simd>(self, _: S) {
        for hash in &mut *self.hashes {
            *hash = finalize(*hash);
        }
        for ((multipliers, increments), least) in self.multipliers.iter().zip(self.increments).zip(self.signature.as_chunks_mut::<LANES>().0) {
            let mut lanes = [i32::MAX; LANES];
            for hash in &*self.hashes {
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

/// The highest bit of each byte.
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// Where the shingle of so many characters ends that starts at a byte; `None` where no character starts, or too few are left.
fn end_of(text: &str, start: usize, length: usize) -> Option<usize> {
    let mut ends = text.get(start..)?.char_indices().map(|(at, character)| start + at + character.len_utf8());
    ends.nth(length - 1)
}

/// The slot and the tag of a shingle of at most six bytes of ASCII. Together they are all of it: a product with an odd number can be undone. A tag is odd, since the number is
/// made odd first, for which the last byte's highest bit leaves room.
fn slot_of(key: u64) -> (usize, u32) {
    let mixed = (key << 1 | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) as usize % REMEMBERED, mixed as u32)
}

/// What SHA-1 begins with.
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// [`first_words_of_sha1`] with the widest vectors.
struct FirstWords<'a>(&'a [u64; TOGETHER], usize);

impl WithSimd for FirstWords<'_> {
    type Output = [u32; TOGETHER];

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn with_simd<S: Simd>(self, _: S) -> [u32; TOGETHER] {
        first_words_of_sha1(self.0, self.1)
    }
}

/// As [`first_word_of_sha1`] of shingles of so many bytes, at most seven, by their keys (FIPS 180-4, 6.1.2): each is one block.
#[inline(always)]
#[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
fn first_words_of_sha1(keys: &[u64; TOGETHER], length: usize) -> [u32; TOGETHER] {
    let mut words = [[0_u32; TOGETHER]; 80];
    for (lane, key) in keys.iter().enumerate() {
        let padded = (key | 0x80 << (8 * length)).swap_bytes();
        (words[0][lane], words[1][lane], words[15][lane]) = ((padded >> 32) as u32, padded as u32, length as u32 * 8);
    }
    for round in 16..80 {
        let [one, two, three, four] = [3, 8, 14, 16].map(|back| words[round - back]);
        for (lane, word) in words[round].iter_mut().enumerate() {
            *word = (one[lane] ^ two[lane] ^ three[lane] ^ four[lane]).rotate_left(1);
        }
    }
    let state = START.map(|word| [word; TOGETHER]);
    let (ch, parity, majority) = (|b: u32, c: u32, d: u32| d ^ b & (c ^ d), |b: u32, c: u32, d: u32| b ^ c ^ d, |b: u32, c: u32, d: u32| b & c | d & (b | c));
    let state = rounds(state, &words[..20], 0x5a82_7999, ch);
    let state = rounds(state, &words[20..40], 0x6ed9_eba1, parity);
    let state = rounds(state, &words[40..60], 0x8f1b_bcdc, majority);
    let [a, ..] = rounds(state, &words[60..], 0xca62_c1d6, parity);
    a.map(|word| word.wrapping_add(START[0]).swap_bytes())
}

/// Twenty rounds with one function and constant.
#[inline(always)]
#[expect(clippy::inline_always, clippy::many_single_char_names, reason = "what is not inlined does not use the wide vectors; the names are the standard's")]
fn rounds(
    [mut a, mut b, mut c, mut d, mut e]: [[u32; TOGETHER]; 5],
    words: &[[u32; TOGETHER]],
    constant: u32,
    mix: impl Fn(u32, u32, u32) -> u32,
) -> [[u32; TOGETHER]; 5] {
    for word in words {
        let mut next = [0; TOGETHER];
        for lane in 0..TOGETHER {
            next[lane] =
                a[lane].rotate_left(5).wrapping_add(mix(b[lane], c[lane], d[lane])).wrapping_add(e[lane].wrapping_add(constant).wrapping_add(word[lane]));
            b[lane] = b[lane].rotate_left(30);
        }
        (e, d, c, b, a) = (d, c, b, a, next);
    }
    [a, b, c, d, e]
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
    fn a_text_has_the_hashes_of_all_its_shingles() {
        for shingle in 1..=9 {
            for text in [
                "",
                "abc",
                "abcdefg",
                "abcdefgh",
                "a longer text that has many shingles, some of them twice, twice, twice",
                "naïve 数据清洗 🚀, and naïve again 🚀",
            ] {
                let mut signer = Signer::new(8, shingle, Bands { count: 1, values: 8 });
                signer.hash_shingles(text);
                let mut found = signer.hashes.clone();
                let mut wanted: Vec<u32> = signer.shingles(text).into_iter().map(|shingle| first_word_of_sha1(shingle.as_bytes())).collect();
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

    #[test]
    fn sketches_tell_how_alike_texts_are() {
        use super::super::Sign;
        let mut signer = Signer::new(128, 5, Bands::for_threshold(0.9, 128)).with_sketch(128);
        let width = signer.width();
        let words: Vec<String> = (0..200).map(|number| format!("word{number}")).collect();
        let mut of = |text: &str| {
            let mut signature = vec![0; width];
            Sign::sign(&mut signer, text, &mut signature);
            signature
        };
        for (from, to) in [(0, 100), (5, 105), (20, 120), (50, 150), (100, 200)] {
            let (one, other) = (words[..100].join(" "), words[from..to].join(" "));
            let (one_signature, other_signature) = (of(&one), of(&other));
            let fresh = Signer::new(128, 5, Bands::for_threshold(0.9, 128)).with_sketch(128);
            let (known, estimated) = (fresh.similarity(&one, &other).unwrap(), fresh.estimate(&one_signature, &other_signature).unwrap());
            assert!((known - estimated).abs() < 0.1, "{known} {estimated}");
            assert!(from > 0 || estimated >= 1.0);
        }
    }
}
