//! MinHash signatures as datasketch 2 makes them, and the bands in which they are looked up.

use sha1::{Digest, Sha1};

use self::sha1_of_eight::FirstWords;
use crate::deduplication::lanes::{EIGHT, Lanes, Work, dispatch};

mod sha1_of_eight;

/// The share of the pairs at the threshold that is found where pairs are verified.
pub(super) const TO_BE_FOUND: f64 = 0.95;

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
                let bands = Self { count, values };
                let error = 0.5 * integral(0.0, threshold, |similarity| bands.recall(similarity))
                    + 0.5 * integral(threshold, 1.0, |similarity| 1.0 - bands.recall(similarity));
                if error < best.0 {
                    best = (error, bands);
                }
            }
        }
        best.1
    }

    /// The bands of most values, which call the fewest texts alike that are not, that find at least 95 % of the pairs at a threshold; where none do, those that find the most.
    pub(super) fn that_find(threshold: f64, num_perm: usize) -> Self {
        let mut bands = (1..=num_perm).rev().map(|values| Self { count: num_perm / values, values });
        bands.find(|bands| bands.recall(threshold) >= TO_BE_FOUND).unwrap_or(Self { count: num_perm, values: 1 })
    }

    /// The share of pairs of a similarity that all values of a band are equal in, for one band at least.
    pub(super) fn recall(self, similarity: f64) -> f64 {
        1.0 - (1.0 - similarity.powi(self.values as i32)).powi(self.count as i32)
    }
}

/// By the midpoint rule with datasketch's step.
fn integral(from: f64, to: f64, of: impl Fn(f64) -> f64) -> f64 {
    const STEP: f64 = 0.001;
    let steps = ((to - from) / STEP).round() as u32;
    (0..steps).map(|step| of(from + (f64::from(step) + 0.5) * STEP) * STEP).sum()
}

/// ASCII shingles of up to so many characters are remembered with their hash: text repeats itself, and SHA-1 is most of the work.
const REMEMBERED_LENGTH: usize = 6;
/// An entry for each value of 17 bits, which with the 32 of a tag are the 48 bits of six characters and one more.
const REMEMBERED: usize = 1 << 17;
/// How many shingles are looked for at a time.
const LOOKED_FOR_TOGETHER: usize = 256;

/// Makes signatures, one text after another, and remembers the hashes of the shingles that it meets most.
#[derive(Clone)]
pub(super) struct Signer {
    shingle: usize,
    bands: Bands,
    multipliers: Vec<Functions>,
    increments: Vec<Functions>,
    /// The hash of each of the text's shingles.
    hashes: Vec<u32>,
    signature: Vec<Functions>,
    /// How many values of the signature go into a sketch.
    sketched: usize,
    /// Tag and hash of a shingle for each slot, the tag in the higher half; no tag is 0.
    remembered: Vec<u64>,
    /// Which of a text's shingles are not remembered, what their bytes are, and the first words of their SHA-1.
    missing: Vec<u32>,
    texts: Vec<u64>,
    words: Vec<u32>,
}

/// The hash functions that are worked out together: as many as fit into the processor's registers.
type Functions = [[u32; EIGHT]; 4];
const FUNCTIONS: usize = 4 * EIGHT;

impl Signer {
    /// How many bands a signature has.
    pub(super) fn bands(&self) -> usize {
        self.bands.count
    }

    pub(super) fn new(num_perm: usize, shingle: usize, bands: Bands) -> Self {
        let mut random = MersenneTwister::new(1);
        let groups = num_perm.div_ceil(FUNCTIONS);
        let mut multipliers = vec![[[1; EIGHT]; 4]; groups];
        let mut increments = vec![[[0; EIGHT]; 4]; groups];
        for multiplier in multipliers.as_flattened_mut().as_flattened_mut().iter_mut().take(num_perm) {
            *multiplier = (random.next_u32() & 0x7fff_ffff).wrapping_mul(2).wrapping_add(1);
        }
        for increment in increments.as_flattened_mut().as_flattened_mut().iter_mut().take(num_perm) {
            *increment = random.next_u32();
        }
        Self {
            shingle: shingle.max(1),
            bands,
            multipliers,
            increments,
            hashes: Vec::new(),
            signature: vec![[[0; EIGHT]; 4]; groups],
            sketched: 0,
            remembered: vec![0; REMEMBERED],
            missing: Vec::new(),
            texts: Vec::new(),
            words: Vec::new(),
        }
    }

