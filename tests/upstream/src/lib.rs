//! A model service for tests that fails on purpose: OpenAI's interface over real sockets, with faults, limits and a ledger.

#![expect(clippy::expect_used, reason = "a test ends when its set-up is wrong")]

mod behaviour;
mod delay;
mod ledger;
mod reply;
mod service;
mod streamed;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub use behaviour::{Behaviour, Fault};
pub use ledger::{Counts, PromptCounts, Received};

use crate::ledger::Ledger;

/// A running service; it stops when dropped.
///
/// ```
/// use dataflow_upstream::{Behaviour, Upstream};
/// let upstream = Upstream::start(Behaviour::default());
/// assert!(upstream.url().ends_with("/v1"));
/// assert_eq!(upstream.counts().requests, 0);
/// ```
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    /// Starts on a free port of the loopback interface, in a thread of its own.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_on(0, behaviour)
    }

    /// Starts on a port of the loopback interface; 0 is any free one.
    pub fn start_on(port: u16, behaviour: Behaviour) -> Self {
        let ledger = Arc::new(Ledger::default());
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = oneshot::channel();
        let service = service::router(behaviour, Arc::clone(&ledger));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = wire::WireListener::new(tokio::net::TcpListener::from_std(listener).expect("a listener"));
                let serve = axum::serve(listener, service.into_make_service_with_connect_info::<wire::Wire>());
                tokio::select! {
                    _ = serve.into_future() => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, ledger, stop: Some(stop), thread: Some(thread) }
    }

    /// The base address, `http://127.0.0.1:PORT/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What was asked and answered so far.
    pub fn counts(&self) -> Counts {
        self.ledger.counts()
    }

    /// The requests that came, where the behaviour keeps them.
    pub fn requests(&self) -> Vec<Received> {
        self.ledger.received()
    }

    /// Waits until the service is stopped by another, for a program that is nothing else.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
