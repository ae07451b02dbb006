//! Refuses the format of a date that fits no row: it would give null in each, or the same text.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::LazyLock;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Utc};
use polars::prelude::{DataFrame, DataType, Expr, FunctionExpr, StringFunction, lit};
use regex::Regex;

use super::type_name;
use crate::pattern::pattern;

/// Whether a format writes values of a type.
pub(super) fn writes(format: &str, of: &DataType) -> Result<(), String> {
    // What Polars has a name for.
    if matches!(format, "iso" | "iso:strict") {
        return Ok(());
    }
    let moment = DateTime::<Utc>::UNIX_EPOCH;
    let mut text = String::new();
    let (written, parts) = match of {
        DataType::Date => (
            write!(text, "{}", moment.date_naive().format(known(format)?)),
            "`%Y`, `%m` and `%d` are the parts of a date, and `CAST(… AS TIMESTAMP)` gives it the time of midnight",
        ),
        DataType::Time => (write!(text, "{}", moment.time().format(known(format)?)), "`%H`, `%M` and `%S` are the parts of a time"),
        DataType::Datetime(_, None) => (
            write!(text, "{}", moment.naive_utc().format(known(format)?)),
            "`%Y`, `%m`, `%d`, `%H`, `%M` and `%S` are the parts of a date with a time, and a zone is none of them",
        ),
        DataType::Datetime(..) => (known(format).map(|_| Ok(()))?, ""),
        DataType::Duration(_) => return Err(format!("a date was expected, found a span of time, which `'{format}'` cannot write")),
        _ => return Ok(()),
    };
    written.map_err(|_| format!("`'{format}'` names what {} does not have\nhint: {parts}", type_name(&of.to_string())))
}

/// Whether what a part of an expression reads texts by, where it does so by a format, can read any.
pub(super) fn reads(part: &Expr) -> Result<(), String> {
    let Expr::Function { input, function: FunctionExpr::StringExpr(function @ StringFunction::Strptime(wanted, options)) } = part else { return Ok(()) };
    let (Some(format), Some(wanted)) = (options.format.as_deref(), wanted.as_literal()) else { return Ok(()) };
    known(format)?;
    // Each part of this moment has all the digits that it can have.
    let moment = DateTime::from_timestamp(1_703_941_871, 123_456_789).unwrap_or_default();
    let (mut text, mut input) = (String::new(), input.clone());
    // A moment has every part that can be named.
    write!(text, "{}", moment.format(format)).map_err(|_| format!("`'{format}'` names what a date does not have"))?;
    input[0] = lit(text);
    let read = super::lenient(Expr::Function { input, function: FunctionExpr::StringExpr(function.clone()) });
    match super::whole(&read, &DataFrame::empty_with_height(1)) {
        Ok(column) if column.null_count() == 0 => Ok(()),
        _ => {
            let needed = match wanted {
                DataType::Time => "`%H:%M` names a time, and an hour goes with its minute",
                _ => "`%Y-%m-%d` names a date, `%Y-%m-%d %H:%M` a date with a time, and an hour goes with its minute",
            };
            Err(format!("`'{format}'` does not name all that makes {}\nhint: {needed}", type_name(&wanted.to_string())))
        }
    }
}

/// A format, where it has directives and each of them is known.
fn known(format: &str) -> Result<&str, String> {
    if let Some(unknown) = unknown_directive(format) {
        return Err(format!(
            "a format such as `%Y-%m-%d` was expected, and `{unknown}` in `'{format}'` is not known\nhint: `%Y`, `%m`, `%d`, `%H`, `%M` and `%S` are the parts of a date and a time, and `%%` is a `%`"
        ));
    }
    let is_directive = |item: Item| matches!(item, Item::Numeric(..) | Item::Fixed(_));
    if StrftimeItems::new(format).any(is_directive) {
        return Ok(format);
    }
    let hint = in_directives(format).unwrap_or(Cow::Borrowed("%Y-%m-%d"));
    Err(format!("a format such as `%Y-%m-%d` was expected, and `'{format}'` names no part of a date\nhint: did you mean `'{hint}'`?"))
}

fn unknown_directive(format: &str) -> Option<&str> {
    let mut rest = &format[format.find('%')?..];
    loop {
        let letter = rest[1..].find(|letter: char| !"-_0:.#369".contains(letter)).map_or(rest.len(), |found| found + 1);
        let end = letter + rest[letter..].chars().next().map_or(0, char::len_utf8);
        let (directive, after) = rest.split_at(end);
        if StrftimeItems::new(directive).any(|item| item == Item::Error) {
            return Some(directive);
        }
        rest = &after[after.find('%')?..];
    }
}

