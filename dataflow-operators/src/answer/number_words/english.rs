//! Numbers that English words write out at the beginning of a text: `two hundred and five eggs`, `a thousand`, `two point five`, `three quarters`, `one and a half hours`.

use super::super::multiplier::multiplier;
use super::{Words, number_of_words, word_value};

/// The most words of a number.
const LONGEST: usize = 30;

/// A text in small letters with the number that it begins with in digits: `1 hour` for `one hour`, `2 1/2` for `two and a half`; `None` where it begins with none,
/// or where another number follows.
pub(super) fn with_first_words_in_digits(lower: &str) -> Option<String> {
    let mut pieces = lower.split([' ', '-']).filter(|word| !word.is_empty());
    let words: Vec<&str> = pieces.by_ref().take(LONGEST).collect();
    let (number, count) = with_part(&words).or_else(|| decimal(&words)).or_else(|| whole(&words).map(|(number, count)| (number.to_string(), count)))?;
    let rest: Vec<&str> = words[count..].iter().copied().chain(pieces).collect();
    let goes_on = |word: &&str| is_number(word) || denominator(word).is_some() || *word == "point";
    // What multiplies a part is a unit of it: `two and a half million`.
    (!rest.iter().skip_while(|word| multiplier(word).is_some()).any(goes_on)).then(|| [&[number.as_str()], &rest[..]].concat().join(" "))
}

fn is_number(word: &str) -> bool {
    word_value(word).is_some() || (multiplier(word).is_some() && word.is_ascii())
}

fn is_article(word: &str) -> bool {
    matches!(word, "a" | "an")
}

/// A whole number, and of how many words it is; `a` counts before a hundred and the like alone.
fn whole(words: &[&str]) -> Option<(u64, usize)> {
    let first = usize::from(is_article(words.first()?));
    let is_first = |word: &str| if first == 0 { word_value(word).is_some() } else { word_value(word).is_none() && is_number(word) };
    if !is_first(words.get(first)?) {
        return None;
    }
    let belongs = |at: &usize| is_number(words[*at]) || (words[*at] == "and" && words.get(at + 1).is_some_and(|next| is_number(next)));
    let count = first + (first..words.len()).take_while(belongs).count();
    Some((number_of_words(&words[first..count].join(" "), Words::Said)?, count))
}

/// `two point five` as `2.5`.
fn decimal(words: &[&str]) -> Option<(String, usize)> {
    let (whole, count) = whole(words)?;
    let digits: String =
        words[count..].strip_prefix(&["point"])?.iter().map_while(|word| word_value(word).filter(|digit| *digit < 10)).map(|digit| digit.to_string()).collect();
    (!digits.is_empty()).then(|| (format!("{whole}.{digits}"), count + 1 + digits.len()))
}

/// A part, or a whole number and a part: `3/4` for `three quarters`, `2 1/2` for `two and a half`.
fn with_part(words: &[&str]) -> Option<(String, usize)> {
    if words == ["half"] {
        return Some(("1/2".to_owned(), 1));
    }
    let mixed = |at: usize| {
        let (number, _) = whole(&words[..at]).filter(|(_, count)| *count == at)?;
        let (part, count) = part(&words[at + 1..])?;
        Some((format!("{number} {part}"), at + 1 + count))
    };
    part(words).or_else(|| (0..words.len()).filter(|at| words[*at] == "and").find_map(mixed))
}

/// `1/2` for `a half` and `one half`, `2/3` for `two thirds`; one third is no ordinal number only as long as one of them is counted: `twenty third` is.
fn part(words: &[&str]) -> Option<(String, usize)> {
    let (over, count) = if is_article(words.first()?) { (1, 1) } else { whole(words)? };
    let name = words.get(count)?;
    let under = denominator(name)?;
    ((over == 1) != name.ends_with('s')).then(|| (format!("{over}/{under}"), count + 1))
}

/// Into how many parts a word divides: 3 for `third` and `thirds`. `second` is a unit, or an ordinal number.
fn denominator(word: &str) -> Option<u64> {
    match word.strip_suffix('s').unwrap_or(word) {
        "half" | "halve" => Some(2),
        "quarter" => Some(4),
        "third" => Some(3),
        "fifth" => Some(5),
        "eighth" => Some(8),
        "ninth" => Some(9),
        "twelfth" => Some(12),
        single => {
            let stem = single.strip_suffix("th")?;
            let tens = stem.strip_suffix("ie").and_then(|stem| word_value(&format!("{stem}y")));
            tens.or_else(|| word_value(stem)).or_else(|| multiplier(stem)).filter(|parts| *parts > 2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_what_makes_them_larger_or_smaller() {
        for (text, digits) in [
            ("two and a half", "2 1/2"),
            ("two-and-a-half", "2 1/2"),
            ("one half", "1/2"),
            ("half", "1/2"),
            ("a third", "1/3"),
            ("three quarters", "3/4"),
            ("three-fourths of an hour", "3/4 of an hour"),
            ("one and a half hours", "1 1/2 hours"),
            ("five and two thirds", "5 2/3"),
            ("one hundred and five and two thirds", "105 2/3"),
            ("seven eighths", "7/8"),
            ("one twentieth", "1/20"),
            ("five hundredths", "5/100"),
            ("a hundred", "100"),
            ("a thousand miles", "1000 miles"),
            ("a hundred and five", "105"),
            ("two hundred and five eggs", "205 eggs"),
            ("twenty-five eggs", "25 eggs"),
            ("two months", "2 months"),
            ("two seconds", "2 seconds"),
            ("two point five", "2.5"),
            ("two and a half million", "2 1/2 million"),
            ("zero point seven five", "0.75"),
            ("twenty point five kilograms", "20.5 kilograms"),
        ] {
            assert_eq!(with_first_words_in_digits(text).as_deref(), Some(digits), "{text}");
        }
        for text in [
            "",
            "a",
            "an hour",
            "half a dozen",
            "the third",
            "third",
            "twenty third",
            "one thirds",
            "two third",
            "a second",
            "two point",
            "two point twenty",
            "two thirds and one half",
            "one and two",
            "two and three",
            "two forty fifths",
            "one to two",
        ] {
            assert_eq!(with_first_words_in_digits(text), None, "{text}");
        }
        for piece in ["one and ", "a half and ", "two thirds ", "one point "] {
            assert_eq!(with_first_words_in_digits(&piece.repeat(100_000)), None, "{piece}");
        }
    }
}
