//! Keeps rows whose answer a model finds to agree with the reference answer.

use dataflow_core::key::{Boolean, Input, Nullable, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::prompt::PromptTemplate;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, context, operator};

use crate::answer::{AnswerJudgePromptQuestion, ask_judge};

/// Has the model judge each answer by the reference answer and keeps the rows in which they agree.
///
/// A row without an answer or a reference answer does not agree, and is not asked about. With `keep_all_samples` every row stays, with its verdict.
///
/// # 中文
///
/// 让模型对照参考答案判断每个答案，保留两者一致的行。缺少答案或参考答案的行视为不一致，不会提问。
/// 设置 `keep_all_samples` 后保留所有行，并写出判断结果。
#[operator(reasoning, filter, AskModel)]
pub struct ReasoningAnswerModelJudgeFilter {
    /// What the judge is told to be. 中文：系统提示词，说明裁判模型的角色。
    pub system_prompt: String,
    /// How the judge is asked. 中文：询问裁判模型所用的提示词。
    #[prompts(allowed(AnswerJudgePromptQuestion, AnswerJudgePrompt), variables(question, answer, reference_answer))]
    pub prompt_template: PromptTemplate,
    /// Whether rows that do not agree stay too. 中文：是否也保留不一致的行。
    pub keep_all_samples: bool,
    /// The question. 中文：问题列。
    pub input_question_key: Nullable<Input<Text>>,
    /// The answer to judge. 中文：待判断的答案列。
    pub input_answer_key: Nullable<Input<Text>>,
    /// The reference answer. 中文：参考答案列。
    pub input_reference_key: Nullable<Input<Text>>,
    /// Where the verdict goes. 中文：写入判断结果的列。
    pub output_key: Output<Boolean>,
}

impl Default for ReasoningAnswerModelJudgeFilter {
    fn default() -> Self {
        Self {
            system_prompt: "You are a helpful assistant specialized in evaluating answer correctness.".into(),
            prompt_template: AnswerJudgePromptQuestion.into(),
            keep_all_samples: false,
            input_question_key: "question".into(),
            input_answer_key: "answer".into(),
            input_reference_key: "reference_answer".into(),
            output_key: "answer_match_result".into(),
        }
    }
}

impl AskModel for ReasoningAnswerModelJudgeFilter {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let agrees = if row.is_blank(&self.input_answer_key) || row.is_blank(&self.input_reference_key) {
            false
        } else {
            let values = context! {
                question => row.text_or_null(&self.input_question_key)?,
                answer => row.text(&self.input_answer_key)?,
                reference_answer => row.text(&self.input_reference_key)?,
            };
            ask_judge(model, &self.system_prompt, self.prompt_template.build_prompt(values)?).await?
        };
        Ok(Outcome::keep_if(agrees || self.keep_all_samples, Cells::new().set(&self.output_key, agrees)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::AnswerJudgePrompt;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::{Value, json};

    conformance!(ReasoningAnswerModelJudgeFilter);

    fn check(operator: &ReasoningAnswerModelJudgeFilter, replies: &[&str], reference: &Value) -> String {
        let row = json!({ "question": "How many legs has a spider?", "answer": "It has eight legs.", "reference_answer": reference });
        check_row(operator, &ScriptedModel::replies(replies.iter().copied()), row)
    }

    fn last(shown: &str) -> &str {
        shown.lines().last().unwrap_or_default()
    }

    #[test]
    fn the_judge_sees_question_answer_and_reference() {
        let operator = ReasoningAnswerModelJudgeFilter::default();
        assert_snapshot!(check(&operator, &["{\"judgement_result\": true}"], &json!("8")), @r#"
        [system] You are a helpful assistant specialized in evaluating answer correctness.
        [user] Decide whether an answer to a question agrees with the reference answer.

        - Compare what the two finally state in reply to the question, not how they get there, how long they are or how they are written.
        - Equal values in other forms agree: 1/2 and 0.5, 50% and one half, x = 3 and 3, an unsimplified and a simplified expression, a full sentence and the bare result. Use the question to see which unit, form or choice is meant.
        - An answer that leaves out, adds or contradicts something that the reference states as its result does not agree. Neither does one that names several results and settles on none.
        - The reference is right by definition; do not solve the problem anew.

        Question:
        How many legs has a spider?

        Reference answer:
        8

        Answer to judge:
        It has eight legs.

        Reply with JSON and nothing else: {"judgement_result": true} where they agree, {"judgement_result": false} where they do not.
        (with a JSON schema)
        -> answer_match_result=true
        "#);
    }

    #[test]
    fn a_row_that_does_not_agree_goes_unless_all_are_kept() {
        let no = ["Eight is not six, so:\n```\n{\"judgement_result\": false}\n```"];
        assert_eq!(last(&check(&ReasoningAnswerModelJudgeFilter::default(), &no, &json!("6"))), "-> dropped answer_match_result=false");
        let all = ReasoningAnswerModelJudgeFilter { keep_all_samples: true, ..Default::default() };
        assert_eq!(last(&check(&all, &no, &json!("6"))), "-> answer_match_result=false");
    }

    #[test]
    fn a_row_without_a_reference_is_not_asked_about() {
        assert_eq!(check(&ReasoningAnswerModelJudgeFilter::default(), &[], &Value::Null), "-> dropped answer_match_result=false");
    }

    #[test]
    fn a_verdict_in_prose_is_asked_for_again_and_fails_then() {
        let operator = ReasoningAnswerModelJudgeFilter { prompt_template: AnswerJudgePrompt.into(), ..Default::default() };
        assert_eq!(last(&check(&operator, &["This is true.", "{\"judgement_result\": true}"], &json!("8"))), "-> answer_match_result=true");
        assert!(last(&check(&operator, &["This is true.", "true"], &json!("8"))).starts_with("failed (unparsed)"));
    }

    #[test]
    fn a_template_of_ones_own_is_filled_in() {
        let prompt_template = PromptTemplate::text("{{ question }} {{ answer }} or {{ reference_answer }}?");
        let operator = ReasoningAnswerModelJudgeFilter { prompt_template, ..Default::default() };
        assert!(check(&operator, &["{\"judgement_result\": true}"], &json!("8")).contains("[user] How many legs has a spider? It has eight legs. or 8?\n"));
    }
}
