//! Tells whether two final answers are the same.

use std::sync::LazyLock;

use regex::Regex;

use super::expression::{self, Expression};
use super::normal_form::normal_form;
use super::number_words::number_of_words;
use super::quantity::{self, one_number, same_number};
use super::relation::{self, is_relation, sides};
use super::shape::{Group, Shape};

/// The longest answer, in bytes, that is more than letters: whole pages are not calculated with.
const LONGEST: usize = 4000;

/// Whether an answer is the same as the reference answer, however it is written.
///
/// Numbers are compared by value (fractions, percent, separators, roots, constants), expressions by their values at sample points,
/// tuples, intervals and matrices item by item, sets and enumerations in any order, inequalities as the intervals that they describe, words letter case
/// aside. A unit that only one of the two
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
    if answer.trim() == reference.trim() && answer.contains(char::is_alphanumeric) {
        return true;
    }
    // `twenty five` is 25.
    let in_digits = |text: &str| number_of_words(text.trim()).map(|number| number.to_string());
    let read = |text: &str| normal_form(in_digits(text).as_deref().unwrap_or(text));
    let (answer, reference) = (read(answer), read(reference));
    if answer.is_empty() || reference.is_empty() {
        return false;
    }
    if answer.len().max(reference.len()) > LONGEST { squeezed(&answer) == squeezed(&reference) } else { same(&answer, &reference, 0) }
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
    // What begins with an equals sign is the end of something.
    let is_formula = || !text.starts_with('=') && !has_words(text) && sides(text).iter().all(|side| Expression::parse(side).is_some());
    quantity::is_with_unit(text) || is_formula()
}

/// Whether two answers in plain notation are the same.
pub(super) fn same(answer: &str, reference: &str, depth: usize) -> bool {
    let (answer, reference) = (bare(answer), bare(reference));
    if squeezed(answer) == squeezed(reference) {
        return true;
    }
    if depth > 8 {
        return false;
    }
    match (Shape::of(answer), Shape::of(reference)) {
        (Shape::Group(left), Shape::Group(right)) => left.same(&right, depth),
        (Shape::Group(group), Shape::Single) => same_as_group(&group, answer, reference, |group, single| same(group, single, depth + 1)),
        (Shape::Single, Shape::Group(group)) => same_as_group(&group, reference, answer, |group, single| same(single, group, depth + 1)),
        (Shape::Single, Shape::Single) => same_single(answer, reference, depth),
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

/// An answer without what only says that a value is one: `x∈(1,2)` says what `(1,2)` says, and `⦃x | x > 1⦄` what `x > 1` does.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let condition = text.strip_prefix('⦃').and_then(|inner| inner.strip_suffix('⦄')?.split_once('|')).filter(|(name, _)| name.chars().count() < 12);
    if let Some((_, condition)) = condition {
        return condition.trim();
    }
    let text = text.split_once('∈').map_or(text, |(_, set)| set.trim());
    // Brackets round a matrix are its own.
    let matrix = text.strip_prefix(['(', '[']).and_then(|inner| inner.strip_suffix([')', ']'])).map(str::trim);
    matrix.filter(|inner| inner.starts_with('⟦') && inner.ends_with('⟧')).unwrap_or(text)
}

/// Whether a group says what something without brackets and commas does; `same` compares two texts, what is of the group first.
fn same_as_group(group: &Group, text: &str, single: &str, same: impl Fn(&str, &str) -> bool) -> bool {
    // One solution is one solution, with the braces of a set or without.
    if group.is_set() && group.items.len() == 1 {
        return same(&group.items[0], single);
    }
    // `1,5` and 1.5, `(1,000)` and 1000
    if let Some(number) = one_number(text) {
        return same_number(&number, single) == Some(true);
    }
    // `A, C` and `AC`
    if group.is_set() && single.len() == group.items.len() && single.chars().all(|letter| matches!(letter, 'A'..='H')) {
        return group.items.iter().all(|item| item.len() == 1 && single.contains(item.as_str()));
    }
    // `P(1, 2)` is the point `(1, 2)`.
    if let Some(point) = single.strip_prefix(|letter: char| letter.is_ascii_uppercase()).filter(|rest| rest.starts_with('(')) {
        return same(text, point);
    }
    if let Some((_, interval)) = relation::interval(single) {
        return same(text, &interval);
    }
    match &sides(single)[..] {
        // `(x, y) = (1, 2)` and `(1, 2)`
        [name, .., last] if !is_relation(single) && names_a_value(name) => same(text, last),
        _ => false,
    }
}

fn same_single(answer: &str, reference: &str, depth: usize) -> bool {
    if let (Some(answer), Some(reference)) = (choice(answer), choice(reference)) {
        return answer == reference;
    }
    // `2 pi ≈ 6.28` says both.
    let either = |text: &str, same: &dyn Fn(&str) -> bool| text.split('≈').filter(|side| !side.trim().is_empty()).any(same);
    if answer.contains('≈') {
        return either(answer, &|side| same(side, reference, depth + 1));
    }
    if reference.contains('≈') {
        return either(reference, &|side| same(answer, side, depth + 1));
    }
    let (left, right) = (sides(answer), sides(reference));
    match (&left[..], &right[..]) {
        ([_], [_]) => {}
        // Of two unknowns an equation has no one solution: who answers `m + n = 5` tells what the left side is.
        ([first, .., last], [_]) if !is_relation(answer) && (tells_the_value_of(first, last) || has_two_unknowns(first)) => {
            return same(last, reference, depth + 1);
        }
        ([_], [first, .., last]) if !is_relation(reference) && tells_the_value_of(first, last) => return same(answer, last, depth + 1),
        // `x = 2 + 3 = 5` and `x = 5`
        ([name, .., last], [other, .., value])
            if left.len() + right.len() > 4 && !is_relation(answer) && !is_relation(reference) && names_a_value(name) && squeezed(name) == squeezed(other) =>
        {
            return same(last, value, depth + 1);
        }
        _ => return relation::same(answer, reference, depth),
    }
    same_number(answer, reference).unwrap_or_else(|| same_expression(answer, reference))
}

/// The letter of a choice: `B`, `(B)`, `B.`, `(B) 42`, `B. 42`, `Option B`, `选B`.
fn choice(text: &str) -> Option<char> {
    static CHOICE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^(?:(?:[Oo]ption|[Cc]hoice|选项?)?\s*(?:\(([A-Ja-j])\)(?:\s.*)?|([A-Ja-j])[.):]?|([A-J])[.):]\s.*))$").ok());
    let found = CHOICE.as_ref()?.captures(text)?;
    (1..=3).find_map(|group| found.get(group))?.as_str().chars().next().map(|letter| letter.to_ascii_uppercase())
}

