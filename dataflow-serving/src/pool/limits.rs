//! How much a deployment may be asked: requests a second and tokens a minute.

use std::time::{Duration, Instant};

use super::configuration::ModelSettings;

/// What is less than this short of a whole is whole: times are counted in nanoseconds, and contents in fractions.
const ROUNDING: f64 = 1e-6;

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
        let requests = requests_per_second.filter(|rate| *rate > 0.0 && rate.is_finite()).map(|rate| (rate, (rate * 2.0).floor().max(1.0)));
        let tokens = tokens_per_minute.filter(|tokens| *tokens > 0).map(|tokens| (tokens as f64 / 60.0, tokens as f64));
        Bucket::set(&mut self.requests, requests, now);
        Bucket::set(&mut self.tokens, tokens, now);
    }

    /// Requests a second that a model of a file is held to: a tenth of its weight is AI-DataFlux's where nothing is said.
    pub fn requests_per_second(settings: &ModelSettings) -> f64 {
        settings.safe_rps.unwrap_or_else(|| (settings.weight / 10.0).clamp(0.5, 10.0))
    }

    /// When a request of about so many tokens may go; `None` where it may now.
    pub fn ready_at(&self, now: Instant, tokens: u64) -> Option<Instant> {
        let requests = self.requests.as_ref().and_then(|bucket| bucket.ready_at(now, 1.0));
        let tokens = self.tokens.as_ref().and_then(|bucket| bucket.ready_at(now, tokens as f64));
        requests.max(tokens)
    }

    /// Takes a request of about so many tokens.
    pub fn take(&mut self, now: Instant, tokens: u64) {
        if let Some(bucket) = &mut self.requests {
            bucket.add(now, -1.0);
        }
        self.settle(now, 0, tokens);
    }

    /// Replaces the tokens that were taken by those that were used.
    pub fn settle(&mut self, now: Instant, taken: u64, used: u64) {
        if let Some(bucket) = &mut self.tokens {
            bucket.add(now, taken as f64 - used as f64);
        }
    }

    /// What is left of the requests and of the tokens; `None` where there is no such limit.
    pub fn left(&self, now: Instant) -> [Option<Allowance>; 2] {
        [&self.requests, &self.tokens].map(|bucket| bucket.as_ref().map(|bucket| bucket.left(now)))
    }
}

/// What fills again steadily. It can go into debt: a reply is as long as it is.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    most: f64,
    content: f64,
    at: Instant,
}

impl Bucket {
    fn set(bucket: &mut Option<Self>, limit: Option<(f64, f64)>, now: Instant) {
        *bucket = limit.map(|(per_second, most)| {
            let used = bucket.as_ref().map_or(0.0, |before| before.most - before.content_at(now));
            Self { per_second, most, content: most - used, at: now }
        });
    }

    fn content_at(&self, now: Instant) -> f64 {
        (self.content + self.per_second * now.saturating_duration_since(self.at).as_secs_f64()).min(self.most)
    }

    /// One that wants more than there can be goes when all is there.
    fn ready_at(&self, now: Instant, wanted: f64) -> Option<Instant> {
        let lacking = wanted.min(self.most) - self.content_at(now);
        (lacking > ROUNDING).then(|| now + self.time_for(lacking))
    }

    fn time_for(&self, amount: f64) -> Duration {
        Duration::try_from_secs_f64((amount / self.per_second).max(0.0)).unwrap_or(Duration::from_hours(1))
    }

    fn add(&mut self, now: Instant, amount: f64) {
        self.content = (self.content_at(now) + amount).min(self.most);
        self.at = now;
    }

    fn left(&self, now: Instant) -> Allowance {
        let content = self.content_at(now);
        Allowance { limit: self.most, remaining: content.max(0.0), reset: self.time_for(self.most - content) }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use governor::{Quota, RateLimiter};
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
        /// It lets through what governor lets through, to a request.
        #[test]
        fn as_governor_holds_it(rate in 1u32..50, steps in prop::collection::vec((0u64..400, 1usize..20), 1..60)) {
            let clock = FakeRelativeClock::default();
            let quota = Quota::per_second(rate.try_into().unwrap()).allow_burst((rate * 2).try_into().unwrap());
            let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
            let mut now = Instant::now();
            let mut limits = limits(Some(f64::from(rate)), None, now);
            let (mut through, mut wanted) = (0i64, 0i64);
            for (milliseconds, asked) in steps {
                clock.advance(Duration::from_millis(milliseconds));
                now += Duration::from_millis(milliseconds);
                for _ in 0..asked {
                    wanted += i64::from(oracle.check().is_ok());
                    through += i64::from(try_take(&mut limits, now, 1).is_ok());
                }
                prop_assert!((through - wanted).abs() <= 1, "{through} for {wanted}");
            }
        }
    }
}
