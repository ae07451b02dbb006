//! Numbers that are written out in English or Chinese.

/// A text with the number that it begins with, or is, in digits: `25` for `twenty five` and `二十五`, `1 hour` for `one hour`, `2/3` for `三分之二`. `None`
/// where it begins with none.
pub(super) fn in_digits(text: &str) -> Option<String> {
    let text = text.trim();
    let lower = text.to_lowercase();
    if let Some(rest) = ["minus ", "negative ", "负"].iter().find_map(|sign| lower.strip_prefix(sign)) {
        return in_digits(rest).map(|number| format!("-{number}"));
    }
    if let Some((under, over)) = text.split_once("分之") {
        return Some(format!("{}/{}", chinese_number(over)?, chinese_number(under)?));
    }
    let whole = number_of_words(text).or_else(|| chinese_number(text)).map(|number| number.to_string());
    whole.or_else(|| with_first_words_in_digits(&lower))
}

/// `1 hour` for `one hour`; not for `two thirds`, which is less than two, and not for `two point five`.
fn with_first_words_in_digits(lower: &str) -> Option<String> {
    let words: Vec<&str> = lower.split_whitespace().collect();
    let is_number = |word: &&str| word_value(word).is_some() || ["hundred", "thousand", "million", "billion"].contains(word);
    word_value(words.first()?)?;
    let count = words.iter().take_while(|word| is_number(word)).count();
    let (number, rest) = words.split_at(count);
    let is_part =
        |word: &&str| ["half", "halves", "third", "quarter", "point"].iter().any(|part| word.starts_with(part)) || word.trim_end_matches('s').ends_with("th");
    (!rest.iter().any(|word| is_part(word) || is_number(word))).then(|| Some(format!("{} {}", number_of_words(&number.join(" "))?, rest.join(" "))))?
}

/// The whole number that Chinese numerals write out.
fn chinese_number(text: &str) -> Option<u64> {
    let (mut total, mut section, mut digit, mut any) = (0_u64, 0_u64, None, false);
    for character in text.chars() {
        any = true;
        if let Some(value) = "一二三四五六七八九".chars().position(|known| known == character).or((character == '两').then_some(1)) {
            if digit.replace(value as u64 + 1).is_some() {
                return None;
            }
            continue;
        }
        match character {
            '零' => {}
            '十' => section += digit.take().unwrap_or(1) * 10,
            '百' => section += digit.take()? * 100,
            '千' => section += digit.take()? * 1000,
            '万' | '亿' => {
                let head = total + section + digit.take().unwrap_or(0);
                total = head.checked_mul(if character == '万' { 10_000 } else { 100_000_000 }).filter(|total| *total > 0)?;
                section = 0;
            }
            _ => return None,
        }
    }
    any.then_some(total + section + digit.unwrap_or(0))
}

/// The whole number that English words write out; `None` where any word is none of a number.
pub(super) fn number_of_words(text: &str) -> Option<u64> {
    let lower = text.to_lowercase();
    let (mut total, mut group, mut any) = (0_u64, 0_u64, false);
    for word in lower.split([' ', '-']).filter(|word| !word.is_empty() && *word != "and") {
        if let Some(value) = word_value(word) {
            group = group.checked_add(value)?;
        } else if word == "hundred" {
            group = group.max(1).checked_mul(100)?;
        } else if let Some(power) = ["thousand", "million", "billion"].iter().position(|known| *known == word) {
            total = total.checked_add(group.max(1).checked_mul(1000_u64.pow(power as u32 + 1))?)?;
            group = 0;
        } else {
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
        ] {
            assert_eq!(in_digits(text).as_deref(), Some(digits), "{text}");
        }
        for text in ["", "two thirds", "zero point five", "five hundredths", "一半", "一一", "万", "hour", "12"] {
            assert_eq!(in_digits(text), None, "{text}");
        }
    }
}
