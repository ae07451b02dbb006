//! What is answered at which address.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use dataflow_core::serving::{Reply, Usage};
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;
use tracing::Instrument;

use super::access::{Door, add_cors, enter, shown_key};
use super::attempt::{self, ask};
use super::body::RequestBody;
use super::errors::{GatewayError, tell_limits, tell_way};
use super::metrics::{Call, Counted};
use super::{Route, State, pages, server, streaming, trace};
use crate::pool::{Answered, CallOptions, Exhausted, GatewaySettings, Origin, Use};

/// No call is given longer than this.
const LONGEST: Duration = Duration::from_hours(24);
/// Tries of a call that take longer together than so many times what one may take are not followed by another: with the default of five minutes for one, clients wait no longer.
const MOST_TIMEOUTS: u32 = 2;
/// How long a request's body may take.
const BODY_PATIENCE: Duration = Duration::from_mins(1);

/// Answers a request.
pub(super) async fn answer(state: Arc<State>, request: Request<Body>) -> Response {
    let begun = Instant::now();
    let settings = state.settings.load_full();
    let (head, body) = request.into_parts();
    let (mut asked, method, path) = (head.headers, head.method, head.uri.path());
    let id = request_id(&asked);
    asked.insert("x-request-id", id.clone());
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let mut counted = state.metrics.begin(Counted::of(&method, path), begun);
    let head: usize = asked.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let result = if head > server::LARGEST_HEAD {
        Err(GatewayError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "the headers may have 64 KB at the most"))
    } else if method == Method::OPTIONS {
        Ok(empty(StatusCode::NO_CONTENT))
    } else {
        let arrived = Arrived { method: &method, path, headers: &asked, begun };
        tokio::select! {
            biased;
            result = route(&state, &settings, arrived, body, &mut counted) => result,
            () = state.break_off.cancelled() => Err(GatewayError::stops()),
        }
    };
    let mut response = result.unwrap_or_else(|error| {
        tracing::debug!(path, status = error.status.as_u16(), code = error.code, "a request was refused or failed");
        let overhead = error.way.overhead.unwrap_or_else(|| begun.elapsed());
        counted.tried_by(error.way.deployment.as_deref(), error.way.attempts, overhead);
        error.response(overhead)
    });
    counted.end(response.status().as_u16(), Usage::default());
    let headers = response.headers_mut();
    headers.insert("x-request-id", id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    add_cors(&settings, &asked, &method, headers);
    response
}

/// A request but for its body.
#[derive(Clone, Copy)]
struct Arrived<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    begun: Instant,
}

/// What is answered, or why nothing is.
async fn route(state: &Arc<State>, settings: &GatewaySettings, arrived: Arrived<'_>, body: Body, counted: &mut Call) -> Result<Response, GatewayError> {
    let Arrived { method, path, headers: asked, .. } = arrived;
    let loopback = state.loopback;
    let may = |door| enter(door, settings, loopback, asked);
    let only = |wanted: Method| {
        let error = || GatewayError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &format!("`{path}` takes {wanted}, found {method}"));
        if *method == wanted { Ok(()) } else { Err(error()) }
    };
    match path {
        "/v1/chat/completions" | "/v1/embeddings" => {
            only(Method::POST)?;
            may(Door::Api)?;
            let route = if path == "/v1/embeddings" { Route::Embeddings } else { Route::Chat };
            call(state, settings, route, arrived, body, counted).await
        }
        "/" => only(Method::GET).map(|()| json(&pages::root())),
        "/v1/models" => {
            only(Method::GET)?;
            may(Door::Api)?;
            Ok(json(&pages::models(state)))
        }
        // The page holds nothing of the gateway's; what it shows it has to ask for with the key.
        "/admin" => only(Method::GET).map(|()| pages::status_page()),
        "/admin/health" | "/admin/models" | "/admin/status" | "/metrics" => {
            only(Method::GET)?;
            may(Door::Admin)?;
            match path {
                "/admin/health" => Ok(json(&pages::health(state))),
                "/admin/models" => Ok(json(&pages::admin_models(state))),
                "/admin/status" => Ok(json(&pages::status(state))),
                _ => pages::metrics(state),
            }
        }
        "/admin/reload" => {
            only(Method::POST)?;
            may(Door::Admin)?;
            match state.reload() {
                Ok(warnings) => Ok(json(&serde_json::json!({ "status": "reloaded", "warnings": warnings }))),
                Err(error) => Err(GatewayError::new(StatusCode::BAD_REQUEST, "invalid_configuration", &error.to_string())),
            }
        }
        _ => match path.strip_prefix("/v1/models/") {
            Some(name) => {
                only(Method::GET)?;
                may(Door::Api)?;
                let unknown = || GatewayError::of(Exhausted::UnknownModel(name.to_owned()), name, &state.pool);
                pages::model(state, name).map(|model| json(&model)).ok_or_else(unknown)
            }
            None => Err(GatewayError::new(StatusCode::NOT_FOUND, "not_found", &format!("there is nothing at `{path}`"))),
        },
    }
}

