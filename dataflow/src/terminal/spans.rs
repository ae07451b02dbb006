//! Spans of calls to an OpenTelemetry collector, over OTLP. Built with the feature `otlp`.

use dataflow_core::{Error, Result};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::registry::LookupSpan;

/// What is exported, where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` says where to.
pub(super) fn exported<S: Subscriber + for<'a> LookupSpan<'a>>() -> Result<(Option<SdkTracerProvider>, Option<OpenTelemetryLayer<S, Tracer>>)> {
    let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if !["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].into_iter().any(is_set) {
        return Ok((None, None));
    }
    rustls::crypto::ring::default_provider().install_default().ok(); // another part of the program may have installed one
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .build()
        .map_err(|error| Error::Configuration(format!("spans cannot be exported: {error}")))?;
    let resource = Resource::builder().with_service_name("dataflow-gateway").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("dataflow"));
    Ok((Some(provider), Some(layer)))
}

/// The spans of calls too, whatever is logged.
pub(super) fn also_spans(filter: EnvFilter) -> EnvFilter {
    match "dataflow_gateway=debug".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}
