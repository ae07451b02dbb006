//! Tells whether a prediction gives a target, by its words or by the value of its final answer.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use super::alternatives::{is_end_of_range, is_one_of_several, near_end};
use super::amount::{is_amount, is_passed};
use super::choices::{squeezed, with_signs};
use super::mentions::{Asked, By, whole};
use super::standing::{Standing, standing};
use super::verdict::{says_yes, verdict};
use crate::answer::{Units, answers_match, extract_answer, final_answer, marked_answer, reference_answer, solution_matches};
use crate::compatibility::Compatibility;
use crate::pattern::pattern;

/// What was compared, and whether it is any of the targets.
pub(super) fn compared(prediction: &str, targets: &[String], compatibility: Compatibility) -> (String, bool) {
    match compatibility {
        Compatibility::Own => compared_whole(prediction, targets),
        Compatibility::Dataflow => compared_in_part(prediction, targets),
    }
}

/// DataFlow's rule: any part of either text is enough.
fn compared_in_part(prediction: &str, targets: &[String]) -> (String, bool) {
    let text = plain(prediction);
    let says = |target: &String| {
        let target = plain(target);
        !text.is_empty() && !target.is_empty() && (text.contains(&target) || target.contains(&text))
    };
    if targets.iter().any(says) {
        return (prediction.to_owned(), true);
    }
    let answer = final_answer(prediction, Units::Everywhere);
    let right = targets.iter().any(|target| answers_match(&answer, &reference_answer(target)));
    (answer, right)
}

/// Our rule: the words of a target in the answer that is marked as such, or in all of the text; else the value of the final answer.
fn compared_whole(prediction: &str, targets: &[String]) -> (String, bool) {
    let marked = marked_answer(prediction);
    let text = marked.as_deref().unwrap_or(prediction);
    let compared_text = plain(&with_signs(text));
    let compared_targets: Vec<String> = targets.iter().map(|target| plain(&with_signs(target))).collect();
    let is_asked = text.trim_end().ends_with(['?', '？']);
    let said: Vec<Option<bool>> = targets
        .iter()
        .zip(&compared_targets)
        .map(|(target, compared)| match says_yes(target) {
            Some(wanted) => Some(verdict(text) == Some(wanted)),
            None => says(&compared_text, is_asked, compared, &compared_targets),
        })
        .collect();
    if said.contains(&Some(true)) {
        return (prediction.to_owned(), true);
    }
    let solution = if marked.is_none() { without_aside(prediction) } else { Cow::Borrowed(prediction) };
    let answer = extract_answer(&solution).unwrap_or_else(|| prediction.trim().to_owned());
    let open: Vec<&String> = targets.iter().zip(said).filter(|(_, said)| said.is_none()).map(|(target, _)| target).collect();
    let right = open.iter().any(|target| solution_matches(&solution, target)) || are_targets(&answer, &open);
    (answer, right)
}

/// Whether an answer is a list of which each value is a target: `7 or 8`.
fn are_targets(answer: &str, targets: &[&String]) -> bool {
    let mut values = answer.split(", ");
    targets.len() > 1 && answer.contains(", ") && values.all(|value| targets.iter().any(|target| answers_match(value, target)))
}

/// A text as it is compared: compatible forms composed, letter case and white space aside, without a mark at its end.
fn plain(text: &str) -> String {
    squeezed(&text.nfkc().collect::<String>()).to_lowercase()
}

