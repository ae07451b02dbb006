//! Scores an answer by the words that it shares with the right one.

use std::borrow::Cow;

use dataflow_core::key::{Any, Float, Input, Output};
use dataflow_core::operator::Changes;
use dataflow_core::row::json_of;
use dataflow_core::shape::Columns;
use dataflow_core::{Result, operator};
use polars::prelude::*;
use serde_json::Value;

use crate::compatibility::Compatibility;
use crate::language::TextLanguage;
use crate::nested;
use crate::python::{is_word, lower};

/// Writes the F1 score of the words that an answer shares with the right one, or with the best of several right ones.
///
/// Letter case, ASCII punctuation and the articles a, an and the do not count; `yes`, `no` and `noanswer` have to be met whole, as in HotpotQA (Z. Yang et al., 2018).
/// An answer without words scores 1 beside a right one without words, and a row in which one of the two is null, or the list of right ones is empty, has no score. DataFlow gives 0 in both; `compatibility: dataflow` does as
/// it does.
///
/// # 中文
///
/// 写入答案与标准答案（或多个标准答案中最接近者）共有词的 F1 得分。忽略大小写、ASCII 标点与冠词 a、an、the；`yes`、`no`、`noanswer` 须完全一致，与 HotpotQA 相同。
/// 双方都没有词时得 1，两者之一为空值、或标准答案列表为空的行没有得分；DataFlow 两种情形都给 0，`compatibility: dataflow` 沿用其做法。
#[operator(agentic_rag, eval, Columns)]
pub struct AgenticRAGQAF1SampleEvaluator {
    /// The answer. 中文：答案。
    pub input_prediction_key: Input<Any>,
    /// The right answer, or a list of right ones. 中文：标准答案，或其列表。
    pub input_ground_truth_key: Input<Any>,
    /// Where the score goes. 中文：写入得分的列。
    pub output_key: Output<Float>,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for AgenticRAGQAF1SampleEvaluator {
    fn default() -> Self {
        Self {
            input_prediction_key: "refined_answer".into(),
            input_ground_truth_key: "golden_doc_answer".into(),
            output_key: "F1Score".into(),
            language: TextLanguage::Dataflow,
            compatibility: Compatibility::Own,
        }
    }
}

impl AgenticRAGQAF1SampleEvaluator {
    /// A text in small letters; where white space parts its words, without marks, and without articles wherever Python's `\b` bounds them.
    fn plain(&self, text: &str) -> String {
        let lower = lower(text);
        if self.language == TextLanguage::Dataflow { without_articles(&lower.replace(|character: char| character.is_ascii_punctuation(), "")) } else { lower }
    }

    /// The words of a plain text that count.
    fn words<'a>(&self, plain: &'a str) -> Vec<&'a str> {
        let mut words = Vec::new();
        self.language.each_word(plain, |word| {
            if !is_article(word) {
                words.push(word);
            }
        });
        words
    }

    fn f1(&self, prediction: &str, truth: &str) -> f64 {
        let (prediction, truth) = (self.plain(prediction), self.plain(truth));
        f1(&self.words(&prediction), &self.words(&truth), self.compatibility)
    }
}

fn is_article(word: &str) -> bool {
    ["a", "an", "the"].contains(&word)
}

/// A text with a space for each article; the word beside a mark such as `“` is one too.
fn without_articles(text: &str) -> String {
    let mut without = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|character| !is_word(character)).unwrap_or(rest.len()));
        let (between, next) = after.split_at(after.find(is_word).unwrap_or(after.len()));
        without.push_str(if is_article(word) { " " } else { word });
        without.push_str(between);
        rest = next;
    }
    without
}

