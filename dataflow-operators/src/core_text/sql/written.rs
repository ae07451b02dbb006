//! Reads an expression as it is written, before Polars does: what Polars would panic at, drop silently or work out over many rows is refused, and what it reads in one form alone is
//! brought to that form.

use std::borrow::Cow;

use chrono::{DateTime, NaiveTime, TimeDelta};
use polars::prelude::{DataType, TimeUnit};

use super::functions::needs_rows;
use super::rule::sees_one_row;
use super::token::{Kind, Token, tokens};
use super::{span, temporal};

/// How many signs and joining words an expression may have: each is another call of Polars upon itself, and a stack ends.
const MOST_SIGNS: usize = 100;
const DEEPEST: usize = 40;

const WITHOUT_OPERANDS: [&str; 9] = ["(", ")", ",", ".", "=", "<", ">", "]", ":"];

/// An expression as Polars is given it.
pub(super) fn prepared(sql: &str) -> Result<String, String> {
    let mut tokens = tokens(sql)?;
    let places: Vec<usize> = (0..tokens.len()).filter(|place| tokens[*place].kind != Kind::Blank).collect();
    let signs = places.iter().map(|place| &tokens[*place]).filter(|token| match token.kind {
        Kind::Sign => !WITHOUT_OPERANDS.iter().any(|sign| token.is(sign)),
        _ => token.is_word(&["and", "or", "not", "is", "like", "in", "between", "when"]),
    });
    let signs = signs.count();
    if signs > MOST_SIGNS {
        return Err(format!(
            "at most {MOST_SIGNS} signs and words such as `+` and `OR` were expected in one expression, found {signs}\nhint: `IN (…)` takes many constants, and a step before this one can work out a part"
        ));
    }
    let mut depth = 0_usize;
    for place in &places {
        match tokens[*place] {
            ref token if token.is("(") => depth += 1,
            ref token if token.is(")") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("brackets at most {DEEPEST} deep were expected\nhint: a step before this one can work out a part"));
        }
    }
    for (index, place) in places.iter().copied().enumerate() {
        let after = |steps: usize| places.get(index + steps).map(|place| &tokens[*place]);
        let token = &tokens[place];
        if token.is("(") && after(1).is_some_and(|next| next.is_word(&["select", "with"])) {
            // Polars would run some queries while it reads the expression, and panic.
            return Err(sees_one_row("a query within"));
        }
        let is_called = matches!(token.kind, Kind::Word | Kind::Name) && after(1).is_some_and(|next| next.is("("));
        if is_called {
            called(token.plain(), after(2).is_some_and(|next| next.is(")")))?;
        }
        if token.is_word(&["substr", "substring"])
            && is_called
            && let Some(end) = end_of_two(&tokens, &places[index + 1..])
        {
            tokens[end].written = Cow::Borrowed(TO_THE_END);
            continue;
        }
        if token.is_word(&["in"]) {
            has_constants(&tokens, &places, index)?;
        }
        if token.is_word(&["like", "ilike"])
            && let Some(pattern) = if after(1).is_some_and(|next| next.is_word(&["e"])) { after(2) } else { after(1) }
        {
            has_no_escapes(pattern)?;
        }
        if token.is_word(&["decimal", "numeric", "dec"]) && is_called {
            let number = |steps| after(steps).and_then(|token| token.written.parse::<u64>().ok());
            digits_fit(number(2), number(4))?;
        }
        if token.is_word(&["interval"])
            && let Some(text) = after(1).filter(|next| next.kind == Kind::Text)
        {
            if let Some(unit) = after(2).filter(|next| next.is_word(&span::UNITS)) {
                let (text, unit) = (text.plain(), unit.written.to_ascii_lowercase());
                return Err(format!("a span of time has its unit within the quotes\nhint: `INTERVAL '{text} {unit}'`"));
            }
            span::is_known(text.plain())?;
        }
        let wanted = literal_type(token);
        if let Some(wanted) = wanted
            && let Some(text) = after(1).filter(|next| next.kind == Kind::Text)
        {
            let brought = constant(text.plain(), &wanted).ok_or_else(|| temporal::unreadable(text.plain(), &wanted))?;
            let text = places[index + 1];
            tokens[text].written = Cow::Owned(format!("'{brought}'"));
        } else if token.kind == Kind::Number {
            let brought = plain_number(&token.written)?;
            tokens[place].written = Cow::Owned(brought);
        }
    }
    Ok(tokens.iter().map(|token| &*token.written).collect())
}

