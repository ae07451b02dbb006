//! How many calls a second a deployment takes, found out from its refusals.
//!
//! What is taken is looked for from below, as TCP's slow start does; from the second refusal on the rate follows CUBIC (RFC 9438): quickly back to about where it was refused, there for a
//! while, and then ever faster beyond. Each refusal may cost as much time as its `Retry-After` says, so there have to be few of them.

use std::time::{Duration, Instant};

/// Requests a second, found out from refusals; without one there is none.
#[derive(Debug)]
pub(super) struct Pace {
    pub per_second: Option<f64>,
    /// When the next call may begin.
    pub next: Instant,
    /// Where it was refused; none while the rate is looked for from below.
    ceiling: Option<Ceiling>,
    taken: Taken<20, 50>,
    /// The same over the last minute.
    taken_before: Taken<12, 5000>,
    /// Calls since the last refusal that told something, and when they could begin.
    begun: u32,
    begun_from: Instant,
    last_refusal: Instant,
    /// Whether each of the last 64 calls was refused, the latest in the lowest bit.
    refusals: u64,
    /// Falls in a row that would have ended below what was taken before.
    vain_falls: u32,
    disbelieved_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Ceiling {
    per_second: f64,
    /// The rate is back there after so long.
    within: Duration,
}

/// How long a service without a `Retry-After` may go on refusing for the same reason.
const ONE_BURST: Duration = Duration::from_millis(900);
/// So many refusals among the last 64 calls say that a rate is too high; fewer are not the rate's doing.
const REFUSALS_OF_A_RATE: u32 = 6;
/// A rate does not fall below this share of what was taken in some five seconds of the last minute, as long as no more of the last 64 calls are refused than this. Where it would so often
/// in a row, refusals have another reason than the rate, and are not taken for its doing for so long, unless most calls are refused.
const WORST_OF_THE_BEST: f64 = 0.8;
const MOST_BY_CHANCE: u32 = 20;
const VAIN_FALLS: u32 = 3;
const DISBELIEVED_FOR: Duration = Duration::from_secs(30);
/// Of fewer calls in a second a refusal tells no rate: it has another reason, or counts minutes.
const FEWEST_OF_A_RATE: f64 = 4.0;
const LOWEST_RATE: f64 = 0.2;
/// What each answer adds while the rate is looked for: it doubles in a second.
const SEARCHING: f64 = 0.7;
/// The share of its ceiling that a rate falls to.
const FALL: f64 = 0.95;
/// A rate is back at its ceiling after this time at first, then twice that, and so on up to this, or so many calls, or so many times as long as it had to rest; but never later than the last.
const FIRST_BACK_WITHIN: Duration = Duration::from_secs(4);
const BACK_WITHIN: Duration = Duration::from_secs(10);
const BACK_WITHIN_CALLS: f64 = 100.0;
const BACK_WITHIN_RESTS: u32 = 20;
const BACK_AT_LAST: Duration = Duration::from_mins(2);
/// After a refusal nothing is asked for as long as so many calls take, and not for longer than a second on that account.
const REST_IN_CALLS: f64 = 4.0;
/// Without a refusal for so long there is no rate any more.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(2);

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self {
            per_second: None,
            next: now,
            ceiling: None,
            taken: Taken::new(now),
            taken_before: Taken::new(now),
            begun: 0,
            begun_from: now,
            last_refusal: now,
            refusals: 0,
            vain_falls: 0,
            disbelieved_until: None,
        }
    }

    /// A call has begun.
    pub fn begun(&mut self, now: Instant) {
        self.taken.count(now);
        self.taken_before.count(now);
        self.begun += 1;
        if let Some(rate) = self.per_second {
            self.next = self.next.max(now) + Duration::from_secs_f64(1.0 / rate);
        }
    }

    /// A call that took so long was answered.
    pub fn answered(&mut self, now: Instant, took: Duration) {
        self.refusals <<= 1;
        let Some(rate) = &mut self.per_second else { return };
        let since = now.saturating_duration_since(self.begun_from);
        match self.ceiling {
            Some(ceiling) => {
                let time = since.as_secs_f64() / ceiling.within.as_secs_f64() - 1.0;
                *rate = ceiling.per_second * (1.0 - FALL).mul_add(time.powi(3), 1.0);
            }
            None if took <= since => *rate += SEARCHING,
            None => {} // it began before the rate was known
        }
        if now.duration_since(self.last_refusal) > FORGOTTEN_AFTER {
            (self.per_second, self.ceiling) = (None, None);
        }
    }

    /// A call that took so long was refused for the rate; the service says how long to rest, or nothing.
    pub fn refused(&mut self, now: Instant, took: Duration, retry_after: Option<Duration>) {
        let begun = now.checked_sub(took).unwrap_or(now);
        self.taken.forget(begun);
        self.taken_before.forget(begun);
        self.refusals = self.refusals << 1 | 1;
        let Some(rate) = self.per_second else {
            let taken = f64::from(self.taken.sum(now));
            let disbelieved = self.disbelieved_until.is_some_and(|until| now < until) && self.refusals.count_ones() <= u64::BITS / 2;
            if taken >= FEWEST_OF_A_RATE && self.refusals.count_ones() >= REFUSALS_OF_A_RATE && !disbelieved {
                self.set(now, taken, retry_after);
            }
            return;
        };
        let goes_on_for = if retry_after.is_some() { Duration::ZERO } else { ONE_BURST };
        if begun <= self.last_refusal + goes_on_for {
            if self.ceiling.is_none() && begun <= self.last_refusal {
                self.per_second = Some((rate - 1.0).max(LOWEST_RATE)); // one more of those that were counted as taken when the first was refused
            }
            self.rest(now, retry_after);
            return;
        }
        let since = now.saturating_duration_since(self.begun_from);
        let in_the_last_second = f64::from(self.taken.sum(now));
        let (taken, within) = match self.ceiling {
            None => (in_the_last_second, FIRST_BACK_WITHIN),
            Some(before) => ((f64::from(self.begun) / since.as_secs_f64().max(1.0)).max(in_the_last_second), before.within * 2),
        };
        // What was taken in the mean is too little where the rate rose, and the rate is too much.
        let by_chance = self.refusals.count_ones() <= MOST_BY_CHANCE;
        let best = if by_chance { f64::from(self.taken_before.most(now)) / 5.0 * WORST_OF_THE_BEST } else { 0.0 };
        let found = f64::midpoint(taken.min(rate), rate);
        self.vain_falls = if found * FALL < best { self.vain_falls + 1 } else { 0 };
        if self.vain_falls >= VAIN_FALLS {
            self.vain_falls = 0;
            (self.per_second, self.ceiling, self.disbelieved_until) = (None, None, Some(now + DISBELIEVED_FOR));
            return;
        }
        let per_second = found.max(best).max(LOWEST_RATE);
        let longest = BACK_WITHIN.max(Duration::from_secs_f64(BACK_WITHIN_CALLS / per_second)).max(retry_after.unwrap_or_default() * BACK_WITHIN_RESTS);
        self.ceiling = Some(Ceiling { per_second, within: within.min(longest).min(BACK_AT_LAST) });
        self.set(now, (per_second * FALL).max(best), retry_after);
    }

    fn set(&mut self, now: Instant, rate: f64, retry_after: Option<Duration>) {
        self.per_second = Some(rate.max(LOWEST_RATE));
        (self.begun, self.begun_from, self.last_refusal) = (0, now, now);
        self.rest(now, retry_after);
    }

    fn rest(&mut self, now: Instant, retry_after: Option<Duration>) {
        let calls = self.per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64((REST_IN_CALLS / rate).min(1.0)));
        self.next = self.next.max(now + calls);
        self.begun_from = self.begun_from.max(now + calls.max(retry_after.unwrap_or_default()));
    }
}

