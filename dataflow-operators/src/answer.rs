//! Final answers: finding them in a worked solution, and telling whether two of them are the same.

mod announced;
mod bare;
mod boxed;
mod brackets;
mod compare;
mod content;
mod denial;
mod expression;
mod extract;
mod final_answer;
mod formula;
mod gist;
mod judge;
mod last_value;
mod list;
mod multiplier;
pub(crate) mod near;
mod normal_form;
mod number_words;
mod pieces;
mod quantity;
mod relation;
mod shape;
pub(crate) mod sign;
mod verdict;
mod words;

pub use compare::answers_match;
pub(crate) use extract::marked_answer;
pub use extract::{extract_answer, reference_answer};
pub(crate) use final_answer::{Units, cleaned_answer, final_answer};
pub(crate) use gist::gist;
pub(crate) use judge::ask_judge;
pub use judge::{AnswerJudgePrompt, AnswerJudgePromptQuestion};
pub(crate) use quantity::without_unit;

use dataflow_core::reply::without_thinking;

use self::content::without_bold;
use self::extract::{marked, tagged_answer, unmarked_answers};
use self::last_value::{is_taken_back, last_value};
use self::verdict::{circled_numbers, verdict, words_of_last_sentence};

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
    let solution = tagged_answer(&solution).unwrap_or(&solution);
    let reference = reference_answer(reference);
    let circled = circled_numbers(&reference).filter(|_| !reference.contains(|letter: char| letter.is_alphabetic()));
    let is_right = |answer: &str| answers_match(answer, &reference) || (circled.is_some() && circled_numbers(answer) == circled);
    if let Some(candidates) = marked(solution) {
        return candidates.iter().any(|answer| is_right(answer));
    }
    // Of more lines than one, or a long one, the last side of an equation is not what all of it says.
    let bare = without_bold(solution.trim());
    let is_bare = bare.len() <= MOST_BARE && !bare.contains('\n');
    // What a text takes back, `18 is too small`, is no unit of its number.
    if is_bare && (is_right(&bare) || is_whole_quantity(&bare, is_right)) {
        return !is_taken_back(&bare);
    }
    // What is an answer as a whole is no other one in part: `x = 1 or x = 2`, `7 cm^3`.
    if is_bare && compare::is_answer(&bare) {
        return false;
    }
    let in_words = [verdict(solution), words_of_last_sentence(solution)];
    in_words.into_iter().flatten().any(is_right)
        || (circled.is_some() && is_right(solution))
        || unmarked_answers(solution).iter().any(|answer| is_right(answer))
}

/// Whether a text is one quantity in two units, `2 hours and 30 minutes`, and right.
fn is_whole_quantity(bare: &str, is_right: impl Fn(&str) -> bool) -> bool {
    bare.contains(" and ") && last_value(bare).is_some_and(|value| value.text == bare.trim_end_matches('.').replace(" and ", " ") && is_right(&value.text))
}

/// Whether the last box of a solution, thinking aside, is closed and holds something to read.
pub(crate) fn has_boxed_result(solution: &str) -> bool {
    boxed::last_box(&without_thinking(solution)).is_some_and(|found| found.is_closed && !normal_form::normal_form(found.inner).is_empty())
}

