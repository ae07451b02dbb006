//! Finds the final answer in a worked solution.
//!
//! A solution gives a short list of candidates. Only the first mark that is there counts, so that no later number makes a wrong answer right; what a mark holds is
//! compared whole, and where it says more than an answer, by what it comes down to.

use dataflow_core::reply::{tagged, without_thinking};

use super::announced::{after_hashes, after_phrase, chosen_letter};
use super::boxed::{boxed_answer, is_cut_off};
use super::compare::is_answer;
use super::content::{has_content, some_text, without_bold};
use super::formula::last_formula;
use super::gist::gist;
use super::last_value::last_value;
use super::verdict::verdict;

/// The final answer of a solution, by the first of these that is there: what the last `<answer>` holds, `final answer is $…$. I hope`, the last `\boxed{…}`, what
/// follows the last `####`, what follows the last "the answer is" (答案是), the letter of a choice (故选B), a verdict (`Yes, since …`), the last value: a number, or the whole
/// fraction, root, power, formula, tuple, list or time of day that the last number is part of. What a text takes back (`not 5`) is none of these.
///
/// ```
/// use dataflow_operators::answer::extract_answer;
/// assert_eq!(extract_answer(r"So $x = \boxed{\frac{1}{2}}$."), Some(r"\frac{1}{2}".to_owned()));
/// assert_eq!(extract_answer("4 apples and 3 more. The answer is 7 (since 4 + 3 = 7)."), Some("7".to_owned()));
/// assert_eq!(extract_answer("So x = 2/3."), Some("2/3".to_owned()));
/// assert_eq!(extract_answer("The roots are 1 and -2."), Some("1, -2".to_owned()));
/// assert_eq!(extract_answer("I do not know."), None);
/// ```
pub fn extract_answer(solution: &str) -> Option<String> {
    let solution = without_thinking(solution);
    let solution = tagged_answer(&solution).unwrap_or(&solution);
    match marked(solution) {
        Some(candidates) => most_definite(&candidates),
        None => verdict(solution).map(ToOwned::to_owned).or_else(|| unmarked_answers(solution).into_iter().next()),
    }
}

/// The answer of a solution that says which it is; the letter of a choice alone, as in `so B is correct`, does not count here.
pub(crate) fn marked_answer(solution: &str) -> Option<String> {
    match tagged_answer(solution) {
        Some(inner) => stated(inner).map_or_else(|| some_text(inner), |candidates| most_definite(&candidates)),
        None => most_definite(&stated(solution)?),
    }
}

/// The answer that a reference gives: its boxed answer or what follows `####`; of one in several lines also what it says that the answer is; else the whole text.
pub fn reference_answer(reference: &str) -> String {
    let stated = boxed_answer(reference).or_else(|| after_hashes(reference));
    let stated = stated.or_else(|| marked_answer(reference).filter(|_| reference.trim().contains('\n')));
    stated.unwrap_or_else(|| reference.trim().to_owned())
}

/// What the last `<answer>…</answer>` of a text holds, if it holds something: all that counts where a model was told to write so.
pub(super) fn tagged_answer(text: &str) -> Option<&str> {
    let opens = |(at, _): &(usize, &str)| text.as_bytes()[*at..].get(..8).is_some_and(|tag| tag.eq_ignore_ascii_case(b"<answer>"));
    let (start, _) = text.rmatch_indices('<').find(opens)?;
    tagged(&text[start..], "answer").filter(|inner| has_content(inner))
}

/// What the first mark that is there holds, and what that comes down to; nothing where the text was cut off within it.
pub(super) fn marked(text: &str) -> Option<Vec<String>> {
    stated(text).or_else(|| Some(vec![chosen_letter(text)?]))
}

/// As [`marked`], of marks that say that what follows is the answer.
fn stated(text: &str) -> Option<Vec<String>> {
    if is_cut_off(text) {
        return Some(Vec::new());
    }
    let whole = hoped_for(text).or_else(|| boxed_answer(text)).or_else(|| after_hashes(text)).or_else(|| after_phrase(text))?;
    // A dash between spaces may begin an aside: `12 – 3 rows`.
    let gist = if is_answer(&whole) && !whole.contains(" – ") { None } else { gist(&whole) };
    let whole = without_bold(&whole);
    // An equation in an aside, `12 when n = 3`, is none that ends in the answer.
    let is_aside = whole.contains('=') && gist.as_deref().is_some_and(is_answer);
    Some(Some(whole).filter(|_| !is_aside).into_iter().chain(gist).collect())
}

/// Of what a mark holds and what that comes down to, the latter where it is an answer: `12` of `12 (3 rows)`, and the whole of `Paris (France)`.
fn most_definite(candidates: &[String]) -> Option<String> {
    let gist = candidates.get(1).filter(|gist| is_answer(gist));
    gist.or(candidates.first()).cloned()
}

