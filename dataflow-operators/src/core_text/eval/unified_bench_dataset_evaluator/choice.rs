//! Reads out of a prediction which choice it gives, or which.
//!
//! The first of these that names any: the whole text, what a record or a box holds, a choice that is announced as the answer, one that stands in a line of its own, one that
//! is called right, the only one that is meant, by its letter or else by its words, yes or no, the value of the answer, the last one that is meant.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use dataflow_core::reply::{find_json, tagged};
use regex::Regex;
use serde_json::Value;

use super::choices::{Choices, readable};
use super::mentions::{Asked, By, Mention, mentions};
use super::standing::Standing;
use super::verdict::verdict;
use crate::answer::{answers_match, marked_answer, reference_answer};
use crate::pattern::pattern;

/// Why no choice is read.
const NONE: &str = "parse_failed";
const SEVERAL: &str = "several_choices";

/// The names under which a record holds its answer.
const ANSWER_NAMES: [&str; 9] = ["answer", "answers", "final_answer", "choice", "choices", "option", "label", "答案", "选项"];

/// The choice that a prediction gives.
pub(super) fn choice(prediction: &str, choices: &Choices) -> Result<usize, &'static str> {
    let places = read(prediction, choices, Asked::One)?;
    match places.iter().collect::<Vec<_>>()[..] {
        [] => Err(NONE),
        [place] => Ok(*place),
        _ => Err(SEVERAL),
    }
}

/// The choices that a prediction gives.
pub(super) fn choice_set(prediction: &str, choices: &Choices) -> Result<BTreeSet<usize>, &'static str> {
    read(prediction, choices, Asked::Several)
}

type Places = Result<BTreeSet<usize>, &'static str>;

fn read(prediction: &str, choices: &Choices, asked: Asked) -> Places {
    if prediction.trim().is_empty() {
        return Err("empty_prediction");
    }
    let text = readable(prediction);
    if let Some(place) = choices.place_of_text(&text) {
        return Ok(BTreeSet::from([place]));
    }
    if let Some(places) = held(prediction, &text, choices, asked) {
        return places;
    }
    if asked == Asked::Several
        && !choices.texts().any(|(_, choice)| all_or_none(choice).is_some())
        && let Some(are_meant) = all_or_none(marked_answer(prediction).as_deref().map_or(&*text, str::trim))
    {
        return Ok((0..if are_meant { choices.len() } else { 0 }).collect());
    }
    let mentions = mentions(&text, choices, asked);
    let (stated, several) = stated(&mentions, choices.len(), asked);
    if let Some(stated) = stated {
        return Ok(stated);
    }
    let by_value = || {
        let answer = marked_answer(prediction).unwrap_or_else(|| text.trim().to_owned());
        let is_value = answer.len() < 200 && answer.contains(|character: char| character.is_ascii_digit() || character == '\\');
        let is_denied =
            |place: usize| mentions.iter().any(|mention| matches!(mention.standing, Standing::Denied | Standing::Excepted) && mention.places == [place]);
        let mut same = choices.cased().filter(|(place, choice)| is_value && !is_denied(*place) && answers_match(&answer, choice)).map(|(place, _)| place);
        choices.place_of_text(&readable(&answer)).or_else(|| same.next().filter(|_| same.next().is_none()))
    };
    let by_verdict = || verdict(&text).and_then(|is_yes| choices.place_of_verdict(is_yes)).filter(|_| !mentions.iter().any(|mention| mention.by == By::Letter));
    let last = || mentions.iter().rev().find(|mention| mention.by == By::Letter && mention.standing == Standing::Named).map(set_of);
    let read = by_verdict()
        .or_else(by_value)
        .map(|place| BTreeSet::from([place]))
        .or_else(|| last().filter(|last| !several && (asked == Asked::Several || last.len() == 1)));
    let open: BTreeSet<usize> = mentions.iter().filter(|mention| !matches!(mention.standing, Standing::Denied | Standing::Excepted)).flat_map(set_of).collect();
    read.ok_or(if several || open.len() > 1 { SEVERAL } else { NONE })
}

/// Whether a text that names no choice means all of them, or none.
fn all_or_none(text: &str) -> Option<bool> {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        let all = r"(?:以上|所有)?(?:的?选项)?(?:全部都?|都|全|均)";
        let of = r"(?: of (?:the above|them|these|the options|the choices))?";
        pattern(&format!(
            r"(?i)^(?:(?<all>all{of}|all (?:options|choices)|全部|{all}(?:是?(?:对|正确)的?|是|选))|none{of}|{all}(?:不(?:对|是|选|正确)|是?错误?的?))[.!。]?$"
        ))
    });
    Some(WORDS.captures(text.trim())?.name("all").is_some())
}

