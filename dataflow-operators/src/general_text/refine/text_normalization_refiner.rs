//! Writes dates and dollars in one form.

use crate::compatibility::Compatibility;
use crate::language::is_han;
use crate::pattern::pattern;
use crate::python::{NO_WORD_OR_END, SPACE, WORD, is_word, split_words};
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Writes dates as `2021-05-12` and amounts such as `$5` as `5 USD`.
///
/// Dates are day, month and year as numbers between `/` or `.`, and English ones such as `May 5, 2020` and `5 May 2020`; what is no date of the calendar, a version, an address of a network or a part of a path or name (`file_12.05.2021.txt`) stays, and so does what is no plain amount of US dollars, such as `HK$5`, `$5M`, `$5,00` and the formula `$3 < x$`.
/// DataFlow takes parts of versions and longer numbers for dates, pads no zeros, changes the first English date alone, and writes `HK5 USD` and `5 USDM`; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 把日期统一写为 `2021-05-12`，把 `$5` 一类的金额写为 `5 USD`。
///
/// 日期包括以 `/` 或 `.` 分隔的日、月、年数字，以及 `May 5, 2020`、`5 May 2020` 一类的英文日期；不是有效日期的内容、版本号、网络地址以及路径或名称的一部分（`file_12.05.2021.txt`）保持原样，`HK$5`、`$5M`、`$5,00`、公式 `$3 < x$` 等并非单纯美元金额的也保持原样。
/// DataFlow 会把版本号和更长数字的一部分当作日期，不补零，只处理第一个英文日期，并写出 `HK5 USD`、`5 USDM`；`compatibility: dataflow` 沿用其做法。
#[operator(general_text, refine, Refine)]
pub struct TextNormalizationRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for TextNormalizationRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), compatibility: Compatibility::Own }
    }
}

struct Patterns {
    numeric: Regex,
    month_first: Regex,
    day_first: Regex,
    dollars: Regex,
    loose_numeric: Regex,
    loose_month_first: Regex,
    loose_day_first: Regex,
    loose_dollars: Regex,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let (edge, word, space) = (NO_WORD_OR_END, WORD, SPACE);
    Patterns {
        // Whole runs of digits and marks; what is longer than a date is told by its number of parts.
        numeric: pattern(r"[0-9]+(?:[./][0-9]+)+"),
        month_first: pattern(r"\b([A-Za-z]+)\s+([0-9]{1,2}),\s+([0-9]{4})\b"),
        day_first: pattern(r"\b([0-9]{1,2})\s+([A-Za-z]+)\s+([0-9]{4})\b"),
        dollars: pattern(r"(?:US)?\$[ \u{a0}]?([0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)"),
        loose_numeric: pattern(r"(\d{1,2})[/.](\d{1,2})[/.](\d{2,4})"),
        // Of each the first alone is looked for, so that its edges may take a character.
        loose_month_first: pattern(&format!(r"{edge}({word}+{space}+\d{{1,2}},{space}+\d{{4}}){edge}")),
        loose_day_first: pattern(&format!(r"{edge}(\d{{1,2}}{space}+{word}+{space}+\d{{4}}){edge}")),
        loose_dollars: pattern(&format!(r"\${space}?(\d+)")),
    }
});

impl Refine for TextNormalizationRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        // Without a digit there is neither a date nor an amount.
        if !text.contains(char::is_numeric) {
            return text.into();
        }
        let refined = match self.compatibility {
            Compatibility::Own => own(text),
            Compatibility::Dataflow => dataflow(text),
        };
        if refined == text { text.into() } else { refined.into() }
    }
}

