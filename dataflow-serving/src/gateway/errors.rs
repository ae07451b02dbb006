//! Errors as OpenAI's clients read them.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use dataflow_core::serving::ErrorClass;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::api::classify::for_callers;
use crate::pool::{Allowance, Exhausted, Failure, Pool, is_any};

/// An error that the gateway answers with.
#[derive(Debug)]
pub(super) struct GatewayError {
    pub status: StatusCode,
    pub code: &'static str,
    body: Bytes,
    retry_after: Option<Duration>,
    /// Whether trying again is of no use: the gateway has tried, or nobody can be asked for so long that clients would not wait.
    exhausted: bool,
    pub way: Box<Way>,
    /// What is left of the limits of the model that was asked for.
    left: Option<Box<[Option<Allowance>; 2]>>,
}

/// What came of a call before it ended in an error.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The deployment that was tried last.
    pub deployment: Option<String>,
    /// How often one was tried.
    pub attempts: u32,
    /// How long the call waited for its tries.
    pub waited: Duration,
    /// What the gateway took for itself, where that was counted.
    pub overhead: Option<Duration>,
}

/// OpenAI's clients heed no longer `Retry-After`, and try again within seconds.
const LONGEST_HEEDED: Duration = Duration::from_mins(1);

/// When one whose account is empty may be asked again, where it does not say.
const QUOTA_RESTS: Duration = Duration::from_mins(10);

/// Tells a caller what is left of the limits of the model that it asked for, as OpenAI does.
pub(super) fn tell_limits(left: [Option<Allowance>; 2], headers: &mut HeaderMap) {
    const NAMES: [[&str; 3]; 2] = [
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
        ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    ];
    for ([limit, remaining, reset], left) in NAMES.into_iter().zip(left).filter_map(|(names, left)| Some((names, left?))) {
        headers.insert(limit, HeaderValue::from(left.limit as u64));
        headers.insert(remaining, HeaderValue::from(left.remaining as u64));
        if let Ok(time) = HeaderValue::from_str(&format!("{:.3}s", left.reset.as_secs_f64())) {
            headers.insert(reset, time);
        }
    }
}

/// Tells who was asked last, how many tries there were, and what the gateway took for itself.
pub(super) fn tell_way(headers: &mut HeaderMap, deployment: Option<&str>, attempts: u32, overhead: Duration) {
    if let Some(name) = deployment.and_then(|name| HeaderValue::from_str(name).ok()) {
        headers.insert("x-flux-model", name);
    }
    headers.insert("x-flux-attempts", HeaderValue::from(attempts));
    if let Ok(value) = HeaderValue::from_str(&format!("{:.3}", overhead.as_secs_f64() * 1000.0)) {
        headers.insert("x-flux-overhead-ms", value);
    }
}

/// Why no model can be asked: the words of those whose key, model, account or address is at fault. Other errors may speak of other callers' requests.
fn nobody_there(model: &str, pool: &Pool) -> String {
    /// More are not read by anybody.
    const MOST_TOLD: usize = 3;
    let said = pool.refusals(model).into_iter().take(MOST_TOLD).map(|(name, error)| format!("\n`{name}`: {}", for_callers(&error)));
    format!("no model can be asked at the moment{}", said.collect::<String>())
}

/// The body of an error.
pub(super) fn error_body(message: &str, kind: &str, param: Option<&str>, code: &str) -> Bytes {
    json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }).to_string().into()
}

