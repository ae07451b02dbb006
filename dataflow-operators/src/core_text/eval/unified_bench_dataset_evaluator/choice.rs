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
use super::mentions::{Asked, By, Mention, Standing, mentions};
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
    let (stated, several) = stated(&mentions, asked);
    if let Some(stated) = stated {
        return Ok(stated);
    }
    let by_value = || {
        let answer = marked_answer(prediction).unwrap_or_else(|| text.trim().to_owned());
        let is_value = answer.len() < 200 && answer.contains(|character: char| character.is_ascii_digit() || character == '\\');
        let is_denied = |place: usize| mentions.iter().any(|mention| mention.standing == Standing::Denied && mention.places == [place]);
        let mut same = choices.cased().filter(|(place, choice)| is_value && !is_denied(*place) && answers_match(&answer, choice)).map(|(place, _)| place);
        choices.place_of_text(&readable(&answer)).or_else(|| same.next().filter(|_| same.next().is_none()))
    };
    let by_verdict = || verdict(&text).and_then(|is_yes| choices.place_of_verdict(is_yes)).filter(|_| !mentions.iter().any(|mention| mention.by == By::Letter));
    let last = || mentions.iter().rev().find(|mention| mention.by == By::Letter && mention.standing == Standing::Named).map(set_of);
    let read = by_verdict()
        .or_else(by_value)
        .map(|place| BTreeSet::from([place]))
        .or_else(|| last().filter(|last| !several && (asked == Asked::Several || last.len() == 1)));
    let open: BTreeSet<usize> = mentions.iter().filter(|mention| mention.standing != Standing::Denied).flat_map(set_of).collect();
    read.ok_or(if several || open.len() > 1 { SEVERAL } else { NONE })
}

