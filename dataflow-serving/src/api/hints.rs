//! What services say of their limits beside `Retry-After`: remaining requests and tokens, and when there are more.

use std::time::Duration;

use reqwest::header::HeaderMap;

/// The longest time that a hint is heeded.
const LONGEST: Duration = Duration::from_mins(15);

/// Names of headers that tell what is left of a limit, and when there is more.
const LIMITS: [[&str; 2]; 5] = [
    ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    ["x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    ["anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"],
    ["anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"],
    ["anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"],
];

/// When a limit that is used up begins anew; `None` where none is.
pub(crate) fn used_up(headers: &HeaderMap) -> Option<Duration> {
    let reset = |[remaining, reset]: [&str; 2]| {
        let left: f64 = text(headers, remaining)?.parse().ok()?;
        (left <= 0.0).then(|| time(text(headers, reset)?)).flatten()
    };
    LIMITS.into_iter().filter_map(reset).max().map(|wait| wait.min(LONGEST))
}

/// When a service that refused a call says that its limits begin anew.
pub(super) fn reset(headers: &HeaderMap) -> Option<Duration> {
    used_up(headers).or_else(|| LIMITS.into_iter().filter_map(|[_, name]| time(text(headers, name)?)).min().map(|wait| wait.min(LONGEST)))
}

/// The time in "Please try again in 46.72s".
pub(super) fn told(message: &str) -> Option<Duration> {
    let (_, after) = message.split_once("try again in ")?;
    time(after.split_whitespace().next()?.trim_end_matches(['.', ','])).map(|wait| wait.min(LONGEST))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A time as Go writes it (`6m0s`, `20ms`), or a moment as RFC 3339 has it.
fn time(text: &str) -> Option<Duration> {
    if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some((moment.with_timezone(&chrono::Utc) - chrono::Utc::now()).to_std().unwrap_or_default());
    }
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let (unit, seconds) = [("ms", 0.001), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)]
            .into_iter()
            .find(|(unit, _)| rest[end..].starts_with(unit))?;
        total += number * seconds;
        rest = &rest[end + unit.len()..];
    }
    Duration::try_from_secs_f64(total).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_services_write_them() {
        let milliseconds = |text| time(text).map(|time| time.as_millis());
        assert_eq!(milliseconds("6m0s"), Some(360_000));
        assert_eq!(milliseconds("20ms"), Some(20));
        assert_eq!(milliseconds("1h2m3.5s"), Some(3_723_500));
        assert_eq!(milliseconds("2020-01-01T00:00:00Z"), Some(0));
        for text in ["", "7", "soon", "5x"] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(told("Please try again in 20ms."), Some(Duration::from_millis(20)));
        assert_eq!(told("Please try again in a while"), None);
    }

    #[test]
    fn only_a_limit_that_is_used_up_holds_calls_back() {
        let headers = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>();
        let left = headers(&[("x-ratelimit-remaining-requests", "3"), ("x-ratelimit-reset-requests", "9s")]);
        assert_eq!(used_up(&left), None);
        assert_eq!(reset(&left), Some(Duration::from_secs(9)));
        let none = headers(&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "9s"), ("x-ratelimit-remaining-tokens", "5")]);
        assert_eq!(used_up(&none), Some(Duration::from_secs(9)));
        let anthropic = headers(&[("anthropic-ratelimit-tokens-remaining", "0"), ("anthropic-ratelimit-tokens-reset", "2020-01-01T00:00:00Z")]);
        assert_eq!(used_up(&anthropic), Some(Duration::ZERO));
    }
}
