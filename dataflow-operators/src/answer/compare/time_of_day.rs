//! Times of day: `3:30 PM`, `10 a.m.`.

use std::sync::LazyLock;

use crate::pattern::pattern;
use regex::Regex;

struct TimeOfDay {
    hour: u32,
    minute: u32,
    /// Whether it is behind noon, where that is told.
    afternoon: Option<bool>,
    has_minutes: bool,
}

impl TimeOfDay {
    fn parse(text: &str) -> Option<Self> {
        static TIME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\d{1,2})(?::(\d{2}))?\s*(?:([aApP])\.?\s?[mM]\.?)?$"));
        let found = TIME.captures(text.trim())?;
        let minute = found.get(2);
        Some(Self {
            hour: found[1].parse().ok()?,
            minute: minute.map_or(Ok(0), |minute| minute.as_str().parse()).ok()?,
            afternoon: found.get(3).map(|half| half.as_str().eq_ignore_ascii_case("p")),
            has_minutes: minute.is_some(),
        })
    }

    /// The hour of the day, of which noon is the twelfth.
    fn hour_of_day(&self) -> u32 {
        self.afternoon.map_or(self.hour, |afternoon| self.hour % 12 + if afternoon { 12 } else { 0 })
    }
}

/// Whether a text is a time that tells the half of the day.
pub(super) fn is_time_of_day(text: &str) -> bool {
    TimeOfDay::parse(text).is_some_and(|time| time.afternoon.is_some())
}

/// Whether two times of day are the same, where one of them tells the half of the day and the other is a time too: `3:30` may be either.
pub(super) fn same_time(answer: &str, reference: &str) -> Option<bool> {
    let (left, right) = (TimeOfDay::parse(answer)?, TimeOfDay::parse(reference)?);
    let are_times = [&left, &right].into_iter().all(|time| time.has_minutes || time.afternoon.is_some());
    if !are_times || (left.afternoon, right.afternoon) == (None, None) {
        return None;
    }
    let one_is_vague = left.afternoon.is_none() || right.afternoon.is_none();
    let same_hour = left.hour_of_day() == right.hour_of_day() || (one_is_vague && left.hour == right.hour);
    Some(same_hour && left.minute == right.minute)
}
