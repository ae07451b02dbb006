//! Reads a file, with its variables put in, as far as it can be read; keys that nobody knows are warned of.

use std::collections::HashSet;
use std::path::Path;

use dataflow_core::configuration::{self, Faults};
use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::checks::check_names;
use super::values::Values;
use super::{ChannelSettings, Configuration, LogSettings, ModelSettings};

/// Sections of such a file that belong to the batch engine.
pub(super) const OTHER_SECTIONS: [&str; 19] = [
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
    "token_estimation",
    "budget",
];

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

impl Configuration {
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
        Values::of_text(&text, &variable)
            .map_err(Faults::from)
            .and_then(|values| Self::gather(values, &variable, more))
            .map_err(|faults| Error::Faults(faults.within(&path.display().to_string())))
    }

    /// Reads the text of a file; the error tells all problems.
    pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<(Self, Vec<String>), Faults> {
        Self::gather(Values::of_text(text, variable)?, variable, &|_, _| {})
    }

    /// Takes what a file's value says.
    pub fn of_value(value: Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<(Self, Vec<String>), Faults> {
        Self::gather(value.into(), variable, &|_, _| {})
    }

    /// Reads what can be read and looks at all of it, so that one problem hides no other.
    fn gather(values: Values, variable: &dyn Fn(&str) -> Option<String>, more: &dyn Fn(&Self, &mut Vec<String>)) -> Result<(Self, Vec<String>), Faults> {
        let Value::Object(mut file) = values.value else { return Err(vec!["expected keys and values".to_owned()].into()) };
        file.retain(|_, section| !section.is_null());
        let mut found = Found { problems: values.problems, warnings: Vec::new(), told: values.places };
        let known = ["models", "channels", "gateway", "global"];
        found.warn_unknown("", file.keys(), known.iter().chain(&OTHER_SECTIONS).copied());
        let mut configuration = Self { gateway: found.section(&file, "gateway"), global: found.section(&file, "global"), ..Self::default() };
        if let Some(log) = file.get("global").and_then(|global| global.get("log")).and_then(Value::as_object) {
            found.warn_unknown("global.log.", log.keys(), ["level", "format", "output", "file_path", "date_format"].into_iter());
        }
        let models: Vec<Value> = file.get("models").and_then(|models| found.read("models", models)).unwrap_or_default();
        let channels: Map<String, Value> = file.get("channels").and_then(|channels| found.read("channels", channels)).unwrap_or_default();
        for (number, model) in models.iter().enumerate() {
            let place = format!("models.{}", number + 1);
            let needed = ["id", "model", "channel_id"].map(|key| (key, place.as_str()));
            configuration.models.extend(found.item::<ModelSettings>(&place, model, &MODEL_KEYS, &needed));
        }
        for (id, channel) in &channels {
            let channel = found.item::<ChannelSettings>(&format!("channels.{id}"), channel, &CHANNEL_KEYS, &[("base_url", "http://unread")]);
            configuration.channels.extend(channel.map(|channel| (id.clone(), channel)));
        }
        let Found { mut problems, mut warnings, .. } = found;
        check_names(&models, &channels, &mut problems);
        configuration.models.iter_mut().for_each(|model| model.check(&mut problems, variable));
        configuration.channels.iter().for_each(|(id, channel)| channel.check(id, &mut problems));
        configuration.gateway.check(&mut problems);
        more(&configuration, &mut problems);
        configuration.channels.iter().for_each(|(id, channel)| channel.warn(id, &mut warnings));
        configuration.global.log.check(&mut warnings);
        if problems.is_empty() {
            return Ok((configuration, warnings));
        }
        // A key that nobody knows may be why another is missed.
        Err(Faults { problems, warnings, ..Faults::default() })
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

/// What was found on the way through a file.
struct Found {
    problems: Vec<String>,
    warnings: Vec<String>,
    /// Places where nothing stands because of a problem that was told.
    told: HashSet<String>,
}

impl Found {
    /// One section as far as it can be read, and word of what is wrong with it.
    fn section<T: DeserializeOwned + Default + Serialize>(&mut self, file: &Map<String, Value>, name: &str) -> T {
        let Some(value) = file.get(name).filter(|value| self.has_keys(name, value)) else { return T::default() };
        if let (Some(given), Ok(Value::Object(known))) = (value.as_object(), serde_json::to_value(T::default())) {
            let secret = ["api_keys", "admin_key"].into_iter().filter(|_| name == "gateway");
            self.warn_unknown(&format!("{name}."), given.keys(), known.keys().map(String::as_str).chain(secret));
        }
        self.read(name, value).unwrap_or_default()
    }

    /// An item of a list, and word of what is wrong with it. What it needs and has not is told, and something else stands there, so that the rest of it can be looked at.
    fn item<T: DeserializeOwned>(&mut self, place: &str, value: &Value, keys: &[&str], needed: &[(&str, &str)]) -> Option<T> {
        if !self.has_keys(place, value) {
            return None;
        }
        let Some(given) = value.as_object() else { return self.read(place, value) };
        self.warn_unknown(&format!("{place}."), given.keys(), keys.iter().copied());
        let mut value = without_nulls(value);
        for (key, instead) in needed.iter().filter(|(key, _)| value.get(key).is_none()).copied().collect::<Vec<_>>() {
            if !self.told.contains(&format!("{place}.{key}")) {
                let mut unknown = given.keys().filter(|given| !keys.contains(&given.as_str()));
                let meant = unknown.find(|unknown| nearest(unknown, keys.iter().copied()) == Some(key));
                let hint = meant.map(|meant| format!("\nhint: did you mean it by `{meant}`?")).unwrap_or_default();
                self.problems.push(format!("`{place}`: missing field `{key}`{hint}"));
            }
            value[key] = instead.into();
        }
        self.read(place, &value).or_else(|| {
            for (key, instead) in needed {
                value[*key] = (*instead).into();
            }
            configuration::read(place, value).0
        })
    }

    /// The library would take a list for the values of all keys in their order.
    fn has_keys(&mut self, place: &str, value: &Value) -> bool {
        if value.is_array() {
            self.problems.push(format!("`{place}` should be keys with values, found a list"));
        }
        !value.is_array()
    }

    /// Reads a value as far as it can be read, and tells each of its keys that is wrong.
    fn read<T: DeserializeOwned>(&mut self, place: &str, value: &Value) -> Option<T> {
        let (read, unread) = configuration::read(place, without_nulls(value));
        self.problems.extend(unread.iter().map(ToString::to_string));
        read
    }

    fn warn_unknown<'a, 'b>(&mut self, place: &str, given: impl Iterator<Item = &'a String>, known: impl Iterator<Item = &'b str>) {
        let known: Vec<&str> = known.collect();
        for key in given.filter(|key| !known.contains(&key.as_str())) {
            let near = nearest(key, known.iter().copied()).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            self.warnings.push(format!("unknown key `{place}{key}`{near}"));
        }
    }
}

/// A key without a value is as one that is not there; but a temperature that is none is not the default one.
fn without_nulls(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, value| !value.is_null() || name == "temperature");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Switch;

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
    fn what_nobody_knows_is_told_with_what_is_wrong() {
        let text = "models: [{ id: 1, model: m, channel_id: a, timeout: 0 }]\nchannels: { a: { base_url: 'http://a.example' } }\ngateway: { apikeys: [a] }\n";
        assert_eq!(
            Configuration::parse(text, &|_| None).unwrap_err().told(),
            ["model `1`: `timeout` should be a number of seconds above 0, found 0", "warning: unknown key `gateway.apikeys`: did you mean `api_keys`?"]
        );
    }

    #[test]
    fn the_example_is_read_without_a_warning() {
        let text = include_str!("../../../../example_data/gateway/config.yaml");
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
