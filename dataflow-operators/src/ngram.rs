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
}
