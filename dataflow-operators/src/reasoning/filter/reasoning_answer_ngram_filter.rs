//! Filters out answers that repeat themselves.

use dataflow_core::key::{Float, Input, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::bounds;
use crate::general_text::eval::ngram_sample_evaluator;
use crate::language::TextLanguage;
use crate::ngram::{distinct_share, numbered};
use crate::python::{is_space, is_word};

/// Keeps rows whose question and answer together have a share of distinct n-grams from `min_score` to `max_score`.
///
/// N-grams are of characters where there is a Chinese one, else of words; letter case and punctuation do not count. Fewer than `ngrams` of them
/// score 0, as in DataFlow. A row without a question or without an answer is dropped.
///
/// # 中文
///
/// 把问题与答案连在一起，保留其不重复 n-gram 比例在 `min_score` 与 `max_score` 之间的行。含中文时按字计，否则按词计；忽略大小写与标点。
/// 不足 `ngrams` 个词（字）得 0，与 DataFlow 一致。缺少问题或答案的行会被丢弃。
#[operator(reasoning, filter, Columns)]
pub struct ReasoningAnswerNgramFilter {
    /// The lowest share to keep. 中文：保留的最低比例。
    pub min_score: f64,
    /// The highest share to keep. 中文：保留的最高比例。
    pub max_score: f64,
    /// How many words or characters an n-gram has. 中文：每个 n-gram 的词数或字数。
    pub ngrams: u32,
    /// `dataflow` for the rule above; `en`, `zh`, `auto` or another code of ISO 639-1 for what `NgramFilter` counts by it. 中文：`dataflow` 表示上述规则；`en`、`zh`、`auto` 或其他 ISO 639-1 代码表示与 `NgramFilter` 的同名取值一致。
    pub language: TextLanguage,
    /// The question. 中文：问题列。
    pub input_question_key: Input<Text>,
    /// The answer. 中文：答案列。
    pub input_answer_key: Input<Text>,
    /// Where the share goes; not written unless it is named. 中文：写入该比例的列；不指定则不写。
    pub output_key: Option<Output<Float>>,
}

impl Default for ReasoningAnswerNgramFilter {
    fn default() -> Self {
        Self {
            min_score: 0.1,
            max_score: 1.0,
            ngrams: 5,
            language: TextLanguage::Dataflow,
            input_question_key: "instruction".into(),
            input_answer_key: "generated_cot".into(),
            output_key: None,
        }
    }
}

fn score(text: &str, n: usize, language: TextLanguage) -> f64 {
    if language != TextLanguage::Dataflow {
        return ngram_sample_evaluator::score(text, n, language);
    }
    let text = text.to_lowercase();
    let is_chinese = |character: char| ('\u{4e00}'..='\u{9fff}').contains(&character);
    if text.contains(is_chinese) {
        let characters: Vec<char> =
            text.chars().filter(|character| is_chinese(*character) || character.is_ascii_lowercase() || character.is_ascii_digit()).collect();
        return distinct_share(&characters, n);
    }
    // Unlike in `NgramSampleEvaluator`, punctuation divides words here.
    let words = text.split(|character| is_space(character) || !is_word(character)).filter(|word| !word.is_empty());
    distinct_share(&numbered(words), n)
}

impl ReasoningAnswerNgramFilter {
    /// The share of each row; `None` where the question or the answer is null.
    fn shares(&self, frame: &DataFrame) -> Result<Float64Chunked> {
        let questions = texts_of(frame, self.input_question_key.as_str())?;
        let answers = texts_of(frame, self.input_answer_key.as_str())?;
        let mut both = String::new();
        let share = |(question, answer): (Option<&str>, Option<&str>)| {
            both.clear();
            both.extend([question?, " ", answer?]);
            Some(score(&both, self.ngrams as usize, self.language))
        };
        Ok(questions.iter().zip(answers.iter()).map(share).collect())
    }
}

impl Columns for ReasoningAnswerNgramFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let shares = self.shares(frame)?;
        let keep = shares.iter().map(|share| Some(share.is_some_and(|share| (self.min_score..=self.max_score).contains(&share)))).collect();
        let columns = self.output_key.iter().map(|key| shares.clone().with_name(key.as_str().into()).into_column()).collect();
        Ok(Changes { columns, keep: Some(keep), failed: Vec::new() })
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        Some(match self.shares(&frame.slice(i64::try_from(row).ok()?, 1)).ok()?.get(0) {
            Some(share) => format!("measured {share}, min_score {}, max_score {}", self.min_score, self.max_score),
            None => "the question or the answer is null".into(),
        })
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.ngrams == 0 {
            problems.push("`ngrams` is 0, and an n-gram has at least one word".into());
        }
        for (name, score) in [("min_score", self.min_score), ("max_score", self.max_score)] {
            if !(0.0..=1.0).contains(&score) {
                problems.push(format!("`{name}` should be a share from 0 to 1, found {score}"));
            }
        }
        problems.extend(bounds::closed(("min_score", self.min_score), ("max_score", self.max_score)));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{check_frame, conformance};
    use insta::assert_snapshot;

    conformance!(ReasoningAnswerNgramFilter);

    #[test]
    fn a_repeated_answer_goes_and_so_does_a_missing_one() {
        let frame = df!(
            "instruction" => [Some("What is two plus two?"), Some("Say it."), Some("中文问题"), None, Some("q")],
            "generated_cot" => [Some("Two and two make four."), Some("ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha"), Some("一个完整的回答"), Some("none"), Some("a")],
        )
        .unwrap();
        assert_snapshot!(check_frame(&ReasoningAnswerNgramFilter { min_score: 0.5, ..Default::default() }, frame), @r"
        instruction=What is two plus two? generated_cot=Two and two make four.
        dropped
        instruction=中文问题 generated_cot=一个完整的回答
        dropped
        dropped
        ");
    }

    #[test]
    fn the_share_can_be_kept_and_is_the_reason() {
        let frame = df!("instruction" => ["ha ha ha"], "generated_cot" => ["ha ha ha"]).unwrap();
        let operator = ReasoningAnswerNgramFilter { min_score: 0.0, ngrams: 2, output_key: Some("share".into()), ..Default::default() };
        assert_snapshot!(check_frame(&operator, frame.clone()), @"instruction=ha ha ha generated_cot=ha ha ha share=0.2");
        assert_eq!(Columns::why(&operator, &frame, 0).unwrap(), "measured 0.2, min_score 0, max_score 1");
    }

    #[test]
    fn bounds_that_keep_nothing_are_refused() {
        let operator = ReasoningAnswerNgramFilter { min_score: 0.9, max_score: 0.2, ngrams: 0, ..Default::default() };
        assert_snapshot!(Operator::problems(&operator).join("\n"), @r"
        `ngrams` is 0, and an n-gram has at least one word
        `min_score` is 0.9 and `max_score` 0.2, so no row can stay
        ");
    }

    #[test]
    fn a_language_has_words_of_its_own() {
        let of = |code: &str| score("ねこ ねこねこ", 2, code.to_owned().try_into().unwrap());
        assert!(of("dataflow") > 0.99 && (of("ja") - 0.4).abs() < 1e-12, "{} {}", of("dataflow"), of("ja"));
    }
}
