//! HTTP clients: one for each way of connecting, shared by the deployments that connect so.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::http::HeaderMap;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Proxy, Url};

use super::configuration::{ChannelSettings, without_password};
use crate::http::{self, Address, PlainService, Service, is_loopback};

/// How long a connection may take to come about.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// The proxies that there are; calls with keys must not go around one that is misspelt.
const PROXY_SCHEMES: [&str; 6] = ["http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"];

/// The clients that were made so far; their connections outlive a file that is read anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    made: HashMap<Way, Client>,
    plain: HashMap<(String, u16, usize), Arc<PlainService>>,
}

/// A way of connecting.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Way {
    ssl_verify: bool,
    proxy: String,
    /// The addresses of a host, where the file gives them.
    addresses: Option<(String, Vec<String>)>,
    /// To this machine no proxy of the environment leads.
    is_loopback: bool,
    idle_per_host: usize,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Way").field("ssl_verify", &self.ssl_verify).finish_non_exhaustive()
    }
}

impl Clients {
    /// The way to a channel's service; the error says what cannot be used.
    pub fn service_of(&mut self, channel: &ChannelSettings, address: &Address, headers: HeaderMap, most_idle: usize) -> Result<Service, String> {
        let client = self.client_of(channel, address.url(), most_idle)?;
        Ok(Service::new(address, client, self.plain_of(channel, address.url(), most_idle), headers))
    }

    fn plain_of(&mut self, channel: &ChannelSettings, url: &Url, most_idle: usize) -> Option<Arc<PlainService>> {
        let has_addresses = channel.ip_pool.as_ref().is_some_and(|addresses| !addresses.is_empty());
        if has_addresses || !channel.proxy.reveal().trim().is_empty() {
            return None;
        }
        let made = http::plain_service(url, CONNECT_PATIENCE, most_idle)?;
        let key = (url.host_str()?.to_owned(), url.port_or_known_default()?, most_idle);
        Some(Arc::clone(self.plain.entry(key).or_insert_with(|| Arc::new(made))))
    }

    fn client_of(&mut self, channel: &ChannelSettings, url: &Url, idle_per_host: usize) -> Result<Client, String> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let proxy = channel.proxy.reveal().trim().to_owned();
        let addresses = channel.ip_pool.clone().filter(|addresses| !addresses.is_empty() && proxy.is_empty());
        let key = Way {
            ssl_verify: channel.ssl_verify,
            proxy,
            addresses: addresses.clone().map(|addresses| (host.clone(), addresses)),
            is_loopback: is_loopback(&host),
            idle_per_host,
        };
        if let Some(client) = self.made.get(&key) {
            return Ok(client.clone());
        }
        let mut builder = http::client()
            .connect_timeout(CONNECT_PATIENCE)
            .pool_max_idle_per_host(idle_per_host.max(1))
            // A reply is passed on byte for byte; and some services hold a compressed stream back.
            .no_gzip();
        if !channel.ssl_verify {
            tracing::warn!(host, "the certificate of this service is not checked (`ssl_verify: false`)");
            builder = builder.danger_accept_invalid_certs(true);
        }
        builder = match proxy_of(channel)? {
            None if key.is_loopback => builder.no_proxy(),
            None => builder,
            Some(proxy) => builder.proxy(proxy),
        };
        let sockets: Vec<SocketAddr> = addresses
            .iter()
            .flatten()
            .filter_map(|address| {
                address.parse::<IpAddr>().inspect_err(|_| tracing::warn!(address, "an entry of `ip_pool` is no address and is left out")).ok()
            })
            .map(|address| SocketAddr::new(address, 0)) // the port is the address's own
            .collect();
        if !sockets.is_empty() {
            builder = builder.dns_resolver(InTurn { sockets, next: AtomicUsize::new(0) }.shared());
        }
        let client = builder.build().map_err(|error| format!("the HTTP client cannot be made: {error}"))?;
        self.made.insert(key, client.clone());
        Ok(client)
    }
}

