//! A collector of OpenTelemetry spans, over OTLP as the protocol's own definition has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tidings_testkit::Reserved;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A collector that keeps what it gets. It stops when it is dropped, and can be started again at its address.
#[derive(Debug)]
pub struct Collector {
    address: Reserved,
    spans: Arc<Mutex<Vec<Span>>>,
    /// A runtime of its own, because connections must end with it.
    serving: Option<Runtime>,
}

/// A span as it was exported; ids in hexadecimal digits, empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The `service.name` of its process.
    pub service: String,
    pub name: String,
    /// Its kind, as in `SPAN_KIND_SERVER`.
    pub kind: &'static str,
    pub trace: String,
    pub id: String,
    /// The span that it is part of.
    pub parent: String,
    /// The traces that it is linked to.
    pub links: Vec<String>,
    pub failed: bool,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
}

impl Collector {
    /// A collector that runs.
    pub fn start() -> Self {
        let mut collector = Self {
            address: Reserved::address(),
            spans: Arc::default(),
            serving: None,
        };
        collector.restart();
        collector
    }

    /// Its URL, as in `http://127.0.0.1:4317`.
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// The spans that it got so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops it, with all its connections.
    pub fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.shutdown_background();
        }
    }

    /// Starts it again where it was.
    ///
    /// # Panics
    ///
    /// When it can't be served.
    pub fn restart(&mut self) {
        let service = TraceServiceServer::new(Keeping(self.spans.clone()));
        let server = Server::builder().add_service(service).serve(self.address.socket());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        runtime.spawn(async move { server.await.expect("a collector can be served") });
        self.serving = Some(runtime);
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Keeping(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Keeping {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for of_process in request.into_inner().resource_spans {
            let attributes = of_process.resource.map(|resource| texts(resource.attributes));
            let service = attributes.and_then(|mut attributes| attributes.remove("service.name"));
            let service = service.unwrap_or_default();
            let of_scopes = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(of_scopes.map(|span| Span {
                service: service.clone(),
                kind: span.kind().as_str_name(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
                failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
                attributes: texts(span.attributes),
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .into_iter()
        .map(|attribute| (attribute.key, text(attribute.value)))
        .collect()
}
