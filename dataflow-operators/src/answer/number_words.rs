//! Numbers that are written out in English.

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
