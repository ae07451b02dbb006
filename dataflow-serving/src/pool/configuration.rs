//! The configuration of a pool and its gateway: an AI-DataFlux file's `models`, `channels`, `gateway` and `global.log`, and some keys more.

mod checks;
mod reading;
#[cfg(test)]
mod reference;
mod schema;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::cache::Switch;
use crate::Secret;
use checks::{FORMATS, LEVELS, OUTPUTS};
use schema::any_case;

/// What a file says of models and the channels to them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Configuration {
    /// The models that answer.
    pub models: Vec<ModelSettings>,
    /// The ways to services, by their names.
    pub channels: BTreeMap<String, ChannelSettings>,
    /// How the gateway serves.
    pub gateway: GatewaySettings,
    /// What all parts share.
    pub global: GlobalSettings,
}

impl Configuration {
    /// Requests a second that all models together are held to; `None` where one has no limit.
    pub fn requests_per_second(&self) -> Option<f64> {
        self.models.iter().map(ModelSettings::requests_per_second).sum()
    }

    /// The JSON Schema of such a file, for editors: it finds what [`read`](Self::read) refuses or warns of, but for what has to do with another part of the file, the
    /// environment or the network.
    pub fn json_schema() -> Value {
        schema::schema()
    }
}

/// One model behind one channel: a deployment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModelSettings {
    /// What tells it apart; a number or a text.
    #[serde(deserialize_with = "text_or_number")]
    #[schemars(with = "TextOrNumber", extend("not" = {"enum": ["auto", "any", "default", "*", ""]}))]
    pub id: String,
    /// The name that is shown; the identity without it. A request may ask by it.
    #[serde(default)]
    #[schemars(extend("not" = {"enum": ["auto", "any", "default", "*"]}))]
    pub name: Option<String>,
    /// The model's name at the service.
    #[schemars(extend("pattern" = "\\S"))]
    pub model: String,
    /// The channel that leads to it.
    #[serde(deserialize_with = "text_or_number")]
    #[schemars(with = "TextOrNumber")]
    pub channel_id: String,
    /// The key; better in the environment, see `api_key_env`.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<TextOrNumber>")]
    pub api_key: Option<Secret>,
    /// The environment variable that holds the key.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// Seconds that one try of a call may take, a stream to its end; the channel's where it is shorter. The gateway begins no further try of a call once its tries
    /// have taken twice as long.
    #[serde(default = "default_model_timeout")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: f64,
    /// Its share of the calls beside the other weights; 0 or less is asked by name alone.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// The temperature of requests that name none; null leaves it to the service.
    #[serde(default = "default_temperature")]
    #[schemars(extend("minimum" = 0))]
    pub temperature: Option<f64>,
    /// Requests a second, with bursts of twice as many; 0 or less is no limit. A tenth of the weight, from 0.5 to 10, without it.
    #[serde(default)]
    #[schemars(extend("maximum" = 1e6, "not" = {"exclusiveMinimum": 0, "exclusiveMaximum": 1e-6}))]
    pub safe_rps: Option<f64>,
    /// Tokens a minute; no limit without it.
    #[serde(default)]
    #[schemars(extend("minimum" = 1))]
    pub safe_tpm: Option<u64>,
    /// Calls in flight; adapted up to 1,000 without it.
    #[serde(default)]
    #[schemars(extend("minimum" = 1))]
    pub max_concurrency: Option<usize>,
    /// Whether it takes a JSON schema; without, it is asked in words.
    #[serde(default)]
    pub supports_json_schema: bool,
    /// Whether it takes penalties and biases; the gateway leaves them out otherwise.
    #[serde(default)]
    pub supports_advanced_params: bool,
    /// What a million tokens cost.
    #[serde(default)]
    pub prices: Option<Prices>,
    /// Seconds until the first token of a stream; those of `timeout` without it.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout_first_token: Option<f64>,
    /// Seconds between two pieces of a stream; 120 without it.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout_idle: Option<f64>,
}

impl ModelSettings {
    /// Requests a second that it is held to; `None` for no limit. A tenth of the weight is AI-DataFlux's where nothing is said.
    pub fn requests_per_second(&self) -> Option<f64> {
        let rate = self.safe_rps.unwrap_or_else(|| (self.weight / 10.0).clamp(0.5, 10.0));
        (rate > 0.0 && rate.is_finite()).then_some(rate)
    }
}

/// What a million tokens cost, in whatever money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// Tokens of questions.
    #[serde(rename = "in")]
    #[schemars(extend("minimum" = 0))]
    pub input: f64,
    /// Tokens of replies.
    #[serde(rename = "out")]
    #[schemars(extend("minimum" = 0))]
    pub output: f64,
}

/// A way to a service.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ChannelSettings {
    /// The name that is shown.
    #[serde(default)]
    pub name: Option<String>,
    /// The service's address, such as `https://api.openai.com`.
    #[schemars(extend("pattern" = "^\\s*[Hh][Tt][Tt][Pp][Ss]?://.|\\$\\{"))]
    pub base_url: String,
    /// What follows the address for chats.
    #[serde(default = "default_api_path")]
    pub api_path: String,
    /// Seconds that one try of a call may take, whatever the model says.
    #[serde(default = "default_channel_timeout")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: f64,
    /// A proxy, `http://…`, `https://…`, `socks4://…` or `socks5://…`; without it that of the environment.
    #[serde(default, skip_serializing)]
    #[schemars(with = "String")]
    pub proxy: Secret,
    /// Whether the service's certificate is checked.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// Addresses of the service's host that connections are made to in turn; not with a proxy.
    #[serde(default)]
    pub ip_pool: Option<Vec<String>>,
}

