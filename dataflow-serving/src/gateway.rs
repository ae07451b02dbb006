//! The pool behind HTTP: one address that speaks OpenAI's interface, with all the models of a configuration behind it.
//!
//! What a caller sends passes through as it is, but for the model's name and what the deployment sets; what a service answers comes back
//! byte for byte. Retries are the pool's alone.

mod access;
mod attempt;
mod body;
mod errors;
mod estimate;
mod history;
mod metrics;
mod pages;
mod relay;
mod routes;
mod server;
mod sse;
mod streaming;
mod trace;

use std::fmt;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use dataflow_core::configuration::Faults;
use dataflow_core::{Error, Result};
use tokio_util::sync::CancellationToken;

use crate::pool::{Configuration, GatewaySettings, NO_MODELS, Pool, ReplyCache, Route, Switch};
use metrics::Metrics;

/// How often the file is looked at.
const WATCH: Duration = Duration::from_secs(1);

/// Where a gateway listens and what it serves.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// The address to listen at.
    pub host: String,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// How long calls may go on once it is told to stop.
    pub drain: Duration,
}

impl Route {
    fn name(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Embeddings => "/v1/embeddings",
        }
    }

    /// OpenTelemetry's name.
    fn operation(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
        }
    }
}

/// What all requests share.
struct State {
    pool: Arc<Pool>,
    settings: ArcSwap<GatewaySettings>,
    config: PathBuf,
    /// Nobody but this machine can reach it.
    loopback: bool,
    started: Instant,
    created: u64,
    metrics: Arc<Metrics>,
    reload_error: Mutex<Option<String>>,
    cache: ArcSwapOption<ReplyCache>,
    /// Calls are to end now, each with an error; a stream's caller can tell it from an end.
    break_off: CancellationToken,
}

impl State {
    /// Takes the file as it is now; what is wrong in it changes nothing. Gives the warnings.
    fn reload(&self) -> Result<Vec<String>> {
        let done = survived(|| self.take_over());
        *self.reload_error.lock().unwrap_or_else(PoisonError::into_inner) = done.as_ref().err().map(ToString::to_string);
        match &done {
            Ok(warnings) => {
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(file = %self.config.display(), "the configuration was read anew");
            }
            Err(error) => tracing::error!(%error, "the configuration has changed and cannot be used; the one before goes on"),
        }
        done
    }

    fn take_over(&self) -> Result<Vec<String>> {
        configuration(&self.config, self.loopback).and_then(|(configuration, warnings)| {
            let cache = cache_of(&configuration.gateway)?;
            self.pool.reload(&configuration).map_err(|problems| faults(&self.config, problems))?;
            self.settings.store(Arc::new(configuration.gateway));
            self.cache.store(cache);
            Ok(warnings)
        })
    }

    fn last_reload_error(&self) -> Option<String> {
        self.reload_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file anew whenever it has changed.
    async fn watch(self: Arc<Self>) {
        let path = self.config.clone();
        let look = move || std::fs::read(&path).ok(); // neither time nor length has to change with what it says
        let mut before = look();
        loop {
            tokio::time::sleep(WATCH).await;
            let now = look();
            if now != before {
                if now.is_some() {
                    _ = self.reload(); // told by itself
                } else {
                    tracing::warn!(file = %self.config.display(), "the configuration file is gone; what it said goes on");
                }
                before = now;
            }
        }
    }
}

/// What came of it; a file that nobody has thought of may bring a panic, and must not end what goes on.
fn survived<T>(done: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(done))
        .unwrap_or_else(|_| Err(Error::Configuration("the configuration made the gateway panic".into())))
}

/// The answers that may be given again, where they may be.
fn cache_of(settings: &GatewaySettings) -> Result<Option<Arc<ReplyCache>>> {
    match settings.cache {
        Switch::Off => Ok(None),
        Switch::On => ReplyCache::open(&settings.cache_path).map(|cache| Some(Arc::new(cache))),
    }
}

/// What a file says, where a gateway can serve by it: there are models, and they are not given to everybody on the network.
fn configuration(path: &Path, loopback: bool) -> Result<(Configuration, Vec<String>)> {
    Configuration::read_with(path, &|configuration, problems| {
        if configuration.models.is_empty() {
            problems.push(NO_MODELS.into());
        }
        if !loopback && configuration.gateway.api_keys.is_empty() {
            problems.push(EXPOSED.into());
        }
    })
}

fn faults(path: &Path, problems: Vec<String>) -> Error {
    Error::Faults(Faults::from(problems).within(&path.display().to_string()))
}

const EXPOSED: &str =
    "others could reach this gateway and spend on your keys: there are no `gateway.api_keys`\nhint: list at least one key there, or listen at 127.0.0.1";

/// A gateway that listens and is about to serve.
pub struct Gateway {
    state: Arc<State>,
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    warnings: Vec<String>,
    drain: Duration,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gateway").field("address", &self.address).field("config", &self.state.config).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Reads the configuration and listens. Within a runtime.
    pub fn bind(options: GatewayOptions) -> Result<Self> {
        let place = format!("{}:{}", options.host, options.port);
        let failed = |error: std::io::Error| {
            Error::Configuration(format!("cannot listen at {place}: {error}\nhint: `--port` chooses another port, `--host` another address"))
        };
        let addresses: Vec<SocketAddr> = (options.host.as_str(), options.port).to_socket_addrs().map_err(failed)?.collect();
        let loopback = addresses.iter().all(|address| address.ip().is_loopback());
        let (configuration, warnings) = configuration(&options.config, loopback)?;
        let pool = Pool::new(&configuration).map_err(|problems| faults(&options.config, problems))?;
        let listener = std::net::TcpListener::bind(addresses.as_slice()).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let cache = cache_of(&configuration.gateway)?;
        let metrics = Metrics::new().map_err(|error| faults(&options.config, vec![error.to_string()]))?;
        let state = State {
            pool,
            settings: ArcSwap::from_pointee(configuration.gateway),
            config: options.config,
            loopback,
            started: Instant::now(),
            created: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            metrics: Arc::new(metrics),
            reload_error: Mutex::default(),
            cache: ArcSwapOption::from(cache),
            break_off: CancellationToken::new(),
        };
        Ok(Self { state: Arc::new(state), listener, address, warnings, drain: options.drain })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is odd in the configuration and no error.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Serves until `stop` is there; then takes no more calls and lets those that it has come to their end, within its time to drain. Those that have not ended by
    /// then, or once `at_once` is there, which is waited for from `stop` on, end in an error.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send, at_once: impl Future<Output = ()> + Send) -> Result<()> {
        let watch = tokio::spawn(Arc::clone(&self.state).watch());
        server::serve(self.listener, self.state, stop, at_once, self.drain).await;
        watch.abort();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
