//! Scores how little a text repeats itself.

use dataflow_core::key::{Float, Input, Output, Text};
use dataflow_core::operator;
use dataflow_core::shape::Measure;

use crate::language::TextLanguage;
use crate::language::is_han;
use crate::ngram::{distinct_share, numbered};
use crate::python::{is_space, is_word, lower, split_words};

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
    /// What an n-gram is made of: `en`, or `dataflow`, for words between white space; `zh` for characters; `auto` for characters where a text has a Chinese one, and words otherwise; another code of ISO 639-1 for the words of that language as Unicode tells them apart, which for Japanese or Thai are mostly characters. 中文：n-gram 的单位：`en`（或 `dataflow`）为以空白分隔的词；`zh` 为字；`auto` 在文本含汉字时为字，否则为词；其他 ISO 639-1 代码按 Unicode 规则切分该语言的词，日文、泰文等大多为单字。
    pub language: TextLanguage,
}

impl Default for NgramSampleEvaluator {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "NgramScore".into(), ngrams: 5, language: TextLanguage::En }
    }
}

/// The share of distinct n-grams of a text, as the evaluator and the filter of this measure have it.
pub(crate) fn score(text: &str, n: usize, language: TextLanguage) -> f64 {
    let lower = lower(text);
    let by_character = match language {
        TextLanguage::Zh => true,
        TextLanguage::Auto => text.chars().any(is_han),
        TextLanguage::Dataflow | TextLanguage::En => false,
        TextLanguage::Other(_) => {
            let mut words = Vec::new();
            language.each_word(&lower, |word| words.push(word));
            return distinct_share(&numbered(words.into_iter()), n);
        }
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
        let operator = NgramSampleEvaluator { ngrams: 2, language: TextLanguage::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["春天，春天来了。", "spring spring has come"]), @r"
        text=春天，春天来了。 NgramScore=0.8
        text=spring spring has come NgramScore=1.0
        ");
    }

    #[test]
    fn other_languages_are_counted_by_their_words() {
        let of = |code: &str| NgramSampleEvaluator { ngrams: 2, language: code.to_owned().try_into().unwrap(), ..Default::default() };
        let share = |code, text| of(code).measure(text).unwrap();
        assert!((share("de", "Auf-und-ab, auf und ab.") - 0.6).abs() < 1e-12, "auf und, und ab, ab auf, auf und, und ab");
        assert!((share("en", "Auf-und-ab, auf und ab.") - 1.0).abs() < 1e-12, "aufundab auf, auf und, und ab");
        assert!((share("ja", "ねこねこねこ") - 0.4).abs() < 1e-12, "two of five pairs");
        assert!((share("dataflow", "a-b ab a.b") - share("en", "a-b ab a.b")).abs() < 1e-12);
    }
}
