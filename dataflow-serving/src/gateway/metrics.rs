//! What is counted: Prometheus metrics under the names of OpenTelemetry's GenAI conventions, and the last minutes for the status page.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dataflow_core::serving::Usage;
use http::Method;
use prometheus::core::Collector;
use prometheus::{Counter, Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use tracing::Span;

use super::history::History;
use super::{Route, trace};
use crate::pool::Pool;

const SECONDS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS: [f64; 14] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];
const OVERHEAD: [f64; 10] = [0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.02, 0.1];

/// The gateway's metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    duration: HistogramVec,
    first_token: HistogramVec,
    tokens: HistogramVec,
    overhead: Histogram,
    requests: IntCounterVec,
    attempts: IntCounterVec,
    cached: IntCounterVec,
    in_flight: IntGauge,
    pub history: Mutex<History>,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let histogram =
            |name: &str, help: &str, buckets: &[f64], labels: &[&str]| HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels);
        let labels = ["gen_ai_operation_name", "gen_ai_request_model", "deployment"];
        let metrics = Self {
            registry: Registry::new(),
            duration: histogram("gen_ai_server_request_duration_seconds", "How long calls take", &SECONDS, &[labels[0], labels[1], labels[2], "error_type"])?,
            first_token: histogram("gen_ai_server_time_to_first_token_seconds", "How long streams take to their first words", &SECONDS, &labels)?,
            tokens: histogram("gen_ai_client_token_usage", "Tokens of a call", &TOKENS, &[labels[0], labels[1], labels[2], "gen_ai_token_type"])?,
            overhead: Histogram::with_opts(
                HistogramOpts::new("dataflow_gateway_overhead_seconds", "What the gateway adds, without waiting for its callers or for a turn")
                    .buckets(OVERHEAD.to_vec()),
            )?,
            requests: IntCounterVec::new(Opts::new("dataflow_gateway_requests_total", "Requests by route and status"), &["route", "status"])?,
            attempts: IntCounterVec::new(Opts::new("dataflow_gateway_attempts_total", "Tries of calls"), &["route"])?,
            cached: IntCounterVec::new(Opts::new("dataflow_gateway_cache_total", "Calls that could be answered from the cache"), &["origin"])?,
            in_flight: IntGauge::new("dataflow_gateway_requests_in_flight", "Requests that are being answered")?,
            history: Mutex::new(History::new(Instant::now())),
        };
        let all: [Box<dyn Collector>; 8] = [
            Box::new(metrics.duration.clone()),
            Box::new(metrics.first_token.clone()),
            Box::new(metrics.tokens.clone()),
            Box::new(metrics.overhead.clone()),
            Box::new(metrics.requests.clone()),
            Box::new(metrics.attempts.clone()),
            Box::new(metrics.cached.clone()),
            Box::new(metrics.in_flight.clone()),
        ];
        all.into_iter().try_for_each(|metric| metrics.registry.register(metric))?;
        Ok(metrics)
    }

    /// Begins to count a request that came at this time; it is ended, or counted as left by its caller.
    pub fn begin(self: &Arc<Self>, counted: Counted, begun: Instant) -> Call {
        let ended = counted == Counted::Not;
        if !ended {
            self.in_flight.inc();
        }
        let (model, deployment) = (String::new(), String::new());
        Call { metrics: Arc::clone(self), span: Span::none(), counted, model, deployment, begun, overhead: None, ended }
    }

    /// Counts where an answer came from that may have been there already.
    pub fn cached(&self, origin: &str) {
        self.cached.with_label_values(&[origin]).inc();
    }

    /// Calls that are being answered.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// Everything as Prometheus reads it, the state of the pool too.
    pub fn text(&self, pool: &Pool) -> prometheus::Result<Vec<u8>> {
        let mut families = self.registry.gather();
        let now = Registry::new();
        let gauge = |name: &str, help: &str, labels: &[(&str, &str)], value: f64| -> prometheus::Result<()> {
            let opts = labels.iter().fold(Opts::new(name, help), |opts, (name, value)| opts.const_label(*name, *value));
            let gauge = Gauge::with_opts(opts)?;
            gauge.set(value);
            now.register(Box::new(gauge))
        };
        let counter = |name: &str, help: &str, labels: &[(&str, &str)], value: f64| -> prometheus::Result<()> {
            let opts = labels.iter().fold(Opts::new(name, help), |opts, (name, value)| opts.const_label(*name, *value));
            let counter = Counter::with_opts(opts)?;
            counter.inc_by(value);
            now.register(Box::new(counter))
        };
        gauge("dataflow_gateway_waiting", "Calls that wait for a deployment", &[], pool.waiting() as f64)?;
        for deployment in pool.deployments().iter() {
            let health = deployment.health();
            let labels = [("id", deployment.settings().id.as_str()), ("deployment", deployment.name())];
            gauge("dataflow_deployment_available", "Whether a deployment may be asked", &labels, f64::from(u8::from(health.available)))?;
            gauge("dataflow_deployment_in_flight", "Calls in flight at a deployment", &labels, health.in_flight as f64)?;
            gauge("dataflow_deployment_concurrency", "Calls that may be in flight at a deployment", &labels, health.concurrency as f64)?;
            counter("dataflow_deployment_answered_total", "Calls that a deployment has answered", &labels, health.answered as f64)?;
            if let (_, Some(cost)) = deployment.usage() {
                counter("dataflow_deployment_cost_total", "What a deployment's tokens have cost, by the prices of the file", &labels, cost)?;
            }
            counter("dataflow_deployment_failed_total", "Calls that failed by a deployment's fault", &labels, health.failed as f64)?;
        }
        families.extend(now.gather());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

/// What a request is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// A call of a model.
    Call(Route),
    /// Any other request under `/v1`, by the name of its route; no label is made of what a caller invents.
    Other(&'static str),
    /// Nothing: a request for what the gateway tells about itself.
    Not,
}

impl Counted {
    pub fn of(method: &Method, path: &str) -> Self {
        let routes = [Route::Chat, Route::Embeddings];
        match routes.into_iter().find(|route| route.name() == path) {
            Some(route) if method == Method::POST => Self::Call(route),
            Some(route) => Self::Other(route.name()),
            None if path == "/v1/models" || path.starts_with("/v1/models/") => Self::Other("/v1/models"),
            None if path == "/v1" || path.starts_with("/v1/") => Self::Other("other"),
            None => Self::Not,
        }
    }

    fn route(self) -> &'static str {
        match self {
            Self::Call(route) => route.name(),
            Self::Other(name) => name,
            Self::Not => "",
        }
    }
}

