//! Answers that a solution announces: `####`, "the answer is", 答案是, 故选.

use std::sync::LazyLock;

use regex::Regex;

use super::compare::is_answer;
use super::content::{some_text, without_bold};
use super::denial::is_denied;
use super::list::joint;
use super::multiplier;
use super::sign::after_minus;
use crate::pattern::pattern;

/// Words between "the answer is" and the answer that say nothing of it.
const FILLERS: &str =
    "indeed|simply|just|therefore|thus|then|hence|clearly|obviously|exactly|precisely|actually|still|also|now|definitely|certainly|letter|option";

/// What stands in the line of the last `####`.
pub(super) fn after_hashes(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("####")?;
    some_text(rest.trim_start().lines().next()?)
}

/// What follows the last phrase that announces an answer and does not deny it, to the end of the sentence.
pub(super) fn after_phrase(text: &str) -> Option<String> {
    static PHRASE: LazyLock<Regex> = LazyLock::new(|| {
        let english =
            r"\banswer(?:\s+(?:is|must\s+be|should\s+be|would\s+be)\b|\*{0,2}\s*[:：])|\b(?:correct|right|best)\s+(?:option|choice)\s+is\b|\bcorrection\s*:";
        let chinese = r"答案】|答案(?:应该?|就)?(?:是|为|：|:)|故选[择:：]?|正确的?(?:选项)?[是为有]";
        pattern(&format!(r"(?i)(?:{english}|{chinese})(?:[\s,]*\b(?:{FILLERS})\b,?)*"))
    });
    let found: Vec<_> = PHRASE.find_iter(text).collect();
    found.into_iter().rev().find_map(|found| announced(text, found.start(), found.end()))
}

/// What a phrase announces; `None` where the phrase or what follows says that it is not the answer.
fn announced(text: &str, phrase: usize, end: usize) -> Option<String> {
    static WRONG: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:\b(?:wrong|incorrect|false)|错误的?)\s*$"));
    if WRONG.is_match(&text[text.floor_char_boundary(phrase.saturating_sub(20))..phrase]) {
        return None;
    }
    let is_between = |character: char| character.is_whitespace() || matches!(character, ':' | '：');
    let rest = text[end..].trim_start_matches(is_between);
    // Asterisks before a space close those before the phrase; others are the answer's own.
    let unstarred = rest.trim_start_matches('*');
    let rest = if unstarred.starts_with(char::is_whitespace) { unstarred.trim_start_matches(is_between) } else { rest };
    let line = rest.lines().next()?;
    let (whole, length) = formula_at_start(rest, line).unwrap_or_else(|| {
        let sentence = first_sentence(line);
        (without_full_stop(sentence), head_length(sentence))
    });
    let start = text.len() - rest.len();
    let negated = |whole: &str| whole.starts_with(['不', '非']) || whole.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("not "));
    if let Some(corrected) = Some(whole).filter(|whole| negated(whole)).map(corrected) {
        return corrected;
    }
    if is_denied(text, start, start + length) {
        return None;
    }
    some_text(&with_sign(whole))
}

/// The sentence that a line begins with, without its full stop; that behind the letter of a choice, `C. 12`, ends none where what the choice says follows.
fn first_sentence(line: &str) -> &str {
    static LETTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[*$(\s]*(?:\\(?:text\w*|math\w+)\{)?\(?[A-J][)}*]*\.[}*$\s]"));
    let is_end = |text: &str, at: usize, mark: &str| mark != "." || ends_sentence(&text[..at], &text[at + 1..]);
    let end = |text: &str| text.match_indices(['.', '。', '．']).find(|(at, mark)| is_end(text, *at, mark)).map(|(at, _)| at);
    let value = LETTER.find(line).map_or(0, |letter| letter.end());
    let of_value = &line[value..end(&line[value..]).map_or(line.len(), |end| value + end)];
    let says_value = || {
        let said = without_full_stop(of_value.trim());
        let words = || said.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic));
        let is_name = || {
            value + of_value.len() == line.len()
                && said.split_whitespace().all(|word| word.starts_with(|first: char| first.is_alphabetic() && !first.is_lowercase()))
        };
        // More words than a unit or a name has are an explanation.
        words().count() <= MOST_WORDS && (is_answer(&without_bold(said)) || is_name())
    };
    if value > 0 && says_value() { &line[..value + of_value.len()] } else { end(line).map_or(line, |end| &line[..end]) }
}

/// The most words of a choice that stand behind its letter and a full stop.
const MOST_WORDS: usize = 3;

