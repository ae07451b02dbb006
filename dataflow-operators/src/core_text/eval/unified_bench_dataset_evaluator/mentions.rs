//! Finds where a text names choices.

use std::sync::LazyLock;

use regex::Regex;

use super::choices::Choices;
use super::standing::{Standing, announces, clause, is_blank, labels, standing};
use crate::pattern::pattern;

/// Whether one choice is asked for, or several, whose letters may be written as one: `AC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    One,
    Several,
}

/// What choices are named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A letter or a number.
    Letter,
    /// Letters that are written as one.
    Joined,
    /// The words of a choice.
    Text,
    /// A value that is a choice, which anywhere else may be anything.
    Value,
}

/// Choices that are named together: `A`, `B. Paris`, `A and C`.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) places: Vec<usize>,
    pub(super) by: By,
    pub(super) standing: Standing,
    /// Whether nothing else is in its lines.
    pub(super) is_alone: bool,
    /// Whether it begins a line and a mark follows: `B.`, `(B)`.
    pub(super) is_item: bool,
    pub(super) start: usize,
    end: usize,
}

impl Mention {
    /// Whether the text itself takes these choices for the answer, or may.
    pub(super) fn is_meant(&self) -> bool {
        !matches!(self.standing, Standing::Denied | Standing::Excepted | Standing::Supposed | Standing::Blamed)
    }
}

/// The choices that a readable text names, in order.
pub(super) fn mentions(text: &str, choices: &Choices, asked: Asked) -> Vec<Mention> {
    let mut found = said_texts(text, choices);
    found.extend(numbers(text, choices));
    found.extend(letters(text, choices, char::is_ascii_uppercase));
    if asked == Asked::Several {
        found.extend(joined_letters(text, choices));
    }
    if found.is_empty() {
        found.extend(letters(text, choices, char::is_ascii_lowercase));
    }
    found.sort_by_key(|mention| (mention.start, std::cmp::Reverse(mention.end)));
    let mut groups = grouped(text, found);
    for at in 0..groups.len() {
        let from = at.checked_sub(1).map_or(0, |before| groups[before].end);
        let to = groups.get(at + 1).map_or(text.len(), |next| next.start);
        judge(text, from, to, asked, &mut groups[at]);
    }
    groups
}

fn mention(places: Vec<usize>, by: By, start: usize, end: usize) -> Mention {
    Mention { places, by, standing: Standing::Named, is_alone: false, is_item: false, start, end }
}

/// Where one of several choices is said word by word.
fn said_texts(text: &str, choices: &Choices) -> Vec<Mention> {
    let text = choices.folded(text);
    let said = choices.texts().filter(|(_, choice)| !matches!(choice.as_bytes(), [letter] if letter.is_ascii_alphabetic()));
    let mentions = said.flat_map(|(place, choice)| {
        let by = if choice.chars().any(char::is_alphabetic) { By::Text } else { By::Value };
        whole(&text, choice).map(move |start| mention(vec![place], by, start, start + choice.len())).collect::<Vec<_>>()
    });
    mentions.collect()
}

/// Where words stand in a text, in whole words and numbers where a script parts them.
pub(super) fn whole<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_apart = |one: Option<char>, other: Option<char>| !matches!((one, other), (Some(one), Some(other)) if goes_on(one) && goes_on(other));
    // `don't` does not say `don`.
    let is_apostrophe = |character: Option<char>| matches!(character, Some('\'' | '’'));
    let is_letter = |character: Option<char>| character.is_some_and(char::is_alphabetic);
    let is_digit = |text: Option<char>| text.is_some_and(|character| character.is_ascii_digit());
    text.match_indices(words).map(|(start, _)| start).filter(move |start| {
        let (before, after) = (&text[..*start], &text[start + words.len()..]);
        let number_begins =
            before.ends_with(['.', ',', '/', '-', '^']) && is_digit(words.chars().next()) && (before.ends_with('-') || is_digit(before.chars().nth_back(1)));
        let number_ends = is_digit(words.chars().next_back()) && after.starts_with(['.', ',', '/', '^']) && is_digit(after.chars().nth(1));
        let is_cut = is_apostrophe(before.chars().next_back()) && is_letter(before.chars().nth_back(1))
            || is_apostrophe(after.chars().next()) && is_letter(after.chars().nth(1));
        // In `10-5` nothing is below zero.
        let is_taken_away = words.starts_with('-') && is_digit(before.trim_end().chars().next_back());
        !is_cut
            && !is_taken_away
            && is_apart(before.chars().next_back(), words.chars().next())
            && is_apart(words.chars().next_back(), after.chars().next())
            && !number_begins
            && !number_ends
    })
}

/// Whether a character is of a word that goes on until a space: not so in Chinese.
fn goes_on(character: char) -> bool {
    character.is_alphanumeric() && !crate::language::is_han(character)
}

