//! Traces for an OpenTelemetry collector, by OTLP over HTTP. Without a collector no span is made and nothing is spent.
//!
//! Spans have a target of their own, which no log line shows: a log is for reading, a trace for looking through.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{ParentBasedSampler, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter as Export},
};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{config::ConfigError, metrics::Metrics};

/// The target of every span that is for traces.
pub(crate) const TARGET: &str = "roompass_trace";
/// How long the collector may take for a batch, and for the last one when the server stops.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);

/// Where traces go.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The URL that takes them.
    pub endpoint: String,
    /// What is sent along; secret.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The name of this service.
    pub service_name: String,
    /// The share of traces that is kept.
    pub sample_ratio: f64,
}

/// Traces that are on their way to the collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    metrics: Arc<OnceLock<Arc<Metrics>>>,
}

impl Traces {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The endpoint cannot be used.
    pub(super) fn new(settings: &TraceSettings) -> Result<Self, ConfigError> {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers: HashMap<_, _> =
            settings.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&settings.endpoint)
            .with_timeout(EXPORT_LIMIT)
            .with_headers(headers)
            .build()
            .map_err(|error| ConfigError::new("telemetry.otlp_endpoint", error.to_string()))?;
        let metrics = Arc::default();
        let exporter = Counted { exporter, metrics: Arc::clone(&metrics), fails: AtomicBool::new(false) };
        // What comes with a `traceparent` is judged by its trace id like everything else: a stranger who asks for all
        // of it to be kept gets no more than the operator's share.
        let ratio = Sampler::TraceIdRatioBased(settings.sample_ratio);
        let sampler = ParentBasedSampler::new(ratio.clone()).with_remote_parent_sampled(ratio);
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", settings.service_name.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(resource.build())
            .build();
        Ok(Self { provider, metrics })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("roompass")
    }

    /// Counts what is exported in `metrics`, from now on.
    pub fn count_in(&self, metrics: Arc<Metrics>) {
        // Once, at start.
        let _ = self.metrics.set(metrics);
    }

    /// Sends what is left.
    pub async fn shutdown(self) {
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(EXPORT_LIMIT)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last spans did not reach the collector of traces");
        }
    }
}

/// An exporter whose results are counted, and said in the log when they change.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    metrics: Arc<OnceLock<Arc<Metrics>>>,
    fails: AtomicBool,
}

impl Export for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let exported = self.exporter.export(batch).await;
        if let Some(metrics) = self.metrics.get() {
            metrics.exported(count, exported.is_ok());
        }
        let failed_before = self.fails.swap(exported.is_err(), Ordering::Relaxed);
        match &exported {
            Err(error) if !failed_before => tracing::error!(%error, "the collector of traces does not take spans"),
            Ok(()) if failed_before => tracing::info!("the collector of traces takes spans again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The span of a request to `route`, in the trace that its `traceparent` names.
pub(crate) fn of_request(method: &Method, route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: TARGET, "request", otel.name = Empty, otel.kind = "server", otel.status_code = Empty,
        http.request.method = %method, http.route = route, http.response.status_code = Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{method} {route}"));
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        // It fails for a span that has begun, and this one has not.
        let _ = span.set_parent(parent);
    }
    span
}

/// Notes how the request was answered.
pub(crate) fn answered(span: &Span, status: u16) {
    // Of the types of integers, this is the one that stays a number on the way.
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// The trace of `span`, if it is kept.
pub(crate) fn trace_id(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_sampled().then(|| context.trace_id().to_string())
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name).iter();
        // Two are none: readers on the way may have taken either.
        let (value, None) = (values.next()?, values.next()) else { return None };
        value.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
