//! Numbers with the units or words behind them.

use std::sync::LazyLock;

use regex::Regex;

use super::compare::words::squeezed;
use super::expression::{self, Expression};
use super::number_words::word_value;

/// A number and the unit or words behind it.
struct Quantity {
    /// The number as it is written.
    number: String,
    unit: String,
    /// By what the first words of the unit multiply.
    times: f64,
}

impl Quantity {
    fn of(text: &str) -> Self {
        let text = without_thousands(text).unwrap_or_else(|| text.to_owned());
        let (head, unit) = split_unit(&text);
        let head = head.strip_suffix('%').map_or(head, str::trim);
        let (times, unit) = multiplied(&unit);
        let unit = if unit == "percent" { String::new() } else { unit.to_owned() };
        Self { number: head.to_owned(), unit, times }
    }

    /// The value, where what stands before the unit is a number.
    fn value(&self) -> Option<Expression> {
        let digits = word_value(&self.number.to_lowercase()).map(|value| value.to_string());
        let number = mixed_number(&self.number).or(digits).unwrap_or_else(|| self.number.clone());
        let number = if self.times > 1.0 { format!("{}*({number})", self.times) } else { number };
        Expression::parse(&number).filter(|value| value.constant().is_some())
    }
}

/// By what the first words of a unit multiply, as in `5 million dollars` and `5万元`, and the unit without them.
fn multiplied(unit: &str) -> (f64, &str) {
    const TIMES: [(&str, f64); 11] = [
        ("hundred", 1e2),
        ("thousand", 1e3),
        ("million", 1e6),
        ("billion", 1e9),
        ("trillion", 1e12),
        ("百", 1e2),
        ("千", 1e3),
        ("万", 1e4),
        ("萬", 1e4),
        ("亿", 1e8),
        ("億", 1e8),
    ];
    let (mut times, mut rest) = (1.0, unit);
    while let Some((word, by)) = TIMES.iter().find(|(word, _)| rest.starts_with(word)) {
        let after = &rest[word.len()..];
        // 千米 and 百分点 are units, and a hundredth is a part.
        let is_unit = match *word {
            "千" => after.starts_with(['米', '克', '瓦', '卡', '帕', '赫', '伏', '焦', '兆', '字']),
            "百" => after.starts_with('分'),
            _ => after.starts_with("th"),
        };
        if is_unit {
            break;
        }
        times *= by;
        rest = after.strip_prefix('s').unwrap_or(after);
    }
    (times, rest)
}

/// Whether two numbers are the same; `None` where one of the two is no number.
pub(super) fn same_number(answer: &str, reference: &str) -> Option<bool> {
    let (left, right) = (Quantity::of(answer), Quantity::of(reference));
    let have_units = (!left.unit.is_empty(), !right.unit.is_empty());
    let contradict = have_units == (true, true) && left.unit != right.unit;
    match (left.value(), right.value()) {
        (Some(left), Some(right)) => Some(!contradict && expression::equal(&left, &right)),
        // `2:30 pm` and `2:30`, `12x kg` and `12x`
        _ if have_units != (false, false) && expression::close(left.times, right.times) && !contradict && squeezed(&left.number) == squeezed(&right.number) => {
            Some(true)
        }
        _ => None,
    }
}

/// Whether a text is a number with a unit.
pub(super) fn is_with_unit(text: &str) -> bool {
    let quantity = Quantity::of(text);
    !quantity.unit.is_empty() && quantity.value().is_some()
}

/// The number of a text whose commas or spaces only group its digits, without them.
pub(super) fn without_thousands(text: &str) -> Option<String> {
    static GROUPED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^-?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?:[^\d,;][^,;]*)?$").ok());
    static SPACED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(-?\d{1,3}(?: \d{3})+(?:\.\d+)?)(\s*[^\d\s,;/.][^,;/]*)?$").ok());
    if let Some(found) = SPACED.as_ref()?.captures(text) {
        return Some(format!("{}{}", found[1].replace(' ', ""), found.get(2).map_or("", |unit| unit.as_str())));
    }
    // `1, 234` may be a list; with three digits in each group and no space it is a number.
    GROUPED.as_ref()?.is_match(text).then(|| text.replace(',', ""))
}

