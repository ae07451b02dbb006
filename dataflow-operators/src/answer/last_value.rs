//! The last value of a text that marks no answer: a number, or the whole of what it belongs to.

use std::sync::LazyLock;

use regex::Regex;

use super::denial::{is_denied, is_label};
use super::list::{Joint, introduces_a_list, joint, name_before};
use super::multiplier;
use super::pieces::{Kind, Piece, pieces, takes_an_argument};
use super::quantity::known_units;
use super::sign::{MINUS, PRINTED, is_minus};
use crate::pattern::pattern;

/// Those that are a value, or begin one, without a digit.
const VALUES: &[&str] = &["\\frac", "\\dfrac", "\\tfrac", "\\cfrac", "\\sqrt", "\\pi", "\\infty"];

/// What a text ends with: where it begins, and how it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LastValue {
    pub(super) start: usize,
    pub(super) text: String,
}

/// What a text says of its values.
enum Stated {
    Value(LastValue),
    /// It has values and takes all of them back.
    TakenBack,
}

impl Stated {
    fn value(self) -> Option<LastValue> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    /// As seen from a text in which this one begins at `start`.
    fn at(self, start: usize) -> Self {
        if let Self::Value(value) = self { Self::Value(LastValue { start: start + value.start, ..value }) } else { self }
    }
}

/// The last number of a text; where it is part of a fraction, a root, a power, a formula, a tuple, a time of day or a list, the whole of that, with its sign and what
/// multiplies it. `None` where the text takes it back.
pub(super) fn last_value(text: &str) -> Option<LastValue> {
    last_stated(text)?.value()
}

/// Whether a text has a value and takes it back: `18 is too small`.
pub(super) fn is_taken_back(text: &str) -> bool {
    matches!(last_stated(text), Some(Stated::TakenBack))
}

/// As [`last_value_of`] of the last sentence that has one.
fn last_stated(text: &str) -> Option<Stated> {
    if text.contains("\\begin") {
        return last_value_of(text); // a matrix may have several lines
    }
    // No value goes on from one sentence to the next, and what stands before the last one that has a value need not be read.
    let with_value = |(start, sentence): (usize, &str)| Some(last_value_of(sentence)?.at(start));
    sentences(text).filter(|(_, sentence)| sentence.contains(may_be_of_a_value)).find_map(with_value)
}

/// The sentences of a text from the last to the first, with where they begin, as far as a mark before white space ends one.
fn sentences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let ends = |(at, mark): (usize, &str)| (mark == "\n" || rest[at + 1..].starts_with(' ')).then_some(at + 1);
        let start = rest.rmatch_indices(['.', '?', '\n']).filter(|(at, _)| at + 1 < rest.len()).find_map(ends).unwrap_or(0);
        let sentence = &rest[start..];
        rest = &rest[..start];
        (!sentence.is_empty()).then_some((start, sentence))
    })
}

fn is_superscript(character: char) -> bool {
    matches!(character, '²' | '³' | '¹' | '⁰' | '⁴'..='⁹')
}

fn may_be_of_a_value(character: char) -> bool {
    character.is_numeric() || matches!(character, '\\' | 'π' | '√')
}

/// The last value of a sentence that it does not take back; `None` where it has none.
fn last_value_of(text: &str) -> Option<Stated> {
    let pieces = pieces(text);
    let mut at = 0;
    let mut values = Vec::new();
    while at < pieces.len() {
        let end = end_of_value(&pieces, at);
        values.extend(value(&pieces, at, end).map(|found| Value::of(text, &pieces, found)));
        at = end.max(at + 1);
    }
    values.retain(|value| !is_label(text, value.start));
    let last = values.len().checked_sub(1)?;
    let said = (0..=last).rev().find(|at| !is_denied(text, values[*at].start, values[*at].end));
    Some(said.map_or(Stated::TakenBack, |at| Stated::Value(whole(text, &values[..=at]))))
}

