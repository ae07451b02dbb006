//! Final answers: finding them in a worked solution, and telling whether two of them are the same.

mod bare;
mod compare;
mod expression;
mod extract;
mod final_answer;
mod formula;
mod gist;
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
pub(crate) use gist::gist;
pub(crate) use judge::ask_judge;
pub use judge::{AnswerJudgePrompt, AnswerJudgePromptQuestion};

use dataflow_core::reply::without_thinking;

use self::extract::unmarked_answer;
use self::formula::last_formula;

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
    let is_right = |answer: &str| answers_match(answer, &reference);
    if let Some(answer) = marked_answer(&solution) {
        return is_right(&answer) || gist(&answer).is_some_and(|answer| is_right(&answer));
    }
    // Of more lines than one, or a long one, the last side of an equation is not what all of it says.
    let bare = solution.trim();
    let is_bare = bare.len() <= MOST_BARE && !bare.contains('\n');
    if is_bare && is_right(bare) {
        return true;
    }
    // What is an answer as a whole is no other one in part: `x = 1 or x = 2`, `7 cm^3`.
    let says_more = !is_bare || !compare::is_answer(bare);
    says_more && (unmarked_answer(&solution).is_some_and(|answer| is_right(&answer)) || last_formula(&solution).is_some_and(is_right))
}

/// Whether the last box of a solution is closed and holds something to read.
pub(crate) fn has_boxed_result(solution: &str) -> bool {
    extract::last_box(solution).is_some_and(|found| found.is_closed && !normal_form::normal_form(found.inner).is_empty())
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
            ("The answer is 5, not 6.", "5", "6"),
            ("The answer is n!.", "n!", "n"),
            ("**Final Answer:** The largest $n$ is 34.", "34", "n"),
            (r"It is \boxed{1} and \boxed{-2}.", "-2, 1", "-2"),
            ("We find that $x \\geq 5$.", "[5, \\infty)", "5"),
            ("So the line is $y = 2x + 3$.", "y - 3 = 2x", "3"),
            ("So we get $7, -9$.", "-9, 7", "-9"),
            ("So $m + n = 11$.", "11", "10"),
            ("7 cm^3", "7 cm^3", "7 cm^2"),
            ("x > 3", "x > 3", "3"),
            ("x = 1 or x = 2", "1, 2", "2"),
            ("5!", "120", "5"),
            ("x^2 = 7", "x^2 = 7", "7"),
        ] {
            assert!(solution_matches(solution, right), "`{solution}` says `{right}`");
            assert!(!solution_matches(solution, wrong), "`{solution}` does not say `{wrong}`");
        }
        assert!(!solution_matches(" ", " "));
    }
}
