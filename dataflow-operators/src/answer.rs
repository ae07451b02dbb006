//! Final answers: finding them in a worked solution, and telling whether two of them are the same.

mod compare;
mod expression;
mod extract;
mod final_answer;
mod judge;
mod normal_form;

pub use compare::answers_match;
pub use extract::{extract_answer, reference_answer};
pub(crate) use final_answer::{Units, final_answer};
pub(crate) use judge::ask_judge;
pub use judge::{AnswerJudgePrompt, AnswerJudgePromptQuestion};
