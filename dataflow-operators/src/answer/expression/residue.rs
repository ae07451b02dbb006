//! Exact arithmetic with whole numbers and fractions: what is left of them by a large prime number.
//!
//! Floating point takes `2^{100}` and `2^{100} + 1` for the same number, and has none for `2^{2000}`. Two fractions that leave the same are the same but
//! for one chance in 10¹⁸.

use super::{CHOOSE, Expression, Function, LARGER, SMALLER};

/// The prime number that all is divided by.
pub(super) const PRIME: u64 = (1 << 61) - 1;

/// The largest number of which the factorial is multiplied out.
const LARGEST_FACTORIAL: f64 = 10_000.0;

/// Whole numbers up to here are exact in floating point.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn sum(left: u64, right: u64) -> u64 {
    (left + right) % PRIME
}

pub(super) fn product(left: u64, right: u64) -> u64 {
    u64::try_from(u128::from(left) * u128::from(right) % u128::from(PRIME)).unwrap_or_default()
}

pub(super) fn quotient(left: u64, right: u64) -> Option<u64> {
    (right != 0).then(|| product(left, raised(right, PRIME - 2)))
}

/// `base` to a power that may be below zero.
pub(super) fn power(base: u64, exponent: i64) -> Option<u64> {
    let raised = raised(base, exponent.unsigned_abs());
    if exponent < 0 { quotient(1, raised) } else { Some(raised) }
}

fn raised(mut base: u64, mut exponent: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if !exponent.is_multiple_of(2) {
            result = product(result, base);
        }
        base = product(base, base);
        exponent /= 2;
    }
    result
}

pub(super) fn of_digits(digits: impl Iterator<Item = char>) -> u64 {
    digits.filter_map(|digit| digit.to_digit(10)).fold(0, |number, digit| sum(product(number, 10), digit.into()))
}

fn factorial(number: f64) -> Option<u64> {
    (0.0..=LARGEST_FACTORIAL).contains(&number).then(|| (1..=number as u64).fold(1, product))
}

impl Expression {
    /// What is left of the value by the prime number; `None` where it is no fraction, or is not known to be one.
    pub(super) fn residue(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.residue,
            Self::Call(Function::Negative, inner) => Some((PRIME - inner.residue()?) % PRIME),
            Self::Call(Function::Factorial, inner) => factorial(inner.whole_value()?),
            // Which of two is the larger does not show in what is left of them.
            Self::Variable(_) | Self::Call(..) | Self::Operation(LARGER | SMALLER, ..) => None,
            Self::Operation('^', base, exponent) => power(base.residue()?, exponent.whole_value()? as i64),
            Self::Operation(CHOOSE, all, chosen) => {
                let (all, chosen) = (all.whole_value()?, chosen.whole_value()?);
                quotient(factorial(all)?, product(factorial(chosen)?, factorial(all - chosen)?))
            }
            Self::Operation(operator, left, right) => {
                let (left, right) = (left.residue()?, right.residue()?);
                match operator {
                    '+' => Some(sum(left, right)),
                    '-' => Some(sum(left, PRIME - right)),
                    '*' => Some(product(left, right)),
                    _ => quotient(left, right),
                }
            }
        }
    }

    /// The value where it is a whole number that floating point holds.
    fn whole_value(&self) -> Option<f64> {
        self.residue()?;
        let value = self.value(0);
        (value.fract() == 0.0 && value.abs() < EXACT).then_some(value)
    }
}
