//! One model behind one channel, with its limits and its health.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use dataflow_core::serving::{ErrorClass, Usage};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::sync::Notify;

use super::Failure;
use super::breaker::Role;
use super::client::Clients;
use super::configuration::{Backoff, ChannelSettings, ModelSettings, seconds};
use super::health::{Change, Fault, Health, HealthReport, NotNow, Outcome, Rules};
use super::limits::Allowance;
use crate::Secret;
use crate::api::classify::by_status;
use crate::api::hints;
use crate::http::{Address, Answer, Service};

/// One model behind one channel.
pub struct Deployment {
    settings: ModelSettings,
    channel: String,
    ssl_verify: bool,
    service: Service,
    chat: Address,
    embeddings: Address,
    timeout: Duration,
    rules: Rules,
    pub(super) health: Arc<Health>,
    used: Arc<Used>,
    /// What it said when its key, its model, its account or its address was at fault, until it answers.
    refused: Arc<ArcSwapOption<String>>,
}

/// What is asked of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Words.
    Chat,
    /// Vectors.
    Embeddings,
}

impl Route {
    /// What a reply whose status is not well says. A service that has no vectors may have words, so nothing about vectors speaks for the other calls.
    pub fn failure(self, status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
        let failure = by_status(status, headers, body);
        if self == Self::Chat {
            return failure;
        }
        let has_no_such_route = matches!(status, 404 | 405 | 501);
        Failure { blameless: failure.blameless || has_no_such_route, is_for_all: false, ..failure }
    }
}

/// Tokens that were read and written.
#[derive(Debug, Default)]
struct Used {
    input: AtomicU64,
    output: AtomicU64,
}

impl fmt::Debug for Deployment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Deployment").field("id", &self.settings.id).field("model", &self.settings.model).finish_non_exhaustive()
    }
}

impl Deployment {
    /// Makes ready what leads to a model.
    pub(super) fn new(
        settings: &ModelSettings,
        channel_id: &str,
        channel: &ChannelSettings,
        backoff: Backoff,
        idle: usize,
        clients: &mut Clients,
    ) -> Result<Self, String> {
        let wrong = |message: String| format!("model `{}`: {message}", settings.id);
        let [chat, embeddings] = addresses(channel).map_err(wrong)?;
        let headers = bearer(settings).map_err(wrong)?.map(|value| (AUTHORIZATION, value)).into_iter().collect();
        let service = clients.service_of(channel, &chat, headers, idle).map_err(wrong)?;
        let timeout = seconds(settings.timeout.min(channel.timeout)).ok_or_else(|| wrong("`timeout` should be a number of seconds above 0".into()))?;
        let rules = Rules {
            backoff,
            most_in_flight: settings.max_concurrency,
            requests_per_second: settings.requests_per_second(),
            tokens_per_minute: settings.safe_tpm,
        };
        Ok(Self {
            settings: settings.clone(),
            channel: channel.name.clone().unwrap_or_else(|| channel_id.to_owned()),
            ssl_verify: channel.ssl_verify,
            service,
            chat,
            embeddings,
            timeout,
            rules,
            health: Arc::new(Health::new(rules)),
            used: Arc::default(),
            refused: Arc::default(),
        })
    }

    /// Goes on where the same deployment of the file before stood: its limits and its health stay with it.
    pub(super) fn succeed(&mut self, before: &Self) {
        self.used = Arc::clone(&before.used);
        if self.is_same_as(before) {
            self.health = Arc::clone(&before.health);
            self.refused = Arc::clone(&before.refused);
            self.health.set(self.rules);
        }
    }

    /// Whether what is known of the other holds for this one too: not where it leads elsewhere, or there with another key.
    fn is_same_as(&self, other: &Self) -> bool {
        self.settings.id == other.settings.id
            && self.chat == other.chat
            && self.settings.model == other.settings.model
            && self.service.headers() == other.service.headers()
    }

    /// What the file says of it.
    pub fn settings(&self) -> &ModelSettings {
        &self.settings
    }

    /// The name that is shown.
    pub fn name(&self) -> &str {
        self.settings.name.as_deref().unwrap_or(&self.settings.id)
    }

    /// The channel's name.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Whether the service's certificate is checked.
    pub fn ssl_verify(&self) -> bool {
        self.ssl_verify
    }

    /// Whether a request that names a model means this one.
    pub fn is_named(&self, name: &str) -> bool {
        self.settings.id == name || self.settings.model == name || self.settings.name.as_deref() == Some(name)
    }

