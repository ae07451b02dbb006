//! The sign of a number below zero that is written out: `minus 5`, `negative 5`, `负5`.

use std::sync::LazyLock;

use regex::Regex;

use crate::pattern::pattern;

/// The sign, as a pattern for all letter cases.
pub(crate) const MINUS: &str = r"(?:\b(?:minus|negative)\s+|[负負]\s*)";

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
        for sign in ["minus ", "Minus ", "negative ", "NEGATIVE  ", "负", "負"] {
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
        assert!(answers_match("minus twelve", "-12") && answers_match("負三", "-3"));
    }
}
