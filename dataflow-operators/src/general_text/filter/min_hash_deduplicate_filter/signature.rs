//! MinHash signatures as datasketch 2 makes them, and the bands in which they are looked up.

use polars::prelude::PlHashSet;
use sha1::{Digest, Sha1};

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
const LANES: usize = 8;

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
        let starts = text.char_indices().map(|(at, _)| at);
        let mut ends = starts.clone().chain([text.len()]).skip(self.shingle).peekable();
        if ends.peek().is_none() && !text.is_empty() {
            let whole = first_word_of_sha1(text.as_bytes());
            self.hashes.push(finalize(whole));
            return;
        }
        for (start, end) in starts.zip(ends) {
            let hash = finalize(self.sha1_of(text.as_bytes(), start, end));
            let recent = &mut self.recent[hash as usize % RECENT];
            if *recent != hash {
                *recent = hash;
                self.hashes.push(hash);
            }
        }
    }

    /// The first word of a shingle's SHA-1.
    fn sha1_of(&mut self, text: &[u8], start: usize, end: usize) -> u32 {
        let length = end - start;
        let eight = text.get(start..start + 8).and_then(|bytes| bytes.first_chunk());
        let (Some(eight), true) = (eight, length <= REMEMBERED_BYTES) else { return first_word_of_sha1(&text[start..end]) };
        let kept = u64::MAX >> (64 - 8 * length);
        let key = u64::from_le_bytes(*eight) & kept | (length as u64) << 56;
        let slot = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % REMEMBERED;
        let (known, hash) = self.remembered[slot];
        if known == key {
            return hash;
        }
        let hash = first_word_of_sha1(&text[start..end]);
        self.remembered[slot] = (key, hash);
        hash
    }

    /// The least value of each hash function over all shingles.
    fn sign(&mut self) {
        let functions = self.multipliers.iter().zip(&self.increments);
        for ((multipliers, increments), least) in functions.zip(self.signature.as_chunks_mut::<LANES>().0) {
            let mut lanes = [i32::MAX; LANES];
            for hash in &self.hashes {
                for lane in 0..LANES {
                    lanes[lane] = lanes[lane].min(multipliers[lane].wrapping_mul(*hash).wrapping_add(increments[lane]).cast_signed());
                }
            }
            *least = lanes.map(|lane| lane.cast_unsigned() ^ SIGN);
        }
    }
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
