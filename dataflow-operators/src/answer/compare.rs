//! Tells whether two final answers are the same.

use std::sync::LazyLock;

use regex::Regex;

use super::expression::{self, Expression};
use super::normal_form::normal_form;
use super::number_words::number_of_words;
use super::quantity::{same_number, without_thousands};

/// The longest answer, in bytes, that is more than letters: whole pages are not calculated with.
const LONGEST: usize = 4000;

/// Whether an answer is the same as the reference answer, however it is written.
///
/// Numbers are compared by value (fractions, percent, separators, roots, constants), expressions by their values at sample points,
/// tuples, intervals and matrices item by item, sets and enumerations in any order, words letter case aside. A unit that only one of the two
/// has is left out, and so is a percent sign: `50%` is 50 and not 0.5.
///
/// ```
/// use dataflow_operators::answer::answers_match;
/// assert!(answers_match(r"\frac{1}{2}", "0.5"));
/// assert!(answers_match("1,000 km", "1000"));
/// assert!(answers_match(r"\{2, 1\}", "1, 2"));
/// assert!(answers_match("twenty five", "25"));
/// assert!(!answers_match("(2, 1)", "(1, 2)"));
/// ```
pub fn answers_match(answer: &str, reference: &str) -> bool {
    // `twenty five` is 25.
    let in_digits = |text: &str| number_of_words(text.trim()).map(|number| number.to_string());
    let read = |text: &str| normal_form(in_digits(text).as_deref().unwrap_or(text));
    let (answer, reference) = (read(answer), read(reference));
    if answer.is_empty() || reference.is_empty() {
        return false;
    }
    if answer.len().max(reference.len()) > LONGEST { squeezed(&answer) == squeezed(&reference) } else { same(&answer, &reference, 0) }
}

fn same(answer: &str, reference: &str, depth: usize) -> bool {
    let (answer, reference) = (without_membership(answer.trim()), without_membership(reference.trim()));
    if squeezed(answer) == squeezed(reference) {
        return true;
    }
    if depth > 8 {
        return false;
    }
    match (Shape::of(answer), Shape::of(reference)) {
        (Shape::Group(left), Shape::Group(right)) => left.same(&right, depth),
        // One solution is one solution, with the braces of a set or without.
        (Shape::Group(items), Shape::Single) if items.is_set() && items.items.len() == 1 => same(&items.items[0], reference, depth + 1),
        (Shape::Single, Shape::Group(items)) if items.is_set() && items.items.len() == 1 => same(answer, &items.items[0], depth + 1),
        (Shape::Single, Shape::Single) => same_single(answer, reference, depth),
        _ => false,
    }
}

/// A text in small letters without white space, but for a space between two digits: `1 2` is not `12`.
pub(super) fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut after_space = false;
    for character in text.chars() {
        if character.is_whitespace() {
            after_space = true;
            continue;
        }
        if after_space && character.is_ascii_digit() && squeezed.ends_with(|before: char| before.is_ascii_digit()) {
            squeezed.push(' ');
        }
        after_space = false;
        squeezed.extend(character.to_lowercase());
    }
    squeezed
}

/// What an answer is made of.
enum Shape {
    Single,
    Group(Group),
}

/// Items between brackets, or side by side, which counts as a set.
struct Group {
    open: char,
    close: char,
    items: Vec<String>,
    /// The word between them, where it says more than a comma.
    joined: Option<Joined>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Joined {
    And,
    Or,
}

impl Joined {
    fn of(text: &str) -> Option<Self> {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match (has(&[" and ", "且", "和"]), has(&[" or ", "或"])) {
            (true, false) => Some(Self::And),
            (false, true) => Some(Self::Or),
            _ => None,
        }
    }
}

impl Group {
    fn is_set(&self) -> bool {
        self.open == '⦃'
    }

