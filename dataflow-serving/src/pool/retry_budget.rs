//! Bounds the retries of a pool to a share of its calls, so that a service in trouble is not asked twice as much.
//!
//! The scheme is that of Finagle's retry budget: each call deposits a part of a retry, and some a second are free.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Retries for each call.
const SHARE: f64 = 0.2;
/// Retries a second that are always there.
const FREE_PER_SECOND: f64 = 10.0;
/// Seconds that a deposit lasts.
const SECONDS: f64 = 10.0;

/// What is left for retries.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<Store>);

#[derive(Debug)]
struct Store {
    retries: f64,
    /// Retries that calls have brought of late; it fades, so that it measures the last seconds.
    deposited: f64,
    at: Instant,
}

impl Store {
    fn bring_up(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.deposited *= (-seconds / SECONDS).exp();
        self.retries = (self.retries + FREE_PER_SECOND * seconds).min(FREE_PER_SECOND * SECONDS + self.deposited);
    }
}

impl RetryBudget {
    pub fn new() -> Self {
        Self(Mutex::new(Store { retries: FREE_PER_SECOND * SECONDS, deposited: 0.0, at: Instant::now() }))
    }

    /// A call was made.
    pub fn deposit(&self) {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.deposited += SHARE;
        store.retries += SHARE;
    }

    /// Takes a retry, if there is one.
    pub fn take(&self, now: Instant) -> bool {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.bring_up(now);
        let is_left = store.retries >= 1.0;
        if is_left {
            store.retries -= 1.0;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fifth_of_the_calls_and_ten_a_second() {
        let budget = RetryBudget::new();
        let now = Instant::now();
        let taken = |now| (0..10_000).take_while(|_| budget.take(now)).count();
        assert!((100..=101).contains(&taken(now)));
        (0..1000).for_each(|_| budget.deposit());
        assert!((199..=201).contains(&taken(now)));
        assert_eq!(taken(now + Duration::from_secs(1)), 10);
        assert!((99..=101).contains(&taken(now + Duration::from_mins(10))), "what is not used is lost");
    }
}
