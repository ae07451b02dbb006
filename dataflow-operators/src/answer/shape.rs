//! What an answer is made of: one value, or a set, a tuple, an interval, a matrix of them.

use super::brackets::{bracketed, with_depth};
use super::compare::same;
use super::quantity::without_thousands;
use super::relation;
use super::words::same_text;

/// What an answer is made of.
pub(super) enum Shape {
    Single,
    Group(Group),
}

/// Items between brackets, or side by side, which counts as a set.
#[derive(Clone)]
pub(super) struct Group {
    open: char,
    close: char,
    pub(super) items: Vec<String>,
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
    pub(super) fn is_set(&self) -> bool {
        self.open == '⦃'
    }

    /// The one item of a set or a list: one solution is one solution, with brackets or without.
    pub(super) fn only(&self) -> Option<&str> {
        match &self.items[..] {
            [item] if self.open != '⟦' => Some(item),
            _ => None,
        }
    }

    pub(super) fn same(&self, other: &Self, depth: usize) -> bool {
        if let Some((left, right)) = self.as_other(other).map(|group| (group, other.clone())).or_else(|| Some((self.clone(), other.as_other(self)?))) {
            return left.same(&right, depth + 1);
        }
        // `a = 2, b = 3` and `2, 3`
        if let Some((named, values)) = self.named_beside(other).or_else(|| other.named_beside(self)) {
            return named.len() == values.len() && named.iter().zip(values).all(|(named, value)| same(named, value, depth + 1));
        }
        if (self.open, self.close, self.items.len()) != (other.open, other.close, other.items.len()) || self.items.len() > 64 {
            return false;
        }
        // `x > 3 or x < 1` holds of some numbers, and with `and` or a comma of none; solutions are the same list with each.
        let holds_conditions = self.items.iter().any(|item| item.contains(['<', '>']));
        if holds_conditions && (self.joined == Some(Joined::Or)) != (other.joined == Some(Joined::Or)) {
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

impl Group {
    /// The group in the form that another has, where it only has another one: conditions of one name joined by `or` as a union of intervals, named values as a tuple.
    fn as_other(&self, other: &Self) -> Option<Self> {
        // A list of more than two is no interval.
        if other.is_set() && (self.open, self.close) == ('[', ']') && self.items.len() > 2 {
            return Some(Self { open: '⦃', close: '⦄', ..self.clone() });
        }
        if !self.is_set() || self.items.len() < 2 {
            return None;
        }
        let (open, close, items) = match other.open {
            '∪' if self.joined == Some(Joined::Or) => {
                let (names, intervals): (Vec<_>, Vec<_>) =
                    self.items.iter().map(|item| relation::interval(item)).collect::<Option<Vec<_>>>()?.into_iter().unzip();
                names.windows(2).all(|two| same_text(two[0], two[1])).then_some(('∪', '∪', intervals))?
            }
            '(' if other.close == ')' => ('(', ')', self.named_values()?),
            // `x_1 = 2, x_2 = 3` are the roots `x = 2 or x = 3`.
            '⦃' if !other.items.iter().any(|item| item.contains('_')) => ('⦃', '⦄', self.without_numbering()?),
            _ => return None,
        };
        Some(Self { open, close, items, joined: None })
    }
}

impl Group {
    /// The values of names in the order of the alphabet, and the items of another group that is a list without names.
    fn named_beside<'a>(&self, other: &'a Self) -> Option<(Vec<String>, &'a [String])> {
        let is_list = other.is_set() && !other.items.iter().any(|item| item.contains(['=', '<', '>', '∈']));
        if is_list && self.is_set() { Some((self.named_values()?, &other.items)) } else { None }
    }

    /// The values of two names or more that are one letter each, in the order of the alphabet.
    fn named_values(&self) -> Option<Vec<String>> {
        let one_letter = |name: &str| name.chars().count() == 1 && name.chars().all(char::is_alphabetic);
        let named =
            |item: &'_ String| item.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).filter(|(name, _)| one_letter(name));
        let mut named: Vec<(String, String)> = self.items.iter().map(named).collect::<Option<_>>()?;
        named.sort();
        let are_different = named.windows(2).all(|two| two[0].0 != two[1].0);
        (named.len() > 1 && are_different).then(|| named.into_iter().map(|(_, value)| value).collect())
    }

    /// The items without the numbers of one name: `x = 2` for `x_1 = 2`.
    fn without_numbering(&self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        let mut items = Vec::new();
        for item in &self.items {
            let (name, value) = item.split_once('=')?;
            let (name, number) = name.trim().split_once('_')?;
            number.parse::<u32>().ok()?;
            names.push(name);
            items.push(format!("{name} ={value}"));
        }
        names.windows(2).all(|two| two[0] == two[1]).then_some(items)
    }
}

impl Shape {
    pub(super) fn of(text: &str) -> Self {
        let set = |items: Vec<String>| Self::Group(Group { open: '⦃', close: '⦄', items, joined: Joined::of(text) });
        if without_thousands(text).is_some() {
            return Self::Single;
        }
        let unions = split_outside(text, |_, rest| rest.starts_with('∪').then_some('∪'.len_utf8()));
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
fn separator(before: &str, rest: &str) -> Option<usize> {
    // `(1,2)or(2,1)`
    if let Some(word) = ["or", "and"].into_iter().find(|word| rest.strip_prefix(word).is_some_and(|after| after.trim_start().starts_with('(')))
        && before.trim_end().ends_with(')')
    {
        return Some(word.len());
    }
    if let Some(length) = [" or ", " and ", ",and ", ", and "].iter().find_map(|word| rest.starts_with(word).then_some(word.len())) {
        return Some(length);
    }
    let first = rest.chars().next()?;
    matches!(first, ',' | ';' | '或' | '和').then_some(first.len_utf8())
}

/// Cuts a text where no bracket is open; `cut` gives the length of a separator between what is before and what is left.
fn split_outside(text: &str, cut: impl Fn(&str, &str) -> Option<usize>) -> Vec<String> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    for (at, _, depth) in with_depth(text) {
        if at >= start
            && depth == 0
            && let Some(length) = cut(&text[..at], &text[at..])
        {
            pieces.push(text[start..at].trim().to_owned());
            start = at + length;
        }
    }
    pieces.push(text[start..].trim().to_owned());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
