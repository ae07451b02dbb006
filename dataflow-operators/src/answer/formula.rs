//! The last formula in marks of LaTeX, where a solution ends with one.

use super::expression;

/// What stands between the last marks of a formula, where no value follows them; `None` where it is prose, as between the dollars of two prices.
pub(super) fn last_formula(text: &str) -> Option<&str> {
    let closers = [("\\(", "\\)"), ("\\[", "\\]"), ("$", "$")];
    let (end, open, close) = closers.into_iter().filter_map(|(open, close)| Some((text.rfind(close)?, open, close))).max_by_key(|(end, ..)| *end)?;
    let (start, end) = if open == "$" { between_dollars(text, end)? } else { (text[..end].rfind(open)? + open.len(), end) };
    let (formula, after) = (text[start..end].trim(), &text[end + close.len()..]);
    let is_last = !after.contains(|character: char| character.is_numeric() || matches!(character, '\\' | 'π' | '√'));
    (is_last && formula.contains(|character: char| character.is_numeric() || matches!(character, '\\' | 'π' | '√' | '∞')) && !has_prose(formula))
        .then_some(formula)
}

/// Where the inside of the last pair of dollars begins and ends; dollars that have no partner are prices.
fn between_dollars(text: &str, last: usize) -> Option<(usize, usize)> {
    let dollars = text.matches('$').count() - text.matches("\\$").count();
    if dollars % 2 == 1 || text[..last].ends_with('\\') {
        return None;
    }
    let end = text[..=last].trim_end_matches('$').len();
    let (open, _) = text[..end].rmatch_indices('$').find(|(at, _)| !text[..*at].ends_with('\\'))?;
    Some((open + 1, end))
}

/// Whether words stand in a formula; commands and what they apply to are none, nor are names of functions.
fn has_prose(formula: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphabetic();
    let mut rest = formula;
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..start + rest[start..].find(|character| !is_word(character)).unwrap_or(rest.len() - start)];
        let is_formula =
            rest[..start].ends_with(['\\', '{', '_']) || word.chars().all(|letter| letter.is_ascii_uppercase()) || expression::is_name(word) || word == "xyz";
        let joins = rest.len() < formula.len() && ["and", "or"].contains(&word); // `x < 1 or x > 3`
        if !joins && (word.len() > 2 && !is_formula || ["is", "so", "of", "to", "we", "or"].contains(&word)) {
            return true;
        }
        rest = &rest[start + word.len()..];
    }
    formula.contains("\\text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_ends_a_text_and_is_no_prose_is_its_last_formula() {
        for (text, wanted) in [
            ("We find $x = 1$ and $x \\geq 5$.", Some("x \\geq 5")),
            ("so \\[ 7, -9 \\]", Some("7, -9")),
            ("so $$\n(1, 2)\n$$", Some("(1, 2)")),
            ("so \\(3 : 2\\) it is", Some("3 : 2")),
            ("so $x = 2$ after 3 steps", None),
            ("$5 and she pays $10.", None),
            ("They are 5$ and 10$ each", None),
            ("It costs $5.", None),
            ("so $\\text{about } 5$", None),
            ("so $\\$5$", Some("\\$5")),
            ("so $x$", None),
            ("", None),
        ] {
            assert_eq!(last_formula(text), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"[\\()\[\]${}a-z0-9é .=]{0,60}") {
            last_formula(&text);
        }
    }
}