/// The last of some values together with those before it that belong to it: `2 hours 30 minutes`, `1 and -2`.
fn whole(text: &str, values: &[Value]) -> LastValue {
    let (Some(last), others) = (values.last(), &values[..values.len() - 1]) else { return LastValue { start: text.len(), text: String::new() } };
    let mut before = others.iter().rev().filter(|value| !value.is_side);
    if let Some(first) = before.clone().next()
        && let Some(end) = end_of_compound(text, first, last)
    {
        return LastValue { start: first.start, text: text[first.start..end].replace(" and ", " ") };
    }
    let mut items = vec![last];
    let mut enumerates = false;
    while let Some(value) = before.next()
        && let between = &text[value.end..items[items.len() - 1].start]
        && let Some(joint) = joint(between).filter(|_| !between.contains('\n'))
    {
        enumerates |= joint == Joint::Word;
        items.push(value);
    }
    items.reverse();
    let names: Vec<Option<char>> = items.iter().map(|item| name_before(text, item.start)).collect();
    if items.len() == 1 || !(enumerates || names[0].is_some() || introduces_a_list(text, items[0].start)) {
        let unit = unit_behind(&text[last.end..]).map(|unit| format!(" {unit}")).unwrap_or_default();
        return LastValue { start: last.start, text: format!("{}{unit}", last.text) };
    }
    // Of one unknown the values are enough: `x_1 = 1, x_2 = -2`.
    let one_name = names[1..].iter().all(|name| name.is_none() || *name == names[0]);
    let written = |(item, name): (&&Value, &Option<char>)| match name {
        Some(name) if !one_name => format!("{name} = {}", item.text),
        _ => item.text.clone(),
    };
    LastValue { start: items[0].start, text: items.iter().zip(&names).map(written).collect::<Vec<_>>().join(", ") }
}

/// The known unit that stands right behind a value, unless more words belong to it: `7 hours`, not `7 miles per hour`.
fn unit_behind(after: &str) -> Option<&str> {
    static UNIT: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"^ ?((?:{})s?)(?:$|[^\p{{L}}\p{{N}}^/²³])", known_units())));
    const GOES_ON: [&str; 6] = ["per ", "of ", "a ", "an ", "squared", "cubed"];
    let unit = UNIT.captures(&after[..after.floor_char_boundary(40)])?.get(1)?;
    let rest = after[unit.end()..].trim_start();
    (!GOES_ON.iter().any(|word| rest.starts_with(word))).then_some(unit.as_str())
}

/// Where a quantity in two units ends that two numbers are parts of: `2 hours and 30 minutes`.
fn end_of_compound(text: &str, first: &Value, second: &Value) -> Option<usize> {
    static UNIT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(\p{L}+)(?:(?:,|\s+and)?\s*)$"));
    static NEXT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(\p{L}+)"));
    let unit = UNIT.captures(&text[first.end..second.start])?.get(1)?.as_str();
    let next = NEXT.captures(&text[second.end..])?.get(1)?;
    let is_one_of = |unit: &str, names: &[&str]| names.contains(&unit.strip_suffix('s').unwrap_or(unit));
    COMPOUNDS.iter().any(|(large, small)| is_one_of(unit, large) && is_one_of(next.as_str(), small)).then_some(second.end + next.end())
}

/// Units that people count in together, the larger one first.
const COMPOUNDS: &[(&[&str], &[&str])] = &[
    (&["week"], &["day"]),
    (&["day", "天"], &["hour", "小时"]),
    (&["hour", "hr", "h", "小时"], &["minute", "min", "分钟", "分"]),
    (&["minute", "min", "分钟", "分"], &["second", "sec", "秒"]),
    (&["year"], &["month"]),
    (&["feet", "foot", "ft"], &["inch", "inche", "in"]),
    (&["pound", "lb"], &["ounce", "oz"]),
    (&["dollar", "元"], &["cent", "角"]),
];

/// A value in a text, as it is written with its sign and what multiplies it.
struct Value {
    start: usize,
    end: usize,
    text: String,
    /// Whether an equation goes on behind it.
    is_side: bool,
}

impl Value {
    fn of(text: &str, pieces: &[Piece<'_>], found: std::ops::Range<usize>) -> Self {
        let is_side = pieces[found.end..].iter().find(|piece| piece.kind != Kind::Space).is_some_and(|piece| piece.kind == Kind::Relation);
        let (first, last) = (&pieces[found.start], &pieces[found.end - 1]);
        let (start, end) = (first.start, last.start + last.text.len());
        let number = written(&pieces[found]);
        let sign = sign_in_words(text, start).filter(|_| number.starts_with(|first: char| first.is_ascii_digit() || first == '\\'));
        let tail = multiplied_by(text, end);
        let negated = if sign.is_some() { "-" } else { "" };
        let text = match tail {
            Some((words, _)) => format!("{negated}{number} {words}"),
            None => format!("{negated}{number}"),
        };
        Self { start: sign.unwrap_or(start), end: tail.map_or(end, |(_, end)| end), text, is_side }
    }
}

/// Where a sign begins that is written out before a value: `minus 5`, `负5`; not of a difference, `7 minus 5`.
fn sign_in_words(text: &str, start: usize) -> Option<usize> {
    static SIGN: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?i)(?:^|[^\d\s)]\s*)(?<sign>{MINUS}\$?)$")));
    let from = text.ceil_char_boundary(start.saturating_sub(20));
    Some(from + SIGN.captures(&text[from..start])?.name("sign")?.start())
}

