//! How many calls a second a deployment takes, found out from its refusals.

use std::time::{Duration, Instant};

/// Requests a second, found out from refusals; without one there is none.
#[derive(Debug)]
pub(super) struct Pace {
    pub per_second: Option<f64>,
    /// When the next call may begin.
    pub next: Instant,
    /// Answers of the second that runs, and of the one before.
    second: (Instant, u32, u32),
    last_refusal: Instant,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { per_second: None, next: now, second: (now, 0, 0), last_refusal: now }
    }

    /// A call has begun.
    pub fn begun(&mut self, now: Instant) {
        if let Some(rate) = self.per_second {
            self.next = self.next.max(now) + Duration::from_secs_f64(1.0 / rate);
        }
    }

    /// A call was answered.
    pub fn answered(&mut self, now: Instant) {
        self.count(now);
        self.second.1 += 1;
        if let Some(rate) = &mut self.per_second {
            // A fiftieth more for each second without a refusal.
            *rate += 0.02 / 1.0f64.max(1.0 / *rate);
            if now.duration_since(self.last_refusal) > Duration::from_mins(2) {
                self.per_second = None;
            }
        }
    }

    /// A call was refused for the rate.
    pub fn refused(&mut self, now: Instant) {
        self.count(now);
        let burst = now.duration_since(self.last_refusal) < Duration::from_millis(900) && self.per_second.is_some();
        self.last_refusal = now;
        if burst {
            return; // those that were on their way already
        }
        let taken = f64::from(self.second.1.max(self.second.2)).max(0.5);
        let rate = self.per_second.map_or(taken, |rate| (rate * 0.97).max(taken.min(rate)).max(0.2));
        self.per_second = Some(rate);
        self.next = self.next.max(now + Duration::from_secs_f64(1.0 / rate));
    }

    fn count(&mut self, now: Instant) {
        let since = now.duration_since(self.second.0);
        if since >= Duration::from_secs(1) {
            let before = if since < Duration::from_secs(2) { self.second.1 } else { 0 };
            self.second = (now, 0, before);
        }
    }
}