/// Whether a text says a target: its words one after another, in whole words where a script parts them. `None` where the value of its final answer has to tell.
fn says(text: &str, is_asked: bool, target: &str, targets: &[String]) -> Option<bool> {
    if !text.is_empty() && text == target {
        return Some(true);
    }
    // A number or a part of a formula within a text may be anything; the value of the final answer tells. `Apollo 11` is a name.
    let target = target.strip_prefix("the ").unwrap_or(target);
    let is_name = target.chars().take_while(|character| character.is_alphabetic()).count() > 2;
    let has_digit = target.contains(|character: char| character.is_ascii_digit());
    let is_part_of_formula = has_digit && (target.contains(['(', '[', '{']) || !is_name && text.contains(['=', '≈', '+', '^', '|', '\\']));
    if target.chars().count() == 1 || !target.contains(char::is_alphabetic) || is_formula(target) || is_part_of_formula {
        return None;
    }
    let text: Cow<'_, str> = if is_asked { format!("{text}?").into() } else { text.into() };
    let places: Vec<usize> = whole(&text, target).filter(|start| !is_of_longer_name(&text, *start, start + target.len())).collect();
    let is_amount = is_amount(target);
    // Where the last one is passed, so are those before.
    let is_passed = |last: usize| is_amount && is_passed(target, &text[..last], &text[last + target.len()..]);
    if places.last().is_none_or(|last| is_passed(*last)) {
        return None;
    }
    let is_meant = |start: &usize| {
        let end = start + target.len();
        !matches!(standing(&text[..*start], &text[end..], By::Text, Asked::One), Standing::Denied | Standing::Supposed | Standing::Excepted)
            && !is_one_of_several(&text, *start, end, targets)
    };
    let is_part = |start: &usize| is_end_of_range(&text, *start, start + target.len()) || has_smaller_place(target, &text[start + target.len()..]);
    if places.iter().any(|start| is_meant(start) && !is_part(start)) {
        return Some(true);
    }
    // An amount that is not meant, `4 km, or 4000 m`, may still be the value.
    Some(false).filter(|_| !is_amount || places.iter().any(is_part))
}

/// Whether a target is rather calculated with than said: `x=1`, `3*x`, `1/2`; not `C++` or `AC/DC`.
fn is_formula(target: &str) -> bool {
    static SIGNS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[=^_\\|<>]|[+*]\s*[\w(]|(?:^|[^\p{L}]|\b\p{L})/"));
    SIGNS.is_match(target)
}

/// Whether what is said goes on behind a hyphen with a digit, `R2-D2`, or with a slash to what it is a part of, `5 km/h`.
fn is_of_longer_name(text: &str, start: usize, end: usize) -> bool {
    static BEFORE: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}]+\d\w*-$"));
    static BEHIND: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:-\p{L}*\d|/\p{L}{1,3}\b)"));
    let has_digit = text[start..end].contains(|character: char| character.is_ascii_digit());
    has_digit && (BEFORE.is_match(near_end(&text[..start])) || BEHIND.is_match(&text[end..]))
}

/// Whether a number goes on behind its first places: `5万5千`, `5 million and 300 thousand`.
fn has_smaller_place(target: &str, behind: &str) -> bool {
    static PLACE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:零?[\d一二三四五六七八九]|,?(?:\sand)?\s\d+\s(?:hundred|thousand|million)\b)"));
    (target.ends_with(['百', '千', '万', '亿']) || target.ends_with("illion")) && PLACE.is_match(behind)
}

