//! Digits that are raised, lowered or fractions, each as one character.

/// A raised digit or sign: `2` for `²`.
pub(super) fn raised(character: char) -> Option<char> {
    const RAISED: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺";
    "0123456789-+".chars().nth(RAISED.chars().position(|raised| raised == character)?)
}

/// A lowered digit: `2` for `₂`.
pub(super) fn lowered_digit(character: char) -> Option<char> {
    char::from_digit((character as u32).checked_sub('₀' as u32).filter(|digit| *digit < 10)?, 10)
}

/// What stands over and under the bar: 2 and 3 for `⅔`.
pub(super) fn fraction(character: char) -> Option<(&'static str, &'static str)> {
    Some(match character {
        '½' => ("1", "2"),
        '⅓' => ("1", "3"),
        '⅔' => ("2", "3"),
        '¼' => ("1", "4"),
        '¾' => ("3", "4"),
        '⅕' => ("1", "5"),
        '⅖' => ("2", "5"),
        '⅗' => ("3", "5"),
        '⅘' => ("4", "5"),
        '⅙' => ("1", "6"),
        '⅚' => ("5", "6"),
        '⅛' => ("1", "8"),
        '⅜' => ("3", "8"),
        '⅝' => ("5", "8"),
        '⅞' => ("7", "8"),
        _ => return None,
    })
}
