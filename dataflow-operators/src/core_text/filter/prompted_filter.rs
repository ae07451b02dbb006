//! Keeps rows that a free prompt scores well.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, operator};

use crate::core_text::score;

/// Has the model score each text from 1 to 5 and keeps the rows between `min_score` and `max_score`, both included.
///
/// A row whose text is null or blank is dropped. A row without a score after a second question fails: it is neither good nor bad.
///
/// # 中文
///
/// 让模型为每条文本打 1 到 5 分，保留分数在 `min_score` 与 `max_score` 之间（含两端）的行。空文本的行会被丢弃；
/// 再问一次仍得不到分数的行记为失败，既不算好也不算坏。
#[operator(core_text, filter, AskModel)]
pub struct PromptedFilter {
    /// What the model is told to judge. 中文：系统提示词，说明按什么标准评分。
    pub system_prompt: String,
    /// The lowest score to keep. 中文：保留的最低分。
    pub min_score: i64,
    /// The highest score to keep. 中文：保留的最高分。
    pub max_score: i64,
    /// The text to score. 中文：要评分的文本列。
    pub input_key: Input<Text>,
    /// Where the score goes. 中文：写入分数的列。
    pub output_key: Output<Integer>,
}

impl Default for PromptedFilter {
    fn default() -> Self {
        Self { system_prompt: score::SYSTEM_PROMPT.into(), min_score: 1, max_score: 5, input_key: "raw_content".into(), output_key: "eval".into() }
    }
}

impl AskModel for PromptedFilter {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let score = score::ask(model, &self.system_prompt, &row.text(&self.input_key)?).await?;
        Ok(Outcome::keep_if((self.min_score..=self.max_score).contains(&score), Cells::new().set(&self.output_key, score)))
    }

    fn problems(&self) -> Vec<String> {
        let (min, max) = (self.min_score.max(1), self.max_score.min(5));
        if min > max {
            vec![format!("no score from 1 to 5 lies between `min_score` {} and `max_score` {}", self.min_score, self.max_score)]
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use serde_json::json;

    conformance!(PromptedFilter);

    fn check(replies: &[&str]) -> String {
        let operator = PromptedFilter { min_score: 3, max_score: 4, ..Default::default() };
        let shown = check_row(&operator, &ScriptedModel::replies(replies.iter().copied()), json!({ "raw_content": "Ice floats." }));
        shown.lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn both_bounds_are_inside() {
        assert_eq!(check(&["2"]), "-> dropped eval=2");
        assert_eq!(check(&["3"]), "-> eval=3");
        assert_eq!(check(&["```json\n{\"score\": 4}\n```"]), "-> eval=4");
        assert_eq!(check(&["5"]), "-> dropped eval=5");
    }

    #[test]
    fn a_row_without_a_score_is_neither_kept_nor_dropped() {
        assert_eq!(check(&["no idea", "4"]), "-> eval=4");
        assert!(check(&["no idea", "still none"]).starts_with("failed (unparsed)"));
    }

    #[test]
    fn bounds_that_nothing_can_meet_are_a_problem() {
        let operator = PromptedFilter { min_score: 5, max_score: 2, ..Default::default() };
        assert_eq!(Operator::problems(&operator), ["no score from 1 to 5 lies between `min_score` 5 and `max_score` 2"]);
    }
}
