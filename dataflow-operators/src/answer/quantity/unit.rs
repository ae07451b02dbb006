//! Units, and the ways in which they are written.

use std::collections::BTreeMap;

/// The names of units that are written in more ways than one, the one that they are compared by first.
const UNITS: &[&[&str]] = &[
    &["m", "meter", "metre", "米"],
    &["cm", "centimeter", "centimetre", "厘米"],
    &["mm", "millimeter", "millimetre", "毫米"],
    &["km", "kilometer", "kilometre", "千米", "公里"],
    &["g", "gram", "克"],
    &["kg", "kilogram", "千克", "公斤"],
    &["mg", "milligram", "毫克"],
    &["l", "liter", "litre", "升"],
    &["ml", "milliliter", "millilitre", "毫升"],
    &["s", "sec", "second", "秒"],
    &["min", "minute", "分钟"],
    &["h", "hr", "hour", "小时"],
    &["in", "inch", "inches"],
    &["ft", "foot", "feet"],
    &["yd", "yard"],
    &["mi", "mile"],
    &["lb", "pound"],
    &["oz", "ounce"],
    &["n", "newton", "牛"],
    &["j", "joule", "焦耳"],
    &["w", "watt", "瓦"],
    &["v", "volt", "伏"],
    &["pa", "pascal", "帕"],
    &["hz", "hertz", "赫兹"],
    &["k", "kelvin"],
    &["c", "celsius", "coulomb"],
    &["f", "fahrenheit"],
    &["mol", "mole"],
    &["dollar", "usd"],
    &["元", "yuan"],
    &["percent", "pct", "percentage"],
];

/// The known units of more than one letter, for a pattern; not `in`, which is a word of many sentences.
pub(in super::super) fn known_units() -> String {
    let names = UNITS.iter().flat_map(|names| names.iter()).filter(|name| (name.len() > 1 && **name != "in") || !name.is_ascii());
    let mut names: Vec<&str> = names.copied().collect();
    names.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
    names.join("|")
}

/// A unit as it is compared, its factors in order: `cm2` for `square centimeters`, `cm^(2)` and `平方厘米`, `m s-1` for `m/s` and `meters per second`.
pub(super) fn unit_name(words: &str) -> String {
    let mut factors: BTreeMap<String, i32> = BTreeMap::new();
    // The factor that an exponent belongs to, and what the words before the next one say of its power.
    let (mut last, mut power, mut sign) = (None, 1, 1);
    for piece in pieces(words) {
        match piece {
            "/" | "per" | "每" => sign = -1,
            "square" | "sq" | "平方" => power = 2,
            "cubic" | "立方" => power = 3,
            // `degrees Celsius`
            "degree" | "degrees" if words.len() > "degrees".len() => {}
            "mph" => {
                factors.insert("mi".to_owned(), 1);
                factors.insert("h".to_owned(), -1);
            }
            number if number.ends_with(|last: char| last.is_ascii_digit()) => {
                let (Some((name, single)), Ok(exponent)) = (last.take(), number.parse::<i32>()) else { continue };
                // Nobody divides by milliseconds: `ms^-1` is meant for `m s^-1`.
                let (name, before) = if name == "ms" && exponent < 0 {
                    factors.remove(&name);
                    *factors.entry("m".to_owned()).or_default() += single;
                    ("s".to_owned(), 0)
                } else {
                    (name, single)
                };
                *factors.entry(name).or_default() += single * exponent - before;
            }
            word => {
                let name = name_of(word);
                *factors.entry(name.clone()).or_default() += sign * power;
                last = Some((name, sign));
                (power, sign) = (1, 1);
            }
        }
    }
    let written: Vec<String> = factors.iter().map(|(name, power)| if *power == 1 { name.clone() } else { format!("{name}{power}") }).collect();
    written.join(" ")
}

/// The name of one factor: `dollar` and `dollars` are one.
fn name_of(word: &str) -> String {
    known_name(word).unwrap_or_else(|| single(word)).to_owned()
}

/// Whether a word in small letters is one of the units here, or several of it.
pub(super) fn is_known(word: &str) -> bool {
    known_name(word).is_some()
}

fn known_name(word: &str) -> Option<&'static str> {
    let known = |word: &str| UNITS.iter().find(|names| names.contains(&word)).map(|names| names[0]);
    known(word).or_else(|| known(single(word)))
}

fn single(word: &str) -> &str {
    if word.chars().count() > 2 { word.strip_suffix('s').unwrap_or(word) } else { word }
}

/// The words, exponents and signs of division of a unit.
fn pieces(words: &str) -> impl Iterator<Item = &str> {
    /// Chinese words that stand right before what they belong to.
    const PREFIXES: [&str; 3] = ["平方", "立方", "每"];
    let is_letter = |character: char| character.is_alphabetic() || matches!(character, 'µ' | '%');
    let mut rest = words;
    std::iter::from_fn(move || {
        let is_piece = |character: char| is_letter(character) || character.is_ascii_digit() || character == '/';
        let start = rest.find(is_piece)?;
        let is_negative = rest[..start].ends_with('-');
        let tail = &rest[start..];
        let end = if let Some(prefix) = PREFIXES.iter().find(|prefix| tail.starts_with(**prefix)) {
            prefix.len()
        } else if tail.starts_with('/') {
            1
        } else if tail.starts_with(|first: char| first.is_ascii_digit()) {
            tail.find(|character: char| !character.is_ascii_digit()).unwrap_or(tail.len())
        } else {
            let word = tail.find(|character: char| !is_letter(character)).unwrap_or(tail.len());
            tail[..word].find('每').unwrap_or(word)
        };
        let is_power = tail.starts_with(|first: char| first.is_ascii_digit());
        let from = if is_negative && is_power { start - 1 } else { start };
        let piece = &rest[from..start + end];
        rest = &rest[start + end..];
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_one_name_in_all_its_forms() {
        for forms in [
            &["m/s", "m s^(-1)", "m*s^-1", "meters per second", "米/秒", "米每秒", "ms^(-1)"][..],
            &["cm^2", "cm^(2)", "square centimeters", "sq cm", "平方厘米", "cm2"],
            &["mol/l", "mol*l^-1"],
            &["c", "degrees celsius"],
            &["mph", "miles per hour"],
            &["m/s^2", "m s^-2", "meters per second^2"],
        ] {
            for form in forms {
                assert_eq!(unit_name(form), unit_name(forms[0]), "{form}");
            }
        }
        for (one, other) in [("m s", "ms"), ("m/s", "m s"), ("cm^2", "cm^3"), ("kg", "g"), ("degrees", "radians")] {
            assert_ne!(unit_name(one), unit_name(other), "{one} and {other}");
        }
    }
}