/// Whether a full stop of Latin print between two texts ends a sentence: it stands before a space, and belongs to no word that goes on, as in `Dr. Smith` and `5 ft. 3 in.`
fn ends_sentence(before: &str, behind: &str) -> bool {
    const BEFORE_NAMES: [&str; 9] = ["Dr", "Mr", "Mrs", "Ms", "St", "Mt", "Prof", "Fig", "Rs"];
    const BEFORE_NUMBERS: [&str; 10] = ["ft", "in", "lb", "lbs", "oz", "hr", "hrs", "min", "mins", "sec"];
    let word = before.rsplit(|character: char| !character.is_alphabetic()).next().unwrap_or("");
    behind.strip_prefix(' ').is_some_and(|behind| {
        let (number, name) = (behind.starts_with(|first: char| first.is_ascii_digit()), behind.starts_with(char::is_uppercase));
        !(BEFORE_NAMES.contains(&word) && (number || name) || BEFORE_NUMBERS.contains(&word) && number)
    })
}

/// Of `not 13 but 12` and `not 13, it is 12` the latter.
fn corrected(text: &str) -> Option<String> {
    static BUT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:,|;|\bbut|，|而)\s*(?:(?:but|rather|it['’]?s|it\s+is|而是|是)\s*)?"));
    some_text(&text[BUT.find(text)?.end()..])
}

/// The sign of a number that is written out.
fn with_sign(text: &str) -> String {
    let number = after_minus(text).map(|rest| rest.trim_start_matches('$'));
    match number.filter(|number| number.starts_with(|first: char| first.is_ascii_digit() || first == '\\')) {
        Some(number) => format!("-{number}"),
        None => text.to_owned(),
    }
}

/// Where the first value of a sentence ends, as far as words that deny it may follow.
fn head_length(sentence: &str) -> usize {
    sentence.find([',', '，', ' ']).unwrap_or(sentence.len())
}

/// The letter of a choice that a solution names as its own: `所以选C`, `I choose B`, `Option C is correct`.
pub(super) fn chosen_letter(text: &str) -> Option<String> {
    static CHOSEN: LazyLock<Regex> = LazyLock::new(|| {
        // Bounds of words by ASCII: those of Unicode take many times as long in a text with letters of other alphabets.
        let english = r"(?-u:\b)I\s+(?:choose|pick|select)\s+(?:option\s+)?\(?(?<picked>[A-H])(?-u:\b)|(?:^|[^\p{L}])\(?(?<right>[A-H])\)?\s+is\s+(?:the\s+)?(?:correct|right)(?:\s+(?:one|answer|option|choice))?\s*(?:[.,;!]|$)";
        let chinese = r"选(?:择|项)?[是为]?[:：]?\s*[(（]?(?<chosen>[A-H]{1,8})[)）]?(?:$|[^\p{L}]|项|选项|是?正确)|(?:^|[^\p{L}]|[故项])(?<named>[A-H]{1,8})(?:选?项)?是?(?:正确|选项$)";
        let alone = r"(?m:^)(?:So|Therefore|Thus|Hence),?\s+\(?(?<alone>[A-H])\)?\.?\s*$";
        pattern(&format!("{english}|{chinese}|{alone}"))
    });
    let text = &*without_bold(text);
    let letters = |found: regex::Captures<'_>| {
        let letters = ["picked", "right", "chosen", "named", "alone"].iter().find_map(|name| found.name(name))?;
        (!is_denied(text, letters.start(), letters.end())).then(|| letters.as_str().to_owned())
    };
    CHOSEN.captures_iter(text).filter_map(letters).last()
}

/// The formula in marks that a text begins with and how long it is with them; one between single dollars ends in its line. None where another answer, or what makes another
/// one of it, follows: `$x = 2$ or $x = -3$`, `$3:30$ PM`.
fn formula_at_start<'a>(text: &'a str, line: &'a str) -> Option<(&'a str, usize)> {
    static GOES_ON: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?i)^\s*(?:{}|[ap]\.m\.|[ap]m\b)", multiplier::written_out())));
    [("$$", "$$", text), ("$", "$", line), ("\\(", "\\)", text), ("\\[", "\\]", text)].into_iter().find_map(|(open, close, text)| {
        let inner = text.strip_prefix(open)?;
        let (end, _) = inner.match_indices(close).find(|(at, _)| !inner[..*at].ends_with('\\'))?;
        let after = &inner[end + close.len()..];
        let is_item = after.find(['$', '\\']).is_some_and(|next| joint(&after[..next]).is_some());
        let goes_on = is_item || GOES_ON.is_match(after);
        Some((&inner[..end], open.len() + end + close.len())).filter(|(inner, _)| !inner.trim().is_empty() && !goes_on)
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
