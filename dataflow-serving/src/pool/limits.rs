//! How much a deployment may be asked: requests a second and tokens a minute.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

/// The limits of one deployment.
#[derive(Debug, Default)]
pub(super) struct Limits {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// What is left of a limit, as services tell it in `x-ratelimit-` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Allowance {
    /// The most that there can be at once.
    pub limit: f64,
    /// What there is now.
    pub remaining: f64,
    /// How long until there is the most again.
    pub reset: Duration,
}

impl Limits {
    /// Takes the limits that a file gives, `None` for none: requests a second with bursts of twice as many, fractions too, and tokens
    /// a minute. What was used before stays used.
    pub fn set(&mut self, requests_per_second: Option<f64>, tokens_per_minute: Option<u64>, now: Instant) {
        let requests = requests_per_second.map(|rate| (rate, (rate * 2.0).floor().max(1.0)));
        let tokens = tokens_per_minute.filter(|tokens| *tokens > 0).map(|tokens| (tokens as f64 / 60.0, tokens as f64));
        Bucket::set(&mut self.requests, requests, now);
        Bucket::set(&mut self.tokens, tokens, now);
    }

    /// When a request of about so many tokens may go; `None` where it may now.
    pub fn ready_at(&self, now: Instant, tokens: u64) -> Option<Instant> {
        let requests = self.requests.as_ref().and_then(|bucket| bucket.ready_at(now, 1));
        let tokens = self.tokens.as_ref().and_then(|bucket| bucket.ready_at(now, tokens));
        requests.max(tokens)
    }

    /// Takes a request of about so many tokens.
    pub fn take(&mut self, now: Instant, tokens: u64) {
        if let Some(bucket) = &mut self.requests {
            bucket.add(now, 1.0);
        }
        self.settle(now, 0, tokens);
    }

    /// Replaces the tokens that were taken by those that were used.
    pub fn settle(&mut self, now: Instant, taken: u64, used: u64) {
        if let Some(bucket) = &mut self.tokens {
            bucket.add(now, used as f64 - taken as f64);
        }
    }

    /// What is left of the requests and of the tokens; `None` where there is no such limit.
    pub fn left(&self, now: Instant) -> [Option<Allowance>; 2] {
        [&self.requests, &self.tokens].map(|bucket| bucket.as_ref().map(|bucket| bucket.left(now)))
    }
}

/// One limit. governor decides whether a call may go; what it remembers is kept here, so that tokens can be given back, and be owed: a
/// reply is as long as it is.
#[derive(Debug)]
struct Bucket {
    limiter: RateLimiter<NotKeyed, Memory, Told, NoOpMiddleware<Nanos>>,
    memory: Memory,
    clock: Told,
    begun: Instant,
    /// In what time one comes back.
    each: Duration,
    most: NonZeroU32,
}

/// When all that was taken has come back, in nanoseconds from the beginning; governor reads it, and [`Bucket::add`] writes it.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<AtomicU64>);

impl StateStore for Memory {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        measure(Some(Nanos::new(self.0.load(Ordering::Relaxed)))).map(|(outcome, _)| outcome)
    }
}

/// A clock that shows what it is told, in nanoseconds from the beginning.
#[derive(Clone, Debug, Default)]
struct Told(Arc<AtomicU64>);

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

impl Bucket {
    /// Sets a limit: how many a second, and how many at once. What was used of the one before stays used.
    fn set(bucket: &mut Option<Self>, limit: Option<(f64, f64)>, now: Instant) {
        let used = bucket.as_ref().map_or(0.0, |before| before.used(now));
        *bucket = limit.and_then(|(per_second, most)| {
            let each = Duration::try_from_secs_f64(1.0 / per_second).ok()?;
            let most = NonZeroU32::new(most as u32)?;
            let quota = Quota::with_period(each)?.allow_burst(most);
            let (memory, clock) = (Memory::default(), Told::default());
            let mut bucket = Self { limiter: RateLimiter::new(quota, memory.clone(), clock.clone()), memory, clock, begun: now, each, most };
            bucket.add(now, used);
            Some(bucket)
        });
    }

