//! Bounds the retries of a pool to a share of its calls, so that a service in trouble is not asked twice as much.
//!
//! The scheme is that of Finagle's retry budget: each call deposits a part of a retry, and some a second are free.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Retries for each call.
const SHARE: f64 = 0.2;
/// Retries a second that are always there.
const FREE_PER_SECOND: f64 = 10.0;
/// Seconds that a deposit lasts at the most.
const SECONDS: f64 = 10.0;

/// What is left for retries.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<(f64, Instant)>);

impl RetryBudget {
    pub fn new() -> Self {
        Self(Mutex::new((FREE_PER_SECOND * SECONDS, Instant::now())))
    }

    /// A call was made.
    pub fn deposit(&self) {
        self.change(SHARE);
    }

    /// Takes a retry, if there is one.
    pub fn take(&self) -> bool {
        self.change(0.0) >= 1.0 && {
            self.change(-1.0);
            true
        }
    }

    fn change(&self, by: f64) -> f64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let free = now.duration_since(state.1).as_secs_f64() * FREE_PER_SECOND;
        *state = ((state.0 + free).min(FREE_PER_SECOND * SECONDS * 10.0) + by, now);
        state.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_run_out_and_calls_bring_them_back() {
        let budget = RetryBudget::new();
        let taken = (0..10_000).take_while(|_| budget.take()).count();
        assert!((100..120).contains(&taken), "{taken}");
        (0..50).for_each(|_| budget.deposit());
        let again = (0..10_000).take_while(|_| budget.take()).count();
        assert!((9..30).contains(&again), "{again}");
    }
}
