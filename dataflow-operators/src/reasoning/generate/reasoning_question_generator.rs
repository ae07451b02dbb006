//! Makes new questions of the questions that there are.

use std::borrow::Cow;

use dataflow_core::key::{InOut, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::{Others, Outcome};
use dataflow_core::prompt::{Prompt, PromptTemplate};
use dataflow_core::row::Row;
use dataflow_core::serving::Chat;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, context, operator, prompt};
use futures::future::try_join_all;
use rand::seq::SliceRandom;

/// Makes `num_prompts` new questions of each question, each by another set of transformations.
///
/// The question's row stays with the flag `input`, and the new rows follow it with the flag `synth`. A new row has its question and its flag
/// only: an answer or a source of the old question is not the new one's. Which transformations are taken is drawn from the pipeline's seed.
///
/// # 中文
///
/// 由每个问题生成 `num_prompts` 个新问题，每个采用不同的变换组合。原行保留并标记为 `input`，新行紧随其后并标记为 `synth`。
/// 新行只有问题和标记，其余列为空：原题的答案与出处不属于新题。变换组合由流水线的随机种子决定。
#[operator(reasoning, generate, AskModel)]
pub struct ReasoningQuestionGenerator {
    /// How many new questions to make of each, from 1 to 5. 中文：每个问题生成的新问题数，1 到 5。
    pub num_prompts: u32,
    /// How a new question is asked for. 中文：请求新问题所用的提示词。
    #[prompts(allowed(MathQuestionSynthesisPrompt, GeneralQuestionSynthesisPrompt), variables(question, transformations))]
    pub prompt_template: PromptTemplate,
    /// The question; new rows have theirs in the same column. 中文：问题列，新行的问题也写入此列。
    pub input_key: InOut<Text>,
    /// Where the flag goes. 中文：写入标记的列。
    pub output_synth_or_input_flag: Output<Text>,
}

impl Default for ReasoningQuestionGenerator {
    fn default() -> Self {
        Self {
            num_prompts: 1,
            prompt_template: MathQuestionSynthesisPrompt.into(),
            input_key: "instruction".into(),
            output_synth_or_input_flag: "Synth_or_Input".into(),
        }
    }
}

/// The sets of transformations that a question's prompts are drawn from, each at most once.
const SETS: [&[u32]; 5] = [&[1, 2, 3], &[1, 2, 4], &[1, 2, 5], &[1, 4, 5], &[1, 2, 3, 4, 5]];

impl ReasoningQuestionGenerator {
    async fn synthesize(&self, question: &str, number: u64, transformations: &[u32], model: &Model) -> Result<String> {
        let request = self.prompt_template.build_prompt(context! { question, transformations => transformations.to_vec() })?;
        // A template of the user's own may leave the transformations out; its prompts are equal then, and their answers should not be.
        let chat = Chat::from(request).sample(number);
        let parse = |reply: &str| match reply.trim() {
            "" => Err("a new question was expected, and the reply is empty".to_owned()),
            reply if reply == question.trim() => Err("a new question was expected, and the reply repeats the given one".to_owned()),
            reply => Ok(reply.to_owned()),
        };
        model.ask(chat).parsed(parse).await
    }
}

impl AskModel for ReasoningQuestionGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let question = row.text(&self.input_key)?;
        let mut sets = SETS;
        sets.shuffle(&mut row.random("transformations"));
        let asked = (0..).zip(sets).take(self.num_prompts as usize).map(|(number, set)| self.synthesize(&question, number, set, model));
        let questions = try_join_all(asked).await?;
        let cells = |question: String, flag: &str| Cells::new().replace(&self.input_key, question).set(&self.output_synth_or_input_flag, flag);
        let new: Vec<Cells> = questions.into_iter().map(|question| cells(question, "synth")).collect();
        Ok(Outcome::from(cells(question.to_string(), "input")).and_rows(Others::Null, new))
    }

    fn calls_per_row(&self) -> u64 {
        u64::from(self.num_prompts)
    }

    fn rows_per_row(&self) -> u64 {
        1 + u64::from(self.num_prompts)
    }

    fn problems(&self) -> Vec<String> {
        if (1..=SETS.len()).contains(&(self.num_prompts as usize)) {
            Vec::new()
        } else {
            vec![format!("`num_prompts` should be from 1 to {}, found {}", SETS.len(), self.num_prompts)]
        }
    }
}

/// Asks for a new mathematical problem by a set of transformations.
///
/// # 中文
///
/// 按给定的变换组合请求新的数学题。
#[prompt]
pub struct MathQuestionSynthesisPrompt;

impl Prompt for MathQuestionSynthesisPrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("math_question_synthesis_prompt.jinja").into()
    }
}

/// Asks for a new task of any field by a set of transformations.
///
/// # 中文
///
/// 按给定的变换组合请求任意领域的新推理题。
#[prompt]
pub struct GeneralQuestionSynthesisPrompt;

impl Prompt for GeneralQuestionSynthesisPrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("general_question_synthesis_prompt.jinja").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(ReasoningQuestionGenerator);

    fn check(operator: &ReasoningQuestionGenerator, model: &ScriptedModel) -> String {
        check_row(operator, model, json!({ "instruction": "Add 2 and 3.", "golden_answer": "5" }))
    }

    #[test]
    fn a_new_mathematical_problem_follows_its_parent() {
        assert_snapshot!(check(&ReasoningQuestionGenerator::default(), &ScriptedModel::replies(["Add 7 and 8."])), @r"
        [user] Make a new mathematical problem out of the one below. Apply all of these changes together:
        - Change the numbers: other values, of another size or kind, that still lead to a sensible answer.
        - Change the kind of problem, so that another method is needed, for instance equation into inequality or counting into probability.
        - Set it in the real world: people, things and places in which the question arises by itself.
        - Add a premise that matters: the answer must depend on it.
        - Require cases to be told apart, each to be worked out by itself.

        The new problem has to be complete, free of contradiction and solvable from what it states, with one answer that can be checked. It is not to be solved by copying the solution of the old one. Keep the language of the old problem.

        The problem:
        Add 2 and 3.

        Reply with the new problem alone: no title, no solution, no remark.
        -> instruction=Add 2 and 3. Synth_or_Input=input
        +> instruction=Add 7 and 8. Synth_or_Input=synth (Null)
        ");
    }

    #[test]
    fn a_new_general_task_follows_its_parent() {
        let operator = ReasoningQuestionGenerator { prompt_template: GeneralQuestionSynthesisPrompt.into(), ..Default::default() };
        assert_snapshot!(check(&operator, &ScriptedModel::replies(["Add 7 and 8."])), @r"
        [user] Make a new reasoning task out of the one below. Apply all of these changes together:
        - Change the values: other numbers, names, data or pieces of code.
        - Change the kind of task, its field or the form of its result, so that another way of reasoning is needed.
        - Change the scenario: another situation in which the question arises by itself.
        - Add or change premises, so that the answer depends on them.
        - Let it take several steps, each of which needs the result of an earlier one.

        The new task has to be complete, free of contradiction and possible to carry out from what it states, with a result that can be checked. It is not to be done by copying the solution of the old one. Keep the language of the old task.

        The task:
        Add 2 and 3.

        Reply with the new task alone: no title, no solution, no remark.
        -> instruction=Add 2 and 3. Synth_or_Input=input
        +> instruction=Add 7 and 8. Synth_or_Input=synth (Null)
        ");
    }

    #[test]
    fn no_set_of_transformations_is_drawn_twice_for_a_row() {
        let operator = ReasoningQuestionGenerator { num_prompts: 5, ..Default::default() };
        let model = ScriptedModel::new(|_| Some("New.".into()));
        check(&operator, &model);
        let mut asked: Vec<String> = model.asked().into_iter().map(|chat| chat.messages[0].content.clone()).collect();
        asked.sort();
        asked.dedup();
        assert_eq!(asked.len(), 5);
    }

    #[test]
    fn an_empty_or_unchanged_question_is_asked_for_again_and_fails_then() {
        let operator = ReasoningQuestionGenerator::default();
        let mended = check(&operator, &ScriptedModel::replies(["<think>Hm.</think>", "Add 7 and 8."]));
        assert!(mended.ends_with("+> instruction=Add 7 and 8. Synth_or_Input=synth (Null)"), "{mended}");
        let failed = check(&operator, &ScriptedModel::replies(["Add 2 and 3.", " "]));
        assert!(failed.ends_with("failed (unparsed): the reply does not fit: a new question was expected, and the reply is empty; it begins ``"), "{failed}");
    }

    #[test]
    fn a_template_of_ones_own_gives_independent_samples() {
        let operator = ReasoningQuestionGenerator { num_prompts: 2, prompt_template: PromptTemplate::text("Vary: {{ question }}"), ..Default::default() };
        let model = ScriptedModel::replies(["Add 1 and 1.", "Add 4 and 4."]);
        assert_snapshot!(check(&operator, &model), @r"
        [user] Vary: Add 2 and 3.
        ---
        [user] Vary: Add 2 and 3.
        (sample 1)
        -> instruction=Add 2 and 3. Synth_or_Input=input
        +> instruction=Add 1 and 1. Synth_or_Input=synth (Null)
        +> instruction=Add 4 and 4. Synth_or_Input=synth (Null)
        ");
    }

    #[test]
    fn a_number_out_of_range_is_a_problem() {
        let operator = ReasoningQuestionGenerator { num_prompts: 6, ..Default::default() };
        assert_eq!(Operator::problems(&operator), ["`num_prompts` should be from 1 to 5, found 6"]);
    }
}