/// How many calls that were not refused, as far as is known, began in each of the last parts of the time, each so many milliseconds long.
#[derive(Debug)]
struct Taken<const PARTS: usize, const MILLISECONDS: u128> {
    start: Instant,
    /// The part that came last, by its number from the start.
    newest: u128,
    parts: [u32; PARTS],
}

impl<const PARTS: usize, const MILLISECONDS: u128> Taken<PARTS, MILLISECONDS> {
    fn new(start: Instant) -> Self {
        Self { start, newest: 0, parts: [0; PARTS] }
    }

    /// Where a part is counted, leaving out what lies too long before it; `None` for what lies so itself.
    fn part(&mut self, at: Instant) -> Option<&mut u32> {
        let part = at.saturating_duration_since(self.start).as_millis() / MILLISECONDS;
        for gone in (self.newest + 1..=part).take(PARTS) {
            self.parts[(gone % PARTS as u128) as usize] = 0;
        }
        self.newest = self.newest.max(part);
        (part + PARTS as u128 > self.newest).then(|| &mut self.parts[(part % PARTS as u128) as usize])
    }

    fn count(&mut self, begun: Instant) {
        if let Some(count) = self.part(begun) {
            *count += 1;
        }
    }

    fn forget(&mut self, begun: Instant) {
        if let Some(count) = self.part(begun) {
            *count = count.saturating_sub(1);
        }
    }