fn f1(prediction: &[&str], truth: &[&str], compatibility: Compatibility) -> f64 {
    if compatibility == Compatibility::Own && prediction.is_empty() && truth.is_empty() {
        return 1.0;
    }
    let is_verdict = |words: &[&str]| matches!(words, [word] if ["yes", "no", "noanswer"].contains(word));
    if (is_verdict(prediction) || is_verdict(truth)) && prediction != truth {
        return 0.0;
    }
    let mut left: PlHashMap<&str, usize> = PlHashMap::default();
    for word in truth {
        *left.entry(word).or_default() += 1;
    }
    let is_left = |word: &&&str| left.get_mut(**word).filter(|left| **left > 0).map(|left| *left -= 1).is_some();
    let shared = prediction.iter().filter(is_left).count() as f64;
    if shared == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (shared / prediction.len() as f64, shared / truth.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

/// The texts of a list of texts and nulls in JSON, which may be empty.
fn listed(text: &str) -> Option<Vec<String>> {
    if text != "[]" && !text.starts_with("[\"") && !text.starts_with("[null") {
        return None;
    }
    let texts: Vec<Option<String>> = serde_json::from_str(text).ok()?;
    Some(texts.into_iter().flatten().collect())
}

impl Columns for AgenticRAGQAF1SampleEvaluator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let (predictions, truths) = (frame.column(self.input_prediction_key.as_str())?, frame.column(self.input_ground_truth_key.as_str())?);
        let text_of = |value: &Value| nested::text_of(value).map(Cow::into_owned);
        let mut scores = Vec::with_capacity(frame.height());
        for row in 0..frame.height() {
            let prediction = text_of(&json_of(&predictions.get(row)?));
            let truths: Vec<String> = match json_of(&truths.get(row)?) {
                Value::Array(items) => items.iter().filter_map(text_of).collect(),
                // Where some rows have a list and some a text, a reader makes texts of all.
                Value::String(text) => listed(&text).unwrap_or_else(|| vec![text]),
                other => text_of(&other).into_iter().collect(),
            };
            let score = prediction.filter(|_| !truths.is_empty()).map(|prediction| truths.iter().map(|truth| self.f1(&prediction, truth)).fold(0.0, f64::max));
            scores.push(if self.compatibility == Compatibility::Dataflow { score.or(Some(0.0)) } else { score });
        }
        Ok(Changes { columns: vec![Column::new(self.output_key.as_str().into(), scores)], ..Changes::default() })
    }

    fn problems(&self) -> Vec<String> {
        self.language.problem_of_words().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_frame, conformance, frame_of};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(AgenticRAGQAF1SampleEvaluator);

    #[test]
    fn a_list_in_a_column_of_texts_is_a_list() {
        let frame = df!("refined_answer" => ["a cat", "cat", "[x", "cat", "cat"], "golden_doc_answer" => [r#"["dog", "cat"]"#, "cat", "[x", r#"[null,"cat"]"#, r#"["cat",null]"#]).unwrap();
        let (after, _) = dataflow_core::testing::run_rule(&AgenticRAGQAF1SampleEvaluator::default(), frame);
        assert!(after.column("F1Score").unwrap().f64().unwrap().iter().all(|score| score == Some(1.0)), "{after}");
    }

    #[test]
    fn shared_words_count_and_verdicts_are_met_whole() {
        let frame =
            df!("refined_answer" => ["The Paris, France", "yes it is", "red and blue"], "golden_doc_answer" => ["Paris France", "yes", "blue"]).unwrap();
        assert_snapshot!(check_frame(&AgenticRAGQAF1SampleEvaluator::default(), frame), @r"
        refined_answer=The Paris, France golden_doc_answer=Paris France F1Score=1.0
        refined_answer=yes it is golden_doc_answer=yes F1Score=0.0
        refined_answer=red and blue golden_doc_answer=blue F1Score=0.5
        ");
    }

    #[test]
    fn nothing_beside_nothing_is_right() {
        let frame = df!("refined_answer" => ["", "The.", ""], "golden_doc_answer" => ["", "a", "Paris"]).unwrap();
        let scores = |compatibility| {
            let shown = check_frame(&AgenticRAGQAF1SampleEvaluator { compatibility, ..Default::default() }, frame.clone());
            shown.lines().map(|line| line.rsplit('=').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(scores(Compatibility::Own), ["1.0", "1.0", "0.0"]);
        assert_eq!(scores(Compatibility::Dataflow), ["0.0", "0.0", "0.0"]);
    }

    #[test]
    fn a_null_has_no_score() {
        let frame = df!("refined_answer" => [None, Some("Paris")], "golden_doc_answer" => [Some("Paris"), None]).unwrap();
        let scores = |compatibility| {
            let shown = check_frame(&AgenticRAGQAF1SampleEvaluator { compatibility, ..Default::default() }, frame.clone());
            shown.lines().map(|line| line.rsplit('=').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(scores(Compatibility::Own), ["null", "null"]);
        assert_eq!(scores(Compatibility::Dataflow), ["0.0", "0.0"]);
    }

    #[test]
    fn no_right_answer_is_no_score() {
        let truths = [json!([]), json!([null]), json!(["Paris"])];
        let frame = frame_of(&truths.map(|truth| json!({ "refined_answer": "Paris", "golden_doc_answer": truth })));
        let scores = |compatibility| {
            let operator = AgenticRAGQAF1SampleEvaluator { compatibility, ..Default::default() };
            let (after, _) = dataflow_core::testing::run_rule(&operator, frame.clone());
            after.column("F1Score").unwrap().f64().unwrap().iter().collect::<Vec<_>>()
        };
        assert_eq!(scores(Compatibility::Own), [None, None, Some(1.0)]);
        assert_eq!(scores(Compatibility::Dataflow), [Some(0.0), Some(0.0), Some(1.0)]);
    }

    #[test]
    fn an_empty_list_beside_a_text_is_no_right_answer_either() {
        // The reader makes texts of lists where another row has a text.
        let frame = df!("refined_answer" => ["b", "the", "b"], "golden_doc_answer" => ["[]", "[]", "b"]).unwrap();
        let (after, _) = dataflow_core::testing::run_rule(&AgenticRAGQAF1SampleEvaluator::default(), frame);
        assert_eq!(after.column("F1Score").unwrap().f64().unwrap().iter().collect::<Vec<_>>(), [None, None, Some(1.0)]);
    }

    #[test]
    fn articles_are_words_between_what_python_takes_for_none() {
        let frame = df!(
            "refined_answer" => ["\u{203f}", "“The cat”", "the\u{301} x", "²a x", "a_x"],
            "golden_doc_answer" => ["\u{203f}!the-", "“ cat”", "\u{301} x", "x", "ax"]
        )
        .unwrap();
        for compatibility in [Compatibility::Own, Compatibility::Dataflow] {
            let operator = AgenticRAGQAF1SampleEvaluator { compatibility, ..Default::default() };
            let (after, _) = dataflow_core::testing::run_rule(&operator, frame.clone());
            let scores: Vec<Option<f64>> = after.column("F1Score").unwrap().f64().unwrap().iter().collect();
            assert_eq!(scores, [Some(1.0), Some(1.0), Some(1.0), Some(2.0 / 3.0), Some(1.0)]);
        }
    }

    #[test]
    fn a_language_has_words_of_its_own() {
        let frame = df!("refined_answer" => ["我们在北京。"], "golden_doc_answer" => ["北京"]).unwrap();
        let score = |language| {
            let shown = check_frame(&AgenticRAGQAF1SampleEvaluator { language, ..Default::default() }, frame.clone());
            shown.rsplit('=').next().unwrap().to_owned()
        };
        assert_eq!((score(TextLanguage::Dataflow), score(TextLanguage::Auto)), ("0.0".into(), "0.5".into()));
    }
}
