//! The configuration of a pool and its gateway: an AI-DataFlux file's `models`, `channels`, `gateway` and `global.log`, and some keys more.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dataflow_core::configuration;
use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::cache::Switch;
use super::client::proxy_of;
use super::deployment::{addresses, bearer};
use crate::Secret;

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

/// One model behind one channel: a deployment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModelSettings {
    /// What tells it apart; a number or a text.
    #[serde(deserialize_with = "text_or_number")]
    #[schemars(with = "TextOrNumber")]
    pub id: String,
    /// The name that is shown; the identity without it. A request may ask by it.
    #[serde(default)]
    pub name: Option<String>,
    /// The model's name at the service.
    pub model: String,
    /// The channel that leads to it.
    #[serde(deserialize_with = "text_or_number")]
    #[schemars(with = "TextOrNumber")]
    pub channel_id: String,
    /// The key; better in the environment, see `api_key_env`.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub api_key: Option<Secret>,
    /// The environment variable that holds the key.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// Seconds that a call may take; the channel's where it is shorter.
    #[serde(default = "default_model_timeout")]
    pub timeout: f64,
    /// Its share of the calls beside the other weights; 0 or less is asked by name alone.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// The temperature of requests that name none.
    #[serde(default = "default_temperature")]
    pub temperature: Option<f64>,
    /// Requests a second, with bursts of twice as many; 0 or less is no limit. A tenth of the weight, from 0.5 to 10, without it.
    #[serde(default)]
    pub safe_rps: Option<f64>,
    /// Tokens a minute; no limit without it.
    #[serde(default)]
    pub safe_tpm: Option<u64>,
    /// Calls in flight; adapted up to 1,000 without it.
    #[serde(default)]
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
    /// Seconds until the first token of a stream.
    #[serde(default)]
    pub timeout_first_token: Option<f64>,
    /// Seconds between two pieces of a stream.
    #[serde(default)]
    pub timeout_idle: Option<f64>,
}

/// What a million tokens cost, in whatever money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// Tokens of questions.
    #[serde(rename = "in")]
    pub input: f64,
    /// Tokens of replies.
    #[serde(rename = "out")]
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
    pub base_url: String,
    /// What follows the address for chats.
    #[serde(default = "default_api_path")]
    pub api_path: String,
    /// Seconds that a call may take.
    #[serde(default = "default_channel_timeout")]
    pub timeout: f64,
    /// A proxy, `http://…` or `socks5://…`.
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
    /// Connections in all; as many as the system allows, and named for files that have it.
    pub max_connections: usize,
    /// Connections to one service that are kept.
    pub max_connections_per_host: usize,
    /// Keys of which a caller has to show one; none is asked for where there are none.
    #[serde(skip_serializing)]
    #[schemars(with = "Vec<String>")]
    pub api_keys: Vec<Secret>,
    /// The key of the pages under `/admin`.
    #[serde(skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub admin_key: Option<Secret>,
    /// The largest request, in MB.
    pub max_body_mb: u64,
    /// Calls that may wait for a deployment.
    pub max_queue: usize,
    /// Seconds that a call may wait.
    pub queue_timeout: f64,
    /// Origins that browsers may call from; `*` is all.
    pub cors: Vec<String>,
    /// How long a deployment that failed is left alone.
    pub backoff: Backoff,
    /// Whether equal calls share one answer, and answers are kept to be given again; never streams, errors, or replies that were cut.
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
pub struct GlobalSettings {
    /// What is logged, and where to.
    pub log: LogSettings,
    /// A running gateway.
    pub flux_api_url: Option<String>,
}

/// What is logged, and where to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LogSettings {
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
    /// `console` or `file`.
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

