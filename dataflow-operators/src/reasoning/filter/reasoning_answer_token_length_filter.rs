//! Filters answers by their length in tokens.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::tokens::Tokenizer;

/// Keeps answers of at most `max_answer_token_length` tokens. An empty answer and a null are dropped, as in DataFlow.
///
/// Tokens are those of a vocabulary that is built in; DataFlow downloads that of a model.
///
/// # 中文
///
/// 保留不超过 `max_answer_token_length` 个 token 的答案。与 DataFlow 一致，空答案与空值会被丢弃。使用内置词表计数，DataFlow 则下载模型的分词器。
#[operator(reasoning, filter, Measure)]
pub struct ReasoningAnswerTokenLengthFilter {
    /// The answer. 中文：答案。
    pub input_key: Input<Text>,
    /// Where the number of tokens goes; not written unless it is named. 中文：写入 token 数的列；不指定则不写。
    pub output_key: Option<Output<Integer>>,
    /// The most tokens to keep. 中文：保留的最大 token 数。
    pub max_answer_token_length: u32,
    /// The vocabulary that is counted by. 中文：计数所用的词表。
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
        Some(if text.trim().is_empty() { i64::MAX } else { self.tokenizer.count(text) as i64 })
    }

    fn keep(&self, tokens: i64) -> bool {
        tokens <= i64::from(self.max_answer_token_length)
    }

    fn label(&self, tokens: i64) -> Cell {
        if tokens == i64::MAX { 0 } else { tokens }.into()
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
}
