//! The model that the environment names, or the demo model where it names none.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use dataflow_core::serving::{Chat, Embeddings, LLMServing, Reply, ServingError, ServingKind};
use dataflow_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::ApiOptions;
use crate::{ApiServing, DemoServing, demo};

inventory::submit! {
    ServingKind { name: "env", build: |value| {
        let serving = EnvServing::choose(crate::options::read(value)?, &|name| std::env::var(name).ok());
        serving.check()?;
        Ok(Arc::new(serving))
    } }
}

/// What a pipeline file can say of it; the demo model heeds `max_concurrency` alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EnvOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrency: Option<NonZeroUsize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
}

/// The API where `DF_API_KEY` or `DF_API_URL` is set (its model is `DF_MODEL`, else `gpt-4o`), and the demo model otherwise.
///
/// Its [`notice`](LLMServing::notice) says which.
#[derive(Clone, Debug)]
pub struct EnvServing {
    serving: Arc<dyn LLMServing>,
    options: EnvOptions,
    notice: String,
}

impl Default for EnvServing {
    fn default() -> Self {
        Self::new()
    }
}

impl EnvServing {
    /// Reads the environment.
    pub fn new() -> Self {
        Self::choose(EnvOptions::default(), &|name| std::env::var(name).ok())
    }

    fn choose(options: EnvOptions, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.trim().is_empty());
        let reason = ["DF_API_KEY", "DF_API_URL"].into_iter().find(|name| is_set(name));
        let Some(reason) = reason else {
            let defaults = DemoServing::default();
            let serving = DemoServing { max_concurrency: options.max_concurrency.map_or(defaults.max_concurrency, NonZeroUsize::get), ..defaults };
            let notice = format!("neither `DF_API_KEY` nor `DF_API_URL` is set: {}", demo::NOTICE);
            return Self { serving: Arc::new(serving), options, notice };
        };
        let mut api = ApiOptions::of_environment(variable);
        api.max_concurrency = options.max_concurrency.map_or(api.max_concurrency, NonZeroUsize::get);
        api.temperature = options.temperature.or(api.temperature);
        api.max_tokens = options.max_tokens;
        api.timeout = options.timeout.unwrap_or(api.timeout);
        api.max_retries = options.max_retries.unwrap_or(api.max_retries);
        let address = api.api_url.split('?').next().unwrap_or_default();
        let notice = format!("`{}` at {address} answers, because `{reason}` is set", api.model);
        Self { serving: Arc::new(ApiServing::from(api)), options, notice }
    }
}

/// The error with a hint that this type takes: a key has no option here.
fn fitting(error: Error) -> Error {
    Error::Faults(error.into_faults().map(|text| match text.split_once("\nhint: ") {
        Some((told, hint)) if hint.contains("`api_key_env`") => {
            format!("{told}\nhint: put the key in `DF_API_KEY`, or `none` for a service that wants no key; a key under another name needs `type: api`")
        }
        _ => text,
    }))
}

#[async_trait]
impl LLMServing for EnvServing {
    fn identity(&self) -> Value {
        self.serving.identity()
    }

    fn spec(&self) -> Value {
        let mut spec = Map::from_iter([("type".to_owned(), Value::from("env"))]);
        if let Ok(Value::Object(options)) = serde_json::to_value(&self.options) {
            spec.extend(options);
        }
        Value::Object(spec)
    }

    fn max_concurrency(&self) -> usize {
        self.serving.max_concurrency()
    }

    fn limits_itself(&self) -> bool {
        self.serving.limits_itself()
    }

    fn notice(&self) -> Option<String> {
        Some(self.notice.clone())
    }

    fn check(&self) -> Result<()> {
        self.serving.check().map_err(fitting)
    }

    async fn start(&self) -> Result<(), ServingError> {
        self.serving.start().await
    }

    fn stop_waiting(&self) {
        self.serving.stop_waiting();
    }

    async fn stop(&self) {
        self.serving.stop().await;
    }

    async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError> {
        self.serving.chat(chat).await
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, ServingError> {
        self.serving.embed(texts).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(variables: &[(&str, &str)]) -> (Value, String) {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let serving = EnvServing::choose(EnvOptions { max_concurrency: NonZeroUsize::new(7), ..EnvOptions::default() }, &variable);
        assert_eq!((serving.max_concurrency(), serving.spec()), (7, json!({ "type": "env", "max_concurrency": 7 })));
        (serving.identity(), serving.notice().unwrap())
    }

    #[test]
    fn a_key_that_is_missing_is_told_with_what_this_type_takes() {
        let of_api = |spec: Value| dataflow_core::registry::build_serving("s", &spec).unwrap_err();
        let hint = "hint: put the key in `DF_API_KEY`, or `none` for a service that wants no key; a key under another name needs `type: api`";
        let missing = fitting(of_api(json!({ "type": "api", "api_key_env": "NO_SUCH_VARIABLE_HERE" }))).to_string();
        assert!(missing.ends_with(&format!("`NO_SUCH_VARIABLE_HERE` is not set\n{hint}")), "{missing}");
        let in_address = fitting(of_api(json!({ "type": "api", "api_url": "https://one.example/v1?api_key=k", "api_key": "k" }))).to_string();
        assert!(in_address.contains("`api_url` holds a key") && in_address.ends_with(hint), "{in_address}");
        let other = fitting(of_api(json!({ "type": "api", "api_key": "k", "max_concurrency": 0 }))).to_string();
        assert!(!other.contains(hint), "{other}");
    }

    #[test]
    fn without_a_key_the_demo_model_answers_and_says_so() {
        let (identity, notice) = check(&[("DF_API_KEY", " ")]);
        assert_eq!(identity, json!({ "model": "demo" }));
        assert!(notice.contains("DF_API_KEY") && notice.contains("not real") && notice.contains("不真实"), "{notice}");
    }

    #[test]
    fn with_a_key_or_an_address_the_api_answers() {
        let (identity, notice) = check(&[("DF_API_KEY", "sk-secret"), ("DF_MODEL", "qwen")]);
        assert_eq!(identity, json!({ "model": "qwen", "temperature": 0.0 }));
        assert_eq!(notice, "`qwen` at https://api.openai.com/v1 answers, because `DF_API_KEY` is set");
        let (_, notice) = check(&[("DF_API_URL", "http://127.0.0.1:8000/v1")]);
        assert_eq!(notice, "`gpt-4o` at http://127.0.0.1:8000/v1 answers, because `DF_API_URL` is set");
    }
}
