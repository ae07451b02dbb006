//! The way to one service: its addresses, its key, its connections, and the tries of a call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dataflow_core::serving::{ErrorClass, ServingError};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::back_off::{Hurry, Pause, full_jitter};
use super::classify::{Failure, by_status};
use super::options::{ApiOptions, tells_of_a_secret};
use crate::Secret;
use crate::http::{self, Address, Service, is_loopback};
use tokio::sync::Semaphore;

/// The longest time that is waited because a service says so; beyond it the call fails and says until when.
const LONGEST_ASKED_WAIT: Duration = Duration::from_mins(15);

/// Who waits for so long is told why.
const WORTH_TELLING: Duration = Duration::from_secs(10);

pub(super) struct Connection {
    service: Service,
    host: String,
    chat: Address,
    embeddings: Address,
    timeout: Duration,
    secrets: Vec<Secret>,
    back_off: Duration,
    max_retries: u32,
    pause: Pause,
    pub hurry: Hurry,
    /// Places for requests on their way; a call that waits for its next try has none.
    in_flight: Semaphore,
    /// Calls that were answered; a rate limit is no failure while it grows.
    answered: AtomicU64,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Connection {
    /// Reads addresses and key, and makes the client; connects to nothing. The error is what is wrong with the options.
    pub fn new(options: &ApiOptions, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let (chat, embeddings) = addresses(&options.api_url)?;
        let host = match (chat.host_str(), chat.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(format!("`api_url` should name a host, found `{}`", options.api_url)),
        };
        let local = chat.host_str().is_some_and(is_loopback);
        let key = key(options, local, variable)?;
        let mut secrets: Vec<Secret> = options.headers.iter().filter(|(name, _)| tells_of_a_secret(name)).map(|(_, value)| value.clone()).collect();
        let headers = headers(&options.headers, key.as_ref())?;
        secrets.extend(key);

        let seconds =
            |name: &str, seconds: f64| crate::pool::seconds(seconds).ok_or_else(|| format!("`{name}` should be a number of seconds above 0, found {seconds}"));
        let (timeout, connect_timeout) = (seconds("timeout", options.timeout)?, seconds("connect_timeout", options.connect_timeout)?);
        let most_idle = options.max_concurrency.max(1);
        let plain = http::plain_service(&chat, connect_timeout, most_idle).map(Arc::new);
        let mut client = http::client().connect_timeout(connect_timeout).pool_max_idle_per_host(most_idle);
        if local {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| format!("the HTTP client cannot be made: {}", http::cause(&error)))?;
        let address = |url: Url| Address::new(url).ok_or_else(|| format!("`api_url` should be an address that can be asked, found `{}`", options.api_url));
        let (chat, embeddings) = (address(chat)?, address(embeddings)?);
        Ok(Self {
            service: Service::new(&chat, client, plain, headers),
            host,
            chat,
            embeddings,
            timeout,
            secrets,
            back_off: options.back_off,
            max_retries: options.max_retries,
            pause: Pause::new(),
            hurry: Hurry::new(),
            in_flight: Semaphore::new(options.max_concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            answered: AtomicU64::new(0),
        })
    }

    pub fn chat(&self) -> &Address {
        &self.chat
    }

    pub fn embeddings(&self) -> &Address {
        &self.embeddings
    }

    /// Sends a request until it is answered, or until its tries are used up.
    pub async fn call<T>(&self, to: &Address, body: Vec<u8>, read: impl Fn(&[u8]) -> Result<T, Failure>) -> Result<T, ServingError> {
        let body = Bytes::from(body);
        let (mut tries, mut failed) = (0, 0);
        let mut answered_before = self.answered.load(Ordering::Relaxed);
        loop {
            if self.pause.is_on() && self.hurry.unless(self.pause.over()).await.is_none() {
                return Err(ServingError::new(ErrorClass::RateLimited, format!("{}: the run has ended while the service was waited for", self.host)));
            }
            let failure = match self.once(to, body.clone(), &read).await {
                Ok(reply) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            tries += 1;
            let answered = self.answered.load(Ordering::Relaxed);
            let others_pass = failure.class == ErrorClass::RateLimited && answered > answered_before;
            answered_before = answered;
            failed += u32::from(!others_pass);
            let hopeless = !failure.class.may_pass() || failure.vetoed || failure.retry_after.is_some_and(|after| after > LONGEST_ASKED_WAIT);
            if hopeless || failed > self.max_retries {
                return Err(self.give_up(to.url(), &failure, tries));
            }
            // Refused among many, a call is not to wait for a minute while others pass.
            let doublings = if failure.class == ErrorClass::RateLimited { (tries - 1).min(5) } else { failed - 1 };
            let wait = full_jitter(self.back_off, doublings);
            tracing::debug!(
                host = self.host,
                class = failure.class.name(),
                status = failure.status,
                tries,
                wait_ms = wait.as_millis() as u64,
                "a call failed and is tried again"
            );
            if let Some(after) = failure.retry_after.filter(|after| *after >= WORTH_TELLING) {
                tracing::warn!(host = self.host, seconds = after.as_secs(), error = failure.message, "the service is not asked for a while, as it says");
            }
            let asked_for = match failure.retry_after {
                // The limit is the account's, not this call's: the others would run into it one by one.
                Some(after) if failure.class == ErrorClass::RateLimited => {
                    self.pause.at_least(after);
                    Duration::ZERO
                }
                after => after.unwrap_or_default(),
            };
            if self.hurry.unless(tokio::time::sleep(asked_for + wait)).await.is_none() {
                return Err(self.give_up(to.url(), &failure, tries));
            }
        }
    }

    async fn once<T>(&self, to: &Address, body: Bytes, read: impl Fn(&[u8]) -> Result<T, Failure>) -> Result<T, Failure> {
        let _place = self.in_flight.acquire().await; // it is never closed
        if self.hurry.is_asked() {
            return Err(Failure::new(ErrorClass::RateLimited, "the run has ended while a place was waited for"));
        }
        let asking = async {
            let answer = self.service.post(to, |_| {}, body).await?;
            let status = answer.status();
            if status.is_success() {
                return read(&answer.bytes().await?);
            }
            let headers = answer.headers().clone();
            let body = answer.bytes().await.unwrap_or_default(); // the status alone tells enough
            Err(by_status(status.as_u16(), &headers, &body))
        };
        tokio::time::timeout(self.timeout, asking).await.unwrap_or_else(|_| Err(Failure::new(ErrorClass::Transient, "no reply in time")))
    }

    fn give_up(&self, url: &Url, failure: &Failure, tries: u32) -> ServingError {
        // A service that knows nothing there is most likely asked at the wrong path.
        let path = if failure.status == Some(404) { url.path() } else { "" };
        let after = if tries > 1 { format!(" (after {tries} tries)") } else { String::new() };
        let message = self.secrets.iter().fold(format!("{}{path}: {}{after}", self.host, failure.message), |message, secret| secret.blot_out(&message));
        ServingError { class: failure.class, status: failure.status, message, retry_after: failure.retry_after }
    }
}

/// The chat and the embeddings address of a service.
pub(super) fn addresses(api_url: &str) -> Result<(Url, Url), String> {
    let parsed = Url::parse(api_url.trim()).map_err(|error| {
        format!("`api_url` should be an address such as `https://api.openai.com/v1`, found `{}`: {error}", api_url.split('?').next().unwrap_or_default())
    })?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(format!("`api_url` should begin with `https://` or `http://`, found `{}://`", parsed.scheme()));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query_pairs().any(|(name, _)| tells_of_a_secret(&name)) {
        return Err("`api_url` holds a key or a password, and addresses are shown\nhint: name the environment variable that holds it as `api_key_env`, or use `headers`".into());
    }
    let path = parsed.path().trim_end_matches('/');
    let base = path.strip_suffix("/chat/completions").unwrap_or(path);
    let with = |route: &str| {
        let mut url = parsed.clone();
        url.set_path(&format!("{base}{route}"));
        url
    };
    Ok((with("/chat/completions"), with("/embeddings")))
}

/// The key that goes with each request; `None` where the service wants none.
fn key(options: &ApiOptions, local: bool, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Secret>, String> {
    let given = options.api_key.as_ref().filter(|key| !key.reveal().trim().is_empty()).cloned();
    let key = given.or_else(|| variable(&options.api_key_env).filter(|key| !key.trim().is_empty()).map(Secret::from));
    match key {
        Some(key) if key.reveal() == "none" => Ok(None),
        Some(key) => Ok(Some(key)),
        None if local => Ok(None), // servers on one's own machine seldom want a key
        None => Err(format!(
            "there is no key: the environment variable `{name}` is not set\nhint: `export {name}=…`, or name another variable as `api_key_env`, or write `api_key: none` for a service that wants no key",
            name = options.api_key_env,
        )),
    }
}

fn headers(given: &BTreeMap<String, Secret>, key: Option<&Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal().trim()))
            .map_err(|_| "the key holds characters that no key has, such as a line break".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    for (name, value) in given {
        let header = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` in `headers` is no name of a header"))?;
        let mut value =
            HeaderValue::try_from(value.reveal()).map_err(|_| format!("the value of `{name}` in `headers` holds characters that no header may have"))?;
        value.set_sensitive(tells_of_a_secret(name));
        headers.insert(header, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(options: &ApiOptions) -> Result<Connection, String> {
        Connection::new(options, &|_| None)
    }

    fn at(url: &str) -> ApiOptions {
        ApiOptions { api_url: url.into(), api_key: Some("sk-very-secret-key".into()), ..ApiOptions::default() }
    }

    #[test]
    fn the_base_address_and_the_whole_address_mean_the_same() {
        for url in ["https://host/api/v1", "https://host/api/v1/", "https://host/api/v1/chat/completions"] {
            let (chat, embeddings) = addresses(url).unwrap();
            assert_eq!((chat.as_str(), embeddings.as_str()), ("https://host/api/v1/chat/completions", "https://host/api/v1/embeddings"));
        }
        assert_eq!(addresses("https://host/x?api-version=1").unwrap().0.as_str(), "https://host/x/chat/completions?api-version=1");
    }

    #[test]
    fn an_address_that_is_none_or_holds_a_key_is_refused() {
        for (url, expected) in [
            ("host/v1", "should be an address"),
            ("ftp://host/v1", "should begin with"),
            ("https://me:pw@host/v1", "holds a key or a password"),
            ("https://host/v1?key=AIzaSecret", "holds a key or a password"),
        ] {
            let error = connect(&at(url)).unwrap_err();
            assert!(error.contains(expected) && !error.contains("AIza") && !error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn a_missing_key_is_told_by_its_variable_except_at_home() {
        let without = |url: &str| ApiOptions { api_key: None, ..at(url) };
        assert!(
            connect(&without("https://api.example.com/v1"))
                .unwrap_err()
                .starts_with("there is no key: the environment variable `DF_API_KEY` is not set\nhint:")
        );
        assert!(connect(&without("http://127.0.0.1:1/v1")).is_ok());
        assert!(connect(&without("http://[::1]:1/v1")).is_ok());
        let none = ApiOptions { api_key: Some("none".into()), ..at("https://api.example.com/v1") };
        assert!(connect(&none).is_ok());
        let variable = |name: &str| (name == "DF_API_KEY").then(|| "sk-1".to_owned());
        assert!(Connection::new(&without("https://api.example.com/v1"), &variable).is_ok());
    }
}
