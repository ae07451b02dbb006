//! Numbers that are written out in English or Chinese.

mod english;

use self::english::with_first_words_in_digits;
use super::multiplier::multiplier;
use super::sign::after_minus;

/// How words that follow one another are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// As they are said: `nineteen eighty four` and `two three` are no numbers.
    Said,
    /// As word2number reads them, which DataFlow uses: words that make no number together are added up.
    AddedUp,
}

/// A text with the number that it begins with, or is, in digits: `25` for `twenty five` and `二十五`, `1 hour` for `one hour`, `2/3` for `two thirds` and `三分之二`,
/// `2 1/2` for `two and a half`, `3.5` for `三点五`. `None` where it begins with none.
pub(super) fn in_digits(text: &str) -> Option<String> {
    let text = text.trim();
    match after_minus(text) {
        Some(rest) => Some(format!("-{}", unsigned_in_digits(rest)?)),
        None => unsigned_in_digits(text),
    }
}

fn unsigned_in_digits(text: &str) -> Option<String> {
    if let Some((under, over)) = text.split_once("分之") {
        return Some(format!("{}/{}", chinese_number(over)?, chinese_number(under)?));
    }
    if let Some((whole, digits)) = text.split_once('点') {
        return Some(format!("{}.{}", chinese_number(whole)?, chinese_digits(digits)?));
    }
    let whole = number_of_words(text, Words::Said).or_else(|| chinese_number(text)).map(|number| number.to_string());
    whole.or_else(|| with_first_words_in_digits(&text.to_lowercase()))
}

/// The most bytes of a number in Chinese numerals.
const LONGEST: usize = 200;

/// The whole number that Chinese numerals write out.
fn chinese_number(text: &str) -> Option<u64> {
    if text.len() > LONGEST {
        return None;
    }
    // The largest of 亿 and 万 tells how often what is before it counts: `一亿三万` is no multiple of 亿 and 三.
    let parts = |multipliers: [char; 2]| text.rmatch_indices(multipliers).next().map(|(at, by)| (&text[..at], by, &text[at + by.len()..]));
    let Some((before, by, after)) = parts(['亿', '億']).or_else(|| parts(['万', '萬'])) else { return below_ten_thousand(text) };
    let after = if after.is_empty() { 0 } else { chinese_number(after)? };
    chinese_number(before)?.checked_mul(multiplier(by)?)?.checked_add(after)
}

const DIGITS: &str = "零一二三四五六七八九";

/// The digits behind the point: `25` for `二五`.
fn chinese_digits(text: &str) -> Option<String> {
    let digit = |character: char| Some(DIGITS.chars().position(|known| known == character)?.to_string());
    text.chars().map(digit).collect::<Option<String>>().filter(|digits| !digits.is_empty() && text.len() <= LONGEST)
}

/// A number of 千, 百, 十 and a digit, each of them once and in this order.
fn below_ten_thousand(text: &str) -> Option<u64> {
    let (mut sum, mut digit, mut above) = (0, None, 10_000);
    for character in text.chars() {
        if let Some(value) = DIGITS.chars().position(|known| known == character).or((character == '两').then_some(2)).filter(|value| *value > 0) {
            if digit.replace(value as u64).is_some() {
                return None;
            }
            continue;
        }
        let (by, count) = match character {
            '零' => continue,
            '十' => (10, Some(digit.take().unwrap_or(1))),
            _ => (multiplier(character.encode_utf8(&mut [0; 4]))?, digit.take()),
        };
        if by >= above {
            return None;
        }
        sum += count? * by;
        above = by;
    }
    (!text.is_empty()).then_some(sum + digit.unwrap_or(0))
}

