//! Reads which choices are right, as benchmarks write it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::choice::{choice, choice_set};
use super::choices::{Choices, LabelBase};
use super::reading::list_or_record;
use super::verdict::says_yes;
use crate::compatibility::Compatibility;
use crate::nested::text_of;

/// The choice that a label gives: its letter, its number, its text, yes or no, or words that a prediction could be made of.
pub(super) fn label(cell: &Value, choices: &Choices) -> Option<usize> {
    if let Some(place) = exact_number(cell, choices) {
        return Some(place);
    }
    if let Some(number) = whole_number(cell)
        && let Some(place) = choices.places_of_numbers(&[number]).first().copied().flatten()
    {
        return Some(place);
    }
    let text = text_of(cell).unwrap_or_default();
    let letter = match text.trim().as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => choices.place_of_letter(char::from(*letter)),
        _ => None,
    };
    let yes_or_no = || says_yes(&text).and_then(|is_yes| choices.place_of_verdict(is_yes));
    letter.or_else(|| choices.place_of_text(&text)).or_else(yes_or_no).or_else(|| choice(&text, choices).ok())
}

/// The choice that is the number which a label writes as a text: of `1`, `2`, `3`, `4` the label `"2"` is the second, where nobody said that labels count places.
fn exact_number(cell: &Value, choices: &Choices) -> Option<usize> {
    let is_text = cell.is_string() && choices.is_base_open() && whole_number(cell).is_some();
    is_text.then(|| choices.place_of_text(&text_of(cell).unwrap_or_default()))?
}

