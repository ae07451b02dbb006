//! What a pipeline file can say of a service.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::connection::addresses;
use crate::pool::seconds;
use crate::{Secret, options};

const OPENAI: &str = "https://api.openai.com/v1";

/// How the model is told of a JSON schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaMode {
    /// As the request's `response_format`, to which the service holds the model.
    #[default]
    Send,
    /// In words at the end of the question, for services that know no `response_format`.
    Words,
}

/// How an [`ApiServing`](crate::ApiServing) is set up; the names are those of the pipeline file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiOptions {
    /// The service's base address, or the whole address of its chat route.
    pub api_url: String,
    /// The model's name.
    pub model: String,
    /// The environment variable that holds the key.
    pub api_key_env: String,
    /// The key itself; `none` for a service that wants no key. Never written.
    #[serde(skip_serializing)]
    pub api_key: Option<Secret>,
    /// How many calls may be in flight at once.
    pub max_concurrency: usize,
    /// 0 for the likeliest words, higher for more variety; null leaves it to the service.
    pub temperature: Option<f64>,
    /// The share of probability from which words are drawn.
    pub top_p: Option<f64>,
    /// The longest reply, in tokens.
    pub max_tokens: Option<u64>,
    /// The seed of the draw.
    pub seed: Option<i64>,
    /// Texts at which a reply ends.
    pub stop: Vec<String>,
    /// The seconds that one try may take, from connecting to the last byte.
    pub timeout: f64,
    /// The seconds that connecting may take.
    pub connect_timeout: f64,
    /// How often a call that failed is tried again.
    pub max_retries: u32,
    /// How the model is told of a JSON schema.
    pub json_schema_mode: SchemaMode,
    /// The model that gives vectors, where it is not the one that chats.
    pub embedding_model: Option<String>,
    /// Headers that go with each request. One whose name tells of a key or a token is never written; none is printed.
    #[serde(skip_serializing)]
    pub headers: BTreeMap<String, Secret>,
    /// Fields that go into each request's body.
    pub extra_body: Map<String, Value>,
    /// The longest wait before the first retry; it doubles with each.
    #[serde(skip)]
    pub(crate) back_off: Duration,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            api_url: OPENAI.into(),
            model: "gpt-4o".into(),
            api_key_env: "DF_API_KEY".into(),
            api_key: None,
            max_concurrency: 30,
            temperature: Some(0.0),
            top_p: None,
            max_tokens: None,
            seed: None,
            stop: Vec::new(),
            timeout: 120.0,
            connect_timeout: 10.0,
            max_retries: 5,
            json_schema_mode: SchemaMode::Send,
            embedding_model: None,
            headers: BTreeMap::new(),
            extra_body: Map::new(),
            back_off: Duration::from_millis(500),
        }
    }
}

impl ApiOptions {
    /// Says which values no service could take.
    pub(crate) fn problems(&self) -> Vec<String> {
        let time = |name: &str, found: f64| (seconds(found).is_none(), format!("`{name}` should be a number of seconds above 0, found {found}"));
        let wrong = [
            (self.model.trim().is_empty(), "`model` is empty: name the model, such as `gpt-4o`".to_owned()),
            (self.max_concurrency == 0, "`max_concurrency` should be at least 1, found 0".to_owned()),
            (self.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)), "`temperature` should be between 0 and 2".to_owned()),
            (self.top_p.is_some_and(|share| !(0.0..=1.0).contains(&share)), "`top_p` should be between 0 and 1".to_owned()),
            (self.max_tokens == Some(0), "`max_tokens` should be at least 1, found 0".to_owned()),
            time("timeout", self.timeout),
            time("connect_timeout", self.connect_timeout),
        ];
        let wrong = wrong.into_iter().filter(|(wrong, _)| *wrong).map(|(_, message)| message);
        wrong.chain(addresses(&self.api_url).err()).collect()
    }

    /// The service that the environment names.
    pub(crate) fn of_environment(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let defaults = Self::default();
        Self { api_url: set("DF_API_URL").unwrap_or(defaults.api_url), model: set("DF_MODEL").unwrap_or(defaults.model), ..Self::default() }
    }

    /// The options as a pipeline file has them: the address, the model, and what is not as by default; no key.
    pub(crate) fn spec(&self) -> Value {
        let mut spec = options::spec("api", self, &["api_url", "model"]);
        let headers: Map<String, Value> =
            self.headers.iter().filter(|(name, _)| !tells_of_a_secret(name)).map(|(name, value)| (name.clone(), value.reveal().into())).collect();
        if !headers.is_empty() {
            spec.insert("headers".into(), headers.into());
        }
        Value::Object(spec)
    }
}

/// Whether a header or a part of an address is likely to hold a key.
pub(crate) fn tells_of_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "token", "secret", "auth", "cookie", "password", "signature"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_can_be_read_and_holds_no_secret() {
        let options: ApiOptions = crate::options::read(json!({
            "api_url": "http://localhost:1/v1", "model": "m", "api_key": "sk-very-secret", "temperature": 0.7, "max_tokens": 10,
            "headers": { "x-team": "data", "X-Api-Key": "sk-other-secret" }, "extra_body": { "top_k": 5 },
        }))
        .unwrap();
        let spec = options.spec();
        assert_eq!(
            spec,
            json!({
                "type": "api", "api_url": "http://localhost:1/v1", "model": "m", "temperature": 0.7, "max_tokens": 10,
                "headers": { "x-team": "data" }, "extra_body": { "top_k": 5 },
            })
        );
        assert!(!format!("{options:?}").contains("very-secret"));
    }

    #[test]
    fn the_environment_names_the_service() {
        let options = ApiOptions::of_environment(&|name| (name == "DF_MODEL").then(|| "qwen".to_owned()));
        assert_eq!((options.api_url.as_str(), options.model.as_str()), (OPENAI, "qwen"));
    }
}