impl LogSettings {
    /// What a file says under `global.log`, whatever else it says; `None` where it says nothing of logs.
    pub fn of_file(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let value: Value = serde_yaml::from_str(&text).ok()?;
        serde_json::from_value(without_nulls(value.pointer("/global/log")?)).ok()
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

/// Sections of such a file that belong to the batch engine.
const OTHER_SECTIONS: [&str; 17] = [
    "datasource",
    "mysql",
    "postgresql",
    "sqlite",
    "excel",
    "csv",
    "jsonl",
    "parquet",
    "feishu",
    "columns_to_extract",
    "columns_to_write",
    "error_column",
    "write_errors",
    "cache_path",
    "validation",
    "prompt",
    "routing",
];

impl GatewaySettings {
    fn check(&self, problems: &mut Vec<String>) {
        if self.max_body_mb == 0 {
            problems.push("`gateway.max_body_mb` should be at least 1, found 0".into());
        }
        let keys = self.api_keys.iter().map(|key| ("gateway.api_keys", key)).chain(self.admin_key.iter().map(|key| ("gateway.admin_key", key)));
        for (place, _) in keys.filter(|(_, key)| key.reveal().trim().is_empty()) {
            problems.push(format!("`{place}` holds an empty key, which opens nothing"));
        }
        for origin in self.cors.iter().filter(|origin| !(*origin == "*" || origin.starts_with("http://") || origin.starts_with("https://"))) {
            problems.push(format!("`gateway.cors` should list origins such as `https://example.com`, or `*`; found `{origin}`"));
        }
    }
}

impl LogSettings {
    /// An odd word here is no reason not to work.
    fn check(&self, warnings: &mut Vec<String>) {
        let among = |key: &str, found: &str, known: &[&str]| {
            let well = known.iter().any(|known| found.eq_ignore_ascii_case(known));
            (!well).then(|| format!("`global.log.{key}` should be one of `{}`, found `{found}`", known.join("`, `")))
        };
        warnings.extend(among("level", &self.level, &["trace", "debug", "info", "warning", "warn", "error", "critical"]));
        warnings.extend(among("format", &self.format, &["text", "json"]));
        warnings.extend(among("output", &self.output, &["console", "file"]));
    }
}

impl ModelSettings {
    /// Requests a second that it is held to; `None` for no limit. A tenth of the weight is AI-DataFlux's where nothing is said.
    pub fn requests_per_second(&self) -> Option<f64> {
        let rate = self.safe_rps.unwrap_or_else(|| (self.weight / 10.0).clamp(0.5, 10.0));
        (rate > 0.0 && rate.is_finite()).then_some(rate)
    }
}

impl ModelSettings {
    /// Takes the key from the environment, where it is there, and tells what is wrong.
    fn check(&mut self, problems: &mut Vec<String>, variable: &dyn Fn(&str) -> Option<String>) {
        let mut wrong = |message: String| problems.push(format!("model `{}`: {message}", self.id));
        let seconds = [("timeout", Some(self.timeout)), ("timeout_first_token", self.timeout_first_token), ("timeout_idle", self.timeout_idle)];
        for (key, found) in seconds.into_iter().filter_map(|(key, found)| Some((key, found?))).filter(|(_, found)| !(*found > 0.0 && found.is_finite())) {
            wrong(format!("`{key}` should be a number of seconds above 0, found {found}"));
        }
        for (key, found) in [("safe_tpm", self.safe_tpm), ("max_concurrency", self.max_concurrency.map(|most| most as u64))] {
            if found == Some(0) {
                wrong(format!("`{key}` should be at least 1, found 0\n  hint: leave it out for no limit"));
            }
        }
        if let Some(prices) = self.prices.filter(|prices| !(prices.input >= 0.0 && prices.output >= 0.0)) {
            wrong(format!("`prices` should be 0 or more, found in {} and out {}", prices.input, prices.output));
        }
        if let Some(name) = &self.api_key_env {
            match variable(name).filter(|key| !key.trim().is_empty()) {
                Some(key) => self.api_key = Some(key.into()),
                None => wrong(format!("the environment variable `{name}` is not set\n  hint: `export {name}=…`")),
            }
        }
        if let Err(message) = bearer(self) {
            wrong(message);
        }
    }
}

impl ChannelSettings {
    fn check(&self, id: &str, problems: &mut Vec<String>) {
        let mut wrong = |message: String| problems.push(format!("channel `{id}`: {message}"));
        match Url::parse(&self.base_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                if let Err(message) = addresses(self) {
                    wrong(message);
                }
            }
            _ => wrong(format!("`base_url` should be an address such as `https://api.openai.com`, found `{}`", without_password(&self.base_url))),
        }
        if let Err(message) = proxy_of(self) {
            wrong(message);
        }
        if self.timeout.is_nan() || self.timeout <= 0.0 {
            wrong(format!("`timeout` should be a number of seconds above 0, found {}", self.timeout));
        }
    }
}

/// What the models are called by, and the channels that they name, also of those that cannot be read otherwise.
fn check_names(models: &[Value], channels: &Map<String, Value>, problems: &mut Vec<String>) {
    let text = |model: &Value, key: &str| text_or_number(model.get(key)?).ok();
    let mut ids = std::collections::HashSet::new();
    for (number, model) in models.iter().enumerate() {
        let id = text(model, "id");
        if let Some(id) = id.as_ref().filter(|id| !ids.insert((*id).clone())) {
            problems.push(format!("two models have the id `{id}`"));
        }
        let Some(channel) = text(model, "channel_id").filter(|channel| !channels.contains_key(channel)) else { continue };
        let id = id.unwrap_or_else(|| format!("models.{}", number + 1));
        let hint = nearest(&channel, channels.keys().map(String::as_str)).map(|near| format!("\n  hint: did you mean `{near}`?")).unwrap_or_default();
        problems.push(format!("model `{id}` names the channel `{channel}`, which is not there{hint}"));
    }
}

/// The value of a YAML text, with its variables put in.
fn value_of(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Value, Vec<String>> {
    let yaml: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| vec![error.to_string()])?;
    let mut value = serde_json::to_value(yaml).map_err(|error| vec![error.to_string()])?;
    dataflow_core::variables::put_in(&mut value, variable)?;
    Ok(value)
}

impl Configuration {
    /// Requests a second that all models together are held to; `None` where one has no limit.
    pub fn requests_per_second(&self) -> Option<f64> {
        self.models.iter().map(ModelSettings::requests_per_second).sum()
    }

