//! How much a deployment may be asked: requests a second and tokens a minute.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// The limits of one deployment.
#[derive(Debug)]
pub(super) struct Limits {
    requests: Option<DefaultDirectRateLimiter>,
    tokens: Option<(DefaultDirectRateLimiter, NonZeroU32)>,
    clock: DefaultClock,
}

impl Limits {
    /// Requests a second with bursts of twice as many, fractions too; tokens a minute.
    pub fn new(requests_per_second: Option<f64>, tokens_per_minute: Option<u64>) -> Self {
        let requests = requests_per_second.filter(|rate| *rate > 0.0).and_then(|rate| {
            let burst = NonZeroU32::new((rate * 2.0).floor() as u32).unwrap_or(NonZeroU32::MIN);
            Some(RateLimiter::direct(Quota::with_period(Duration::from_secs_f64(1.0 / rate))?.allow_burst(burst)))
        });
        let tokens = tokens_per_minute.and_then(|tokens| {
            let most = NonZeroU32::new(u32::try_from(tokens).unwrap_or(u32::MAX))?;
            Some((RateLimiter::direct(Quota::per_minute(most)), most))
        });
        Self { requests, tokens, clock: DefaultClock::default() }
    }

    /// Takes a request of about so many tokens; or how long until that may be.
    pub fn take(&self, tokens: u64) -> Result<(), Duration> {
        if let Some((limiter, most)) = &self.tokens
            && let Some(tokens) = NonZeroU32::new(u32::try_from(tokens).unwrap_or(u32::MAX)).map(|tokens| tokens.min(*most))
            && let Ok(Err(wait)) = limiter.check_n(tokens)
        {
            return Err(wait.wait_time_from(self.clock.now()));
        }
        match &self.requests {
            Some(limiter) => limiter.check().map_err(|wait| wait.wait_time_from(self.clock.now())),
            None => Ok(()),
        }
    }

    /// Counts the tokens that a call took beyond what was thought.
    pub fn settle(&self, beyond: u64) {
        if let Some((limiter, most)) = &self.tokens
            && let Some(beyond) = NonZeroU32::new(u32::try_from(beyond).unwrap_or(u32::MAX))
        {
            let _ = limiter.check_n(beyond.min(*most)); // what is not there cannot be taken; the next call waits anyway
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_many_go_at_once_and_then_one_by_one() {
        let limits = Limits::new(Some(5.0), None);
        assert_eq!((0..50).filter(|_| limits.take(1).is_ok()).count(), 10);
        let wait = limits.take(1).unwrap_err();
        assert!(wait <= Duration::from_millis(200) && wait > Duration::from_millis(50), "{wait:?}");
    }

    #[test]
    fn a_fraction_of_a_request_a_second_works() {
        let limits = Limits::new(Some(0.2), None);
        assert!(limits.take(1).is_ok());
        assert!(limits.take(1).unwrap_err() > Duration::from_secs(4));
        assert!(Limits::new(Some(0.0), None).take(1).is_ok(), "0 is no limit");
    }

    #[test]
    fn tokens_are_held_to_the_minute_and_settled() {
        let limits = Limits::new(None, Some(1000));
        assert!(limits.take(600).is_ok());
        limits.settle(300);
        assert!(limits.take(200).is_err());
        assert!(limits.take(100).is_ok());
        assert!(Limits::new(None, Some(10)).take(1_000_000).is_ok(), "one call larger than the limit goes when the limit is whole");
    }
}