/// The letters of choices that stand alone and are neither words of a sentence nor parts of a formula or of an abbreviation.
fn letters<'a>(text: &'a str, choices: &'a Choices, is_wanted: fn(&char) -> bool) -> impl Iterator<Item = Mention> + 'a {
    let letters = text.char_indices().filter(move |(_, letter)| is_wanted(letter));
    // `N/A`
    let is_other = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphabetic() && choices.place_of_letter(letter).is_none());
    let is_cut = move |at: usize| {
        text[..at].strip_suffix('/').is_some_and(|before| is_other(before.chars().next_back()))
            || text[at + 1..].strip_prefix('/').is_some_and(|after| is_other(after.chars().next()))
    };
    letters.filter(move |(at, letter)| !is_cut(*at) && stands_alone(&text[..*at], *letter, &text[at + 1..])).filter_map(|(at, letter)| {
        let place = choices.place_of_letter(letter)?;
        Some(mention(vec![place], By::Letter, at, at + 1))
    })
}

fn stands_alone(before: &str, letter: char, after: &str) -> bool {
    let mut left = before.chars().rev();
    let mut right = after.chars();
    let (left, further_left) = (left.next(), left.next());
    let (right, further_right, third_right) = (right.next(), right.next(), right.next());
    let is = |character: Option<char>, wanted: fn(char) -> bool| character.is_some_and(wanted);
    let is_letter = |character: Option<char>| is(character, char::is_alphabetic) && is(character, goes_on);
    if is(left, goes_on) || is(right, goes_on) || left == Some('\\') {
        return false;
    }
    // `it's`, `A's`, `A_1`, `X-ray`, `A-level`
    let is_glue = |character: Option<char>| is(character, |character| matches!(character, '\'' | '’' | '_' | '-'));
    if is_glue(left) && is(further_left, goes_on) || is_glue(right) && (is(further_right, |next| next.is_lowercase() || next.is_ascii_digit() || next == '{')) {
        return false;
    }
    // `e.g.`, `U.S.`
    if right == Some('.') && is_letter(further_right) && !is_letter(third_right)
        || left == Some('.') && is_letter(further_left) && !is_letter(before.chars().nth_back(2))
    {
        return false;
    }
    if right == Some('^') || after.trim_start().starts_with('=') && !after.trim_start().starts_with("=>") {
        return false;
    }
    !is_word_of_sentence(before, letter, after)
}

/// Whether a letter is the article `a` or the pronoun `I`: a word in small letters follows that does not go with a name.
fn is_word_of_sentence(before: &str, letter: char, after: &str) -> bool {
    const AFTER_A_NAME: &[&str] = &[
        "is", "isn", "are", "aren", "was", "and", "or", "nor", "but", "because", "since", "as", "seems", "looks", "has", "does", "doesn", "can", "cannot",
        "would", "should", "must", "fits", "says", "states", "for", "with", "in", "over",
    ];
    let Some(next) = after.strip_prefix(' ').map(|rest| rest.split(|character: char| !character.is_alphabetic()).next().unwrap_or("")) else { return false };
    if !next.starts_with(char::is_lowercase) {
        return false;
    }
    match letter {
        'I' | 'i' => !matches!(next, "is" | "and" | "or" | "because"),
        'a' => !AFTER_A_NAME.contains(&next),
        'A' => begins_sentence(before) && !AFTER_A_NAME.contains(&next),
        _ => false,
    }
}

fn begins_sentence(before: &str) -> bool {
    let before = before.trim_end_matches([' ', '"', '\'', '(', '[', '-', '•', '>']);
    before.is_empty() || before.ends_with(['.', '!', '?', ':', ';', '\n', '。'])
}

/// The capital letters that are written as one, as in `AB`: different ones, all of choices that exist.
fn joined_letters(text: &str, choices: &Choices) -> Vec<Mention> {
    static CAPITALS: LazyLock<Regex> = LazyLock::new(|| pattern("[A-Z]{2,}"));
    let words = CAPITALS.find_iter(text);
    let words = words.filter(|word| !text[..word.start()].ends_with(goes_on) && !text[word.end()..].starts_with(goes_on));
    let mentions = words.filter_map(|word| {
        let places: Vec<usize> = word.as_str().chars().map(|letter| choices.place_of_letter(letter)).collect::<Option<_>>()?;
        let differ = places.iter().enumerate().all(|(at, place)| !places[..at].contains(place));
        differ.then(|| mention(places, By::Joined, word.start(), word.end()))
    });
    mentions.collect()
}

