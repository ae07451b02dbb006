//! Makes question and answer pairs of passages.

use std::borrow::Cow;

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::prompt::{Prompt, PromptTemplate};
use dataflow_core::row::Row;
use dataflow_core::serving::Chat;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, context, operator, prompt};
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::Deserialize;

/// Makes up to `input_question_num` question and answer pairs of each passage.
///
/// First the model writes instructions for extracting a pair, each with another aim; then each instruction is followed, at once and
/// independently. A passage becomes one row a pair, with the passage's other columns; the passage's own row does not stay.
///
/// # 中文
///
/// 为每段文本生成至多 `input_question_num` 个问答对。先让模型写出若干条各有侧重的抽取指令，再同时独立地执行每条指令。
/// 每个问答对成为一行，保留原行的其他列；原行本身不保留。
#[operator(core_text, generate, AskModel)]
pub struct Text2QAGenerator {
    /// How to ask for the instructions. 中文：请求抽取指令所用的提示词。
    #[prompts(allowed(Text2QAAutoPromptGeneratorPrompt), variables(text, question_num))]
    pub prompt_template: PromptTemplate,
    /// How to ask for a pair by an instruction. 中文：按指令请求问答对所用的提示词。
    #[prompts(allowed(Text2QASeedQuestionGeneratorPrompt), variables(text, prompt))]
    pub question_prompt_template: PromptTemplate,
    /// The passage. 中文：文本段落列。
    pub input_key: Input<Text>,
    /// The most pairs for a passage. 中文：每段文本最多生成的问答对数。
    pub input_question_num: u32,
    /// Where the instruction goes. 中文：写入抽取指令的列。
    pub output_prompt_key: Output<Text>,
    /// Where the question goes. 中文：写入问题的列。
    pub output_question_key: Output<Text>,
    /// Where the answer goes. 中文：写入答案的列。
    pub output_answer_key: Output<Text>,
}

impl Default for Text2QAGenerator {
    fn default() -> Self {
        Self {
            prompt_template: Text2QAAutoPromptGeneratorPrompt.into(),
            question_prompt_template: Text2QASeedQuestionGeneratorPrompt.into(),
            input_key: "text".into(),
            input_question_num: 1,
            output_prompt_key: "generated_prompt".into(),
            output_question_key: "generated_question".into(),
            output_answer_key: "generated_answer".into(),
        }
    }
}

/// Instructions for extracting pairs.
#[derive(Deserialize, JsonSchema)]
struct Prompts {
    /// One instruction each.
    prompts: Vec<String>,
}

/// A question and its answer.
#[derive(Deserialize, JsonSchema)]
struct Pair {
    /// The question.
    question: String,
    /// Its answer.
    answer: String,
}

impl Text2QAGenerator {
    async fn instructions(&self, text: &str, model: &Model) -> Result<Vec<String>> {
        let request = self.prompt_template.build_prompt(context! { text, question_num => self.input_question_num })?;
        let found = model
            .ask(request)
            .json_checked(
                |found: &Prompts| {
                    if found.prompts.iter().any(|prompt| !prompt.trim().is_empty()) { Ok(()) } else { Err("`prompts` holds no instruction".into()) }
                },
            )
            .await?;
        let mut instructions: Vec<String> = Vec::new();
        for prompt in found.prompts.iter().map(|prompt| prompt.trim()).filter(|prompt| !prompt.is_empty()) {
            if !instructions.iter().any(|known| known == prompt) {
                instructions.push(prompt.to_owned());
            }
        }
        instructions.truncate(self.input_question_num as usize);
        Ok(instructions)
    }

    async fn pair(&self, text: &str, prompt: &str, model: &Model) -> Result<Cells> {
        let request = self.question_prompt_template.build_prompt(context! { text, prompt })?;
        let pair =
            model
                .ask(Chat::from(request))
                .json_checked(|pair: &Pair| {
                    if pair.question.trim().is_empty() || pair.answer.trim().is_empty() { Err("`question` or `answer` is empty".into()) } else { Ok(()) }
                })
                .await?;
        let cells = Cells::new().set(&self.output_prompt_key, prompt.to_owned());
        Ok(cells.set(&self.output_question_key, pair.question.trim().to_owned()).set(&self.output_answer_key, pair.answer.trim().to_owned()))
    }
}

impl AskModel for Text2QAGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let text = row.text(&self.input_key)?;
        let instructions = self.instructions(&text, model).await?;
        let pairs = try_join_all(instructions.iter().map(|prompt| self.pair(&text, prompt, model))).await?;
        Ok(Outcome::become_rows(pairs))
    }

    fn calls_per_row(&self) -> u64 {
        1 + u64::from(self.input_question_num)
    }

    fn rows_per_row(&self) -> u64 {
        u64::from(self.input_question_num)
    }

    fn problems(&self) -> Vec<String> {
        if self.input_question_num == 0 { vec!["`input_question_num` should be at least 1, found 0".into()] } else { Vec::new() }
    }
}

