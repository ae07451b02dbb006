//! The sign of a number below zero: the dashes that stand for it, and the words, as in `minus 5`, `negative 5`, `负5` and `零下5`.

use std::sync::LazyLock;

use regex::Regex;

use crate::pattern::pattern;

/// The sign in words, as a pattern for all letter cases.
pub(crate) const MINUS: &str = r"(?:\b(?:minus|negative)\s+|(?:[负負]|零下)\s*)";

/// Other characters than the hyphen that are put in its place before a number: the minus sign, the dash of print, the full-width hyphen.
pub(super) const PRINTED: [char; 3] = ['−', '–', '－'];

/// Whether a text is a minus sign, as it is typed or printed.
pub(super) fn is_minus(text: &str) -> bool {
    text == "-" || PRINTED.iter().any(|sign| text.strip_prefix(*sign) == Some(""))
}

/// What stands behind the sign that a text begins with.
pub(super) fn after_minus(text: &str) -> Option<&str> {
    static FIRST: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("^(?i){MINUS}")));
    Some(&text[FIRST.find(text)?.end()..])
}

#[cfg(test)]
mod tests {
    use crate::answer::{answers_match, solution_matches};

    #[test]
    fn each_of_them_is_a_sign_wherever_a_number_is_read() {
        for sign in ["minus ", "Minus ", "negative ", "NEGATIVE  ", "负", "負", "零下"] {
            for number in ["12", "$12$"] {
                assert!(answers_match(&format!("{sign}{number}"), "-12"), "{sign}{number}");
                for solution in [
                    format!("The answer is {sign}{number}."),
                    format!("答案是{sign}{number}。"),
                    format!("a total of {sign}{number}"),
                    format!("So we get {sign}{number}."),
                ] {
                    assert!(solution_matches(&solution, "-12"), "{solution}");
                    assert!(!solution_matches(&solution, "12"), "{solution}");
                }
            }
        }
        for sign in ["-", "−", "–", "－"] {
            assert!(answers_match(&format!("{sign}12"), "-12"), "{sign}12");
            for solution in [format!("The answer is {sign}12."), format!("a total of {sign}12"), format!("So we get $x = {sign}12$.")] {
                assert!(solution_matches(&solution, "-12"), "{solution}");
                assert!(!solution_matches(&solution, "12"), "{solution}");
            }
            assert!(!solution_matches(&format!("It is {sign}\\frac{{1}}{{2}}."), "0.5"), "{sign}");
        }
        for solution in ["from 9–12", "from 9 – 12"] {
            assert!(!solution_matches(solution, "-12"), "{solution}");
        }
        assert!(answers_match("minus twelve", "-12") && answers_match("負三", "-3"));
    }
}
