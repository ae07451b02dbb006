//! One try at one deployment: the request goes out, and what comes back is an answer or a failure of its class.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dataflow_core::serving::{ErrorClass, Usage};
use http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Route;
use super::body::RequestBody;
use super::relay::Relay;
use crate::api::classify::{by_status, in_band};
use crate::pool::{Deployment, Failure, Lease, Outcome};

/// The longest silence between two pieces of a stream, where the file says nothing.
const IDLE: Duration = Duration::from_mins(2);
/// Headers of a caller that a service may see.
const PASSED_ON: [&str; 4] = ["traceparent", "tracestate", "openai-beta", "x-request-id"];

/// What a deployment answered.
pub(super) enum Given {
    /// The whole body, and how long the service took.
    Whole { body: Bytes, deployment: String, usage: Usage },
    /// A stream whose first words are there.
    Stream(Box<Opened>),
}

/// A stream that has begun, with all that it needs to go on.
pub(super) struct Opened {
    pub response: reqwest::Response,
    pub relay: Relay,
    pub lease: Lease,
    pub idle: Duration,
    pub until: Instant,
}

/// Tokens as services count them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self { input_tokens: tokens.prompt_tokens.unwrap_or(0), output_tokens: tokens.completion_tokens.unwrap_or(0) }
    }
}

/// Asks the deployment of a lease.
pub(super) async fn ask(lease: Lease, request: &RequestBody, route: Route, headers: &HeaderMap) -> Result<Given, (Lease, Failure)> {
    let deployment = lease.deployment().clone();
    let asked = Asked { deployment: &deployment, request, route, headers };
    if request.stream {
        return match asked.open().await {
            Ok((response, relay, until)) => {
                lease.first_token();
                let idle = deployment.settings().timeout_idle.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(IDLE);
                Ok(Given::Stream(Box::new(Opened { response, relay, lease, idle, until })))
            }
            Err(failure) => Err((lease, asked.without_key(failure))),
        };
    }
    match asked.whole().await {
        Ok((body, usage)) => {
            lease.settle(usage);
            lease.end(Outcome::Answered, None);
            Ok(Given::Whole { body, deployment: deployment.name().to_owned(), usage })
        }
        Err(failure) => Err((lease, asked.without_key(failure))),
    }
}

struct Asked<'a> {
    deployment: &'a Deployment,
    request: &'a RequestBody,
    route: Route,
    headers: &'a HeaderMap,
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
}

impl Asked<'_> {
    fn request(&self) -> reqwest::RequestBuilder {
        let deployment = self.deployment;
        let url = match self.route {
            Route::Chat => deployment.chat_url(),
            Route::Embeddings => deployment.embeddings_url(),
        };
        let body = self.request.written_for(deployment.settings(), self.route);
        let mut request = deployment.client().post(url.clone()).headers(deployment.headers().clone()).header(header::CONTENT_TYPE, "application/json");
        for name in PASSED_ON {
            if let Some(value) = self.headers.get(name) {
                request = request.header(name, value);
            }
        }
        request.body(body)
    }

    /// The whole reply, byte for byte.
    async fn whole(&self) -> Result<(Bytes, Usage), Failure> {
        let response = self.request().timeout(self.deployment.timeout()).send().await.map_err(|error| not_sent(&error))?;
        let response = self.well(response).await?;
        let body = response.bytes().await.map_err(|error| cut(&error))?;
        let seen: WholeReply = serde_json::from_slice(&body).map_err(|_| Failure::new(ErrorClass::Transient, "the reply is not the JSON that was expected"))?;
        let error = seen.error.or_else(|| seen.choices.iter().flatten().find_map(|choice| choice.error.clone()));
        if let Some(error) = error.filter(|error| !error.is_null()) {
            return Err(failure_in_band(&error, &body));
        }
        let answers = match self.route {
            Route::Chat => seen.choices.is_some_and(|choices| !choices.is_empty()),
            Route::Embeddings => seen.data.is_some_and(|data| !data.is_empty()),
        };
        if answers { Ok((body, seen.usage.unwrap_or_default().into())) } else { Err(Failure::new(ErrorClass::Transient, "the reply holds no answer")) }
    }

    /// A stream up to its first words: until then another deployment can be asked and the caller sees nothing of it.
    async fn open(&self) -> Result<(reqwest::Response, Relay, Instant), Failure> {
        let begun = Instant::now();
        let until = begun + self.deployment.timeout();
        let settings = self.deployment.settings();
        let patience = settings.timeout_first_token.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let first_until = patience.map_or(until, |patience| until.min(begun + patience));
        let opening = async {
            let response = self.request().header(header::ACCEPT, "text/event-stream").send().await.map_err(|error| not_sent(&error))?;
            let mut response = self.well(response).await?;
            let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if kind.starts_with("application/json") {
                let body = response.bytes().await.map_err(|error| cut(&error))?;
                let seen = serde_json::from_slice::<Value>(&body).ok();
                return Err(match seen.as_ref().and_then(|seen| seen.get("error")).filter(|error| !error.is_null()) {
                    Some(error) => failure_in_band(error, &body),
                    None => Failure::new(ErrorClass::Transient, "a stream was asked for, and none came"),
                });
            }
            let mut relay = Relay::default();
            while !relay.has_begun() {
                match response.chunk().await.map_err(|error| cut(&error))? {
                    Some(chunk) => relay.take(&chunk)?,
                    None => return Err(Failure::new(ErrorClass::Transient, "the stream ended before its first word")),
                }
            }
            Ok((response, relay, until))
        };
        tokio::time::timeout_at(first_until.into(), opening).await.unwrap_or_else(|_| Err(late("the stream did not begin in time")))
    }

    /// A response whose status is well; otherwise the failure that it tells.
    async fn well(&self, response: reqwest::Response) -> Result<reqwest::Response, Failure> {
        self.deployment.heed(response.headers());
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = response.bytes().await.unwrap_or_default(); // the status alone tells enough
        let failure = by_status(status.as_u16(), &headers, &body);
        // One that has no vectors may have words.
        let has_no_such_route = self.route == Route::Embeddings && matches!(status.as_u16(), 404 | 405 | 501);
        Err(Failure { blameless: failure.blameless || has_no_such_route, ..failure })
    }

    /// Takes the deployment's key out of what is shown.
    fn without_key(&self, mut failure: Failure) -> Failure {
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

/// An error in a 200, with the status that it should have had.
pub(super) fn failure_in_band(error: &Value, body: &[u8]) -> Failure {
    let mut failure = in_band(error);
    let code = &error["code"];
    let told = code.as_u64().or_else(|| code.as_str()?.parse().ok()).filter(|status| (400..600).contains(status));
    failure.status = told.map(|status| status as u16);
    failure.body = Some(Bytes::copy_from_slice(body));
    failure
}

fn not_sent(error: &reqwest::Error) -> Failure {
    let mut failure = crate::api::not_sent(error);
    if error.is_timeout() {
        failure.status = Some(504);
    }
    failure
}

fn cut(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        late("the reply did not end in time")
    } else {
        Failure::new(ErrorClass::Transient, format!("the reply was cut: {}", crate::api::cause(error)))
    }
}

fn late(message: &str) -> Failure {
    Failure { status: Some(504), ..Failure::new(ErrorClass::Transient, message) }
}