/// Whether brackets follow an `IN`, as they do but in `POSITION('a' IN text)`.
fn has_constants(tokens: &[Token], places: &[usize], index: usize) -> Result<(), String> {
    let at = |index: usize| places.get(index).map(|place| &tokens[*place]);
    let Some(next) = at(index + 1).filter(|next| !next.is("(") && !next.is_word(&["unnest"])) else { return Ok(()) };
    let mut depth = 0_usize;
    for before in (0..index).rev() {
        if at(before).is_some_and(|token| token.is(")")) {
            depth += 1;
        } else if at(before).is_some_and(|token| token.is("(")) && depth > 0 {
            depth -= 1;
        } else if at(before).is_some_and(|token| token.is("(")) {
            if before > 0 && at(before - 1).is_some_and(|called| called.is_word(&["position"])) {
                return Ok(());
            }
            break;
        }
    }
    let value = index.checked_sub(1).and_then(|before| if at(before)?.is_word(&["not"]) { at(before.checked_sub(1)?) } else { at(before) });
    let value = value.filter(|value| value.kind != Kind::Sign).map_or("…", |value| &value.written);
    let hint = match next.kind {
        Kind::Word | Kind::Name => format!("`ARRAY_CONTAINS({}, {value})` tells whether a list holds a value", next.written),
        _ => format!("`{value} IN ('a', 'b')` tells whether a value is among constants"),
    };
    Err(format!("constants in brackets were expected after `IN`, found `{}`\nhint: {hint}", next.written))
}

/// Whether no backslash stands before a wildcard: some databases take `\_` for the character itself, and Polars for a backslash and any character.
fn has_no_escapes(pattern: &Token<'_>) -> Result<(), String> {
    let found = pattern.written.find("\\_").or_else(|| pattern.written.find("\\%")).filter(|_| pattern.kind == Kind::Text);
    let Some(found) = found else { return Ok(()) };
    let escape = &pattern.written[found..found + 2];
    Err(format!(
        "`%` and `_` in a pattern after `LIKE` stand for any text and any character, and a backslash changes nothing, found `{escape}`\nhint: {AS_THEY_ARE}"
    ))
}

/// What looks for `%` and `_` themselves.
pub(super) const AS_THEY_ARE: &str = "`STRPOS(text, '10%') > 0` and `REGEXP_LIKE(text, '10%$')` take `%` and `_` as they are";

/// The length that is as good as none: without one Polars gives not a text but the start, where that is a column.
const TO_THE_END: &str = ", 1000000000)";

/// Where the brackets end of a call with two arguments, the second of which is no plain number.
fn end_of_two(tokens: &[Token], places: &[usize]) -> Option<usize> {
    let (mut depth, mut commas) = (0_usize, Vec::new());
    for (index, place) in places.iter().enumerate() {
        let token = &tokens[*place];
        if token.is("(") {
            depth += 1;
        } else if token.is(",") && depth == 1 {
            commas.push(index);
        } else if token.is(")") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                let is_plain = |comma: usize| places[comma + 1..index].iter().all(|place| tokens[*place].kind == Kind::Number || tokens[*place].is("-"));
                return (commas.len() == 1 && !is_plain(commas[0])).then_some(*place);
            }
        }
    }
    None
}

fn called(function: &str, has_no_arguments: bool) -> Result<(), String> {
    if let Some(what) = needs_rows(function) {
        let hint = match function.to_ascii_lowercase().as_str() {
            "max" => "\nhint: `GREATEST(…, …)` chooses among the values of a row",
            "min" => "\nhint: `LEAST(…, …)` chooses among the values of a row",
            "bool_and" | "every" => "\nhint: `AND` joins the conditions of a row",
            "bool_or" => "\nhint: `OR` joins the conditions of a row",
            _ => "",
        };
        return Err(format!("{}{hint}", sees_one_row(what)));
    }
    if has_no_arguments && ["greatest", "least", "coalesce"].iter().any(|known| function.eq_ignore_ascii_case(known)) {
        return Err(format!("`{}` expects at least 1 argument (found 0)", function.to_ascii_uppercase()));
    }
    Ok(())
}

