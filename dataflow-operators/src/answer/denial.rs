//! Words round a value that deny it, limit it, or make another one of it. How a text stands to the choices of a benchmark is another question, with words of its own.

use std::sync::LazyLock;

use regex::Regex;

use super::near::{after, before};
use crate::pattern::pattern;

/// Whether what stands right before or after a part of a text takes it back, or says that the answer is another one.
///
/// `not 18`, `more than 18`, `half of 18`, `18 is too small`, `18 or more`; a value that is only far from such words is none of these.
pub(super) fn is_denied(text: &str, start: usize, end: usize) -> bool {
    static BEFORE: LazyLock<Regex> = LazyLock::new(|| {
        let denied = r"(?:\bnot|\bnever|n['’]t|\bcannot)(?:\s+(?:be|equal|equal\s+to|exactly|the|option))?";
        let limited = r"\bthan(?:\s+or\s+equal\s+to)?|\bat\s+(?:least|most)";
        let changed = r"\b(?:half|twice|double|triple)(?:\s+of)?|\b(?:square|cube|root|power|multiple|divisor|factor|third|quarter)\s+of";
        let calculated = r"\d\s*(?:plus|minus|times|divided\s+by)";
        let wrong = r"\b(?:wrong|incorrect|false)\s+(?:\w+\s+)?(?:is|was)";
        let chinese = r"不是|不为|不等于|不[能应该]?选|大于|小于|至少|至多|超过|不足|多于|少于|高于|低于|错误答案[是为]|分之";
        pattern(&format!(r"(?i)(?:{denied}|{limited}|{changed}|{calculated}|{wrong}|{chinese})\s*:?$"))
    });
    static AFTER: LazyLock<Regex> = LazyLock::new(|| {
        let wrong = r"(?:wrong|incorrect|false|too\s+\w+|(?:not|n['’]t)\s+(?:the\s+|an?\s+)?(?:answer|correct|right|solution|valid|possible)\b)";
        let limited = r"or\s+(?:more|less|fewer|greater|higher|above|below)\b|at\s+(?:most|least)\b";
        let changed = r"squared|cubed|(?:st|nd|rd|th)\s+power|(?:plus|minus|times|divided\s+by)\s+\$?\d";
        let chinese = r"以上|以下|以内|分之|(?:选?项)?(?:是?错误|是错|不正确|不对|不是答案)";
        pattern(&format!(r"(?i)^(?:[,，]?\s*(?:which\s+)?(?:is|are|was)\s*{wrong}|{limited}|{changed}|{chinese}|\+(?:\s|$))"))
    });
    BEFORE.is_match(before(text, start)) || AFTER.is_match(after(text, end))
}

/// Whether a number only counts something of the text itself: `Step 12`, `Figure 2`, `第3题`.
pub(super) fn is_label(text: &str, start: usize) -> bool {
    static LABEL: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:\b(?:step|figure|equation|example|case)|第)$"));
    LABEL.is_match(before(text, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_next_to_a_value_deny_it() {
        let around = |text: &str| {
            let start = text.find("18").unwrap_or_default();
            is_denied(text, start, start + 2)
        };
        for denied in [
            "Not 18",
            "The answer cannot be 18.",
            "it isn't **18**",
            "x is greater than $18$",
            "at least 18",
            "half of 18",
            "a multiple of 18",
            "5 plus 18",
            "A common wrong answer is 18.",
            "18 is incorrect.",
            "18 is too small.",
            "18, which is wrong",
            "18 is not the answer",
            "18 or more",
            "18 squared",
            "18 plus 5",
            "不能选18",
            "18+",
            "答案不是18",
            "大于18",
            "18以上",
        ] {
            assert!(around(denied), "{denied}");
        }
        for said in [
            "18",
            "It is 18, not 17.",
            "a total of 18",
            "The number 18 is not prime.",
            "18 or 19",
            "Rather than guess we find 18",
            "共18个",
            "than that: it is 18",
        ] {
            assert!(!around(said), "{said}");
        }
        assert!(is_label("Step 12:", 5) && is_label("第3题", 3) && !is_label("steps: 12", 7));
    }
}
