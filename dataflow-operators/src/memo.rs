//! What has been worked out for a word before: texts repeat theirs.

use polars::prelude::PlHashMap;

/// How many words of one age are remembered.
const MOST_WORDS: usize = 1 << 14;
/// Longer words, in bytes, seldom come back.
const LONGEST_WORD: usize = 32;

/// What was worked out for the words that came last. Once there are too many, those that do not come again are forgotten.
pub(crate) struct Memo<T> {
    known: PlHashMap<Box<str>, T>,
    /// Those of the age before.
    older: PlHashMap<Box<str>, T>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { known: PlHashMap::default(), older: PlHashMap::default() }
    }
}

impl<T> Memo<T> {
    /// Shows what a word comes to, which is worked out where it is not known.
    pub(crate) fn with<R>(&mut self, word: &str, work_out: impl FnOnce(&str) -> T, show: impl FnOnce(&T) -> R) -> R {
        if let Some(known) = self.known.get(word) {
            return show(known);
        }
        let (word, made) = self.older.remove_entry(word).unwrap_or_else(|| (word.into(), work_out(word)));
        let shown = show(&made);
        if word.len() <= LONGEST_WORD {
            if self.known.len() == MOST_WORDS {
                self.older = std::mem::take(&mut self.known);
            }
            self.known.insert(word, made);
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_worked_out_once_while_it_is_remembered() {
        let mut memo = Memo::default();
        let mut worked_out = 0;
        let mut length_of = |word: &str| {
            memo.with(
                word,
                |word| {
                    worked_out += 1;
                    word.len()
                },
                |length| *length,
            )
        };
        let long = "x".repeat(LONGEST_WORD + 1);
        let found: Vec<usize> = ["one", "three", "one", &long, &long].map(&mut length_of).into();
        for number in 0..2 * MOST_WORDS {
            length_of(&number.to_string());
            length_of("one");
        }
        length_of("three");
        assert_eq!(found, [3, 5, 3, LONGEST_WORD + 1, LONGEST_WORD + 1]);
        assert_eq!(worked_out, 2 + 2 + 2 * MOST_WORDS + 1, "the long word twice, `three` again after the rest, and `one` once");
    }
}
