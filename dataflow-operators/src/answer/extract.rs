//! Finds the final answer in a worked solution.

use std::sync::LazyLock;

use dataflow_core::reply::without_thinking;
use regex::Regex;

use super::last_value::last_value;

/// The final answer of a solution, by the first of these that is there: `final answer is $…$. I hope`, the last `\boxed{…}`, what
/// follows the last `####`, what follows the last "the answer is" (答案是), the last value: a number, or the whole fraction, root, power, formula, tuple or time of day that
/// the last number is part of.
///
/// ```
/// use dataflow_operators::answer::extract_answer;
/// assert_eq!(extract_answer(r"So $x = \boxed{\frac{1}{2}}$."), Some(r"\frac{1}{2}".to_owned()));
/// assert_eq!(extract_answer("4 apples and 3 more. The answer is 7."), Some("7".to_owned()));
/// assert_eq!(extract_answer("So x = 2/3."), Some("2/3".to_owned()));
/// assert_eq!(extract_answer("I do not know."), None);
/// ```
pub fn extract_answer(solution: &str) -> Option<String> {
    let solution = without_thinking(solution);
    marked_answer(&solution).or_else(|| last_value(&solution))
}

/// The answer of a solution that says which it is.
pub(crate) fn marked_answer(solution: &str) -> Option<String> {
    hoped_for(solution).or_else(|| stated_answer(solution)).or_else(|| after_phrase(solution))
}

/// The answer that a reference gives: its boxed answer or what follows `####`, and else the whole text.
pub fn reference_answer(reference: &str) -> String {
    stated_answer(reference).unwrap_or_else(|| reference.trim().to_owned())
}

/// An answer that is marked as such.
fn stated_answer(text: &str) -> Option<String> {
    last_boxed(text).or_else(|| after_hashes(text))
}

/// The form that one widely used few-shot prompt teaches: `The final answer is $…$. I hope it is correct.`
fn hoped_for(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("final answer is $")?;
    let (answer, _) = rest.split_once("$. I hope")?;
    some_text(answer)
}

/// What the last `\boxed` or `\fbox` holds; braces are matched, and without them the box ends at the next `$` or line.
pub(super) fn last_boxed(text: &str) -> Option<String> {
    let at = ["boxed", "fbox"].iter().filter_map(|name| text.rfind(name).map(|at| at + name.len())).max()?;
    let rest = text[at..].trim_start();
    let Some(inner) = rest.strip_prefix('{') else {
        return some_text(rest.split(['$', '\n']).next()?);
    };
    let mut depth = 1usize;
    let mut escaped = false;
    for (index, character) in inner.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return some_text(&inner[..index]);
                }
            }
            _ => {}
        }
    }
    some_text(inner.split('$').next()?)
}

fn after_hashes(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("####")?;
    some_text(rest.trim_start().lines().next()?)
}

/// What follows the last phrase that announces an answer, to the end of the sentence.
fn after_phrase(text: &str) -> Option<String> {
    static PHRASE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)(?:\banswer(?:\s+is|\*{0,2}\s*[:：])|答案(?:是|为|：|:))").ok());
    let found = PHRASE.as_ref()?.find_iter(text).last()?;
    let rest = text[found.end()..].trim_start_matches(|character: char| character.is_whitespace() || matches!(character, ':' | '：' | '*'));
    let line = rest.lines().next()?;
    for (open, close) in [("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")] {
        if let Some((inner, _)) = line.strip_prefix(open).and_then(|inner| inner.split_once(close)) {
            return some_text(inner);
        }
    }
    let sentence = line.find(". ").or_else(|| line.find('。')).map_or(line, |end| &line[..end]);
    some_text(sentence.trim_end_matches(['.', '。', '*', '!', '！', ' ']))
}

fn some_text(text: &str) -> Option<String> {
    let text = text.trim();
    text.chars().any(|character| character.is_alphanumeric() || matches!(character, '\\' | '∞' | '∅')).then(|| text.to_owned())
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
            "the answer is:\n\n12",
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
        12
        none
        ");
    }

    #[test]
    fn a_reference_without_a_mark_is_its_own_answer() {
        assert_eq!(reference_answer(" x = 3 "), "x = 3");
        assert_eq!(reference_answer("Work.\n#### 18"), "18");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"[\\boxedf{}$#. 答案是a-z0-9,\-]{0,80}") {
            extract_answer(&text);
            reference_answer(&text);
        }
    }
}
