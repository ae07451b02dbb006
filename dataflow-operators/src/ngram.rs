//! How much of a sequence is said once: distinct n-grams over all n-grams.

use std::hash::Hash;

use polars::prelude::{PlHashMap, PlHashSet};

/// The share of distinct n-grams among all n-grams of a sequence; 0 where the sequence is shorter than `n`.
pub(crate) fn distinct_share<T: Hash + Eq>(items: &[T], n: usize) -> f64 {
    if n == 0 || items.len() < n {
        return 0.0;
    }
    let mut seen: PlHashSet<&[T]> = PlHashSet::default();
    seen.reserve(items.len() - n + 1);
    seen.extend(items.windows(n));
    seen.len() as f64 / (items.len() - n + 1) as f64
}

/// The words as numbers, equal for equal words: an n-gram of numbers is hashed and compared much faster than one of texts.
pub(crate) fn numbered<'a>(words: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut numbers: PlHashMap<&str, u32> = PlHashMap::default();
    words
        .map(|word| {
            let next = numbers.len() as u32;
            *numbers.entry(word).or_insert(next)
        })
        .collect()
}

/// N-grams of several sequences by numbers of their own, from those of n - 1 to those of n: equal grams have one number, and no gram is hashed as a whole.
#[derive(Default)]
pub(crate) struct Grams {
    numbers: PlHashMap<(u32, u32), u32>,
    counts: Vec<u32>,
}

impl Grams {
    /// Begins with grams that are one longer.
    pub(crate) fn begin(&mut self) {
        self.numbers.clear();
        self.counts.clear();
    }

    /// Numbers the grams of a sequence that are one longer than `shorter`, in place; `words` are the numbers of its items, and `n` is the length that they then have.
    pub(crate) fn extend(&mut self, shorter: &mut Vec<u32>, words: &[u32], n: usize) {
        shorter.truncate((words.len() + 1).saturating_sub(n));
        for (gram, last) in shorter.iter_mut().zip(words.get(n - 1..).unwrap_or_default()) {
            let next = self.counts.len() as u32;
            *gram = *self.numbers.entry((*gram, *last)).or_insert(next);
            if *gram == next {
                self.counts.push(0);
            }
            self.counts[*gram as usize] += 1;
        }
    }

    /// How often each gram has come since the beginning.
    pub(crate) fn counts(&self) -> &[u32] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_ngrams_lower_the_share() {
        let share = |text: &str, n| distinct_share(&numbered(text.split(' ')), n);
        assert!((share("a b a b a", 2) - 0.5).abs() < 1e-12);
        assert!((share("a b c", 3) - 1.0).abs() < 1e-12);
        assert!(share("a b", 3).abs() < 1e-12);
        assert!(share("a b", 0).abs() < 1e-12);
    }

    #[test]
    fn grams_of_two_sequences_have_the_same_numbers() {
        let words: Vec<Vec<u32>> = ["a b c a b c", "b c a", "a"].map(|text| text.bytes().filter(|byte| *byte != b' ').map(u32::from).collect()).to_vec();
        let (mut grams, mut ids) = (Grams::default(), words.clone());
        for n in 2..=4 {
            grams.begin();
            for (ids, words) in ids.iter_mut().zip(&words) {
                grams.extend(ids, words, n);
                assert_eq!(ids.len(), (words.len() + 1).saturating_sub(n));
            }
            let mut counts: PlHashMap<&[u32], u32> = PlHashMap::default();
            for (ids, words) in ids.iter().zip(&words) {
                for (id, gram) in ids.iter().zip(words.windows(n)) {
                    *counts.entry(gram).or_default() += 1;
                    assert!(words.windows(n).zip(ids).all(|(other, number)| (other == gram) == (number == id)));
                }
            }
            let mut found = grams.counts().to_vec();
            let mut wanted: Vec<u32> = counts.into_values().collect();
            found.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(found, wanted);
        }
    }
}
