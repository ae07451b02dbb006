//! Where an answer holds: the sets that names are in, and the conditions behind answers.

use std::borrow::Cow;

use super::super::brackets;
use super::super::relation;
use super::super::words::squeezed;
use super::{names_a_value, same};

/// What stands before the sign of membership, and the set behind it; of one membership only.
pub(super) fn membership(text: &str) -> Option<(&str, &str)> {
    let (name, set) = text.split_once('∈')?;
    (!name.trim().is_empty() && !set.trim().is_empty() && !set.contains('∈')).then(|| (name.trim(), set.trim()))
}

/// Whether `name ∈ set` says what a text without such a sign does: the set as it is, or conditions of the name. `2x ∈ (0,1)` says nothing of the kind.
pub(super) fn says_membership(name: &str, set: &str, other: &str, depth: usize) -> bool {
    if !names_a_value(name) {
        return false;
    }
    if let Some((other, interval)) = relation::interval(other) {
        return squeezed(name) == squeezed(other) && same(set, &interval, depth + 1);
    }
    (!other.contains(['=', '<', '>']) || mentions(other, name)) && same(set, other, depth + 1)
}

/// An answer, and the condition behind it: `x = k pi, k∈Z`, `x = k pi (k∈Z)`, `f(x) = x for all x∈R`. Not where it begins with a membership, which is then
/// an answer itself.
pub(super) fn split_condition(text: &str) -> Option<(&str, &str)> {
    let (before, _) = text.split_once('∈')?;
    let before = before.trim_end();
    let word = before.rfind(" for ");
    // Only an equation can be told from its condition where nothing but white space parts them.
    let mark = before.rfind([',', ';', '(']).max(word).or_else(|| before.rfind(' ').filter(|at| before[..*at].contains('=')))?;
    let in_brackets = text[mark..].starts_with('(');
    let answer = before[..mark].trim();
    let from = before[mark + 1..].rfind(' ').map_or(mark + 1, |at| mark + 1 + at);
    let condition = if in_brackets { text[from..].trim().strip_suffix(')')? } else { &text[from..] };
    (!answer.is_empty() && brackets::are_closed(answer)).then(|| (answer, condition.trim()))
}

/// The condition that tells of what a set is made: `x > 1` for `⦃x | x > 1⦄`, `k pi, k∈Z` for `⦃k pi | k∈Z⦄`, `x > 1, x∈R` for `⦃x∈R | x > 1⦄`.
pub(super) fn set_condition(text: &str) -> Option<Cow<'_, str>> {
    let (head, condition) = text.strip_prefix('⦃').and_then(|inner| inner.strip_suffix('⦄')?.split_once(['|', ':']))?;
    let (head, condition) = (head.trim(), condition.trim());
    if head.is_empty() || !condition.contains(['<', '>', '=', '∈']) {
        return None;
    }
    Some(if head.contains('∈') {
        format!("{condition}, {head}").into()
    } else if head.starts_with('(') || mentions(condition, head) {
        condition.into()
    } else {
        format!("{head}, {condition}").into()
    })
}

/// Whether a name stands in a text, and not as a part of another.
fn mentions(text: &str, name: &str) -> bool {
    text.split(|character: char| !character.is_alphanumeric() && character != '_').any(|word| word == name)
}

/// An answer and its condition with the name of another condition, which is free to choose: `x = n pi, n∈Z` is `x = k pi, k∈Z`.
pub(super) fn renamed<'a>((answer, condition): (&'a str, &'a str), other: &str) -> (Cow<'a, str>, Cow<'a, str>) {
    let one_letter = |name: &str| name.chars().count() == 1;
    match (membership(condition), membership(other)) {
        (Some((from, _)), Some((to, _))) if from != to && one_letter(from) && one_letter(to) && !answer.contains(to) => {
            (with_name(answer, from, to).into(), with_name(condition, from, to).into())
        }
        _ => (answer.into(), condition.into()),
    }
}

/// A text with another name in the place of one that stands by itself.
fn with_name(text: &str, from: &str, to: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(from) {
        written.push_str(before);
        let is_part = written.ends_with(char::is_alphabetic) || after.starts_with(char::is_alphabetic);
        written.push_str(if is_part { from } else { to });
        rest = after;
    }
    written.push_str(rest);
    written
}
