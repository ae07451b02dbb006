//! A wait that is exact to some 0.1 ms; the runtime's own timers end on the next whole millisecond, which a benchmark would see.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Waits until a time; at once where it has passed.
pub(crate) async fn until(time: Instant) {
    if time <= Instant::now() {
        return;
    }
    let (sender, over) = oneshot::channel();
    TIMER.add(time, sender);
    over.await.ok(); // the timer's thread never ends
}

static TIMER: LazyLock<&'static Timer> = LazyLock::new(|| {
    let timer: &'static Timer = Box::leak(Box::default());
    std::thread::spawn(|| timer.run());
    timer
});

#[derive(Default)]
struct Timer {
    waits: Mutex<Waits>,
    earlier: Condvar,
}

#[derive(Default)]
struct Waits {
    times: BinaryHeap<Reverse<(Instant, usize)>>,
    /// By the number that stands beside the time.
    senders: Vec<Option<oneshot::Sender<()>>>,
    free: Vec<usize>,
}

impl Timer {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, time: Instant, sender: oneshot::Sender<()>) {
        let mut waits = self.lock();
        let number = waits.free.pop().unwrap_or_else(|| {
            waits.senders.push(None);
            waits.senders.len() - 1
        });
        waits.senders[number] = Some(sender);
        let first = waits.times.peek().is_none_or(|Reverse((first, _))| time < *first);
        waits.times.push(Reverse((time, number)));
        if first {
            self.earlier.notify_one();
        }
    }

    fn run(&self) {
        let mut waits = self.lock();
        loop {
            let now = Instant::now();
            while let Some(Reverse((_, number))) = waits.times.peek().copied().filter(|Reverse((time, _))| *time <= now) {
                waits.times.pop();
                waits.free.push(number);
                if let Some(sender) = waits.senders[number].take() {
                    sender.send(()).ok(); // who waited may have gone
                }
            }
            let next = waits.times.peek().map_or(Duration::from_hours(1), |Reverse((time, _))| time.saturating_duration_since(now));
            waits = self.earlier.wait_timeout(waits, next).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_end_in_the_order_of_their_times_and_never_early() {
        let begun = Instant::now();
        let waits = [300, 100, 200, 0].map(|milliseconds| async move {
            let time = begun + Duration::from_millis(milliseconds);
            until(time).await;
            (Instant::now() >= time, Instant::now(), milliseconds)
        });
        let mut ended = futures::future::join_all(waits).await;
        ended.sort_by_key(|(_, at, _)| *at);
        assert!(ended.iter().all(|(well, ..)| *well));
        assert_eq!(ended.iter().map(|(.., milliseconds)| *milliseconds).collect::<Vec<_>>(), [0, 100, 200, 300]);
    }
}
