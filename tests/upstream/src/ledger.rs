//! What was asked, what was answered, and when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How often one prompt was asked and answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptCounts {
    /// Requests with it.
    pub asked: u64,
    /// Full replies with status 200 to it.
    pub answered: u64,
}

/// What happened so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// All requests for a chat or for embeddings.
    pub requests: u64,
    /// Full replies with status 200.
    pub answered: u64,
    /// Requests without a reply as yet.
    pub in_flight_now: u64,
    /// Requests whose client went away before the end of the reply.
    #[serde(default)]
    pub left: u64,
    /// The most that there ever were of those in flight.
    pub max_in_flight: u64,
    /// Seconds from the service's start to the first request.
    pub first_request: Option<f64>,
    /// Seconds from the service's start to the last full reply.
    pub last_answer: Option<f64>,
    /// Each chat by its text: the contents of its messages, a line break between them.
    pub prompts: HashMap<String, PromptCounts>,
}

impl Counts {
    /// The time from the first request to the last full reply.
    pub fn wall(&self) -> Duration {
        match (self.first_request, self.last_answer) {
            (Some(first), Some(last)) => Duration::from_secs_f64((last - first).max(0.0)),
            _ => Duration::ZERO,
        }
    }

    /// Full replies beyond the first of each prompt: what was bought twice.
    pub fn bought_twice(&self) -> u64 {
        self.prompts.values().map(|counts| counts.answered.saturating_sub(1)).sum()
    }
}

/// The counts of a running service.
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    counts: Mutex<Counts>,
    received: Mutex<Vec<Received>>,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The path.
    pub path: String,
    /// The names and values of its headers, in their order.
    pub headers: Vec<(String, String)>,
    /// Its body, byte by byte.
    pub body: Vec<u8>,
}

impl Received {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { started: Instant::now(), counts: Mutex::default(), received: Mutex::default() }
    }
}

impl Ledger {
    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// Counts a request; it is in flight until the guard is dropped. Returns its number, from 0.
    pub(crate) fn ask(self: &Arc<Self>, prompt: Option<String>) -> (u64, InFlight) {
        let mut counts = self.lock();
        let number = counts.requests;
        counts.requests += 1;
        counts.in_flight_now += 1;
        counts.max_in_flight = counts.max_in_flight.max(counts.in_flight_now);
        counts.first_request.get_or_insert_with(|| self.started.elapsed().as_secs_f64());
        if let Some(prompt) = &prompt {
            match counts.prompts.get_mut(prompt) {
                Some(counts) => counts.asked += 1,
                None => drop(counts.prompts.insert(prompt.clone(), PromptCounts { asked: 1, answered: 0 })),
            }
        }
        (number, InFlight { ledger: Arc::clone(self), prompt, ended: false })
    }

    /// Keeps a request.
    pub(crate) fn keep(&self, received: Received) {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that has no reply as yet, or whose client has not gone away.
#[derive(Debug)]
pub(crate) struct InFlight {
    ledger: Arc<Ledger>,
    prompt: Option<String>,
    ended: bool,
}

impl InFlight {
    /// Says that the service itself ends the request without a full reply.
    pub(crate) fn failed(mut self) {
        self.ended = true;
    }

    /// Counts the full reply, which is written to the socket in the same turn.
    pub(crate) fn answered(mut self) {
        self.ended = true;
        let mut counts = self.ledger.lock();
        counts.answered += 1;
        counts.last_answer = Some(self.ledger.started.elapsed().as_secs_f64());
        if let Some(counts) = self.prompt.as_ref().and_then(|prompt| counts.prompts.get_mut(prompt)) {
            counts.answered += 1;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut counts = self.ledger.lock();
        counts.in_flight_now -= 1;
        counts.left += u64::from(!self.ended);
    }
}
