//! A client of services that speak OpenAI's interface, the common tongue of hosted and local models.

pub(crate) mod back_off;
pub(crate) mod classify;
mod connection;
pub(crate) mod hints;
pub(crate) mod options;
mod schema;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use dataflow_core::serving::{Chat, Embeddings, ErrorClass, LLMServing, Reply, ServingError, ServingKind};
use dataflow_core::{Error, Result};
use serde_json::{Map, Value, json};

use crate::Secret;
use connection::Connection;
pub use options::{ApiOptions, SchemaMode};

inventory::submit! {
    ServingKind { name: "api", build: |value| {
        let serving = ApiServing::from(crate::options::read_with(value, |_| None, |options: ApiOptions| options.problems().into())?);
        serving.check()?;
        Ok(Arc::new(serving))
    } }
}

/// A model behind an OpenAI-compatible service.
///
/// It retries what may pass, with full jitter, and waits as long as the service asks for; while it is told to wait, none of its calls goes out.
///
/// ```
/// use dataflow_serving::ApiServing;
/// let serving = ApiServing::new("https://api.openai.com/v1", "gpt-4o").temperature(0.7).max_concurrency(64);
/// ```
#[derive(Debug)]
pub struct ApiServing {
    options: ApiOptions,
    /// Made for the first call, so that the setters come before it; or what is wrong with the options.
    connection: OnceLock<Result<Connection, String>>,
}

impl From<ApiOptions> for ApiServing {
    fn from(options: ApiOptions) -> Self {
        Self { options, connection: OnceLock::new() }
    }
}

impl ApiServing {
    /// A model of a service; `url` is its base, such as `https://api.openai.com/v1`, or the whole address of its chat route.
    ///
    /// The key is read from the environment variable `DF_API_KEY`; see [`api_key_env`](Self::api_key_env) and [`api_key`](Self::api_key).
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        ApiOptions { api_url: url.into(), model: model.into(), ..ApiOptions::default() }.into()
    }

    /// The service that the environment names: `DF_API_URL` (OpenAI's where it is not set), `DF_MODEL` (`gpt-4o`), `DF_API_KEY`.
    pub fn from_env() -> Self {
        ApiOptions::of_environment(&|name| std::env::var(name).ok()).into()
    }

    /// How it is set up.
    pub fn options(&self) -> &ApiOptions {
        &self.options
    }

    fn with(self, change: impl FnOnce(&mut ApiOptions)) -> Self {
        let mut options = self.options;
        change(&mut options);
        options.into()
    }

    /// The environment variable that holds the key.
    #[must_use]
    pub fn api_key_env(self, variable: impl Into<String>) -> Self {
        self.with(|options| options.api_key_env = variable.into())
    }

    /// The key itself; `none` for a service that wants no key. It is not written into pipeline files.
    #[must_use]
    pub fn api_key(self, key: impl Into<Secret>) -> Self {
        self.with(|options| options.api_key = Some(key.into()))
    }

    /// How many calls may be in flight at once.
    #[must_use]
    pub fn max_concurrency(self, calls: usize) -> Self {
        self.with(|options| options.max_concurrency = calls)
    }

    /// 0 for the likeliest words, higher for more variety.
    #[must_use]
    pub fn temperature(self, temperature: f64) -> Self {
        self.with(|options| options.temperature = Some(temperature))
    }

    /// Leaves the temperature to the service, for models that refuse one.
    #[must_use]
    pub fn without_temperature(self) -> Self {
        self.with(|options| options.temperature = None)
    }

    /// The share of probability from which words are drawn.
    #[must_use]
    pub fn top_p(self, top_p: f64) -> Self {
        self.with(|options| options.top_p = Some(top_p))
    }

    /// The longest reply, in tokens.
    #[must_use]
    pub fn max_tokens(self, tokens: u64) -> Self {
        self.with(|options| options.max_tokens = Some(tokens))
    }

    /// The seed of the draw; independent samples of one question count on from it.
    #[must_use]
    pub fn seed(self, seed: i64) -> Self {
        self.with(|options| options.seed = Some(seed))
    }

    /// Texts at which a reply ends.
    #[must_use]
    pub fn stop<S: Into<String>>(self, stop: impl IntoIterator<Item = S>) -> Self {
        self.with(|options| options.stop = stop.into_iter().map(Into::into).collect())
    }

    /// The seconds that one try may take, from connecting to the last byte.
    #[must_use]
    pub fn timeout(self, seconds: f64) -> Self {
        self.with(|options| options.timeout = seconds)
    }

    /// The seconds that connecting may take.
    #[must_use]
    pub fn connect_timeout(self, seconds: f64) -> Self {
        self.with(|options| options.connect_timeout = seconds)
    }

    /// How often a call that failed is tried again. A rate limit does not count while other calls get through.
    #[must_use]
    pub fn max_retries(self, retries: u32) -> Self {
        self.with(|options| options.max_retries = retries)
    }

    /// How the model is told of a JSON schema.
    #[must_use]
    pub fn json_schema_mode(self, mode: SchemaMode) -> Self {
        self.with(|options| options.json_schema_mode = mode)
    }

    /// The model that gives vectors, where it is not the one that chats.
    #[must_use]
    pub fn embedding_model(self, model: impl Into<String>) -> Self {
        self.with(|options| options.embedding_model = Some(model.into()))
    }

    /// A header that goes with each request.
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.with(|options| drop(options.headers.insert(name.into(), value.into())))
    }

    /// A field that goes into each request's body, over one of the same name.
    #[must_use]
    pub fn extra_body(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|options| drop(options.extra_body.insert(name.into(), value.into())))
    }

    /// Waits a shorter time between tries.
    #[cfg(test)]
    fn back_off(self, base: std::time::Duration) -> Self {
        self.with(|options| options.back_off = base)
    }

    fn connection(&self) -> Result<&Connection, ServingError> {
        let connection = self.connection.get_or_init(|| Connection::new(&self.options, &|name| std::env::var(name).ok()));
        connection.as_ref().map_err(|message| ServingError::new(ErrorClass::Auth, message))
    }
}

