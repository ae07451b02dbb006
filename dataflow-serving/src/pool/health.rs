//! Whether a deployment may be asked now: its limits, its cool-down, its breaker, its pace and the calls that it has in flight.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dataflow_core::serving::ErrorClass;

use super::configuration::Backoff;
use super::limits::{Allowance, Limits};
use super::pace::Pace;
use crate::api::classify::Failure;

/// The breaker opens at this share of failures among at least [`LEAST_CALLS`] within [`WINDOW`].
const WORST_SHARE: f64 = 0.5;
const LEAST_CALLS: usize = 5;
const WINDOW: Duration = Duration::from_secs(30);
/// The share of failures among [`LATE_CALLS`] above which fewer calls are let in flight: a service in overload says so, and any other fault may have a reason of its own.
const WORST_OVERLOADED: f64 = 0.05;
const WORST_OTHERWISE: f64 = 0.3;
const LATE_CALLS: usize = 50;
/// How long the breaker is open at first, and at the most; each probe that fails doubles it.
const FIRST_OPENING: Duration = Duration::from_secs(5);
const LONGEST_OPENING: Duration = Duration::from_mins(1);
/// How long a breaker is open at the most where there is nobody else to be asked.
const LONE_PROBE: Duration = Duration::from_secs(2);
/// Without an end that the service tells.
const QUOTA_COOL_DOWN: Duration = Duration::from_mins(10);
const AUTH_COOL_DOWN: Duration = Duration::from_mins(5);
/// A 403 or 404 that does not say why may be one request's own; so many in a row are not.
const MOST_REFUSED_IN_A_ROW: u32 = 3;
/// No service is waited for longer than this because it says so.
const LONGEST_ASKED: Duration = Duration::from_mins(15);
/// What a deployment is begun with, where no limit is given.
const FIRST_CONCURRENCY: f64 = 32.0;
const MOST_CONCURRENCY: f64 = 1000.0;
/// First tokens that take so many times as long as they can, and this much longer, say that too many are asked for at once.
const SLOW_FIRST_TOKEN: (f64, f64) = (3.0, 0.25);

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

/// What a call is to the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// One of many.
    Ordinary,
    /// The one that tells whether the deployment has recovered.
    Probe,
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
    /// The breaker is open until then; where there is no other deployment, a call may look before.
    open_until: Option<Instant>,
    /// When the breaker opened, or a probe of it failed last.
    opened: Option<Instant>,
    /// Probes that have failed since the breaker opened.
    failed_probes: u32,
    /// Failures one after another.
    failures: u32,
    refused_in_a_row: u32,
    /// The next call is the one that tells whether the deployment has recovered.
    must_probe: bool,
    probing: bool,
    recent: VecDeque<(Instant, bool)>,
    in_flight: usize,
    /// How many calls may be in flight, found out by trying.
    concurrency: f64,
    /// It was never too much so far, so it doubles with each round of answers.
    is_doubling: bool,
    last_decrease: Instant,
    pace: Pace,
    answered: u64,
    failed: u64,
    latency: Option<f64>,
    first_token: Option<FirstToken>,
    last_error: Option<String>,
}