/// Whether a solution is the reference, letter by letter, a full stop at its end aside; not where it says nothing.
pub(crate) fn is_same_text(solution: &str, reference: &str) -> bool {
    let solution = without_thinking(solution);
    let (solution, reference) = (solution.trim(), reference.trim());
    !solution.is_empty() && (solution == reference || solution.strip_suffix(['.', '。']) == Some(reference))
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

    /// Each solution with an answer that it gives and one that it does not.
    fn check(solutions: &[(&str, &str, &str)]) {
        for (solution, right, wrong) in solutions {
            assert!(solution_matches(solution, right), "`{solution}` says `{right}`");
            assert!(!solution_matches(solution, wrong), "`{solution}` does not say `{wrong}`");
        }
    }

    #[test]
    fn only_the_first_mark_counts() {
        check(&[
            ("<answer>17</answer>\nI checked with 18", "17", "18"),
            ("<answer>16</answer> or rather <answer>The answer is 17</answer> in 3 steps", "17", "16"),
            (r"It is \boxed{17} and not \boxed{12}.", "17", "12"),
            (r"\boxed{17}, which is more than \boxed{12}.", "17", "12"),
            ("The answer is 12.\n\nCorrection: 17.", "17", "12"),
            ("Answer: 17. A common wrong answer is 12.", "17", "12"),
            (r"\boxed{1} or rather \boxed{18 dollars$", "18", "1"),
        ]);
        assert!(!solution_matches(r"So \boxed{18", "18"), "the box may hold more");
    }

    #[test]
    fn what_is_announced_is_told_from_what_follows() {
        for solution in [
            "Answer: 12 (3 rows)",
            "**Answer: 12** (3 rows)",
            "#### 12 (3 rows)",
            "The answer is **12** (3 rows).",
            "Answer: 12 – 3 rows",
            "The answer is 12: 3 rows of 4.",
            "The answer is 12; see step 3.",
            "The answer is 12 when n = 3.",
            "The answer is 12 (since 3 × 4 = 12).",
            "The answer is 3 × 4 = 12 apples.",
            "The answer is: 3 + 9 = **12**",
            "The answer is not 13, it is 12.",
            "The answer is not 13 but 12.",
            "The answer is, therefore, 12.",
            "The answer is indeed $12$.",
            "*Answer:* 12",
        ] {
            check(&[(solution, "12", "3"), (solution, "12", "13")]);
        }
        check(&[
            ("The answer is Paris, the capital of France.", "Paris", "France"),
            ("Answer: Paris (France)", "Paris", "France"),
            ("The answer is Paris and London.", "Paris and London", "Paris"),
            ("The answer is **x = 2** or **x = 3**.", "2, 3", "2"),
            ("The answer is $x = 2$ or $x = -3$.", "x = 2 or x = -3", "2"),
            ("The answer is 3 (mod 7).", "3 (mod 7)", "3"),
            ("The answer is minus 12.", "-12", "12"),
            ("The answer is $3:30$ AM.", "3:30 AM", "3:30 PM"),
        ]);
    }

    #[test]
    fn a_verdict_or_a_letter_may_have_a_reason() {
        check(&[
            ("Yes, because the sum is even.", "Yes", "No"),
            ("Yes\n\nExplanation: 2 < 3.", "Yes", "No"),
            ("So the answer is **Yes**, since 4 > 3.", "Yes", "4"),
            ("Therefore, no.", "no", "yes"),
            ("Absolutely not", "no", "yes"),
            ("There is no solution.", "no solution", "solution"),
            ("an ellipse", "ellipse", "circle"),
            ("正确的是①、③、④。", "①③④", "①③"),
        ]);
        for solution in [
            "所以选B。",
            "【答案】B",
            "答案选B",
            "因此，正确选项是B。",
            "答案应为B",
            "故选B项",
            "选项B正确，选项C错误",
            "Option B is correct.",
            "I choose B.",
            "**B**. 12",
            "The answer is **(B) 12**.",
            "The answer is (B), since C is too small.",
        ] {
            check(&[(solution, "B", "C")]);
        }
    }

    #[test]
    fn the_full_stop_of_an_abbreviation_ends_no_answer() {
        check(&[
            ("The answer is Dr. Smith", "Dr. Smith", "Dr"),
            ("The answer is St. Louis. It lies on a river.", "St. Louis", "St"),
            ("The answer is 5 ft. 3 in.", "5 ft. 3 in.", "5"),
            ("The answer is 5 ft. It is 3 wide.", "5 ft", "3"),
        ]);
    }

    #[test]
    fn a_letter_with_its_value_is_right_for_either() {
        for solution in [
            r"\boxed{C. 12}",
            r"\boxed{C.12}",
            r"\boxed{C: 12}",
            r"\boxed{12 (C)}",
            r"\boxed{\textbf{(C)}\ 12}",
            r"$\boxed{\mathrm{(C)}\ 12}$",
            r"\boxed{\mathrm{C}. 12}",
            "The answer is (C) 12",
            "The answer is (C) $12$.",
            "The answer is C. 12",
            "The answer is C. 12. Done.",
            "The answer is **C. 12**.",
            "The answer is C. $12$.",
            "答案是C.12",
            "C. 12",
        ] {
            check(&[(solution, "12", "13"), (solution, "C", "D"), (solution, "(C) 12", "(D) 13")]);
        }
        check(&[
            ("12", "(C) 12", "(C) 13"),
            ("The answer is C. Paris.", "Paris", "London"),
            ("The answer is C. It is the largest of the four.", "C", "largest"),
            ("The answer is C. 3 of them are red.", "C", "3"),
            (r"\boxed{(C)\ \frac{1}{2}}", "0.5", "2"),
            (r"\boxed{(C)\ (1, 2)}", "(1, 2)", "(2, 1)"),
            (r"\boxed{(C)\ 1, 2}", "1, 2", "2"),
        ]);
    }

    #[test]
    fn a_value_is_not_cut_out_of_several() {
        check(&[
            ("The roots are 1 and -2.", "1, -2", "-2"),
            ("解得x=3或x=-2。", "x=3或x=-2", "-2"),
            ("So x = 2 and x = -3.", r"x = 2 \text{ or } x = -3", "-3"),
            ("The solutions are $(1,2)$ and $(3,4)$.", "(1,2), (3,4)", "(3,4)"),
            ("The primes are 2, 3, 5, and 7.", "2, 3, 5, 7", "7"),
            ("It takes 2 hours and 30 minutes.", "2 hours 30 minutes", "30"),
            ("The total is 16 - 7 = 9, 9 × 2 = 18.", "18", "9, 18"),
            ("In 2019, 45 of them came.", "45", "2019, 45"),
            ("It was signed on July 4, 1776.", "1776", "4, 1776"),
        ]);
    }

    #[test]
    fn what_stands_next_to_a_value_belongs_to_it() {
        check(&[
            ("The train arrives at 3:30 AM.", "3:30 AM", "3:30 PM"),
            ("She wakes at 8 PM.", "8 PM", "8 AM"),
            ("The profit is 18 million dollars.", "18000000", "18"),
            ("一共18万", "180000", "18"),
            ("It is minus 12 degrees.", "-12", "12"),
            ("共18千米", "18", "18000"),
        ]);
        for solution in [
            "Not 18",
            "18 is incorrect.",
            "18 is too small.",
            "The answer cannot be 18.",
            "more than 18",
            "at least 18",
            "18 or more",
            "twice 18",
            "Step 18:",
            "The answer is a multiple of 18.",
            "The wrong answer is 18.",
            "答案不是18",
            "大于18",
        ] {
            assert!(!solution_matches(solution, "18"), "{solution}");
        }
    }
}
