//! One model behind one channel, with its limits and its health.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dataflow_core::serving::Usage;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use tokio::sync::Notify;

use super::client::Clients;
use super::configuration::{Backoff, ChannelSettings, ModelSettings, seconds};
use super::health::{Health, HealthReport, NotNow, Outcome};
use super::limits::Limits;
use crate::Secret;

/// One model behind one channel.
pub struct Deployment {
    settings: ModelSettings,
    channel: String,
    ssl_verify: bool,
    client: Client,
    chat: Url,
    embeddings: Url,
    headers: HeaderMap,
    timeout: Duration,
    pub(super) limits: Arc<Limits>,
    pub(super) health: Arc<Health>,
    used: Arc<Used>,
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
    /// Makes ready what leads to a model. Limits and health are those of `before` where it is the same deployment with the same limits.
    pub(super) fn new(
        settings: &ModelSettings,
        channel_id: &str,
        channel: &ChannelSettings,
        backoff: Backoff,
        idle: usize,
        clients: &mut Clients,
        before: Option<&Self>,
    ) -> Result<Self, String> {
        let wrong = |message: String| format!("model `{}`: {message}", settings.id);
        let base = Url::parse(channel.base_url.trim_end_matches('/')).map_err(|error| wrong(format!("`base_url` is no address: {error}")))?;
        let at = |path: &str| {
            let mut url = base.clone();
            url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/')));
            url
        };
        let chat = at(&channel.api_path);
        let embeddings = at(&match channel.api_path.strip_suffix("/chat/completions") {
            Some(version) => format!("{version}/embeddings"),
            None => "/v1/embeddings".to_owned(),
        });
        let client = clients.client_of(channel, &base, idle).map_err(wrong)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = settings.api_key.as_ref().map(Secret::reveal).map(str::trim).filter(|key| !key.is_empty()) {
            let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| wrong("the key holds characters that no key has".into()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let timeout = seconds(settings.timeout.min(channel.timeout)).ok_or_else(|| wrong("`timeout` should be a number of seconds above 0".into()))?;
        // A tenth of the weight is what AI-DataFlux holds to where nothing is said.
        let requests = settings.safe_rps.unwrap_or_else(|| (settings.weight / 10.0).clamp(0.5, 10.0));
        let same_limits = |before: &&Self| {
            before.settings.safe_rps == settings.safe_rps
                && before.settings.safe_tpm == settings.safe_tpm
                && before.settings.weight.to_bits() == settings.weight.to_bits()
        };
        let limits = before.filter(same_limits).map_or_else(|| Arc::new(Limits::new(Some(requests), settings.safe_tpm)), |before| Arc::clone(&before.limits));
        let same_flight = |before: &&Self| before.settings.max_concurrency == settings.max_concurrency;
        let health = before.filter(same_flight).map_or_else(|| Arc::new(Health::new(backoff, settings.max_concurrency)), |before| Arc::clone(&before.health));
        let used = before.map_or_else(Arc::default, |before| Arc::clone(&before.used));
        Ok(Self {
            settings: settings.clone(),
            channel: channel.name.clone().unwrap_or_else(|| channel_id.to_owned()),
            ssl_verify: channel.ssl_verify,
            client,
            chat,
            embeddings,
            headers,
            timeout,
            limits,
            health,
            used,
        })
    }

    /// What tells it apart from others when a file is read anew.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.settings.id == other.settings.id && self.chat == other.chat && self.settings.model == other.settings.model && self.headers == other.headers
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

    /// The client to ask it with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where chats go.
    pub fn chat_url(&self) -> &Url {
        &self.chat
    }

    /// Where texts go that want vectors.
    pub fn embeddings_url(&self) -> &Url {
        &self.embeddings
    }

    /// The headers that go with each request, its key among them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How it does.
    pub fn health(&self) -> HealthReport {
        self.health.report()
    }

    /// Tokens that it read and wrote, and what they cost where that is known.
    pub fn usage(&self) -> (Usage, Option<f64>) {
        let usage = Usage { input_tokens: self.used.input.load(Ordering::Relaxed), output_tokens: self.used.output.load(Ordering::Relaxed) };
        let cost = self.settings.prices.map(|prices| (usage.input_tokens as f64 * prices.input + usage.output_tokens as f64 * prices.output) / 1e6);
        (usage, cost)
    }

    /// Begins a call of about so many tokens; or says when that may be.
    pub(super) fn begin(self: &Arc<Self>, tokens: u64, freed: &Arc<Notify>) -> Result<Lease, NotNow> {
        let now = Instant::now();
        self.health.ready(now)?;
        self.limits.take(tokens).map_err(|wait| NotNow::At(now + wait))?;
        self.health.begin(now)?;
        Ok(Lease { deployment: Arc::clone(self), begun: now, thought: tokens, ended: false, freed: Arc::clone(freed) })
    }
}

/// A place at a deployment for one call. It has to be told how the call ended; dropped without, nothing is said about the deployment.
#[derive(Debug)]
pub struct Lease {
    deployment: Arc<Deployment>,
    begun: Instant,
    thought: u64,
    ended: bool,
    /// Told when the place is free again, also where that is long after the pool's part is done.
    freed: Arc<Notify>,
}

impl Lease {
    /// Who is asked.
    pub fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// Counts what the call took.
    pub fn settle(&self, usage: Usage) {
        let used = &self.deployment.used;
        used.input.fetch_add(usage.input_tokens, Ordering::Relaxed);
        used.output.fetch_add(usage.output_tokens, Ordering::Relaxed);
        self.deployment.limits.settle((usage.input_tokens + usage.output_tokens).saturating_sub(self.thought));
    }

    /// Says how the call ended.
    pub fn end(mut self, outcome: Outcome, error: Option<&str>) {
        self.ended = true;
        self.deployment.health.end(outcome, self.begun.elapsed(), error);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            self.deployment.health.end(Outcome::NotItsFault, self.begun.elapsed(), None);
        }
        self.freed.notify_waiters();
    }
}