    fn sum(&mut self, now: Instant) -> u32 {
        self.part(now);
        self.parts.iter().sum()
    }

    fn most(&mut self, now: Instant) -> u32 {
        self.part(now);
        self.parts.iter().copied().max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::{BinaryHeap, VecDeque};

    use super::*;

    /// How a service counts the 40 calls a second that it takes.
    #[derive(Clone, Copy, Debug)]
    enum Counts {
        /// Those of each second, the first of which begins with a call.
        Seconds,
        /// Those of the second before the call.
        Sliding,
        /// A bucket of so many, into which one falls each 25 ms.
        Bucket(f64),
        /// It takes any number, and refuses each so many-th for reasons of its own.
        Each(u32),
    }

    #[derive(Clone, Copy, Debug)]
    enum Says {
        WhenOneIsTaken,
        OneSecond,
        Nothing,
    }

    #[derive(Debug)]
    struct Service {
        counts: Counts,
        /// The start of the second; of each call within it; when the bucket held how much.
        second: (f64, u32),
        calls: VecDeque<f64>,
        bucket: (f64, f64),
    }

    const LIMIT: f64 = 40.0;

    /// When a call ends, when it began, and what a refusal of it says.
    type InFlight = (Instant, Instant, Option<Option<Duration>>);

    impl Service {
        /// Takes a call, or says in how many seconds it would.
        fn take(&mut self, now: f64) -> Result<(), f64> {
            match self.counts {
                Counts::Seconds => {
                    if now - self.second.0 >= 1.0 {
                        self.second = (now, 0);
                    }
                    self.second.1 += 1;
                    if f64::from(self.second.1) <= LIMIT { Ok(()) } else { Err(self.second.0 + 1.0 - now) }
                }
                Counts::Sliding => {
                    self.calls.retain(|at| now - at < 1.0);
                    if self.calls.len() as f64 >= LIMIT {
                        return Err(self.calls[0] + 1.0 - now);
                    }
                    self.calls.push_back(now);
                    Ok(())
                }
                Counts::Each(number) => {
                    self.second.1 += 1;
                    // Not evenly, but as if by chance.
                    if self.second.1.wrapping_mul(2_654_435_761).rotate_left(15).is_multiple_of(number) { Err(0.03) } else { Ok(()) }
                }
                Counts::Bucket(most) => {
                    let held = (now - self.bucket.0).mul_add(LIMIT, self.bucket.1).min(most);
                    let taken = if held >= 1.0 { 1.0 } else { 0.0 };
                    self.bucket = (now, held - taken);
                    if taken > 0.0 { Ok(()) } else { Err((1.0 - held) / LIMIT) }
                }
            }
        }
    }

    /// So many calls of a service by callers who wait for nothing else: how long they took, in seconds, and how many were refused.
    fn run(calls: u32, counts: Counts, says: Says, latency: Duration, callers: usize) -> (f64, u32) {
        let begin = Instant::now();
        let mut service =
            Service { counts, second: (-9.0, 0), calls: VecDeque::new(), bucket: (0.0, if let Counts::Bucket(most) = counts { most } else { 0.0 }) };
        let mut pace = Pace::new(begin);
        let (mut rests_until, mut refused, mut answered, mut most_in_flight) = (begin, 0, 0, 32.0);
        let mut in_flight: BinaryHeap<Reverse<InFlight>> = BinaryHeap::new();
        for now in (0..).map(|step| begin + Duration::from_micros(500) * step) {
            while let Some(Reverse((_, begun, refusal))) = in_flight.peek().copied().filter(|Reverse((ends, ..))| *ends <= now) {
                in_flight.pop();
                let took = now - begun;
                let Some(after) = refusal else {
                    answered += 1;
                    most_in_flight += if refused == 0 { 1.0 } else { 1.0 / most_in_flight };
                    pace.answered(now, took);
                    continue;
                };
                refused += 1;
                pace.refused(now, took, after);
                rests_until = rests_until.max(now + after.unwrap_or_default());
            }
            if answered >= calls {
                return (now.duration_since(begin).as_secs_f64(), refused);
            }
            while in_flight.len() < callers.min(most_in_flight as usize) && now >= rests_until && (pace.per_second.is_none() || pace.next <= now) {
                pace.begun(now);
                in_flight.push(Reverse(match service.take(now.duration_since(begin).as_secs_f64()) {
                    Ok(()) => (now + latency, now, None),
                    Err(seconds) => {
                        let after = match says {
                            Says::WhenOneIsTaken => Some(Duration::from_secs_f64(seconds)),
                            Says::OneSecond => Some(Duration::from_secs(1)),
                            Says::Nothing => None,
                        };
                        (now + Duration::from_millis(1), now, Some(after))
                    }
                }));
            }
        }
        unreachable!("time does not end")
    }

    #[test]
    fn a_rate_that_is_no_longer_held_is_soon_left_behind() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        (0..3).for_each(|_| pace.begun(begin));
        pace.refused(begin, Duration::ZERO, None);
        assert_eq!(pace.per_second, None, "a few calls have no rate");
        (0..50).for_each(|_| pace.begun(begin));
        (0..50).for_each(|_| pace.refused(begin, Duration::ZERO, None));
        assert!(pace.per_second < Some(3.0), "most were refused: {pace:?}");
        let (mut now, mut calls) = (begin, 0);
        while now < begin + Duration::from_secs(30) && calls < 10_000 {
            now = pace.next.max(now);
            pace.begun(now);
            pace.answered(now, Duration::ZERO);
            calls += 1;
        }
        assert!(calls > 150 && pace.per_second > Some(20.0), "{calls} calls, {:?}", pace.per_second);
    }

