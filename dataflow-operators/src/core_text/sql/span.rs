//! Reads a constant span of time, such as `INTERVAL '2 hours 30 minutes'`.

/// The units that may stand behind a span by the standard, and stand within its quotes here.
pub(super) const UNITS: [&str; 16] = [
    "nanosecond",
    "nanoseconds",
    "second",
    "seconds",
    "minute",
    "minutes",
    "hour",
    "hours",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
];

/// The longest constant span, in years: dates that are further off than some 260,000 years are none that Polars can count.
const MOST_YEARS: f64 = 100_000.0;

/// Whether a text is numbers with units, and not too long a span.
pub(super) fn is_known(text: &str) -> Result<(), String> {
    let unusable = |wrong: &str| {
        format!(
            "a span of time was expected, and `'{text}'` cannot be read as one: {wrong}\nhint: `INTERVAL '1 day'` and `INTERVAL '2 hours 30 minutes'` are spans"
        )
    };
    let mut rest = text.trim();
    rest = rest.strip_prefix('+').unwrap_or(rest);
    if rest.is_empty() {
        return Err(unusable("it is empty"));
    }
    let mut years = 0.0;
    while !rest.is_empty() {
        let (digits, unit) = rest.split_at(rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len()));
        if digits.is_empty() {
            // Polars tells of a minus itself.
            return if rest.starts_with('-') { Ok(()) } else { Err(unusable("it needs a whole number before each unit")) };
        }
        let unit = unit.trim_start();
        let (unit, after) = unit.split_at(unit.find(|next: char| !next.is_alphabetic()).unwrap_or(unit.len()));
        let in_a_year = match unit.to_ascii_lowercase().as_str() {
            "" => return Err(unusable("it needs a unit after each whole number")),
            "ns" | "nanosecond" | "nanoseconds" => 3.2e16,
            "us" | "microsecond" | "microseconds" => 3.2e13,
            "ms" | "millisecond" | "milliseconds" => 3.2e10,
            "s" | "sec" | "secs" | "second" | "seconds" => 3.2e7,
            "m" | "min" | "mins" | "minute" | "minutes" => 525_600.0,
            "h" | "hour" | "hours" => 8760.0,
            "d" | "day" | "days" => 365.0,
            "w" | "week" | "weeks" => 52.0,
            "mo" | "mon" | "mons" | "month" | "months" => 12.0,
            "q" | "quarter" | "quarters" => 4.0,
            "y" | "year" | "years" => 1.0,
            other => return Err(unusable(&format!("no unit of the name `{other}` is known"))),
        };
        years += digits.parse::<f64>().unwrap_or(f64::MAX) / in_a_year;
        rest = after.trim_start_matches([' ', ',']);
    }
    if years > MOST_YEARS { Err(format!("a span of at most 100,000 years was expected, found `'{text}'`")) } else { Ok(()) }
}
