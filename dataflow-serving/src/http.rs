//! Requests over HTTP to model services, for all servings.
//!
//! Without TLS and without a proxy on the way a call drives its connection itself ([`plain`]); all else goes through reqwest.

mod answer;
mod plain;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Uri};
use reqwest::{Client, ClientBuilder, Url};

pub(crate) use answer::Answer;
pub(crate) use plain::PlainService;

use crate::api::classify::Failure;

/// What we call ourselves.
const USER: &str = concat!("dataflow/", env!("CARGO_PKG_VERSION"));
/// Variables that name a proxy for services without TLS.
const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// A way to one service, with the headers that go with each request.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    client: Client,
    plain: Option<Arc<PlainService>>,
    headers: HeaderMap,
}

/// An address of a service: the whole, and what of it is said in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    url: Url,
    path: Uri,
}

impl Service {
    /// A way to the service of an address, through the plain service where there is one.
    pub fn new(address: &Address, client: Client, plain: Option<Arc<PlainService>>, mut headers: HeaderMap) -> Self {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        if plain.is_some() {
            headers.entry(HOST).or_insert(address.authority());
            headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(USER));
            headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        }
        Self { client, plain, headers }
    }

    /// The headers that go with each request, its key among them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Sends a request's body, with some headers more. The time that the reply may take is the caller's to hold.
    pub async fn post(&self, to: &Address, more: impl FnOnce(&mut HeaderMap), body: Bytes) -> Result<Answer, Failure> {
        let mut headers = self.headers.clone();
        more(&mut headers);
        match &self.plain {
            Some(plain) => Answer::plain(plain.post(&to.path, headers, body).await),
            None => Answer::client(self.client.post(to.url.clone()).headers(headers).body(body).send().await),
        }
    }
}

impl Address {
    /// `None` for a path that no request can name.
    pub fn new(url: Url) -> Option<Self> {
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = Uri::try_from(format!("{}{query}", url.path())).ok()?;
        Some(Self { url, path })
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    fn authority(&self) -> HeaderValue {
        let host = self.url.host_str().unwrap_or_default();
        let authority = self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("")) // a host that was read from an address is always one
    }
}

/// The beginning of a client for model services.
pub(crate) fn client() -> ClientBuilder {
    rustls::crypto::ring::default_provider().install_default().ok(); // another part of the program may have installed one
    Client::builder()
        .user_agent(USER)
        .tcp_nodelay(true)
        // Over HTTP/2 all calls would share one connection, and most services let some hundred through at once.
        .http1_only()
        // A redirected POST becomes a GET, and a key must not follow to another host.
        .redirect(reqwest::redirect::Policy::none())
}

/// The service itself, where no TLS, no user and no proxy of the environment stands between.
pub(crate) fn plain_service(url: &Url, connect_timeout: Duration, most_idle: usize) -> Option<PlainService> {
    let host = url.host_str()?;
    let may_have_proxy = !is_loopback(host) && PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
    if url.scheme() != "http" || may_have_proxy || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    Some(PlainService::new(host, url.port_or_known_default()?, connect_timeout, most_idle))
}

/// Whether a host is this machine; no proxy of the environment leads to it.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The innermost cause; what stands around it repeats the address.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
