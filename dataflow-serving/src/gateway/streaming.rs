//! A stream's way to the caller, to its end, to a fault, or until the caller leaves.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use dataflow_core::serving::ErrorClass;
use tokio_util::sync::CancellationToken;

use super::attempt::Opened;
use super::errors::error_body;
use super::metrics::Call;
use crate::pool::{Failure, Outcome};

/// A stream that says nothing for so long gets a comment, so that nobody on the way takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const COMMENT: &[u8] = b": keep-alive\n\n";
/// After the last event the connection is read to its end, so that it can be used again.
const LAST_BYTES: Duration = Duration::from_millis(100);

struct Stream {
    opened: Option<Box<Opened>>,
    call: Option<Call>,
    last: Instant,
    broken: Option<Failure>,
    break_off: CancellationToken,
}

/// The body of a stream. Dropped before its end, it drops the upstream call with it.
pub(super) fn body(opened: Box<Opened>, call: Call, break_off: CancellationToken) -> Body {
    let stream = Stream { opened: Some(opened), call: Some(call), last: Instant::now(), broken: None, break_off };
    Body::from_stream(futures::stream::unfold(stream, |mut stream| async move {
        let bytes = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), stream))
    }))
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let opened = self.opened.as_mut()?;
            if let Some(bytes) = opened.relay.give() {
                return Some(bytes);
            }
            if let Some(failure) = self.broken.take() {
                return self.break_off(&failure);
            }
            if opened.relay.is_done() {
                tokio::time::timeout(LAST_BYTES, opened.response.chunk()).await.ok(); // what comes after the end is nobody's
                self.end_well();
                return None;
            }
            let now = Instant::now();
            let patience = (self.last + opened.idle).min(opened.until);
            let next = tokio::select! {
                biased;
                next = tokio::time::timeout_at((now + KEEP_ALIVE).min(patience).into(), opened.response.chunk()) => next,
                () = self.break_off.cancelled() => {
                    self.broken = Some(Failure { blameless: true, ..Failure::new(ErrorClass::Transient, "the gateway stops") });
                    continue;
                }
            };
            match next {
                Ok(Ok(Some(chunk))) => {
                    self.last = Instant::now();
                    self.broken = opened.relay.take(&chunk).err();
                }
                Ok(Ok(None)) if opened.relay.may_end() => {
                    self.end_well();
                    return None;
                }
                Ok(Ok(None)) => self.broken = Some(Failure::new(ErrorClass::Transient, "the stream ended before its end")),
                Ok(Err(failure)) => self.broken = Some(failure),
                Err(_) if Instant::now() >= patience => {
                    let now = Instant::now();
                    let is_callers = opened.deadline.is_some_and(|deadline| now >= deadline);
                    let message = if is_callers {
                        "the time that the caller gives the stream is over"
                    } else if now >= opened.until {
                        "the stream took longer than `timeout` allows"
                    } else {
                        "the stream stopped and did not go on in time"
                    };
                    let failure = Failure::new(ErrorClass::Transient, message);
                    self.broken = Some(Failure { blameless: is_callers, ..failure });
                }
                Err(_) => return Some(Bytes::from_static(COMMENT)),
            }
        }
    }

    fn end_well(&mut self) {
        if let Some(opened) = self.opened.take() {
            tell_malformed(&opened);
            let usage = opened.relay.usage();
            opened.lease.settle(usage);
            opened.lease.end(Outcome::Answered, None);
            if let Some(mut call) = self.call.take() {
                call.end(200, usage);
            }
        }
    }

    /// Ends in an error that the caller can tell from an end: the service's own where it told one, and ours otherwise.
    fn break_off(&mut self, failure: &Failure) -> Option<Bytes> {
        let opened = self.opened.take()?;
        tell_malformed(&opened);
        let usage = opened.relay.usage();
        opened.lease.settle(usage);
        opened.lease.end(Outcome::of(failure), Some(&failure.message));
        if let Some(mut call) = self.call.take() {
            call.end(502, usage);
        }
        if failure.body.is_some() {
            return None; // the service's own error has gone out
        }
        let error = error_body(&failure.message, "gateway_error", None, "upstream_stream_interrupted");
        Some(Bytes::from([b"data: ".as_slice(), &error, b"\n\n"].concat()))
    }
}

/// Logs once for a stream that some of its events could not be read.
fn tell_malformed(opened: &Opened) {
    let events = opened.relay.malformed();
    if events > 0 {
        let model = opened.lease.deployment().name();
        tracing::warn!(model, events, "events of a stream were not the JSON that was expected and were passed on as they came");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The caller has left. What was read until then is counted; the lease is given back without a word about the deployment.
        if let Some(opened) = self.opened.take() {
            let usage = opened.relay.usage();
            opened.lease.settle(usage);
            if let Some(mut call) = self.call.take() {
                call.end(499, usage);
            }
        }
    }
}