/// The answers that a solution may give that does not say which it is, the best first: its last value, the whole of the last formula where that is more.
pub(super) fn unmarked_answers(solution: &str) -> Vec<String> {
    let formula = last_formula(solution);
    let Some(value) = last_value(solution) else { return formula.filter(|_| !has_digits(solution)).map(ToOwned::to_owned).into_iter().collect() };
    // A list of which the last formula is one item says more than that.
    let begins = |formula: &str| solution.rfind(formula).unwrap_or_default();
    match formula.filter(|formula| value.start >= begins(formula)) {
        Some(formula) if without_grouping(&value.text).starts_with(&without_grouping(formula)) => vec![value.text],
        Some(formula) if tells_a_value(formula) => vec![value.text, formula.to_owned()],
        Some(formula) => vec![formula.to_owned(), value.text],
        None => vec![value.text],
    }
}

fn has_digits(text: &str) -> bool {
    text.contains(|character: char| character.is_ascii_digit())
}

/// Whether the value is a part of a formula that only says what it is of: `x = 5`; not `a^2 + b^2 = c^2`, and not `x = 2k, k \in Z`.
fn tells_a_value(formula: &str) -> bool {
    let Some((first, last)) = formula.split_once(['=', '≈', '→']) else { return false };
    let is_condition = ["∈", "\\in", "\\equiv"].iter().any(|sign| formula.contains(sign));
    let has_letters = |side: &str| side.contains(|letter: char| letter.is_alphabetic());
    !is_condition && (!has_letters(last) || !first.contains(['+', '^', '*']))
}

fn without_grouping(number: &str) -> String {
    number.chars().filter(|character| !matches!(character, ',' | ' ')).collect()
}

/// The form that one widely used few-shot prompt teaches: `The final answer is $…$. I hope it is correct.`
fn hoped_for(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("final answer is $")?;
    let (answer, _) = rest.split_once("$. I hope")?;
    some_text(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;
    use proptest::prelude::*;

    #[test]
    fn answers_are_found_where_solutions_state_them() {
        let solutions = [
            r"The final answer is $\frac{2}{3}$. I hope it is correct.",
            r"First \boxed{1}, then after a second look \boxed{\left\{1, \sqrt{2}\right\}}.",
            r"$\boxed 5$ and done",
            r"\boxed{\text{never closed $",
            "16 - 3 - 4 = 9 eggs\n#### 18",
            "Therefore the answer is $x^2+1$, as 5 shows.",
            "**Answer:** 1,234.5 km\nBecause 7.",
            "所以答案是：三分之一。共 9 步。",
            "It costs $3,456.70 in all",
            "so 10-3",
            "<think>the answer is 4</think> The answer is 5!",
            "The correct option is (B). It is 12.",
            "所以共 12 种，故选：C。",
            "The answer is n!.",
            "The answer is **0.333...**",
            "The answer is \\[\n9\n\\].",
            r"The answer is $\$5.50$.",
            r"So \boxed{2}, $\boxed{3}$ and \boxed{5}.",
            r"First \boxed{2} and we check that \boxed{3}.",
            r"\boxed{2}\text{ or }\boxed{2}",
            "We find that $x \\geq 5$.",
            "Therefore it is $7, -9$ for all.",
            "It costs $5 and she pays $10.",
            "the answer is:\n\n12",
            r"I have boxed \boxed{7}, the boxed answer.",
            "no idea",
        ];
        assert_snapshot!(solutions.iter().map(|solution| extract_answer(solution).unwrap_or("none".into())).collect::<Vec<_>>().join("\n"), @r"
        \frac{2}{3}
        \left\{1, \sqrt{2}\right\}
        5
        \text{never closed
        18
        x^2+1
        1,234.5 km
        三分之一
        3456.70
        10-3
        5
        (B)
        C
        n!
        0.333...
        9
        \$5.50
        2, 3, 5
        3
        2
        x \geq 5
        7, -9
        10
        12
        7
        none
        ");
    }

    #[test]
    fn a_reference_without_a_mark_is_its_own_answer() {
        assert_eq!(reference_answer(" x = 3 "), "x = 3");
        assert_eq!(reference_answer("Work.\n#### 18"), "18");
        assert_eq!(reference_answer("5 + 13 = 18.\nThe answer is 18."), "18");
        assert_eq!(reference_answer("The answer is 18."), "The answer is 18.");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"[\\boxedf{}$#. 答案是a-z0-9,\-]{0,80}") {
            extract_answer(&text);
            reference_answer(&text);
        }
    }
}