/// Whether a text that names no choice means all of them, or none.
fn all_or_none(text: &str) -> Option<bool> {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        let of = r"(?: of (?:the above|them|these|the options|the choices))?";
        pattern(&format!(
            r"(?i)^(?:(?<all>all{of}|all (?:options|choices)|全(?:部|选)|(?:以上)?(?:都|全)(?:对|是|选|正确))|none{of}|以上(?:都|全)不(?:对|是|选|正确))[.!。]?$"
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

/// The choices that a text states, and whether it left several open where one is asked for.
fn stated(mentions: &[Mention], asked: Asked) -> (Option<BTreeSet<usize>>, bool) {
    let fits = |places: &BTreeSet<usize>| asked == Asked::Several && !places.is_empty() || places.len() == 1;
    let union = |keep: &dyn Fn(&Mention) -> bool| -> BTreeSet<usize> {
        mentions.iter().filter(|mention| keep(mention)).flat_map(|mention| mention.places.clone()).collect()
    };
    let last = |standing: Standing| {
        let mut found = mentions.iter().rev().filter(move |mention| mention.standing == standing);
        found.find(|mention| fits(&set_of(mention)))
    };
    if let Some(announced) = last(Standing::Announced) {
        // A list that is announced goes on in the lines below.
        let goes_on = asked == Asked::Several && announced.is_alone;
        let below = |mention: &Mention| mention.is_alone && mention.start >= announced.start;
        return (Some(if goes_on { union(&below) } else { set_of(announced) }), false);
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
mod tests {
    use super::super::choices::LabelBase;
    use super::*;

    const CITIES: &[&str] = &["London", "Paris", "Rome", "Oslo"];
    const NUMBERS: &[&str] = &["8", "12", "1/2", "42"];
    const CLAIMS: &[&str] = &["It rains", "It does not rain", "Vitamin C helps", "None of the above"];
    const TEN: &[&str] = &["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay"];
    const YES_NO: &[&str] = &["Yes", "No"];

    fn choices(texts: &[&str]) -> Choices {
        Choices::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), LabelBase::Auto)
    }

    fn letters(places: impl IntoIterator<Item = usize>) -> String {
        places.into_iter().map(|place| char::from(b'A' + u8::try_from(place).unwrap())).collect()
    }

    /// Those that are not read as a careful person reads them.
    fn misread(table: &[(&[&str], &str, &str)], read: impl Fn(&str, &Choices) -> Result<String, &'static str>) -> Vec<String> {
        let told = |(texts, prediction, wanted): &(&[&str], &str, &str)| {
            let found = read(prediction, &choices(texts)).unwrap_or_else(ToOwned::to_owned);
            (found != *wanted).then(|| format!("{prediction:?}: {found}, not {wanted}"))
        };
        table.iter().filter_map(told).collect()
    }

    #[test]
    fn a_prediction_is_read_as_a_careful_person_reads_it() {
        const NONE: &str = "parse_failed";
        const SEVERAL: &str = "several_choices";
        let table: &[(&[&str], &str, &str)] = &[
            (CITIES, "B", "B"),
            (CITIES, "b", "B"),
            (CITIES, "Ｂ", "B"),
            (CITIES, "(B)", "B"),
            (CITIES, "（Ｂ）", "B"),
            (CITIES, "【B】", "B"),
            (CITIES, "B、", "B"),
            (CITIES, "B.", "B"),
            (CITIES, "b) paris", "B"),
            (CITIES, "**B**", "B"),
            (CITIES, "**B. Paris**", "B"),
            (CITIES, "`B`", "B"),
            (CITIES, r"\boxed{B}", "B"),
            (CITIES, r"$\boxed{\text{B}}$", "B"),
            (CITIES, r"Thus \(\boxed{\mathrm{(B)}}\).", "B"),
            (CITIES, r"A is large, so \boxed{\text{Paris}}", "B"),
            (CITIES, r#"{"answer": "B"}"#, "B"),
            (CITIES, "```json\n{\"reasoning\": \"A and C are wrong\", \"answer\": \"B\"}\n```", "B"),
            (CITIES, r#"{"答案": "Ｂ"}"#, "B"),
            (CITIES, "<answer>B</answer>", "B"),
            (CITIES, "A is close. <answer> B </answer>", "B"),
            (CITIES, "Answer: B", "B"),
            (CITIES, "**Answer:** B", "B"),
            (CITIES, "### Answer\nB", "B"),
            (CITIES, "The correct answer is:\n\n**B**\n\nA is the capital of England.", "B"),
            (CITIES, "The answer is (B).", "B"),
            (CITIES, "The correct option is (B) 42.", "B"),
            (CITIES, "The answer to the question is therefore B.", "B"),
            (CITIES, "The answer is B because A is in England and C is in Italy.", "B"),
            (CITIES, "The answer is B, not A.", "B"),
            (CITIES, "The answer is not A but B.", "B"),
            (CITIES, "The answer isn't A; it's B.", "B"),
            (CITIES, "I pick B", "B"),
            (CITIES, "I would go with option B.", "B"),
            (CITIES, "I think B", "B"),
            (CITIES, "It is not B", NONE),
            (CITIES, "It cannot be B.", NONE),
            (CITIES, "Not A, but B", "B"),
            (CITIES, "A is incorrect, so the answer is C", "C"),
            (CITIES, "A is wrong. B is wrong. C is correct.", "C"),
            (CITIES, "Option A: wrong, it is in England. Option B: correct, it is in France. Option C: wrong.", "B"),
            (CITIES, "A, C and D can be eliminated, leaving B.", "B"),
            (CITIES, "Neither A nor C. B.", "B"),
            (CITIES, "It is true that B is not wrong.", "B"),
            (CITIES, "I first thought of A, and then of D", "D"),
            (CITIES, "B\n\nExplanation: A is in England, C is in Italy.", "B"),
            (CITIES, "B. Because A is in England.", "B"),
            (CITIES, "A. London\nB. Paris\nC. Rome\nD. Oslo\nThe answer is C.", "C"),
            (CITIES, "A student would say Paris.", "B"),
            (CITIES, "A student asked me. I choose C.", "C"),
            (CITIES, "A or B", SEVERAL),
            (CITIES, "The answer is either A or B.", SEVERAL),
            (CITIES, "Both A and B", SEVERAL),
            (CITIES, "London or Paris", SEVERAL),
            (CITIES, "Paris", "B"),
            (CITIES, "paris.", "B"),
            (CITIES, "The capital of France is Paris.", "B"),
            (CITIES, "Not London, but Paris.", "B"),
            (CITIES, "It is Paris (B).", "B"),
            (CITIES, "1", "B"),
            (CITIES, "Option 1", "B"),
            (CITIES, "4", "D"),
            (CITIES, "7", NONE),
            (CITIES, "It has 2 rivers and 3 hills.", NONE),
            (CITIES, "e.g. the U.S. has many", NONE),
            (CITIES, "I do not know.", NONE),
            (CITIES, "", "empty_prediction"),
            (CITIES, "选B", "B"),
            (CITIES, "应选Ｂ", "B"),
            (CITIES, "答案选 B", "B"),
            (CITIES, "答案是B。因为A错误。", "B"),
            (CITIES, "正确答案：B", "B"),
            (CITIES, "故选（B）。", "B"),
            (CITIES, "A选项错误，B选项正确。", "B"),
            (CITIES, "A项不符合，C项不对，D错误，所以选B。", "B"),
            (CITIES, "排除A和C，我认为是B", "B"),
            (CITIES, "不选A，选B", "B"),
            (CITIES, "不是A，而是B", "B"),
            (CITIES, "不正确的是B", "B"),
            (CITIES, "选项2", "C"),
            (CITIES, "不知道", NONE),
            (NUMBERS, "12", "B"),
            (NUMBERS, "The answer is 12.", "B"),
            (NUMBERS, r"So it is \boxed{\frac{1}{2}}", "C"),
            (NUMBERS, "The answer is 0.5", "C"),
            (NUMBERS, "The answer is 3", NONE),
            (NUMBERS, "The correct option is (D) 42.", "D"),
            (NUMBERS, "8 + 4 = 12", "B"),
            (CLAIMS, "B. It does not rain", "B"),
            (CLAIMS, "(B) It does not rain.", "B"),
            (CLAIMS, "The answer is B: it does not rain.", "B"),
            (CLAIMS, "Vitamin C helps", "C"),
            (CLAIMS, "It is said that vitamin C helps.", "C"),
            (CLAIMS, "None of the above", "D"),
            (TEN, "I think B", "B"),
            (TEN, "I pick I", "I"),
            (TEN, "i pick j", "J"),
            (TEN, "The answer is J.", "J"),
            (TEN, "I'd say I is right", "I"),
            (TEN, "A fox", "F"),
            (TEN, "E.g. an elk", "E"),
            (CITIES, "Looking at the options, option B (Paris) is the only one located in France, so B is the correct choice.", "B"),
            (CITIES, "Let's think step by step. A: London is in the UK. B: Paris is in France. C: Rome is in Italy. So the answer is **B**.", "B"),
            (CITIES, "Sure! Here is my answer:\n\n> B", "B"),
            (CITIES, "Final Answer: The final answer is $\\boxed{B}$. I hope it is correct.", "B"),
            (CITIES, "My choice would be (b).", "B"),
            (CITIES, "It's definitely B!", "B"),
            (CITIES, "Correct option: B) Paris", "B"),
            (CITIES, "The best answer is option (B) Paris, since London (A) is not in France.", "B"),
            (CITIES, "I'd rule out A and D. Of the rest, C is in Italy. That leaves B.", "B"),
            (CITIES, "I don't think it is A. It must be B.", "B"),
            (CITIES, "Option B.", "B"),
            (CITIES, "OPTION B", "B"),
            (CITIES, "[B]", "B"),
            (CITIES, "B: Paris", "B"),
            (CITIES, "B - Paris", "B"),
            (CITIES, "B Paris", "B"),
            (CITIES, "\"B\"", "B"),
            (CITIES, "B</s>", "B"),
            (CITIES, "{\"answer\": \"B. Paris\", \"confidence\": 0.9}", "B"),
            (CITIES, "{'answer': 'B'}", "B"),
            (CITIES, "{\"answer\": 1}", "B"),
            (CITIES, "#### B", "B"),
            (CITIES, "So the answer is \\text{B}.", "B"),
            (CITIES, "$\\text{(B)}$", "B"),
            (CITIES, "None of them.", NONE),
            (CITIES, "I cannot answer this.", NONE),
            (CITIES, "All of A, B and C are wrong, therefore D", "D"),
            (CITIES, "A isn't right and neither is C; D is right.", "D"),
            (CITIES, "Although A looks right, B is the better answer.", "B"),
            (CITIES, "B is better than A.", "B"),
            (CITIES, "Between A and B, I choose B.", "B"),
            (CITIES, "因此，正确选项为 B。", "B"),
            (CITIES, "综上所述，本题选择B选项。", "B"),
            (CITIES, "本题正确答案为B项。", "B"),
            (CITIES, "解析：A错，C错，D错。故答案为：B", "B"),
            (CITIES, "B选项", "B"),
            (CITIES, "我选择B，因为巴黎在法国。", "B"),
            (CITIES, "【答案】B\n【解析】A项伦敦在英国。", "B"),
            (CITIES, "答案B", "B"),
            (CITIES, "B是正确的", "B"),
            (CITIES, "B是错误的", NONE),
            (CITIES, "A不是正确答案，B才是。", "B"),
            (CITIES, "不应该选A，应该选B。", "B"),
            (CITIES, "巴黎", NONE),
            (CITIES, "the second one", NONE),
            (CITIES, "Correct: B. Incorrect: A, C, D.", "B"),
            (CITIES, "A.错误 B.正确 C.错误 D.错误", "B"),
            (CITIES, "A is false. C is false. D is false.", NONE),
            (CITIES, "The answer is not B", NONE),
            (CITIES, "The answer cannot be determined", NONE),
            (CITIES, "It's either A or B, but I lean towards B", "B"),
            (CITIES, "France's capital city is Paris, which is option B.", "B"),
            (CITIES, "{\"answer\": {\"letter\": \"B\"}}", "B"),
            (CITIES, "{\"choice\": \"B\", \"why\": \"A is wrong\"}", "B"),
            (CITIES, "The incorrect statement is B.", "B"),
            (CITIES, "The statement that is not true is B.", "B"),
            (TEN, "The correct answer is I.", "I"),
            (TEN, "I am sure the answer is H", "H"),
            (TEN, "A", "A"),
            (TEN, "10", "J"),
            (YES_NO, "A", "A"),
            (YES_NO, "The answer is no.", "B"),
            (YES_NO, "No", "B"),
            (YES_NO, "No, it does not.", "B"),
            (YES_NO, "Yes.", "A"),
            (YES_NO, "The answer is yes", "A"),
            (YES_NO, "(b)", "B"),
            (YES_NO, "Yes, no doubt.", "A"),
            (YES_NO, "No, yes is wrong", "B"),
            (YES_NO, "Yes or no?", SEVERAL),
            (CITIES, "The answer is B. No wait, C.", "C"),
            (CITIES, "The answer is B? No, it is C.", "C"),
            (CITIES, "The answer is B. Correction: C.", "C"),
            (CITIES, "The answer is B, no, C.", "C"),
            (CITIES, "The answer is A. Wait, no, it is B.", "B"),
            (CITIES, "B. Actually C.", "C"),
            (CITIES, "B... no, C.", "C"),
            (CITIES, "The answer is B. Actually, A is the capital of England.", "B"),
            (CITIES, "At first I thought the answer is B, but actually it is C.", "C"),
            (CITIES, "If the answer is B then London is in France, a contradiction. Hence C.", "C"),
            (CITIES, "The answer is C if Italy is meant; here, B.", "B"),
            (CITIES, "The answer could be B. But Rome is right.", "C"),
            (CITIES, "The student chose B, which is wrong.", NONE),
            (CITIES, "Some people choose B. I choose C.", "C"),
            (CITIES, "All but B", NONE),
            (CITIES, "Could be B", NONE),
            (CITIES, "B is a possibility", NONE),
            (CITIES, "Which is it, B?", NONE),
            (CITIES, "A? No. B? Yes. C? No.", "B"),
            (CITIES, "A ✗\nB ✗\nC ✓\nD ✗", "C"),
            (CITIES, "A: No\nB: No\nC: Yes\nD: No", "C"),
            (CITIES, "B because A is a city in England", "B"),
            (CITIES, "Most likely B.", "B"),
            (CITIES, "The answer to what might happen if it rains is B.", "B"),
            (CITIES, "After some thought it is B.", "B"),
            (CITIES, "If we look at the map then B", "B"),
            (CITIES, "最可能的答案是B", "B"),
            (CITIES, "这题最可能选B", "B"),
            (CITIES, "可能是B", NONE),
            (CITIES, "A (no), B (yes), C (no), D (no)", "B"),
            (CITIES, "The city that might be the oldest is Paris.", "B"),
            (CITIES, "-1", NONE),
            (CITIES, "N/A", NONE),
            (NUMBERS, "12 is wrong", NONE),
            (&["-5", "5"], "The answer is minus 5.", "A"),
            (&["-5", "5"], "5", "B"),
            (&["n", "N"], "N", "B"),
            (&["n", "N"], "The answer is N.", "B"),
            (&["n", "N"], "B", "B"),
            (&[r"\frac{r}{R}", r"\frac{R}{r}"], r"\boxed{\frac{R}{r}}", "B"),
        ];
        assert!(table.len() > 80);
        let wrong = misread(table, |prediction, choices| choice(prediction, choices).map(|place| letters([place])));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn several_choices_are_read_as_a_careful_person_reads_them() {
        const NONE: &str = "parse_failed";
        let table: &[(&[&str], &str, &str)] = &[
            (CITIES, "A、B", "AB"),
            (CITIES, "AB", "AB"),
            (CITIES, "A和C", "AC"),
            (CITIES, "A, C", "AC"),
            (CITIES, "A C", "AC"),
            (CITIES, "(A) and (C)", "AC"),
            (CITIES, "**A, C**", "AC"),
            (CITIES, "A\nC", "AC"),
            (CITIES, r#"["A", "C"]"#, "AC"),
            (CITIES, r#"["AC"]"#, "AC"),
            (CITIES, "['A', 'C']", "AC"),
            (CITIES, r#"{"answer": ["A", "C"]}"#, "AC"),
            (CITIES, r#"{"answer": "A, C"}"#, "AC"),
            (CITIES, r"\boxed{A, C}", "AC"),
            (CITIES, r"\boxed{\text{AC}}", "AC"),
            (CITIES, "B is wrong; A and C are right", "AC"),
            (CITIES, "A is correct. B is incorrect. C is correct.", "AC"),
            (CITIES, "The answers are A and C because B is wrong.", "AC"),
            (CITIES, "The answers are A (London) and C (Rome).", "AC"),
            (CITIES, "Correct answers:\n- A. London\n- C. Rome", "AC"),
            (CITIES, "London and Rome", "AC"),
            (CITIES, "答案：AC", "AC"),
            (CITIES, "答案是A、C。B项错误。", "AC"),
            (CITIES, "选ＡＣ", "AC"),
            (CITIES, "A、C正确，B、D错误", "AC"),
            (CITIES, "0, 2", "AC"),
            (CITIES, "[0, 2]", "AC"),
            (CITIES, "1, 4", "AD"),
            (CITIES, "B", "B"),
            (CITIES, "The correct answers are: A, C", "AC"),
            (CITIES, "**Answer:** A and C", "AC"),
            (CITIES, "Options A and C are both correct.", "AC"),
            (CITIES, "A: true\nB: false\nC: true\nD: false", "AC"),
            (CITIES, "正确的选项是A和C", "AC"),
            (CITIES, "本题选AC", "AC"),
            (CITIES, "A;C", "AC"),
            (CITIES, "1. A\n2. C", "AC"),
            (CITIES, "A选项正确；B选项错误；C选项正确；D选项错误。故选AC。", "AC"),
            (CITIES, "I select A and C. B and D are wrong.", "AC"),
            (CITIES, "答案是 A，C", "AC"),
            (CITIES, "All except B are wrong, so B", "B"),
            (CITIES, "All of the above", "ABCD"),
            (CITIES, "The answer is all of them.", "ABCD"),
            (CITIES, "None", ""),
            (CLAIMS, "None of the above", "D"),
            (CITIES, "Not B", NONE),
            (CITIES, "AA", NONE),
            (CITIES, "SAB", NONE),
        ];
        let wrong = misread(table, |prediction, choices| choice_set(prediction, choices).map(letters));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