/// What makes another number of the one before it, and where that ends: `million`, `万`, `PM`.
fn multiplied_by(text: &str, end: usize) -> Option<(&str, usize)> {
    static MULTIPLIER: LazyLock<Regex> =
        LazyLock::new(|| pattern(&format!(r"^(?i)(?:\s|\$|\\text\{{|\\[,; ])*({}|[ap]\.m\.|[ap]m\b)", multiplier::written_out())));
    let after = &text[end..];
    let found = MULTIPLIER.captures(&after[..after.floor_char_boundary(60)])?.get(1)?;
    Some((found.as_str().trim(), end + found.end()))
}

/// Where the value that begins with a piece ends; there, where none begins.
fn end_of_value(pieces: &[Piece<'_>], start: usize) -> usize {
    let kind = |at: usize| pieces.get(at).map_or(Kind::Other, |piece| piece.kind);
    let is = |at: usize, marks: &[&str]| pieces.get(at).is_some_and(|piece| marks.contains(&piece.text));
    let mut depth = 0_usize;
    let mut at = start;
    while at < pieces.len() {
        let before = if at > start { Some(at - 1) } else { None };
        let goes_on = depth > 0
            || match kind(at) {
                Kind::Number | Kind::Letter | Kind::Command | Kind::Operator | Kind::Open => true,
                Kind::Inequality => is_compared(pieces, start, at),
                // `2:30`, `1,2`
                Kind::Mark => before.is_some_and(|before| kind(before) == Kind::Number) && kind(at + 1) == Kind::Number,
                Kind::Space => before.is_some_and(|before| {
                    let binary = kind(at + 1) == Kind::Operator && kind(at + 2) == Kind::Space;
                    let after_operator = kind(before) == Kind::Operator;
                    let mixed = kind(before) == Kind::Number && kind(at + 1) == Kind::Number && is(at + 2, &["/"]) && kind(at + 3) == Kind::Number;
                    // `5 m^2`, `5 m/s`
                    let unit = kind(before) == Kind::Number && kind(at + 1) == Kind::Letter && is(at + 2, &["^", "/", "²", "³"]);
                    // `1\,000`, `\frac {1} {2}`
                    let thin = pieces[at].text.starts_with('\\') && kind(before) == Kind::Number && kind(at + 1) == Kind::Number;
                    let argument = kind(before) == Kind::Close && is(at + 1, &["{"]);
                    let command = kind(before) == Kind::Command || kind(at + 1) == Kind::Command || takes_an_argument(pieces[before].text);
                    let compared = kind(before) == Kind::Inequality || (kind(at + 1) == Kind::Inequality && is_compared(pieces, start, at + 1));
                    binary || compared || after_operator || mixed || unit || thin || argument || command
                }),
                // `17–18`
                Kind::Other => is(at, &["–", "—"]) && before.is_some_and(|before| kind(before) == Kind::Number) && kind(at + 1) == Kind::Number,
                Kind::Close | Kind::Relation | Kind::Word => false,
            };
        if !goes_on {
            break;
        }
        match kind(at) {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    at
}

/// Whether an inequality stands between two values.
fn is_compared(pieces: &[Piece<'_>], start: usize, at: usize) -> bool {
    let is_side = |piece: &Piece<'_>| matches!(piece.kind, Kind::Number | Kind::Letter | Kind::Command);
    let is_space = |piece: &&Piece<'_>| piece.kind == Kind::Space;
    let before = pieces[start..at].iter().rev().find(|piece| !is_space(piece));
    let after = pieces[at + 1..].iter().find(|piece| !is_space(piece));
    before.is_some_and(|piece| is_side(piece) || piece.kind == Kind::Close)
        && after.is_some_and(|piece| is_side(piece) || piece.kind == Kind::Open || is_minus(piece.text))
}

/// The value that some pieces are, without operators that join it to nothing; `None` where they name none, and where it is the power or the divisor of a word.
fn value(pieces: &[Piece<'_>], mut start: usize, mut end: usize) -> Option<std::ops::Range<usize>> {
    let glued = start > 0 && pieces[start - 1].kind == Kind::Word;
    while start < end && matches!(pieces[start].kind, Kind::Operator | Kind::Space) {
        let spaced = pieces.get(start + 1).is_some_and(|next| next.kind == Kind::Space);
        let after_relation = pieces[..start].iter().rev().find(|piece| piece.kind != Kind::Space).is_some_and(|piece| piece.kind == Kind::Relation);
        match pieces[start].text {
            // `GPT-4` and a dash before a space have no sign.
            sign if (is_minus(sign) || matches!(sign, "+" | "±" | "√")) && !glued && (!spaced || after_relation) => break,
            "^" | "_" | "/" if glued => return None,
            _ => start += 1,
        }
    }
    while end > start
        && (matches!(pieces[end - 1].kind, Kind::Space | Kind::Mark)
            || (pieces[end - 1].kind == Kind::Operator && !pieces[end - 1].text.ends_with(is_superscript)))
    {
        end -= 1;
    }
    let found = pieces.get(start..end)?;
    if !found.iter().any(|piece| piece.kind == Kind::Number || VALUES.contains(&piece.text) || piece.text.starts_with("\\begin") || piece.text == "π") {
        return None;
    }
    Some(start..end)
}

/// A value as it is written, and of a plain number the digits alone.
fn written(value: &[Piece<'_>]) -> String {
    let text: String = value.iter().map(|piece| piece.text).collect();
    let is_sign = |piece: &Piece<'_>| piece.text == "+" || is_minus(piece.text);
    let is_number = match value {
        [number] => number.kind == Kind::Number,
        [sign, number] => is_sign(sign) && number.kind == Kind::Number,
        _ => false,
    };
    if is_number { text.replace([',', ' '], "").replace(PRINTED, "-").trim_start_matches('+').to_owned() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_not_cut_out_of_what_it_belongs_to() {
        for (text, wanted) in [
            ("It costs $3,456.70 in all", "3456.70"),
            ("so 7", "7"),
            ("It is -3.5.", "-3.5"),
            ("x = - 3", "- 3"),
            ("x = −3", "-3"),
            ("We use GPT-4", "4"),
            ("- 3 apples", "3"),
            ("**42**", "42"),
            ("a rise of 12.5%", "12.5%"),
            ("1e3", "1e3"),
            ("16 - 3 - 4 = 9 eggs", "9"),
            ("So x = 2/3.", "2/3"),
            ("1 / 2", "1 / 2"),
            ("-1/2", "-1/2"),
            ("3 1/2 cups", "3 1/2"),
            (r"= \frac{3}{4}", r"\frac{3}{4}"),
            (r"= -\dfrac12.", r"-\dfrac12"),
            (r"so $2\frac{1}{2}$ it is", r"2\frac{1}{2}"),
            (r"\sqrt{3}", r"\sqrt{3}"),
            (r"a side of 2 \sqrt{3}.", r"2 \sqrt{3}"),
            ("2√3", "2√3"),
            (r"with radius 1 it is \pi", r"\pi"),
            ("10^{3}", "10^{3}"),
            ("2^10 bytes", "2^10"),
            ("so x^2+1", "x^2+1"),
            ("so 10-3", "10-3"),
            ("f(2)", "f(2)"),
            ("It is 2:30.", "2:30"),
            ("the point (1, 2).", "(1, 2)"),
            (r"\left(1, \frac{1}{2}\right)", r"\left(1, \frac{1}{2}\right)"),
            (r"\{1, 2\}", r"\{1, 2\}"),
            ("12 in all (3 each)", "3"),
            ("an area of 5 cm^2", "5"),
            ("an area of 5 m^2", "5 m^2"),
            (r"5\text{ m}^2", "5"),
            ("5 km/h", "5"),
            ("a 5-year plan", "5"),
            ("共9步", "9"),
            (r"1\,000", r"1\,000"),
            (r"\frac {1} {2}", r"\frac {1} {2}"),
            ("so log 8", "log 8"),
            ("so lg 8", "lg 8"),
            (r"so 2\sec 8", r"2\sec 8"),
            ("after 5 sec 8", "8"),
            ("We find that $x \\geq 5$.", r"x \geq 5"),
            ("so -2 <= x < 3", "-2 <= x < 3"),
            ("so x>3", "x>3"),
            ("so it takes 7 hours.", "7 hours"),
            ("12 000 km", "12000 km"),
            ("共7小时。", "7 小时"),
            ("7 in total", "7"),
            ("12 pounds of apples", "12"),
            ("30 miles per hour", "30"),
            ("5 meters squared", "5"),
            ("<b>5</b>", "5"),
            ("<answer>5</answer>", "5"),
            ("-> 5", "5"),
            (r"= 0.1\overline{6}", r"0.1\overline{6}"),
            ("it is 0.333...", "0.333..."),
            ("so x**2 - 1", "x**2 - 1"),
            (r"so \begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}.", r"\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}"),
        ] {
            assert_eq!(last_value(text).map(|value| value.text).as_deref(), Some(wanted), "{text}");
        }
        for none in ["", "Paris", "B", "x", "no idea.", "(", r"\text{3"] {
            assert!(last_value(none).is_none_or(|found| found.text == "3"), "{none}");
        }
    }

    proptest! {
        #[test]
        fn the_last_sentence_with_a_value_tells_what_the_whole_text_does(text in r"(?:[\\{}()\[\]$#答案是a-z0-9,:=/^_*²−–-]|[.?] ?|\n| |\\frac|\\sqrt){0,60}") {
            prop_assert_eq!(last_value(&text), last_value_of(&text).and_then(Stated::value));
        }
    }
}