/// Numbers of choices: those that are all of a line, and those behind a word for a choice. None where a choice is a number itself.
fn numbers(text: &str, choices: &Choices) -> Vec<Mention> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        let word = r"(?:\b(?:options?|choices?|answers?)\b(?:\s+(?:is|are|number)\b|\s*[:#])*|选项|答案(?:是|为|选)?:?|选)";
        let line = r#"^(?:-[ \t])?[ \t(\[{"'#]*(?<line>\d{1,3}(?:(?:[ \t,、/&+;"']|and|or|和|与)+\d{1,3})*)[ \t)\]}"'.。,]*$"#;
        pattern(&format!(r"(?im){line}|{word}[\s(\[#]*(?<named>\d{{1,3}})(?:\)|\]|[.,;:]?\s*$|[.,;:]\s|\s+(?:is|and|or)\b|[项、。])"))
    });
    static DIGITS: LazyLock<Regex> = LazyLock::new(|| pattern("[0-9]+"));
    if choices.are_values || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    let spans = NAMED.captures_iter(text).filter_map(|captures| captures.name("line").or_else(|| captures.name("named")).map(|span| span.range()));
    let found: Vec<_> =
        spans.flat_map(|span| DIGITS.find_iter(&text[span.clone()]).map(move |digits| span.start + digits.start()..span.start + digits.end())).collect();
    let numbers: Vec<usize> = found.iter().filter_map(|range| text[range.clone()].parse().ok()).collect();
    let places = choices.places_of_numbers(&numbers);
    found.iter().zip(places).filter_map(|(range, place)| Some(mention(vec![place?], By::Letter, range.start, range.end))).collect()
}

/// Those that are named together as one, and of what overlaps the longest.
fn grouped(text: &str, found: Vec<Mention>) -> Vec<Mention> {
    let mut groups: Vec<Mention> = Vec::new();
    for next in found {
        let Some(group) = groups.last_mut() else {
            groups.push(next);
            continue;
        };
        if next.start < group.end {
            continue;
        }
        let between = &text[group.end..next.start];
        let is_same = group.places.last() == next.places.last() && next.places.len() == 1;
        if is_same && group.by != next.by && between.len() <= 6 && !between.contains(|character: char| character.is_alphanumeric() || character == '\n') {
            group.end = next.end; // `B. Paris`
            if next.by == By::Letter {
                group.by = By::Letter;
            }
        } else if joins(between) && group.by == next.by && next.by != By::Joined && !is_denied_apart(text, group, &next) {
            group.end = next.end;
            group.places.extend(next.places);
        } else {
            groups.push(next);
        }
    }
    groups
}

/// Whether behind choices that are announced a clause begins that denies the next: `the answer is A, B is wrong`.
fn is_denied_apart(text: &str, group: &Mention, next: &Mention) -> bool {
    static DENIED: LazyLock<Regex> = LazyLock::new(|| {
        let further = r"(?:(?:、|和|与|及|\band\b|\bor\b)\s*[(]?[A-Z][)\s]*)*";
        let denied = r"\b(?:is|are|was|were)\s*(?:n['’]t\b|not\b|wrong|incorrect|false)|(?:选?项)?(?:均|都|是)?(?:错|不(?:对|正确|是|符合|选))";
        pattern(&format!(r"(?i)^[)\s]*{further}(?:{denied})"))
    });
    let line = text[..group.start].rfind('\n').map_or(0, |at| at + 1);
    text[group.end..next.start].contains(',') && DENIED.is_match(&text[next.end..]) && announces(clause(&text[line..group.start]))
}

/// Whether what stands between two choices names them together: `A, B`, `A和C`, `(A) or (B)`.
fn joins(between: &str) -> bool {
    let is_mark =
        |character: char| matches!(character, ' ' | ',' | '、' | '/' | '&' | '+' | ';' | '(' | ')' | '[' | ']' | '{' | '}' | '【' | '】' | '"' | '\'');
    if between.len() > 40 || between.contains("; ") {
        return false;
    }
    matches!(
        between.replace(is_mark, "").to_lowercase().as_str(),
        "" | "and" | "or" | "nor" | "andoption" | "oroption" | "noroption" | "和" | "与" | "及" | "以及" | "跟" | "或" | "或者" | "还是" | "还是选" | "也不是"
    )
}

/// Tells how a mention stands in its lines, and how the text between those before and after stands to it.
fn judge(text: &str, from: usize, to: usize, asked: Asked, mention: &mut Mention) {
    let line_start = text[..mention.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[mention.end..].find('\n').map_or(text.len(), |at| mention.end + at);
    let (in_line_before, in_line_after) = (&text[line_start..mention.start], &text[mention.end..line_end]);
    mention.is_alone = is_blank(in_line_before) && is_blank(in_line_after);
    mention.is_item = mention.by == By::Letter
        && mention.places.len() == 1
        && labels(in_line_before)
        && (in_line_after.starts_with([')', '.', ':', '、', ']', '】', ',']) || REASON.is_match(in_line_after));
    mention.standing = standing(&text[from..mention.start], &text[mention.end..to], mention.by, asked);
}

/// What goes on with why a choice that a line begins with is the answer.
static REASON: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^[),，]?\s*(?:because|since|因为)"));
