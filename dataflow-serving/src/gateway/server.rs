//! Connections: what one may take of time and memory, and how all of them end.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{State, routes};

/// How long a request's head may take, and how long a connection is kept on which nothing is asked.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// The largest head of a request, in bytes.
pub(super) const LARGEST_HEAD: usize = 64 << 10;
/// How long the error takes that ends a call which is broken off.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long is waited where the system gives no more connections.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);

/// Serves until `stop` is there; then takes no more connections and lets those that there are come to their end, within `drain` and until `at_once` is there.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>, stop: impl Future<Output = ()>, at_once: impl Future<Output = ()>, drain: Duration) {
    let stopping = CancellationToken::new();
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&state), stopping.clone()));
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(OUT_OF_SOCKETS).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop(listener);
    stopping.cancel();
    let all_ended = tokio::select! {
        ended = tokio::time::timeout(drain, all_end(&mut connections)) => ended.is_ok(),
        () = at_once => false,
    };
    if !all_ended {
        tracing::warn!(calls = state.metrics.in_flight(), "calls are broken off: they did not end in time, or were not waited for");
        state.break_off.cancel();
        tokio::time::timeout(LAST_WORDS, all_end(&mut connections)).await.ok(); // who does not listen is not waited for
    }
    connections.shutdown().await;
}

async fn all_end(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, state: Arc<State>, stopping: CancellationToken) {
    stream.set_nodelay(true).ok(); // it works without, later
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(routes::answer(state, request.map(axum::body::Body::new)).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(LARGEST_HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection has ended"); // most often its caller has left
    }
}

/// Whether it is the one connection that failed, and not the listening.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