/// What a record, a list, a tag or a box holds; where none does, or that names no choice, nothing.
fn held(prediction: &str, text: &str, choices: &Choices, asked: Asked) -> Option<Places> {
    let is_list = prediction.trim_start().starts_with('[');
    let record = prediction.contains(['{', '[']).then(|| {
        find_json(prediction, |value| match value {
            Value::Object(record) => ANSWER_NAMES.iter().any(|name| record.contains_key(*name)),
            Value::Array(_) => is_list,
            _ => false,
        })
    });
    if let Some(value) = record.flatten() {
        return of_value(&value, choices, asked);
    }
    let content =
        tagged(prediction, "answer").map(ToOwned::to_owned).or_else(|| Some(reference_answer(prediction)).filter(|stated| stated != prediction.trim()));
    let content = content.filter(|content| content != prediction && readable(content) != text)?;
    Some(read(&content, choices, asked)).filter(|places| *places == Err(SEVERAL) || places.is_ok())
}

fn of_value(value: &Value, choices: &Choices, asked: Asked) -> Option<Places> {
    match value {
        Value::Object(record) => of_value(ANSWER_NAMES.iter().find_map(|name| record.get(*name))?, choices, asked),
        Value::Array(items) => {
            let numbers: Option<Vec<usize>> = items.iter().map(|item| usize::try_from(item.as_u64()?).ok()).collect();
            if let Some(numbers) = numbers {
                return Some(Ok(choices.places_of_numbers(&numbers).into_iter().flatten().collect()));
            }
            Some(Ok(items.iter().filter_map(|item| of_value(item, choices, asked)?.ok()).flatten().collect()))
        }
        Value::String(text) => Some(read(text, choices, asked)),
        Value::Number(number) => {
            let place =
                choices.place_of_text(&number.to_string()).or_else(|| *choices.places_of_numbers(&[usize::try_from(number.as_u64()?).ok()?]).first()?);
            place.map(|place| Ok(BTreeSet::from([place])))
        }
        Value::Bool(_) => choices.place_of_text(&value.to_string()).map(|place| Ok(BTreeSet::from([place]))),
        Value::Null => None,
    }
}

fn set_of(mention: &Mention) -> BTreeSet<usize> {
    mention.places.iter().copied().collect()
}

/// The choices of `count` that a text states, and whether it left several open where one is asked for.
fn stated(mentions: &[Mention], count: usize, asked: Asked) -> (Option<BTreeSet<usize>>, bool) {
    let fits = |places: &BTreeSet<usize>| asked == Asked::Several && !places.is_empty() || places.len() == 1;
    let union = |keep: &dyn Fn(&Mention) -> bool| -> BTreeSet<usize> {
        mentions.iter().filter(|mention| keep(mention)).flat_map(|mention| mention.places.clone()).collect()
    };
    let last = |standing: Standing| {
        let mut found = mentions.iter().rev().filter(move |mention| mention.standing == standing);
        found.find(|mention| fits(&set_of(mention)))
    };
    if let Some(announced) = last(Standing::Announced).or_else(|| last(Standing::Blamed)) {
        // A list that is announced goes on in the lines below.
        let goes_on = asked == Asked::Several && announced.is_alone;
        let below = |mention: &Mention| mention.is_alone && mention.start >= announced.start;
        return (Some(if goes_on { union(&below) } else { set_of(announced) }), false);
    }
    let excepted = union(&|mention| mention.standing == Standing::Excepted);
    if asked == Asked::Several && !excepted.is_empty() {
        let denied = union(&|mention| mention.standing == Standing::Denied);
        return (Some((0..count).filter(|place| !excepted.contains(place) && !denied.contains(place)).collect()), false);
    }
    let alone = union(&|mention| mention.is_alone && mention.is_meant());
    if fits(&alone) && mentions.iter().filter(|mention| mention.by == By::Joined).count() < 2 {
        return (Some(alone), false);
    }
    let affirmed = match asked {
        Asked::One => last(Standing::Affirmed).map(set_of).unwrap_or_default(),
        Asked::Several => union(&|mention| mention.standing == Standing::Affirmed),
    };
    let said = |by: By| union(&|mention| mention.by == by && mention.is_meant());
    if let Some(places) = [affirmed, said(By::Letter)].into_iter().find(fits) {
        return (Some(places), false);
    }
    let items = union(&|mention| mention.is_item);
    if let Some(first) = mentions.first().filter(|first| first.is_item && items.len() == 1) {
        return (Some(set_of(first)), false);
    }
    let joined: BTreeSet<_> = mentions.iter().filter(|mention| mention.by == By::Joined && mention.is_meant()).map(set_of).collect();
    let joined = joined.into_iter().collect::<Vec<_>>();
    if let [only] = &joined[..]
        && fits(only)
    {
        return (Some(only.clone()), false);
    }
    let several = asked == Asked::One && mentions.iter().rfind(|mention| mention.is_meant()).is_some_and(|last| set_of(last).len() > 1) || joined.len() > 1;
    (Some(said(By::Text)).filter(|places| fits(places) && !several), several)
}

#[cfg(test)]
mod tests;
