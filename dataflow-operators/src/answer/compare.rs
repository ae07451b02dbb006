//! Tells whether two final answers are the same.

mod choice;
mod condition;
mod marks;
mod time_of_day;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use self::choice::Choice;
use self::condition::{membership, renamed, says_membership, set_condition, split_condition};
use self::marks::marks_contradict;
use self::time_of_day::{is_time_of_day, same_time};
use super::expression::{self, Expression};
use super::normal_form::normal_form;
use super::number_words::in_digits;
use super::quantity::{self, same_number};
use super::relation::{self, is_inequality, sides};
use super::shape::{Group, Shape};
use super::words::{is_word, same_text};
use crate::pattern::pattern;

/// The longest answer, in bytes, that is more than letters: whole pages are not calculated with.
const LONGEST: usize = 4000;

/// Whether an answer is the same as the reference answer, however it is written.
///
/// Numbers are compared by value (fractions, percent, separators, roots, constants), expressions by their values at sample points,
/// tuples, intervals and matrices item by item, sets and enumerations in any order, inequalities and memberships as the sets that they describe, times
/// of day by the clock. Words are compared letter case aside; formulas keep it: `R/r` is not `r/R`. A unit, a percent sign, a name and a condition that only
/// one of the two has are left out: `50%` is 50 and not 0.5, and `x = k\pi, k\in\mathbb{Z}` is `k\pi`. Where both have one they have to be the same.
///
/// ```
/// use dataflow_operators::answer::answers_match;
/// assert!(answers_match(r"\frac{1}{2}", "0.5"));
/// assert!(answers_match("1,000 km", "1000"));
/// assert!(answers_match(r"\{2, 1\}", "1, 2"));
/// assert!(answers_match("twenty five", "25"));
/// assert!(!answers_match("(2, 1)", "(1, 2)"));
/// assert!(!answers_match(r"x = 2k\pi, k\in\mathbb{Z}", r"x = k\pi, k\in\mathbb{Z}"));
/// ```
pub fn answers_match(answer: &str, reference: &str) -> bool {
    if answer.trim() == reference.trim() && answer.contains(char::is_alphanumeric) {
        return true;
    }
    if marks_contradict(answer, reference) {
        return false;
    }
    let read = |text: &str| {
        let plain = normal_form(text);
        in_digits(&plain).unwrap_or(plain)
    };
    let (answer, reference) = (read(answer), read(reference));
    if answer.is_empty() || reference.is_empty() {
        return false;
    }
    if answer.len().max(reference.len()) > LONGEST { same_text(&answer, &reference) } else { same(&answer, &reference, 0) }
}

/// Whether a text is nothing but an answer: a formula, a number with its unit, or a list of such.
pub(super) fn is_answer(text: &str) -> bool {
    is_answer_in_plain(&normal_form(text), 0)
}

fn is_answer_in_plain(text: &str, depth: usize) -> bool {
    if let Shape::Group(group) = Shape::of(text)
        && depth < 8
    {
        return group.items.iter().all(|item| is_answer_in_plain(item, depth + 1));
    }
    if let Some((answer, _)) = split_condition(text).filter(|_| depth < 8) {
        return is_answer_in_plain(answer, depth + 1);
    }
    if let Some((name, set)) = membership(text).filter(|_| depth < 8) {
        return is_symbol(name) && is_answer_in_plain(set, depth + 1);
    }
    let is_expression = |side: &&str| !has_words(side) && Expression::parse(side).is_some();
    let tells_a_value = |side: &&str| quantity::is_with_unit(side) || is_expression(side);
    let is_formula = || match &sides(text)[..] {
        // What begins with an equals sign is the end of something.
        _ if text.starts_with('=') => false,
        [name, values @ ..] if !values.is_empty() && is_symbol(name) => values.iter().all(tells_a_value),
        // A unit stands behind the result: `12 when n = 3` is none.
        [before @ .., last] => before.iter().all(is_expression) && tells_a_value(last),
        [] => false,
    };
    quantity::is_with_unit(text) || is_time_of_day(text) || is_formula()
}