    /// The least value of each hash function over the shingles of the text that was signed last.
    fn signature(&self) -> &[u32] {
        self.signature.as_flattened().as_flattened()
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
        for (number, values) in sketch.iter_mut().zip(self.signature()[..self.sketched].chunks(8)) {
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

    /// The text's shingles, each as often as it stands there.
    pub(super) fn shingles<'a>(&self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let starts = text.char_indices().map(|(at, _)| at);
        let mut ends = starts.clone().chain([text.len()]).skip(self.shingle).peekable();
        let whole = (ends.peek().is_none() && !text.is_empty()).then_some(text);
        whole.into_iter().chain(starts.zip(ends).map(move |(start, end)| &text[start..end]))
    }

    /// Writes one hash for each band of a text's signature.
    pub(super) fn band_hashes(&mut self, text: &str, band_hashes: &mut [u64]) {
        self.hash_shingles(text);
        self.sign();
        for (hash, values) in band_hashes.iter_mut().zip(self.signature().chunks_exact(self.bands.values)) {
            *hash = values.iter().fold(values.len() as u64, |state, value| fold_multiply(state ^ u64::from(*value), 0x9e37_79b9_7f4a_7c15));
        }
    }

    /// Gathers the hashes of the text's shingles.
    fn hash_shingles(&mut self, text: &str) {
        self.hashes.clear();
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(character) = text[at..].chars().next() {
            let plain = if self.shingle <= REMEMBERED_LENGTH { ascii_bytes(&bytes[at..]) } else { 0 };
            if plain >= self.shingle {
                let starts = plain - self.shingle + 1;
                self.hash_plain(&bytes[at..], starts);
                at += starts;
                continue;
            }
            let Some(end) = end_of(text, at, self.shingle) else { break };
            self.hashes.push(hash_of(&bytes[at..end]));
            at += character.len_utf8();
        }
        if self.hashes.is_empty() && !text.is_empty() {
            self.hashes.push(hash_of(bytes));
        }
    }

    /// Gathers the hashes of the shingles of ASCII that start at the first bytes.
    #[inline(never)] // for registers of its own
    fn hash_plain(&mut self, bytes: &[u8], starts: usize) {
        let Self { shingle, hashes, missing, texts, words, remembered, .. } = self;
        let first = hashes.len();
        hashes.resize(first + starts, 0);
        missing.resize(starts.max(missing.len()), 0);
        let (missing, hashes) = (&mut missing[..starts], &mut hashes[first..]);
        let mask = u64::MAX >> (64 - 8 * *shingle);
        let (mut mixed, mut known) = ([0; LOOKED_FOR_TOGETHER], [0; LOOKED_FOR_TOGETHER]);
        let mut missed = 0;
        for (part, hashes) in hashes.chunks_mut(LOOKED_FOR_TOGETHER).enumerate() {
            let from = part * LOOKED_FOR_TOGETHER;
            let (mixed, known) = (&mut mixed[..hashes.len()], &mut known[..hashes.len()]);
            let whole = bytes[from..].array_windows();
            for (mixed, eight) in mixed.iter_mut().zip(whole) {
                *mixed = mix(u64::from_le_bytes(*eight) & mask);
            }
            for (start, mixed) in mixed.iter_mut().enumerate().skip((bytes.len() - from).saturating_sub(7)) {
                *mixed = mix(key_at(bytes, from + start, mask));
            }
            // Nothing but this, so that the processor waits for many of them at a time: they lie too far apart for its nearer caches.
            for (known, mixed) in known.iter_mut().zip(&*mixed) {
                *known = remembered[slot_of(*mixed).0];
            }
            for (start, ((hash, known), mixed)) in hashes.iter_mut().zip(&*known).zip(&*mixed).enumerate() {
                *hash = *known as u32;
                // Without a branch, which would be guessed wrong too often.
                missing[missed] = (from + start) as u32;
                missed += usize::from((*known >> 32) as u32 != slot_of(*mixed).1);
            }
        }
        texts.clear();
        texts.extend(missing[..missed].iter().map(|start| key_at(bytes, *start as usize, mask)));
        texts.resize(missed.next_multiple_of(EIGHT), 0);
        words.resize(texts.len(), 0);
        dispatch(FirstWords { texts: texts.as_chunks().0, length: *shingle, words: words.as_chunks_mut().0 });
        for ((start, text), word) in missing[..missed].iter().zip(&*texts).zip(words) {
            let (slot, tag) = slot_of(mix(*text));
            let hash = finalize(*word);
            hashes[*start as usize] = hash;
            remembered[slot] = u64::from(tag) << 32 | u64::from(hash);
        }
    }

    /// The least value of each hash function over all shingles.
    fn sign(&mut self) {
        let Self { hashes, multipliers, increments, signature, .. } = self;
        dispatch(LeastValues { hashes, multipliers, increments, signature });
    }
}

/// The least value of each function over all hashes.
struct LeastValues<'a> {
    hashes: &'a [u32],
    multipliers: &'a [Functions],
    increments: &'a [Functions],
    signature: &'a mut [Functions],
}

