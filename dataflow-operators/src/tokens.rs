//! Counts tokens, by vocabularies that are built in and by those of models' files.

use std::cell::RefCell;
use std::ops::Range;
use std::path::PathBuf;
use std::thread::LocalKey;

use bpe_openai::{cl100k_base, o200k_base};
use dataflow_core::operator::is_json_file;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::memo::Memo;

mod tokenizer_file;
use tokenizer_file::TOKENIZERS;

/// A vocabulary.
///
/// In files and parameters it is written by its name or, where that ends in `.json`, as a path. Such a parameter says `#[path(json)]`, so that a step is run again when its file has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(!try_from)]
pub enum Tokenizer {
    /// That of GPT-4o and its successors.
    #[default]
    #[serde(rename = "o200k_base")]
    O200kBase,
    /// That of GPT-4 and GPT-3.5.
    #[serde(rename = "cl100k_base")]
    Cl100kBase,
    /// What white space separates.
    #[serde(rename = "whitespace")]
    Whitespace,
    /// That of a model, from its `tokenizer.json` of Hugging Face. It is read once for all steps.
    #[serde(untagged)]
    File(PathBuf),
}

impl TryFrom<String> for Tokenizer {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        Ok(match written.as_str() {
            "o200k_base" => Self::O200kBase,
            "cl100k_base" => Self::Cl100kBase,
            "whitespace" => Self::Whitespace,
            path if is_json_file(path) => Self::File(path.into()),
            _ => return Err(expected(&written)),
        })
    }
}

fn expected(found: &str) -> String {
    let hint = if found.contains('/') {
        "nothing is downloaded: save the `tokenizer.json` of the model's page on Hugging Face, and give its path"
    } else {
        "a path of a model's `tokenizer.json` from Hugging Face ends in `.json`"
    };
    format!("expected `o200k_base`, `cl100k_base`, `whitespace` or the path of a `tokenizer.json`, found `{found}`\nhint: {hint}")
}

impl Tokenizer {
    /// How many tokens a text has. The tokens that a model's tokenizer puts around each text are not counted. Marks of special tokens in the text count as text by
    /// built-in vocabularies, and as what they are by a model's; a file that cannot be read is an error.
    ///
    /// ```
    /// use dataflow_operators::tokens::Tokenizer;
    /// assert_eq!(Tokenizer::O200kBase.count("hello world")?, 2);
    /// # Ok::<(), dataflow_core::Error>(())
    /// ```
    pub fn count(&self, text: &str) -> Result<usize> {
        match self {
            Self::O200kBase => Ok(count(text, o200k_base(), &O200K_BASE)),
            Self::Cl100kBase => Ok(count(text, cl100k_base(), &CL100K_BASE)),
            Self::Whitespace => Ok(crate::python::split_words(text).count()),
            Self::File(path) => TOKENIZERS.known(path, ()).and_then(|file| file.count(text)).map_err(Error::Data),
        }
    }

    /// What counts the tokens of a text's parts.
    pub(crate) fn parts<'a>(&'a self, text: &'a str) -> Result<Parts<'a>> {
        let beginnings = match self {
            Self::File(path) => Some(TOKENIZERS.known(path, ()).and_then(|file| file.beginnings(text)).map_err(Error::Data)?),
            Self::O200kBase | Self::Cl100kBase | Self::Whitespace => None,
        };
        Ok(Parts { tokenizer: self, text, beginnings })
    }

    /// What is wrong with the file. One that has changed is read anew.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::File(path) if !path.to_str().is_some_and(is_json_file) => Some(expected(&path.to_string_lossy())),
            Self::File(path) => TOKENIZERS.as_it_is(path, ()).err(),
            Self::O200kBase | Self::Cl100kBase | Self::Whitespace => None,
        }
    }
}

/// Counts the tokens of a text's parts.
pub(crate) struct Parts<'a> {
    tokenizer: &'a Tokenizer,
    text: &'a str,
    /// Where the tokens of the whole begin, for a model's vocabulary: a part alone may have others, as where each text is given a space before it.
    beginnings: Option<Vec<usize>>,
}