    /// Reads a YAML file. `${NAME}` in its values is taken from the environment. Gives the warnings too: keys that nobody knows, with the nearest that is known.
    pub fn read(path: &Path) -> Result<(Self, Vec<String>)> {
        Self::read_with(path, &|_, _| {})
    }

    /// As [`read`](Self::read), with what else has to hold where the file is used.
    pub(crate) fn read_with(path: &Path, more: &dyn Fn(&Self, &mut Vec<String>)) -> Result<(Self, Vec<String>)> {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound(format!("there is no configuration file {}", path.display())),
            _ => Error::storage(format!("cannot read {}", path.display()), error),
        })?;
        let variable = |name: &str| std::env::var(name).ok();
        value_of(&text, &variable)
            .and_then(|value| Self::gather(value, &variable, more))
            .map_err(|problems| Error::Configuration(format!("{}: {}", path.display(), problems.join("\n  "))))
    }

    /// Reads the text of a file; the error tells all problems.
    pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<(Self, Vec<String>), Vec<String>> {
        Self::of_value(value_of(text, variable)?, variable)
    }

    /// Takes what a file's value says.
    pub fn of_value(value: Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<(Self, Vec<String>), Vec<String>> {
        Self::gather(value, variable, &|_, _| {})
    }

    /// Reads what can be read and looks at all of it, so that one problem hides no other.
    fn gather(value: Value, variable: &dyn Fn(&str) -> Option<String>, more: &dyn Fn(&Self, &mut Vec<String>)) -> Result<(Self, Vec<String>), Vec<String>> {
        let Value::Object(mut file) = value else { return Err(vec!["expected keys and values".into()]) };
        file.retain(|_, section| !section.is_null());
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let known = ["models", "channels", "gateway", "global", "token_estimation", "budget", "routing"];
        warn_unknown(&mut warnings, "", file.keys(), known.iter().chain(&OTHER_SECTIONS).copied());
        let mut configuration = Self {
            gateway: section(&file, "gateway", &mut problems, &mut warnings),
            global: section(&file, "global", &mut problems, &mut warnings),
            ..Self::default()
        };
        if let Some(log) = file.get("global").and_then(|global| global.get("log")).and_then(Value::as_object) {
            warn_unknown(&mut warnings, "global.log.", log.keys(), ["level", "format", "output", "file_path", "date_format"].into_iter());
        }
        let models: Vec<Value> = file.get("models").and_then(|models| read_all("models", models, &mut problems)).unwrap_or_default();
        let channels: Map<String, Value> = file.get("channels").and_then(|channels| read_all("channels", channels, &mut problems)).unwrap_or_default();
        for (number, model) in models.iter().enumerate() {
            let place = format!("models.{}", number + 1);
            let needed = ["id", "model", "channel_id"].map(|key| (key, place.as_str()));
            configuration.models.extend(item::<ModelSettings>(&place, model, &MODEL_KEYS, &needed, &mut problems, &mut warnings));
        }
        for (id, channel) in &channels {
            let needed = [("base_url", "http://unread")];
            let channel = item::<ChannelSettings>(&format!("channels.{id}"), channel, &CHANNEL_KEYS, &needed, &mut problems, &mut warnings);
            configuration.channels.extend(channel.map(|channel| (id.clone(), channel)));
        }
        check_names(&models, &channels, &mut problems);
        configuration.models.iter_mut().for_each(|model| model.check(&mut problems, variable));
        configuration.channels.iter().for_each(|(id, channel)| channel.check(id, &mut problems));
        configuration.gateway.check(&mut problems);
        more(&configuration, &mut problems);
        configuration.global.log.check(&mut warnings);
        if problems.is_empty() { Ok((configuration, warnings)) } else { Err(problems) }
    }

    /// The JSON Schema of such a file, for editors.
    pub fn json_schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }
}

