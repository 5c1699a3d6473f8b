//! Sending spans to a collector by OTLP over gRPC.
//!
//! Spans wait in a bounded queue for a thread of their own; one that finds it full is dropped and counted, so that a
//! collector that is away or slow costs the process no more than that queue.

use std::env;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{RetryPolicy, SpanExporter as Otlp, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter,
    SpanProcessor,
};
use prometheus::IntCounterVec;
use serde::{Deserialize, Serialize};
use tonic::transport::Endpoint;

use super::SAMPLE;
use crate::metrics;
use crate::tls::{ClientTls, TlsError};

/// The most spans that wait for the collector, some 2 MB.
const MAX_WAITING: usize = 4_096;
/// The time that the collector has to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// The time that the end of a process waits for the spans that are left.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The collector that gets spans, and the share of events that are traced (`[tracing]`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The collector, `http://collector:4317` (OTLP over gRPC). Empty: what `OTEL_EXPORTER_OTLP_ENDPOINT` says, and without
    /// that nothing is traced.
    pub endpoint: String,
    /// The share, from 0 to 1, of events that are traced of those whose publisher sends no `traceparent`. Of those that
    /// come with one, its sampled flag decides.
    pub sample: f64,
    /// TLS to the collector, for `https://`.
    pub tls: ClientTls,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            sample: 0.01,
            tls: ClientTls::default(),
        }
    }
}

/// The reason that nothing can be traced.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// Not an address.
    #[error("tracing.endpoint: `{0}` is not an address: write it like `http://collector:4317`")]
    Endpoint(String),
    /// TLS that can't be set up.
    #[error("tracing.tls: {0}")]
    Tls(#[from] TlsError),
    /// Something else, as the exporter says it.
    #[error("tracing: {0}")]
    Exporter(String),
}

impl Config {
    /// The collector's address, if anything is to be traced.
    #[must_use]
    pub fn collector(&self) -> Option<String> {
        let variable = |name| env::var(name).ok();
        [
            Some(self.endpoint.clone()),
            variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
        ]
        .into_iter()
        .flatten()
        .find(|address| !address.is_empty())
    }

    /// The way to the collector; nothing is connected yet.
    pub fn way_to(&self, collector: &str) -> Result<Endpoint, TracingError> {
        let wrong = || TracingError::Endpoint(collector.to_owned());
        let endpoint = Endpoint::from_shared(collector.to_owned()).map_err(|_| wrong())?;
        let endpoint = match endpoint.uri().scheme_str() {
            Some("https") => endpoint
                .tls_config(self.tls.grpc()?)
                .map_err(|error| TracingError::Exporter(error.to_string()))?,
            Some("http") => endpoint,
            _ => return Err(wrong()),
        };
        Ok(endpoint.timeout(ANSWERS_WITHIN).connect_timeout(ANSWERS_WITHIN))
    }
}

static SPANS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help =
        "Spans by what became of them: exported, failed (the collector did not take them), dropped (too many waited).";
    metrics::counters("tidings_trace_spans_total", help, &["outcome"])
});

/// Makes the metrics of this part.
pub(crate) fn register() {
    for outcome in ["exported", "failed", "dropped"] {
        SPANS.with_label_values(&[outcome]);
    }
}

/// The export of this process's spans.
#[derive(Clone, Debug)]
pub struct Exporter {
    provider: SdkTracerProvider,
}

/// Begins to export spans of a process with this role, if that is configured. Needs a tokio runtime.
pub fn start(config: &Config, role: &str) -> Result<Option<Exporter>, TracingError> {
    let Some(collector) = config.collector() else {
        return Ok(None);
    };
    let channel = config.way_to(&collector)?.connect_lazy();
    // Spans are not worth keeping for a second try, and those that wait behind them are not worth losing for one.
    let exporter = Otlp::builder()
        .with_tonic()
        .with_channel(channel)
        .with_timeout(ANSWERS_WITHIN)
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| TracingError::Exporter(error.to_string()))?;
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = Counted {
        inner: exporter,
        waiting: waiting.clone(),
        is_away: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(MAX_WAITING)
        .with_scheduled_delay(Duration::from_secs(1))
        .build();
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let resource = Resource::builder()
        .with_service_name(format!("tidings-{role}"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Bounded {
            inner: batches,
            waiting,
        })
        // What is to be traced is decided before a span is made.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .build();
    // Set before by an earlier start, with the same configuration.
    let _ = SAMPLE.set(config.sample);
    Ok(Some(Exporter { provider }))
}

impl Exporter {
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("tidings")
    }

    /// Exports what is left, for 5 s at the most.
    pub async fn end(self) {
        let ending = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(ENDS_WITHIN));
        if let Ok(Err(error)) = ending.await {
            tracing::debug!(%error, "some spans were not exported");
        }
    }
}

/// Lets spans wait only as long as there is room.
#[derive(Debug)]
struct Bounded {
    inner: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING {
            self.inner.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            SPANS.with_label_values(&["dropped"]).inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what was exported, and says when the collector goes and comes back.
#[derive(Debug)]
struct Counted {
    inner: Otlp,
    waiting: Arc<AtomicUsize>,
    is_away: AtomicBool,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let exported = self.inner.export(batch).await;
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let outcome = if exported.is_ok() { "exported" } else { "failed" };
        SPANS.with_label_values(&[outcome]).inc_by(count as u64);
        match &exported {
            Ok(()) if self.is_away.swap(false, Ordering::Relaxed) => {
                tracing::info!("the trace collector is back");
            }
            Err(error) if !self.is_away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "the trace collector is away: spans are lost until it is back");
            }
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_collectors_are_taken() {
        let config = Config::default();
        for good in ["http://collector:4317", "https://otlp.example.com"] {
            config.way_to(good).unwrap();
        }
        for wrong in ["collector:4317", "ftp://collector", "http://", ""] {
            let error = config.way_to(wrong).unwrap_err().to_string();
            assert!(
                error.contains("write it like `http://collector:4317`"),
                "{wrong}: {error}"
            );
        }
    }
}