    fn since_begun(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_nanos()).unwrap_or(u64::MAX)
    }

    /// How many are taken and have not come back; more than there can be where some are owed.
    fn used(&self, now: Instant) -> f64 {
        self.back_in(now).as_secs_f64() / self.each.as_secs_f64()
    }

    fn back_in(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.memory.0.load(Ordering::Relaxed).saturating_sub(self.since_begun(now)))
    }

    /// One that wants more than there can be goes when all is there.
    fn ready_at(&self, now: Instant, wanted: u64) -> Option<Instant> {
        self.clock.0.store(self.since_begun(now), Ordering::Relaxed);
        let wanted = NonZeroU32::new(u32::try_from(wanted).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN).min(self.most);
        match self.limiter.check_n(wanted) {
            Ok(Err(wait)) => Some(now + wait.wait_time_from(self.clock.now())),
            _ => None, // what is wanted is never more than the most
        }
    }

    /// Takes so many, or gives them back where there are fewer than none of them.
    fn add(&mut self, now: Instant, taken: f64) {
        let nanoseconds = (taken * self.each.as_nanos() as f64) as i64;
        let back = self.since_begun(now).max(self.memory.0.load(Ordering::Relaxed));
        self.memory.0.store(back.saturating_add_signed(nanoseconds), Ordering::Relaxed);
    }

    fn left(&self, now: Instant) -> Allowance {
        let limit = f64::from(self.most.get());
        Allowance { limit, remaining: (limit - self.used(now)).max(0.0), reset: self.back_in(now) }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    fn limits(requests: Option<f64>, tokens: Option<u64>, now: Instant) -> Limits {
        let mut limits = Limits::default();
        limits.set(requests, tokens, now);
        limits
    }

    /// Takes it where it may be taken, and otherwise says how long it has to wait.
    fn try_take(limits: &mut Limits, now: Instant, tokens: u64) -> Result<(), Duration> {
        if let Some(at) = limits.ready_at(now, tokens) {
            return Err(at - now);
        }
        limits.take(now, tokens);
        Ok(())
    }

    #[test]
    fn twice_as_many_go_at_once_and_then_one_by_one() {
        let now = Instant::now();
        let mut limits = limits(Some(5.0), None, now);
        assert_eq!((0..50).filter(|_| try_take(&mut limits, now, 1).is_ok()).count(), 10);
        assert_eq!(try_take(&mut limits, now, 1), Err(Duration::from_millis(200)));
        assert_eq!(try_take(&mut limits, now + Duration::from_millis(200), 1), Ok(()));
        assert_eq!(limits.left(now + Duration::from_secs(1))[0].map(|left| (left.limit, left.remaining.round())), Some((10.0, 4.0)));
    }

    #[test]
    fn a_fraction_of_a_request_a_second_works() {
        let now = Instant::now();
        let mut slow = limits(Some(0.2), None, now);
        assert_eq!(try_take(&mut slow, now, 1), Ok(()));
        assert_eq!(try_take(&mut slow, now, 1), Err(Duration::from_secs(5)));
        assert_eq!(limits(Some(0.0), Some(0), now).left(now), [None, None], "0 is no limit");
    }

    #[test]
    fn tokens_that_were_not_used_come_back_and_those_used_beyond_are_owed() {
        let now = Instant::now();
        let mut limits = limits(None, Some(600), now);
        limits.take(now, 500);
        assert_eq!(try_take(&mut limits, now, 200), Err(Duration::from_secs(10)));
        limits.settle(now, 500, 100);
        assert_eq!(limits.ready_at(now, 500), None);
        limits.settle(now, 0, 700);
        assert_eq!(limits.ready_at(now, 100), Some(now + Duration::from_secs(30)));
        assert_eq!(limits.ready_at(now, 9_999), Some(now + Duration::from_secs(80)), "one larger than the limit goes when the limit is whole");
    }

    #[test]
    fn a_request_that_has_to_wait_for_one_limit_takes_nothing_of_the_other() {
        let now = Instant::now();
        let mut limits = limits(Some(0.5), Some(1000), now);
        assert_eq!(try_take(&mut limits, now, 100), Ok(()));
        assert!((0..100).all(|_| try_take(&mut limits, now, 100).is_err()));
        assert_eq!(limits.left(now)[1].map(|left| left.remaining), Some(900.0));
    }

    #[test]
    fn a_changed_limit_keeps_what_was_used() {
        let now = Instant::now();
        let mut limits = limits(Some(5.0), Some(1000), now);
        (0..10).for_each(|_| limits.take(now, 50));
        limits.set(Some(10.0), Some(600), now);
        assert_eq!(limits.left(now).map(|left| left.map(|left| left.remaining)), [Some(10.0), Some(100.0)]);
        limits.set(None, None, now);
        assert_eq!(limits.ready_at(now, 1_000_000), None);
    }

    proptest! {
        /// It lets through what a limiter of governor's own lets through, but for one that the rounding of the rate decides.
        #[test]
        fn as_governor_holds_it(rate in 1u32..50, steps in prop::collection::vec((0u64..400, 1usize..20), 1..60)) {
            let clock = FakeRelativeClock::default();
            let quota = Quota::per_second(rate.try_into().unwrap()).allow_burst((rate * 2).try_into().unwrap());
            let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
            let mut now = Instant::now();
            let mut limits = limits(Some(f64::from(rate)), None, now);
            let (mut through, mut wanted) = (0u64, 0u64);
            for (milliseconds, asked) in steps {
                clock.advance(Duration::from_millis(milliseconds));
                now += Duration::from_millis(milliseconds);
                for _ in 0..asked {
                    wanted += u64::from(oracle.check().is_ok());
                    through += u64::from(try_take(&mut limits, now, 1).is_ok());
                }
                prop_assert!(through.abs_diff(wanted) <= 1, "{through} for {wanted}");
            }
        }
    }
}
