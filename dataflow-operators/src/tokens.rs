//! Counts tokens by vocabularies that are built in.

use std::cell::RefCell;
use std::thread::LocalKey;

use dataflow_core::private::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use tiktoken_rs::CoreBPE;

use crate::memo::Memo;

/// A vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// That of GPT-4o and its successors.
    #[default]
    #[serde(rename = "o200k_base")]
    O200kBase,
    /// That of GPT-4 and GPT-3.5.
    #[serde(rename = "cl100k_base")]
    Cl100kBase,
    /// What white space separates.
    Whitespace,
}

impl Tokenizer {
    /// How many tokens a text has. Marks of special tokens in it count as text.
    ///
    /// ```
    /// use dataflow_operators::tokens::Tokenizer;
    /// assert_eq!(Tokenizer::O200kBase.count("hello world"), 2);
    /// ```
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::O200kBase => count(text, tiktoken_rs::o200k_base_singleton(), &O200K_BASE),
            Self::Cl100kBase => count(text, tiktoken_rs::cl100k_base_singleton(), &CL100K_BASE),
            Self::Whitespace => crate::python::split_words(text).count(),
        }
    }
}

thread_local! {
    static O200K_BASE: RefCell<Memo<usize>> = RefCell::default();
    static CL100K_BASE: RefCell<Memo<usize>> = RefCell::default();
}

/// Counts word by word, so that a word is encoded once.
fn count(text: &str, vocabulary: &CoreBPE, memo: &'static LocalKey<RefCell<Memo<usize>>>) -> usize {
    memo.with_borrow_mut(|memo| words(text).map(|word| memo.with(word, |word| vocabulary.encode_ordinary(word).len(), |tokens| *tokens)).sum())
}

/// The parts of a text whose tokens are those of the whole.
///
/// Both vocabularies cut a text up by a pattern before they encode it. No match of theirs goes on from what is no white space to a blank, looks behind, or looks from there beyond the blank.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let begins = |at: &usize| text[..*at].chars().next_back().is_some_and(|before| !before.is_whitespace());
    let starts = memchr::memchr_iter(b' ', text.as_bytes()).filter(begins);
    let mut from = 0;
    starts.chain([text.len()]).map(move |to| &text[std::mem::replace(&mut from, to)..to])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_have_as_many_tokens_as_the_text(text in "([a-zA-Z]{1,9}|[0-9]{1,5}|'s|'LL|n't|[.,:;/!?]{1,3}| {1,3}|[\\t\\r\\n\u{3000}\u{a0}]|[é数据清洗の한🚀\u{301}]){0,40}") {
            prop_assert_eq!(words(&text).collect::<String>(), text.as_str());
            prop_assert_eq!(Tokenizer::O200kBase.count(&text), tiktoken_rs::o200k_base_singleton().encode_ordinary(&text).len());
            prop_assert_eq!(Tokenizer::Cl100kBase.count(&text), tiktoken_rs::cl100k_base_singleton().encode_ordinary(&text).len());
        }
    }
}
