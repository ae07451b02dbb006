//! Bounds that no row meets, told at compile rather than by an empty file.

use std::fmt::Display;
use std::ops::{RangeBounds, RangeInclusive};

/// What is wrong with a least and a largest value, each with its name, where both are kept.
pub(crate) fn closed<T: PartialOrd + Display>(least: (&str, T), largest: (&str, T)) -> Vec<String> {
    if least.1 <= largest.1 { Vec::new() } else { vec![none_fits(least, largest)] }
}

/// What is wrong with a least value and a first one that is too large, each with its name.
pub(crate) fn half_open<T: PartialOrd + Display>(least: (&str, T), too_large: (&str, T)) -> Vec<String> {
    if least.1 < too_large.1 { Vec::new() } else { vec![none_fits(least, too_large)] }
}

fn none_fits<T: Display>((least, at_least): (&str, T), (most, at_most): (&str, T)) -> String {
    format!("`{least}` is {at_least} and `{most}` {at_most}, so no row can stay")
}

/// What is wrong with `min_score` and `max_score` of a score from 0 to 1.
pub(crate) fn of_share(min_score: f64, max_score: f64) -> Vec<String> {
    if min_score <= 1.0 && max_score >= 0.0 {
        return closed(("min_score", min_score), ("max_score", max_score));
    }
    vec![format!("`min_score` is {min_score} and `max_score` {max_score}, and a score is from 0 to 1, so no row can stay")]
}

/// What is wrong with a `threshold` that should be among these; `known` says of what it is compared with why another is senseless.
pub(crate) fn threshold<T: Copy + PartialOrd + Display>(threshold: T, sensible: impl RangeBounds<T>, known: &str) -> Vec<String> {
    if sensible.contains(&threshold) { Vec::new() } else { vec![format!("`threshold` is {threshold} and {known}, so no row can stay")] }
}

/// How a value lies outside its bounds, for the reason of a row that goes; `None` where it lies within.
pub(crate) fn missed(name: &str, value: f64, bounds: &RangeInclusive<f64>) -> Option<String> {
    let (least, most) = (bounds.start(), bounds.end());
    match value {
        value if bounds.contains(&value) => None,
        value if value < *least => Some(format!("`{name}` is {value}, below {least}")),
        value => Some(format!("`{name}` is {value}, above {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_something_meets_are_no_problem() {
        assert!(closed(("min", 2), ("max", 2)).is_empty() && half_open(("min", 2), ("max", 3)).is_empty());
        assert!(of_share(0.8, 1.0).is_empty() && of_share(-1.0, 0.5).is_empty() && threshold(0.5, ..1.0, "a share is at most 1").is_empty());
    }

    #[test]
    fn bounds_that_nothing_meets_are_told() {
        let told = [
            closed(("min", 3), ("max", 2)),
            half_open(("min", 9.0), ("max", 2.5)),
            half_open(("min", 2), ("max", 2)),
            closed(("min", f64::NAN), ("max", 1.0)),
            of_share(0.9, 0.1),
            of_share(2.0, 5.0),
            threshold(7.0, ..1.0, "a share is at most 1"),
        ];
        insta::assert_snapshot!(told.concat().join("\n"), @r"
        `min` is 3 and `max` 2, so no row can stay
        `min` is 9 and `max` 2.5, so no row can stay
        `min` is 2 and `max` 2, so no row can stay
        `min` is NaN and `max` 1, so no row can stay
        `min_score` is 0.9 and `max_score` 0.1, so no row can stay
        `min_score` is 2 and `max_score` 5, and a score is from 0 to 1, so no row can stay
        `threshold` is 7 and a share is at most 1, so no row can stay
        ");
    }
}
