//! The circuit breaker of a deployment: it opens on failures, and closes when one call, the probe, has been answered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::configuration::Backoff;

/// The breaker opens at this share of failures among at least [`LEAST_CALLS`] within [`WINDOW`].
const WORST_SHARE: f64 = 0.5;
const LEAST_CALLS: usize = 5;
const WINDOW: Duration = Duration::from_secs(30);
const MOST_REMEMBERED: usize = 200;
/// So many failures one after another to reach a service open it too.
const MOST_UNREACHABLE: u32 = 3;
/// Of so many calls the share that failed of late is told.
const LATE_CALLS: usize = 50;
/// How long it is open at first, and at the most; each probe that fails doubles it.
const FIRST_OPENING: Duration = Duration::from_secs(5);
const LONGEST_OPENING: Duration = Duration::from_mins(1);
/// How long it is open at the most where there is nobody else to be asked.
const LONE_PROBE: Duration = Duration::from_secs(2);

/// What a call is to the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// One of many.
    Ordinary,
    /// The one that tells whether the deployment has recovered.
    Probe,
}

#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// It is open until then; where there is no other deployment, a call may look before.
    open_until: Option<Instant>,
    /// When it opened, or a probe failed last.
    opened: Option<Instant>,
    /// Probes that have failed since it opened.
    failed_probes: u32,
    /// The next call is the one that tells whether the deployment has recovered.
    must_probe: bool,
    probing: bool,
    /// Failures one after another.
    failures: u32,
    recent: VecDeque<(Instant, bool)>,
}

impl Breaker {
    /// Until when it is open; for one that no other can stand in for, for a few seconds at the most.
    pub fn open_until(&self, is_alone: bool) -> Option<Instant> {
        if is_alone { self.open_until.min(self.opened.map(|at| at + LONE_PROBE)) } else { self.open_until }
    }

    /// Whether the next call has to be a probe.
    pub fn must_probe(&self) -> bool {
        self.must_probe
    }

    /// The next call is a probe, whatever made it one.
    pub fn require_probe(&mut self) {
        self.must_probe = true;
    }

    /// Whether a probe is on its way.
    pub fn is_probing(&self) -> bool {
        self.must_probe && self.probing
    }

    /// Failures one after another.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    pub fn begun(&mut self) -> Role {
        if !self.must_probe {
            return Role::Ordinary;
        }
        self.probing = true;
        Role::Probe
    }

    /// A call has ended, however it did.
    pub fn ended(&mut self, role: Role) {
        if role == Role::Probe {
            self.probing = false;
        }
    }

    /// The service has spoken. Late words of a call that began before it opened do not close it. Tells whether it closed.
    pub fn spoke(&mut self, role: Role) -> bool {
        let closes = role == Role::Probe;
        if closes {
            self.must_probe = false;
            (self.open_until, self.opened) = (None, None);
            self.failed_probes = 0;
            self.recent.clear();
        }
        if !self.must_probe {
            self.failures = 0;
        }
        closes
    }

    /// A call was answered.
    pub fn answered(&mut self, now: Instant) {
        self.remember(now, true);
    }

    /// A call failed by the service's fault, perhaps without reaching it.
    pub fn failed(&mut self, now: Instant, role: Role, was_unreachable: bool, backoff: Backoff) {
        self.failures += 1;
        self.remember(now, false);
        let failures = self.recent.iter().filter(|(_, well)| !well).count();
        let breaks = self.recent.len() >= LEAST_CALLS && failures as f64 >= self.recent.len() as f64 * WORST_SHARE
            || was_unreachable && self.failures >= MOST_UNREACHABLE;
        // Failures of calls that began before it opened tell nothing new: they neither open it nor keep it open.
        if role == Role::Probe || (breaks && !self.must_probe) {
            self.open(now, role, backoff);
        }
    }

    fn open(&mut self, now: Instant, role: Role, backoff: Backoff) {
        if role == Role::Probe && self.opened.is_some() {
            self.failed_probes = self.failed_probes.saturating_add(1);
        }
        self.must_probe = true;
        self.opened = Some(now);
        let mut time = FIRST_OPENING.saturating_mul(2u32.saturating_pow(self.failed_probes)).min(LONGEST_OPENING);
        if backoff == Backoff::Ladder {
            time = time.max(ladder(self.failures));
        }
        self.open_until = self.open_until.max(Some(now + time));
    }

    fn remember(&mut self, now: Instant, well: bool) {
        self.recent.push_back((now, well));
        while self.recent.len() > MOST_REMEMBERED || self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.recent.pop_front();
        }
    }

    /// The share of failures among the last calls.
    pub fn failing_of_late(&self) -> f64 {
        let late = self.recent.len().min(LATE_CALLS);
        let failures = self.recent.iter().rev().take(late).filter(|(_, well)| !well).count();
        failures as f64 / late.max(1) as f64
    }
}

/// AI-DataFlux's ladder: 2, 4, 6, 8, 10, 14, 22, 38, 60 seconds.
pub(super) fn ladder(failures: u32) -> Duration {
    let seconds = if failures <= 3 { 2 * u64::from(failures) } else { (6 + 2u64.saturating_pow(failures - 3)).min(60) };
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_is_that_of_ai_dataflux() {
        let seconds: Vec<u64> = (1..=10).map(|failures| ladder(failures).as_secs()).collect();
        assert_eq!(seconds, [2, 4, 6, 8, 10, 14, 22, 38, 60, 60]);
    }
}