/// Whether two answers in plain notation are the same.
pub(super) fn same(answer: &str, reference: &str, depth: usize) -> bool {
    let (answer, reference) = (bare(answer), bare(reference));
    let (answer, reference) = (&*answer, &*reference);
    if same_text(answer, reference) {
        return true;
    }
    if depth > 8 {
        return false;
    }
    // The condition behind an answer may be left out.
    match (split_condition(answer), split_condition(reference)) {
        (Some(answer), Some((reference, other))) => {
            let (answer, one) = renamed(answer, other);
            return same(&answer, reference, depth + 1) && same(&one, other, depth + 1);
        }
        (Some((answer, _)), None) => return same(answer, reference, depth + 1),
        (None, Some((reference, _))) => return same(answer, reference, depth + 1),
        (None, None) => {}
    }
    match (membership(answer), membership(reference)) {
        (Some((name, set)), Some((other, reference))) => return same_text(name, other) && same(set, reference, depth + 1),
        (Some((name, set)), None) => return says_membership(name, set, reference, depth),
        (None, Some((name, set))) => return says_membership(name, set, answer, depth),
        (None, None) => {}
    }
    // A letter with what its choice says is right for either, and where both say it, that counts too.
    match (Choice::of(answer), Choice::of(reference)) {
        (Some(left), Some(right)) => {
            return left.letter == right.letter && !matches!((left.value, right.value), (Some(left), Some(right)) if !same(left, right, depth + 1));
        }
        (Some(Choice { value: Some(value), .. }), None) => return same(value, reference, depth + 1),
        (None, Some(Choice { value: Some(value), .. })) => return same(answer, value, depth + 1),
        _ => {}
    }
    match (label(answer), label(reference)) {
        (Some(answer), None) => return same(answer, reference, depth + 1),
        (None, Some(reference)) => return same(answer, reference, depth + 1),
        _ => {}
    }
    if quantity::same_rows(answer, reference) {
        return true;
    }
    match (Shape::of(answer), Shape::of(reference)) {
        (Shape::Group(left), Shape::Group(right)) => match (left.only(), right.only()) {
            (Some(item), None) => same(item, reference, depth + 1),
            (None, Some(item)) => same(answer, item, depth + 1),
            _ => left.same(&right, depth),
        },
        (Shape::Group(group), Shape::Single) => same_as_group(&group, answer, reference, |group, single| same(group, single, depth + 1)),
        (Shape::Single, Shape::Group(group)) => same_as_group(&group, reference, answer, |group, single| same(single, group, depth + 1)),
        (Shape::Single, Shape::Single) => same_single(answer, reference, depth),
    }
}

/// An answer without what only says that a value is one: `⦃x | x > 1⦄` says what `x > 1` does.
fn bare(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if let Some(condition) = set_condition(text) {
        return condition;
    }
    // Brackets round a matrix are its own.
    let matrix = text.strip_prefix(['(', '[']).and_then(|inner| inner.strip_suffix([')', ']'])).map(str::trim);
    matrix.filter(|inner| inner.starts_with('⟦') && inner.ends_with('⟧')).unwrap_or(text).into()
}

/// Whether a group says what something without brackets and commas does; `same` compares two texts, what is of the group first.
fn same_as_group(group: &Group, text: &str, single: &str, same: impl Fn(&str, &str) -> bool) -> bool {
    if let Some(item) = group.only() {
        return same(item, single);
    }
    // `A, C` and `AC`, `①, ③` and `①③`
    if group.is_set() && single.chars().count() == group.items.len() && single.chars().all(|letter| matches!(letter, 'A'..='H' | '①'..='⑳')) {
        return group.items.iter().all(|item| item.chars().count() == 1 && single.contains(item.as_str()));
    }
    // `P(1, 2)` is the point `(1, 2)`.
    if let Some(point) = single.strip_prefix(|letter: char| letter.is_ascii_uppercase()).filter(|rest| rest.starts_with('(')) {
        return same(text, point);
    }
    // All real numbers.
    if single == "R" {
        return matches!(&group.items[..], [from, to] if same(from, "-inf") && same(to, "inf"));
    }
    if let Some((_, interval)) = relation::interval(single) {
        return same(text, &interval);
    }
    match &sides(single)[..] {
        // `(x, y) = (1, 2)` and `(1, 2)`
        [name, .., last] if !is_inequality(single) && names_a_value(name) => same(text, last),
        _ => false,
    }
}

