//! How many calls of a deployment may be in flight, found out by trying: one more for each round of answers, fewer on overload and on slow first tokens.

use std::time::{Duration, Instant};

/// What a deployment is begun with, where no limit is given.
const FIRST: f64 = 32.0;
const MOST: f64 = 1000.0;
/// The share that is left after an overload.
const FALL: f64 = 0.7;
/// An overload is one for all calls that end within a round, which is at least so long.
const SHORTEST_ROUND: Duration = Duration::from_millis(50);
/// First tokens that take so many times as long as they can, and this much longer, say that too many are asked for at once.
const SLOW_FIRST_TOKEN: (f64, f64) = (3.0, 0.25);

#[derive(Debug)]
pub(super) struct Concurrency {
    in_flight: f64,
    /// What a file gives.
    most: Option<usize>,
    /// It was never too much so far, so it doubles with each round of answers.
    is_doubling: bool,
    last_decrease: Instant,
    first_token: Option<FirstToken>,
}

/// Seconds to the first token.
#[derive(Clone, Copy, Debug)]
struct FirstToken {
    /// A moving mean.
    of_late: f64,
    /// The shortest, which is forgotten slowly.
    at_best: f64,
}

impl Concurrency {
    pub fn new(most: Option<usize>, now: Instant) -> Self {
        let in_flight = most.map_or(FIRST, |most| most.max(1) as f64);
        Self { in_flight, most, is_doubling: true, last_decrease: now, first_token: None }
    }

    /// Takes a changed limit over; without one what is known stays known.
    pub fn set(&mut self, most: Option<usize>) {
        if self.most != most {
            self.in_flight = most.map_or(self.in_flight.max(FIRST), |most| most.max(1) as f64);
        }
        self.most = most;
    }

    /// How many calls may be in flight.
    pub fn limit(&self) -> usize {
        (self.in_flight as usize).max(1)
    }

    /// Whether most of the calls that may be in flight are.
    pub fn is_busy(&self, in_flight: usize) -> bool {
        in_flight as f64 * 2.0 >= self.in_flight
    }

    /// An answer has come while it was busy.
    pub fn answered(&mut self) {
        let most = self.most.map_or(MOST, |most| most.max(1) as f64);
        // One more for each round of answers, or twice as many.
        let more = if self.is_doubling { 1.0 } else { 1.0 / self.in_flight };
        self.in_flight = (self.in_flight + more).min(most);
    }

    /// From now on it grows slowly.
    pub fn end_doubling(&mut self) {
        self.is_doubling = false;
    }

    /// Fewer calls in flight, once for all that fail within a round, the time that a call takes.
    pub fn decrease(&mut self, now: Instant, round: Duration) {
        self.is_doubling = false;
        if now.duration_since(self.last_decrease) > round.max(SHORTEST_ROUND) {
            self.in_flight = (self.in_flight * FALL).max(1.0);
            self.last_decrease = now;
        }
    }

    /// A stream has said its first words after so long. Tells whether that is too slow.
    pub fn first_token(&mut self, took: Duration) -> bool {
        let took = took.as_secs_f64();
        let times = match self.first_token {
            None => FirstToken { of_late: took, at_best: took },
            Some(before) => FirstToken { of_late: before.of_late.mul_add(0.8, took * 0.2), at_best: (before.at_best * 1.002).min(took) },
        };
        self.first_token = Some(times);
        let (factor, longer) = SLOW_FIRST_TOKEN;
        times.of_late > times.at_best * factor + longer
    }

    /// Seconds to the first token, a moving mean.
    pub fn mean_first_token(&self) -> Option<f64> {
        self.first_token.map(|times| times.of_late)
    }

    #[cfg(test)]
    pub fn forget_decrease(&mut self) {
        self.last_decrease = Instant::now().checked_sub(Duration::from_mins(1)).expect("the machine runs for longer");
    }
}
