//! Whether anything answers at the models' addresses: a connection is made, and nothing is asked.

use std::time::Duration;

use dataflow_serving::Secret;
use futures::future::join_all;
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

use super::{Process, ProcessConfiguration, ProcessOptions};

/// How long an address is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// A host and a port, and who is to answer there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    who: String,
    host: String,
    port: u16,
}

impl Place {
    /// The place of an address; `None` where it is none.
    fn of(who: String, address: &str) -> Option<Self> {
        let url = Url::parse(address.trim()).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned(); // an IPv6 address has brackets in an address alone
        Some(Self { who, host, port: url.port_or_known_default()? })
    }
}

impl ProcessConfiguration {
    /// The addresses at which nothing answers within three seconds, each with who is to answer there. Those behind a proxy are not tried.
    pub(crate) async fn unreachable(&self, process: &Process, options: ProcessOptions) -> Vec<String> {
        let tried = self.places(process, options).into_iter().map(|place| async move {
            let connected = tokio::time::timeout(PATIENCE, TcpStream::connect((place.host.as_str(), place.port))).await;
            let why = match connected {
                Ok(Ok(_)) => return None,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer within 3 s".to_owned(),
            };
            Some(format!("nothing answers at {}:{} for {}: {why}", place.host, place.port, place.who))
        });
        join_all(tried).await.into_iter().flatten().collect()
    }

    fn places(&self, process: &Process, options: ProcessOptions) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        if let Some(pool) = &process.pool {
            let configuration = pool.configuration();
            for model in &configuration.models {
                let Some(channel) = configuration.channels.get(&model.channel_id).filter(|channel| channel.proxy == Secret::default()) else { continue };
                let who = format!("model `{}`", model.name.as_ref().unwrap_or(&model.id));
                match (Place::of(who, &channel.base_url), channel.ip_pool.iter().flatten().next()) {
                    (Some(place), Some(address)) => places.push(Place { host: address.clone(), ..place }),
                    (place, _) => places.extend(place),
                }
            }
        } else {
            let url = self.whole.get("global").and_then(|global| global.get("flux_api_url")).and_then(Value::as_str);
            let url = match url {
                Some(url) => Some(url.to_owned()),
                None if options.gateway => Some("http://127.0.0.1:8787".to_owned()),
                None => std::env::var("DF_API_URL").ok(),
            };
            places.extend(url.and_then(|url| Place::of("the questions".into(), &url)));
        }
        // Several models may stand behind one address.
        let mut each: Vec<Place> = Vec::new();
        for place in places {
            match each.iter_mut().find(|known| (&known.host, known.port) == (&place.host, place.port)) {
                Some(known) => known.who = format!("{}, {}", known.who, place.who),
                None => each.push(place),
            }
        }
        each
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        let check = |address: &str| Place::of(String::new(), address).map(|place| (place.host, place.port));
        let place = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(check("https://api.openai.com/v1"), place("api.openai.com", 443));
        assert_eq!(check("http://user:geheim@127.0.0.1:8000"), place("127.0.0.1", 8000));
        assert_eq!(check("http://[::1]:9/v1?key=x"), place("::1", 9));
        assert_eq!(check("http://[::1]"), place("::1", 80));
        assert_eq!((check("localhost"), check("http://:80")), (None, None));
    }
}
