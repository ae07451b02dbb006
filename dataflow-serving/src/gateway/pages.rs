//! What the gateway tells about itself.

use std::sync::PoisonError;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::State;
use super::errors::GatewayError;
use super::routes::of_type;
use crate::pool::Deployment;

const STATUS_PAGE: &str = include_str!("page.html");

/// `GET /`.
pub(super) fn root() -> Value {
    json!({ "name": "DataFlow gateway", "version": env!("CARGO_PKG_VERSION"), "status": "running" })
}

/// `GET /v1/models/NAME`: one model, where a request may name it.
pub(super) fn model(state: &State, name: &str) -> Option<Value> {
    state.pool.knows(name).then(|| shown(state, name))
}

fn shown(state: &State, name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": state.created, "owned_by": "flux-api" })
}

/// `GET /v1/models`: the names that can be asked for.
pub(super) fn models(state: &State) -> Value {
    let mut names: Vec<String> = Vec::new();
    for deployment in state.pool.deployments().iter().filter(|deployment| deployment.settings().weight > 0.0) {
        if !names.iter().any(|name| name == deployment.name()) {
            names.push(deployment.name().to_owned());
        }
    }
    let data: Vec<Value> = names.iter().map(|name| shown(state, name)).collect();
    json!({ "object": "list", "data": data })
}

/// `GET /admin/models`: each deployment and how it does.
pub(super) fn admin_models(state: &State) -> Value {
    let deployments = state.pool.deployments();
    let available = deployments.iter().filter(|deployment| deployment.health().available).count();
    json!({ "models": deployments.iter().map(|deployment| told(deployment)).collect::<Vec<_>>(), "total": deployments.len(), "available": available })
}

fn told(deployment: &Deployment) -> Value {
    let settings = deployment.settings();
    let (usage, cost) = deployment.usage();
    let mut told = json!({
        "id": settings.id, "name": deployment.name(), "model": settings.model, "weight": settings.weight, "channel": deployment.channel(),
        "ssl_verify": deployment.ssl_verify(), "safe_rps": settings.safe_rps, "safe_tpm": settings.safe_tpm,
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "cost": cost,
    });
    if let (Some(told), Ok(Value::Object(health))) = (told.as_object_mut(), serde_json::to_value(deployment.health())) {
        told.extend(health);
    }
    told
}

/// `GET /admin/health`: healthy where all can be asked, degraded where some can.
pub(super) fn health(state: &State) -> Value {
    let deployments = state.pool.deployments();
    let available = deployments.iter().filter(|deployment| deployment.health().available).count();
    let status = match available {
        0 => "unhealthy",
        count if count == deployments.len() => "healthy",
        _ => "degraded",
    };
    let unchecked: Vec<&str> = deployments.iter().filter(|deployment| !deployment.ssl_verify()).map(|deployment| deployment.name()).collect();
    json!({
        "status": status, "available_models": available, "total_models": deployments.len(), "uptime": state.started.elapsed().as_secs_f64(),
        "waiting": state.pool.waiting(), "in_flight": state.metrics.in_flight(), "without_certificate_check": unchecked,
        "last_reload_error": state.last_reload_error(),
    })
}

/// `GET /admin/status`: all that the status page shows.
pub(super) fn status(state: &State) -> Value {
    let history = state.metrics.history.lock().unwrap_or_else(PoisonError::into_inner).points(Instant::now());
    json!({ "version": env!("CARGO_PKG_VERSION"), "health": health(state), "models": admin_models(state)["models"], "history": history })
}

/// `GET /metrics`.
pub(super) fn metrics(state: &State) -> Result<Response, GatewayError> {
    let text = state.metrics.text(&state.pool).map_err(|error| GatewayError::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", &error.to_string()))?;
    Ok(of_type("text/plain; version=0.0.4; charset=utf-8", Body::from(text)))
}

/// `GET /admin`: the page for people.
pub(super) fn status_page() -> Response {
    let mut response = of_type("text/html; charset=utf-8", Body::from(STATUS_PAGE));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