const MODEL_KEYS: [&str; 17] = [
    "id",
    "name",
    "model",
    "channel_id",
    "api_key",
    "api_key_env",
    "timeout",
    "weight",
    "temperature",
    "safe_rps",
    "safe_tpm",
    "max_concurrency",
    "supports_json_schema",
    "supports_advanced_params",
    "prices",
    "timeout_first_token",
    "timeout_idle",
];
const CHANNEL_KEYS: [&str; 7] = ["name", "base_url", "api_path", "timeout", "proxy", "ssl_verify", "ip_pool"];

/// One section, or its defaults and word of what is wrong.
fn section<T: serde::de::DeserializeOwned + Default + Serialize>(
    file: &Map<String, Value>,
    name: &str,
    problems: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> T {
    let Some(value) = file.get(name) else { return T::default() };
    if let (Some(given), Ok(Value::Object(known))) = (value.as_object(), serde_json::to_value(T::default())) {
        let secret = ["api_keys", "admin_key"].into_iter().filter(|_| name == "gateway");
        warn_unknown(warnings, &format!("{name}."), given.keys(), known.keys().map(String::as_str).chain(secret));
    }
    read_all(name, value, problems).unwrap_or_default()
}

/// An item of a list, and word of what is wrong with it. What it needs and has not is told, and something else stands there, so that the rest of it can be looked at.
fn item<T: serde::de::DeserializeOwned>(
    place: &str,
    value: &Value,
    keys: &[&str],
    needed: &[(&str, &str)],
    problems: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Option<T> {
    let Some(given) = value.as_object() else { return read_all(place, value, problems) };
    warn_unknown(warnings, &format!("{place}."), given.keys(), keys.iter().copied());
    let mut value = without_nulls(value);
    for (key, instead) in needed.iter().filter(|(key, _)| value.get(key).is_none()).copied().collect::<Vec<_>>() {
        problems.push(format!("`{place}`: missing field `{key}`"));
        value[key] = instead.into();
    }
    let (read, unread) = configuration::read(place, value.clone());
    problems.extend(unread.iter().map(ToString::to_string));
    read.or_else(|| {
        for (key, instead) in needed {
            value[*key] = (*instead).into();
        }
        configuration::read(place, value).0
    })
}

/// Reads a value, or tells each of its keys that is wrong.
fn read_all<T: serde::de::DeserializeOwned>(place: &str, value: &Value, problems: &mut Vec<String>) -> Option<T> {
    let (read, unread) = configuration::read(place, without_nulls(value));
    let whole = unread.is_empty();
    problems.extend(unread.iter().map(ToString::to_string));
    read.filter(|_| whole)
}

/// A key without a value is as one that is not there; but a temperature that is none is not the default one.
fn without_nulls(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, value| !value.is_null() || name == "temperature");
    }
    value
}