    fn same(&self, other: &Self, depth: usize) -> bool {
        if (self.open, self.close, self.items.len()) != (other.open, other.close, other.items.len()) || self.items.len() > 64 {
            return false;
        }
        // `x > 3 or x < 1` holds of some numbers, and with `and` of none.
        let holds_conditions = self.items.iter().any(|item| item.contains(['<', '>', '=']));
        if holds_conditions && matches!((self.joined, other.joined), (Some(one), Some(other)) if one != other) {
            return false;
        }
        if !self.is_set() && self.open != '∪' {
            return self.items.iter().zip(&other.items).all(|(left, right)| same(left, right, depth + 1));
        }
        let mut left_over: Vec<&String> = other.items.iter().collect();
        self.items.iter().all(|item| match left_over.iter().position(|other| same(item, other, depth + 1)) {
            Some(at) => {
                left_over.remove(at);
                true
            }
            None => false,
        })
    }
}

impl Shape {
    fn of(text: &str) -> Self {
        let set = |items: Vec<String>| Self::Group(Group { open: '⦃', close: '⦄', items, joined: Joined::of(text) });
        if without_thousands(text).is_some() {
            return Self::Single;
        }
        let unions = split_outside(text, |rest| rest.starts_with('∪').then_some('∪'.len_utf8()));
        if unions.len() > 1 {
            return Self::Group(Group { open: '∪', close: '∪', items: unions, joined: None });
        }
        let side_by_side = split_outside(text, separator);
        if side_by_side.len() > 1 {
            return set(side_by_side);
        }
        if text.matches('±').count() == 1 {
            return set(vec![text.replace('±', "+"), text.replace('±', "-")]);
        }
        let Some((open, inner, close)) = bracketed(text) else { return Self::Single };
        let items = split_outside(inner, separator);
        // Round brackets round one thing are no tuple.
        if items.len() == 1 && open == '(' && close == ')' { Self::Single } else { Self::Group(Group { open, close, items, joined: None }) }
    }
}

/// A comma, a semicolon, or a word that enumerates.
fn separator(rest: &str) -> Option<usize> {
    if let Some(length) = [" or ", " and ", ",and ", ", and "].iter().find_map(|word| rest.starts_with(word).then_some(word.len())) {
        return Some(length);
    }
    let first = rest.chars().next()?;
    matches!(first, ',' | ';' | '或' | '和').then_some(first.len_utf8())
}

/// Cuts a text where no bracket is open; `cut` gives the length of a separator at the start of what is left.
fn split_outside(text: &str, cut: impl Fn(&str) -> Option<usize>) -> Vec<String> {
    let (mut pieces, mut start, mut depth, mut at) = (Vec::new(), 0, 0_i32, 0);
    while let Some(character) = text[at..].chars().next() {
        match character {
            '(' | '[' | '⦃' | '⟦' => depth += 1,
            ')' | ']' | '⦄' | '⟧' => depth -= 1,
            _ => {}
        }
        match cut(&text[at..]).filter(|_| depth == 0) {
            Some(length) => {
                pieces.push(text[start..at].trim().to_owned());
                at += length;
                start = at;
            }
            None => at += character.len_utf8(),
        }
    }
    pieces.push(text[start..].trim().to_owned());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The brackets round the whole of a text, which need not be of one kind: `[1, 2)`.
fn bracketed(text: &str) -> Option<(char, &str, char)> {
    let (open, close) = (text.chars().next()?, text.chars().next_back()?);
    if !matches!(open, '(' | '[' | '⦃' | '⟦') || !matches!(close, ')' | ']' | '⦄' | '⟧') || text.chars().count() < 2 {
        return None;
    }
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' | '[' | '⦃' | '⟦' => depth += 1,
            ')' | ']' | '⦄' | '⟧' => depth -= 1,
            _ => {}
        }
        if depth == 0 && at + character.len_utf8() < text.len() {
            return None;
        }
    }
    Some((open, &text[open.len_utf8()..text.len() - close.len_utf8()], close))
}

fn same_single(answer: &str, reference: &str, depth: usize) -> bool {
    if let (Some(answer), Some(reference)) = (choice(answer), choice(reference)) {
        return answer == reference;
    }
    let (left, right) = (sides(answer), sides(reference));
    match (&left[..], &right[..]) {
        ([_], [_]) => {}
        // `x = 5` and `5`; `2 + 3 = 5` and `5`; not `2x = 6` and `6`.
        ([first, .., last], [_]) if !is_relation(answer) && names_a_value(first) => return same(last, reference, depth + 1),
        ([_], [first, .., last]) if !is_relation(reference) && names_a_value(first) => return same(answer, last, depth + 1),
        _ => return same_relation(answer, reference, depth),
    }
    same_number(answer, reference).unwrap_or_else(|| same_expression(answer, reference))
}

/// The letter of a choice: `B`, `(B)`, `B.`, `(B) 42`, `B. 42`.
fn choice(text: &str) -> Option<char> {
    static CHOICE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(?:\(([A-Ja-j])\)(?:\s.*)?|([A-Ja-j])[.):]?|([A-J])[.):]\s.*)$").ok());
    let found = CHOICE.as_ref()?.captures(text)?;
    (1..=3).find_map(|group| found.get(group))?.as_str().chars().next().map(|letter| letter.to_ascii_uppercase())
}

