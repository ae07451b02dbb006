//! How a run is asked to stop.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

const RUNNING: u8 = 0;
const GENTLY: u8 = 1;
const AT_ONCE: u8 = 2;

/// Asks a run to stop. Clones ask the same run.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    level: AtomicU8,
    /// When a stop was first asked for.
    asked_at: OnceLock<Instant>,
    changed: Notify,
}

impl Stop {
    /// Begins no further rows and calls, and lets the calls in flight end.
    pub fn gently(&self) {
        self.raise(GENTLY);
    }

    /// Ends now: what is in flight is given up, and asked again in the next run.
    pub fn at_once(&self) {
        self.raise(AT_ONCE);
    }

    fn raise(&self, level: u8) {
        self.0.asked_at.get_or_init(Instant::now);
        self.0.level.fetch_max(level, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    /// Whether no further rows are to be taken.
    pub fn is_asked(&self) -> bool {
        self.0.level.load(Ordering::SeqCst) > RUNNING
    }

    /// Returns when a stop is asked for.
    pub async fn asked(&self) {
        self.reached(GENTLY).await;
    }

    /// Returns when what is in flight is to be given up: asked for, or `grace` after a gentle stop.
    pub(crate) async fn given_up(&self, grace: Duration) {
        self.asked().await;
        let asked_at = self.0.asked_at.get().copied().unwrap_or_else(Instant::now);
        let _ = tokio::time::timeout_at(asked_at + grace, self.reached(AT_ONCE)).await; // either way it is over
        self.at_once();
    }

    async fn reached(&self, level: u8) {
        loop {
            let changed = self.0.changed.notified();
            if self.0.level.load(Ordering::SeqCst) >= level {
                return;
            }
            changed.await;
        }
    }
}