/// The proxy of a channel, where it has one.
pub(super) fn proxy_of(channel: &ChannelSettings) -> Result<Option<Proxy>, String> {
    match channel.proxy.reveal().trim() {
        "" => Ok(None),
        proxy if has_other_scheme(proxy) => {
            Err(format!("`proxy` should begin with one of `{}`, found `{}`", PROXY_SCHEMES.join("`, `"), without_password(proxy)))
        }
        // A name alone is most often a value that was meant for another key.
        proxy if !proxy.contains([':', '.', '/']) && proxy != "localhost" => {
            Err(format!("`proxy` should be an address such as `http://127.0.0.1:3128` or `127.0.0.1:3128`, found `{}`", without_password(proxy)))
        }
        proxy => Proxy::all(proxy).map(Some).map_err(|error| format!("`proxy` cannot be used: {}", http::cause(&error))),
    }
}

/// Whether an address names a scheme, and none of a proxy; without one it is `http://`.
fn has_other_scheme(proxy: &str) -> bool {
    let lower = proxy.to_ascii_lowercase();
    lower.contains("://") && !PROXY_SCHEMES.iter().any(|scheme| lower.starts_with(scheme))
}

/// Names the addresses of a host, for each connection from the next one on; the rest are where it turns to if that one fails.
struct InTurn {
    sockets: Vec<SocketAddr>,
    next: AtomicUsize,
}

impl InTurn {
    fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    fn starting_with_the_next(&self) -> Vec<SocketAddr> {
        let mut sockets = self.sockets.clone();
        sockets.rotate_left(self.next.fetch_add(1, Ordering::Relaxed) % self.sockets.len().max(1));
        sockets
    }
}

impl Resolve for InTurn {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.starting_with_the_next().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn connections_are_made_to_the_addresses_in_turn() {
        let socket = |last: u8| SocketAddr::from(([127, 0, 0, last], 0));
        let turn = InTurn { sockets: vec![socket(1), socket(2), socket(3)], next: AtomicUsize::new(0) };
        let firsts: Vec<_> = (0..4).map(|_| turn.starting_with_the_next()).collect();
        assert_eq!(firsts.iter().map(|sockets| sockets[0]).collect::<Vec<_>>(), [socket(1), socket(2), socket(3), socket(1)]);
        assert_eq!(firsts[1], [socket(2), socket(3), socket(1)]);
    }

    #[test]
    fn a_misspelt_proxy_is_refused_and_its_password_not_shown() {
        let channel: ChannelSettings = serde_json::from_value(json!({ "base_url": "http://one.example", "proxy": "htp://me:pw@127.0.0.1:1" })).unwrap();
        let error = Clients::default().client_of(&channel, &Url::parse("http://one.example").unwrap(), 10).unwrap_err();
        assert!(error.starts_with("`proxy` should begin with one of `http://`") && !error.contains("pw"), "{error}");
        assert_eq!(["127.0.0.1:7890", "HTTP://proxy.example", "foo://bar"].map(has_other_scheme), [false, false, true]);
    }

    #[test]
    fn one_client_for_each_way_of_connecting() {
        let mut clients = Clients::default();
        let mut count = |channel: serde_json::Value, url: &str| {
            let mut channel = channel;
            channel["base_url"] = url.into();
            clients.client_of(&serde_json::from_value(channel).unwrap(), &Url::parse(url).unwrap(), 10).unwrap();
            clients.made.len()
        };
        assert_eq!(count(json!({}), "https://one.example"), 1);
        assert_eq!(count(json!({ "timeout": 5 }), "https://two.example"), 1);
        assert_eq!(count(json!({}), "http://127.0.0.1:1"), 2);
        assert_eq!(count(json!({ "ssl_verify": false }), "https://one.example"), 3);
        assert_eq!(count(json!({ "proxy": "socks5://me:pw@proxy.example:1" }), "https://one.example"), 4);
        assert_eq!(count(json!({ "ip_pool": ["10.0.0.1", "nonsense"] }), "https://one.example"), 5);
        assert_eq!(count(json!({ "ip_pool": ["10.0.0.1", "nonsense"] }), "https://two.example"), 6);
        assert_eq!(count(json!({ "ip_pool": [] }), "https://two.example"), 6);
        assert!(!format!("{clients:?}").contains("pw"));
    }
}
