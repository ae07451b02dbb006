//! How long to wait before the next try, and the pause that all calls of a serving share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::watch;
use tokio::time::Instant;

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_mins(1);

/// Full jitter: a random time up to `base` doubled for each try, and never above 60 seconds.
///
/// Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: of the variants it spreads the retries best.
pub(crate) fn full_jitter(base: Duration, tries: u32) -> Duration {
    let bound = base.saturating_mul(2u32.saturating_pow(tries.min(20))).min(LONGEST);
    bound.mul_f64(rand::rng().random::<f64>())
}

/// A pause of all calls of one serving, because its service said when it may be asked again.
#[derive(Debug)]
pub(crate) struct Pause {
    started: Instant,
    /// Milliseconds after `started`; 0 where there is no pause.
    until: AtomicU64,
}

impl Pause {
    pub fn new() -> Self {
        Self { started: Instant::now(), until: AtomicU64::new(0) }
    }

    /// Lets no call go out before a time has passed.
    pub fn at_least(&self, time: Duration) {
        let until = (self.started.elapsed() + time).as_millis() as u64 + 1;
        self.until.fetch_max(until, Ordering::Relaxed);
    }

    /// Whether calls may have to wait.
    pub fn is_on(&self) -> bool {
        self.until.load(Ordering::Relaxed) > 0
    }

    /// Waits until the pause is over; those who waited go out spread over a tenth of its length, and not all in one moment.
    pub async fn over(&self) {
        let mut waited = false;
        loop {
            let until = self.until.load(Ordering::Relaxed);
            if until == 0 {
                return;
            }
            let left = Duration::from_millis(until).saturating_sub(self.started.elapsed());
            if left.is_zero() || waited && left < Duration::from_millis(2) {
                return;
            }
            let spread = (left / 10).min(Duration::from_secs(1)).mul_f64(rand::rng().random::<f64>());
            tokio::time::sleep(left + spread).await;
            waited = true;
        }
    }
}

/// Tells calls that wait for their next try that nobody waits for them any more.
#[derive(Debug)]
pub(crate) struct Hurry(watch::Sender<bool>);

impl Hurry {
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub fn set(&self, asked: bool) {
        self.0.send_replace(asked);
    }

    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for what is to be waited for; `None` where there is a hurry.
    pub async fn unless<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        let mut asked = self.0.subscribe();
        tokio::select! {
            biased;
            _ = asked.wait_for(|asked| *asked) => None,
            done = waiting => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_is_bounded() {
        let longest = |tries| (0..2_000).map(|_| full_jitter(Duration::from_millis(500), tries)).max().unwrap();
        assert!(longest(0) <= Duration::from_millis(500) && longest(0) > Duration::from_millis(400));
        assert!(longest(3) <= Duration::from_secs(4) && longest(3) > Duration::from_secs(3));
        assert!(longest(30) <= LONGEST);
    }

    #[tokio::test]
    async fn all_wait_for_the_pause_and_then_none() {
        let pause = Pause::new();
        pause.over().await;
        pause.at_least(Duration::from_millis(30));
        let start = Instant::now();
        futures::future::join_all((0..100).map(|_| pause.over())).await;
        assert!(start.elapsed() >= Duration::from_millis(28), "{:?}", start.elapsed());
        assert!(tokio::time::timeout(Duration::ZERO, pause.over()).await.is_ok());
    }
}
