//! Calls as spans: under OpenTelemetry's names, and as parts of their callers' own traces where the feature `otlp` is built in.

use http::HeaderMap;
use tracing::Span;
use tracing::field::Empty;

use super::Route;

/// The span of a call.
pub(super) fn call(route: Route, model: &str) -> Span {
    tracing::debug_span!(
        target: "dataflow_gateway",
        "call",
        otel.name = route.operation(),
        otel.kind = "server",
        gen_ai.operation.name = route.operation(),
        gen_ai.request.model = model,
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        http.response.status_code = Empty,
    )
}

/// The span of one try at a deployment.
pub(super) fn attempt(deployment: &str) -> Span {
    tracing::debug_span!(target: "dataflow_gateway", "attempt", otel.kind = "client", deployment, error = Empty)
}

/// Makes a span a part of the trace that its caller tells in `traceparent`.
#[cfg(feature = "otlp")]
pub(super) fn follow(span: &Span, headers: &HeaderMap) {
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
    use tracing_opentelemetry::OpenTelemetrySpanExt;
    let parent = || {
        let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-').skip(1);
        let (trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
        Some(SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(parent).ok()?, flags, true, TraceState::default()))
    };
    if let Some(parent) = parent() {
        let _ = span.set_parent(Context::new().with_remote_span_context(parent)); // where nothing is exported, there is nothing to join
    }
}

/// Makes a span a part of its caller's trace, which needs the feature `otlp`.
#[cfg(not(feature = "otlp"))]
pub(super) fn follow(_: &Span, _: &HeaderMap) {}