#[async_trait]
impl LLMServing for ApiServing {
    fn identity(&self) -> Value {
        let options = &self.options;
        let mut identity = Map::new();
        identity.insert("model".into(), json!(options.model));
        let drawn = [
            ("temperature", json!(options.temperature)),
            ("top_p", json!(options.top_p)),
            ("max_tokens", json!(options.max_tokens)),
            ("seed", json!(options.seed)),
        ];
        identity.extend(drawn.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)));
        if !options.stop.is_empty() {
            identity.insert("stop".into(), json!(options.stop));
        }
        if options.json_schema_mode != SchemaMode::Send {
            identity.insert("json_schema_mode".into(), json!(options.json_schema_mode));
        }
        if !options.extra_body.is_empty() {
            // By name, so that the order in a file does not matter.
            identity.insert("extra_body".into(), json!(options.extra_body.iter().collect::<BTreeMap<_, _>>()));
        }
        Value::Object(identity)
    }

    fn spec(&self) -> Value {
        self.options.spec()
    }

    fn max_concurrency(&self) -> usize {
        self.options.max_concurrency.max(1)
    }

    fn limits_itself(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        let problems = self.options.problems();
        if !problems.is_empty() {
            return Err(Error::Faults(problems.into()));
        }
        self.connection().map(|_| ()).map_err(|error| Error::Configuration(error.message))
    }

    async fn start(&self) -> Result<(), ServingError> {
        self.connection().map(|connection| connection.hurry.set(false))
    }

    fn stop_waiting(&self) {
        if let Ok(connection) = self.connection() {
            connection.hurry.set(true);
        }
    }

    async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError> {
        let connection = self.connection()?;
        let body = wire::chat_request(&self.options, chat)
            .map_err(|error| ServingError::new(ErrorClass::Caller, format!("the request cannot be written: {error}")))?;
        connection.call(connection.chat(), body, wire::read_chat).await
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, ServingError> {
        /// What the services take in one request at the least.
        const TEXTS_A_REQUEST: usize = 128;
        let connection = self.connection()?;
        let model = self.options.embedding_model.as_ref().unwrap_or(&self.options.model);
        let mut embeddings = Embeddings::default();
        for texts in texts.chunks(TEXTS_A_REQUEST) {
            let body = json!({ "model": model, "input": texts }).to_string().into_bytes();
            let part = connection.call(connection.embeddings(), body, |reply| wire::read_embeddings(reply, texts.len())).await?;
            embeddings.vectors.extend(part.vectors);
            embeddings.usage.input_tokens += part.usage.input_tokens;
        }
        Ok(embeddings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::serving::Finish;
    use dataflow_upstream::{Behaviour, Fault, Upstream};
    use futures::StreamExt;
    use std::time::{Duration, Instant};

    const KEY: &str = "sk-test-abcdefghijklmnop";

    fn serving(upstream: &Upstream) -> ApiServing {
        ApiServing::new(upstream.url(), "m").api_key(KEY).back_off(Duration::from_millis(2)).timeout(5.0)
    }

    async fn ask(behaviour: Behaviour, question: &str) -> (Result<Reply, ServingError>, u64) {
        let upstream = Upstream::start(behaviour);
        let reply = serving(&upstream).chat(&Chat::from(question)).await;
        (reply, upstream.counts().requests)
    }

    #[tokio::test]
    async fn a_question_is_answered() {
        let (reply, requests) = ask(Behaviour::default(), "[[thinking]] 你好").await;
        let reply = reply.unwrap();
        assert_eq!(
            (reply.content.as_str(), reply.thinking.as_deref(), reply.model.as_str()),
            ("echo: [[thinking]] 你好", Some("I think before I answer."), "m")
        );
        assert!(reply.usage.input_tokens > 0 && reply.usage.output_tokens > 0);
        assert_eq!(requests, 1);
        assert_eq!(ask(Behaviour::default(), "a long answer [[length]]").await.0.unwrap().finish, Finish::Length);
        assert_eq!(ask(Behaviour::default(), "[[filter]]").await.0.unwrap_err().class, ErrorClass::Filtered);
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again() {
        for fault in
            [Fault::Status(500), Fault::Status(529), Fault::Reset, Fault::CutBody, Fault::BadJson, Fault::ErrorInBody, Fault::NoChoices, Fault::RateLimited]
        {
            let (reply, requests) = ask(Behaviour::default().retry_after(None).first([fault, fault]), "Why?").await;
            assert_eq!(reply.unwrap().content, "echo: Why?", "{fault:?}");
            assert_eq!(requests, 3, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_pass_is_not_tried_again() {
        for (fault, class) in [
            (Fault::Quota, ErrorClass::Quota),
            (Fault::Unauthorized, ErrorClass::Auth),
            (Fault::Status(400), ErrorClass::Caller),
            (Fault::Status(422), ErrorClass::Caller),
        ] {
            let (reply, requests) = ask(Behaviour::default().share(fault, 1.0), "Why?").await;
            assert_eq!((reply.unwrap_err().class, requests), (class, 1), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn the_last_error_names_host_status_and_the_services_words() {
        let upstream = Upstream::start(Behaviour::default().share(Fault::Status(503), 1.0));
        let error = serving(&upstream).max_retries(2).chat(&Chat::from("Why?")).await.unwrap_err();
        let host = upstream.url().replace("http://", "").replace("/v1", "");
        assert_eq!(error.to_string(), format!("{host}: 503: the service was told to fail (after 3 tries)"));
        assert_eq!((error.class, error.status, upstream.counts().requests), (ErrorClass::Transient, Some(503), 3));
    }

    #[tokio::test]
    async fn a_service_that_never_answers_is_given_up() {
        let upstream = Upstream::start(Behaviour::default().share(Fault::Stall, 1.0));
        let error = serving(&upstream).timeout(0.3).max_retries(1).chat(&Chat::from("Why?")).await.unwrap_err();
        assert_eq!((error.class, upstream.counts().requests), (ErrorClass::Transient, 2));
        assert!(error.message.contains("no reply in time"), "{error}");
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_unreachable() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(); // free again at once
        let nobody = ApiServing::new(format!("http://127.0.0.1:{port}/v1"), "m").max_retries(1).back_off(Duration::from_millis(1));
        let error = nobody.chat(&Chat::from("Why?")).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unreachable);
        assert!(error.message.to_lowercase().contains("connection refused"), "{error}");
    }

    #[tokio::test]
    async fn a_rate_limit_holds_all_calls_back() {
        let upstream = Upstream::start(Behaviour::default().first([Fault::RateLimited]).retry_after(Some(Duration::from_millis(60))));
        let serving = serving(&upstream);
        let start = Instant::now();
        let limited = async { serving.chat(&Chat::from("first")).await.map(|_| start.elapsed()) };
        let other = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            serving.chat(&Chat::from("second")).await.map(|_| start.elapsed())
        };
        let (limited, other) = tokio::join!(limited, other);
        let (limited, other) = (limited.unwrap(), other.unwrap());
        assert!(limited >= Duration::from_millis(58) && other >= Duration::from_millis(58), "{limited:?} {other:?}");
    }

    #[tokio::test]
    async fn a_limit_of_calls_a_second_fails_no_call() {
        // Of five requests one passes. That is no failure of the others, although few calls would last four tries.
        let upstream = Upstream::start(Behaviour::default().share(Fault::RateLimited, 0.8).retry_after(None));
        let serving = serving(&upstream).max_retries(3);
        let replies: Vec<_> = futures::stream::iter(0..100)
            .map(|number| {
                let serving = &serving;
                async move { serving.chat(&Chat::from(number.to_string())).await }
            })
            .buffer_unordered(50)
            .collect()
            .await;
        let failed = replies.iter().filter(|reply| reply.is_err()).count();
        assert!(failed <= 10, "{failed} failed"); // the last calls have few others beside them; without the rule some 40 fail
    }

    #[tokio::test]
    async fn faults_at_their_shares_leave_no_question_unanswered() {
        let behaviour =
            Behaviour::default().share(Fault::RateLimited, 0.05).share(Fault::Status(500), 0.05).share(Fault::Reset, 0.02).share(Fault::CutBody, 0.02);
        let upstream = Upstream::start(behaviour.retry_after(None).latency(Duration::from_millis(2)));
        let serving = serving(&upstream).max_retries(10);
        let replies: Vec<String> = futures::stream::iter(0..500)
            .map(|number| {
                let serving = &serving;
                async move { serving.chat(&Chat::from(number.to_string())).await.unwrap().content }
            })
            .buffered(64)
            .collect()
            .await;
        assert_eq!(replies, (0..500).map(|number| format!("echo: {number}")).collect::<Vec<_>>());
        let counts = upstream.counts();
        assert_eq!((counts.answered, counts.bought_twice(), counts.in_flight_now), (500, 0, 0));
        assert!(counts.max_in_flight <= 64 && counts.requests > 520, "{} {}", counts.max_in_flight, counts.requests);
    }

    #[tokio::test]
    async fn vectors_come_in_the_order_of_the_texts() {
        let upstream = Upstream::start(Behaviour::default().first([Fault::Status(500)]));
        let texts: Vec<String> = (0..300).map(|number| "x".repeat(number)).collect();
        let embeddings = serving(&upstream).embed(&texts).await.unwrap();
        assert_eq!(embeddings.vectors.iter().map(|vector| vector[0] as usize).collect::<Vec<_>>(), (0..300).collect::<Vec<_>>());
        assert_eq!((embeddings.usage.input_tokens, upstream.counts().requests), (300, 4));
    }

    #[tokio::test]
    async fn no_error_and_no_print_holds_the_key() {
        let upstream = Upstream::start(Behaviour::default().share(Fault::Leak, 1.0));
        let serving = serving(&upstream).header("x-api-key", "another-secret-value");
        let error = serving.chat(&Chat::from("Why?")).await.unwrap_err();
        assert!(error.message.contains("***"), "{error}");
        let shown = format!("{serving:?} {error:?} {error} {} {}", serving.spec(), serving.identity());
        assert!(!shown.contains("abcdef") && !shown.contains("another-secret"), "{shown}");
    }

    #[test]
    fn the_identity_tells_what_shapes_an_answer_and_not_where_it_comes_from() {
        let here = ApiServing::new("https://one.example/v1", "m").api_key("k").timeout(1.0);
        let there = ApiServing::new("https://two.example/v1", "m").max_concurrency(5);
        assert_eq!(here.identity(), there.identity());
        assert_ne!(here.identity(), ApiServing::new("https://one.example/v1", "m").temperature(0.5).identity());
        assert_eq!(here.identity(), json!({ "model": "m", "temperature": 0.0 }));
    }

    #[test]
    fn a_pipeline_file_builds_it_and_gets_it_back() {
        let spec = json!({ "type": "api", "api_url": "http://127.0.0.1:9/v1", "model": "m", "max_concurrency": 8, "json_schema_mode": "words" });
        let serving = dataflow_core::registry::build_serving("default", &spec).unwrap();
        assert_eq!(serving.spec(), spec);
        let error = dataflow_core::registry::build_serving("default", &json!({ "type": "api", "max_concurency": 8 })).unwrap_err();
        assert_eq!(error.to_string(), "serving `default`: there is no option `max_concurency`\nhint: did you mean `max_concurrency`?");
        let error = dataflow_core::registry::build_serving("default", &json!({ "type": "api", "api_key_env": "NO_SUCH_VARIABLE_HERE" })).unwrap_err();
        assert!(error.to_string().starts_with("serving `default`: there is no key: the environment variable `NO_SUCH_VARIABLE_HERE`"), "{error}");
    }
}
