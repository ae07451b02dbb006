//! Counts tokens by vocabularies that are built in.

use dataflow_core::private::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

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
            Self::O200kBase => tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len(),
            Self::Cl100kBase => tiktoken_rs::cl100k_base_singleton().encode_ordinary(text).len(),
            Self::Whitespace => crate::python::split_words(text).count(),
        }
    }
}