/// `3 1/2` as a sum.
fn mixed_number(text: &str) -> Option<String> {
    static MIXED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^([-+]?)\s*(\d+)\s+\(*(\d+)\)*\s*/\s*\(*(\d+)\)*$").ok());
    let found = MIXED.as_ref()?.captures(text)?;
    Some(format!("{}({}+{}/{})", &found[1], &found[2], &found[3], &found[4]))
}

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
    &["in", "inch", "inche"],
    &["ft", "foot", "feet"],
    &["yd", "yard"],
    &["mi", "mile"],
    &["lb", "pound"],
    &["oz", "ounce"],
    &["dollar", "usd"],
    &["元", "yuan"],
    &["percent", "pct", "percentage"],
];

/// A unit as it is compared: `cm^2` for `square centimeters`, `cm^(2)` and `平方厘米`.
fn unit_name(words: &str) -> String {
    let unit: String = words.chars().filter(|character| !character.is_whitespace() && !matches!(character, '.' | '(' | ')' | '^')).collect();
    let (unit, power) = match [("square", "2"), ("sq", "2"), ("平方", "2"), ("cubic", "3"), ("立方", "3")]
        .iter()
        .find_map(|(word, power)| Some((unit.strip_prefix(word)?, power)))
    {
        Some((unit, power)) if !unit.is_empty() => (unit, *power),
        _ => match unit.strip_suffix(['2', '3']) {
            Some(base) => (base, &unit[base.len()..]),
            None => (unit.as_str(), ""),
        },
    };
    // `dollar` and `dollars` are one unit.
    let unit = if unit.chars().count() > 2 { unit.strip_suffix('s').unwrap_or(unit) } else { unit };
    let name = UNITS.iter().find(|names| names.contains(&unit)).map_or(unit, |names| names[0]);
    format!("{name}{power}")
}

/// A number and the unit or words after it.
fn split_unit(text: &str) -> (&str, String) {
    static WITH_UNIT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^(-?\d+(?:\.\d+)?[eE][+-]?\d+|.*?[\d)%](?:\s*pi\b)?)(\s*)((?:[\p{L}µ%]+(?:\^?\(?-?\d\)?)?[\s./*-]*)+)$").ok());
    /// Units that may stand right after a number.
    const SHORT: [&str; 22] =
        ["cm", "mm", "km", "kg", "mg", "ml", "ms", "min", "hr", "hrs", "ft", "mi", "lb", "oz", "kw", "hz", "pa", "mol", "mph", "in", "am", "pm"];
    /// Those of one letter, which are variables in another case: `5N` and `5n`.
    const LETTERS: &str = "mgshlLNJWVKC";
    let none = || (text, String::new());
    let Some(found) = WITH_UNIT.as_ref().and_then(|pattern| pattern.captures(text)) else { return none() };
    let (Some(head), Some(space), Some(words)) = (found.get(1), found.get(2), found.get(3)) else { return none() };
    let words = words.as_str().trim();
    let letter = words.split(|character: char| !character.is_alphabetic()).next().filter(|word| word.chars().count() == 1 && LETTERS.contains(word));
    let words = words.to_lowercase();
    let first: String = words.chars().filter(|character| *character != '.').take_while(|character| character.is_alphabetic()).collect();
    let mathematics = ["pi", "sqrt", "inf", "root", "log", "ln", "sin", "cos", "tan"].contains(&first.as_str());
    let known = letter.is_some() || SHORT.contains(&first.as_str()) || !(first.is_ascii() || first.starts_with(|letter| matches!(letter, 'α'..='ω')));
    if mathematics || !(known || (first.chars().count() > 1 && !space.as_str().is_empty())) {
        return none();
    }
    (head.as_str().trim(), unit_name(&words))
}