/// A call of a model.
async fn call(
    state: &Arc<State>,
    settings: &GatewaySettings,
    route: Route,
    arrived: Arrived<'_>,
    body: Body,
    counted: &mut Call,
) -> Result<Response, GatewayError> {
    let Arrived { headers: asked, begun, .. } = arrived;
    let deadline = deadline(asked)?;
    let before = begun.elapsed();
    let (bytes, sending) = read_body(settings, asked, body).await.map_err(|error| error.with_overhead(before))?;
    // What was neither waiting for the caller, nor a try, nor waiting for one.
    let own_time = |elsewhere: Duration| begun.elapsed().saturating_sub(sending + elsewhere);
    let request = RequestBody::read(bytes, route).map_err(|fault| GatewayError::caller(fault).with_overhead(own_time(Duration::ZERO)))?;
    counted.asks_for(state.pool.knows(&request.model).then_some(request.model.as_str()));
    trace::follow(counted.span(), asked);
    let options = CallOptions {
        model: request.model.clone(),
        tokens: request.tokens,
        deadline: deadline.map(|time| begun + time),
        queue_timeout: Duration::try_from_secs_f64(settings.queue_timeout).ok().map(|time| time.min(LONGEST)),
        max_queue: settings.max_queue,
        most_timeouts: MOST_TIMEOUTS,
        ..CallOptions::default()
    };
    let at_services = &Total(std::sync::atomic::AtomicU64::new(0));
    let through_pool = state.pool.call(&options, |lease| {
        let request = &request;
        async move {
            let sent = Instant::now();
            let given = ask(lease, request, route, asked, options.deadline).await;
            at_services.add(sent.elapsed());
            given
        }
    });
    let cache = state.cache.load_full().filter(|_| !request.stream);
    let answered = match &cache {
        None => through_pool.instrument(counted.span().clone()).await.map(Given::Asked),
        Some(cache) => {
            let key = request.question_key(route, shown_key(asked), &state.pool.identity(&request.model));
            let mut own = None;
            let asking = async {
                let answered = through_pool.instrument(counted.span().clone()).await?;
                let kept = kept(&answered.value);
                own = Some(answered);
                Ok(kept)
            };
            let answer = cache.answer(key, asking).await;
            answer.map(|(reply, origin)| match own {
                Some(answered) => Given::Asked(answered),
                None => Given::Before(reply, origin),
            })
        }
    };
    let left = state.pool.left(&request.model);
    let mut response = match answered {
        Err(exhausted) => {
            let error = GatewayError::of(exhausted, &request.model, &state.pool);
            let overhead = own_time(at_services.total() + error.way.waited);
            return Err(error.with_limits(left).with_overhead(overhead));
        }
        Ok(Given::Before(reply, origin)) => {
            let origin = if origin == Origin::Journal { "hit" } else { "shared" };
            state.metrics.cached(origin);
            let overhead = own_time(Duration::ZERO);
            counted.tried_by(Some(&reply.model), 0, overhead);
            let mut response = of_type("application/json", Body::from(reply.content));
            tell_way(response.headers_mut(), Some(&reply.model), 0, overhead);
            response.headers_mut().insert("x-flux-cache", HeaderValue::from_static(origin));
            response
        }
        Ok(Given::Asked(Answered { value, attempts, waited })) => {
            let overhead = own_time(at_services.total() + waited);
            let deployment = value.deployment().to_owned();
            counted.tried_by(Some(&deployment), attempts, overhead);
            let mut response = match value {
                attempt::Given::Whole { body, usage, .. } => {
                    counted.end(200, usage);
                    of_type("application/json", Body::from(body))
                }
                attempt::Given::Stream(opened) => {
                    counted.first_token();
                    let mut response = of_type("text/event-stream; charset=utf-8", streaming::body(opened, counted.go_on(), state.break_off.clone()));
                    let headers = response.headers_mut();
                    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
                    response
                }
            };
            tell_way(response.headers_mut(), Some(&deployment), attempts, overhead);
            if cache.is_some() {
                state.metrics.cached("miss");
                response.headers_mut().insert("x-flux-cache", HeaderValue::from_static("miss"));
            }
            response
        }
    };
    tell_limits(left, response.headers_mut());
    Ok(response)
}

