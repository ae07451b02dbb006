//! One try at one deployment: the request goes out, and what comes back is an answer or a failure of its class.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dataflow_core::serving::{ErrorClass, Usage};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use tracing::Instrument;

use super::body::RequestBody;
use super::estimate::{self, Said};
use super::relay::{Relay, says_something};
use super::{Route, trace};
use crate::api::classify::in_band;
use crate::http::Answer;
use crate::pool::{Deployment, Failure, Lease, Outcome, Use, seconds};

/// The longest silence between two pieces of a stream, where the file says nothing.
const IDLE: Duration = Duration::from_mins(2);
/// Headers of a caller that a service may see.
const PASSED_ON: [&str; 4] = ["traceparent", "tracestate", "openai-beta", "x-request-id"];

/// What a deployment answered.
pub(super) enum Given {
    /// The whole body, and how long the service took.
    Whole { body: Bytes, deployment: String, usage: Usage, may: Use },
    /// A stream whose first words are there.
    Stream(Box<Opened>),
}

impl Given {
    /// Who answered, by the name that is shown.
    pub fn deployment(&self) -> &str {
        match self {
            Self::Whole { deployment, .. } => deployment,
            Self::Stream(opened) => opened.lease.deployment().name(),
        }
    }
}

/// A stream that has begun, with all that it needs to go on.
pub(super) struct Opened {
    pub response: Answer,
    pub relay: Relay,
    pub lease: Lease,
    pub idle: Duration,
    pub until: Instant,
    /// When the caller wants it no more.
    pub deadline: Option<Instant>,
}

/// Tokens as services count them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

impl Tokens {
    /// Those of the reply, where they are told.
    pub fn written(self) -> Option<u64> {
        self.completion_tokens
    }
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self { input_tokens: tokens.prompt_tokens.unwrap_or(0), output_tokens: tokens.completion_tokens.unwrap_or(0) }
    }
}

/// Asks the deployment of a lease.
pub(super) async fn ask(lease: Lease, request: &RequestBody, route: Route, headers: &HeaderMap, deadline: Option<Instant>) -> Result<Given, (Lease, Failure)> {
    let deployment = lease.deployment().clone();
    let asked = Asked { deployment: &deployment, request, route, headers, deadline };
    let span = trace::attempt(deployment.name());
    if request.stream {
        return match asked.open().instrument(span).await {
            Ok((response, relay, until)) => {
                lease.first_token();
                let idle = deployment.settings().timeout_idle.and_then(seconds).unwrap_or(IDLE);
                Ok(Given::Stream(Box::new(Opened { response, relay, lease, idle, until, deadline })))
            }
            Err(failure) => Err((lease, asked.without_key(failure))),
        };
    }
    match asked.whole().instrument(span).await {
        Ok((body, usage, may)) => {
            lease.settle(usage);
            lease.end(Outcome::Answered, None);
            Ok(Given::Whole { body, deployment: deployment.name().to_owned(), usage, may })
        }
        Err(failure) => Err((lease, asked.without_key(failure))),
    }
}

struct Asked<'a> {
    deployment: &'a Deployment,
    request: &'a RequestBody,
    route: Route,
    headers: &'a HeaderMap,
    deadline: Option<Instant>,
}

/// As much of a whole reply as tells whether it is one.
#[derive(Deserialize)]
struct WholeReply {
    error: Option<Value>,
    choices: Option<Vec<Choice>>,
    data: Option<Vec<IgnoredAny>>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    error: Option<Value>,
    finish_reason: Option<String>,
}

/// The messages of a reply.
#[derive(Deserialize)]
struct Messages {
    choices: Vec<Value>,
}

/// What a reply says, where it is one of words.
#[derive(Deserialize)]
struct Words<'a> {
    #[serde(borrow, default)]
    choices: Vec<&'a RawValue>,
}