impl Parts<'_> {
    /// How many tokens a part has; by a model's vocabulary, how many begin in it.
    pub(crate) fn count(&self, part: Range<usize>) -> Result<usize> {
        match &self.beginnings {
            Some(beginnings) => Ok(beginnings.partition_point(|begin| *begin < part.end) - beginnings.partition_point(|begin| *begin < part.start)),
            None => self.tokenizer.count(&self.text[part]),
        }
    }

    /// The pieces of a part between which no token and no character is broken, and how many tokens each has.
    pub(crate) fn pieces(&self, part: Range<usize>) -> Vec<(Range<usize>, usize)> {
        let beginnings = match (&self.beginnings, self.tokenizer) {
            (Some(beginnings), _) => beginnings.iter().copied().filter(|begin| part.contains(begin)).collect(),
            (None, Tokenizer::O200kBase) => self.beginnings_by(o200k_base(), &part),
            (None, Tokenizer::Cl100kBase) => self.beginnings_by(cl100k_base(), &part),
            (None, Tokenizer::Whitespace | Tokenizer::File(_)) => vec![part.start],
        };
        let mut pieces = vec![(part.clone(), 0)];
        for begin in beginnings {
            match pieces.last_mut() {
                Some((piece, tokens)) if *tokens > 0 && begin > piece.start && self.text.is_char_boundary(begin) => {
                    piece.end = begin;
                    pieces.push((begin..part.end, 1));
                }
                Some((_, tokens)) => *tokens += 1,
                None => {}
            }
        }
        pieces
    }

    /// Where the tokens of a part begin by a built-in vocabulary.
    fn beginnings_by(&self, vocabulary: &bpe_openai::Tokenizer, part: &Range<usize>) -> Vec<usize> {
        let mut end = part.start;
        let begin_of = |token| {
            let begin = end;
            end += vocabulary.bpe.token_len(token);
            begin
        };
        vocabulary.encode(&self.text[part.clone()]).into_iter().map(begin_of).collect()
    }
}

thread_local! {
    static O200K_BASE: RefCell<Memo<usize>> = RefCell::default();
    static CL100K_BASE: RefCell<Memo<usize>> = RefCell::default();
}

/// Counts word by word, so that a word is encoded once.
fn count(text: &str, vocabulary: &bpe_openai::Tokenizer, memo: &'static LocalKey<RefCell<Memo<usize>>>) -> usize {
    memo.with_borrow_mut(|memo| words(text).map(|word| memo.with(word, |word| vocabulary.count(word), |tokens| *tokens)).sum())
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
    use insta::assert_snapshot;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_have_as_many_tokens_as_the_text(text in "([a-zA-Z]{1,9}|[0-9]{1,5}|'s|'LL|n't|[.,:;/!?]{1,3}| {1,3}|[\\t\\r\\n\u{3000}\u{a0}]|[é数据清洗の한🚀\u{301}]){0,40}") {
            prop_assert_eq!(words(&text).collect::<String>(), text.as_str());
            prop_assert_eq!(Tokenizer::O200kBase.count(&text).unwrap(), tiktoken_rs::o200k_base_singleton().encode_ordinary(&text).len());
            prop_assert_eq!(Tokenizer::Cl100kBase.count(&text).unwrap(), tiktoken_rs::cl100k_base_singleton().encode_ordinary(&text).len());
        }
    }

    #[test]
    fn a_text_of_blanks_is_counted_too() {
        assert_eq!(Tokenizer::O200kBase.count(&" ".repeat(1_200_000)).unwrap(), 9_375);
    }

    #[test]
    fn a_vocabulary_is_named_or_is_a_file() {
        let read = |written: &str| serde_json::from_value::<Tokenizer>(written.into());
        for (written, tokenizer) in [
            ("o200k_base", Tokenizer::O200kBase),
            ("cl100k_base", Tokenizer::Cl100kBase),
            ("whitespace", Tokenizer::Whitespace),
            ("models/qwen.JSON", Tokenizer::File("models/qwen.JSON".into())),
        ] {
            assert_eq!(read(written).unwrap(), tokenizer);
            assert_eq!(serde_json::to_value(tokenizer).unwrap(), written);
        }
        assert_snapshot!([read("Qwen/Qwen2").unwrap_err().to_string(), read("gpt2").unwrap_err().to_string()].join("\n"), @r"
        expected `o200k_base`, `cl100k_base`, `whitespace` or the path of a `tokenizer.json`, found `Qwen/Qwen2`
        hint: nothing is downloaded: save the `tokenizer.json` of the model's page on Hugging Face, and give its path
        expected `o200k_base`, `cl100k_base`, `whitespace` or the path of a `tokenizer.json`, found `gpt2`
        hint: a path of a model's `tokenizer.json` from Hugging Face ends in `.json`
        ");
        assert!(Tokenizer::File("gpt2".into()).problem().is_some(), "it could not be read from the pipeline's file again");
        let schema = serde_json::to_string(&schemars::schema_for!(Tokenizer)).unwrap();
        assert!(["o200k_base", "cl100k_base", "whitespace", r#""type":"string""#].iter().all(|part| schema.contains(part)), "{schema}");
    }
}