/// A format such as `YYYY-MM-DD` in directives.
fn in_directives(format: &str) -> Option<Cow<'_, str>> {
    static PARTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)yyyy|yy|mi|mm?|dd?|hh24|hh?|ss?|[a-z]"));
    let (mut is_after_hour, mut is_known) = (false, true);
    let brought = PARTS.replace_all(format, |found: &regex::Captures<'_>| match found[0].to_ascii_lowercase().as_str() {
        "yyyy" => "%Y",
        "yy" => "%y",
        "mi" => "%M",
        "m" | "mm" => {
            if is_after_hour {
                "%M"
            } else {
                "%m"
            }
        }
        "d" | "dd" => "%d",
        "h" | "hh" | "hh24" => {
            is_after_hour = true;
            "%H"
        }
        "s" | "ss" => "%S",
        "t" => "T",
        _ => {
            is_known = false;
            ""
        }
    });
    (is_known && !format.contains('%') && brought.contains('%')).then_some(brought)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::core_text::sql::written::tests::all_found;

    #[test]
    fn a_format_that_fits_no_row_is_refused() {
        let expressions = [
            "STRFTIME(DATE(d), '%H')",
            "STRFTIME(DATE(d), '%z')",
            "STRFTIME(TIME(d), '%Y')",
            "STRFTIME(TIMESTAMP(d), '%z')",
            "STRFTIME(DATE(d), '%Y %Q')",
            "STRFTIME(DATE(d), '')",
            "STRFTIME(DATE(d), 'YYYY-MM-DD')",
            "STRFTIME(DATE(d), 'day')",
            "STRFTIME(DATE(d), '100%%')",
            "STRFTIME(DATE(d), '%')",
            "STRFTIME(INTERVAL '1 day', '%H')",
            "STRPTIME(d, '%Q')",
            "STRPTIME(d, 'dd.mm.yyyy HH24:MI:SS')",
            "STRPTIME(d, '%H')",
            "DATE(d, 'yyyy/MM/dd')",
            "TIMESTAMP(d, '')",
            "TIME(d, '%H')",
            "TIMESTAMP(d, '%Y-%m-%d %H')",
        ];
        assert_snapshot!(all_found(&expressions), @r#"
        STRFTIME(DATE(d), '%H'): `'%H'` names what a date does not have
        hint: `%Y`, `%m` and `%d` are the parts of a date, and `CAST(… AS TIMESTAMP)` gives it the time of midnight
        STRFTIME(DATE(d), '%z'): `'%z'` names what a date does not have
        hint: `%Y`, `%m` and `%d` are the parts of a date, and `CAST(… AS TIMESTAMP)` gives it the time of midnight
        STRFTIME(TIME(d), '%Y'): `'%Y'` names what a time does not have
        hint: `%H`, `%M` and `%S` are the parts of a time
        STRFTIME(TIMESTAMP(d), '%z'): `'%z'` names what a date with a time does not have
        hint: `%Y`, `%m`, `%d`, `%H`, `%M` and `%S` are the parts of a date with a time, and a zone is none of them
        STRFTIME(DATE(d), '%Y %Q'): a format such as `%Y-%m-%d` was expected, and `%Q` in `'%Y %Q'` is not known
        hint: `%Y`, `%m`, `%d`, `%H`, `%M` and `%S` are the parts of a date and a time, and `%%` is a `%`
        STRFTIME(DATE(d), ''): a format such as `%Y-%m-%d` was expected, and `''` names no part of a date
        hint: did you mean `'%Y-%m-%d'`?
        STRFTIME(DATE(d), 'YYYY-MM-DD'): a format such as `%Y-%m-%d` was expected, and `'YYYY-MM-DD'` names no part of a date
        hint: did you mean `'%Y-%m-%d'`?
        STRFTIME(DATE(d), 'day'): a format such as `%Y-%m-%d` was expected, and `'day'` names no part of a date
        hint: did you mean `'%Y-%m-%d'`?
        STRFTIME(DATE(d), '100%%'): a format such as `%Y-%m-%d` was expected, and `'100%%'` names no part of a date
        hint: did you mean `'%Y-%m-%d'`?
        STRFTIME(DATE(d), '%'): a format such as `%Y-%m-%d` was expected, and `%` in `'%'` is not known
        hint: `%Y`, `%m`, `%d`, `%H`, `%M` and `%S` are the parts of a date and a time, and `%%` is a `%`
        STRFTIME(INTERVAL '1 day', '%H'): a date was expected, found a span of time, which `'%H'` cannot write
        STRPTIME(d, '%Q'): a format such as `%Y-%m-%d` was expected, and `%Q` in `'%Q'` is not known
        hint: `%Y`, `%m`, `%d`, `%H`, `%M` and `%S` are the parts of a date and a time, and `%%` is a `%`
        STRPTIME(d, 'dd.mm.yyyy HH24:MI:SS'): a format such as `%Y-%m-%d` was expected, and `'dd.mm.yyyy HH24:MI:SS'` names no part of a date
        hint: did you mean `'%d.%m.%Y %H:%M:%S'`?
        STRPTIME(d, '%H'): `'%H'` does not name all that makes a date with a time
        hint: `%Y-%m-%d` names a date, `%Y-%m-%d %H:%M` a date with a time, and an hour goes with its minute
        DATE(d, 'yyyy/MM/dd'): a format such as `%Y-%m-%d` was expected, and `'yyyy/MM/dd'` names no part of a date
        hint: did you mean `'%Y/%m/%d'`?
        TIMESTAMP(d, ''): a format such as `%Y-%m-%d` was expected, and `''` names no part of a date
        hint: did you mean `'%Y-%m-%d'`?
        TIME(d, '%H'): `'%H'` does not name all that makes a time
        hint: `%H:%M` names a time, and an hour goes with its minute
        TIMESTAMP(d, '%Y-%m-%d %H'): `'%Y-%m-%d %H'` does not name all that makes a date with a time
        hint: `%Y-%m-%d` names a date, `%Y-%m-%d %H:%M` a date with a time, and an hour goes with its minute
        "#);
    }

    #[test]
    fn a_format_that_fits_some_row_is_taken() {
        let expressions = [
            "STRFTIME(DATE(d), '%d.%m.%y %a %b %j %V')",
            "STRFTIME(DATE(d), '%-d %B %q')",
            "STRFTIME(TIMESTAMP(d), '%F %T%.3f %I %p')",
            "STRFTIME(TIME(d), '%R')",
            "STRFTIME(DATE(d), 'iso')",
            "STRPTIME('31.01.2024 13:05', '%d.%m.%Y %H:%M')",
            "STRPTIME('Jan 31, 24', '%b %d, %y')",
            "STRPTIME('31/Jan/2024:01:05:09 PM', '%d/%b/%Y:%I:%M:%S %p')",
            "STRPTIME('2024-01-31T13:05:09.25', '%Y-%m-%dT%H:%M:%S%.f')",
            "STRPTIME('2024-01-31T13:05:09+0200', '%Y-%m-%dT%H:%M:%S%z')",
            "STRPTIME('20240131', '%Y%m%d')",
            "STRPTIME('Wednesday, 31 January 2024', '%A, %e %B %Y')",
            "STRPTIME('2024-031', '%Y-%j')",
            "STRPTIME('1706706309', '%s')",
            "DATE('31.1.2024', '%d.%m.%Y')",
            "TIME('13:05', '%H:%M')",
            "STRPTIME('2024-01', '%Y-%m')",
        ];
        assert_snapshot!(all_found(&expressions), @r#"
        STRFTIME(DATE(d), '%d.%m.%y %a %b %j %V'): gives "31.01.24 Wed Jan 031 05"
        STRFTIME(DATE(d), '%-d %B %q'): gives "31 January 1"
        STRFTIME(TIMESTAMP(d), '%F %T%.3f %I %p'): gives "2024-01-31 00:00:00.000 12 AM"
        STRFTIME(TIME(d), '%R'): gives "00:00"
        STRFTIME(DATE(d), 'iso'): gives "2024-01-31"
        STRPTIME('31.01.2024 13:05', '%d.%m.%Y %H:%M'): gives 2024-01-31 13:05:00
        STRPTIME('Jan 31, 24', '%b %d, %y'): gives 2024-01-31 00:00:00
        STRPTIME('31/Jan/2024:01:05:09 PM', '%d/%b/%Y:%I:%M:%S %p'): gives 2024-01-31 13:05:09
        STRPTIME('2024-01-31T13:05:09.25', '%Y-%m-%dT%H:%M:%S%.f'): gives 2024-01-31 13:05:09.250
        STRPTIME('2024-01-31T13:05:09+0200', '%Y-%m-%dT%H:%M:%S%z'): gives 2024-01-31 11:05:09 UTC
        STRPTIME('20240131', '%Y%m%d'): gives 2024-01-31 00:00:00
        STRPTIME('Wednesday, 31 January 2024', '%A, %e %B %Y'): gives 2024-01-31 00:00:00
        STRPTIME('2024-031', '%Y-%j'): gives 2024-01-31 00:00:00
        STRPTIME('1706706309', '%s'): gives 2024-01-31 13:05:09
        DATE('31.1.2024', '%d.%m.%Y'): gives 2024-01-31
        TIME('13:05', '%H:%M'): gives 13:05:00
        STRPTIME('2024-01', '%Y-%m'): gives 2024-01-01 00:00:00
        "#);
    }
}