/// The choices that a list of labels gives, its JSON, or letters, numbers and texts with marks between. `None` where one of them is no choice.
pub(super) fn label_set(cell: &Value, choices: &Choices) -> Option<BTreeSet<usize>> {
    match cell {
        Value::Array(items) => {
            if let Some(places) = items.iter().map(|item| exact_number(item, choices)).collect::<Option<BTreeSet<_>>>().filter(|places| !places.is_empty()) {
                return Some(places);
            }
            if let Some(numbers) = items.iter().map(whole_number).collect::<Option<Vec<_>>>() {
                let places: Option<BTreeSet<usize>> = choices.places_of_numbers(&numbers).into_iter().collect();
                return places.or_else(|| items.iter().map(|item| choices.place_of_text(&text_of(item).unwrap_or_default())).collect());
            }
            let sets = items
                .iter()
                .map(|item| label(item, choices).map(|place| BTreeSet::from([place])).or_else(|| several(&text_of(item).unwrap_or_default(), choices)));
            Some(sets.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
        }
        Value::Object(record) => label_set(record.get("choices")?, choices),
        Value::String(text) => {
            if let Some(inner) = list_or_record(text, Compatibility::Own) {
                return label_set(&inner, choices);
            }
            let parts = text.split([',', ';', '|', '、', '，', '；', '\n']).map(str::trim).filter(|part| !part.is_empty());
            let parts: Vec<Value> = parts.map(|part| Value::String(part.trim_matches(['[', ']', '\'', '"', ' ']).to_owned())).collect();
            if parts.len() > 1
                && let Some(places) = label_set(&Value::Array(parts), choices)
            {
                return Some(places);
            }
            label(cell, choices).map(|place| BTreeSet::from([place])).or_else(|| several(text, choices))
        }
        Value::Null => None,
        other => label(other, choices).map(|place| BTreeSet::from([place])),
    }
}

/// The choices that a text names, of which there is at least one: `None` is rather a label that is missing.
fn several(text: &str, choices: &Choices) -> Option<BTreeSet<usize>> {
    choice_set(text, choices).ok().filter(|places| !places.is_empty())
}

/// The number that a cell is, also as its text.
fn whole_number(cell: &Value) -> Option<usize> {
    let text = text_of(cell).unwrap_or_default();
    let digits = text.trim();
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// What the numbers among the labels of a set tell about where they are counted from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NumbersSeen {
    zero: bool,
    last_from_one: bool,
}

impl NumbersSeen {
    /// Takes the labels of a row in that has these choices.
    pub(super) fn observe(&mut self, labels: &Value, choices: &[String]) {
        match labels {
            Value::Array(items) => items.iter().for_each(|item| self.observe(item, choices)),
            Value::String(text) if text.contains([',', '[']) => {
                text.split([',', '[', ']']).filter(|part| !part.trim().is_empty()).for_each(|part| self.observe(&Value::String(part.to_owned()), choices));
            }
            // What one of the choices says was read as its text.
            Value::String(text) if choices.iter().any(|choice| choice.trim() == text.trim()) => {}
            _ => {
                let number = whole_number(labels);
                self.zero |= number == Some(0);
                self.last_from_one |= number.is_some_and(|number| number == choices.len() && number > 0);
            }
        }
    }

    /// What a user should know who has not said where numbers are counted from.
    pub(super) fn warning(self, base: LabelBase) -> Option<&'static str> {
        match (base, self.zero, self.last_from_one) {
            (LabelBase::Auto, false, true) => Some(
                "no label is 0 and some are the number of the choices: labels seem to count from 1, and smaller ones were read as places from 0; set `label_base: one`",
            ),
            (LabelBase::Auto, true, true) => {
                Some("some labels are 0 and some are the number of the choices: labels seem to count from both 0 and 1; set `label_base`")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_are_letters_numbers_or_texts() {
        let choices = |base| Choices::new(&["London", "Paris", "Rome", "42"].map(ToOwned::to_owned), base);
        let auto = choices(LabelBase::Auto);
        let told = [
            json!("B"),
            json!("b"),
            json!(1),
            json!(1.0),
            json!("1"),
            json!(4),
            json!("Paris"),
            json!("(B)"),
            json!("B. Paris"),
            json!(42),
            json!("42"),
            json!("Berlin"),
            json!("E"),
            json!(null),
        ]
        .map(|cell| label(&cell, &auto));
        assert_eq!(told, [Some(1), Some(1), Some(1), Some(1), Some(1), Some(3), Some(1), Some(1), Some(1), Some(3), Some(3), None, None, None]);
        assert_eq!([json!(0), json!(1), json!(4), json!("4")].map(|cell| label(&cell, &choices(LabelBase::One))), [None, Some(0), Some(3), Some(3)]);
    }

    #[test]
    fn what_is_no_label_gives_no_choice() {
        let choices = Choices::new(&["London", "Paris", "Rome", "Oslo"].map(ToOwned::to_owned), LabelBase::Auto);
        for cell in [json!(-1), json!("-1"), json!(-2), json!(-1.0), json!("N/A"), json!("n/a"), json!("None"), json!("")] {
            assert_eq!((label(&cell, &choices), label_set(&json!([cell]), &choices)), (None, None), "{cell}");
        }
        let numbers = Choices::new(&["5", "-1"].map(ToOwned::to_owned), LabelBase::Auto);
        assert_eq!([json!(-1), json!("-1")].map(|cell| label(&cell, &numbers)), [Some(1), Some(1)]);
    }

    #[test]
    fn a_number_that_is_written_as_a_text_is_the_choice_that_says_so() {
        let choices = |base| Choices::new(&["1", "2", "3", "4"].map(ToOwned::to_owned), base);
        assert_eq!([json!("2"), json!(2)].map(|cell| label(&cell, &choices(LabelBase::Auto))), [Some(1), Some(2)]);
        assert_eq!(label(&json!("2"), &choices(LabelBase::Zero)), Some(2));
        assert_eq!(label_set(&json!(["1", "3"]), &choices(LabelBase::Auto)), Some(BTreeSet::from([0, 2])));
    }

    #[test]
    fn true_and_false_are_yes_and_no() {
        for texts in [["yes", "no"], ["True", "False"], ["是", "否"], ["对", "错"]] {
            let choices = Choices::new(&texts.map(ToOwned::to_owned), LabelBase::Auto);
            assert_eq!([json!(true), json!(false), json!("True"), json!("no")].map(|cell| label(&cell, &choices)), [Some(0), Some(1), Some(0), Some(1)]);
        }
        assert_eq!(label(&json!(true), &Choices::new(&["Paris", "Rome"].map(ToOwned::to_owned), LabelBase::Auto)), None);
    }

    #[test]
    fn sets_of_labels_are_read_as_they_are_written() {
        let choices = Choices::new(&["London", "Paris", "Rome", "Oslo"].map(ToOwned::to_owned), LabelBase::Auto);
        let set = |cell: Value| label_set(&cell, &choices).map(|places| places.into_iter().collect::<Vec<_>>());
        for cell in [
            json!(["A", "C"]),
            json!("[\"A\", \"C\"]"),
            json!("['A', 'C']"),
            json!("A,C"),
            json!("A、C"),
            json!("AC"),
            json!(["AC"]),
            json!("A C"),
            json!("A\nC"),
            json!("A. London\nC. Rome"),
            json!([0, 2]),
            json!("0, 2"),
            json!(["London", "Rome"]),
            json!("London; Rome"),
            json!({ "choices": ["A", "C"] }),
        ] {
            assert_eq!(set(cell.clone()), Some(vec![0, 2]), "{cell}");
        }
        assert_eq!(set(json!([1, 4])), Some(vec![0, 3]));
        assert_eq!(set(json!([])), Some(vec![]));
        assert_eq!([json!(["A", "Z"]), json!("Berlin"), json!(null), json!([0, 4])].map(set), [None, None, None, None]);
    }
}
