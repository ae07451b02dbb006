//! `dataflow gateway`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use clap::Args;
use dataflow_serving::gateway::{Gateway, GatewayOptions};
use dataflow_serving::pool::{Configuration, LogSettings};

use super::give;
use crate::terminal::{Exit, Logs, log_as, next_signal, say};
use crate::{Error, Result};

#[derive(Args)]
pub struct Arguments {
    /// The configuration file: `models`, `channels`, `gateway`
    #[arg(short, long, value_name = "PATH", default_value = "config.yaml")]
    config: PathBuf,
    /// The address to listen at; any but this machine's own needs `gateway.api_keys`
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port, 0 for any that is free
    #[arg(short, long, default_value_t = 8787)]
    port: u16,
    /// The seconds that calls may go on after SIGTERM or Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
    /// Print the JSON Schema of the configuration, and end
    #[arg(long)]
    schema: bool,
}

impl Arguments {
    /// Logs as the file says; what is wrong with the rest of it is told when it is read.
    pub fn logs(&self) -> Result<Logs> {
        if self.schema { Ok(Logs::default()) } else { log_as(&LogSettings::of_file(&self.config).unwrap_or_default(), &self.config) }
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    if arguments.schema {
        let schema = serde_json::to_string_pretty(&Configuration::json_schema()).unwrap_or_default(); // a schema has no keys but texts
        give(format!("{schema}\n").as_bytes(), None)?;
        return Ok(Exit::Well);
    }
    let options =
        GatewayOptions { config: arguments.config.clone(), host: arguments.host.clone(), port: arguments.port, drain: Duration::from_secs(arguments.drain) };
    let second = AtomicI32::new(0);
    runtime()?.block_on(async {
        let gateway = Gateway::bind(options)?;
        for warning in gateway.warnings() {
            say(&format!("warning: {warning}"));
        }
        say(&format!("the gateway is at http://{0}/v1, its status at http://{0}/admin; Ctrl-C ends", gateway.address()));
        let stop = async {
            a_signal().await;
            say("\nstopping: calls are answered first; once more to stop at once");
        };
        let at_once = async {
            second.store(a_signal().await, Ordering::Relaxed);
            say("\nstopping at once");
        };
        gateway.serve(stop, at_once).await
    })?;
    match second.into_inner() {
        0 => Ok(Exit::Well),
        signal => Ok(Exit::Signal(signal)),
    }
}

/// The number of the next signal to stop; never there on a system that has none.
async fn a_signal() -> i32 {
    match next_signal().await {
        Some(number) => number,
        None => std::future::pending().await,
    }
}

/// As many threads as there are processors to run on; with one, none that it would have to wake.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if processors == 1 { tokio::runtime::Builder::new_current_thread() } else { tokio::runtime::Builder::new_multi_thread() };
    builder.enable_all().build().map_err(|error| Error::storage("cannot start the runtime", error))
}