/// The sides of an equation or of a chain of relations; one where there is none.
fn sides(text: &str) -> Vec<&str> {
    text.split(['=', '<', '>', '!']).map(str::trim).filter(|side| !side.is_empty()).collect()
}

/// Whether a side is a name, such as `x`, `x_1`, `f(2)` or `the area`, or says its value without one.
fn names_a_value(side: &str) -> bool {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}∠△][\p{L}\p{N}_'’(),.:：∠△\s]*$").ok());
    NAME.as_ref().is_some_and(|name| name.is_match(side)) || Expression::parse(side).is_some_and(|side| side.constant().is_some())
}

fn is_relation(text: &str) -> bool {
    text.contains(['<', '>']) || text.contains("!=")
}

fn relations(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = false;
    for character in text.chars() {
        let part = matches!(character, '=' | '<' | '>' | '!');
        match found.last_mut().filter(|_| before && part) {
            Some(last) => last.push(character),
            None if part => found.push(character.to_string()),
            None => {}
        }
        before = part;
    }
    found
}

/// Two equations or chains of inequalities: side by side, turned round, or as multiples of each other.
fn same_relation(answer: &str, reference: &str, depth: usize) -> bool {
    let (left, mut right) = (sides(answer), sides(reference));
    let (left_relations, mut right_relations) = (relations(answer), relations(reference));
    let all_same = |left: &[&str], right: &[&str]| left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right, depth + 1));
    if left_relations == right_relations && all_same(&left, &right) {
        return true;
    }
    if let ([a, b], [c, d], ["="], ["="]) = (&left[..], &right[..], &as_texts(&left_relations)[..], &as_texts(&right_relations)[..]) {
        let difference = |left: &str, right: &str| Expression::parse(&format!("({left})-({right})"));
        if let (Some(left), Some(right)) = (difference(a, b), difference(c, d))
            && expression::proportional(&left, &right)
        {
            return true;
        }
    }
    right.reverse();
    right_relations.reverse();
    for relation in &mut right_relations {
        *relation = relation
            .chars()
            .map(|character| match character {
                '<' => '>',
                '>' => '<',
                other => other,
            })
            .collect();
    }
    left_relations == right_relations && all_same(&left, &right)
}

fn as_texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// `x∈(1,2)` says what `(1,2)` says.
fn without_membership(text: &str) -> &str {
    text.split_once('∈').map_or(text, |(_, set)| set.trim())
}

