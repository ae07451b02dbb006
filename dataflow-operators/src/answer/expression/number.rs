//! Numbers as they are written: their value, and what is exact of it.

use super::residue;

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Number {
    pub(super) value: f64,
    /// What is left of it by [`residue::PRIME`]; irrational numbers have none.
    pub(super) residue: Option<u64>,
}

impl Number {
    pub(super) fn whole(value: u32) -> Self {
        Self { value: value.into(), residue: Some(value.into()) }
    }

    pub(super) fn real(value: f64) -> Self {
        Self { value, residue: None }
    }

    /// The number with these digits before the point, behind it, and behind those for ever, times a power of ten. One that floating point does not
    /// reach has no value, and yet a residue. `None` where there are no digits.
    pub(super) fn decimal(whole: &str, fraction: &str, repeating: &str, exponent: i64) -> Option<Self> {
        /// More digits than a floating point number holds.
        const ENOUGH: usize = 20;
        let written = format!("{whole}.{fraction}{}e{exponent}", repeating.repeat(if repeating.is_empty() { 0 } else { 1 + ENOUGH / repeating.len() }));
        let value = written.parse().ok().map(|value: f64| if value.is_infinite() { f64::NAN } else { value })?;
        let mut exact = residue::of_digits(whole.chars().chain(fraction.chars()));
        if !repeating.is_empty() {
            let nines = residue::of_digits(repeating.chars().map(|_| '9'));
            exact = residue::sum(exact, residue::quotient(residue::of_digits(repeating.chars()), nines)?);
        }
        let places = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Some(Self { value, residue: Some(residue::product(exact, residue::power(10, places)?)) })
    }
}

/// The digits that repeat at the end of those that are written: three times where it is one digit, twice where there are more. Empty where none do.
pub(super) fn period(digits: &str) -> &str {
    let length = digits.len();
    let repeats = |size: &usize| {
        let times = if *size == 1 { 3 } else { 2 };
        let last = &digits[length - size..];
        size * times <= length && digits[length - size * times..] == last.repeat(times)
    };
    (1..=length / 2).find(repeats).map_or("", |size| &digits[length - size..])
}
