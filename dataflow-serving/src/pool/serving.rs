//! A pool as a pipeline's serving: `type: pool`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dataflow_core::configuration::Faults;
use dataflow_core::journal::QuestionKey;
use dataflow_core::operator::PathUse;
use dataflow_core::serving::{Chat, Embeddings, ErrorClass, Finish, LLMServing, Reply, ServingError, ServingKind};
use dataflow_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::configuration::{seconds, without_password};
use super::{Answered, CallOptions, Configuration, Exhausted, Failure, GatewaySettings, Lease, Outcome, Pool, ReplyCache, Route, Switch, Use};
use crate::api::back_off::Hurry;
use crate::api::options::{ApiOptions, SchemaMode};
use crate::api::wire;

inventory::submit! {
    ServingKind { name: "pool", build: |value| {
        let check = |options| PoolServing::try_new(options).err().map(Error::into_faults).unwrap_or_default();
        let serving = PoolServing::try_new(crate::options::read_with::<PoolOptions>(value, gateways, check)?)?;
        for warning in serving.warnings() {
            tracing::warn!("{warning}");
        }
        Ok(Arc::new(serving))
    } }
}

/// A hint for a key that stands under `gateway`.
fn gateways(key: &str) -> Option<String> {
    let settings = serde_json::to_value(GatewaySettings::default()).ok()?;
    settings.get(key).map(|_| format!("`gateway: {{ {key}: … }}`"))
}

/// The folder of the reply journal, where none is given.
pub(crate) const POOL_CACHE: &str = "./cache/pool";

/// How a pool is set up in a pipeline file: its models and channels there, or the file that has them.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolOptions {
    /// A configuration file with `models` and `channels`; in a pipeline file from its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// The models, as such a file has them.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub models: Value,
    /// The channels, as such a file has them.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub channels: Value,
    /// The gateway's settings that shape the pool, such as `backoff`.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub gateway: Value,
    /// The model that is asked for by name; without it, any by weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How often a call that failed is tried again.
    pub max_retries: Option<u32>,
    /// The longest reply, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Whether equal calls on their way share one answer, and answers are kept in `cache_path`; a pipeline's own journal does both already.
    pub cache: Switch,
    /// The folder of the reply journal; in a pipeline file from its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_path: Option<PathBuf>,
    /// The most calls in flight over all models; what the models allow without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<usize>,
    /// Seconds for which no call is begun once every model that may be asked has failed three times one after another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<f64>,
    /// Seconds after a pause in which no other begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_window: Option<f64>,
}

/// Leaves the models out: keys may stand in them.
impl fmt::Debug for PoolOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PoolOptions").field("config", &self.config).field("model", &self.model).finish_non_exhaustive()
    }
}

impl PoolOptions {
    /// Numbers out of their range, and what is said twice.
    fn problems(&self) -> Vec<String> {
        let none = self.max_concurrency.filter(|most| *most == 0).map(|_| "`max_concurrency` should be at least 1, found 0".to_owned());
        let negative = [("pause", self.pause), ("pause_window", self.pause_window)].into_iter().filter_map(|(key, found)| {
            let found = found.filter(|found| found.is_nan() || *found < 0.0)?;
            Some(format!("`{key}` should be a number of seconds from 0 on, found {found}"))
        });
        let inline = [("models", &self.models), ("channels", &self.channels), ("gateway", &self.gateway)];
        let twice = inline
            .into_iter()
            .filter(|(_, value)| self.config.is_some() && !value.is_null())
            .map(|(key, _)| format!("`{key}` cannot stand beside `config`, whose file says all of it\nhint: leave one of them out"));
        none.into_iter().chain(negative).chain(twice).collect()
    }
}

/// Weighted, rate-limited models as one serving.
#[derive(Debug)]
pub struct PoolServing {
    options: PoolOptions,
    configuration: Configuration,
    warnings: Vec<String>,
    pool: OnceLock<Arc<Pool>>,
    /// What each request says beside the model, the question and its temperature.
    request: ApiOptions,
    /// Places for requests on their way, where their number is bounded over all models.
    places: Option<Arc<Semaphore>>,
    /// Places that are taken away for now.
    withheld: Mutex<usize>,
    /// When the last pause ends or ended, and how many there were.
    paused: Mutex<(Option<Instant>, u64)>,
    cache: Option<ReplyCache>,
    hurry: Arc<Hurry>,
}

/// Failures of every model, one after another, from which calls pause.
const FAILURES_TO_PAUSE: u32 = 3;