/// Seconds to the first token.
#[derive(Clone, Copy, Debug)]
struct FirstToken {
    /// A moving mean.
    of_late: f64,
    /// The shortest, which is forgotten slowly.
    at_best: f64,
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
            open_until: None,
            opened: None,
            failed_probes: 0,
            failures: 0,
            refused_in_a_row: 0,
            must_probe: false,
            probing: false,
            recent: VecDeque::new(),
            in_flight: 0,
            concurrency: rules.most_in_flight.map_or(FIRST_CONCURRENCY, |most| most.max(1) as f64),
            is_doubling: true,
            last_decrease: now,
            pace: Pace::new(now),
            answered: 0,
            failed: 0,
            latency: None,
            first_token: None,
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
        if state.rules.most_in_flight != rules.most_in_flight {
            state.concurrency = rules.most_in_flight.map_or(state.concurrency.max(FIRST_CONCURRENCY), |most| most.max(1) as f64);
        }
        state.rules = rules;
    }

    /// Begins a call of about so many tokens, where one may begin.
    pub fn begin(&self, now: Instant, tokens: u64) -> Result<Role, NotNow> {
        let mut state = self.state();
        state.ready(now, tokens)?;
        Ok(state.begun(now, tokens))
    }

    /// As [`begin`](Self::begin), for one that no other can stand in for: its breaker is open for a few seconds at the most.
    pub fn begin_alone(&self, now: Instant, tokens: u64) -> Result<Role, NotNow> {
        let mut state = self.state();
        let open_until = state.open_until;
        state.open_until = open_until.min(state.opened.map(|at| at + LONE_PROBE));
        let ready = state.ready(now, tokens);
        state.open_until = open_until;
        ready.map(|()| state.begun(now, tokens))
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
        let (now, took) = (Instant::now(), took.as_secs_f64());
        let mut state = self.state();
        let times = match state.first_token {
            None => FirstToken { of_late: took, at_best: took },
            Some(before) => FirstToken { of_late: before.of_late.mul_add(0.8, took * 0.2), at_best: (before.at_best * 1.002).min(took) },
        };
        state.first_token = Some(times);
        let (factor, longer) = SLOW_FIRST_TOKEN;
        if state.is_busy() && times.of_late > times.at_best * factor + longer {
            state.decrease(now);
        }
    }

    /// Ends a call that took so long. Tells where the deployment is left alone from now on, or is back.
    pub fn end(&self, outcome: Outcome, role: Role, took: Duration, error: Option<&str>) -> Option<Change> {
        let now = Instant::now();
        let mut state = self.state();
        let had_to_probe = state.must_probe;
        let was_busy = state.is_busy();
        state.in_flight = state.in_flight.saturating_sub(1);
        if role == Role::Probe {
            state.probing = false;
        }
        match outcome {
            Outcome::Left => {}
            Outcome::NotItsFault => state.recover(role),
            Outcome::Answered => {
                state.answered += 1;
                state.recover(role);
                state.remember(now, true);
                let seconds = took.as_secs_f64();
                state.latency = Some(state.latency.map_or(seconds, |mean| mean.mul_add(0.9, seconds * 0.1)));
                if was_busy {
                    let most = state.rules.most_in_flight.map_or(MOST_CONCURRENCY, |most| most.max(1) as f64);
                    // One more for each round of answers, or twice as many.
                    let more = if state.is_doubling { 1.0 } else { 1.0 / state.concurrency };
                    state.concurrency = (state.concurrency + more).min(most);
                }
                state.pace.answered(now, took);
            }
            Outcome::Failed(fault) => {
                state.last_error = error.map(ToOwned::to_owned);
                state.fail(now, fault, role, took);
            }
        }
        match (had_to_probe, state.must_probe) {
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
            failures: state.failures,
            in_flight: state.in_flight,
            concurrency: state.concurrency as usize,
            pace: state.pace.per_second,
            answered: state.answered,
            failed: state.failed,
            success_rate: if calls == 0 { 1.0 } else { state.answered as f64 / calls as f64 },
            avg_response_time: state.latency.unwrap_or(0.0),
            avg_first_token: state.first_token.map(|times| times.of_late),
            last_error: state.last_error.clone(),
        }
    }
}

impl State {
    /// Nothing is asked before this.
    fn rests_until(&self) -> Option<Instant> {
        self.cool_until.max(self.open_until)
    }

    fn is_available(&self, now: Instant) -> bool {
        self.rests_until().is_none_or(|until| until <= now) && !self.probing
    }

    fn begun(&mut self, now: Instant, tokens: u64) -> Role {
        self.limits.take(now, tokens);
        self.in_flight += 1;
        self.pace.begun(now);
        if !self.must_probe {
            return Role::Ordinary;
        }
        self.probing = true;
        Role::Probe
    }

    fn ready(&self, now: Instant, tokens: u64) -> Result<(), NotNow> {
        if let Some(until) = self.rests_until().filter(|until| *until > now) {
            return Err(NotNow::At(until));
        }
        if self.must_probe && self.probing || self.in_flight >= (self.concurrency as usize).max(1) {
            return Err(NotNow::WhenOneEnds);
        }
        if self.pace.per_second.is_some() && self.pace.next > now {
            return Err(NotNow::At(self.pace.next));
        }
        self.limits.ready_at(now, tokens).map_or(Ok(()), |at| Err(NotNow::At(at)))
    }

