//! The routes: chat, embeddings, and the counts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Fault};
use crate::delay;
use crate::ledger::{Counts, InFlight, Ledger, Received};
use crate::reply::chat_reply;
use crate::streamed;
use crate::wire::Wire;

struct Service {
    behaviour: Behaviour,
    ledger: Arc<Ledger>,
    second: Mutex<(Instant, u64)>,
    /// What a bucket held, and when.
    bucket: Mutex<(Instant, f64)>,
    started: Instant,
}

pub(crate) fn router(behaviour: Behaviour, ledger: Arc<Ledger>) -> Router {
    let now = Instant::now();
    let bucket = Mutex::new((now, behaviour.burst.unwrap_or_default() as f64));
    let service = Arc::new(Service { behaviour, ledger, second: Mutex::new((now, 0)), bucket, started: now });
    let headers = service.behaviour.headers.clone();
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings))
        .route("/counts", get(counts))
        .route("/health", get(health))
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::map_response(move |mut response: Response| {
            for (name, value) in &headers {
                let name: header::HeaderName = name.parse().expect("a header's name");
                response.headers_mut().insert(name, value.parse().expect("a header's value"));
            }
            std::future::ready(response)
        }))
        .with_state(service)
}

async fn counts(State(service): State<Arc<Service>>) -> Json<Counts> {
    Json(service.ledger.counts())
}

