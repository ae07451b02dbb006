//! Reads texts as dates and times: each by itself, in the forms of ISO 8601, where Polars takes the form of a batch's first text for all of them.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};
use polars::prelude::{Column, DataType, Expr, Field, PolarsError, PolarsResult, TimeUnit};

use super::type_name;

/// Whether texts are read as a type here.
pub(super) fn is_read_here(wanted: &DataType) -> bool {
    matches!(wanted, DataType::Date | DataType::Time | DataType::Datetime(_, None))
}

/// What may be brought to a date or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// What `CAST` takes: numbers too, which are counted from 1970.
    Anything,
    /// What `DATE`, `TIME` and `TIMESTAMP` take.
    TextOrMoment,
}

/// An expression as a date or a time, and null where its text is none.
pub(super) fn read(expression: Expr, wanted: &DataType, takes: Takes) -> Expr {
    let (given, wanted) = (wanted.clone(), wanted.clone());
    expression.map(
        move |column| brought(&column, &wanted),
        move |_, field| match field.dtype() {
            text_or_moment if text_or_moment.is_string() || text_or_moment.is_temporal() || text_or_moment.is_null() || text_or_moment.is_unknown() => {
                Ok(Field::new(field.name().clone(), given.clone()))
            }
            other if takes == Takes::TextOrMoment => Err(PolarsError::SchemaMismatch(
                format!("invalid series dtype: expected `String`, got `{other}` for series with name `{}`", field.name()).into(),
            )),
            _ => Ok(Field::new(field.name().clone(), given.clone())),
        },
    )
}

fn brought(column: &Column, wanted: &DataType) -> PolarsResult<Column> {
    if !column.dtype().is_string() {
        return column.cast(wanted);
    }
    let counted: Vec<Option<i64>> = column.str()?.iter().map(|text| text.and_then(|text| counted(text, wanted))).collect();
    Column::new(column.name().clone(), counted).cast(wanted)
}

/// A text as Polars counts dates and times: days or units since 1970, nanoseconds since midnight.
pub(super) fn counted(text: &str, wanted: &DataType) -> Option<i64> {
    let text = text.trim();
    match wanted {
        DataType::Date => Some((in_utc(text)?.date() - NaiveDate::default()).num_days()),
        DataType::Time => {
            let time = time_and_rest(text).filter(|(_, rest)| rest.is_empty()).map(|(time, _)| time);
            Some((time.or_else(|| Some(in_utc(text)?.time()))? - NaiveTime::default()).num_nanoseconds()?)
        }
        DataType::Datetime(unit, None) => counted_in(*unit, in_utc(text)?.and_utc()),
        _ => None,
    }
}

fn counted_in(unit: TimeUnit, moment: DateTime<chrono::Utc>) -> Option<i64> {
    match unit {
        TimeUnit::Nanoseconds => moment.timestamp_nanos_opt(),
        TimeUnit::Microseconds => Some(moment.timestamp_micros()),
        TimeUnit::Milliseconds => Some(moment.timestamp_millis()),
    }
}

/// The date and the time of a text in UTC, which they are in already where it names no zone.
fn in_utc(text: &str) -> Option<NaiveDateTime> {
    let (written, zone) = written(text)?;
    zone.map_or(Some(written), |zone| Some(written.and_local_timezone(zone).single()?.naive_utc()))
}

/// The date and the time that stand in a text, midnight where there is none, and the zone of that time.
fn written(text: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    // A year of fewer digits would be a day or a month.
    let year_first = text.len() > 4 && text.bytes().take(4).all(|byte| byte.is_ascii_digit()) && matches!(text.as_bytes().get(4), Some(b'-' | b'/'));
    let (date, rest) = ["%Y-%m-%d", "%Y/%m/%d"].iter().filter(|_| year_first).find_map(|form| NaiveDate::parse_and_remainder(text, form).ok())?;
    if rest.is_empty() {
        return Some((date.and_time(NaiveTime::MIN), None));
    }
    let (time, zone) = time_and_rest(rest.strip_prefix(['T', 't', ' '])?)?;
    let zone = match zone.trim_start() {
        "" => None,
        "Z" | "z" | "UTC" => FixedOffset::east_opt(0),
        hours if hours.len() == 3 => Some(format!("{hours}:00").parse().ok()?),
        other => Some(other.parse().ok()?),
    };
    Some((date.and_time(time), zone))
}

/// That a text is no date or time, and what would be.
pub(super) fn unreadable(text: &str, wanted: &DataType) -> String {
    let form = match wanted {
        DataType::Date => "2024-01-31",
        DataType::Time => "10:00:00",
        _ => "2024-01-31 10:00:00",
    };
    format!("`'{text}'` cannot be read as {}, and `'{form}'` can", type_name(&wanted.to_string()))
}

fn time_and_rest(text: &str) -> Option<(NaiveTime, &str)> {
    ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_and_remainder(text, form).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<String> {
        let micros = counted(text, &DataType::Datetime(TimeUnit::Microseconds, None))?;
        Some(DateTime::from_timestamp_micros(micros)?.naive_utc().to_string())
    }

    #[test]
    fn a_moment_is_read_in_every_form_of_iso_8601_that_tables_hold() {
        let read = [
            ("2024-01-02T03:04:05", "2024-01-02 03:04:05"),
            ("2024-01-02 03:04:05", "2024-01-02 03:04:05"),
            (" 2024-01-02 03:04 ", "2024-01-02 03:04:00"),
            ("2024/01/02 03:04:05", "2024-01-02 03:04:05"),
            ("2024-01-02 03:04:05.25", "2024-01-02 03:04:05.250"),
            ("2024-01-02T03:04:05.123456789", "2024-01-02 03:04:05.123456"),
            ("2024-01-02", "2024-01-02 00:00:00"),
            ("2024-02-29", "2024-02-29 00:00:00"),
            ("2024-01-02T03:04:05Z", "2024-01-02 03:04:05"),
            ("2024-01-02 03:04:05 UTC", "2024-01-02 03:04:05"),
            ("2024-01-02T03:04:05+02:00", "2024-01-02 01:04:05"),
            ("2024-01-02 03:04:05.5-0130", "2024-01-02 04:34:05.500"),
            ("2024-01-02 03:04:05+02", "2024-01-02 01:04:05"),
            ("1969-12-31 23:59:59.5", "1969-12-31 23:59:59.500"),
        ];
        for (text, expected) in read {
            assert_eq!(moment(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "owls",
            "12",
            "2023-02-29",
            "2024-13-01",
            "02.01.2024",
            "03/02/2024",
            "01-02-03",
            "2024-01-02 25:00:00",
            "2024-01-02T03:04:05 owls",
            "2024-01-02x",
            "03:04:05",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_and_a_time_are_read_of_a_moment_too() {
        let day = |text| counted(text, &DataType::Date);
        assert_eq!((day("1970-01-11"), day("1970-01-11 23:00:00+02:00"), day("1969-12-31T10:00:00")), (Some(10), Some(10), Some(-1)));
        let seconds = |text| counted(text, &DataType::Time).map(|nanoseconds| nanoseconds / 1_000_000_000);
        assert_eq!((seconds("00:01"), seconds("00:01:02.5"), seconds("2024-01-02 00:01:03Z")), (Some(60), Some(62), Some(63)));
        assert_eq!((seconds("x"), seconds("24:00"), seconds("00:01 owls")), (None, None, None));
    }
}
