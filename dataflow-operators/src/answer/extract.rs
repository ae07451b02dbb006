//! Finds the final answer in a worked solution.

use std::sync::LazyLock;

use dataflow_core::reply::without_thinking;
use regex::Regex;

use super::formula::last_formula;
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
    marked_answer(&solution).or_else(|| unmarked_answer(&solution))
}

/// The answer of a solution that does not say which it is: its last value, or the whole of the last formula where that is a list or an inequality.
pub(super) fn unmarked_answer(solution: &str) -> Option<String> {
    let whole = last_formula(solution).filter(|formula| !formula.contains(TELLS_A_VALUE));
    let value = last_value(solution);
    match (whole, value) {
        (Some(formula), Some(value)) if without_grouping(formula) == without_grouping(&value) => Some(value),
        (Some(formula), _) => Some(formula.to_owned()),
        (None, value) => value,
    }
}

/// Of a formula with one of these the value is a part.
const TELLS_A_VALUE: [char; 3] = ['=', '≈', '→'];

fn without_grouping(number: &str) -> String {
    number.chars().filter(|character| !matches!(character, ',' | ' ')).collect()
}

/// The answer of a solution that says which it is.
pub(crate) fn marked_answer(solution: &str) -> Option<String> {
    hoped_for(solution).or_else(|| stated_answer(solution)).or_else(|| after_phrase(solution))
}

/// The answer that a reference gives: its boxed answer or what follows `####`; of one in several lines also what it says that the answer is; else the whole text.
pub fn reference_answer(reference: &str) -> String {
    let stated = stated_answer(reference).or_else(|| marked_answer(reference).filter(|_| reference.trim().contains('\n')));
    stated.unwrap_or_else(|| reference.trim().to_owned())
}

/// An answer that is marked as such.
fn stated_answer(text: &str) -> Option<String> {
    boxed_answer(text).or_else(|| after_hashes(text))
}

/// The form that one widely used few-shot prompt teaches: `The final answer is $…$. I hope it is correct.`
fn hoped_for(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("final answer is $")?;
    let (answer, _) = rest.split_once("$. I hope")?;
    some_text(answer)
}

/// What the last box holds; with boxes before it that only `and`, commas and the like part from it, what all of them hold.
fn boxed_answer(text: &str) -> Option<String> {
    static JOIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let join = r"(?:,|;|、|和|或|\\q?quad|\b(?:and|or)\b|\\text\{\s*(?:,|and|or)\s*\})";
        let space = r"(?:\s|\$|\\[()\[\],;: ])*";
        Regex::new(&format!(r"^{space}(?:{join}{space})+$")).ok()
    });
    let mut first = last_box(text)?;
    let mut answers = vec![first.inner];
    let ends_near = |start: usize| text[..start].rfind('}').is_some_and(|end| start - end <= LONGEST_JOIN);
    while ends_near(first.start)
        && let Some(before) = last_box(&text[..first.start])
        && JOIN.as_ref().is_some_and(|join| join.is_match(&text[before.end..first.start]))
    {
        if !answers.contains(&before.inner) {
            answers.push(before.inner);
        }
        first = before;
    }
    answers.reverse();
    Some(answers.join(", "))
}

/// The most bytes between two boxes that belong together.
const LONGEST_JOIN: usize = 60;

/// What the last `\boxed` or `\fbox` holds; braces are matched, and without them the box ends at the next `$` or line.
pub(super) fn last_boxed(text: &str) -> Option<&str> {
    last_box(text).map(|found| found.inner)
}

/// A box: where its command begins, and where it ends.
pub(super) struct Boxed<'a> {
    start: usize,
    end: usize,
    pub(super) inner: &'a str,
    /// Whether its braces are closed, if it has some.
    pub(super) is_closed: bool,
}