async fn health(State(service): State<Arc<Service>>) -> StatusCode {
    if service.started.elapsed() < service.behaviour.loading { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

async fn chat(State(service): State<Arc<Service>>, ConnectInfo(wire): ConnectInfo<Wire>, headers: HeaderMap, body: Bytes) -> Response {
    let answered_at = Instant::now() + service.behaviour.latency;
    service.keep("/v1/chat/completions", &headers, &body);
    let Ok(request) = serde_json::from_slice::<Value>(&body) else { return error(400, "invalid_request_error", None, "the request is no JSON") };
    let prompt = prompt_of(&request);
    let marks = Marks::of(&prompt);
    let (number, in_flight) = service.ledger.ask(Some(prompt));
    if let Some(refusal) = service.over_the_limit() {
        in_flight.failed();
        return refusal;
    }
    delay::until(answered_at).await;
    if let Some(status) = marks.status {
        in_flight.failed();
        if status == 429 {
            return rate_limited(service.behaviour.retry_after);
        }
        return error(status, "asked_for", None, "the prompt asked for this status");
    }
    let reply = chat_reply(&service.behaviour, &request, body.len(), number, &marks);
    let fault = service.behaviour.fault_of(number);
    if request["stream"] == true
        && let Some(pieces) = streamed::pieces(&service.behaviour, &request, &reply, fault)
    {
        return streamed::response(pieces, in_flight);
    }
    service.give(fault, &wire, &headers, &reply, in_flight).await
}

async fn embeddings(State(service): State<Arc<Service>>, ConnectInfo(wire): ConnectInfo<Wire>, headers: HeaderMap, body: Bytes) -> Response {
    let answered_at = Instant::now() + service.behaviour.latency;
    service.keep("/v1/embeddings", &headers, &body);
    let Ok(request) = serde_json::from_slice::<Value>(&body) else { return error(400, "invalid_request_error", None, "the request is no JSON") };
    let (number, in_flight) = service.ledger.ask(None);
    if let Some(refusal) = service.over_the_limit() {
        in_flight.failed();
        return refusal;
    }
    delay::until(answered_at).await;
    let texts: Vec<&str> = match &request["input"] {
        Value::String(text) => vec![text],
        texts => texts.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    // The last text first: a client has to go by the index.
    let data: Vec<Value> =
        texts.iter().enumerate().rev().map(|(index, text)| json!({ "object": "embedding", "index": index, "embedding": vector_of(text) })).collect();
    let reply = json!({ "object": "list", "model": request["model"], "data": data, "usage": { "prompt_tokens": texts.len(), "total_tokens": texts.len() } });
    service.give(service.behaviour.fault_of(number), &wire, &headers, &reply, in_flight).await
}

/// Four numbers that are the same for the same text.
fn vector_of(text: &str) -> [f64; 4] {
    let sum: u32 = text.bytes().map(u32::from).sum();
    [text.len() as f64, f64::from(sum % 97), f64::from(sum % 13), 1.0]
}

/// What a prompt asks for itself.
pub(crate) struct Marks {
    pub(crate) length: bool,
    pub(crate) thinking: bool,
    pub(crate) filter: bool,
    status: Option<u16>,
}

impl Marks {
    fn of(prompt: &str) -> Self {
        let marked = prompt.contains("[["); // most prompts are searched once only
        let status = prompt.split_once("[[status ").and_then(|(_, rest)| rest.split_once("]]")).and_then(|(status, _)| status.trim().parse().ok());
        Self {
            length: marked && prompt.contains("[[length]]"),
            thinking: marked && prompt.contains("[[thinking]]"),
            filter: marked && prompt.contains("[[filter]]"),
            status,
        }
    }
}

impl Service {
    fn over_the_limit(&self) -> Option<Response> {
        let limit = self.behaviour.requests_per_second?;
        if let Some(most) = self.behaviour.burst {
            let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            let held = bucket.0.elapsed().as_secs_f64().mul_add(limit as f64, bucket.1).min(most as f64);
            let is_taken = held >= 1.0;
            *bucket = (Instant::now(), if is_taken { held - 1.0 } else { held });
            return (!is_taken).then(|| rate_limited(self.behaviour.retry_after));
        }
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let since = second.0.elapsed();
        if since >= Duration::from_secs(1) {
            *second = (Instant::now(), 0);
        }
        second.1 += 1;
        (second.1 > limit).then(|| rate_limited(Some(Duration::from_secs(1).saturating_sub(since))))
    }

    fn keep(&self, path: &str, headers: &HeaderMap, body: &Bytes) {
        if self.behaviour.keeps_requests {
            let headers = headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
            self.ledger.keep(Received { path: path.to_owned(), headers, body: body.to_vec() });
        }
    }

    /// The reply, or what the fault makes of it.
    async fn give(&self, fault: Option<Fault>, wire: &Wire, headers: &HeaderMap, reply: &Value, in_flight: InFlight) -> Response {
        match fault {
            None => answer(in_flight, reply),
            Some(Fault::Stall | Fault::StallBeforeContent | Fault::StallAfterContent) => {
                let _waits = in_flight; // until the client goes away
                std::future::pending().await
            }
            Some(fault) => {
                in_flight.failed();
                self.fail(fault, wire, headers, reply)
            }
        }
    }

    fn fail(&self, fault: Fault, wire: &Wire, headers: &HeaderMap, reply: &Value) -> Response {
        let key = headers.get(header::AUTHORIZATION).and_then(|key| key.to_str().ok()).unwrap_or_default();
        match fault {
            Fault::RateLimited => rate_limited(self.behaviour.retry_after),
            Fault::Quota => error(429, "insufficient_quota", Some("insufficient_quota"), "You exceeded your current quota."),
            Fault::Unauthorized => error(401, "invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided."),
            Fault::Status(status) => error(status, if status < 500 { "invalid_request_error" } else { "server_error" }, None, "the service was told to fail"),
            Fault::Leak => error(401, "invalid_request_error", Some("invalid_api_key"), &format!("{key} is not a key")),
            Fault::Reset => {
                wire.reset();
                StatusCode::OK.into_response()
            }
            Fault::CutBody | Fault::CutBeforeContent => {
                let whole = reply.to_string();
                let half = Bytes::copy_from_slice(&whole.as_bytes()[..whole.len() / 2]);
                let cut = stream::once(async { Ok(half) }).chain(stream::once(async {
                    tokio::time::sleep(Duration::from_millis(1)).await; // lets the first half leave
                    Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
                }));
                ([(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_LENGTH, whole.len().to_string())], Body::from_stream(cut))
                    .into_response()
            }
            Fault::BadJson | Fault::BadEventLater => {
                ([(header::CONTENT_TYPE, "application/json")], "{\"choices\": [{\"message\": {\"content\": \"never closed").into_response()
            }
            Fault::ErrorInBody | Fault::ErrorEvent | Fault::ErrorEventLater => Json(overloaded()).into_response(),
            Fault::NoChoices | Fault::Stall | Fault::StallBeforeContent | Fault::StallAfterContent => {
                Json(json!({ "id": "chatcmpl-0", "choices": [] })).into_response()
            }
        }
    }
}

fn answer(in_flight: InFlight, reply: &Value) -> Response {
    let response = Json(reply).into_response();
    in_flight.answered();
    response
}

/// The error of a service that has too much to do.
pub(crate) fn overloaded() -> Value {
    json!({ "error": { "message": "the model is overloaded", "type": "overloaded_error", "code": 503 } })
}

fn rate_limited(after: Option<Duration>) -> Response {
    let mut response = error(429, "requests", Some("rate_limit_exceeded"), "Rate limit reached for requests.");
    if let Some(after) = after {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, after.as_secs_f64().ceil().to_string().parse().expect("a number is a header's value"));
        if after.subsec_nanos() > 0 {
            headers.insert("retry-after-ms", after.as_millis().to_string().parse().expect("a number is a header's value"));
        }
    }
    response
}

fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error": { "message": message, "type": kind, "param": null, "code": code } }))).into_response()
}

fn prompt_of(request: &Value) -> String {
    let contents = request["messages"].as_array().into_iter().flatten().filter_map(|message| message["content"].as_str());
    contents.collect::<Vec<_>>().join("\n")
}