fn own(text: &str) -> String {
    // What follows a dollar sign is an amount, if not a plain one.
    let replaced = |text: &str, pattern: &Regex, date: &dyn Fn(&Captures<'_>) -> Option<String>| {
        let date = |found: &Captures<'_>| {
            let is_amount = text[..found.get_match().start()].trim_end_matches([' ', '\u{a0}']).ends_with('$');
            date(found).filter(|_| !is_amount).unwrap_or_else(|| found[0].to_owned())
        };
        pattern.replace_all(text, date).into_owned()
    };
    let text = replaced(text, &PATTERNS.numeric, &|found| {
        let place = found.get_match().range();
        numeric(&found[0]).filter(|_| is_apart(&text[..place.start], &text[place.end..]))
    });
    let text = replaced(&text, &PATTERNS.month_first, &|found| iso(&found[3], &found[1], &found[2]));
    let text = replaced(&text, &PATTERNS.day_first, &|found| iso(&found[3], &found[2], &found[1]));
    let plain = |found: &Captures<'_>| {
        let place = found.get_match().range();
        if is_plain(&text[..place.start], &text[place.end..]) { format!("{} USD", &found[1]) } else { found[0].to_owned() }
    };
    PATTERNS.dollars.replace_all(&text, plain).into_owned()
}

/// Whether what stands before and after a date leaves it one: not the rest of a name (`a1/2/2020`), a path (`/1/2/2020.html`) or a version (`version 1.2.2021`, `1.2.2021-beta`).
fn is_apart(before: &str, after: &str) -> bool {
    // Words of other scripts may stand beside a date without a space.
    let is_part = |next: Option<char>, one_after: Option<char>| match next {
        Some('.' | '-') => one_after.is_some_and(|character| character.is_ascii_alphabetic()),
        Some(character) => character.is_ascii_alphanumeric() || matches!(character, '_' | '/'),
        None => false,
    };
    let (mut back, mut on) = (before.chars().rev(), after.chars());
    let before = before.trim_end_matches([' ', ':', '：']);
    let is_version = ["v", "ver", "version", "versions"].iter().any(|known| known.eq_ignore_ascii_case(last_word(before))) || before.ends_with("版本");
    !is_version && !is_part(back.next(), back.next()) && !is_part(on.next(), on.next())
}

/// The English word that a text ends with.
fn last_word(text: &str) -> &str {
    &text[text.trim_end_matches(|character: char| character.is_ascii_alphabetic()).len()..]
}

/// Whether what stands before and after an amount leaves it one of US dollars: not a letter of another dollar (`HK$5`), more of the number (`$5,00`), its unit (`$5M`), another currency (`$5 CAD`) or the rest of a formula (`$3 < x$`).
fn is_plain(before: &str, after: &str) -> bool {
    const UNITS: [&str; 24] = [
        "hundred", "thousand", "million", "billion", "trillion", "lakh", "lakhs", "crore", "crores", "k", "m", "b", "mn", "bn", "tn", "usd", "aud", "cad",
        "hkd", "nzd", "sgd", "mxn", "dollar", "dollars",
    ];
    const OTHER_DOLLARS: [&str; 16] =
        ["AU", "AUD", "Australian", "CA", "CAD", "Canadian", "HK", "HKD", "Kong", "NT", "NZ", "NZD", "SG", "SGD", "Singapore", "Zealand"];
    const NUMERALS: [char; 6] = ['十', '百', '千', '万', '萬', '亿'];
    // Words of Chinese stand beside an amount without a space.
    let is_joined = |character: char| is_word(character) && (!is_han(character) || NUMERALS.contains(&character)) || character == '$';
    let mut next = after.chars();
    let is_whole = match next.next() {
        Some('.' | ',' | '/' | ':' | '-' | '–') => !next.next().is_some_and(|next| next.is_ascii_digit()),
        Some(mark) => !is_joined(mark),
        None => true,
    };
    let rest = after.strip_prefix([' ', '\u{a0}', '-']).unwrap_or_default();
    let unit = &rest[..rest.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(rest.len())];
    // `$1 000`
    let has_thousands = rest.chars().take(4).take_while(char::is_ascii_digit).count() == 3;
    let has_unit = has_thousands || rest.starts_with(NUMERALS) || UNITS.iter().any(|known| known.eq_ignore_ascii_case(unit));
    let is_of_others = before.strip_suffix([' ', '\u{a0}']).is_some_and(|before| OTHER_DOLLARS.contains(&last_word(before)));
    let follows = before.ends_with(|character| is_joined(character) || character == '\\');
    is_whole && !follows && !has_unit && !is_of_others && !is_formula(after)
}

