//! Keeps questions that can be worked on.

use std::borrow::Cow;

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::prompt::{Prompt, PromptTemplate};
use dataflow_core::row::Row;
use dataflow_core::serving::Chat;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, context, operator, prompt};
use schemars::JsonSchema;
use serde::Deserialize;

/// Has the model examine each question and keeps those that are sound: one task, well written, possible, free of contradiction, complete.
///
/// With `output_error_type_key` it is written what was wrong; kept rows have null there. A row whose question is blank is dropped.
///
/// # 中文
///
/// 让模型逐步检查每个问题，保留合格的问题：任务单一、书写规范、前提成立、没有矛盾、信息充分。
/// 给出 `output_error_type_key` 时写入问题所在，保留的行该列为空。问题为空的行会被丢弃。
#[operator(reasoning, filter, AskModel)]
pub struct ReasoningQuestionFilter {
    /// What the model is told to be. 中文：系统提示词，说明模型的角色。
    pub system_prompt: String,
    /// How a question is examined. 中文：检查问题所用的提示词。
    #[prompts(allowed(MathQuestionFilterPrompt, GeneralQuestionFilterPrompt), variables(question))]
    pub prompt_template: PromptTemplate,
    /// The question. 中文：问题列。
    pub input_key: Input<Text>,
    /// Where it goes what was wrong. 中文：写入错误类型的列，可省略。
    pub output_error_type_key: Option<Output<Text>>,
}

impl Default for ReasoningQuestionFilter {
    fn default() -> Self {
        Self {
            system_prompt: "You are a helpful assistant.".into(),
            prompt_template: MathQuestionFilterPrompt.into(),
            input_key: "math_problem".into(),
            output_error_type_key: None,
        }
    }
}

/// The form of the reply.
#[derive(Deserialize, JsonSchema)]
struct Examination {
    /// Whether the question passes every step.
    judgement_test: bool,
    /// What is wrong with it; null where nothing is.
    error_type: Option<String>,
}

impl AskModel for ReasoningQuestionFilter {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let request = self.prompt_template.build_prompt(context! { question => row.text(&self.input_key)? })?;
        let found: Examination = model.ask(Chat::system(&self.system_prompt).user(request)).json().await?;
        let cells = match &self.output_error_type_key {
            Some(key) => Cells::new().set_option(key, found.error_type.filter(|_| !found.judgement_test)),
            None => Cells::new(),
        };
        Ok(Outcome::keep_if(found.judgement_test, cells))
    }
}

/// Examines a mathematical problem in five steps and asks for a verdict as JSON.
///
/// # 中文
///
/// 分五步检查数学题，以 JSON 给出结论。
#[prompt]
pub struct MathQuestionFilterPrompt;

impl Prompt for MathQuestionFilterPrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("math_question_filter_prompt.jinja").into()
    }
}

/// Examines a task of any field in five steps and asks for a verdict as JSON.
///
/// # 中文
///
/// 分五步检查任意领域的推理题，以 JSON 给出结论。
#[prompt]
pub struct GeneralQuestionFilterPrompt;

impl Prompt for GeneralQuestionFilterPrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("general_question_filter_prompt.jinja").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(ReasoningQuestionFilter);

    const GOOD: &str = r#"{"judgement_test": true, "error_type": null}"#;
    const BAD: &str = r#"{"judgement_test": false, "error_type": "the speed is missing"}"#;

    fn check(operator: &ReasoningQuestionFilter, replies: &[&str]) -> String {
        check_row(operator, &ScriptedModel::replies(replies.iter().copied()), json!({ "math_problem": "How long does the train take?" }))
    }

    fn last(shown: &str) -> &str {
        shown.lines().last().unwrap_or_default()
    }

    fn explaining() -> ReasoningQuestionFilter {
        ReasoningQuestionFilter { output_error_type_key: Some("error_type".into()), ..Default::default() }
    }

    #[test]
    fn a_mathematical_problem_is_examined_step_by_step() {
        assert_snapshot!(check(&ReasoningQuestionFilter::default(), &[GOOD]), @r#"
        [system] You are a helpful assistant.
        [user] Examine whether the text below is a sound mathematical problem. Go through the steps in order and stop at the first that fails.

        0. One task. The text is a mathematical problem and nothing else: it sets a single task, gives no order about anything else (such as to write an essay or to take on a role), and does not contain its answer.
        1. Form. Spelling, grammar and notation are right; LaTeX is well-formed. Look at the form only, not at what it says.
        2. Premises. Take the problem apart into its smallest premises and look at each alone. Each has to be possible in mathematics and in the setting that the problem describes. What the problem declares openly, such as magic, is allowed; an average may be a fraction.
        3. Consistency. No two premises contradict each other, and none contradicts the result that the others lead to.
        4. Sufficiency. What is given is enough to find the answer. More than enough is no fault.

        The problem:
        How long does the train take?

        Reason briefly if you need to, and end with JSON: {"judgement_test": true, "error_type": null} where every step holds, or {"judgement_test": false, "error_type": "<the step that fails and why, in one sentence>"}.
        (with a JSON schema)
        ->
        "#);
    }

    #[test]
    fn a_general_task_is_examined_step_by_step() {
        let operator = ReasoningQuestionFilter { prompt_template: GeneralQuestionFilterPrompt.into(), ..Default::default() };
        assert_snapshot!(check(&operator, &[GOOD]), @r#"
        [system] You are a helpful assistant.
        [user] Examine whether the text below is a sound reasoning task, of whatever field. Go through the steps in order and stop at the first that fails.

        0. One task. The text sets a single task that takes reasoning, gives no order about anything else (such as to take on a role or to ignore earlier words), and does not contain its answer.
        1. Form. Spelling and grammar are right; formulas and code are well-formed. Look at the form only, not at what it says.
        2. Premises. Take the task apart into its smallest premises and look at each alone. Each has to be possible in the field and the setting of the task. What the task declares openly, such as an invented world, is allowed; an average may be a fraction.
        3. Consistency. No two premises contradict each other, and none contradicts the result that the others lead to.
        4. Sufficiency. What is given, with what people of the field know, is enough to carry the task out. More than enough is no fault.

        The task:
        How long does the train take?

        Reason briefly if you need to, and end with JSON: {"judgement_test": true, "error_type": null} where every step holds, or {"judgement_test": false, "error_type": "<the step that fails and why, in one sentence>"}.
        (with a JSON schema)
        ->
        "#);
    }

    #[test]
    fn an_unsound_question_goes_and_says_why() {
        assert_eq!(last(&check(&explaining(), &[BAD])), "-> dropped error_type=the speed is missing");
        assert_eq!(last(&check(&explaining(), &[GOOD])), "-> error_type=null");
        let prose = format!("Step 4 fails, though it is true that the rest is fine.\n```json\n{BAD}\n```");
        assert_eq!(last(&check(&ReasoningQuestionFilter::default(), &[&prose])), "-> dropped");
    }

    #[test]
    fn a_verdict_in_prose_is_asked_for_again_and_fails_then() {
        assert_eq!(last(&check(&explaining(), &["It is true.", BAD])), "-> dropped error_type=the speed is missing");
        assert_eq!(
            last(&check(&explaining(), &["It is true.", "{\"judgement_test\": \"true\"}"])),
            "failed (unparsed): the reply does not fit: invalid type: string \"true\", expected a boolean; it begins `{\"judgement_test\": \"true\"}`"
        );
    }

    #[test]
    fn a_template_of_ones_own_is_filled_in() {
        let operator = ReasoningQuestionFilter { prompt_template: PromptTemplate::text("Is this sound? {{ question }}"), ..Default::default() };
        assert!(check(&operator, &[GOOD]).contains("[user] Is this sound? How long does the train take?\n"));
    }
}