    /// Whether most of the calls that may be in flight are.
    fn is_busy(&self) -> bool {
        self.in_flight as f64 * 2.0 >= self.concurrency
    }

    /// It has spoken. Late words of a call that began before the breaker opened do not close it.
    fn recover(&mut self, role: Role) {
        self.refused_in_a_row = 0;
        if role == Role::Probe {
            self.must_probe = false;
            (self.cool_until, self.open_until, self.opened) = (None, None, None);
            self.failed_probes = 0;
            self.recent.clear();
        }
        if !self.must_probe {
            self.failures = 0;
        }
    }

    fn fail(&mut self, now: Instant, fault: Fault, role: Role, took: Duration) {
        let retry_after = fault.retry_after.map(|after| after.min(LONGEST_ASKED));
        let rest = |state: &mut Self, time: Duration| {
            state.must_probe = true;
            state.cool(now + retry_after.unwrap_or(time));
        };
        match fault.class {
            ErrorClass::Caller | ErrorClass::Filtered => {}
            ErrorClass::RateLimited => {
                self.pace.refused(now, took, retry_after);
                self.is_doubling &= self.pace.per_second.is_none();
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
                self.failures += 1;
                self.remember(now, false);
                let breaks = self.breaks() || (fault.class == ErrorClass::Unreachable && self.failures >= 3);
                if role == Role::Probe || (breaks && !self.must_probe) {
                    self.open(now, role);
                }
                if let Some(after) = retry_after {
                    self.cool(now + after);
                } else if self.rules.backoff == Backoff::Ladder && !self.must_probe {
                    self.cool(now + ladder(self.failures));
                }
                let worst = if matches!(fault.status, Some(503 | 504 | 529)) { WORST_OVERLOADED } else { WORST_OTHERWISE };
                if self.failing_of_late() > worst {
                    self.decrease(now);
                }
            }
        }
    }

    /// Opens the breaker, or keeps it open after a probe that failed. Failures of calls that began before it opened tell nothing new, and do neither.
    fn open(&mut self, now: Instant, role: Role) {
        if role == Role::Probe && self.opened.is_some() {
            self.failed_probes = self.failed_probes.saturating_add(1);
        }
        self.must_probe = true;
        self.opened = Some(now);
        let mut time = FIRST_OPENING.saturating_mul(2u32.saturating_pow(self.failed_probes)).min(LONGEST_OPENING);
        if self.rules.backoff == Backoff::Ladder {
            time = time.max(ladder(self.failures));
        }
        self.open_until = self.open_until.max(Some(now + time));
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

    /// The share of failures among the last calls.
    fn failing_of_late(&self) -> f64 {
        let late = self.recent.len().min(LATE_CALLS);
        let failures = self.recent.iter().rev().take(late).filter(|(_, well)| !well).count();
        failures as f64 / late.max(1) as f64
    }

    fn breaks(&self) -> bool {
        let failures = self.recent.iter().filter(|(_, well)| !well).count();
        self.recent.len() >= LEAST_CALLS && failures as f64 >= self.recent.len() as f64 * WORST_SHARE
    }

    /// Fewer calls in flight, once for all that fail together.
    fn decrease(&mut self, now: Instant) {
        self.is_doubling = false;
        let round = Duration::from_secs_f64(self.latency.unwrap_or(1.0).max(0.05));
        if now.duration_since(self.last_decrease) > round {
            self.concurrency = (self.concurrency * 0.7).max(1.0);
            self.last_decrease = now;
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
        health.state().ready(Instant::now(), 1)
    }

    #[test]
    fn the_ladder_is_that_of_ai_dataflux() {
        assert_eq!((1..=10).map(|failures| ladder(failures).as_secs()).collect::<Vec<_>>(), [2, 4, 6, 8, 10, 14, 22, 38, 60, 60]);
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
                let later = health.state().open_until.unwrap() + MOMENT;
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
        health.state().last_decrease = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
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
        health.state().last_decrease = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
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
