//! What an answer in a sentence comes down to.

use std::sync::LazyLock;

use regex::Regex;

use super::last_value::last_value;

/// The value that a sentence tells: what stands before a reason or a contrast (`5, not 6`), what stands behind `is` (`The largest n is 34`), or the one
/// number in it. `None` where it says nothing so plain, and where it says no more than the value.
pub(crate) fn gist(sentence: &str) -> Option<String> {
    static AFTERTHOUGHT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)(?:,?\s+(?:not|since|because|but|which|rather than)|,\s*(?:as|so|and not|it|they|he|she|this|there|we))\s|，?(?:因为|而不是|不是)")
            .ok()
    });
    static COPULA: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\s(?:is|are|was|were|equals)[\s:]+|(?:是|为|等于)[:：]?").ok());
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d+(?:[.,]\d+)*").ok());
    /// With one of these in it a sentence does not say that its number is the answer.
    static VAGUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)\b(?:not|no|never|than|least|most|over|under|between|except|about|if|or|either|could|may|might)\b|n't\b|[不非约或]").ok()
    });
    let sentence = sentence.trim();
    if let Some(cut) = AFTERTHOUGHT.as_ref()?.find(sentence) {
        let head = sentence[..cut.start()].trim_end_matches([',', ' ']);
        let is_plain = !head.is_empty() && (!head.contains(' ') || head.contains(|character: char| character.is_ascii_digit()));
        return if is_plain { Some(gist(head).unwrap_or_else(|| head.to_owned())) } else { None };
    }
    if let Some(copula) = COPULA.as_ref()?.find_iter(sentence).last() {
        return Some(sentence[copula.end()..].trim().to_owned()).filter(|rest| !rest.is_empty());
    }
    let mut numbers = NUMBER.as_ref()?.find_iter(sentence);
    let number = numbers.next()?;
    if VAGUE.as_ref()?.is_match(sentence) {
        return None;
    }
    let words = sentence[..number.start()].split_whitespace().filter(|word| word.len() > 1 && word.chars().all(char::is_alphabetic)).count();
    if words > 1 && numbers.next().is_none() { last_value(sentence) } else { None }
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
            ("Jane started it 3 hours ago", Some("3")),
            ("最大值是 7", Some("7")),
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