    #[test]
    fn refusals_that_are_not_the_rates_doing_hold_nobody_up() {
        for each in [20, 50, 100] {
            for says in [Says::WhenOneIsTaken, Says::Nothing] {
                let (seconds, refused) = run(20_000, Counts::Each(each), says, Duration::from_millis(20), 20);
                let rested = if matches!(says, Says::Nothing) { 0.0 } else { f64::from(refused) * 0.03 };
                assert!(seconds <= 25.0 + rested, "one of {each}, {says:?}: {seconds} s for what takes 20 s and {rested} s of rest");
            }
        }
    }

    #[test]
    fn the_pace_of_a_service_is_found_however_it_counts_and_whatever_it_says() {
        let counts = [Counts::Seconds, Counts::Sliding, Counts::Bucket(5.0), Counts::Bucket(20.0), Counts::Bucket(40.0)];
        let latencies = [20, 100, 170, 450, 900, 1300].map(Duration::from_millis);
        for counts in counts {
            for says in [Says::WhenOneIsTaken, Says::OneSecond, Says::Nothing] {
                let mut ratios = Vec::new();
                for latency in latencies {
                    for callers in [8, 32, 45, 64, 100, 256] {
                        let possible = LIMIT.min(callers as f64 / latency.as_secs_f64());
                        let (seconds, refused) = run(2000, counts, says, latency, callers);
                        let ratio = (seconds - latency.as_secs_f64()) / (2000.0 / possible);
                        ratios.push(ratio);
                        assert!(
                            ratio <= 1.35 && refused <= 120,
                            "{counts:?}, {says:?}, {latency:?}, {callers} callers: {ratio} times as long, {refused} refused"
                        );
                    }
                }
                let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
                assert!(mean <= 1.2, "{counts:?}, {says:?}: {mean} times as long in the mean");
            }
        }
    }
}