impl Asked<'_> {
    /// Sends the request; the reply's status is well.
    async fn send(&self) -> Result<Answer, Failure> {
        let body = self.request.written_for(self.deployment.settings(), self.route);
        let more = |headers: &mut HeaderMap| {
            for name in PASSED_ON {
                if let Some(value) = self.headers.get(name) {
                    headers.insert(name, value.clone());
                }
            }
            if self.request.stream {
                headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
            }
            if let Some(left) = self.left() {
                headers.insert("x-flux-deadline-ms", HeaderValue::from(left.as_millis() as u64));
            }
        };
        self.well(self.deployment.post(self.route, more, body).await?).await
    }

    /// What is left of the time that the caller gives.
    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// How long the try may take; not longer than the caller waits.
    fn patience(&self) -> Duration {
        let timeout = self.deployment.timeout();
        self.left().map_or(timeout, |left| left.min(timeout))
    }

    /// What failed because the caller waits no longer says nothing against the deployment.
    fn blamed(&self, failure: Failure) -> Failure {
        let is_late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        Failure { blameless: failure.blameless || is_late && failure.status == Some(504), ..failure }
    }

    /// The whole reply, byte for byte.
    async fn whole(&self) -> Result<(Bytes, Usage, Use), Failure> {
        let asking = async { self.send().await?.bytes().await };
        let body = tokio::time::timeout(self.patience(), asking).await.unwrap_or_else(|_| Err(late("no reply in time")))?;
        let seen: WholeReply = serde_json::from_slice(&body).map_err(|_| Failure::new(ErrorClass::Transient, "the reply is not the JSON that was expected"))?;
        let error = seen.error.or_else(|| seen.choices.iter().flatten().find_map(|choice| choice.error.clone()));
        if let Some(error) = error.filter(|error| !error.is_null()) {
            return Err(failure_in_band(&error, &body));
        }
        let choices = seen.choices.unwrap_or_default();
        let answers = match self.route {
            Route::Chat => !choices.is_empty(),
            Route::Embeddings => seen.data.is_some_and(|data| !data.is_empty()),
        };
        if !answers {
            return Err(Failure::new(ErrorClass::Transient, "the reply holds no answer"));
        }
        let tokens = seen.usage.unwrap_or_default();
        let reasons = || choices.iter().map(|choice| choice.finish_reason.as_deref());
        let may_be_empty = self.route == Route::Chat && tokens.written().is_none_or(|written| written == 0);
        if may_be_empty && reasons().all(|reason| matches!(reason, None | Some("stop"))) && is_empty(&body) {
            return Err(Failure::new(ErrorClass::Transient, "the reply is empty"));
        }
        let is_whole = self.route == Route::Embeddings || reasons().all(|reason| matches!(reason, Some("stop" | "tool_calls" | "function_call")));
        let mut usage = tokens.into();
        if usage == Usage::default() {
            usage = estimate::usage(usage, self.request.texts(), said_in(&body));
        }
        Ok((body, usage, if is_whole { Use::ByAll } else { Use::Once }))
    }

    /// A stream up to its first words: until then another deployment can be asked and the caller sees nothing of it.
    async fn open(&self) -> Result<(Answer, Relay, Instant), Failure> {
        let begun = Instant::now();
        let until = begun + self.patience();
        let settings = self.deployment.settings();
        let patience = settings.timeout_first_token.and_then(seconds);
        let first_until = patience.map_or(until, |patience| until.min(begun + patience));
        let opening = async {
            let mut response = self.send().await?;
            let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if kind.starts_with("application/json") {
                let body = response.bytes().await?;
                let seen = serde_json::from_slice::<Value>(&body).ok();
                return Err(match seen.as_ref().and_then(|seen| seen.get("error")).filter(|error| !error.is_null()) {
                    Some(error) => failure_in_band(error, &body),
                    None => Failure::new(ErrorClass::Transient, "a stream was asked for, and none came"),
                });
            }
            let mut relay = Relay::new(self.request.texts());
            while !relay.has_begun() {
                match response.chunk().await? {
                    Some(chunk) => relay.take(&chunk)?,
                    None => relay.end()?,
                }
            }
            Ok((response, relay, until))
        };
        tokio::time::timeout_at(first_until.into(), opening).await.unwrap_or_else(|_| Err(late("the stream did not begin in time")))
    }

    /// A response whose status is well; otherwise the failure that it tells.
    async fn well(&self, response: Answer) -> Result<Answer, Failure> {
        self.deployment.heed(response.headers());
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = response.bytes().await.unwrap_or_default(); // the status alone tells enough
        Err(self.route.failure(status.as_u16(), &headers, &body))
    }

    /// Takes the deployment's key out of what is shown.
    fn without_key(&self, failure: Failure) -> Failure {
        let mut failure = self.blamed(failure);
        if let Some(key) = &self.deployment.settings().api_key {
            failure.message = key.blot_out(&failure.message);
            failure.body = failure.body.map(|body| match std::str::from_utf8(&body) {
                Ok(text) => key.blot_out(text).into(),
                Err(_) => Bytes::new(),
            });
        }
        failure
    }
}

/// Whether no choice says anything.
fn is_empty(body: &[u8]) -> bool {
    serde_json::from_slice::<Messages>(body).is_ok_and(|reply| !reply.choices.iter().any(|choice| says_something(&choice["message"])))
}

/// What all choices say.
fn said_in(body: &[u8]) -> Said {
    let mut said = Said::default();
    let words = serde_json::from_slice::<Words<'_>>(body).unwrap_or(Words { choices: Vec::new() }); // one that is no text at all says nothing
    words.choices.iter().for_each(|choice| said.add(choice.get().as_bytes()));
    said
}

/// An error in a 200, with the status that it should have had.
pub(super) fn failure_in_band(error: &Value, body: &[u8]) -> Failure {
    let mut failure = in_band(error);
    let code = &error["code"];
    let told = code.as_u64().or_else(|| code.as_str()?.parse().ok()).filter(|status| (400..600).contains(status));
    failure.status = told.map(|status| status as u16);
    failure.body = Some(Bytes::copy_from_slice(body));
    failure
}

fn late(message: &str) -> Failure {
    Failure { status: Some(504), ..Failure::new(ErrorClass::Transient, message) }
}