pub(super) fn last_box(text: &str) -> Option<Boxed<'_>> {
    // `boxed` with neither backslash nor brace is a word.
    let is_command = |name: usize, end: usize| text[..name].ends_with('\\') || text[end..].starts_with('{');
    let command = |(at, word): (usize, &str)| {
        let end = at + word.len();
        let (name, end) = if text[end..].starts_with("ed") { (at, end + "ed".len()) } else { (text[..at].strip_suffix('f')?.len(), end) };
        is_command(name, end).then_some((name, end))
    };
    let (name, at) = text.rmatch_indices("box").find_map(command)?;
    let rest = text[at..].trim_start();
    let begin = text.len() - rest.len();
    let start = text[..name].trim_end_matches('\\').len();
    // The box from here on, without braces or within them.
    let of_length = |inner: &str, length: usize, is_closed: bool| {
        let from = text.len() - inner.len();
        let end = from + length + usize::from(is_closed && from > begin);
        has_content(&inner[..length]).then(|| Boxed { start, end, inner: text[from..from + length].trim(), is_closed })
    };
    let Some(inner) = rest.strip_prefix('{') else {
        return of_length(rest, rest.find(['$', '\n']).unwrap_or(rest.len()), true);
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
                    return of_length(inner, index, true);
                }
            }
            _ => {}
        }
    }
    of_length(inner, inner.find('$').unwrap_or(inner.len()), false)
}

fn after_hashes(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("####")?;
    some_text(rest.trim_start().lines().next()?)
}

/// What follows the last phrase that announces an answer, to the end of the sentence.
fn after_phrase(text: &str) -> Option<String> {
    static PHRASE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)(?:\banswer(?:\s+(?:is|must\s+be|should\s+be|would\s+be)|\*{0,2}\s*[:：])|\bcorrect\s+(?:option|choice)\s+is|答案(?:是|为|：|:)|故选[择:：]?)").ok()
    });
    let found = PHRASE.as_ref()?.find_iter(text).last()?;
    let rest = text[found.end()..].trim_start_matches(|character: char| character.is_whitespace() || matches!(character, ':' | '：' | '*'));
    let line = rest.lines().next()?;
    if let Some(inner) = formula_at_start(rest, line) {
        return some_text(inner);
    }
    let sentence = line.find(". ").or_else(|| line.find('。')).map_or(line, |end| &line[..end]);
    some_text(without_full_stop(sentence))
}

/// The formula in marks that a text begins with; one between single dollars ends in its line.
fn formula_at_start<'a>(text: &'a str, line: &'a str) -> Option<&'a str> {
    [("$$", "$$", text), ("$", "$", line), ("\\(", "\\)", text), ("\\[", "\\]", text)].into_iter().find_map(|(open, close, text)| {
        let inner = text.strip_prefix(open)?;
        let (end, _) = inner.match_indices(close).find(|(at, _)| !inner[..*at].ends_with('\\'))?;
        Some(&inner[..end]).filter(|inner| !inner.trim().is_empty())
    })
}

/// A sentence without the mark that ends it and without asterisks round it. A full stop leaves the mark of a factorial, `n!.`, and the dots of `0.333...`.
fn without_full_stop(sentence: &str) -> &str {
    let bare = |text: &'_ str| text.trim_end_matches(['*', ' ']).len();
    let sentence = &sentence[..bare(sentence)];
    if sentence.strip_suffix("...").is_some_and(|number| number.ends_with(|last: char| last.is_ascii_digit())) {
        return sentence;
    }
    let stopped = sentence.trim_end_matches(['.', '。']);
    if stopped.len() < sentence.len() { &stopped[..bare(stopped)] } else { sentence.trim_end_matches(['!', '！']) }
}

fn some_text(text: &str) -> Option<String> {
    has_content(text).then(|| text.trim().to_owned())
}

fn has_content(text: &str) -> bool {
    text.contains(|character: char| character.is_alphanumeric() || matches!(character, '\\' | '∞' | '∅'))
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
