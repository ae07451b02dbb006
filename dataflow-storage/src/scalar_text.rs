//! Dates, times and bytes as text and back, the way that every text format here has them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use polars::prelude::TimeUnit;

const NANOSECONDS_OF_A_DAY: i64 = 86_400_000_000_000;

/// `2024-01-31`; the number of days where chrono's calendar does not reach.
pub(crate) fn date(days: i32) -> String {
    NaiveDate::from_epoch_days(days).map_or_else(|| days.to_string(), |date| date.to_string())
}

pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let date = text.parse::<NaiveDate>().ok().map(|date| i64::from(date.to_epoch_days()));
    date.or_else(|| text.parse().ok())
}

/// `2024-01-31T12:30:00.5`; the number of units since 1970 where chrono's calendar does not reach.
pub(crate) fn datetime(value: i64, unit: TimeUnit) -> String {
    let moment = match unit {
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(value)),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(value),
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(value),
    };
    moment.map_or_else(|| value.to_string(), |moment| moment.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string())
}

/// Reads what [`datetime`] writes, with or without a zone, whose offset is then taken off.
pub(crate) fn parse_datetime(text: &str, unit: TimeUnit) -> Option<i64> {
    let moment = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    let moment = moment.or_else(|_| text.replacen(' ', "T", 1).parse::<NaiveDateTime>().map(|moment| moment.and_utc()));
    match (moment, unit) {
        (Ok(moment), TimeUnit::Nanoseconds) => moment.timestamp_nanos_opt(),
        (Ok(moment), TimeUnit::Microseconds) => Some(moment.timestamp_micros()),
        (Ok(moment), TimeUnit::Milliseconds) => Some(moment.timestamp_millis()),
        (Err(_), _) => text.parse().ok(),
    }
}

/// `12:30:00.5` from nanoseconds since midnight.
pub(crate) fn time(nanoseconds: i64) -> String {
    let in_day = (0..NANOSECONDS_OF_A_DAY).contains(&nanoseconds);
    let time = NaiveTime::from_num_seconds_from_midnight_opt((nanoseconds / 1_000_000_000) as u32, (nanoseconds % 1_000_000_000) as u32);
    time.filter(|_| in_day).map_or_else(|| nanoseconds.to_string(), |time| time.format("%H:%M:%S%.f").to_string())
}

pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let time = text.parse::<NaiveTime>().ok();
    time.map(|time| i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time.nanosecond())).or_else(|| text.parse().ok())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as base64 (RFC 4648, padded).
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0u32, |number, &byte| number << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(number >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

pub(crate) fn parse_base64(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=').as_bytes();
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut number = 0;
        for &digit in group {
            number = number << 6 | ALPHABET.iter().position(|&known| known == digit)? as u32;
        }
        number <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&number.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scalars_are_written_in_the_usual_way() {
        assert_eq!(date(19_753), "2024-01-31");
        assert_eq!(datetime(1_706_704_200_500, TimeUnit::Milliseconds), "2024-01-31T12:30:00.500");
        assert_eq!(time(45_000_000_000_000), "12:30:00");
        assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
        assert_eq!(parse_datetime("2024-01-31T12:30:00+08:00", TimeUnit::Milliseconds), Some(1_706_675_400_000));
        assert_eq!(parse_base64("YQ="), None);
    }

    proptest! {
        #[test]
        fn scalars_come_back(value in any::<i64>(), bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(parse_date(&date(value as i32)), Some(i64::from(value as i32)));
            for unit in [TimeUnit::Nanoseconds, TimeUnit::Microseconds, TimeUnit::Milliseconds] {
                prop_assert_eq!(parse_datetime(&datetime(value, unit), unit), Some(value));
            }
            let of_day = value.rem_euclid(NANOSECONDS_OF_A_DAY);
            prop_assert_eq!(parse_time(&time(of_day)), Some(of_day));
            prop_assert_eq!(parse_base64(&base64(&bytes)), Some(bytes));
        }
    }
}
