//! The last ten minutes: calls, errors and how long they took, in slices of five seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const SLICE: Duration = Duration::from_secs(5);
const SLICES: usize = 120;
/// Latencies fall into classes, each a fifth longer than the one before, from a tenth of a millisecond to two hours.
const CLASSES: usize = 100;
const SHORTEST: f64 = 0.0001;
const FACTOR: f64 = 1.2;

/// The last minutes.
#[derive(Debug)]
pub(super) struct History {
    begun: Instant,
    slices: VecDeque<Slice>,
}

#[derive(Clone, Debug)]
struct Slice {
    number: u64,
    calls: u32,
    errors: u32,
    latencies: Box<[u32; CLASSES]>,
}

impl History {
    pub fn new(begun: Instant) -> Self {
        Self { begun, slices: VecDeque::new() }
    }

    /// Adds a call that has ended.
    pub fn add(&mut self, now: Instant, well: bool, took: Duration) {
        let number = now.duration_since(self.begun).as_secs() / SLICE.as_secs();
        if self.slices.back().is_none_or(|last| last.number < number) {
            self.slices.push_back(Slice { number, calls: 0, errors: 0, latencies: Box::new([0; CLASSES]) });
            while self.slices.front().is_some_and(|first| first.number + SLICES as u64 <= number) {
                self.slices.pop_front();
            }
        }
        let Some(slice) = self.slices.back_mut() else { return };
        slice.calls += 1;
        slice.errors += u32::from(!well);
        let class = ((took.as_secs_f64() / SHORTEST).max(1.0).ln() / FACTOR.ln()) as usize;
        slice.latencies[class.min(CLASSES - 1)] += 1;
    }

    /// A point for each slice up to now: calls a second, errors a second, the median and the 95th percentile in seconds.
    pub fn points(&self, now: Instant) -> Value {
        let last = now.duration_since(self.begun).as_secs() / SLICE.as_secs();
        let first = (last + 1).saturating_sub(SLICES as u64);
        let mut slices = self.slices.iter().peekable();
        let points = (first..=last).map(|number| {
            while slices.next_if(|slice| slice.number < number).is_some() {}
            match slices.next_if(|slice| slice.number == number) {
                Some(slice) => {
                    let each = |count: u32| f64::from(count) / SLICE.as_secs_f64();
                    json!([each(slice.calls), each(slice.errors), slice.quantile(0.5), slice.quantile(0.95)])
                }
                None => json!([0, 0, null, null]),
            }
        });
        json!({ "seconds": SLICE.as_secs(), "points": points.collect::<Vec<_>>() })
    }
}

impl Slice {
    fn quantile(&self, share: f64) -> f64 {
        let wanted = (f64::from(self.calls) * share).ceil() as u32;
        let mut seen = 0;
        let class = self.latencies.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        SHORTEST * FACTOR.powf(class.unwrap_or(0) as f64 + 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_tell_rates_and_latencies_and_are_forgotten() {
        let begun = Instant::now();
        let mut history = History::new(begun);
        for number in 0..100 {
            history.add(begun + Duration::from_secs(6), number > 0, Duration::from_millis(if number < 90 { 100 } else { 1000 }));
        }
        let points = history.points(begun + Duration::from_secs(11));
        let points = points["points"].as_array().unwrap();
        assert_eq!((points.len(), &points[0]), (3, &json!([0, 0, null, null])));
        assert_eq!((points[1][0].as_f64(), points[1][1].as_f64()), (Some(20.0), Some(0.2)));
        let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() / wanted - 1.0).abs() < 0.15;
        assert!(near(&points[1][2], 0.1) && near(&points[1][3], 1.0), "{points:?}");
        history.add(begun + Duration::from_hours(1), true, Duration::from_secs(1));
        assert_eq!(history.slices.len(), 1);
        assert_eq!(history.points(begun + Duration::from_hours(1))["points"].as_array().unwrap().len(), SLICES);
    }
}
