//! Filters answers by their length in tokens.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::tokens::Tokenizer;

/// Keeps answers of at most `max_answer_token_length` tokens. An empty answer and a null are dropped, as in DataFlow.
///
/// Tokens are those of a vocabulary that is built in or of a model's `tokenizer.json`; DataFlow downloads that of a model. The special tokens that a model's tokenizer puts around a text are not
/// counted, as in DataFlow. An answer whose tokens it cannot tell is dropped, and the log says why.
///
/// # 中文
///
/// 保留不超过 `max_answer_token_length` 个 token 的答案。与 DataFlow 一致，空答案与空值会被丢弃。使用内置词表或模型的 `tokenizer.json` 计数，DataFlow 则下载模型的分词器。与 DataFlow 一致，分词器在文本首尾添加的特殊 token 不计；无法切分的答案会被丢弃，并写入日志。
#[operator(reasoning, filter, Measure)]
pub struct ReasoningAnswerTokenLengthFilter {
    /// The answer. 中文：答案。
    pub input_key: Input<Text>,
    /// Where the number of tokens goes; not written unless it is named. 中文：写入 token 数的列；不指定则不写。
    pub output_key: Option<Output<Integer>>,
    /// The most tokens to keep. 中文：保留的最大 token 数。
    pub max_answer_token_length: u32,
    /// The vocabulary that is counted by: `o200k_base`, `cl100k_base`, `whitespace`, or the path of a model's `tokenizer.json`. 中文：计数所用的词表：`o200k_base`、`cl100k_base`、`whitespace`，或模型的 `tokenizer.json` 路径。
    #[path(json)]
    pub tokenizer: Tokenizer,
}

impl Default for ReasoningAnswerTokenLengthFilter {
    fn default() -> Self {
        Self { input_key: "generated_cot".into(), output_key: None, max_answer_token_length: 8192, tokenizer: Tokenizer::default() }
    }
}

impl Measure for ReasoningAnswerTokenLengthFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        let tokens = if text.trim().is_empty() { Ok(usize::MAX) } else { self.tokenizer.count(text) };
        let tokens = tokens.inspect_err(|error| tracing::warn!(%error, "an answer is dropped")).ok()?;
        Some(i64::try_from(tokens).unwrap_or(i64::MAX))
    }

    fn why(&self, text: &str) -> Option<String> {
        self.tokenizer.count(text).err().map(|error| error.to_string())
    }

    fn keep(&self, tokens: i64) -> bool {
        tokens <= i64::from(self.max_answer_token_length)
    }

    fn label(&self, tokens: i64) -> Cell {
        if tokens == i64::MAX { 0 } else { tokens }.into()
    }

    fn problems(&self) -> Vec<String> {
        self.tokenizer.problem().map(|problem| format!("`tokenizer`: {problem}")).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(ReasoningAnswerTokenLengthFilter);

    #[test]
    fn long_answers_go() {
        let operator = ReasoningAnswerTokenLengthFilter { max_answer_token_length: 3, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "generated_cot", ["one two", "one two three four", "  "]), @r"
        generated_cot=one two
        dropped
        dropped
        ");
    }

    #[test]
    fn a_models_tokenizer_is_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let operator = ReasoningAnswerTokenLengthFilter { max_answer_token_length: 2, tokenizer: Tokenizer::File(path.clone()), ..Default::default() };
        let problem = Measure::problems(&operator).concat();
        assert!(problem.starts_with("`tokenizer`: cannot read ") && problem.contains("\nhint: name the `tokenizer.json`"), "{problem}");
        let why = Measure::why(&operator, "owls").unwrap_or_default();
        assert!(why.contains("cannot read "), "{why}");
        let words = r#"{ "version": "1.0", "pre_tokenizer": { "type": "Whitespace" }, "model": { "type": "WordLevel", "vocab": { "[UNK]": 0 }, "unk_token": "[UNK]" } }"#;
        std::fs::write(path, words).unwrap();
        assert_eq!(Measure::problems(&operator), Vec::<String>::new());
        assert_snapshot!(check_rule(&ReasoningAnswerTokenLengthFilter { output_key: Some("tokens".into()), ..operator }, "generated_cot", ["owls!", "owls count!"]), @r"
        generated_cot=owls! tokens=2
        dropped
        ");
    }
}