impl PoolServing {
    /// Reads the configuration; connects to nothing.
    pub fn try_new(options: PoolOptions) -> Result<Self> {
        let read = if let Some(path) = &options.config {
            Configuration::read(path)
        } else {
            let sections = [("models", &options.models), ("channels", &options.channels), ("gateway", &options.gateway)];
            let value: Map<String, Value> = sections.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
            Configuration::of_value(value.into(), &|name| std::env::var(name).ok()).map_err(Error::Faults)
        };
        let problems = options.problems();
        let (configuration, warnings) = match read {
            read if problems.is_empty() => read?,
            Err(error) => return Err(Error::Faults(Faults::from(problems).and(error.into_faults()))),
            Ok(_) => return Err(Error::Faults(problems.into())),
        };
        let places = options.max_concurrency.map(|most| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))));
        let cache = match options.cache {
            Switch::Off => None,
            Switch::On => Some(ReplyCache::open(options.cache_path.as_deref().unwrap_or(Path::new(POOL_CACHE)))?),
        };
        let (request, withheld, paused) = (ApiOptions::default(), Mutex::new(0), Mutex::default());
        let serving = Self { options, configuration, warnings, pool: OnceLock::new(), request, places, withheld, paused, cache, hurry: Arc::new(Hurry::new()) };
        serving.made()?;
        Ok(serving)
    }

    /// Has each request say what these options say, beside the model, its temperature and the longest reply.
    pub(crate) fn asking_as(self, request: ApiOptions) -> Self {
        Self { request, ..self }
    }

    /// The pool behind it.
    pub fn pool(&self) -> Result<&Arc<Pool>> {
        self.made()
    }

    /// What the configuration is warned of.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The models and channels.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Lets no more than so many calls be in flight, where `max_concurrency` is given. Calls on their way are not touched, so it may have to be said again until
    /// enough have ended; it gives how many may be in flight now.
    pub fn hold_to(&self, most: usize) -> usize {
        let (Some(places), Some(all)) = (&self.places, self.options.max_concurrency) else { return usize::MAX };
        let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = all.saturating_sub(most.max(1));
        if *withheld < wanted {
            *withheld += places.forget_permits(wanted - *withheld);
        } else {
            places.add_permits(*withheld - wanted);
            *withheld = wanted;
        }
        all - *withheld
    }

    /// How often all calls have paused.
    pub fn pauses(&self) -> u64 {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Waits while all calls pause. An error where the run ends before the pause does.
    async fn unpaused(&self) -> Result<(), Failure> {
        loop {
            let paused_until = self.paused.lock().unwrap_or_else(PoisonError::into_inner).0;
            let Some(until) = paused_until.filter(|until| *until > Instant::now()) else { return Ok(()) };
            if self.hurry.unless(tokio::time::sleep_until(until.into())).await.is_none() {
                let over = Failure::new(ErrorClass::Transient, "the run ends while all calls pause");
                return Err(Failure { vetoed: true, blameless: true, ..over });
            }
        }
    }

    /// Begins a pause where one is wanted and no model is well.
    fn consider_pause(&self, pool: &Pool) {
        let Some(pause) = self.options.pause.and_then(seconds) else { return };
        if !pool.all_fail(self.options.model.as_deref().unwrap_or("auto"), FAILURES_TO_PAUSE) {
            return;
        }
        let now = Instant::now();
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let window = self.options.pause_window.and_then(seconds).unwrap_or_default();
        if paused.0.is_none_or(|ended| now >= ended + window) {
            *paused = (Some(now + pause), paused.1 + 1);
            tracing::warn!(seconds = pause.as_secs_f64(), "no model is well; no call is begun for a while");
        }
    }

    fn made(&self) -> Result<&Arc<Pool>> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = Pool::new(&self.configuration).map_err(|problems| Error::Faults(problems.into()))?;
        if let Some(model) = self.options.model.as_ref().filter(|model| !super::is_any(model) && !pool.knows(model)) {
            return Err(Error::Configuration(format!("`model` is `{model}`, and no model of the pool has this id, name or model")));
        }
        Ok(self.pool.get_or_init(|| pool))
    }

    fn call_options(&self, chat: &Chat) -> CallOptions {
        // Four bytes a token, and a reply of some hundreds where nothing is said.
        let question: usize = chat.messages.iter().map(|message| message.content.len() / 4 + 4).sum();
        CallOptions {
            model: self.options.model.clone().unwrap_or_else(|| "auto".into()),
            tokens: question as u64 + chat.sampling.max_tokens.or(self.options.max_tokens).unwrap_or(256),
            most_failures: self.options.max_retries.unwrap_or(5) + 1,
            places: self.places.clone(),
            probes: true,
            hurry: Some(Arc::clone(&self.hurry)),
            ..CallOptions::default()
        }
    }
}

