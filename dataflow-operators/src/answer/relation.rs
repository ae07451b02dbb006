//! Equations and inequalities.

use super::brackets::with_depth;
use super::compare;
use super::expression::{self, Expression};
use super::words::same_text;

/// The sides of an equation or of a chain of relations; one where there is none. `P(X=1)` is one side.
pub(super) fn sides(text: &str) -> Vec<&str> {
    let mut sides = Vec::new();
    let mut start = 0;
    for (at, character, depth) in with_depth(text) {
        if depth <= 0 && is_sign(character, &text[at + character.len_utf8()..]) {
            sides.push(text[start..at].trim());
            start = at + character.len_utf8();
        }
    }
    sides.push(text[start..].trim());
    sides.retain(|side| !side.is_empty());
    sides
}

/// Whether a text compares its sides otherwise than by an equals sign: `<`, `<=`, `!=`.
pub(super) fn is_inequality(text: &str) -> bool {
    relations(text).iter().any(|relation| relation.contains(['<', '>']) || relation == "!=")
}

/// Whether a character is a part of the sign of a relation; the mark of a factorial is none.
fn is_sign(character: char, after: &str) -> bool {
    matches!(character, '=' | '<' | '>') || (character == '!' && after.starts_with('='))
}

fn relations(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = false;
    for (at, character, depth) in with_depth(text) {
        let part = depth <= 0 && is_sign(character, &text[at + character.len_utf8()..]);
        match found.last_mut().filter(|_| before && part) {
            Some(last) => last.push(character),
            None if part => found.push(character.to_string()),
            None => {}
        }
        before = part;
    }
    found
}

/// Two equations or chains of inequalities: side by side, turned round, as multiples of each other, or as the same interval.
pub(super) fn same(answer: &str, reference: &str, depth: usize) -> bool {
    let (left, mut right) = (sides(answer), sides(reference));
    let (left_relations, mut right_relations) = (relations(answer), relations(reference));
    let all_same =
        |left: &[&str], right: &[&str]| left.len() == right.len() && left.iter().zip(right).all(|(left, right)| compare::same(left, right, depth + 1));
    if left_relations == right_relations && all_same(&left, &right) {
        return true;
    }
    if let (Some(left), Some(right)) = (Difference::of(&left, &left_relations), Difference::of(&right, &right_relations))
        && left.same(&right)
    {
        return true;
    }
    if let (Some((name, left)), Some((other, right))) = (interval(answer), interval(reference)) {
        return same_text(name, other) && compare::same(&left, &right, depth + 1);
    }
    right.reverse();
    right_relations.reverse();
    let turned = |relation: &String| if let Some(rest) = relation.strip_prefix('<') { format!(">{rest}") } else { relation.replace('>', "<") };
    let right_relations: Vec<String> = right_relations.iter().map(turned).collect();
    left_relations == right_relations && all_same(&left, &right)
}

/// What a relation of two sides says of their difference: that it is, or is not, zero, or below it.
struct Difference<'a> {
    difference: Expression,
    relation: &'a str,
}

impl<'a> Difference<'a> {
    fn of(sides: &[&str], relations: &'a [String]) -> Option<Self> {
        let ([left, right], [relation]) = (sides, relations) else { return None };
        let (left, right, relation) = match relation.as_str() {
            ">" => (right, left, "<"),
            ">=" => (right, left, "<="),
            other => (left, right, other),
        };
        Some(Self { difference: Expression::parse(&format!("({left})-({right})"))?, relation })
    }

    fn same(&self, other: &Self) -> bool {
        let turns_round = matches!(self.relation, "=" | "!=");
        self.relation == other.relation && expression::ratio(&self.difference, &other.difference).is_some_and(|ratio| turns_round || ratio > 0.0)
    }
}

/// A name, and the interval in which inequalities say that it is: `(1,2]` for `1 < x <= 2`, `(3,inf)` for `x > 3`; not for `2x > 6`.
pub(super) fn interval(text: &str) -> Option<(&str, String)> {
    if !is_inequality(text) {
        return None;
    }
    let is_number = |side: &str| Expression::parse(side).is_some_and(|side| side.constant().is_some());
    let (sides, relations) = (sides(text), relations(text));
    let relations: Vec<&str> = relations.iter().map(String::as_str).collect();
    let or_equal = |relation: &str| relation.ends_with('=');
    let (name, interval) = match (&sides[..], &relations[..]) {
        ([name, end], ["!="]) if is_number(end) => (name, format!("(-inf,{end})∪({end},inf)")),
        ([name, end], [relation @ ("<" | "<=")]) | ([end, name], [relation @ (">" | ">=")]) if is_number(end) => {
            (name, format!("(-inf,{end}{}", if or_equal(relation) { ']' } else { ')' }))
        }
        ([name, end], [relation @ (">" | ">=")]) | ([end, name], [relation @ ("<" | "<=")]) if is_number(end) => {
            (name, format!("{}{end},inf)", if or_equal(relation) { '[' } else { '(' }))
        }
        ([start, name, end], [first @ ("<" | "<="), second @ ("<" | "<=")]) | ([end, name, start], [second @ (">" | ">="), first @ (">" | ">=")])
            if is_number(start) && is_number(end) =>
        {
            (name, format!("{}{start},{end}{}", if or_equal(first) { '[' } else { '(' }, if or_equal(second) { ']' } else { ')' }))
        }
        _ => return None,
    };
    compare::names_a_value(name).then_some((name, interval))
}