    /// Sends a request's body, with some headers more. The time that the reply may take is the caller's to hold.
    pub(crate) async fn post(&self, route: Route, more: impl FnOnce(&mut HeaderMap), body: impl Into<Bytes>) -> Result<Answer, Failure> {
        let to = match route {
            Route::Chat => &self.chat,
            Route::Embeddings => &self.embeddings,
        };
        self.service.post(to, more, body.into()).await
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What is left of its limits of requests and of tokens, as the file sets them.
    pub fn left(&self) -> [Option<Allowance>; 2] {
        self.health.left()
    }

    /// Heeds what a reply's headers say of the service's own limits, before they are hit.
    pub fn heed(&self, headers: &HeaderMap) {
        if let Some(time) = hints::used_up(headers) {
            self.health.hold_back(time);
        }
    }

    /// How it does.
    pub fn health(&self) -> HealthReport {
        self.health.report()
    }

    /// What it said last when all calls were refused, whoever made them; `None` where it has answered since.
    pub fn refusal(&self) -> Option<Arc<String>> {
        self.refused.load_full()
    }

    /// Tokens that it read and wrote, and what they cost where that is known.
    pub fn usage(&self) -> (Usage, Option<f64>) {
        let usage = Usage { input_tokens: self.used.input.load(Ordering::Relaxed), output_tokens: self.used.output.load(Ordering::Relaxed) };
        let cost = self.settings.prices.map(|prices| (usage.input_tokens as f64 * prices.input + usage.output_tokens as f64 * prices.output) / 1e6);
        (usage, cost)
    }

    /// Begins a call of about so many tokens; or says when that may be. Where it is the only one, it is probed more often while its breaker is open.
    pub(super) fn begin(self: &Arc<Self>, tokens: u64, is_alone: bool, freed: &Arc<Notify>) -> Result<Lease, NotNow> {
        let now = Instant::now();
        let role = if is_alone { self.health.begin_alone(now, tokens)? } else { self.health.begin(now, tokens)? };
        Ok(Lease { deployment: Arc::clone(self), begun: now, role, thought: tokens, settled: AtomicBool::new(false), ended: false, freed: Arc::clone(freed) })
    }
}

/// Where a channel's service is asked for words, and where for vectors.
pub(super) fn addresses(channel: &ChannelSettings) -> Result<[Address; 2], String> {
    let base = Url::parse(channel.base_url.trim_end_matches('/')).map_err(|error| format!("`base_url` is no address: {error}"))?;
    let at = |path: &str| {
        let mut url = base.clone();
        url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/')));
        Address::new(url).ok_or_else(|| format!("`{path}` is no path that can be asked"))
    };
    let embeddings = match channel.api_path.strip_suffix("/chat/completions") {
        Some(version) => format!("{version}/embeddings"),
        None => "/v1/embeddings".to_owned(),
    };
    Ok([at(&channel.api_path)?, at(&embeddings)?])
}

/// The header that shows a model's key, where it has one.
pub(super) fn bearer(settings: &ModelSettings) -> Result<Option<HeaderValue>, String> {
    let Some(key) = settings.api_key.as_ref().map(Secret::reveal).map(str::trim).filter(|key| !key.is_empty()) else { return Ok(None) };
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| "the key holds characters that no key has")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// A place at a deployment for one call. It has to be told how the call ended; dropped without, nothing is said about the deployment.
#[derive(Debug)]
pub struct Lease {
    deployment: Arc<Deployment>,
    begun: Instant,
    role: Role,
    /// Tokens that it was thought to take, and whether it is known what it took.
    thought: u64,
    settled: AtomicBool,
    ended: bool,
    /// Told when the place is free again, also where that is long after the pool's part is done.
    freed: Arc<Notify>,
}

impl Lease {
    /// Who is asked.
    pub fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// Counts what the call took, in place of what it was thought to take; where nothing was told, that stands.
    pub fn settle(&self, usage: Usage) {
        let used = &self.deployment.used;
        used.input.fetch_add(usage.input_tokens, Ordering::Relaxed);
        used.output.fetch_add(usage.output_tokens, Ordering::Relaxed);
        if !self.settled.swap(true, Ordering::Relaxed) && usage != Usage::default() {
            self.deployment.health.settle(self.thought, usage.input_tokens + usage.output_tokens);
        }
    }

    /// A stream has said its first words.
    pub fn first_token(&self) {
        self.deployment.health.first_token(self.begun.elapsed());
    }

    /// Says how the call ended.
    pub fn end(mut self, outcome: Outcome, error: Option<&str>) {
        // A call that was refused or failed took nothing.
        if matches!(outcome, Outcome::Failed(_)) && !self.settled.swap(true, Ordering::Relaxed) {
            self.deployment.health.settle(self.thought, 0);
        }
        self.ended = true;
        match outcome {
            Outcome::Answered if self.deployment.refused.load().is_some() => self.deployment.refused.store(None),
            Outcome::Failed(Fault { class: ErrorClass::Auth | ErrorClass::Quota | ErrorClass::Unreachable, .. }) => {
                self.deployment.refused.store(error.map(|error| Arc::new(error.to_owned())));
            }
            _ => {}
        }
        let (model, channel) = (self.deployment.name(), self.deployment.channel());
        match self.deployment.health.end(outcome, self.role, self.begun.elapsed(), error) {
            Some(Change::LeftAlone(time)) => {
                tracing::warn!(
                    model,
                    channel,
                    seconds = time.as_secs_f64().ceil() as u64,
                    error = error.unwrap_or_default(),
                    "a model is left alone for a while"
                );
            }
            Some(Change::Back) => tracing::info!(model, channel, "a model is asked again"),
            None => {}
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            self.deployment.health.end(Outcome::Left, self.role, self.begun.elapsed(), None);
        }
        self.freed.notify_waiters();
    }
}
