//! Whether a deployment may be asked now: its cool-down, its breaker, its pace and the calls that it has in flight.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dataflow_core::serving::ErrorClass;

use super::configuration::Backoff;
use crate::api::back_off::full_jitter;

/// The breaker opens at this share of failures among at least [`LEAST_CALLS`] within [`WINDOW`].
const WORST_SHARE: f64 = 0.5;
const LEAST_CALLS: usize = 5;
const WINDOW: Duration = Duration::from_secs(30);
/// Without an end that the service tells.
const QUOTA_COOL_DOWN: Duration = Duration::from_mins(10);
const AUTH_COOL_DOWN: Duration = Duration::from_mins(5);
/// No service is waited for longer than this because it says so.
const LONGEST_ASKED: Duration = Duration::from_mins(15);
/// What a deployment is begun with, where no limit is given.
const FIRST_CONCURRENCY: f64 = 32.0;
const MOST_CONCURRENCY: f64 = 1000.0;

/// How a call ended, as far as the deployment is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered,
    /// It failed, and when it says that it may be asked again.
    Failed(ErrorClass, Option<Duration>),
    /// Nobody wanted the answer any more, or the request was at fault: nothing is said about the deployment.
    NotItsFault,
}

/// The state of one deployment.
#[derive(Debug)]
pub(super) struct Health {
    backoff: Backoff,
    most_in_flight: Option<usize>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Nothing is asked before this.
    cool_until: Option<Instant>,
    /// Failures one after another.
    failures: u32,
    /// The next call is the one that tells whether the deployment has recovered.
    must_probe: bool,
    probing: bool,
    recent: VecDeque<(Instant, bool)>,
    in_flight: usize,
    /// How many calls may be in flight, found out by trying.
    concurrency: f64,
    last_decrease: Instant,
    pace: Pace,
    answered: u64,
    failed: u64,
    latency: Option<f64>,
    last_error: Option<String>,
}

/// Requests a second, found out from refusals; without one there is none.
#[derive(Debug)]
struct Pace {
    per_second: Option<f64>,
    next: Instant,
    /// Answers of the second that runs, and of the one before.
    second: (Instant, u32, u32),
    last_refusal: Instant,
}

/// Why a deployment is not asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNow {
    /// It may be asked at this time.
    At(Instant),
    /// It may be asked when a call of it has ended.
    WhenOneEnds,
}

