//! Final answers: finding them in a worked solution, and telling whether two of them are the same.

mod bare;
mod compare;
mod expression;
mod extract;
mod final_answer;
mod judge;
mod last_value;
mod normal_form;
mod number_words;
mod quantity;
mod relation;
mod shape;

pub use compare::answers_match;
pub(crate) use extract::marked_answer;
pub use extract::{extract_answer, reference_answer};
pub(crate) use final_answer::{Units, cleaned_answer, final_answer};
pub(crate) use judge::ask_judge;
pub use judge::{AnswerJudgePrompt, AnswerJudgePromptQuestion};

use dataflow_core::reply::without_thinking;

use self::last_value::last_value;

use crate::compatibility::Compatibility;

/// The most bytes of a line that may be an answer and nothing else.
const MOST_BARE: usize = 300;

/// As [`solution_matches`], or with DataFlow's rule.
pub(crate) fn solution_matches_by(rule: Compatibility, solution: &str, reference: &str) -> bool {
    match rule {
        Compatibility::Own => solution_matches(solution, reference),
        Compatibility::Dataflow => bare::bare_values_match(solution, reference),
    }
}

/// Whether the final answer of a solution, or the solution as a whole, is the answer that the reference gives.
///
/// ```
/// use dataflow_operators::answer::solution_matches;
/// assert!(solution_matches("So x = 2/3.", "2/3"));
/// assert!(!solution_matches("So x = 2/3.", "3"));
/// assert!(solution_matches("Paris", "Paris"));
/// ```
pub fn solution_matches(solution: &str, reference: &str) -> bool {
    let solution = without_thinking(solution);
    if is_same_text(&solution, reference) {
        return true;
    }
    let reference = reference_answer(reference);
    if let Some(answer) = marked_answer(&solution) {
        return answers_match(&answer, &reference);
    }
    // Of more lines than one, or a long one, the last side of an equation is not what all of it says.
    let bare = solution.trim();
    let is_bare = bare.len() <= MOST_BARE && !bare.contains('\n');
    is_bare && answers_match(bare, &reference) || last_value(&solution).is_some_and(|answer| answers_match(&answer, &reference))
}

/// Whether a solution is the reference, letter by letter; not where it says nothing.
pub(crate) fn is_same_text(solution: &str, reference: &str) -> bool {
    let solution = without_thinking(solution);
    !solution.trim().is_empty() && solution.trim() == reference.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_are_right_and_parts_of_them_are_not() {
        for (solution, right, wrong) in [
            ("So x = 2/3.", "2/3", "3"),
            ("1/2", "1/2", "2"),
            ("1/2", "0.5", "1"),
            ("2/4", "1/2", "4"),
            ("-1/2", "-1/2", "2"),
            (r"\sqrt{3}", r"\sqrt{3}", "3"),
            (r"= \frac{3}{4}", "0.75", "4"),
            ("B", "B", "C"),
            ("Paris", "Paris", "London"),
            ("The answer is B.", "The answer is B.", "C"),
            ("x+1", "x+1", "1"),
            ("(1,2)", "(1,2)", "2"),
            ("It is 2:30.", "2:30", "30"),
            ("2^10", "1024", "10"),
            ("1, 2", "2, 1", "3"),
            ("First 3 + 4,\nwhich is 7", "7", "4"),
            ("7 miles", "7", "8"),
            ("<think>9</think>1/2", "1/2", "9"),
        ] {
            assert!(solution_matches(solution, right), "`{solution}` says `{right}`");
            assert!(!solution_matches(solution, wrong), "`{solution}` does not say `{wrong}`");
        }
        assert!(!solution_matches(" ", " "));
    }
}