/// Asks for instructions that each make another model draw one question and answer pair from a passage, as JSON.
///
/// # 中文
///
/// 请求若干条指令，每条都能让另一个模型从段落中抽取一个问答对，以 JSON 返回。
#[prompt]
pub struct Text2QAAutoPromptGeneratorPrompt;

impl Prompt for Text2QAAutoPromptGeneratorPrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("text2qa_auto_prompt_generator_prompt.jinja").into()
    }
}

/// Asks for one question and answer pair of a passage, by an instruction, as JSON.
///
/// # 中文
///
/// 按给定指令从段落中请求一个问答对，以 JSON 返回。
#[prompt]
pub struct Text2QASeedQuestionGeneratorPrompt;

impl Prompt for Text2QASeedQuestionGeneratorPrompt {
    fn template(&self) -> Cow<'_, str> {
        "{{ prompt }}\n\nReply with JSON and nothing else: {\"question\": \"...\", \"answer\": \"...\"}\n\nThe passage:\n{{ text }}".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(Text2QAGenerator);

    const PAIR: &str = r#"{"question": "When was the bridge opened?", "answer": "1889"}"#;

    fn check(replies: &[&str]) -> String {
        let operator = Text2QAGenerator { input_question_num: 2, ..Default::default() };
        check_row(&operator, &ScriptedModel::replies(replies.iter().copied()), json!({ "text": "The bridge was opened in 1889.", "id": 7 }))
    }

    #[test]
    fn a_passage_becomes_a_row_for_each_pair() {
        let prompts = "```json\n{\"prompts\": [\"Ask for the year.\", \"Ask for the year.\", \"Ask what was opened.\", \"One too many.\"]}\n```";
        assert_snapshot!(check(&[prompts, PAIR, r#"Sure: {"question": "What was opened?", "answer": "the bridge"}"#]), @r#"
        [user] Below is a passage. Write instructions for another model which will be given the passage and one of your instructions, and will draw one question with its answer from the passage. The pairs are meant for reinforcement learning, so every answer must be easy to check.

        Write 2 instructions, or fewer where the passage does not carry so many different ones. Each instruction
        - stands alone: it says that a passage is given and that exactly one question and its answer are wanted;
        - aims at something else than the other instructions: another fact, relation, cause, quantity, comparison or conclusion, and where it helps, another style of question;
        - demands a question that is focused, has one meaning only, and can be understood by someone who has not seen the passage;
        - demands an answer of a few words that the passage proves.

        Write in the language of the passage. Reply with JSON and nothing else: {"prompts": ["...", "..."]}

        The passage:
        The bridge was opened in 1889.
        (with a JSON schema)
        ---
        [user] Ask for the year.

        Reply with JSON and nothing else: {"question": "...", "answer": "..."}

        The passage:
        The bridge was opened in 1889.
        (with a JSON schema)
        ---
        [user] Ask what was opened.

        Reply with JSON and nothing else: {"question": "...", "answer": "..."}

        The passage:
        The bridge was opened in 1889.
        (with a JSON schema)
        -> dropped
        +> generated_prompt=Ask for the year. generated_question=When was the bridge opened? generated_answer=1889 (AsParent)
        +> generated_prompt=Ask what was opened. generated_question=What was opened? generated_answer=the bridge (AsParent)
        "#);
    }

    #[test]
    fn a_pair_without_an_answer_is_asked_for_again() {
        let shown = check(&["{\"prompts\": [\"Ask for the year.\"]}", "{\"question\": \"When?\", \"answer\": \"\"}", PAIR]);
        assert!(shown.contains("That reply cannot be used: `question` or `answer` is empty"), "{shown}");
        assert!(
            shown.ends_with("+> generated_prompt=Ask for the year. generated_question=When was the bridge opened? generated_answer=1889 (AsParent)"),
            "{shown}"
        );
    }

    #[test]
    fn a_row_without_instructions_fails() {
        assert!(check(&["I would rather not.", "{\"prompts\": []}"]).contains("failed (unparsed): the reply does not fit: `prompts` holds no instruction"));
    }

    #[test]
    fn templates_of_ones_own_are_filled_in() {
        let operator: Text2QAGenerator =
            serde_json::from_value(json!({ "prompt_template": "Instructions for {{ text }}", "question_prompt_template": "{{ prompt }}: {{ text }}" }))
                .unwrap();
        let shown = check_row(&operator, &ScriptedModel::replies(["{\"prompts\": [\"Ask\"]}", PAIR]), json!({ "text": "T" }));
        assert!(shown.contains("[user] Instructions for T\n") && shown.contains("[user] Ask: T\n"), "{shown}");
    }
}
