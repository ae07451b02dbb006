//! How many calls a second a deployment takes, found out from its refusals.

use std::time::{Duration, Instant};

/// Requests a second, found out from refusals; without one there is none.
#[derive(Debug)]
pub(super) struct Pace {
    pub per_second: Option<f64>,
    /// When the next call may begin.
    pub next: Instant,
    taken: Taken,
    last_refusal: Instant,
    /// The refusal by which the rate was found, until there is another.
    found: Option<Instant>,
}

/// Refusals that follow another within this time are of calls that were on their way already.
const ONE_BURST: Duration = Duration::from_millis(900);
/// Of fewer calls in a second a refusal tells no rate: it has another reason, or counts minutes.
const FEWEST_OF_A_RATE: f64 = 4.0;
/// Without a refusal for so long there is no rate any more.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(2);

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { per_second: None, next: now, taken: Taken::new(now), last_refusal: now, found: None }
    }

    /// A call has begun.
    pub fn begun(&mut self, now: Instant) {
        if let Some(rate) = self.per_second {
            self.next = self.next.max(now) + Duration::from_secs_f64(1.0 / rate);
        }
    }

    /// A call that took so long was answered.
    pub fn answered(&mut self, now: Instant, took: Duration) {
        let begun = now.checked_sub(took).unwrap_or(now);
        self.taken.count(begun);
        if let Some(rate) = &mut self.per_second {
            if self.found.is_some_and(|found| begun <= found && found.duration_since(begun) < Duration::from_secs(1)) {
                *rate += 1.0; // one more of those that were taken in the second before the refusal
            } else {
                // A fiftieth more for each second; without a refusal for long, ever more, since what was found is no longer so.
                let quiet = now.duration_since(self.last_refusal).as_secs_f64() / 5.0;
                *rate += 0.02 * quiet.mul_add(quiet, 1.0);
            }
            if now.duration_since(self.last_refusal) > FORGOTTEN_AFTER {
                self.per_second = None;
            }
        }
    }

    /// A call was refused for the rate, while so many others are in flight.
    pub fn refused(&mut self, now: Instant, in_flight: usize) {
        let is_late = now.duration_since(self.last_refusal) < ONE_BURST && self.per_second.is_some();
        self.last_refusal = now;
        if is_late {
            return;
        }
        let taken = self.taken.in_the_last_second(now);
        if self.per_second.is_none() && taken + (in_flight as f64) < FEWEST_OF_A_RATE {
            return;
        }
        let rate = match self.per_second {
            None => taken.max(0.5),
            Some(rate) => (rate * 0.97).max(taken.min(rate)).max(0.2),
        };
        self.found = self.per_second.is_none().then_some(now);
        self.per_second = Some(rate);
        self.next = self.next.max(now + Duration::from_secs_f64(1.0 / rate));
    }
}

/// How many calls that were answered began in each part of the last second.
#[derive(Debug)]
struct Taken {
    start: Instant,
    /// The part that came last, by its number from the start.
    newest: u128,
    parts: [u32; PARTS],
}

const PARTS: usize = 20;

impl Taken {
    fn new(start: Instant) -> Self {
        Self { start, newest: 0, parts: [0; PARTS] }
    }

    fn part(&self, at: Instant) -> u128 {
        at.saturating_duration_since(self.start).as_millis() * PARTS as u128 / 1000
    }

    /// Leaves out what lies a second before a part.
    fn advance(&mut self, to: u128) {
        for gone in (self.newest + 1..=to).take(PARTS) {
            self.parts[(gone % PARTS as u128) as usize] = 0;
        }
        self.newest = self.newest.max(to);
    }

    fn count(&mut self, begun: Instant) {
        let part = self.part(begun);
        self.advance(part);
        if part + PARTS as u128 > self.newest {
            self.parts[(part % PARTS as u128) as usize] += 1;
        }
    }

    fn in_the_last_second(&mut self, now: Instant) -> f64 {
        self.advance(self.part(now));
        f64::from(self.parts.iter().sum::<u32>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that takes so many calls in each of its seconds and refuses the others at once, as callers see it who wait for nothing else: how long 2,000 answers took, in seconds, and
    /// how many calls were refused.
    fn run(each_second: u32, latency: Duration, callers: usize) -> (f64, u32) {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let (mut second, mut in_second) = (begin, 0);
        let (mut cool_until, mut refused, mut answered, mut refusals) = (begin, 0, 0, 0_u16);
        let mut in_flight = std::collections::VecDeque::new();
        for now in (0..).map(|step| begin + Duration::from_micros(500) * step) {
            while in_flight.front().is_some_and(|begun| now.duration_since(*begun) >= latency) {
                in_flight.pop_front();
                answered += 1;
                refusals <<= 1;
                pace.answered(now, latency);
            }
            if answered >= 2000 {
                return (now.duration_since(begin).as_secs_f64(), refused);
            }
            while in_flight.len() < callers && now >= cool_until && (pace.per_second.is_none() || pace.next <= now) {
                pace.begun(now);
                if now.duration_since(second) >= Duration::from_secs(1) {
                    (second, in_second) = (now, 0);
                }
                in_second += 1;
                if in_second <= each_second {
                    in_flight.push_back(now);
                    continue;
                }
                refused += 1;
                refusals = refusals << 1 | 1;
                if pace.per_second.is_some() || refusals.count_ones() >= 3 {
                    pace.refused(now, in_flight.len());
                }
                cool_until = second + Duration::from_secs(1);
            }
        }
        unreachable!("time does not end")
    }

    #[test]
    fn a_rate_that_is_no_longer_held_is_soon_left_behind() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        pace.refused(begin, 3);
        assert_eq!(pace.per_second, None, "a few calls have no rate");
        pace.refused(begin, 50);
        assert_eq!(pace.per_second, Some(0.5));
        let (mut now, mut calls) = (begin, 0);
        while now < begin + Duration::from_secs(30) {
            now = pace.next.max(now);
            pace.begun(now);
            pace.answered(now, Duration::ZERO);
            calls += 1;
        }
        assert!(calls > 150 && pace.per_second > Some(20.0), "{calls} calls, {:?}", pace.per_second);
    }

    #[test]
    fn the_pace_of_a_service_is_found_whenever_it_first_refuses() {
        for latency in [20_u32, 100, 170, 450, 900, 1300, 3000] {
            for callers in [8, 32, 45, 64, 100, 256] {
                let possible = 40.0_f64.min(callers as f64 * 1000.0 / f64::from(latency));
                let (seconds, refused) = run(40, Duration::from_millis(latency.into()), callers);
                let ratio = (seconds - f64::from(latency) / 1000.0) / (2000.0 / possible);
                assert!(ratio <= 1.1 && refused <= 60, "{ratio} times as long, and {refused} refused, after {latency} ms with {callers} callers");
            }
        }
    }
}