/// Whether what follows a number is the rest of a formula between dollar signs: an operator or a command, and a sign that closes it, as no sign of an amount does.
fn is_formula(after: &str) -> bool {
    const OPERATORS: [char; 18] = ['\\', '+', '-', '−', '*', '/', '=', '<', '>', '^', '_', '|', '≤', '≥', '≠', '≈', '×', '∈'];
    let line = after.trim_start_matches(' ');
    line.starts_with(OPERATORS)
        && line.split_once(['$', '\n']).is_some_and(|(formula, rest)| {
            let is_sign = line[formula.len()..].starts_with('$');
            is_sign && !formula.ends_with(char::is_whitespace) && !rest.starts_with(|next: char| next.is_ascii_digit())
        })
}

/// `12/05/2021` as a date of the calendar; a year of two digits is one of 1970 to 2069.
fn numeric(found: &str) -> Option<String> {
    let mark = if found.contains('/') { '/' } else { '.' };
    let parts: Vec<&str> = found.split(mark).collect();
    let [day, month, year] = parts[..] else { return None };
    let two_digits = |part: &str| matches!(part.len(), 1 | 2);
    let year: i32 = match year.len() {
        4 => year.parse().ok()?,
        // `1.2.03` is as likely a version.
        2 if mark == '/' => year.parse::<i32>().ok().map(|year| if year < 70 { year + 2000 } else { year + 1900 })?,
        _ => return None,
    };
    if !two_digits(day) || !two_digits(month) {
        return None;
    }
    date(year, month.parse().ok()?, day.parse().ok()?)
}

/// A date with the English name of its month.
fn iso(year: &str, month: &str, day: &str) -> Option<String> {
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as u32 + 1;
    date(year.parse().ok()?, month, day.parse().ok()?)
}

fn date(year: i32, month: u32, day: u32) -> Option<String> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (year > 0 && (1..=days).contains(&day)).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

const MONTHS: [&str; 12] = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

