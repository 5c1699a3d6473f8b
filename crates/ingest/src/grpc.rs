//! gRPC service `tidings.v1.EventService`.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tidings_auth::{Access, Caller};
use tidings_domain::Scope;
use tidings_domain::trace::TraceParent;
use tidings_proto::pb::event_service_server::EventService;
use tidings_proto::{pb, timestamp_from};
use tidings_service::problem::Problem;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::accept::{Accepted, Acceptor};
use crate::metrics::Transport;
use crate::validate::Draft;

/// Time for results that are due when a stream ends because its caller is no longer authorised.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// The gRPC interface of ingest.
pub struct Service {
    acceptor: Arc<Acceptor>,
    access: Access,
    shutdown: CancellationToken,
}

/// Caller and trace context of a publish.
#[derive(Clone)]
struct Publisher {
    caller: Caller,
    traceparent: Option<TraceParent>,
}

impl Service {
    pub(crate) fn new(acceptor: Arc<Acceptor>, access: Access, shutdown: CancellationToken) -> Self {
        Self {
            acceptor,
            access,
            shutdown,
        }
    }

    fn publisher(&self, metadata: &MetadataMap) -> Result<Publisher, Problem> {
        let caller = self.access.caller(metadata.as_ref())?;
        caller.require(Scope::Publish)?;
        let traceparent = metadata
            .get("traceparent")
            .and_then(|v| v.to_str().ok())
            .and_then(TraceParent::parse);
        Ok(Publisher { caller, traceparent })
    }
}

#[tonic::async_trait]
impl EventService for Service {
    async fn publish(&self, request: Request<pb::PublishRequest>) -> Result<Response<pb::PublishResponse>, Status> {
        let publisher = self.publisher(request.metadata())?;
        let accepted = accept(&self.acceptor, &publisher, request.into_inner()).await?;
        Ok(Response::new(accepted.into()))
    }

    async fn publish_batch(
        &self,
        request: Request<pb::PublishBatchRequest>,
    ) -> Result<Response<pb::PublishBatchResponse>, Status> {
        let publisher = self.publisher(request.metadata())?;
        let events = request.into_inner().events;
        check_batch(events.len(), self.acceptor.config.max_batch)?;
        let results = events
            .into_iter()
            .map(|event| accept(&self.acceptor, &publisher, event));
        let results = futures::future::join_all(results)
            .await
            .into_iter()
            .map(publish_result)
            .collect();
        Ok(Response::new(pb::PublishBatchResponse { results }))
    }

    type PublishStreamStream = Pin<Box<dyn Stream<Item = Result<pb::PublishStreamResponse, Status>> + Send>>;

    /// Reads on only while fewer than `stream_window` events are in flight and their results are being received, so
    /// that a slow queue or client slows the stream and nothing accumulates here. On shutdown no more events are
    /// read; those read get their results. The same happens when the caller's key is deleted, expires or loses its
    /// scope; then the stream ends with that reason.
    async fn publish_stream(
        &self,
        request: Request<Streaming<pb::PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let publisher = self.publisher(request.metadata())?;
        let (access, credential) = (
            self.access.clone(),
            self.access.credential(request.metadata().as_ref())?,
        );
        let mut events = request.into_inner();
        let acceptor = self.acceptor.clone();
        let window = acceptor.config.stream_window.max(1);
        let (answers, receiver) = mpsc::channel(window);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            let slots = Arc::new(Semaphore::new(window));
            let mut lost = pin!(access.lost(&credential, Scope::Publish));
            let refusal = loop {
                let Ok(slot) = slots.clone().acquire_owned().await else {
                    return;
                };
                let event = tokio::select! {
                    () = shutdown.cancelled() => return,
                    refusal = &mut lost => break refusal,
                    event = events.next() => event,
                };
                let Some(Ok(event)) = event else { return };
                // It may have been lost a moment ago.
                let caller = access.holder(&credential);
                if let Err(refusal) = caller.and_then(|caller| caller.require(Scope::Publish)) {
                    break refusal;
                }
                let (acceptor, publisher, answers) = (acceptor.clone(), publisher.clone(), answers.clone());
                tokio::spawn(async move {
                    let sequence = event.sequence;
                    let result = accept(&acceptor, &publisher, event.event.unwrap_or_default()).await;
                    let answer = pb::PublishStreamResponse {
                        sequence,
                        result: Some(publish_result(result)),
                    };
                    // The client has gone: it publishes again what it got no answer for.
                    let _ = answers.send(Ok(answer)).await;
                    drop(slot);
                });
            };
            // What was read before is answered first, if the client takes answers at all.
            let all = u32::try_from(window).unwrap_or(u32::MAX);
            let _ = tokio::time::timeout(ANSWERED_WITHIN, slots.acquire_many(all)).await;
            let _ = tokio::time::timeout(ANSWERED_WITHIN, answers.send(Err(refusal.into()))).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

pub(crate) fn check_batch(events: usize, max: usize) -> Result<(), Problem> {
    match events {
        0 => Err(Problem::invalid("batch_empty", "the batch has no events").at("events")),
        n if n > max => {
            let detail = format!("the batch has {n} events; at most {max} are accepted: send several batches");
            Err(Problem::too_large("batch_too_large", detail).at("events"))
        }
        _ => Ok(()),
    }
}

async fn accept(acceptor: &Acceptor, publisher: &Publisher, event: pb::PublishRequest) -> Result<Accepted, Problem> {
    let occurred_at = match &event.occurred_at {
        None => None,
        Some(at) => Some(timestamp_from(at).ok_or_else(|| {
            Problem::invalid("occurred_at_invalid", "this is not a time between the years 1 and 9999").at("occurred_at")
        })?),
    };
    let tenant = match event.tenant_id.as_str() {
        "" => None,
        id => Some(
            id.parse()
                .map_err(|e| Problem::invalid("tenant_id_invalid", format!("{e}")).at("tenant_id"))?,
        ),
    };
    let draft = Draft {
        tenant,
        event_type: event.event_type,
        payload: event.payload,
        occurred_at,
        idempotency_key: Some(event.idempotency_key).filter(|key| !key.is_empty()),
        traceparent: publisher.traceparent.clone(),
    };
    acceptor.accept(Transport::Grpc, &publisher.caller, draft).await
}

fn publish_result(result: Result<Accepted, Problem>) -> pb::PublishResult {
    let result = match result {
        Ok(accepted) => pb::publish_result::Result::Accepted(accepted.into()),
        Err(problem) => pb::publish_result::Result::Error(pb::PublishError {
            status: problem.kind.grpc() as i32,
            code: problem.code.to_owned(),
            field: problem.field.unwrap_or_default(),
            detail: problem.detail,
        }),
    };
    pb::PublishResult { result: Some(result) }
}

impl From<Accepted> for pb::PublishResponse {
    fn from(accepted: Accepted) -> Self {
        Self {
            event_id: accepted.event.to_string(),
            duplicate: accepted.duplicate,
            deliveries: accepted.deliveries,
            warnings: accepted.warnings,
        }
    }
}
