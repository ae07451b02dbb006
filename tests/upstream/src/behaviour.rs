//! How the service behaves: its latency, its faults and their shares, its answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// What can go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with the behaviour's `Retry-After`.
    RateLimited,
    /// 429 whose code is `insufficient_quota`.
    Quota,
    /// 401.
    Unauthorized,
    /// 401 whose message shows the key that came.
    Leak,
    /// Any other status, with an error body.
    Status(u16),
    /// The connection is reset before a reply.
    Reset,
    /// No reply ever comes.
    Stall,
    /// A 200 that promises more bytes than it sends.
    CutBody,
    /// A 200 whose body is no JSON.
    BadJson,
    /// A 200 whose body is an error.
    ErrorInBody,
    /// A 200 without any choice; a stream that ends without a word.
    NoChoices,
    /// A stream that breaks off after its role and before its first word; of a reply that is no stream, as `CutBody`.
    CutBeforeContent,
    /// A stream that says its role and then nothing more; no reply at all, where none is asked for as a stream.
    StallBeforeContent,
    /// A stream that stops after its first words and keeps the connection; no reply at all, where none is asked for as a stream.
    StallAfterContent,
    /// A stream whose first event is an error; of a reply that is no stream, as `ErrorInBody`.
    ErrorEvent,
    /// A stream with an error after its first words; of a reply that is no stream, as `ErrorInBody`.
    ErrorEventLater,
    /// A stream with an event that is no JSON after its first words; of a reply that is no stream, as `BadJson`.
    BadEventLater,
}

/// Makes an answer of a request's JSON.
pub type Answer = Arc<dyn Fn(&Value) -> String + Send + Sync>;

/// How the service behaves. Which request meets which fault depends on the seed and the request's number alone.
///
/// A prompt can ask for its own treatment: `[[length]]` is cut at the limit of tokens, `[[thinking]]` gets reasoning beside its answer,
/// `[[filter]]` is withheld, and `[[status 400]]` fails with that status each time.
#[derive(Clone)]
pub struct Behaviour {
    pub(crate) latency: Duration,
    pub(crate) seed: u64,
    pub(crate) shares: Vec<(Fault, f64)>,
    pub(crate) first: Vec<Fault>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) requests_per_second: Option<u64>,
    pub(crate) burst: Option<u64>,
    pub(crate) answer: Option<Answer>,
    pub(crate) first_token: Duration,
    pub(crate) between_tokens: Duration,
    pub(crate) chunk_bytes: Option<usize>,
    pub(crate) keeps_requests: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) loading: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            seed: 1,
            shares: Vec::new(),
            first: Vec::new(),
            retry_after: Some(Duration::from_secs(1)),
            requests_per_second: None,
            burst: None,
            answer: None,
            first_token: Duration::ZERO,
            between_tokens: Duration::ZERO,
            chunk_bytes: None,
            keeps_requests: false,
            headers: Vec::new(),
            loading: Duration::ZERO,
        }
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Behaviour").field("latency", &self.latency).field("shares", &self.shares).field("first", &self.first).finish_non_exhaustive()
    }
}

impl Behaviour {
    /// Answers after a fixed time.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Draws the faults by another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets a share of the requests, between 0 and 1, meet a fault.
    #[must_use]
    pub fn share(mut self, fault: Fault, share: f64) -> Self {
        self.shares.push((fault, share));
        self
    }

    /// Lets the first requests meet these faults, one each; the shares begin after them.
    #[must_use]
    pub fn first(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.first.extend(faults);
        self
    }

    /// What a 429 says about the time to wait; `None` says nothing. Part seconds go into `retry-after-ms`.
    #[must_use]
    pub fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// Refuses with 429 what goes beyond this many requests a second, and says when the second ends.
    #[must_use]
    pub fn requests_per_second(mut self, limit: u64) -> Self {
        self.requests_per_second = Some(limit);
        self
    }

    /// Counts requests a second as a bucket of so many does, and says of a refusal what [`retry_after`](Self::retry_after) says.
    #[must_use]
    pub fn burst(mut self, most: u64) -> Self {
        self.burst = Some(most);
        self
    }

    /// Answers with a function of the request's JSON; otherwise a reply is `echo: ` and the last user message.
    #[must_use]
    pub fn answer(mut self, answer: impl Fn(&Value) -> String + Send + Sync + 'static) -> Self {
        self.answer = Some(Arc::new(answer));
        self
    }

    /// Lets a stream say its role at once and its first word after this time.
    #[must_use]
    pub fn first_token(mut self, after: Duration) -> Self {
        self.first_token = after;
        self
    }

    /// Lets a stream wait so long between two pieces of its answer.
    #[must_use]
    pub fn between_tokens(mut self, time: Duration) -> Self {
        self.between_tokens = time;
        self
    }

    /// Sends a stream in chunks of so many bytes, wherever they fall: within an event, within a letter.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = Some(bytes.max(1));
        self
    }

    /// Keeps the headers and bodies of requests, for [`Upstream::requests`](crate::Upstream::requests).
    #[must_use]
    pub fn keep_requests(mut self) -> Self {
        self.keeps_requests = true;
        self
    }

    /// Sends these headers with each reply, with a refusal too.
    #[must_use]
    pub fn headers(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Answers at `/health` with 503 for so long after its start, as a server does that reads its model.
    #[must_use]
    pub fn loading(mut self, time: Duration) -> Self {
        self.loading = time;
        self
    }

    /// The fault that the request of a number meets.
    pub(crate) fn fault_of(&self, number: u64) -> Option<Fault> {
        if let Some(fault) = self.first.get(number as usize) {
            return Some(*fault);
        }
        let mut drawn = uniform(self.seed, number);
        self.shares.iter().find_map(|(fault, share)| {
            drawn -= share;
            (drawn < 0.0).then_some(*fault)
        })
    }
}

/// A number in 0..1 that depends on the seed and the counter alone (SplitMix64's mixing).
fn uniform(seed: u64, counter: u64) -> f64 {
    let mut mixed = seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_their_shares_and_the_same_each_time() {
        let behaviour = Behaviour::default().first([Fault::Stall]).share(Fault::Reset, 0.05).share(Fault::CutBody, 0.1);
        let draw = |fault| (0..10_000).filter(|number| behaviour.fault_of(*number) == Some(fault)).count();
        assert_eq!(draw(Fault::Stall), 1);
        assert!((400..600).contains(&draw(Fault::Reset)) && (850..1150).contains(&draw(Fault::CutBody)));
        assert_eq!(draw(Fault::Reset), draw(Fault::Reset));
    }
}