impl Work for LeastValues<'_> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn run<V: Lanes>(self, v: V) {
        for ((multipliers, increments), least) in self.multipliers.iter().zip(self.increments).zip(self.signature) {
            let (multipliers, increments) = (multipliers.map(|eight| v.load(eight)), increments.map(|eight| v.load(eight)));
            let mut lowest = [v.splat(u32::MAX); 4];
            for hash in self.hashes {
                let hash = v.splat(*hash);
                for (lowest, (multiplier, increment)) in lowest.iter_mut().zip(multipliers.into_iter().zip(increments)) {
                    *lowest = v.least(*lowest, v.add(v.multiply(multiplier, hash), increment));
                }
            }
            *least = lowest.map(|eight| v.store(eight));
        }
    }
}

/// How many bytes are ASCII before the first that is not.
fn ascii_bytes(bytes: &[u8]) -> usize {
    const TOGETHER: usize = 32;
    let together = bytes.chunks(TOGETHER).take_while(|chunk| chunk.is_ascii()).count() * TOGETHER;
    bytes.iter().skip(together).position(|byte| !byte.is_ascii()).map_or(bytes.len(), |at| together + at)
}

/// The bytes of a shingle, at most eight, as a number; the mask is of as many.
fn key_at(bytes: &[u8], start: usize, mask: u64) -> u64 {
    let rest = &bytes[start..];
    let eight = rest.first_chunk().copied().unwrap_or_else(|| std::array::from_fn(|at| rest.get(at).copied().unwrap_or_default()));
    u64::from_le_bytes(eight) & mask
}

/// Where the shingle of so many characters ends that starts at a byte; `None` where no character starts, or too few are left.
fn end_of(text: &str, start: usize, length: usize) -> Option<usize> {
    let mut ends = text.get(start..)?.char_indices().map(|(at, character)| start + at + character.len_utf8());
    ends.nth(length - 1)
}

/// A number for a shingle of at most six bytes of ASCII, of which [`slot_of`] uses 49 bits. They are all of it: a product with an odd number can be undone.
fn mix(key: u64) -> u64 {
    // Made odd first, so that no tag is 0.
    (key << 1 | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The slot and the tag of a shingle.
fn slot_of(mixed: u64) -> (usize, u32) {
    ((mixed >> 32) as usize % REMEMBERED, mixed as u32)
}

/// The hash of a shingle.
fn hash_of(shingle: &[u8]) -> u32 {
    let digest = Sha1::digest(shingle);
    finalize(u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]))
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
        const HIGHEST: u32 = 1 << 31;
        if self.next == 624 {
            for place in 0..624 {
                let joined = self.state[place] & HIGHEST | self.state[(place + 1) % 624] & !HIGHEST;
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
    fn bands_that_are_verified_find_nearly_all_pairs_at_the_threshold() {
        let told = |bands: Bands| [0.8, 0.9, 0.95, 0.99].map(|similarity| format!("{:.1}", 100.0 * bands.recall(similarity)));
        // These figures stand in the description.
        assert_eq!(told(Bands::for_threshold(0.9, 128)), ["1.9", "31.1", "80.3", "99.9"]);
        assert_eq!(Bands::that_find(0.9, 128), Bands { count: 10, values: 12 });
        assert_eq!(told(Bands::that_find(0.9, 128)), ["50.9", "96.4", "100.0", "100.0"]);
        assert_eq!(Bands::that_find(1.0, 64), Bands { count: 1, values: 64 });
        assert_eq!(Bands::that_find(0.0, 64), Bands { count: 64, values: 1 });
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
        assert_eq!(signer.signature()[..16], [u32::MAX; 16]);
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
                let mut wanted: Vec<u32> = signer.shingles(text).map(|shingle| hash_of(shingle.as_bytes())).collect();
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