fn same_expression(answer: &str, reference: &str) -> bool {
    // A word is no product of its letters.
    let is_word = |text: &str| text.chars().filter(|character| !character.is_whitespace()).all(|character| character.is_alphabetic() || character == '-');
    if is_word(answer) || is_word(reference) {
        let one_letter = |text: &str| text.chars().count() == 1;
        if !(one_letter(answer) || one_letter(reference)) {
            return false;
        }
    }
    match (Expression::parse(answer), Expression::parse(reference)) {
        (Some(left), Some(right)) => expression::equal(&left, &right),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_answer_in_another_form_matches() {
        for (answer, reference) in [
            ("42", "42.0"),
            ("1,234,567", "1234567"),
            (r"\frac{1}{2}", "0.5"),
            (r"3\frac{1}{2}", "7/2"),
            ("3 1/2", "3.5"),
            ("50%", "50"),
            (r"12.5\%", "12.5 percent"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("1e-7", "0.0000001"),
            ("2e-05 m", "0.00002"),
            ("2e-3", "-3+2e"),
            (r"1\,000", "1000"),
            ("12 000 km", "12000"),
            (r"\$18", "18"),
            ("18 dollars", "18"),
            (r"5\text{ cm}", "5"),
            ("30 m/s", "30"),
            (r"90^\circ", "90"),
            (r"2\sqrt{3}", r"\sqrt{12}"),
            (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
            (r"\frac{\pi}{4}", "pi/4"),
            ("x = 5", "5"),
            ("2 + 3 = 5", "5"),
            (r"\left(1, \frac{1}{2}\right)", "(1, 0.5)"),
            (r"\{3, 1, 2\}", "1, 2, 3"),
            ("x = 1 or x = -2", "-2, 1"),
            (r"\pm 2", "2, -2"),
            (r"(-\infty, 3] \cup [5, \infty)", r"[5,\infty)\cup(-\infty,3]"),
            (r"x \in [1, 2)", "[1,2)"),
            ("(x+1)(x-1)", "x^2 - 1"),
            ("2x + 4y = 6", "x + 2y = 3"),
            ("x > 3", "3 < x"),
            (r"1 \leq x < 2", "1<=x<2"),
            ("(B)", "B"),
            (r"\text{(C)}", "C"),
            ("(D) 17", "D"),
            ("D. 17", "D"),
            ("Yes", "yes"),
            (r"\text{even}", "even"),
            ("two", "2"),
            ("一半", "一半"),
            ("１２", "12"),
            (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{bmatrix}1&\frac{4}{2}\\3&4\end{bmatrix}"),
            ("123456789012345678901234567890", "123,456,789,012,345,678,901,234,567,890"),
            (r"{5}", "5"),
            ("10^{3}", "1000"),
            ("3人", "3"),
            ("5万", "50000"),
            (r"\$5 million", "5,000,000"),
            ("3亿元", "300000000"),
            ("3千米", "3"),
            ("x = 1 and y = 2", "x = 1, y = 2"),
            ("the area = 6", "6"),
            ("f(2) = 7", "7"),
            ("|-x|", "|x|"),
        ] {
            assert!(answers_match(answer, reference), "`{answer}` is `{reference}`");
            assert!(answers_match(reference, answer), "`{reference}` is `{answer}`");
        }
    }

    #[test]
    fn another_answer_does_not_match() {
        for (answer, reference) in [
            ("41", "42"),
            ("14", "4"),
            ("0.33", "1/3"),
            ("-5", "5"),
            ("(2, 1)", "(1, 2)"),
            ("[1, 2]", "[1, 2)"),
            ("1, 2", "1, 2, 3"),
            ("1, 1", "1, 2"),
            ("5x", "5"),
            ("5 cm", "5 kg"),
            ("1, 234", "1234"),
            ("1 2", "12"),
            ("1 234/2", "617"),
            (r"5\%", "0.05"),
            ("50%", "1/2"),
            ("1e3", "13"),
            ("2e3", "2e"),
            ("D. 17", "E"),
            ("A", "B"),
            ("no", "on"),
            ("x > 3", "x < 3"),
            ("x + y = 3", "x - y = 3"),
            ("123456789012345678901234567891", "123456789012345678901234567890"),
            ("", "5"),
            ("5", ""),
            (r"\sqrt{2}", "1.41"),
            ("yes", "no"),
            ("5万", "5"),
            ("5 million dollars", "5"),
            ("5 million", "5 billion"),
            ("2x = 6", "6"),
            ("x + y = 3", "3"),
            ("x^2 = 9", "9"),
            ("x > 3 or x < 1", "x > 3 and x < 1"),
            ("|x|", "x"),
            (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
        ] {
            assert!(!answers_match(answer, reference), "`{answer}` is not `{reference}`");
            assert!(!answers_match(reference, answer), "`{reference}` is not `{answer}`");
        }
    }

    #[test]
    fn what_is_long_or_deep_is_still_told_apart() {
        for piece in ["(", "[", "1,", "x=", "5%", "m/s ", "±", "∪", "-", "|", "sin", "2^", "x_"] {
            let (left, right) = (piece.repeat(900), piece.repeat(901));
            assert!(answers_match(&left, &left) || left.trim_end_matches([',', ' ']).is_empty());
            answers_match(&left, &right);
        }
    }

    proptest! {
        #[test]
        fn no_two_texts_panic(left in r"[\\{}()\[\]⦃⟦frac,;=<>±∪%a-e0-9. 人]{0,60}", right in r"[-\\{}(),=<>±a-e0-9. ]{0,60}") {
            prop_assert_eq!(answers_match(&left, &right), answers_match(&left, &right));
        }

        #[test]
        fn an_answer_is_itself(text in r"[a-z0-9]{1,20}") {
            prop_assert!(answers_match(&text, &text));
        }
    }
}