/// What is shown of a deployment.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct HealthReport {
    /// Whether it may be asked now, its limits aside.
    pub available: bool,
    /// Seconds until it may be asked again.
    pub cooling_seconds: f64,
    /// Failures one after another.
    pub failures: u32,
    /// Calls in flight.
    pub in_flight: usize,
    /// How many may be.
    pub concurrency: usize,
    /// Requests a second that it was found to take.
    pub pace: Option<f64>,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that failed by its fault.
    pub failed: u64,
    /// The share of answered calls.
    pub success_rate: f64,
    /// Seconds that a call takes, a moving mean.
    pub avg_response_time: f64,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl Health {
    pub fn new(backoff: Backoff, most_in_flight: Option<usize>) -> Self {
        let now = Instant::now();
        let state = State {
            cool_until: None,
            failures: 0,
            must_probe: false,
            probing: false,
            recent: VecDeque::new(),
            in_flight: 0,
            concurrency: most_in_flight.map_or(FIRST_CONCURRENCY, |most| most.max(1) as f64),
            last_decrease: now,
            pace: Pace { per_second: None, next: now, second: (now, 0, 0), last_refusal: now },
            answered: 0,
            failed: 0,
            latency: None,
            last_error: None,
        };
        Self { backoff, most_in_flight, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call may begin.
    pub fn ready(&self, now: Instant) -> Result<(), NotNow> {
        self.state().ready(now)
    }

    /// Begins a call, if it may begin still.
    pub fn begin(&self, now: Instant) -> Result<(), NotNow> {
        let mut state = self.state();
        state.ready(now)?;
        state.in_flight += 1;
        state.probing |= state.must_probe;
        if let Some(rate) = state.pace.per_second {
            state.pace.next = state.pace.next.max(now) + Duration::from_secs_f64(1.0 / rate);
        }
        Ok(())
    }

    /// Ends a call that took so long.
    pub fn end(&self, outcome: Outcome, took: Duration, error: Option<&str>) {
        let now = Instant::now();
        let mut state = self.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        let was_probe = std::mem::take(&mut state.probing);
        match outcome {
            Outcome::Answered => {
                state.answered += 1;
                state.failures = 0;
                state.must_probe = false;
                if was_probe {
                    state.recent.clear();
                    state.cool_until = None;
                }
                state.remember(now, true);
                let took = took.as_secs_f64();
                state.latency = Some(state.latency.map_or(took, |mean| mean.mul_add(0.9, took * 0.1)));
                let most = self.most_in_flight.map_or(MOST_CONCURRENCY, |most| most as f64);
                // One more for each round of answers.
                state.concurrency = (state.concurrency + 1.0 / state.concurrency).min(most);
                state.pace.answered(now);
            }
            Outcome::NotItsFault => {}
            Outcome::Failed(class, retry_after) => {
                state.last_error = error.map(ToOwned::to_owned);
                let retry_after = retry_after.map(|after| after.min(LONGEST_ASKED));
                match class {
                    ErrorClass::RateLimited => {
                        state.pace.refused(now);
                        if let Some(after) = retry_after {
                            state.cool(now + after);
                        }
                    }
                    ErrorClass::Quota => {
                        state.failed += 1;
                        state.must_probe = true;
                        state.cool(now + retry_after.unwrap_or(QUOTA_COOL_DOWN));
                    }
                    ErrorClass::Auth => {
                        state.failed += 1;
                        state.must_probe = true;
                        state.cool(now + retry_after.unwrap_or(AUTH_COOL_DOWN));
                    }
                    ErrorClass::Caller | ErrorClass::Filtered => {}
                    ErrorClass::Transient | ErrorClass::Unreachable => {
                        state.failed += 1;
                        state.failures += 1;
                        state.remember(now, false);
                        let rest = match self.backoff {
                            Backoff::Adaptive => full_jitter(Duration::from_millis(500), state.failures - 1),
                            Backoff::Ladder => ladder(state.failures),
                        };
                        let opens = state.breaks() || (class == ErrorClass::Unreachable && state.failures >= 3);
                        if opens || was_probe {
                            state.must_probe = true;
                            let open = Duration::from_secs(5).saturating_mul(2u32.saturating_pow(state.failures.saturating_sub(3).min(4)));
                            state.cool(now + rest.max(open.min(Duration::from_mins(1))));
                        } else if let Some(after) = retry_after {
                            state.cool(now + after);
                        } else if self.backoff == Backoff::Ladder {
                            state.cool(now + rest);
                        } else {
                            // Calls in flight may go on; new ones hold back for a moment.
                            state.cool(now + rest.min(Duration::from_secs(2)));
                        }
                        state.decrease(now);
                    }
                }
            }
        }
    }

    pub fn report(&self) -> HealthReport {
        let (now, state) = (Instant::now(), self.state());
        let calls = state.answered + state.failed;
        HealthReport {
            available: state.cool_until.is_none_or(|until| until <= now) && !state.probing,
            cooling_seconds: state.cool_until.map_or(0.0, |until| until.saturating_duration_since(now).as_secs_f64()),
            failures: state.failures,
            in_flight: state.in_flight,
            concurrency: state.concurrency as usize,
            pace: state.pace.per_second,
            answered: state.answered,
            failed: state.failed,
            success_rate: if calls == 0 { 1.0 } else { state.answered as f64 / calls as f64 },
            avg_response_time: state.latency.unwrap_or(0.0),
            last_error: state.last_error.clone(),
        }
    }
}

impl State {
    fn ready(&self, now: Instant) -> Result<(), NotNow> {
        if let Some(until) = self.cool_until.filter(|until| *until > now) {
            return Err(NotNow::At(until));
        }
        if self.must_probe && self.probing || self.in_flight >= (self.concurrency as usize).max(1) {
            return Err(NotNow::WhenOneEnds);
        }
        if self.pace.per_second.is_some() && self.pace.next > now {
            return Err(NotNow::At(self.pace.next));
        }
        Ok(())
    }

    fn cool(&mut self, until: Instant) {
        self.cool_until = Some(self.cool_until.map_or(until, |before| before.max(until)));
    }

    fn remember(&mut self, now: Instant, well: bool) {
        self.recent.push_back((now, well));
        while self.recent.len() > 200 || self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.recent.pop_front();
        }
    }

    fn breaks(&self) -> bool {
        let failures = self.recent.iter().filter(|(_, well)| !well).count();
        self.recent.len() >= LEAST_CALLS && failures as f64 >= self.recent.len() as f64 * WORST_SHARE
    }

    /// Fewer calls in flight, once for all that fail together.
    fn decrease(&mut self, now: Instant) {
        let round = Duration::from_secs_f64(self.latency.unwrap_or(1.0).max(0.05));
        if now.duration_since(self.last_decrease) > round {
            self.concurrency = (self.concurrency * 0.7).max(1.0);
            self.last_decrease = now;
        }
    }
}

impl Pace {
    fn answered(&mut self, now: Instant) {
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

    fn refused(&mut self, now: Instant) {
        self.count(now);
        let burst = now.duration_since(self.last_refusal) < Duration::from_millis(900) && self.per_second.is_some();
        self.last_refusal = now;
        if burst {
            return; // those that were on their way already
        }
        let taken = f64::from(self.second.1.max(self.second.2)).max(0.5);
        self.per_second = Some(self.per_second.map_or(taken, |rate| (rate * 0.97).max(taken.min(rate)).max(0.2)));
    }

    fn count(&mut self, now: Instant) {
        let since = now.duration_since(self.second.0);
        if since >= Duration::from_secs(1) {
            let before = if since < Duration::from_secs(2) { self.second.1 } else { 0 };
            self.second = (now, 0, before);
        }
    }
}

/// AI-DataFlux's ladder: 2, 4, 6, 8, 10, 14, 22, 38, 60 seconds.
fn ladder(failures: u32) -> Duration {
    let seconds = if failures <= 3 { 2 * u64::from(failures) } else { (6 + 2u64.saturating_pow(failures - 3)).min(60) };
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(health: &Health, class: ErrorClass) {
        health.begin(Instant::now()).ok();
        health.end(Outcome::Failed(class, None), Duration::from_millis(10), Some("no"));
    }

    #[test]
    fn the_ladder_is_that_of_ai_dataflux() {
        assert_eq!((1..=10).map(|failures| ladder(failures).as_secs()).collect::<Vec<_>>(), [2, 4, 6, 8, 10, 14, 22, 38, 60, 60]);
    }

    #[test]
    fn a_request_at_fault_says_nothing_about_the_deployment() {
        let health = Health::new(Backoff::Adaptive, None);
        (0..100).for_each(|_| fail(&health, ErrorClass::Caller));
        assert_eq!(health.ready(Instant::now()), Ok(()));
        assert_eq!(health.report().failed, 0);
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through() {
        let health = Health::new(Backoff::Adaptive, None);
        (0..3).for_each(|_| fail(&health, ErrorClass::Unreachable));
        let Err(NotNow::At(until)) = health.ready(Instant::now()) else { panic!("it should be cooling") };
        assert!(until > Instant::now() + Duration::from_secs(3));
        let later = until + Duration::from_millis(1);
        assert_eq!(health.begin(later), Ok(()));
        assert_eq!(health.begin(later), Err(NotNow::WhenOneEnds), "one probe and no more");
        health.end(Outcome::Answered, Duration::from_millis(5), None);
        assert_eq!((health.begin(Instant::now()), health.begin(Instant::now())), (Ok(()), Ok(())));
    }

    #[test]
    fn a_refusal_sets_the_pace_and_is_no_failure() {
        let health = Health::new(Backoff::Adaptive, None);
        for _ in 0..20 {
            health.begin(Instant::now()).unwrap();
            health.end(Outcome::Answered, Duration::from_millis(1), None);
        }
        fail(&health, ErrorClass::RateLimited);
        let report = health.report();
        assert_eq!((report.failed, report.failures), (0, 0));
        assert_eq!(report.pace, Some(20.0));
    }

    #[test]
    fn calls_in_flight_are_bounded() {
        let health = Health::new(Backoff::Adaptive, Some(2));
        assert_eq!((health.begin(Instant::now()), health.begin(Instant::now())), (Ok(()), Ok(())));
        assert_eq!(health.begin(Instant::now()), Err(NotNow::WhenOneEnds));
        health.end(Outcome::NotItsFault, Duration::ZERO, None);
        assert_eq!(health.begin(Instant::now()), Ok(()));
    }
}