/// Leaves out what addresses may hold beside the address.
impl fmt::Debug for ChannelSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChannelSettings")
            .field("name", &self.name)
            .field("base_url", &without_password(&self.base_url))
            .field("api_path", &self.api_path)
            .field("ssl_verify", &self.ssl_verify)
            .finish_non_exhaustive()
    }
}

/// An address without the password, and without what follows its path, which may be a key.
pub(super) fn without_password(address: &str) -> String {
    let Ok(mut url) = Url::parse(address.trim()) else {
        let after = address.rsplit('@').next().unwrap_or_default(); // what stands before may be a password
        return after.split(['?', '#']).next().unwrap_or_default().to_owned();
    };
    let held_one = url.password().is_some() || url.query().is_some() || url.fragment().is_some();
    if !held_one {
        return address.to_owned();
    }
    url.set_password(None).ok(); // an address without a host has none
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// How the gateway serves, and how its pool behaves.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct GatewaySettings {
    /// Read for files that have it, and does nothing: there are as many connections in all as the system allows.
    pub max_connections: usize,
    /// Connections to one service that are kept for further calls.
    pub max_connections_per_host: usize,
    /// Keys of which a caller has to show one for what is under `/v1`; without any it is open to this machine alone, and to nobody where others can reach the gateway.
    #[serde(skip_serializing)]
    #[schemars(with = "Vec<TextOrNumber>")]
    pub api_keys: Vec<Secret>,
    /// The key of what is under `/admin`, and of `/metrics`; without it they are open to this machine alone, and to nobody where others can reach the gateway.
    #[serde(skip_serializing)]
    #[schemars(with = "Option<TextOrNumber>")]
    pub admin_key: Option<Secret>,
    /// The largest request, in MB.
    #[schemars(extend("minimum" = 1))]
    pub max_body_mb: u64,
    /// Calls that may wait for a deployment; those beyond are refused with 429.
    pub max_queue: usize,
    /// Seconds that a call may wait for a deployment before it is refused with 429, or with 503 where none can be asked.
    #[schemars(extend("minimum" = 0))]
    pub queue_timeout: f64,
    /// Origins that browsers may call from; `*` is all.
    pub cors: Vec<String>,
    /// How long a deployment that failed is left alone. `adaptive`: not at all before most of its calls fail, then 5 s, doubled by each call that looks whether it is back and
    /// fails, 60 s at the most; `ladder`: AI-DataFlux's 2, 4, 6, 8, 10, 14, 22, 38 and then 60 s.
    pub backoff: Backoff,
    /// Whether equal calls share one answer, and answers are kept to be given again; never streams, which are always asked for, errors, or replies that were cut.
    pub cache: Switch,
    /// The folder of the reply journal that keeps them, from the current folder.
    pub cache_path: PathBuf,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            max_connections: 1000,
            max_connections_per_host: 1000,
            api_keys: Vec::new(),
            admin_key: None,
            max_body_mb: 20,
            max_queue: 10_000,
            queue_timeout: 60.0,
            cors: Vec::new(),
            backoff: Backoff::default(),
            cache: Switch::Off,
            cache_path: "./cache/gateway".into(),
        }
    }
}

/// How long a deployment that failed is left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// Not at all before most of its calls fail; then 5 s, doubled by each call that looks whether it is back and fails, 60 s at the most.
    #[default]
    Adaptive,
    /// AI-DataFlux's 2, 4, 6, 8, 10, 14, 22, 38 and then 60 seconds.
    Ladder,
}

/// What all parts share.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct GlobalSettings {
    /// What is logged, and where to.
    pub log: LogSettings,
    /// A running gateway.
    pub flux_api_url: Option<String>,
}

/// What is logged, and where to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct LogSettings {
    /// `debug`, `info`, `warning` or `error`.
    #[schemars(extend("pattern" = any_case(&LEVELS)))]
    pub level: String,
    /// `text` or `json`.
    #[schemars(extend("pattern" = any_case(&FORMATS)))]
    pub format: String,
    /// `console` or `file`.
    #[schemars(extend("pattern" = any_case(&OUTPUTS)))]
    pub output: String,
    /// The file.
    pub file_path: String,
    /// How a time is written.
    pub date_format: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: "text".into(),
            output: "console".into(),
            file_path: "./logs/ai_dataflux.log".into(),
            date_format: "%Y-%m-%d %H:%M:%S".into(),
        }
    }
}

fn default_model_timeout() -> f64 {
    300.0
}
fn default_channel_timeout() -> f64 {
    600.0
}
fn default_weight() -> f64 {
    1.0
}
#[expect(clippy::unnecessary_wraps, reason = "serde takes the field's type")]
fn default_temperature() -> Option<f64> {
    Some(0.7)
}
fn default_api_path() -> String {
    "/v1/chat/completions".into()
}
fn yes() -> bool {
    true
}

/// How an identity may be written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the schema alone")]
enum TextOrNumber {
    Text(String),
    Number(i64),
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("expected a text or a number, found `{other}`"))),
    }
}

/// A year, in seconds.
const YEAR: f64 = 31_557_600.0;

/// Seconds as a time, a year at the most; none where they are none.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.min(YEAR)).ok().filter(|time| !time.is_zero())
}