fn digits_fit(digits: Option<u64>, decimals: Option<u64>) -> Result<(), String> {
    match (digits, decimals) {
        (Some(digits), _) if !(1..=38).contains(&digits) => Err(format!("a decimal number has 1 to 38 digits, found {digits}")),
        (Some(digits), Some(decimals)) if decimals > digits => {
            Err(format!("a decimal number has at most as many decimals as digits, found {decimals} of {digits}"))
        }
        _ => Ok(()),
    }
}

fn literal_type(token: &Token<'_>) -> Option<DataType> {
    if token.is_word(&["date"]) {
        Some(DataType::Date)
    } else if token.is_word(&["time"]) {
        Some(DataType::Time)
    } else if token.is_word(&["timestamp", "datetime"]) {
        Some(DataType::Datetime(TimeUnit::Microseconds, None))
    } else {
        None
    }
}

/// A date or a time as the one form that Polars reads.
fn constant(text: &str, wanted: &DataType) -> Option<String> {
    let counted = temporal::counted(text, wanted)?;
    Some(match wanted {
        DataType::Date => DateTime::from_timestamp(counted.checked_mul(86_400)?, 0)?.format("%Y-%m-%d").to_string(),
        DataType::Time => NaiveTime::MIN.overflowing_add_signed(TimeDelta::nanoseconds(counted)).0.format("%H:%M:%S%.f").to_string(),
        _ => DateTime::from_timestamp_micros(counted)?.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
    })
}

