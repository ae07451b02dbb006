//! Whether a deployment may be asked now: its limits, its cool-down, its breaker, its pace and the calls that it has in flight.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dataflow_core::serving::ErrorClass;

use super::breaker::{Breaker, Role, ladder};
use super::concurrency::Concurrency;
use super::configuration::Backoff;
use super::limits::{Allowance, Limits};
use super::pace::Pace;
use crate::api::classify::Failure;

/// The share of failures of late above which fewer calls are let in flight: a service in overload says so, and any other fault may have a reason of its own.
const WORST_OVERLOADED: f64 = 0.05;
const WORST_OTHERWISE: f64 = 0.3;
/// Without an end that the service tells.
const QUOTA_COOL_DOWN: Duration = Duration::from_mins(10);
const AUTH_COOL_DOWN: Duration = Duration::from_mins(5);
/// A 403 or 404 that does not say why may be one request's own; so many in a row are not.
const MOST_REFUSED_IN_A_ROW: u32 = 3;
/// No service is waited for longer than this because it says so.
const LONGEST_ASKED: Duration = Duration::from_mins(15);
/// How a call ended, as far as the deployment is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered,
    /// It failed.
    Failed(Fault),
    /// It spoke, and what went wrong was the request's doing: nothing is said against the deployment.
    NotItsFault,
    /// Nobody wanted the answer any more: nothing is said about the deployment.
    Left,
}

/// A failure of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault it was.
    pub class: ErrorClass,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// When the deployment says that it may be asked again.
    pub retry_after: Option<Duration>,
    /// Whether it holds for all calls, also where the status alone may be one request's own.
    pub is_for_all: bool,
}

impl Outcome {
    /// What a failed try says about the deployment.
    pub fn of(failure: &Failure) -> Self {
        if failure.blameless || matches!(failure.class, ErrorClass::Caller | ErrorClass::Filtered) {
            return Self::NotItsFault;
        }
        let is_for_all = failure.status == Some(401) || failure.is_for_all;
        Self::Failed(Fault { class: failure.class, status: failure.status, retry_after: failure.retry_after, is_for_all })
    }
}

/// What a file says of a deployment's limits and of its cool-down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub backoff: Backoff,
    /// Found out by trying where it is not given.
    pub most_in_flight: Option<usize>,
    pub requests_per_second: Option<f64>,
    pub tokens_per_minute: Option<u64>,
}

/// The state of one deployment. It outlives a file that is read anew.
#[derive(Debug)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rules: Rules,
    limits: Limits,
    /// Nothing is asked before this.
    cool_until: Option<Instant>,
    refused_in_a_row: u32,
    in_flight: usize,
    breaker: Breaker,
    concurrency: Concurrency,
    pace: Pace,
    answered: u64,
    failed: u64,
    latency: Option<f64>,
    last_error: Option<String>,
}

/// Why a deployment is not asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNow {
    /// It may be asked at this time.
    At(Instant),
    /// It may be asked when a call of it has ended.
    WhenOneEnds,
}

