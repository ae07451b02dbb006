//! Values side by side, which are one answer: `1 and -2`, `x = 1 or x = -2`, `2, 3 and 5`.

use std::sync::LazyLock;

use regex::Regex;

use super::near::before;
use crate::pattern::pattern;

/// What stands between two items of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    Comma,
    /// `and`, `or` and their like, which enumerate whatever stands before.
    Word,
}

/// How two values are joined by what stands between them, names such as `x =` aside; `None` where it is more than that.
pub(super) fn joint(between: &str) -> Option<Joint> {
    static JOINT: LazyLock<Regex> = LazyLock::new(|| {
        let comma = r"[,;、，；]|\\q?quad|\\text\{\s*,\s*\}";
        let word = r"\b(?:and|or)\b|[和或及]|\\text\{\s*(?:and|or)\s*\}";
        let space = r"(?:\s|\$|\*\*|\\[()\[\],;: ])*";
        pattern(&format!(r"^{space}(?:(?:{comma}|(?<word>{word})){space})+(?:{NAME}\s*[=≈]\s*)?$"))
    });
    if between.len() > LONGEST {
        return None;
    }
    let found = JOINT.captures(between)?;
    Some(if found.name("word").is_some() { Joint::Word } else { Joint::Comma })
}

/// The most bytes between two items.
const LONGEST: usize = 60;

const NAME: &str = r"\p{L}(?:_\{?\w{1,2}\}?|[₀-₉'′])?";

/// The name that an equation right before a place gives to what follows, without its index: `x` of `x_1 = `.
pub(super) fn name_before(text: &str, at: usize) -> Option<char> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?:^|[^\p{{L}}\d\\_^}}])({NAME})\s*[=≈]$")));
    NAMED.captures(before(text, at))?.get(1)?.as_str().chars().next()
}

/// Whether what stands before a place lets values that only commas part be a list, and not a date or `In 2019, 45`.
pub(super) fn introduces_a_list(text: &str, at: usize) -> bool {
    static INTRODUCED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)(?:^|[:：=≈.?\n是为得]|\b(?:is|are|was|were|be|get|gives?|obtain|find|have|answers?|roots?|solutions?|values?))$"));
    INTRODUCED.is_match(before(text, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_enumerates_joins_values() {
        for between in [", ", " and ", ", and ", "$ or $x = ", "或x=", "，$x_2=", r"\quad ", r" \text{ or } ", "、"] {
            assert!(joint(between).is_some(), "{between}");
        }
        for between in ["", " ", " eggs, ", ": ", ", 9 × 2 = ", " + ", ". "] {
            assert_eq!(joint(between), None, "{between}");
        }
        assert_eq!((joint(", and "), joint("; ")), (Some(Joint::Word), Some(Joint::Comma)));
    }

    #[test]
    fn names_are_read_without_their_index() {
        assert_eq!(
            ["x = 1", "so $x_1=1", "x₂ = 1", "2x = 1", "max = 1", "1"].map(|text| name_before(text, text.len() - 1)),
            [Some('x'), Some('x'), Some('x'), None, None, None]
        );
    }
}