impl PoolServing {
    /// Asks the deployment of a lease.
    async fn ask(&self, lease: Lease, chat: &Chat) -> Result<Reply, (Lease, Failure)> {
        let settings = lease.deployment().settings();
        let options = ApiOptions {
            model: settings.model.clone(),
            temperature: settings.temperature,
            max_tokens: self.options.max_tokens,
            json_schema_mode: if settings.supports_json_schema { SchemaMode::Send } else { SchemaMode::Words },
            ..self.request.clone()
        };
        let body = match wire::chat_request(&options, chat) {
            Ok(body) => body,
            Err(error) => return Err((lease, Failure::new(ErrorClass::Caller, format!("the request cannot be written: {error}")))),
        };
        match send(&lease, Route::Chat, body).await.and_then(|reply| wire::read_chat(&reply)) {
            Ok(reply) => {
                lease.settle(reply.usage);
                lease.end(Outcome::Answered, None);
                Ok(reply)
            }
            Err(failure) => Err((lease, failure)),
        }
    }
}

#[async_trait]
impl LLMServing for PoolServing {
    fn paths(&self) -> Vec<(&'static str, PathUse, PathBuf)> {
        let PoolOptions { config, cache_path, .. } = &self.options;
        let named = [("config", PathUse::Reads, config), ("cache_path", PathUse::Keeps, cache_path)];
        named.into_iter().filter_map(|(option, path_use, path)| Some((option, path_use, path.clone()?))).collect()
    }

    fn identity(&self) -> Value {
        // Any of them may answer; which one does is not the question's doing.
        let wanted = |model: &&super::ModelSettings| {
            self.options.model.as_ref().is_none_or(|name| super::is_any(name) || [&model.id, &model.model].contains(&name) || model.name.as_ref() == Some(name))
        };
        let mut models: Vec<Value> =
            self.configuration.models.iter().filter(wanted).map(|model| json!({ "model": model.model, "temperature": model.temperature })).collect();
        models.sort_by_key(ToString::to_string);
        models.dedup();
        json!({ "models": models, "max_tokens": self.options.max_tokens })
    }

    fn spec(&self) -> Value {
        let mut spec = Map::from_iter([("type".to_owned(), Value::from("pool"))]);
        if let Ok(Value::Object(options)) = serde_json::to_value(&self.options) {
            spec.extend(options.into_iter().filter(|(_, value)| !value.is_null()));
        }
        let mut spec = Value::Object(spec);
        leave_secrets_out(&mut spec);
        spec
    }

    fn max_concurrency(&self) -> usize {
        let each = |model: &super::ModelSettings| model.max_concurrency.unwrap_or(64);
        self.options.max_concurrency.unwrap_or_else(|| self.configuration.models.iter().map(each).sum()).clamp(1, 1024)
    }

    fn limits_itself(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        self.made().map(|_| ())
    }

    async fn start(&self) -> Result<(), ServingError> {
        self.hurry.set(false);
        Ok(())
    }

    fn stop_waiting(&self) {
        self.hurry.set(true);
    }

    async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError> {
        let pool = self.made().map_err(|error| ServingError::new(ErrorClass::Auth, error.to_string()))?;
        let options = self.call_options(chat);
        let asked = pool.call(&options, |lease| async {
            if let Err(over) = self.unpaused().await {
                return Err((lease, over));
            }
            let asked = self.ask(lease, chat).await;
            if asked.as_ref().is_err_and(|(_, failure)| failure.class.may_pass()) {
                self.consider_pause(pool);
            }
            asked
        });
        let Some(cache) = &self.cache else { return asked.await.map(|Answered { value, .. }| value).map_err(told) };
        let asking = async {
            let Answered { value: reply, .. } = asked.await?;
            // Who asks is told what does not fit a schema, and asks again; nobody else is to be given it.
            let may = if reply.finish == Finish::Stop && keeps_to(chat.json_schema.as_ref(), &reply.content) { Use::ByAll } else { Use::Once };
            Ok((reply, may))
        };
        cache.answer(QuestionKey::of(self, chat), asking).await.map(|(reply, _)| reply).map_err(told)
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, ServingError> {
        let pool = self.made().map_err(|error| ServingError::new(ErrorClass::Auth, error.to_string()))?;
        let mut options = self.call_options(&Chat::default());
        options.tokens = texts.iter().map(|text| text.len() as u64 / 4 + 1).sum();
        let answered = pool.call(&options, |lease| async {
            let body = json!({ "model": lease.deployment().settings().model, "input": texts }).to_string().into_bytes();
            match send(&lease, Route::Embeddings, body).await.and_then(|reply| wire::read_embeddings(&reply, texts.len())) {
                Ok(embeddings) => {
                    lease.settle(embeddings.usage);
                    lease.end(Outcome::Answered, None);
                    Ok(embeddings)
                }
                Err(failure) => Err((lease, failure)),
            }
        });
        answered.await.map(|Answered { value, .. }| value).map_err(told)
    }
}

/// Takes keys and passwords out of sections as a file has them: what is written out holds none.
fn leave_secrets_out(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(leave_secrets_out),
        Value::Object(fields) => {
            fields.retain(|name, _| !matches!(name.as_str(), "api_key" | "api_keys" | "admin_key"));
            for (name, value) in fields {
                match value {
                    Value::String(address) if matches!(name.as_str(), "proxy" | "base_url") => *address = without_password(address),
                    _ => leave_secrets_out(value),
                }
            }
        }
        _ => {}
    }
}