/// A request that is being counted, once. Dropped before its end, its caller has left, which is counted as 499.
#[derive(Debug)]
pub(super) struct Call {
    metrics: Arc<Metrics>,
    span: Span,
    counted: Counted,
    model: String,
    deployment: String,
    begun: Instant,
    overhead: Option<Duration>,
    ended: bool,
}

impl Call {
    /// The call as a span; it ends with the call, also where that is a stream.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The model that is asked for, where it is known: no label is made of what a caller invents.
    pub fn asks_for(&mut self, model: Option<&str>) {
        model.unwrap_or("unknown").clone_into(&mut self.model);
        if let Counted::Call(route) = self.counted {
            self.span = trace::call(route, &self.model);
        }
    }

    /// Who answers it, or was tried last; after how many tries and with how much time of the gateway's own.
    pub fn tried_by(&mut self, deployment: Option<&str>, attempts: u32, overhead: Duration) {
        if let Some(deployment) = deployment {
            deployment.clone_into(&mut self.deployment);
            self.span.record("gen_ai.response.model", deployment);
        }
        if attempts > 0 {
            self.metrics.attempts.with_label_values(&[self.counted.route()]).inc_by(u64::from(attempts));
        }
        self.overhead = Some(overhead);
    }

    /// Counts the time to a stream's first words.
    pub fn first_token(&self) {
        if let Counted::Call(route) = self.counted {
            let labels = [route.operation(), self.model.as_str(), self.deployment.as_str()];
            self.metrics.first_token.with_label_values(&labels).observe(self.begun.elapsed().as_secs_f64());
        }
    }

    /// Gives the count to what goes on once the answer has begun.
    pub fn go_on(&mut self) -> Self {
        let ended = std::mem::replace(&mut self.ended, true);
        let (model, deployment) = (std::mem::take(&mut self.model), std::mem::take(&mut self.deployment));
        Self { metrics: Arc::clone(&self.metrics), span: self.span.clone(), model, deployment, ended, ..*self }
    }

    /// Ends it with a status and what it took, where it has not ended yet.
    pub fn end(&mut self, status: u16, usage: Usage) {
        if !self.ended {
            self.overhead.get_or_insert_with(|| self.begun.elapsed());
            self.count(status, usage);
        }
    }

    fn count(&mut self, status: u16, usage: Usage) {
        self.ended = true;
        let (metrics, took) = (&self.metrics, self.begun.elapsed());
        let number = status.to_string();
        metrics.requests.with_label_values(&[self.counted.route(), &number]).inc();
        metrics.in_flight.dec();
        if let Some(overhead) = self.overhead {
            metrics.overhead.observe(overhead.as_secs_f64());
        }
        let Counted::Call(route) = self.counted else { return };
        self.span.record("http.response.status_code", status);
        let error = if status < 400 { "" } else { number.as_str() };
        let (operation, model, deployment) = (route.operation(), self.model.as_str(), self.deployment.as_str());
        metrics.duration.with_label_values(&[operation, model, deployment, error]).observe(took.as_secs_f64());
        if usage != Usage::default() {
            self.span.record("gen_ai.usage.input_tokens", usage.input_tokens).record("gen_ai.usage.output_tokens", usage.output_tokens);
            metrics.tokens.with_label_values(&[operation, model, deployment, "input"]).observe(usage.input_tokens as f64);
            metrics.tokens.with_label_values(&[operation, model, deployment, "output"]).observe(usage.output_tokens as f64);
        }
        metrics.history.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now(), status < 400, took);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.count(499, Usage::default());
        }
    }
}
