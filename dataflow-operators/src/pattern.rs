//! Patterns that the code itself writes.
//!
//! One that goes over a whole text bounds words by ASCII, `(?-u:\b)`: with Unicode's `\b` the search of `regex` falls back to a slow one in every text with a letter
//! beyond ASCII.

use regex::Regex;

/// A pattern that stands in the code, for a `static`: one that does not compile would be a fault of the code, not of any input.
#[expect(clippy::expect_used, reason = "the pattern is a constant")]
pub(crate) fn pattern(written: &str) -> Regex {
    Regex::new(written).expect("a pattern of the code compiles")
}
