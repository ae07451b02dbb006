//! Scores rows with a free prompt.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, operator};

use crate::core_text::score;

/// Has the model score each text from 1 to 5, by what the system prompt says to look at.
///
/// A null or blank text has no score. A reply without a score is asked for once more; then the row fails, and no score stands for the failure.
///
/// # 中文
///
/// 让模型按 `system_prompt` 的要求为每条文本打 1 到 5 分。空文本没有分数；回复中没有分数时会再问一次，仍没有则该行失败，
/// 绝不以某个分数代表失败。
#[operator(core_text, eval, AskModel)]
pub struct PromptedEvaluator {
    /// What the model is told to judge. 中文：系统提示词，说明按什么标准评分。
    pub system_prompt: String,
    /// The text to score. 中文：要评分的文本列。
    pub input_key: Input<Text>,
    /// Where the score goes. 中文：写入分数的列。
    pub output_key: Output<Integer>,
}

impl Default for PromptedEvaluator {
    fn default() -> Self {
        Self { system_prompt: score::SYSTEM_PROMPT.into(), input_key: "raw_content".into(), output_key: "eval".into() }
    }
}

impl AskModel for PromptedEvaluator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let score = score::ask(model, &self.system_prompt, &row.text(&self.input_key)?).await?;
        Ok(Cells::new().set(&self.output_key, score).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(PromptedEvaluator);

    fn check(replies: &[&str]) -> String {
        check_row(&PromptedEvaluator::default(), &ScriptedModel::replies(replies.iter().copied()), json!({ "raw_content": "水在 100 °C 沸腾。" }))
    }

    #[test]
    fn a_text_gets_its_score() {
        assert_snapshot!(check(&["<think>1, 2 or 3?</think>{\"score\": 4}"]), @r#"
        [system] Please evaluate the quality of this data on a scale from 1 to 5.
        [user] 水在 100 °C 沸腾。

        Reply with the score alone, a whole number from 1 to 5, as JSON: {"score": <number>}
        (with a JSON schema)
        -> eval=4
        "#);
    }

    #[test]
    fn a_score_that_is_off_the_scale_is_asked_for_again() {
        let shown = check(&["10", "5"]);
        assert!(shown.contains("a whole number from 1 to 5 was expected, and the score is 10"), "{shown}");
        assert!(shown.ends_with("-> eval=5"), "{shown}");
    }

    #[test]
    fn prose_twice_is_a_failed_row() {
        let shown = check(&["On a scale from 1 to 5, fine.", "Quite good."]);
        assert!(shown.ends_with("failed (unparsed): the reply does not fit: a whole number from 1 to 5 was expected, and there is none that stands for itself; it begins `Quite good.`"), "{shown}");
    }

    #[test]
    fn a_blank_text_is_not_asked_about() {
        assert_eq!(check_row(&PromptedEvaluator::default(), &ScriptedModel::replies([""; 0]), json!({ "raw_content": " " })), "skipped");
    }
}