/// The whole number that English words write out; `None` where any word is none of a number.
pub(super) fn number_of_words(text: &str, words: Words) -> Option<u64> {
    let lower = text.to_lowercase();
    // What stands before the next thousand or million, and the last of those.
    let (mut total, mut group, mut any, mut above) = (0_u64, 0_u64, false, u64::MAX);
    for word in lower.split([' ', '-']).filter(|word| !word.is_empty() && *word != "and") {
        let is_said = if let Some(value) = word_value(word) {
            // A digit follows a hundred or one of the tens, all others a hundred alone; and nothing goes with a zero.
            let follows = !any || (above > 0 && value > 0 && (group % 100 == 0 || ((1..10).contains(&value) && group % 10 == 0 && group % 100 >= 20)));
            group = group.checked_add(value)?;
            if value == 0 {
                above = 0;
            }
            follows
        } else {
            let by = multiplier(word).filter(|_| word.is_ascii())?;
            let times = group.max(1).checked_mul(by)?;
            if by == 100 {
                let follows = (1..100).contains(&group) || !any;
                group = times;
                follows
            } else {
                let follows = by < above && (group > 0 || !any);
                (total, group) = (total.checked_add(times)?, 0);
                above = by;
                follows
            }
        };
        if words == Words::Said && !is_said {
            return None;
        }
        any = true;
    }
    any.then(|| total.checked_add(group))?
}

/// The value of one word in small letters: zero to twenty, and the tens.
pub(super) fn word_value(word: &str) -> Option<u64> {
    Some(match word {
        "zero" => 0,
        "one" => 1,
        "two" => 2,
        "three" => 3,
        "four" => 4,
        "five" => 5,
        "six" => 6,
        "seven" => 7,
        "eight" => 8,
        "nine" => 9,
        "ten" => 10,
        "eleven" => 11,
        "twelve" => 12,
        "thirteen" => 13,
        "fourteen" => 14,
        "fifteen" => 15,
        "sixteen" => 16,
        "seventeen" => 17,
        "eighteen" => 18,
        "nineteen" => 19,
        "twenty" => 20,
        "thirty" => 30,
        "forty" => 40,
        "fifty" => 50,
        "sixty" => 60,
        "seventy" => 70,
        "eighty" => 80,
        "ninety" => 90,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words_become_digits() {
        for (text, digits) in [
            ("twenty five", "25"),
            ("minus twelve", "-12"),
            ("one hour", "1 hour"),
            ("two hundred eggs", "200 eggs"),
            ("三", "3"),
            ("十二", "12"),
            ("两百零五", "205"),
            ("二十万", "200000"),
            ("负三", "-3"),
            ("三分之二", "2/3"),
            ("negative three hundred and two", "-302"),
            ("one million two thousand", "1002000"),
            ("eighteen hundred", "1800"),
            ("two trillion", "2000000000000"),
            ("一亿三万", "100030000"),
            ("一万亿", "1000000000000"),
            ("三萬", "30000"),
            ("負三", "-3"),
            ("minus two and a half", "-2 1/2"),
            ("三点一四", "3.14"),
            ("零下十二", "-12"),
        ] {
            assert_eq!(in_digits(text).as_deref(), Some(digits), "{text}");
        }
        for text in ["", "一半", "一一", "万", "三点", "三点五分", "三点十", "hour", "12"] {
            assert_eq!(in_digits(text), None, "{text}");
        }
    }

    #[test]
    fn words_that_make_no_number_are_not_added_up() {
        for (text, sum) in [
            ("one and two", 3),
            ("two three", 5),
            ("twenty twenty", 40),
            ("twenty twelve", 32),
            ("twelve three", 15),
            ("nineteen eighty four", 103),
            ("two zero", 2),
            ("zero two", 2),
            ("two thousand three thousand", 5000),
        ] {
            assert_eq!(in_digits(text), None, "{text}");
            assert_eq!(number_of_words(text, Words::AddedUp), Some(sum), "{text}");
        }
        for text in ["二十三十", "九千九千", "三十百"] {
            assert_eq!(in_digits(text), None, "{text}");
        }
        for piece in ["负", "minus ", "万", "九千", "one "] {
            assert_eq!(in_digits(&piece.repeat(100_000)), None, "{piece}");
        }
    }
}