impl GatewayError {
    /// An error of the gateway's own.
    pub fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        let kind = match status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "gateway_error",
            _ => "invalid_request_error",
        };
        Self { status, code, body: error_body(message, kind, None, code), retry_after: None, exhausted: false, way: Box::default(), left: None }
    }

    /// A request that is at fault.
    pub fn caller((param, message): super::body::Fault) -> Self {
        let body = error_body(&message, "invalid_request_error", param, "invalid_request");
        Self { body, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", "") }
    }

    /// The gateway ends, and waits for the answer no longer.
    pub fn stops() -> Self {
        let message = "the gateway stops, and the answer was not there in time";
        let stopped = Self::new(StatusCode::SERVICE_UNAVAILABLE, "gateway_stops", message).after(Duration::from_secs(1));
        let way = Way { overhead: Some(Duration::ZERO), ..Way::default() }; // it waited for a service, or for its turn
        Self { way: way.into(), ..stopped }
    }

    /// When it may be tried again.
    pub fn after(self, time: Duration) -> Self {
        Self { retry_after: Some(time), ..self }
    }

    /// Tells what is left of the limits too.
    pub fn with_limits(self, left: [Option<Allowance>; 2]) -> Self {
        Self { left: Some(Box::new(left)), ..self }
    }

    /// Tells what the gateway took for itself too.
    pub fn with_overhead(mut self, overhead: Duration) -> Self {
        self.way.overhead = Some(overhead);
        self
    }

    /// What a pool's silence means to the caller.
    pub fn of(exhausted: Exhausted, model: &str, pool: &Pool) -> Self {
        match exhausted {
            Exhausted::UnknownModel(name) => {
                let message = if is_any(&name) {
                    format!("`{name}` means any model with a weight above 0, and there is none\nhint: ask for a model by its name")
                } else {
                    format!("there is no model `{name}`\nhint: GET /v1/models lists them, and `auto` is any of them")
                };
                let body = error_body(&message, "invalid_request_error", Some("model"), "model_not_found");
                Self { body, ..Self::new(StatusCode::NOT_FOUND, "model_not_found", "") }
            }
            Exhausted::QueueFull => Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many calls wait for a model").after(Duration::from_secs(1)),
            Exhausted::NotReady { after, waited } => {
                let error = if pool.is_any_available(model) {
                    Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_timeout", "no model was free in time")
                } else {
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_available_model", &nobody_there(model, pool))
                };
                let after = after.unwrap_or(Duration::from_secs(1));
                Self { way: Box::new(Way { waited, ..Way::default() }), exhausted: after > LONGEST_HEEDED, ..error.after(after) }
            }
            Exhausted::Failed { failure, deployment, attempts, waited } => {
                let way = Way { deployment: Some(deployment), attempts, waited, overhead: None };
                Self { way: Box::new(way), ..Self::of_failure(failure) }
            }
        }
    }

    /// The last failure of a call, as the service told it.
    fn of_failure(failure: Failure) -> Self {
        let (status, code) = match (failure.status, failure.class) {
            (Some(504), _) => (504, "upstream_timeout"),
            (Some(404), ErrorClass::Auth) => (404, "upstream_not_found"),
            (Some(status), _) if (400..600).contains(&status) => (status, failure.class.name()),
            (_, ErrorClass::RateLimited | ErrorClass::Quota) => (429, failure.class.name()),
            (_, ErrorClass::Caller | ErrorClass::Filtered) => (400, failure.class.name()),
            (_, ErrorClass::Unreachable) => (502, "upstream_unreachable"),
            _ => (502, "upstream_error"),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        // A service's own error is passed on whole; what is no error of OpenAI's shape is put into one.
        let own = failure
            .body
            .filter(|body| serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body.get("error").is_some_and(|error| !error.is_null())));
        let body = own.unwrap_or_else(|| error_body(for_callers(&failure.message), "gateway_error", None, code));
        let soon = if failure.class == ErrorClass::Quota { QUOTA_RESTS } else { Duration::from_secs(1) };
        let retry_after = failure.retry_after.or_else(|| matches!(status.as_u16(), 429 | 503).then_some(soon));
        Self { body, retry_after, exhausted: true, ..Self::new(status, code, "") }
    }

    /// The response, for which the gateway took so long itself.
    pub fn response(self, overhead: Duration) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs_f64().ceil().max(1.0) as u64));
        }
        if let Some(left) = self.left {
            tell_limits(*left, headers);
        }
        tell_way(headers, self.way.deployment.as_deref(), self.way.attempts, overhead);
        if self.exhausted {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}