/// A number with a power of ten as the same number without.
fn plain_number(written: &str) -> Result<String, String> {
    if written.contains(['e', 'E']) {
        let number: f64 = written.parse().map_err(|_| format!("a number was expected, found `{written}`"))?;
        if !number.is_finite() {
            return Err(format!("a number below 1.8e308 was expected, found `{written}`"));
        }
        let plain = number.to_string();
        return Ok(if plain.contains('.') { plain } else { format!("{plain}.0") });
    }
    let is_too_large = !written.contains('.') && written.parse::<i64>().is_err();
    if is_too_large {
        return Err(format!("a whole number of 64 bits was expected, found `{written}`\nhint: `{written}.0` is a number of that size"));
    }
    Ok(written.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use dataflow_core::testing::frame_of;
    use insta::assert_snapshot;
    use polars::prelude::DataFrame;
    use serde_json::json;

    use crate::core_text::sql::{evaluated, parsed};

    fn frame() -> DataFrame {
        frame_of(&[json!({ "t": "owls", "i": 2, "n": 1.5, "b": true, "d": "2024-01-31", "l": ["a", "b"], "m": [1, 2], "r": { "x": 1 }, "rl": [{ "k": 1 }] })])
    }

    /// What an expression gives for one row, and otherwise what is wrong with it.
    fn found(expression: &str) -> String {
        let told = || -> Result<String, String> {
            let parsed = parsed(expression)?;
            evaluated(&parsed, &frame().clear())?;
            let found = evaluated(&parsed, &frame())?;
            Ok(found.failed.first().map_or_else(|| format!("gives {}", found.column.get(0).unwrap()), |(_, wrong)| format!("of the row: {wrong}")))
        };
        format!("{expression}: {}", told().unwrap_or_else(|wrong| wrong))
    }

    /// What each gives, or what is wrong with it.
    pub(in crate::core_text::sql) fn all_found(expressions: &[&str]) -> String {
        expressions.iter().map(|expression| found(expression)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_left_over_is_told() {
        assert_snapshot!(all_found(&["i > 0 adn", "n IS NULL bor", "i > 0 b", "1_000", "'a' 'b'", "i AS j", "i, n", "i) + (n", "i) b (n", "(i) -- a comment", "r.x", "i WHERE"]), @r#"
        i > 0 adn: `adn` was left over after the expression
        hint: a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it
        n IS NULL bor: `bor` was left over after the expression
        hint: a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it
        i > 0 b: `b` was left over after the expression
        hint: a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it
        1_000: `_000` was left over after the expression
        hint: a number is written without `_`, and a text has single quotes
        'a' 'b': `b` was left over after the expression
        hint: a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it
        i AS j: `j` was left over after the expression
        hint: a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it
        i, n: `,` was left over after the expression
        hint: a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it
        i) + (n: `)` was left over after the expression
        hint: a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it
        i) b (n: `)` was left over after the expression
        hint: a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it
        (i) -- a comment: gives 2
        r.x: gives 1
        i WHERE: an expression alone was expected, and `WHERE` is no part of one
        "#);
    }

    #[test]
    fn what_polars_would_panic_at_is_refused() {
        let expressions = [
            "DATE(d) + INTERVAL '1 yr'",
            "DATE(d) + INTERVAL '1'",
            "DATE(d) + INTERVAL 'x'",
            "DATE(d) + INTERVAL '1.5 days'",
            "DATE(d) + INTERVAL '2 fortnights'",
            "DATE(d) + INTERVAL '300000 years'",
            "DATE '2024-01-31' + INTERVAL '9999999999 days'",
            "DATE(d) + INTERVAL '1' DAY",
            "DATE(d) - INTERVAL '-1 day'",
            "DATE(d) + INTERVAL '1 month, 2 days 3h'",
            "GREATEST()",
            "LEAST( )",
            "COALESCE()",
            "CAST('1' AS DECIMAL(50,2))",
            "CAST('1' AS DECIMAL(5,9))",
            "CAST('1' AS DECIMAL(5, 2))",
        ];
        assert_snapshot!(all_found(&expressions), @r#"
        DATE(d) + INTERVAL '1 yr': a span of time was expected, and `'1 yr'` cannot be read as one: no unit of the name `yr` is known
        hint: `INTERVAL '1 day'` and `INTERVAL '2 hours 30 minutes'` are spans
        DATE(d) + INTERVAL '1': a span of time was expected, and `'1'` cannot be read as one: it needs a unit after each whole number
        hint: `INTERVAL '1 day'` and `INTERVAL '2 hours 30 minutes'` are spans
        DATE(d) + INTERVAL 'x': a span of time was expected, and `'x'` cannot be read as one: it needs a whole number before each unit
        hint: `INTERVAL '1 day'` and `INTERVAL '2 hours 30 minutes'` are spans
        DATE(d) + INTERVAL '1.5 days': a span of time was expected, and `'1.5 days'` cannot be read as one: it needs a unit after each whole number
        hint: `INTERVAL '1 day'` and `INTERVAL '2 hours 30 minutes'` are spans
        DATE(d) + INTERVAL '2 fortnights': a span of time was expected, and `'2 fortnights'` cannot be read as one: no unit of the name `fortnights` is known
        hint: `INTERVAL '1 day'` and `INTERVAL '2 hours 30 minutes'` are spans
        DATE(d) + INTERVAL '300000 years': a span of at most 100,000 years was expected, found `'300000 years'`
        DATE '2024-01-31' + INTERVAL '9999999999 days': a span of at most 100,000 years was expected, found `'9999999999 days'`
        DATE(d) + INTERVAL '1' DAY: a span of time has its unit within the quotes
        hint: `INTERVAL '1 day'`
        DATE(d) - INTERVAL '-1 day': a span of time without a minus was expected, found `'-1 day'`
        hint: `- INTERVAL '1 day'` goes back from a date
        DATE(d) + INTERVAL '1 month, 2 days 3h': gives 2024-03-02
        GREATEST(): `GREATEST` expects at least 1 argument (found 0)
        LEAST( ): `LEAST` expects at least 1 argument (found 0)
        COALESCE(): `COALESCE` expects at least 1 argument (found 0)
        CAST('1' AS DECIMAL(50,2)): a decimal number has 1 to 38 digits, found 50
        CAST('1' AS DECIMAL(5,9)): a decimal number has at most as many decimals as digits, found 9 of 5
        CAST('1' AS DECIMAL(5, 2)): gives 1.00
        "#);
    }

    #[test]
    fn an_expression_is_only_as_deep_as_the_stack() {
        let sum = |terms: usize| vec!["1"; terms].join("+");
        assert!(parsed(&sum(5000)).unwrap_err().starts_with("at most 100 signs and words such as `+` and `OR` were expected in one expression, found 4999"));
        let lowered = |calls: usize| format!("{}'A'{}", "LOWER(".repeat(calls), ")".repeat(calls));
        assert!(parsed(&lowered(41)).unwrap_err().starts_with("brackets at most 40 deep were expected"));
        // On a stack of two megabytes, as those of the threads that work on rules.
        let work = || {
            for sql in [sum(101), lowered(40), vec!["i = 1"; 50].join(" OR "), "CASE ".to_owned() + &"WHEN i = 1 THEN 2 ".repeat(49) + "END"] {
                let frame = polars::prelude::df!("i" => [1, 2]).unwrap();
                super::super::evaluated(&parsed(&sql).unwrap(), &frame).unwrap();
            }
        };
        std::thread::scope(|scope| std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, work).unwrap().join().unwrap());
        let constants: Vec<String> = (0..5000).map(|constant| constant.to_string()).collect();
        assert!(parsed(&format!("i IN ({})", constants.join(", "))).is_ok());
    }

    #[test]
    fn constants_are_read_in_every_form_that_casts_read() {
        let expressions = [
            "DATE '2024-1-5'",
            "TIMESTAMP '2024-01-01'",
            "TIMESTAMP '2024-01-01T00:30:00.5+02:00'",
            "TIME '4:05'",
            "DATE 'owls'",
            "d = '1e3'",
            "1e3",
            "1e19",
            "1.5e-7",
            "99999999999999999999",
            "-9223372036854775808",
            "9223372036854775807",
            "1e999",
            "DATE(d) IN (DATE '2024-1-31')",
        ];
        assert_snapshot!(all_found(&expressions), @r#"
        DATE '2024-1-5': gives 2024-01-05
        TIMESTAMP '2024-01-01': gives 2024-01-01 00:00:00
        TIMESTAMP '2024-01-01T00:30:00.5+02:00': gives 2023-12-31 22:30:00.500
        TIME '4:05': gives 04:05:00
        DATE 'owls': `'owls'` cannot be read as a date, and `'2024-01-31'` can
        d = '1e3': gives false
        1e3: gives 1000.0
        1e19: gives 1.0000e19
        1.5e-7: gives 1.5000e-7
        99999999999999999999: a whole number of 64 bits was expected, found `99999999999999999999`
        hint: `99999999999999999999.0` is a number of that size
        -9223372036854775808: a whole number of 64 bits was expected, found `9223372036854775808`
        hint: `9223372036854775808.0` is a number of that size
        9223372036854775807: gives 9223372036854775807
        1e999: a number below 1.8e308 was expected, found `1e999`
        DATE(d) IN (DATE '2024-1-31'): gives true
        "#);
    }

    #[test]
    fn a_list_after_in_is_told_to_be_looked_into() {
        let expressions =
            ["'a' IN l", "t NOT IN \"l\"", "POSITION('a' IN t) IN 'a'", "t IN ['a']", "(POSITION(('w') IN t)) IN (2)", "t IN ('owls', 'x')", "t IN (l)"];
        assert_snapshot!(all_found(&expressions), @r#"
        'a' IN l: constants in brackets were expected after `IN`, found `l`
        hint: `ARRAY_CONTAINS(l, 'a')` tells whether a list holds a value
        t NOT IN "l": constants in brackets were expected after `IN`, found `"l"`
        hint: `ARRAY_CONTAINS("l", t)` tells whether a list holds a value
        POSITION('a' IN t) IN 'a': constants in brackets were expected after `IN`, found `'a'`
        hint: `… IN ('a', 'b')` tells whether a value is among constants
        t IN ['a']: constants in brackets were expected after `IN`, found `[`
        hint: `t IN ('a', 'b')` tells whether a value is among constants
        (POSITION(('w') IN t)) IN (2): gives true
        t IN ('owls', 'x'): gives true
        t IN (l): constants alone were expected in the list of `IN` or `ARRAY`
        hint: `OR` joins comparisons with columns, and `ARRAY_CONTAINS(tags, 'a')` looks for a value in a list
        "#);
    }
}
