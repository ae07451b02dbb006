//! The tokenizers of models, from their files `tokenizer.json`.

use std::path::Path;

use serde_json::Value;
use tokenizers::{Encoding, ModelWrapper, Tokenizer};

use crate::made_of_files::MadeOfFiles;

/// What a file holds.
pub(super) struct TokenizerFile {
    tokenizer: Tokenizer,
}

/// Those of files. Vocabularies are large, and steps share theirs.
pub(super) static TOKENIZERS: MadeOfFiles<TokenizerFile> = MadeOfFiles::by(|path, ()| TokenizerFile::of(path));

const HINT: &str =
    "name the `tokenizer.json` that stands among the model's files on Hugging Face; `vocab.json` and `tokenizer_config.json` beside it are not enough";

/// What has no token of its own in any vocabulary, and is told apart as a word and as part of one.
const NEVER_A_TOKEN: &str = "zq☃x𐎀 𐎀 \u{e123}";

impl TokenizerFile {
    fn of(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}\nhint: {HINT}", path.display()))?;
        Ok(Self { tokenizer: parse(&bytes).map_err(|wrong| format!("{}: {wrong}", path.display()))? })
    }

    /// How many tokens a text has.
    pub(super) fn count(&self, text: &str) -> Result<usize, String> {
        encoded(self.tokenizer.encode_fast(text, false)).map(|encoding| encoding.len())
    }

    /// Where tokens begin within a text, in bytes and in order.
    pub(super) fn beginnings(&self, text: &str) -> Result<Vec<usize>, String> {
        let encoding = encoded(self.tokenizer.encode(text, false))?;
        let mut beginnings: Vec<usize> = encoding.get_offsets().iter().map(|(begin, _)| *begin).collect();
        beginnings.sort_unstable(); // a normalizer may change the order of characters
        Ok(beginnings)
    }
}

fn encoded(encoding: tokenizers::Result<Encoding>) -> Result<Encoding, String> {
    encoding.map_err(|error| format!("the tokenizer cannot tell the tokens of the text: {error}"))
}

/// What a file holds of which no tokenizer can be made. For JSON of another kind, the error itself tells only where reading ended.
fn found(bytes: &[u8], error: &tokenizers::Error) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        Err(error) => format!("no JSON: {error}"),
        Ok(found) if found["model"].is_null() => "JSON without a `model`".into(),
        Ok(_) => format!("one that cannot be used: {error}"),
    }
}

