//! What an answer in a sentence comes down to.

use std::sync::LazyLock;

use regex::Regex;

use super::last_value::last_value;
use super::list::joint;
use crate::pattern::pattern;

/// The value that a sentence tells: what is set in bold letters, the letter of a choice, what stands before a reason, an aside or a contrast (`5, not 6`, `12 (3 rows)`),
/// the result of a calculation, what stands behind `is` (`The largest n is 34`), or the one number in it. `None` where it says nothing so plain, and where it says no
/// more than the value.
pub(crate) fn gist(sentence: &str) -> Option<String> {
    let sentence = sentence.trim();
    if let Some(bold) = in_bold(sentence) {
        return Some(gist_of_plain(bold).unwrap_or_else(|| bold.to_owned()));
    }
    gist_of_plain(sentence)
}

fn gist_of_plain(sentence: &str) -> Option<String> {
    /// A letter with its option, or with a reason: `B项`, `B: the sun`.
    static LETTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\(?([A-H])\)?\s*(?:项|选项|[:：；;–—]|\s-\s)"));
    static AFTERTHOUGHT: LazyLock<Regex> = LazyLock::new(|| {
        let reason = r"(?:,?\s+(?:not|since|because|but|which|where|given|rather than)|\s+(?:as|when|\(?(?:if|for|with)\s+\$?\w\s*=)|,\s*(?:as|so|and not|it|they|he|she|this|there|we|the|an?))[\s\d$]";
        let aside = r"\s*[(（](?:\D|\d.*[^\d)）.,]\)?)|\s+[–—-]\s|[:;](?:\s|$)";
        let chinese = r"[，,]?(?:因为|而不是|不是)|[；：，]";
        pattern(&format!("(?i)(?:{reason}|{aside}|{chinese})"))
    });
    /// What only looks like an aside, and says more of the value: `3 (mod 7)`, `kπ (k∈Z)`.
    static CONDITION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\s*[(（]\s*(?:\\?p?mod\b|or\b|and\b|[^)）]*(?:∈|\\in\b))"));
    static CALCULATION: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[\d\s.,+*/×÷·()$−-]+=\s*(?:[\d\s.,+*/×÷·()$−-]+=\s*)*(\S.*)$"));
    static COPULA: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\s(?:is|are|was|were|equals)[\s:]+|(?:是|为|等于)[:：]?"));
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d+(?:[.,]\d+)*"));
    /// With one of these in it a sentence does not say that its number is the answer.
    static VAGUE: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)\b(?:not|no|never|than|least|most|over|under|between|except|about|if|or|either|could|may|might)\b|n't\b|[不非约或]"));
    /// Brackets right behind a name hold what it is of: `\gcd(a, b)`, `f(x)`, `\det (A)`.
    static ARGUMENT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:[A-Za-z](?:\}|_\{?\w+\}?)?|\\[A-Za-z]+\s+)$"));
    if let Some(letter) = LETTER.captures(sentence) {
        return Some(letter[1].to_owned());
    }
    let is_condition = |at: usize| CONDITION.is_match(&sentence[at..]);
    let is_argument = |cut: &str, at: usize| {
        let bracket = cut.find('(').filter(|bracket| cut[..*bracket].trim().is_empty());
        bracket.is_some_and(|bracket| ARGUMENT.is_match(&sentence[sentence.floor_char_boundary(at.saturating_sub(40))..at + bracket]))
    };
    let is_aside = |cut: &regex::Match<'_>| cut.start() > 0 && !is_condition(cut.start()) && !is_argument(cut.as_str(), cut.start());
    if let Some(cut) = AFTERTHOUGHT.find_iter(sentence).find(is_aside) {
        let head = sentence[..cut.start()].trim_end_matches([',', ' ']);
        let is_plain = !head.is_empty() && (!head.contains(' ') || head.contains(|character: char| character.is_ascii_digit()));
        return if is_plain { Some(gist_of_plain(head).unwrap_or_else(|| head.to_owned())) } else { None };
    }
    if let Some(result) = CALCULATION.captures(sentence) {
        return Some(result[1].to_owned());
    }
    if let Some(copula) = COPULA.find_iter(sentence).last() {
        return Some(sentence[copula.end()..].trim().to_owned()).filter(|rest| !rest.is_empty());
    }
    let mut numbers = NUMBER.find_iter(sentence);
    let number = numbers.next()?;
    if VAGUE.is_match(sentence) {
        return None;
    }
    let words = sentence[..number.start()].split_whitespace().filter(|word| word.len() > 1 && word.chars().all(char::is_alphabetic)).count();
    if words > 1 && numbers.next().is_none() { last_value(sentence).map(|value| value.text) } else { None }
}

/// What is set in bold letters, where the sentence begins within them or where only one part of it is; not the first of several items.
fn in_bold(sentence: &str) -> Option<&str> {
    let parts: Vec<&str> = sentence.split("**").collect();
    let (inner, after) = match parts[..] {
        ["", inner] => (inner, ""),
        [inner, after] | [_, inner, after] => (inner, after),
        _ => return None,
    };
    let is_item = after.find(|character: char| character.is_alphanumeric()).is_some()
        && ["and ", "or ", ", ", "和", "或", "、"].iter().any(|word| after.trim_start().starts_with(word) && joint(&format!("{word} ")).is_some());
    Some(inner.trim()).filter(|inner| !inner.is_empty() && !is_item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_comes_down_to_the_value_that_it_tells() {
        for (sentence, wanted) in [
            ("5, not 6", Some("5")),
            ("Yes, it is", Some("Yes")),
            ("B because 2 + 3 = 5", Some("B")),
            ("The largest $n$ is 34", Some("34")),
            ("Jane started it 3 hours ago", Some("3 hours")),
            ("最大值是 7", Some("7")),
            ("Paris (in France)", Some("Paris")),
            ("12 (in all)", Some("12")),
            (r"2\gcd(a,b)", None),
            (r"2\min (x, y)", None),
            (r"\operatorname{rank}(A)", None),
            ("5", None),
            ("5 apples", None),
            ("The most that there could be is 19", Some("19")),
            ("It is more than 5", Some("more than 5")),
            ("He has more than 5", None),
            ("between 5 and 6", None),
            ("the same as before", None),
        ] {
            assert_eq!(gist(sentence).as_deref(), wanted, "{sentence}");
        }
    }
}