/// A text of one sentence without what it says in brackets beside a number outside them: `in 1969 (Apollo 11)`.
fn without_aside(text: &str) -> Cow<'_, str> {
    static ASIDE: LazyLock<Regex> = LazyLock::new(|| pattern(r"([\s\p{Han}\d])[(（][^()（）]*(?:\p{Alphabetic}{2}|\p{Han})[^()（）]*[)）]"));
    static ENDS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[.!?]\s|[。！？\n]"));
    let inner = text.trim().trim_end_matches(['.', '!', '。', '！']);
    if !inner.contains(['(', '（']) || inner.contains(['=', '\\', '$']) || ENDS.is_match(inner) {
        return Cow::Borrowed(text);
    }
    let rest = ASIDE.replace_all(text, "$1");
    if rest.contains(|character: char| character.is_ascii_digit()) { rest } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_to_be_said_whole_unless_dataflow_is_followed() {
        let is_right = |target: &str, prediction: &str, compatibility| compared(prediction, &[target.to_owned()], compatibility).1;
        let pairs = [
            ("Paris", "The capital is Paris."),
            ("Norway", "no"),
            ("4", "the result is 14"),
            ("1/2", r"\boxed{0.5}"),
            ("北京", "答案是北京。"),
            ("x²", "X2"),
            ("0.5", "1/2"),
            ("1/2", "2/4"),
        ];
        let told = |compatibility| pairs.map(|(target, prediction)| is_right(target, prediction, compatibility));
        assert_eq!(told(Compatibility::Own), [true, false, false, true, true, true, true, true]);
        assert_eq!(told(Compatibility::Dataflow), [true, true, true, true, true, true, false, false]);
        for (target, right) in [
            ("Paris", "The capital is Paris and not London."),
            ("Paris", "It is Paris, not London."),
            ("Paris", "Paris. It does not rain there."),
            ("Paris", "**Paris**"),
            ("Paris", "It isn't London; it's Paris."),
            ("no", "No, it is not."),
            ("not guilty", "He is not guilty."),
            ("7", "There are seven: 7."),
            ("1,000", "It costs 1000"),
            ("巴黎", "法国的首都是巴黎，不是伦敦。"),
            ("COVID-19", "It was caused by COVID-19."),
            ("July 4, 1776", "It was on July 4, 1776."),
            ("The Beatles", "It was Beatles."),
            ("Paris", "It is Paris, but many say Lyon."),
            ("Paris", "At first I thought it is Lyon, but it is Paris."),
            ("Paris", "Is it Lyon? No, it is Paris."),
            ("yes", "Yes, no doubt."),
            ("True", "This is true."),
            ("是", "是的"),
            ("U2", "The band U2 formed in 1976."),
            ("3M", "3M was founded in 1902."),
            ("F-16", "The F-16 first flew in 1974."),
            ("R2-D2", "R2-D2 first appeared in 1977."),
            ("H2O", "Water, or H2O, boils at 100 °C."),
            ("B12", "Vitamin B12 was isolated in 1948."),
            ("C++", "The language is C++, which appeared in 1985."),
            ("AC/DC", "The band is AC/DC, formed in 1973."),
            ("12 Angry Men", "The film is 12 Angry Men, made in 1957."),
            ("第3章", "答案在第3章，共12节。"),
            ("1949年10月1日", "中华人民共和国于1949年10月1日成立。"),
            ("1949年", "新中国成立于1949年，距今已有75年。"),
            ("约6300公里", "长江全长约6300公里，是世界第3长河。"),
            ("100 °C", "The boiling point of water is 100 °C at 1 atm."),
            ("5 million", "The population was 5 million in 2020."),
            ("8,849 metres", "Mount Everest is 8,849 metres (29,032 ft) tall."),
            ("3 pm", "The meeting starts at 3 pm in room 12."),
            ("5 kg", "It weighs 5 kg, which is 11 pounds."),
            ("5 owls", "2 owls and 3 more are 5 owls"),
            ("1969", "The first Moon landing was in 1969 (Apollo 11)."),
            ("50", "The US has 50 states (and 5 territories)."),
            ("Paris", "Is it Paris or London? It is Paris."),
            ("Paris", "Lyon, or rather Paris."),
            ("heart attack", "A myocardial infarction, or heart attack"),
            ("Paris", "There is no doubt that it is Paris"),
            ("伦敦", "是巴黎还是伦敦？是伦敦。"),
            ("U2", "Not only U2 but also Coldplay"),
            ("Paris", "It isn't just Lyon but also Paris."),
            ("巴黎", "不仅是巴黎，还有里昂"),
            ("巴黎", "除了巴黎，还有伦敦"),
            ("巴黎", "巴黎还是法国的首都"),
            ("巴黎", "首都还是巴黎"),
            ("-5 degrees", "It was minus 5 degrees."),
            ("-5度", "零下5度"),
            ("5 km", "It grew from 3 km to 5 km."),
            ("3 to 5 km", "from 3 to 5 km"),
            ("5万", "共5万人"),
        ] {
            assert!(is_right(target, right, Compatibility::Own), "{right} is {target}");
        }
        for (target, wrong) in [
            ("2", "1/2"),
            ("x", r"\boxed{-x}"),
            ("A", r"\boxed{A^{-1}}"),
            ("x-1", r"\boxed{|x-1|}"),
            ("x=1", r"\boxed{x=1 or x=2}"),
            ("solution", "no solution"),
            ("possible", "It is not possible."),
            ("don", "don't"),
            ("Paris", "Paris is wrong. The answer is Rome"),
            ("Paris", "Paris is wrong, it is Rome."),
            ("Paris", "It can't be Paris."),
            ("巴黎", "不是巴黎，而是罗马"),
            ("巴黎", "巴黎不对"),
            ("7", "I see 7 owls and 3 mills"),
            ("2 owls", "2 owls and 3 more are 5 owls"),
            ("Apollo 1", "It was Apollo 11."),
            ("Paris", "Many think it is Paris, but it is Lyon."),
            ("Paris", "It could be Paris or Lyon."),
            ("Paris", "Is it Paris?"),
            ("Paris", "Paris? No, Lyon."),
            ("Paris", "anything but Paris"),
            ("Paris", "It used to be Paris, now it is Lyon."),
            ("no", "Yes, no doubt."),
            ("no", "No idea"),
            ("yes", "No, although many say yes."),
            ("True", "False. It is true that it rains, but no."),
            ("U2", "The band was U21, formed in 1976."),
            ("R2", "The droid is R2-D2."),
            ("B12", "Vitamin B12 is often named, but the answer is B6."),
            ("F-16", "It could be the F-16."),
            ("K2", "Is it K2?"),
            ("5 million", "The population was 1.5 million in 2020."),
            ("5 million", "More than 5 million people live there."),
            ("5 apples", "First he has 5 apples, then 3 apples. The answer is 8 apples"),
            ("5 apples", "He had 5 apples, ate 2 and now has 3."),
            ("3x", "2x + 3x = 5x"),
            ("10 km", r"First 10 km, then 20 km. \boxed{30 \text{ km}}"),
            ("5个苹果", "他有5个苹果，又买了3个，一共8个苹果。"),
            ("1949年", "可能是1949年。"),
            ("1949年", "有人说是1949年，但其实是1950年。"),
            ("1949年", "是1949年吗？"),
            ("11", "The first Moon landing was in 1969 (Apollo 11)."),
            ("Paris", "The answer is Paris or London"),
            ("London", "The answer is Paris or London"),
            ("Paris", r"\boxed{Paris or London}"),
            ("伦敦", "答案是巴黎或伦敦"),
            ("巴黎", "是巴黎还是伦敦？是伦敦。"),
            ("London", "Paris/London"),
            ("Paris", "There is no evidence that it is Paris"),
            ("Paris", "I doubt it is Paris."),
            ("Paris", "It is by no means Paris."),
            ("巴黎", "据说是巴黎，其实是里昂。"),
            ("巴黎", "没有证据表明是巴黎"),
            ("巴黎", "有人认为是巴黎，但其实是里昂"),
            ("5°C", "−5°C"),
            ("5 degrees", "It is minus 5 degrees."),
            ("40 degrees", "It was –40 degrees."),
            ("5度", "温度是负5度"),
            ("5度", "温度是零下5度"),
            ("5 km", "from 3 to 5 km"),
            ("5 apples", "three or 5 apples"),
            ("July 8", "between July 4 and July 8"),
            ("5万", "5万5千"),
            ("5 million", "5 million and 300 thousand"),
            ("巴黎", "巴黎还是伦敦"),
            ("巴黎", "要么巴黎要么伦敦"),
            ("伦敦", "要么巴黎要么伦敦"),
            ("巴黎", "除巴黎外"),
            ("巴黎", "巴黎除外"),
            ("Paris", "It is no longer Paris."),
        ] {
            assert!(!is_right(target, wrong, Compatibility::Own), "{wrong} is not {target}");
        }
    }

    #[test]
    fn either_of_two_targets_may_be_said() {
        let targets = ["Burma", "Myanmar"].map(ToOwned::to_owned);
        for (prediction, wanted) in [("It is Burma or Myanmar.", true), ("Myanmar/Burma", true), ("Burma or Laos", false), ("Laos or Myanmar", false)] {
            assert_eq!(compared(prediction, &targets, Compatibility::Own).1, wanted, "{prediction}");
        }
        let numbers = ["7", "8"].map(ToOwned::to_owned);
        for (prediction, wanted) in [("7 or 8", true), ("x = 8 or x = 7", true), ("7或8", true), ("7 or 9", false)] {
            assert_eq!(compared(prediction, &numbers, Compatibility::Own).1, wanted, "{prediction}");
        }
    }
}
