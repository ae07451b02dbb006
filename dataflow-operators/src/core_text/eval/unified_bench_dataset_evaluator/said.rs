//! Tells whether a prediction gives a target, by its words or by the value of its final answer.

use unicode_normalization::UnicodeNormalization;

use super::choices::squeezed;
use super::mentions::{Standing, standing, whole};
use super::verdict::{says_yes, verdict};
use crate::answer::{Units, answers_match, extract_answer, final_answer, marked_answer, reference_answer, solution_matches};
use crate::compatibility::Compatibility;

/// What was compared, and whether it is any of the targets.
pub(super) fn compared(prediction: &str, targets: &[String], compatibility: Compatibility) -> (String, bool) {
    if targets.iter().any(|target| says(prediction, target, compatibility)) {
        return (prediction.to_owned(), true);
    }
    match compatibility {
        Compatibility::Own => {
            let answer = extract_answer(prediction).unwrap_or_else(|| prediction.trim().to_owned());
            (answer, targets.iter().any(|target| says_yes(target).is_none() && solution_matches(prediction, target)))
        }
        Compatibility::Dataflow => {
            let answer = final_answer(prediction, Units::Everywhere);
            let right = targets.iter().any(|target| answers_match(&answer, &reference_answer(target)));
            (answer, right)
        }
    }
}

/// A text as it is compared: compatible forms composed, letter case and white space aside, without a mark at its end.
fn plain(text: &str) -> String {
    squeezed(&text.nfkc().collect::<String>()).to_lowercase()
}

/// Whether a prediction says a target: its words one after another, in whole words where a script parts them, in the answer that is marked as such if one is. DataFlow takes any part of either text.
fn says(prediction: &str, target: &str, compatibility: Compatibility) -> bool {
    let marked = marked_answer(prediction).filter(|_| compatibility == Compatibility::Own);
    let prediction = marked.as_deref().unwrap_or(prediction);
    if compatibility == Compatibility::Own
        && let Some(wanted) = says_yes(target)
    {
        return verdict(prediction) == Some(wanted);
    }
    let is_asked = prediction.trim_end().ends_with(['?', '？']);
    let (prediction, target) = (plain(prediction), plain(target));
    if prediction.is_empty() || target.is_empty() {
        return false;
    }
    if compatibility == Compatibility::Dataflow {
        return prediction.contains(&target) || target.contains(&prediction);
    }
    if prediction == target {
        return true;
    }
    // A number or a part of a formula within a text may be anything; the value of the final answer tells. `Apollo 11` is a name.
    let target = target.strip_prefix("the ").unwrap_or(&target);
    let is_formula = target.contains(|character| "=+^_\\|<>*/".contains(character));
    let first_word = target.chars().take_while(|character| character.is_alphabetic()).count();
    let is_name = first_word > 2 && !target.contains(['(', '[', '{']) || !target.contains(|character: char| character.is_ascii_digit());
    if !target.chars().any(char::is_alphabetic) || target.chars().count() == 1 || is_formula || !is_name {
        return false;
    }
    let prediction = if is_asked { format!("{prediction}?") } else { prediction };
    whole(&prediction, target).any(|start| !matches!(standing(&prediction, start, start + target.len()), Standing::Denied | Standing::Excepted | Standing::Supposed))
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
        ] {
            assert!(!is_right(target, wrong, Compatibility::Own), "{wrong} is not {target}");
        }
    }
}