/// What the end of a call has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is asked no more for so long, and then once.
    LeftAlone(Duration),
    /// It answers again.
    Back,
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
    /// Seconds to the first token of a stream, a moving mean.
    pub avg_first_token: Option<f64>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl Health {
    pub fn new(rules: Rules) -> Self {
        let now = Instant::now();
        let state = State {
            rules,
            limits: Limits::default(),
            cool_until: None,
            refused_in_a_row: 0,
            in_flight: 0,
            breaker: Breaker::default(),
            concurrency: Concurrency::new(rules.most_in_flight, now),
            pace: Pace::new(now),
            answered: 0,
            failed: 0,
            latency: None,
            last_error: None,
        };
        let health = Self { state: Mutex::new(state) };
        health.set(rules);
        health
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes changed rules over; what is known stays known.
    pub fn set(&self, rules: Rules) {
        let mut state = self.state();
        state.limits.set(rules.requests_per_second, rules.tokens_per_minute, Instant::now());
        state.concurrency.set(rules.most_in_flight);
        state.rules = rules;
    }

    /// Begins a call of about so many tokens, where one may begin.
    pub fn begin(&self, now: Instant, tokens: u64) -> Result<Role, NotNow> {
        self.begin_as(now, tokens, false)
    }

    /// As [`begin`](Self::begin), for one that no other can stand in for: its breaker is open for a few seconds at the most.
    pub fn begin_alone(&self, now: Instant, tokens: u64) -> Result<Role, NotNow> {
        self.begin_as(now, tokens, true)
    }

    fn begin_as(&self, now: Instant, tokens: u64, is_alone: bool) -> Result<Role, NotNow> {
        let mut state = self.state();
        state.ready(now, tokens, is_alone)?;
        state.limits.take(now, tokens);
        state.in_flight += 1;
        state.pace.begun(now);
        Ok(state.breaker.begun())
    }

    /// Replaces the tokens that a call was thought to take by those that it took.
    pub fn settle(&self, taken: u64, used: u64) {
        self.state().limits.settle(Instant::now(), taken, used);
    }

    /// Nothing is asked for so long, since the service says that a limit of its own is used up.
    pub fn hold_back(&self, time: Duration) {
        self.state().cool(Instant::now() + time.min(LONGEST_ASKED));
    }

    /// Whether it has ever answered.
    pub fn has_answered(&self) -> bool {
        self.state().answered > 0
    }

    /// A stream has said its first words after so long.
    pub fn first_token(&self, took: Duration) {
        let mut state = self.state();
        if state.concurrency.first_token(took) && state.is_busy() {
            state.decrease(Instant::now());
        }
    }

    /// Ends a call that took so long. Tells where the deployment is left alone from now on, or is back.
    pub fn end(&self, outcome: Outcome, role: Role, took: Duration, error: Option<&str>) -> Option<Change> {
        let now = Instant::now();
        let mut state = self.state();
        let had_to_probe = state.breaker.must_probe();
        let was_busy = state.is_busy();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.breaker.ended(role);
        match outcome {
            Outcome::Left => {}
            Outcome::NotItsFault => state.recover(role),
            Outcome::Answered => {
                state.answered += 1;
                state.recover(role);
                state.breaker.answered(now);
                let seconds = took.as_secs_f64();
                state.latency = Some(state.latency.map_or(seconds, |mean| mean.mul_add(0.9, seconds * 0.1)));
                if was_busy {
                    state.concurrency.answered();
                }
                state.pace.answered(now, took);
            }
            Outcome::Failed(fault) => {
                state.last_error = error.map(ToOwned::to_owned);
                state.fail(now, fault, role, took);
            }
        }
        match (had_to_probe, state.breaker.must_probe()) {
            (false, true) => Some(Change::LeftAlone(state.rests_until().map_or(Duration::ZERO, |until| until.saturating_duration_since(now)))),
            (true, false) => Some(Change::Back),
            _ => None,
        }
    }

    /// What is left of the limits of requests and of tokens.
    pub fn left(&self) -> [Option<Allowance>; 2] {
        self.state().limits.left(Instant::now())
    }

    /// Whether it may be asked now, its limits aside.
    pub fn is_available(&self) -> bool {
        self.state().is_available(Instant::now())
    }

    pub fn report(&self) -> HealthReport {
        let (now, state) = (Instant::now(), self.state());
        let calls = state.answered + state.failed;
        HealthReport {
            available: state.is_available(now),
            cooling_seconds: state.rests_until().map_or(0.0, |until| until.saturating_duration_since(now).as_secs_f64()),
            failures: state.breaker.failures(),
            in_flight: state.in_flight,
            concurrency: state.concurrency.limit(),
            pace: state.pace.per_second,
            answered: state.answered,
            failed: state.failed,
            success_rate: if calls == 0 { 1.0 } else { state.answered as f64 / calls as f64 },
            avg_response_time: state.latency.unwrap_or(0.0),
            avg_first_token: state.concurrency.mean_first_token(),
            last_error: state.last_error.clone(),
        }
    }
}

impl State {
    /// Nothing is asked before this.
    fn rests_until(&self) -> Option<Instant> {
        self.cool_until.max(self.breaker.open_until(false))
    }

    fn is_available(&self, now: Instant) -> bool {
        self.rests_until().is_none_or(|until| until <= now) && !self.breaker.is_probing()
    }

    fn ready(&self, now: Instant, tokens: u64, is_alone: bool) -> Result<(), NotNow> {
        if let Some(until) = self.cool_until.max(self.breaker.open_until(is_alone)).filter(|until| *until > now) {
            return Err(NotNow::At(until));
        }
        if self.breaker.is_probing() || self.in_flight >= self.concurrency.limit() {
            return Err(NotNow::WhenOneEnds);
        }
        if self.pace.per_second.is_some() && self.pace.next > now {
            return Err(NotNow::At(self.pace.next));
        }
        self.limits.ready_at(now, tokens).map_or(Ok(()), |at| Err(NotNow::At(at)))
    }

    /// Whether most of the calls that may be in flight are.
    fn is_busy(&self) -> bool {
        self.concurrency.is_busy(self.in_flight)
    }

    /// It has spoken.
    fn recover(&mut self, role: Role) {
        self.refused_in_a_row = 0;
        if self.breaker.spoke(role) {
            self.cool_until = None;
        }
    }

    fn fail(&mut self, now: Instant, fault: Fault, role: Role, took: Duration) {
        let retry_after = fault.retry_after.map(|after| after.min(LONGEST_ASKED));
        let rest = |state: &mut Self, time: Duration| {
            state.breaker.require_probe();
            state.cool(now + retry_after.unwrap_or(time));
        };
        match fault.class {
            ErrorClass::Caller | ErrorClass::Filtered => {}
            ErrorClass::RateLimited => {
                self.pace.refused(now, took, retry_after);
                if self.pace.per_second.is_some() {
                    self.concurrency.end_doubling();
                }
                if let Some(after) = retry_after {
                    self.cool(now + after);
                }
            }
            ErrorClass::Quota => {
                self.failed += 1;
                rest(self, QUOTA_COOL_DOWN);
            }
            ErrorClass::Auth => {
                self.failed += 1;
                self.refused_in_a_row += 1;
                if fault.is_for_all || role == Role::Probe || self.refused_in_a_row >= MOST_REFUSED_IN_A_ROW {
                    rest(self, AUTH_COOL_DOWN);
                }
            }
            ErrorClass::Transient | ErrorClass::Unreachable => {
                self.failed += 1;
                self.breaker.failed(now, role, fault.class == ErrorClass::Unreachable, self.rules.backoff);
                if let Some(after) = retry_after {
                    self.cool(now + after);
                } else if self.rules.backoff == Backoff::Ladder && !self.breaker.must_probe() {
                    self.cool(now + ladder(self.breaker.failures()));
                }
                let worst = if matches!(fault.status, Some(503 | 504 | 529)) { WORST_OVERLOADED } else { WORST_OTHERWISE };
                if self.breaker.failing_of_late() > worst {
                    self.decrease(now);
                }
            }
        }
    }

    fn cool(&mut self, until: Instant) {
        self.cool_until = Some(self.cool_until.map_or(until, |before| before.max(until)));
    }

    /// Fewer calls in flight.
    fn decrease(&mut self, now: Instant) {
        self.concurrency.decrease(now, Duration::from_secs_f64(self.latency.unwrap_or(1.0)));
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::api::classify::by_status;

    const MOMENT: Duration = Duration::from_millis(10);

    fn health() -> Health {
        Health::new(Rules::default())
    }

    fn fault(class: ErrorClass, status: u16) -> Outcome {
        Outcome::Failed(Fault { class, status: Some(status), retry_after: None, is_for_all: status == 401 })
    }

    fn fail(health: &Health, class: ErrorClass, status: u16) {
        let role = health.begin(Instant::now(), 1).unwrap_or(Role::Ordinary);
        health.end(fault(class, status), role, MOMENT, Some("no"));
    }

    fn ready(health: &Health) -> Result<(), NotNow> {
        health.state().ready(Instant::now(), 1, false)
    }

    #[test]
    fn a_request_at_fault_says_nothing_about_the_deployment() {
        let outcome = Outcome::of(&Failure::new(ErrorClass::Caller, "no"));
        assert_eq!(outcome, Outcome::NotItsFault);
        let health = health();
        (0..100).for_each(|_| _ = health.end(outcome, health.begin(Instant::now(), 1).unwrap(), MOMENT, None));
        assert_eq!((ready(&health), health.report().failed), (Ok(()), 0));
    }

    #[test]
    fn a_refused_key_rests_at_once_and_a_404_after_three() {
        let refused = health();
        fail(&refused, ErrorClass::Auth, 401);
        assert!(ready(&refused).is_err());
        let unknown = health();
        (0..2).for_each(|_| fail(&unknown, ErrorClass::Auth, 404));
        assert_eq!(ready(&unknown), Ok(()), "one request may ask for what is not there");
        fail(&unknown, ErrorClass::Auth, 404);
        assert!(ready(&unknown).is_err());
    }

    #[test]
    fn a_refusal_that_says_that_it_is_for_all_rests_at_once() {
        let body = br#"{"error":{"message":"no such model","code":"model_not_found"}}"#;
        for status in [403, 404] {
            let health = health();
            let failure = by_status(status, &HeaderMap::new(), body);
            health.end(Outcome::of(&failure), health.begin(Instant::now(), 1).unwrap(), MOMENT, None);
            assert!(health.report().cooling_seconds > 290.0, "{status}");
        }
    }

    /// Seconds that the breaker is open after the last failure, to the nearest.
    fn seconds_open(health: &Health) -> u64 {
        health.report().cooling_seconds.round() as u64
    }

    #[test]
    fn a_breaker_opens_for_five_seconds_and_only_probes_that_fail_double_it() {
        for class in [ErrorClass::Transient, ErrorClass::Unreachable] {
            let health = health();
            let roles: Vec<Role> = (0..30).map(|_| health.begin(Instant::now(), 1).unwrap()).collect();
            for role in roles {
                health.end(fault(class, 500), role, MOMENT, None);
            }
            assert_eq!(seconds_open(&health), 5, "thirty calls that fail together are no probes");
            for seconds in [10, 20, 40, 60, 60] {
                let later = health.state().breaker.open_until(false).unwrap() + MOMENT;
                assert_eq!(health.begin(later, 1), Ok(Role::Probe));
                health.end(fault(class, 500), Role::Probe, MOMENT, None);
                assert_eq!(seconds_open(&health), seconds);
            }
        }
    }

    fn opened() -> (Health, Instant) {
        let health = health();
        (0..3).for_each(|_| fail(&health, ErrorClass::Unreachable, 0));
        let Err(NotNow::At(until)) = ready(&health) else { panic!("it should be cooling") };
        (health, until)
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through() {
        let (health, until) = opened();
        assert!(until > Instant::now() + Duration::from_secs(3));
        let later = until + Duration::from_millis(1);
        assert_eq!(health.begin(later, 1), Ok(Role::Probe));
        assert_eq!(health.begin(later, 1), Err(NotNow::WhenOneEnds), "one probe and no more");
        health.end(Outcome::Answered, Role::Probe, MOMENT, None);
        let begin = || health.begin(Instant::now(), 1);
        assert_eq!((begin(), begin()), (Ok(Role::Ordinary), Ok(Role::Ordinary)));
    }

    #[test]
    fn late_words_of_an_older_call_do_not_close_the_breaker() {
        let (health, until) = opened();
        health.end(Outcome::Answered, Role::Ordinary, MOMENT, None);
        assert_eq!(ready(&health), Err(NotNow::At(until)));
        let later = until + Duration::from_millis(1);
        assert_eq!(health.begin(later, 1), Ok(Role::Probe));
        health.end(Outcome::Answered, Role::Ordinary, MOMENT, None);
        assert_eq!(health.begin(later, 1), Err(NotNow::WhenOneEnds), "the probe is on its way still");
        health.end(Outcome::Left, Role::Probe, MOMENT, None);
        assert_eq!(health.begin(later, 1), Ok(Role::Probe), "a probe whose caller left tells nothing");
    }

    #[test]
    fn refusals_set_the_pace_and_are_no_failures() {
        let health = health();
        for _ in 0..20 {
            health.end(Outcome::Answered, health.begin(Instant::now(), 1).unwrap(), MOMENT, None);
        }
        (0..5).for_each(|_| fail(&health, ErrorClass::RateLimited, 429));
        assert_eq!(health.report().pace, None, "a few among many have another reason");
        fail(&health, ErrorClass::RateLimited, 429);
        let report = health.report();
        assert_eq!((report.failed, report.failures), (0, 0));
        assert_eq!(report.pace, Some(20.0));
    }

    #[test]
    fn a_failure_among_many_answers_holds_nobody_up() {
        let health = Health::new(Rules { most_in_flight: Some(50), ..Rules::default() });
        for call in 0..1000 {
            let role = health.begin(Instant::now(), 1).unwrap();
            let outcome = if call % 7 == 6 { fault(ErrorClass::Transient, 500) } else { Outcome::Answered };
            health.end(outcome, role, MOMENT, None);
        }
        assert_eq!(health.report().concurrency, 50);
    }

    #[test]
    fn calls_in_flight_are_bounded_and_the_bound_can_be_changed() {
        let health = Health::new(Rules { most_in_flight: Some(2), ..Rules::default() });
        let begin = || health.begin(Instant::now(), 1);
        assert_eq!((begin(), begin(), begin()), (Ok(Role::Ordinary), Ok(Role::Ordinary), Err(NotNow::WhenOneEnds)));
        health.end(Outcome::Left, Role::Ordinary, MOMENT, None);
        assert_eq!((begin(), begin()), (Ok(Role::Ordinary), Err(NotNow::WhenOneEnds)));
        health.set(Rules { most_in_flight: Some(3), ..Rules::default() });
        assert_eq!((begin(), begin()), (Ok(Role::Ordinary), Err(NotNow::WhenOneEnds)));
    }

    #[test]
    fn calls_in_flight_double_until_it_is_too_much_and_only_while_they_are_wanted() {
        let health = health();
        let round = |calls: usize| {
            let roles: Vec<_> = (0..calls).map_while(|_| health.begin(Instant::now(), 1).ok()).collect();
            for role in roles {
                health.end(Outcome::Answered, role, MOMENT, None);
            }
            health.report().concurrency
        };
        assert_eq!(round(4), 32, "with few calls nothing is found out");
        assert!((40..=64).contains(&round(1000)));
        health.state().concurrency.forget_decrease();
        (0..3).for_each(|_| fail(&health, ErrorClass::Transient, 503));
        let after = health.report().concurrency;
        assert!(after < 40, "{after}");
        health.state().cool_until = None;
        assert!(round(1000) <= after + 1, "from then on one more for each round");
    }

    #[test]
    fn slow_first_tokens_of_a_busy_deployment_are_too_much() {
        let health = health();
        health.first_token(Duration::from_millis(100));
        let _roles: Vec<_> = (0..32).map_while(|_| health.begin(Instant::now(), 1).ok()).collect();
        health.state().concurrency.forget_decrease();
        (0..20).for_each(|_| health.first_token(Duration::from_secs(2)));
        assert!(health.report().concurrency < 32);
        assert!(health.report().avg_first_token.unwrap() > 1.0);
    }

    #[test]
    fn a_service_that_says_that_nothing_is_left_is_not_asked_before_its_time() {
        let health = health();
        health.hold_back(Duration::from_secs(7));
        let report = health.report();
        assert!(!report.available && report.cooling_seconds > 6.0 && report.failed == 0);
    }
}
