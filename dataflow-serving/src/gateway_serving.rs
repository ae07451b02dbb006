//! A running gateway as a pipeline's serving: `type: gateway`.

use std::sync::Arc;

use async_trait::async_trait;
use dataflow_core::Result;
use dataflow_core::serving::{Chat, Embeddings, ErrorClass, LLMServing, Reply, ServingError, ServingKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{ApiOptions, SchemaMode};
use crate::{ApiServing, Secret, options};

inventory::submit! {
    ServingKind { name: "gateway", build: |value| {
        let check = |options: GatewayServingOptions| GatewayServing::from(options).problems().into();
        let serving = GatewayServing::from(options::read_with::<GatewayServingOptions>(value, |_| None, check)?);
        serving.check()?;
        Ok(Arc::new(serving))
    } }
}

/// How a gateway is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayServingOptions {
    /// Where it is.
    pub url: String,
    /// An id, a name or a model's name there, or `auto` for any by weight.
    pub model: String,
    /// The environment variable that holds a key of its `api_keys`.
    pub api_key_env: String,
    /// The key itself. Never written.
    #[serde(skip_serializing)]
    pub api_key: Option<Secret>,
    /// How many calls may be in flight at once; the gateway holds each model to its own limits.
    pub max_concurrency: usize,
    /// 0 for the likeliest words, higher for more variety; without it each model's own.
    pub temperature: Option<f64>,
    /// The share of probability from which words are drawn.
    pub top_p: Option<f64>,
    /// The longest reply, in tokens.
    pub max_tokens: Option<u64>,
    /// The seed of the draw.
    pub seed: Option<i64>,
    /// Texts at which a reply ends.
    pub stop: Vec<String>,
    /// The seconds that a call may take; the gateway is told of them.
    pub timeout: f64,
    /// How often a call is made again that the gateway could not take at all: what it has tried itself is not tried again.
    pub max_retries: u32,
    /// How the model is told of a JSON schema.
    pub json_schema_mode: SchemaMode,
}

impl Default for GatewayServingOptions {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8787".into(),
            model: "auto".into(),
            api_key_env: "DF_GATEWAY_KEY".into(),
            api_key: None,
            max_concurrency: 100,
            temperature: None,
            top_p: None,
            max_tokens: None,
            seed: None,
            stop: Vec::new(),
            timeout: 600.0,
            max_retries: 5,
            json_schema_mode: SchemaMode::Send,
        }
    }
}

/// The models behind a running `dataflow gateway`, or an AI-DataFlux gateway.
///
/// The gateway owns the retries: what it could not get answered is final. Where it is not there, or has too much to do, it is asked again.
///
/// ```
/// use dataflow_serving::GatewayServing;
/// let serving = GatewayServing::new("http://127.0.0.1:8787", "auto");
/// ```
#[derive(Debug)]
pub struct GatewayServing {
    options: GatewayServingOptions,
    api: ApiServing,
}

impl From<GatewayServingOptions> for GatewayServing {
    fn from(options: GatewayServingOptions) -> Self {
        let address = options.url.trim().trim_end_matches('/');
        let milliseconds = (options.timeout.clamp(0.0, 1e9) * 1000.0) as u64;
        let api = ApiOptions {
            api_url: if address.contains("/v1") { address.to_owned() } else { format!("{address}/v1") },
            model: options.model.clone(),
            api_key_env: options.api_key_env.clone(),
            api_key: options.api_key.clone(),
            max_concurrency: options.max_concurrency,
            temperature: options.temperature,
            top_p: options.top_p,
            max_tokens: options.max_tokens,
            seed: options.seed,
            stop: options.stop.clone(),
            timeout: options.timeout,
            max_retries: options.max_retries,
            json_schema_mode: options.json_schema_mode,
            headers: [("x-flux-deadline-ms".to_owned(), milliseconds.to_string().into())].into(),
            ..ApiOptions::default()
        };
        Self { options, api: api.into() }
    }
}

impl GatewayServing {
    /// What no gateway could take; an option is called otherwise here.
    fn problems(&self) -> Vec<String> {
        self.api.options().problems().into_iter().map(|problem| problem.replace("`api_url`", "`url`")).collect()
    }

    /// A model of a gateway.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        GatewayServingOptions { url: url.into(), model: model.into(), ..GatewayServingOptions::default() }.into()
    }
}

fn told(mut error: ServingError) -> ServingError {
    match (error.class, error.status) {
        (ErrorClass::Unreachable, _) => error.message += "\nhint: is the gateway running? `dataflow gateway -c FILE` starts it",
        (ErrorClass::Auth, Some(401)) => error.message += "\nhint: the key is read from `DF_GATEWAY_KEY`, or from the variable that `api_key_env` names",
        _ => {}
    }
    error
}

#[async_trait]
impl LLMServing for GatewayServing {
    fn identity(&self) -> Value {
        self.api.identity()
    }

    fn spec(&self) -> Value {
        Value::Object(options::spec("gateway", &self.options, &["url"]))
    }

    fn max_concurrency(&self) -> usize {
        self.options.max_concurrency.max(1)
    }

    fn limits_itself(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        // The option is called otherwise here.
        self.api.check().map_err(|error| dataflow_core::Error::Faults(error.into_faults().map(|text| text.replace("`api_url`", "`url`"))))
    }

    async fn start(&self) -> Result<(), ServingError> {
        self.api.start().await
    }

    fn stop_waiting(&self) {
        self.api.stop_waiting();
    }

    async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError> {
        self.api.chat(chat).await.map_err(told)
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, ServingError> {
        self.api.embed(texts).await.map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn serving(options: Value) -> Result<GatewayServing> {
        let serving = GatewayServing::from(options::read::<GatewayServingOptions>(options)?);
        serving.check()?;
        Ok(serving)
    }

    #[test]
    fn what_is_written_can_be_read_and_holds_no_key() {
        let options = json!({ "url": "http://127.0.0.1:1", "model": "fast", "api_key": "callers-key", "temperature": 0.2 });
        let serving = serving(options).unwrap();
        assert_eq!(serving.spec(), json!({ "type": "gateway", "url": "http://127.0.0.1:1", "model": "fast", "temperature": 0.2 }));
        assert!(!format!("{serving:?}").contains("callers-key"));
        assert_eq!(serving.identity(), json!({ "model": "fast", "temperature": 0.2 }));
    }

    #[test]
    fn an_address_that_is_none_is_told_by_the_options_own_name() {
        let error = serving(json!({ "url": "somewhere" })).unwrap_err().to_string();
        assert!(error.starts_with("`url` should be an address"), "{error}");
        let error = serving(json!({ "url": "https://gate.example" })).unwrap_err().to_string();
        assert!(error.contains("`DF_GATEWAY_KEY` is not set"), "{error}");
    }

    #[tokio::test]
    async fn a_gateway_that_is_not_there_is_told_with_what_to_do() {
        let nobody = GatewayServing::from(GatewayServingOptions { url: "http://127.0.0.1:9".into(), max_retries: 0, ..GatewayServingOptions::default() });
        let error = nobody.chat(&Chat::from("x")).await.unwrap_err();
        assert!(error.class == ErrorClass::Unreachable && error.message.contains("dataflow gateway -c FILE"), "{error}");
    }
}