fn same_single(answer: &str, reference: &str, depth: usize) -> bool {
    // `2 pi ≈ 6.28` says both.
    let either = |text: &str, same: &dyn Fn(&str) -> bool| text.split('≈').filter(|side| !side.trim().is_empty()).any(same);
    if answer.contains('≈') {
        return either(answer, &|side| same(side, reference, depth + 1));
    }
    if reference.contains('≈') {
        return either(reference, &|side| same(answer, side, depth + 1));
    }
    let (left, right) = (sides(answer), sides(reference));
    // `2 + 3 = 5` says 5, also beside `x = 5`.
    let result = |text: &str, sides: &[&str]| match sides {
        [first, .., last] if !is_inequality(text) && is_calculation(first, last) => Some((*last).to_owned()),
        _ => None,
    };
    match (result(answer, &left), result(reference, &right)) {
        (Some(value), None) => return same(&value, reference, depth + 1),
        (None, Some(value)) => return same(answer, &value, depth + 1),
        _ => {}
    }
    match (&left[..], &right[..]) {
        ([_], [_]) => {}
        // Of two unknowns an equation has no one solution: who answers `m + n = 5` tells what the left side is.
        ([first, .., last], [_]) if !is_inequality(answer) && (tells_the_value_of(first, last) || has_two_unknowns(first)) => {
            return same(last, reference, depth + 1);
        }
        ([_], [first, .., last]) if !is_inequality(reference) && tells_the_value_of(first, last) => return same(answer, last, depth + 1),
        // `x = 2 + 3 = 5` and `x = 5`
        ([name, .., last], [other, .., value])
            if left.len() + right.len() > 4 && !is_inequality(answer) && !is_inequality(reference) && names_a_value(name) && same_text(name, other) =>
        {
            return same(last, value, depth + 1);
        }
        _ => return relation::same(answer, reference, depth),
    }
    same_time(answer, reference).or_else(|| same_number(answer, reference)).unwrap_or_else(|| same_expression(answer, reference))
}

/// Whether an equation tells what its first side is, and not where it holds: `x = 5` and `2 + 3 = 5`; not `2x = 6`, and not `7 = 11a + c`.
fn tells_the_value_of(first: &str, last: &str) -> bool {
    names_a_value(first) || is_calculation(first, last)
}

/// Whether numbers alone are calculated with: `2 + 3 = 5`.
fn is_calculation(first: &str, last: &str) -> bool {
    let is_constant = |side: &str| Expression::parse(side).is_some_and(|side| side.constant().is_some());
    is_constant(first) && (is_constant(last) || quantity::is_with_unit(last))
}

/// Whether a side is a name, such as `x`, `x_1`, `f(2)`, `(x, y)`, `|AB|`, `AB/CD`, `P(X=1)` or `the area`.
pub(super) fn names_a_value(side: &str) -> bool {
    static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\(?[\p{L}∠△][\p{L}\p{N}_'’(),.:：∠△\s]*|\|[\p{Lu}\s]+\||[\p{Lu}()/\s]+|P\s*\([^()]*\))$"));
    // A root or a logarithm of something is not what was asked for.
    let is_formula = || side.split(|character: char| !character.is_alphabetic()).any(|word| expression::is_function(word) && !expression::is_of_an_angle(word));
    NAME.is_match(side) && !is_formula()
}

/// Whether a name is one of letters, and no word: `x_1`, `AB`, `pH`, `∠ABC`.
fn is_symbol(name: &str) -> bool {
    let letters = name.trim_start_matches(['∠', '△', ' ']);
    !letters.is_empty() && letters.chars().count() < 5 && letters.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') && !is_word(letters)
}

/// What stands behind a label: `18` for `Total: 18`; of one letter it may be a side of a ratio.
fn label(text: &str) -> Option<&str> {
    let (label, rest) = text.split_once(':')?;
    let is_labelled = label.chars().all(|letter| letter.is_alphabetic() || letter == ' ')
        && label.split_whitespace().last().is_some_and(|word| is_word(word) || (!word.is_ascii() && word.chars().count() > 1));
    let parted = rest.starts_with(|first: char| first.is_whitespace() || first.is_ascii_digit() || matches!(first, '-' | '('));
    (is_labelled && parted && !rest.trim().is_empty()).then(|| rest.trim())
}

fn has_two_unknowns(side: &str) -> bool {
    Expression::parse(side).is_some_and(|side| side.variable_names().len() > 1)
}

/// Whether there are words in a text that are more than a letter, and no names of functions or numbers.
fn has_words(text: &str) -> bool {
    text.split(|character: char| !character.is_alphabetic()).any(|word| word.chars().count() > 1 && !expression::is_name(word))
}

fn same_expression(answer: &str, reference: &str) -> bool {
    // A word is no product of its letters.
    let is_word = |text: &str| text.chars().all(|character| character.is_alphabetic() || character == '-' || character.is_whitespace()) && has_words(text);
    if is_word(answer) || is_word(reference) {
        return false;
    }
    match (Expression::parse(answer), Expression::parse(reference)) {
        (Some(left), Some(right)) => expression::equal(&left, &right),
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests;