/// A schema that is none cannot be held.
fn keeps_to(schema: Option<&Value>, content: &str) -> bool {
    schema
        .and_then(|schema| jsonschema::validator_for(schema).ok())
        .is_none_or(|schema| dataflow_core::reply::find_json(content, |value| schema.is_valid(value)).is_some())
}

/// Sends a body and gives that of a reply that is well.
async fn send(lease: &Lease, route: Route, body: Vec<u8>) -> Result<bytes::Bytes, Failure> {
    let deployment = lease.deployment();
    let asking = async {
        let answer = deployment.post(route, |_| {}, body).await?;
        deployment.heed(answer.headers());
        let status = answer.status();
        if status.is_success() {
            return answer.bytes().await;
        }
        let headers = answer.headers().clone();
        let body = answer.bytes().await.unwrap_or_default(); // the status alone tells enough
        Err(route.failure(status.as_u16(), &headers, &body))
    };
    let asked = tokio::time::timeout(deployment.timeout(), asking).await;
    asked.unwrap_or_else(|_| Err(Failure::new(ErrorClass::Transient, "no reply in time"))).map_err(|mut failure| {
        if let Some(key) = &deployment.settings().api_key {
            failure.message = key.blot_out(&failure.message);
        }
        failure.message = format!("{}: {}", deployment.name(), failure.message);
        failure
    })
}

/// What the engine is told of a call that nobody answered.
fn told(exhausted: Exhausted) -> ServingError {
    match exhausted {
        Exhausted::UnknownModel(name) => ServingError::new(ErrorClass::Auth, format!("no model of the pool is called `{name}`")),
        Exhausted::QueueFull => ServingError::new(ErrorClass::RateLimited, "too many calls wait for the pool"),
        Exhausted::NotReady { after, .. } => {
            ServingError { retry_after: after, ..ServingError::new(ErrorClass::RateLimited, "no model of the pool was ready in time") }
        }
        Exhausted::Failed { failure, attempts, .. } => {
            let after = if attempts > 1 { format!(" (after {attempts} tries)") } else { String::new() };
            ServingError {
                class: failure.class,
                status: failure.status,
                message: format!("{}{after}", failure.message),
                retry_after: failure.retry_after.map(|after| after.min(Duration::from_hours(1))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_beside_the_models_is_told_with_them() {
        let options = json!({ "models": [{ "id": 1, "model": "m", "channel_id": "a", "timeout": 0 }], "pause": -1, "max_concurrency": 0 });
        let error = PoolServing::try_new(crate::options::read(options).unwrap()).unwrap_err().to_string();
        assert_eq!(
            error,
            "`max_concurrency` should be at least 1, found 0\n`pause` should be a number of seconds from 0 on, found -1\n\
             model `1` names the channel `a`, which is not there\nmodel `1`: `timeout` should be a number of seconds above 0, found 0"
        );
    }

    #[test]
    fn a_file_and_models_beside_it_are_one_too_many() {
        let options = json!({ "config": "no-such-file.yaml", "models": [], "gateway": { "backoff": "ladder" } });
        let error = PoolServing::try_new(crate::options::read(options).unwrap()).unwrap_err().to_string();
        let told = |key: &str| format!("`{key}` cannot stand beside `config`, whose file says all of it\nhint: leave one of them out");
        assert_eq!(error, [told("models"), told("gateway"), "there is no configuration file no-such-file.yaml".into()].join("\n"));
    }
}