fn warn_unknown<'a, 'b>(warnings: &mut Vec<String>, place: &str, given: impl Iterator<Item = &'a String>, known: impl Iterator<Item = &'b str>) {
    let known: Vec<&str> = known.collect();
    for key in given.filter(|key| !known.contains(&key.as_str())) {
        let near = nearest(key, known.iter().copied()).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        warnings.push(format!("unknown key `{place}{key}`{near}"));
    }
}

/// A year, in seconds.
const YEAR: f64 = 31_557_600.0;

/// Seconds as a time, a year at the most; none where they are none.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.min(YEAR)).ok().filter(|time| !time.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
models:
- { id: 1, name: fast, model: gpt-4o, channel_id: 1, api_key: '${KEY}', weight: 10, safe_rp: 3 }
- { id: b, model: gpt-4o, channel_id: '1', safe_rps: , temperature: null }
channels:
  1: { base_url: 'https://api.example.com/', timeout: 30, proxy: , ip_pool: null }
gateway: { max_qeue: 5 }
datasource: { type: excel }
";

    #[test]
    fn an_old_file_is_read_with_its_defaults_and_unknown_keys_are_told() {
        let (configuration, warnings) = Configuration::parse(FILE, &|name| (name == "KEY").then(|| "sk-1".to_owned())).unwrap();
        let model = &configuration.models[0];
        assert_eq!((model.id.as_str(), model.channel_id.as_str(), model.timeout, model.temperature), ("1", "1", 300.0, Some(0.7)));
        assert_eq!(configuration.channels["1"].api_path, "/v1/chat/completions");
        assert_eq!(warnings, ["unknown key `gateway.max_qeue`: did you mean `max_queue`?", "unknown key `models.1.safe_rp`: did you mean `safe_rps`?"]);
        assert_eq!((configuration.models[1].temperature, configuration.models[1].safe_rps), (None, None));
        assert!(!format!("{configuration:?}").contains("sk-1"));
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let text = "models: [{ id: 1, model: m, channel_id: 2, api_key_env: NONE }, { id: 1, channel_id: 1 }]\nchannels: { 1: { base_url: nowhere } }\n";
        let problems = Configuration::parse(text, &|_| None).unwrap_err();
        assert_eq!(
            problems,
            [
                "`models.2`: missing field `model`",
                "model `1` names the channel `2`, which is not there",
                "two models have the id `1`",
                "model `1`: the environment variable `NONE` is not set\n  hint: `export NONE=…`",
                "channel `1`: `base_url` should be an address such as `https://api.openai.com`, found `nowhere`",
            ]
        );
    }

    #[test]
    fn every_key_that_is_wrong_is_named_and_nothing_that_follows_from_it() {
        let text = "models: [{ id: 1, model: m, channel_id: a, safe_rps: fast, timeout: soon }, { id: 2, model: m, channel_id: b, max_concurrency: 0 }]\n\
                    channels: { a: { base_url: 'http://a.example', ssl_verify: maybe }, b: { base_url: 'http://b.example' } }\n\
                    gateway: { api_keys: [''], max_body_mb: 0, cors: [foo] }\nglobal: { log: { level: loud } }\n";
        assert_eq!(
            Configuration::parse(text, &|_| None).unwrap_err(),
            [
                "`models.1.safe_rps` should be a number, found `fast`",
                "`models.1.timeout` should be a number, found `soon`",
                "`channels.a.ssl_verify` should be `true` or `false`, found `maybe`",
                "model `2`: `max_concurrency` should be at least 1, found 0\n  hint: leave it out for no limit",
                "`gateway.max_body_mb` should be at least 1, found 0",
                "`gateway.api_keys` holds an empty key, which opens nothing",
                "`gateway.cors` should list origins such as `https://example.com`, or `*`; found `foo`",
            ]
        );
    }

    #[test]
    fn no_problem_hides_another() {
        let text = "models: [{ id: 1, model: m, channel_id: 9, weight: abc }, { id: 1, channel_id: [], timeout: 0 }, { model: m, channel_id: 2, api_key: \"a\\nb\" }, 7]\n\
                    channels: { 1: { base_url: notaurl, ssl_verify: maybe, proxy: 'ftp://y' }, 2: { base_url: 5, proxy: 'ftp://z', timeout: 0 } }\n";
        assert_eq!(
            Configuration::parse(text, &|_| None).unwrap_err(),
            [
                "`models.1.weight` should be a number, found `abc`",
                "`models.2`: missing field `model`",
                "`models.2.channel_id`: expected a text or a number, found `[]`",
                "`models.3`: missing field `id`",
                "`models.4` should be keys with values, found `7`",
                "`channels.1.ssl_verify` should be `true` or `false`, found `maybe`",
                "`channels.2.base_url` should be a text, found `5`\n  hint: put it in quotes",
                "model `1` names the channel `9`, which is not there",
                "two models have the id `1`",
                "model `models.2`: `timeout` should be a number of seconds above 0, found 0",
                "model `models.3`: the key holds characters that no key has",
                "channel `1`: `base_url` should be an address such as `https://api.openai.com`, found `notaurl`",
                "channel `1`: `proxy` should begin with one of `http://`, `https://`, `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, found `ftp://y`",
                "channel `2`: `proxy` should begin with one of `http://`, `https://`, `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, found `ftp://z`",
                "channel `2`: `timeout` should be a number of seconds above 0, found 0",
            ]
        );
        let wrong = Configuration::parse("models: 5\nchannels: [x]\n", &|_| None).unwrap_err();
        assert_eq!(wrong, ["`models` should be a list, found `5`", "`channels` should be keys with values, found `[\"x\"]`"]);
    }

    #[test]
    fn the_example_is_read_without_a_warning() {
        let text = include_str!("../../../example_data/gateway/config.yaml");
        let (configuration, warnings) = Configuration::parse(text, &|_| None).unwrap();
        assert_eq!((configuration.models.len(), warnings), (2, Vec::new()));
        assert_eq!((configuration.gateway.cache, configuration.models[0].safe_tpm), (Switch::Off, Some(200_000)));
    }

    #[test]
    fn the_schema_knows_every_key() {
        let schema = Configuration::json_schema().to_string();
        assert!(MODEL_KEYS.iter().chain(&CHANNEL_KEYS).all(|key| schema.contains(&format!("\"{key}\""))));
    }
}
