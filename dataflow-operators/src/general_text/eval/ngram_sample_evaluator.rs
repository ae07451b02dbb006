//! Scores how little a text repeats itself.

use dataflow_core::key::{Float, Input, Output, Text};
use dataflow_core::operator;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::shape::Measure;
use serde::{Deserialize, Serialize};

use crate::ngram::{distinct_share, numbered};
use crate::python::{is_han, is_space, is_word, lower, split_words};

/// What the n-grams of a text are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Words between white space.
    #[default]
    En,
    /// Characters.
    Zh,
    /// Characters where the text has a Chinese one, words elsewhere.
    Auto,
}

/// Writes the share of distinct n-grams among all n-grams of a text: 1 where nothing is said twice, near 0 where it is one phrase over and over.
///
/// Letter case and punctuation do not count. A text with fewer than `ngrams` words or characters scores 0, as in DataFlow; a null has no score.
///
/// # 中文
///
/// 写入不重复 n-gram 占全部 n-gram 的比例：毫无重复为 1，反复同一短语则接近 0。忽略大小写与标点。词数（或字数）少于 `ngrams` 的文本得 0，
/// 与 DataFlow 一致；空值没有得分。
#[operator(general_text, eval, Measure)]
pub struct NgramSampleEvaluator {
    /// The text to score. 中文：要评分的文本。
    pub input_key: Input<Text>,
    /// Where the score goes. 中文：写入得分的列。
    pub output_key: Output<Float>,
    /// How many words or characters an n-gram has. 中文：每个 n-gram 的词数或字数。
    pub ngrams: u32,
    /// `en` for words, of whatever language, `zh` for characters, `auto` to decide by the text. 中文：`en` 按词（任何语言），`zh` 按字，`auto` 按文本内容判断。
    pub language: Language,
}

impl Default for NgramSampleEvaluator {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "NgramScore".into(), ngrams: 5, language: Language::En }
    }
}

/// The share of distinct n-grams of a text, as the evaluator and the filter of this measure have it.
pub(crate) fn score(text: &str, n: usize, language: Language) -> f64 {
    let lower = lower(text);
    let by_character = match language {
        Language::En => false,
        Language::Zh => true,
        Language::Auto => text.chars().any(is_han),
    };
    if by_character {
        let characters: Vec<char> = lower.chars().filter(|character| is_word(*character)).collect();
        return distinct_share(&characters, n);
    }
    // Punctuation is deleted and not turned into a space: `a-b` is the word `ab`.
    let mut kept = lower;
    kept.retain(|character| is_word(character) || is_space(character));
    distinct_share(&numbered(split_words(&kept)), n)
}

impl Measure for NgramSampleEvaluator {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        Some(score(text, self.ngrams as usize, self.language))
    }

    fn problems(&self) -> Vec<String> {
        if self.ngrams == 0 { vec!["`ngrams` is 0, and an n-gram has at least one word".into()] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(NgramSampleEvaluator);

    #[test]
    fn repetition_lowers_the_score_and_case_and_punctuation_do_not_count() {
        let operator = NgramSampleEvaluator { ngrams: 2, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["one two three", "Go, go! GO go?", "a-b ab a.b", "word", ""]), @r"
        text=one two three NgramScore=1.0
        text=Go, go! GO go? NgramScore=0.3333333333333333
        text=a-b ab a.b NgramScore=0.5
        text=word NgramScore=0.0
        text= NgramScore=0.0
        ");
    }

    #[test]
    fn chinese_is_counted_by_characters_where_it_is_found() {
        let operator = NgramSampleEvaluator { ngrams: 2, language: Language::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["春天，春天来了。", "spring spring has come"]), @r"
        text=春天，春天来了。 NgramScore=0.8
        text=spring spring has come NgramScore=1.0
        ");
    }
}
