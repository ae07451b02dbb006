//! Final answers: finding them in a worked solution, and telling whether two of them are the same.

mod bare;
mod compare;
mod expression;
mod extract;
mod final_answer;
mod judge;
mod normal_form;
mod number_words;

pub use compare::answers_match;
pub use extract::{extract_answer, reference_answer};
pub(crate) use final_answer::{Units, final_answer};
pub(crate) use judge::ask_judge;
pub use judge::{AnswerJudgePrompt, AnswerJudgePromptQuestion};

use crate::compatibility::Compatibility;

/// As [`solution_matches`], or with DataFlow's rule.
pub(crate) fn solution_matches_by(rule: Compatibility, solution: &str, reference: &str) -> bool {
    match rule {
        Compatibility::Own => solution_matches(solution, reference),
        Compatibility::Dataflow => bare::bare_values_match(solution, reference),
    }
}

/// Whether the final answer of a solution is the one that the reference gives; not where the solution has none.
pub fn solution_matches(solution: &str, reference: &str) -> bool {
    extract_answer(solution).is_some_and(|answer| answers_match(&answer, &reference_answer(reference)))
}
