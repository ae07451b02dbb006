//! Works questions out.

use std::borrow::Cow;

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::prompt::{Prompt, PromptTemplate};
use dataflow_core::row::Row;
use dataflow_core::serving::Chat;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, context, operator, prompt};

/// Has the model work each question out step by step, with its final answer in a box.
///
/// What a reasoning model thinks beforehand is no part of the answer. A blank question is not asked, and its answer stays null.
///
/// # 中文
///
/// 让模型逐步解答每个问题，并把最终答案放在 `\boxed{}` 中。推理模型的思考过程不计入答案。空问题不提问，答案保持为空。
#[operator(reasoning, generate, AskModel)]
pub struct ReasoningAnswerGenerator {
    /// How a question is put. 中文：提问所用的提示词。
    #[prompts(allowed(MathAnswerGeneratorPrompt, GeneralAnswerGeneratorPrompt), variables(question))]
    pub prompt_template: PromptTemplate,
    /// The question. 中文：问题列。
    pub input_key: Input<Text>,
    /// Where the worked answer goes. 中文：写入解答的列。
    pub output_key: Output<Text>,
}

impl Default for ReasoningAnswerGenerator {
    fn default() -> Self {
        Self { prompt_template: MathAnswerGeneratorPrompt.into(), input_key: "instruction".into(), output_key: "generated_cot".into() }
    }
}

impl AskModel for ReasoningAnswerGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let request = self.prompt_template.build_prompt(context! { question => row.text(&self.input_key)? })?;
        let answer = model.ask(Chat::from(request)).text().await?;
        Ok(Cells::new().set(&self.output_key, answer).into())
    }
}

/// Asks for a worked solution of a mathematical problem.
///
/// # 中文
///
/// 请求数学题的逐步解答。
#[prompt]
pub struct MathAnswerGeneratorPrompt;

impl Prompt for MathAnswerGeneratorPrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("math_answer_generator_prompt.jinja").into()
    }
}

/// Asks for a worked solution of a task of any field.
///
/// # 中文
///
/// 请求任意领域推理题的逐步解答。
#[prompt]
pub struct GeneralAnswerGeneratorPrompt;

impl Prompt for GeneralAnswerGeneratorPrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("general_answer_generator_prompt.jinja").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(ReasoningAnswerGenerator);

    fn check(prompt: impl Into<PromptTemplate>, reply: &str) -> String {
        let operator = ReasoningAnswerGenerator { prompt_template: prompt.into(), ..Default::default() };
        check_row(&operator, &ScriptedModel::replies([reply]), json!({ "instruction": "What is 2 + 2?" }))
    }

    #[test]
    fn a_mathematical_problem_is_worked_out() {
        assert_snapshot!(check(MathAnswerGeneratorPrompt, r"<think>easy</think>Solution: \boxed{4}"), @r#"
        [user] Solve the mathematical problem below as a careful teacher would write it out.

        1. Name what is given, what is asked, and the kind of problem it is.
        2. Choose the theorems or methods that lead to the answer and apply them one step at a time. Begin each step with "→" and say why it holds.
        3. Carry every calculation out, and check the result against what is given.
        4. State the final answer once, at the end, in \boxed{}.

        Write formulas in LaTeX, use the language of the problem, and begin with "Solution:".

        The problem:
        What is 2 + 2?
        -> generated_cot=Solution: \boxed{4}
        "#);
    }

    #[test]
    fn a_general_task_is_worked_out() {
        assert_snapshot!(check(GeneralAnswerGeneratorPrompt, r"Solution: \boxed{4}"), @r#"
        [user] Work out the task below as a careful expert of its field would write it down.

        1. Name what is given, what is asked, and the kind of task it is.
        2. Choose the principles or methods that lead to the answer and apply them one step at a time. Begin each step with "→" and say why it holds.
        3. Carry every inference or calculation out, and check the result against what is given.
        4. State the final answer once, at the end, in \boxed{}.

        Write formulas in LaTeX and code in code blocks, use the language of the task, and begin with "Solution:".

        The task:
        What is 2 + 2?
        -> generated_cot=Solution: \boxed{4}
        "#);
    }

    #[test]
    fn thinking_alone_is_no_answer() {
        let model = ScriptedModel::replies(["<think>It must be", "<think>It must be"]);
        let told = check_row(&ReasoningAnswerGenerator::default(), &model, json!({ "instruction": "What is 2 + 2?" }));
        assert!(told.ends_with("failed (unparsed): the reply does not fit: a text was expected, and the reply is empty; it begins ``"), "{told}");
    }

    #[test]
    fn a_template_of_ones_own_is_filled_in() {
        assert!(check(PromptTemplate::text("{{ question }} Say only the number."), "4").contains("[user] What is 2 + 2? Say only the number.\n"));
    }
}
