//! HTTP clients: one for each way of connecting, shared by the deployments that connect so.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, Proxy, Url};

use super::configuration::ChannelSettings;

/// The clients that were made so far.
#[derive(Debug, Default)]
pub(super) struct Clients {
    made: HashMap<(bool, String, Vec<String>, String), Client>,
}

impl Clients {
    /// The client for a channel; the error says what cannot be used.
    pub fn client_of(&mut self, channel: &ChannelSettings, url: &Url, idle_per_host: usize) -> Result<Client, String> {
        let addresses = channel.ip_pool.clone().filter(|_| channel.proxy.trim().is_empty()).unwrap_or_default();
        let host = url.host_str().unwrap_or_default().to_owned();
        let key = (channel.ssl_verify, channel.proxy.trim().to_owned(), addresses.clone(), if addresses.is_empty() { String::new() } else { host.clone() });
        if let Some(client) = self.made.get(&key) {
            return Ok(client.clone());
        }
        rustls::crypto::ring::default_provider().install_default().ok(); // another part of the program may have installed one
        let mut builder = Client::builder()
            .user_agent(concat!("dataflow/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(idle_per_host.max(1))
            .tcp_nodelay(true)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none());
        if !channel.ssl_verify {
            tracing::warn!(host, "the certificate of this service is not checked (`ssl_verify: false`)");
            builder = builder.danger_accept_invalid_certs(true);
        }
        builder = match channel.proxy.trim() {
            "" if is_loopback(&host) => builder.no_proxy(),
            "" => builder,
            proxy => builder.proxy(Proxy::all(proxy).map_err(|error| format!("`proxy` cannot be used: {error}"))?),
        };
        let sockets: Vec<SocketAddr> = addresses
            .iter()
            .filter_map(|address| {
                address.parse::<IpAddr>().inspect_err(|_| tracing::warn!(address, "an entry of `ip_pool` is no address and is left out")).ok()
            })
            .map(|address| SocketAddr::new(address, 0)) // the port is the address's own
            .collect();
        if !sockets.is_empty() {
            builder = builder.resolve_to_addrs(&host, &sockets);
        }
        let client = builder.build().map_err(|error| format!("the HTTP client cannot be made: {error}"))?;
        self.made.insert(key, client.clone());
        Ok(client)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