/// A request's body, and how long its caller took to send it.
async fn read_body(settings: &GatewaySettings, asked: &HeaderMap, body: Body) -> Result<(Bytes, Duration), GatewayError> {
    let begun = Instant::now();
    let limit = usize::try_from(settings.max_body_mb.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
    let too_large = || {
        let message = format!("the body may have {} MB at the most\nhint: `gateway.max_body_mb`", settings.max_body_mb);
        GatewayError::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", &message)
    };
    let told = asked.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > limit) {
        read_out(body).await;
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_PATIENCE, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok((bytes, begun.elapsed())),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(GatewayError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body did not come in time")),
    }
}

/// How a call was answered.
enum Given {
    Asked(Answered<attempt::Given>),
    /// It had been answered before, or with another.
    Before(Reply, Origin),
}

/// A reply as the journal keeps it, its body as its content.
fn kept(given: &attempt::Given) -> (Reply, Use) {
    match given {
        attempt::Given::Whole { body, deployment, usage, may } => match std::str::from_utf8(body) {
            Ok(text) => (Reply { content: text.to_owned(), model: deployment.clone(), usage: *usage, ..Reply::default() }, *may),
            Err(_) => (Reply::default(), Use::Once),
        },
        attempt::Given::Stream(_) => (Reply::default(), Use::Once),
    }
}

/// Reads what a caller is still sending and would otherwise miss the answer over; not for long.
async fn read_out(body: Body) {
    let mut left = 64usize << 20;
    let mut pieces = body.into_data_stream();
    let reading = async {
        while let Some(Ok(piece)) = pieces.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.ok(); // who is slower is not waited for
}

/// A time that several tries of one call add to.
struct Total(std::sync::atomic::AtomicU64);

impl Total {
    fn add(&self, time: Duration) {
        self.0.fetch_add(time.as_nanos() as u64, std::sync::atomic::Ordering::Relaxed);
    }

    fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// The time that the caller gives the call; a day at the most.
fn deadline(asked: &HeaderMap) -> Result<Option<Duration>, GatewayError> {
    let Some(given) = asked.get("x-flux-deadline-ms") else { return Ok(None) };
    match given.to_str().ok().and_then(|given| given.trim().parse().ok()) {
        Some(time @ 1..) => Ok(Some(Duration::from_millis(time).min(LONGEST))),
        Some(0) | None => Err(GatewayError::caller((None, "`x-flux-deadline-ms` should be a whole number of milliseconds from 1 on".into()))),
    }
}

/// The caller's own identity of the request where it is plain, and a new one otherwise.
fn request_id(asked: &HeaderMap) -> HeaderValue {
    let plain =
        |value: &&HeaderValue| (1..=128).contains(&value.len()) && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte));
    match asked.get("x-request-id").filter(plain) {
        Some(id) => id.clone(),
        None => HeaderValue::try_from(format!("req-{:016x}", rand::random::<u64>())).unwrap_or(HeaderValue::from_static("req")),
    }
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A body of a type.
pub(super) fn of_type(kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn json(value: &Value) -> Response {
    of_type("application/json", Body::from(value.to_string()))
}