/// A tokenizer that counts all of a text, the same each time.
fn parse(bytes: &[u8]) -> Result<Tokenizer, String> {
    if bytes.starts_with(b"version https://git-lfs") {
        return Err("a tokenizer was expected, found the pointer that Git leaves in the place of a large file\nhint: `git lfs pull` brings the file".into());
    }
    let mut tokenizer =
        Tokenizer::from_bytes(bytes).map_err(|error| format!("a tokenizer of Hugging Face was expected, found {}\nhint: {HINT}", found(bytes, &error)))?;
    // Many files say to what length their model's inputs are cut or filled up.
    tokenizer.with_truncation(None).map_err(|error| error.to_string())?.with_padding(None);
    if let ModelWrapper::BPE(model) = tokenizer.get_model()
        && model.dropout.is_some()
    {
        let mut model = model.clone();
        model.dropout = None; // drawn by chance, to train models
        tokenizer.with_model(model);
    }
    tokenizer.encode_fast(NEVER_A_TOKEN, false).map_err(|error| {
        format!("a tokenizer for any text was expected, found one without a token for what it does not know: {error}\nhint: give its `model` an `unk_token` that is in its `vocab`")
    })?;
    Ok(tokenizer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;
    use serde_json::json;

    /// Words between white space and marks, with what models put around a text, and with an end to it.
    fn words() -> Value {
        json!({
            "version": "1.0",
            "truncation": { "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0 },
            "padding": { "strategy": { "Fixed": 8 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[UNK]" },
            "added_tokens": [{ "id": 4, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true }],
            "normalizer": { "type": "Lowercase" },
            "pre_tokenizer": { "type": "Whitespace" },
            "post_processor": { "type": "BertProcessing", "sep": ["[CLS]", 4], "cls": ["[CLS]", 4] },
            "decoder": null,
            "model": { "type": "WordLevel", "vocab": { "[UNK]": 0, "owls": 1, "count": 2, ",": 3, "[CLS]": 4 }, "unk_token": "[UNK]" },
        })
    }

    /// Pieces of `abc`, of which `ab` and then `abc` are joined; white space becomes `_`, also before each text.
    fn pieces(more: (&str, Value)) -> Value {
        let mut file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "normalizer": { "type": "Sequence", "normalizers": [{ "type": "Prepend", "prepend": "_" }, { "type": "Replace", "pattern": { "String": " " }, "content": "_" }] },
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "vocab": { "_": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5, "_abc": 6 }, "merges": [["a", "b"], ["ab", "c"], ["_", "abc"]],
            },
        });
        file["model"][more.0] = more.1;
        file
    }

    fn parsed(file: &Value) -> Result<TokenizerFile, String> {
        Ok(TokenizerFile { tokenizer: parse(file.to_string().as_bytes())? })
    }

    #[test]
    fn words_are_counted_without_what_stands_around_a_text_and_to_the_end() {
        let file = parsed(&words()).unwrap();
        let counts = ["Owls count owls, unknown.", "owls", " ", "", "owls [CLS]"].map(|text| file.count(text).unwrap());
        assert_eq!(counts, [6, 1, 0, 0, 2]);
        assert_eq!(file.beginnings("Owls, count").unwrap(), [0, 4, 6]);
    }

    #[test]
    fn pieces_are_counted_as_they_are_joined() {
        for dropout in [Value::Null, json!(1.0)] {
            let file = parsed(&pieces(("dropout", dropout))).unwrap();
            let counts = ["abc", "abcab", "abc abc", "cab", "ba"].map(|text| file.count(text).unwrap());
            assert_eq!(counts, [1, 2, 2, 3, 3], "_abc | _abc ab | _abc _abc | _ c ab | _ b a");
        }
    }

    #[test]
    fn a_file_that_is_no_tokenizer_says_what_is_expected() {
        let mut without = words();
        without["model"]["unk_token"] = "?".into();
        let files = [
            r#"{ "do_lower_case": true }"#,
            r#"{ "model": { "type": "BPE" } }"#,
            "<html>",
            "",
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            &without.to_string(),
        ];
        let told: Vec<String> = files.iter().map(|file| parse(file.as_bytes()).err().unwrap()).collect();
        assert_snapshot!(told.join("\n"), @r"
        a tokenizer of Hugging Face was expected, found JSON without a `model`
        hint: name the `tokenizer.json` that stands among the model's files on Hugging Face; `vocab.json` and `tokenizer_config.json` beside it are not enough
        a tokenizer of Hugging Face was expected, found one that cannot be used: Missing vocab/merges at line 1 column 30
        hint: name the `tokenizer.json` that stands among the model's files on Hugging Face; `vocab.json` and `tokenizer_config.json` beside it are not enough
        a tokenizer of Hugging Face was expected, found no JSON: expected value at line 1 column 1
        hint: name the `tokenizer.json` that stands among the model's files on Hugging Face; `vocab.json` and `tokenizer_config.json` beside it are not enough
        a tokenizer of Hugging Face was expected, found no JSON: EOF while parsing a value at line 1 column 0
        hint: name the `tokenizer.json` that stands among the model's files on Hugging Face; `vocab.json` and `tokenizer_config.json` beside it are not enough
        a tokenizer was expected, found the pointer that Git leaves in the place of a large file
        hint: `git lfs pull` brings the file
        a tokenizer for any text was expected, found one without a token for what it does not know: WordLevel error: Missing [UNK] token from the vocabulary
        hint: give its `model` an `unk_token` that is in its `vocab`
        ");
    }

    #[test]
    fn a_file_that_is_not_there_says_what_is_expected() {
        assert_snapshot!(TOKENIZERS.known(Path::new("/no/such/tokenizer.json"), ()).err().unwrap(), @r"
        cannot read /no/such/tokenizer.json: No such file or directory (os error 2)
        hint: name the `tokenizer.json` that stands among the model's files on Hugging Face; `vocab.json` and `tokenizer_config.json` beside it are not enough
        ");
    }
}
