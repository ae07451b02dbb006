//! Tells whether a text leaves open which of several values it means: `Paris or London`, `3 to 5 km`.

use std::sync::LazyLock;

use regex::Regex;

use super::amount::{is_amount, is_date};
use crate::answer::near::end_of;
use crate::pattern::pattern;

/// Whether a text leaves open which of several it means: `Paris or London`, `巴黎或伦敦`. Two targets may stand side by side, and behind a comma another name may follow:
/// `a myocardial infarction, or heart attack`.
pub(super) fn is_one_of_several(text: &str, start: usize, end: usize, targets: &[String]) -> bool {
    static BEFORE: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?:[^,\s]\s+or\s+(?:(?:the|an?|in|at|on|by|to|of)\s+)?|\p{L}/|[^,，、]或者?是?|是[^,。;?]{1,12}还是)$"));
    static BEHIND: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\s+or\s+(?:(?:the|an?|in|at|on|by|to|of)\s+)?|/|或者?是?|还是)"));
    let (before, behind) = (near_end(&text[..start]), &text[end..]);
    let is_open_before = BEFORE.find(before).is_some_and(|or| {
        let other = before[..or.end()].trim_end().trim_end_matches("or").trim_end_matches(['/', '或', '者', '还', '是']).trim_end();
        !targets.iter().any(|target| other.ends_with(target.as_str()))
    });
    let is_open_behind = BEHIND.find(behind).is_some_and(|or| {
        let other = &behind[or.end()..];
        let is_about = other.starts_with("so") || or.as_str() == "还是" && !is_asked_or_named(other);
        !is_about && !targets.iter().any(|target| other.starts_with(target.as_str()))
    });
    is_open_before || is_open_behind
}

/// Whether what stands behind 还是 is another name, or is asked: 巴黎还是伦敦; what goes on about the same, as 巴黎还是法国的首都, has words of a sentence in it.
fn is_asked_or_named(other: &str) -> bool {
    const MOST: usize = 10;
    let name = other.split([',', '。', ';', '!', '、']).next().unwrap_or(other);
    other.contains('?') || name.chars().count() <= MOST && !name.contains(['的', '了', '最', '很', '有', '在', '没', '不', '要', '会', '那', '老'])
}

/// Whether an amount or a date is one end of a range, or stands beside a bare number that it may as well be: `3 to 5 km`, `between July 4 and July 8`, `three or 5 apples`.
/// What something changed to is said: `grew from 3 km to 5 km`.
pub(super) fn is_end_of_range(text: &str, start: usize, end: usize) -> bool {
    const WORDS: &str = r"(?:\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)|[一二两三四五六七八九十百千万亿])";
    const TO: &str = r"(?:\s+(?:to|until|till|through)\s+|\s*[–—~〜至到]\s*|-)"; // a hyphen between spaces is a dash
    const RISES: &str = "升降增减涨跌变";
    static BEFORE: LazyLock<Regex> = LazyLock::new(|| {
        let change = r"(?<change>\b(?:grew|grown|grows|rose|risen|rises|increas\w*|expand\w*|fell|fallen|dropp\w+|drops|decreas\w*|declin\w*|chang\w+|moved|went|goes|raised|reduced)\b[^.;]{0,30}?\s)";
        let span = format!(r"(?:\b(?:from|between)\s|从|自)[^,;.!?。]{{0,30}}?\d(?:\s?[\p{{L}}°%&&[^{RISES}]]+)?(?:{TO}|\s+and\s+)");
        let bare = format!(r"{WORDS}(?:{TO}|\s+or\s+|或者?)");
        let counted = format!(r"\d[\p{{Han}}&&[^{RISES}]]{{1,2}}(?:{TO}|或者?)");
        pattern(&format!(r"(?:{change}?{span}|{bare}|{counted})$"))
    });
    static BEHIND: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"^{TO}(?:{MONTHS}\w*\.?\s)?[$€£¥]?\d[\d.,]*(?:\s?(?<unit>\p{{L}}+))?")));
    static AND_BEHIND: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"^\s+and\s+(?:{MONTHS}\w*\.?\s)?[$€£¥]?\d")));
    let target = &text[start..end];
    if !is_amount(target) && !is_date(target) {
        return false;
    }
    let (before, behind) = (near_end(&text[..start]), &text[end..]);
    BEFORE.captures(before).is_some_and(|found| found.name("change").is_none())
        || BEHIND.captures(behind).is_some_and(|found| found.name("unit").is_none_or(|unit| is_of_the_same(target, unit.as_str())))
        || before.ends_with("between ") && AND_BEHIND.is_match(behind)
}

/// Whether a word behind the other end of a range counts what an amount counts, or belongs to a date or a time of day as that does: not `5 apples to 3 children`.
fn is_of_the_same(target: &str, unit: &str) -> bool {
    const OF_TIMES: [&str; 11] = ["am", "pm", "st", "nd", "rd", "th", "of", "in", "年", "月", "日"];
    target.ends_with(unit) || OF_TIMES.iter().any(|word| if word.is_ascii() { unit == *word } else { unit.starts_with(word) })
}

/// The months of English, cut to their first letters, as a pattern.
pub(super) const MONTHS: &str = r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)";

/// The end of a text, as far as it is looked at.
pub(super) fn near_end(text: &str) -> &str {
    const NEAR: usize = 80;
    end_of(text, NEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_of_a_range_is_not_meant_alone() {
        let told = |text: &str, target: &str| {
            let start = text.rfind(target).unwrap();
            is_end_of_range(text, start, start + target.len())
        };
        for (text, target) in [
            ("from 3 to 5 km", "5 km"),
            ("3–5 km", "5 km"),
            ("between 3 and 5 km", "5 km"),
            ("from 9 am to 5 pm", "9 am"),
            ("from 9 am to 5 pm", "5 pm"),
            ("three or 5 apples", "5 apples"),
            ("between july 4 and july 8", "july 4"),
            ("between july 4 and july 8", "july 8"),
            ("july 4 to july 8", "july 4"),
            ("3到5公里", "5公里"),
            ("3公里至5公里", "5公里"),
            ("7月4日至7月8日", "7月8日"),
            ("7月4日到8日", "7月4日"),
        ] {
            assert!(told(text, target), "{target} of {text}");
        }
        for (text, target) in [
            ("it grew from 3 km to 5 km", "5 km"),
            ("温度从3度升到5度", "5度"),
            ("5月4日到达", "5月4日"),
            ("the distance to rome is 5 km", "5 km"),
            ("he moved to 5 main street", "5 main street"),
            ("apollo 11 to the moon", "apollo 11"),
            ("f-16 - 4 wings", "f-16"),
            ("it was on july 8, between two battles", "july 8"),
            ("it is 5 apples to 3 children", "5 apples"),
            ("on july 4 - 250 years ago", "july 4"),
            ("it took 5 minutes through 3 gates", "5 minutes"),
            ("chapter 3 - 5 apples", "5 apples"),
            ("from page 3 he walked to 5 km", "5 km"),
            ("3 to 5 km", "3 to 5 km"),
        ] {
            assert!(!told(text, target), "{target} of {text}");
        }
    }
}