/// DataFlow's rule: anything like a date between marks, and of English dates the first of each form with its repetitions.
fn dataflow(text: &str) -> String {
    let mut text = PATTERNS.loose_numeric.replace_all(text, "$3-$2-$1").into_owned();
    for (pattern, day, month) in [(&PATTERNS.loose_month_first, 1, 0), (&PATTERNS.loose_day_first, 0, 1)] {
        let Some(found) = pattern.captures(&text).map(|found| found[1].to_owned()) else { continue };
        let parts: Vec<&str> = split_words(&found).map(|part| part.trim_end_matches(',')).collect();
        if let [_, _, year] = parts[..]
            && let Some(date) = iso(year, parts[month], parts[day])
        {
            text = text.replace(&found, &date);
        }
    }
    PATTERNS.loose_dollars.replace_all(&text, "$1 USD").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(TextNormalizationRefiner);

    #[test]
    fn dates_and_dollars_have_one_form_and_versions_stay() {
        let texts = [
            "on 12/05/2021, 1.2.2003 and 31/2/2020",
            "version 3.14.15 at 192.168.1.100 or 1.2.03",
            "May 5, 2020 to MAY 6, 2020; 5 January 1990, Foo 12, 2020",
            "$1,000.50 or $ 7, US$5",
            "no digits",
        ];
        assert_snapshot!(check_rule(&TextNormalizationRefiner::default(), "text", texts), @r"
        text=on 2021-05-12, 2003-02-01 and 31/2/2020
        text=version 3.14.15 at 192.168.1.100 or 1.2.03
        text=2020-05-05 to 2020-05-06; 1990-01-05, Foo 12, 2020
        text=1,000.50 USD or 7 USD, 5 USD
        text=no digits
        ");
    }

    #[test]
    fn an_amount_that_is_no_plain_one_of_dollars_stays() {
        let refined = |text: &str| TextNormalizationRefiner::default().refine(text).into_owned();
        for text in [
            "HK$5",
            "NT$100",
            "A$20",
            "R$5",
            "$5M",
            "$5bn",
            "$5.5k",
            "$5,00",
            "$3.5.2020",
            "$5/10/2020",
            "$5 million",
            "$5-billion",
            "$5 CAD",
            "$5亿",
            "$5$",
            r"\$5",
            "$1,0000",
            "$10-20",
            "in $\n5 boxes",
            "$1–2 million",
            "$5 万",
            "$5 lakh, $5 crore, $5 B",
            "$1 000",
            "HK $5, AU $5 and Canadian $5",
            "$5 dollars",
            r"$3 \times 4 = 12$",
            "if $3 < x$",
            "$0.5 < p < 1$, $3+4=7$.",
        ] {
            assert_eq!(refined(text), text);
        }
        for (text, expected) in [
            ("It is $5. Or $6.50, ($7)", "It is 5 USD. Or 6.50 USD, (7 USD)"),
            ("-$5 to $5-$10", "-5 USD to 5 USD-10 USD"),
            ("票价$5元，$3/day", "票价5 USD元，3 USD/day"),
            ("paid US$1,000 on 1/2/2020", "paid 1,000 USD on 2020-02-01"),
            ("He paid $5 May 2020", "He paid 5 USD May 2020"),
            ("$5 - $10, $3 + $4 = $7", "5 USD - 10 USD, 3 USD + 4 USD = 7 USD"),
            ("$5 1000 times, A $5 bill", "5 USD 1000 times, A 5 USD bill"),
            ("$5 on May 5, 2020", "5 USD on 2020-05-05"),
        ] {
            assert_eq!(refined(text), expected);
        }
    }

    #[test]
    fn a_part_of_a_version_a_path_or_a_name_is_no_date() {
        let refined = |text: &str| TextNormalizationRefiner::default().refine(text).into_owned();
        for text in [
            "Released v1.10.2020",
            "Version 2.3.2021",
            "版本：2.3.2021",
            "1.2.2021-beta",
            "http://x/12/05/2021.html",
            "file_12.05.2021.txt",
            "a1/2/2020",
            "1/2/2020b",
            "1/2/2020/3.txt",
        ] {
            assert_eq!(refined(text), text);
        }
        for (text, expected) in [
            ("On 12.05.2021. Then", "On 2021-05-12. Then"),
            ("(12/05/2021)-13/05/2021", "(2021-05-12)-2021-05-13"),
            ("于12/05/2021发布", "于2021-05-12发布"),
            ("the version of 1/2/2020", "the version of 2020-02-01"),
        ] {
            assert_eq!(refined(text), expected);
        }
    }

    #[test]
    fn dataflow_takes_more_for_a_date() {
        let operator = TextNormalizationRefiner { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["version 3.14.15, $7.50"]), @"text=version 15-14-3, 7 USD.50");
    }

    #[test]
    fn dataflows_dates_end_where_python_says_that_words_do() {
        let operator = TextNormalizationRefiner { compatibility: Compatibility::Dataflow, ..Default::default() };
        for mark in ["\u{fe0f}", "\u{200d}", "\u{301}", "\u{203f}", ""] {
            assert_eq!(operator.refine(&format!("{mark}5 May 2020{mark}")), format!("{mark}2020-05-05{mark}"));
            assert_eq!(operator.refine(&format!("{mark}May 5, 2020{mark}")), format!("{mark}2020-05-05{mark}"));
        }
        for part_of_word in ["½", "²", "_", "字"] {
            for date in [format!("5 May 2020{part_of_word}"), format!("{part_of_word}5 May 2020"), format!("May 5, 2020{part_of_word}")] {
                assert_eq!(operator.refine(&date), date);
            }
        }
        assert_eq!(operator.refine("5\u{1c}May\u{1f}2020 $\u{1d}5"), "2020-05-05 5 USD");
    }
}
