//! Asks a model whether an answer is right.

use std::borrow::Cow;

use dataflow_core::model::Model;
use dataflow_core::prompt::Prompt;
use dataflow_core::serving::Chat;
use dataflow_core::{Result, prompt};
use schemars::JsonSchema;
use serde::Deserialize;

/// The form of a verdict.
#[derive(Deserialize, JsonSchema)]
struct Verdict {
    /// Whether the answer is right.
    judgement_result: bool,
}

/// The model's verdict. It is read from JSON alone; a reply without one is asked for again, and fails then.
pub(crate) async fn ask_judge(model: &Model, system_prompt: &str, request: String) -> Result<bool> {
    let verdict: Verdict = model.ask(Chat::system(system_prompt).user(request)).json().await?;
    Ok(verdict.judgement_result)
}

/// Asks whether an answer means the same as the reference answer, whatever way led to it.
///
/// # 中文
///
/// 询问答案与参考答案的含义是否一致，不论解法如何。
#[prompt]
pub struct AnswerJudgePrompt;

impl Prompt for AnswerJudgePrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("judge/answer_judge_prompt.jinja").into()
    }
}

/// Asks whether an answer to a question means the same as the reference answer, whatever way led to it.
///
/// # 中文
///
/// 给出问题，询问答案与参考答案的含义是否一致，不论解法如何。
#[prompt]
pub struct AnswerJudgePromptQuestion;

impl Prompt for AnswerJudgePromptQuestion {
    fn template(&self) -> Cow<'_, str> {
        include_str!("judge/answer_judge_prompt_question.jinja").into()
    }
}