/// Whether an equation tells what its first side is, and not where it holds: `x = 5` and `2 + 3 = 5`; not `2x = 6`, and not `7 = 11a + c`.
fn tells_the_value_of(first: &str, last: &str) -> bool {
    let is_constant = |side: &str| Expression::parse(side).is_some_and(|side| side.constant().is_some());
    names_a_value(first) || (is_constant(first) && is_constant(last))
}

/// Whether a side is a name, such as `x`, `x_1`, `f(2)`, `(x, y)`, `|AB|`, `AB/CD` or `the area`.
pub(super) fn names_a_value(side: &str) -> bool {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(?:\(?[\p{L}∠△][\p{L}\p{N}_'’(),.:：∠△\s]*|\|[\p{Lu}\s]+\||[\p{Lu}()/\s]+)$").ok());
    NAME.as_ref().is_some_and(|name| name.is_match(side))
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
            ("1000,99", "1000.99"),
            ("(1,000)", "1000"),
            (r"1,\! 234", "1234"),
            (r"0.\overline{3}", "1/3"),
            (r"0.\dot{1}4285\dot{7}", "1/7"),
            ("0.333...", "1/3"),
            (r"12\textnormal{ miles}", "12"),
            (r"5\text{ cm}^2", "5"),
            ("5 square centimeters", r"5\,\mathrm{cm}^{2}"),
            ("5平方厘米", "5 cm^2"),
            (r"9\pi\text{ cm}^2", r"9\pi"),
            ("2:30 p.m.", "2:30"),
            ("3 to 2", "3:2"),
            (r"3 \colon 2", "3:2"),
            (r"{1 \over 2}", "1/2"),
            (r"\\frac{1}{2}", "0.5"),
            (r"\binom{5}{2}", "10"),
            ("2^{2001} - 1", r"2 \cdot 2^{2000} - 1"),
            ("2**10", "1024"),
            (r"\tan^{-1} 3", r"\arctan 3"),
            ("(1011)_{2}", "1011_2"),
            (r"-2 \le x < 7", "[-2, 7)"),
            ("x > 3", r"(3, \infty)"),
            (r"x \neq 3", r"(-\infty, 3) \cup (3, \infty)"),
            ("x < 1 or x > 3", r"(-\infty, 1) \cup (3, \infty)"),
            (r"\{x \mid 1 < x \le 2\}", "(1, 2]"),
            ("{1, 2}", r"\{2, 1\}"),
            ("-x > -1", "x < 1"),
            ("(x, y) = (3, 2)", "(3, 2)"),
            ("P(3, 2)", "(3, 2)"),
            ("x = 3, y = 2", "(3, 2)"),
            (r"\begin{cases} y = 2 \\ x = 3 \end{cases}", "(3, 2)"),
            ("(1,2)or(2,1)", "(2,1), (1,2)"),
            ("|AB| = 1", "1"),
            (r"\frac{AB}{CD} = \frac{1}{2}", "0.5"),
            (r"\approx 12", "12"),
            (r"x \approx 12", "12"),
            (r"9\pi \approx 28.27", r"9\pi"),
            (r"9\pi \approx 28.27", "28.27"),
            (r"\left[\begin{array}{cc}1 & 2\\3 & 4\end{array}\right]", r"\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}"),
            ("Option B", "B"),
            ("选B", "(B)"),
            ("A, C", "AC"),
            ("x = 2 + 3 = 5", "x = 5"),
            ("x = 5 ≈ 5.1", "x = 2 + 3 = 5"),
            ("“even”", "even"),
            (r"\infty", "infinity"),
            (r"\cos\theta", "cos θ"),
            (r"\{\}", r"\emptyset"),
            ("{x|1<x<3}", "(1, 3)"),
            ("5N", "5"),
            ("1.5 x 10^3", "1500"),
            (r"\arcsin x", r"\sin^{-1} x"),
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
            ("x > 3", "y > 3"),
            ("2x > 6", "x > 6"),
            ("-x < 3", "x < 3"),
            ("x^2 > 4", "x > 4"),
            ("x^2 > 4", "(4, \\infty)"),
            ("1 < x < 2", "1 < y < 2"),
            ("x < 1 or y > 3", r"(-\infty, 1) \cup (3, \infty)"),
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
            ("x^2 = 9", "9"),
            ("x > 3 or x < 1", "x > 3 and x < 1"),
            ("|x|", "x"),
            ("0.33", r"0.\overline{3}"),
            ("(1, 234)", "1234"),
            ("1, 5", "1.5"),
            (r"5\text{ cm}^2", r"5\text{ cm}^3"),
            ("5 m", "5 cm"),
            ("2:30 am", "2:30 pm"),
            ("2^{100}", "2^{100} + 1"),
            ("2^{2000}", "2^{2001}"),
            ("1e999", "1e998"),
            (r"\sin^{-1} x", r"\frac{1}{\sin x}"),
            ("1011_2", "1011_3"),
            (r"-2 \le x \le 7", "[-2, 7)"),
            ("x > 3", r"[3, \infty)"),
            ("x > 3", "3"),
            ("x < 1 and x > 3", r"(-\infty, 1) \cup (3, \infty)"),
            ("-x > -1", "x > 1"),
            ("x = 3, y = 2", "(2, 3)"),
            ("7 = 11a + c", "11a + c"),
            ("|x| = 3", "3"),
            (r"9\pi \approx 28.27", "28"),
            ("A, C", "AD"),
            ("CAB", "BAC"),
            ("n!", "n"),
            ("2n", "2"),
            ("2A", "2"),
            ("x = 2 + 3 = 5", "y = 5"),
            ("2θ", "2"),
            (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
        ] {
            assert!(!answers_match(answer, reference), "`{answer}` is not `{reference}`");
            assert!(!answers_match(reference, answer), "`{reference}` is not `{answer}`");
        }
    }

    #[test]
    fn an_answer_may_name_what_it_gives_and_an_equation_is_no_number() {
        assert!(answers_match("m + n = 5", "5"));
        assert!(!answers_match("5", "m + n = 5"));
        assert!(!answers_match("x^2 = 5", "5"));
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
