//! `tidings.v1.DispatcherService`: sends a sample event at once, to try an endpoint out.
//!
//! The request is made immediately, past lanes and limiters, and otherwise like any delivery's; it is recorded as a
//! test and returned. A test is never retried and does not affect the endpoint's health. Each tenant may run
//! [`AT_ONCE`] of them at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tidings_auth::Access;
use tidings_dialect::{Dialect, canonical};
use tidings_domain::{
    DeliveryId, DeliveryState, Endpoint, EndpointId, EventId, EventType, Outcome, Step, TenantId, Timestamp,
};
use tidings_proto::pb::dispatcher_service_server::DispatcherService;
use tidings_proto::{attempt_made, micros, pb, timestamp};
use tidings_queue::Message;
use tidings_queue::message::Content;
use tidings_service::problem::Problem;
use tonic::{Request, Response, Status};

use crate::record::{self, AttemptReport};
use crate::render::render;
use crate::worker::Worker;
use crate::{classify, metrics};

/// Maximum concurrent tests per tenant in this process; each can take as long as the endpoint's timeout.
const AT_ONCE: usize = 4;
/// The largest payload of a test, bytes.
const MAX_PAYLOAD: usize = 256 * 1024;

/// The gRPC face of the dispatcher.
pub struct Service {
    worker: Arc<Worker>,
    access: Access,
    under_way: Arc<Mutex<HashMap<TenantId, usize>>>,
}

impl Service {
    pub(crate) fn new(worker: Arc<Worker>, access: Access) -> Self {
        Self {
            worker,
            access,
            under_way: Arc::default(),
        }
    }
}

#[tonic::async_trait]
impl DispatcherService for Service {
    async fn send_test(&self, request: Request<pb::SendTestRequest>) -> Result<Response<pb::SendTestResponse>, Status> {
        self.access.caller(request.metadata().as_ref())?.require_internal()?;
        let request = request.into_inner();
        let id = endpoint_id(&request.endpoint_id)?;
        // Not from the cache, which may be behind the change that is being tried.
        let found = self.worker.registry.endpoint(id).await.map_err(Problem::from)?;
        let endpoint =
            found.ok_or_else(|| Problem::not_found("endpoint_unknown", format!("there is no endpoint {id}")))?;
        can_be_used(&endpoint)?;
        let dialect = self.worker.dialects.get(&endpoint.dialect).ok_or_else(|| {
            let detail = format!(
                "this dispatcher has no dialect `{}`: add its file, or choose another",
                endpoint.dialect
            );
            Problem::conflict("dialect_unknown", detail)
        })?;
        let (event_type, payload) = what_to_send(&request, &endpoint, dialect)?;
        let _place = Place::take(&self.under_way, endpoint.tenant)?;
        let attempt = self.worker.test(&endpoint, dialect, event_type, payload).await?;
        Ok(Response::new(pb::SendTestResponse { attempt: Some(attempt) }))
    }

    async fn describe_endpoint(
        &self,
        request: Request<pb::DescribeEndpointRequest>,
    ) -> Result<Response<pb::DescribeEndpointResponse>, Status> {
        self.access.caller(request.metadata().as_ref())?.require_internal()?;
        let id = endpoint_id(&request.get_ref().endpoint_id)?;
        let Some((circuit, under_way, window)) = self.worker.limiters.describe(id) else {
            return Ok(Response::new(pb::DescribeEndpointResponse {
                circuit: "closed".into(),
                ..pb::DescribeEndpointResponse::default()
            }));
        };
        let ago = |since: tokio::time::Instant| Timestamp::now().checked_sub(since.elapsed()).ok();
        Ok(Response::new(pb::DescribeEndpointResponse {
            circuit: circuit.state.into(),
            open_since: circuit.open_since.and_then(ago).map(timestamp),
            failures: circuit.failures,
            under_way,
            window,
        }))
    }
}

/// Refuses an endpoint with parts that could not be read or unsealed.
fn can_be_used(endpoint: &Endpoint) -> Result<(), Problem> {
    if !endpoint.unreadable.is_empty() {
        let parts = endpoint.unreadable.join(", ");
        let detail = format!("this can't be read of the endpoint as it is stored: {parts}; give it again by an update");
        return Err(Problem::conflict("endpoint_unusable", detail));
    }
    if !endpoint.sealed.is_empty() {
        let detail = "what is secret of the endpoint can't be opened: add the missing key to `secrets.keys` of the \
                      dispatcher, or give the endpoint a new secret";
        return Err(Problem::conflict("secret_unreadable", detail));
    }
    Ok(())
}

fn endpoint_id(text: &str) -> Result<EndpointId, Problem> {
    text.parse()
        .map_err(|error| Problem::invalid("endpoint_id_invalid", format!("{error}")).at("endpoint_id"))
}

/// Event type and payload of the request; by default a sample of the dialect, preferably of a type that the endpoint
/// subscribes to.
fn what_to_send(
    request: &pb::SendTestRequest,
    endpoint: &Endpoint,
    dialect: &Dialect,
) -> Result<(EventType, Bytes), Problem> {
    let samples = dialect.samples();
    let event_type: EventType = if request.event_type.is_empty() {
        let wanted = |event_type: &&EventType| endpoint.subscriptions.iter().any(|s| s.matches(event_type));
        let sample = samples.keys().find(wanted).or_else(|| samples.keys().next());
        let none = || Problem::invalid("event_type_missing", "name an event type").at("event_type");
        sample.cloned().ok_or_else(none)?
    } else {
        let invalid = |error| Problem::invalid("event_type_invalid", format!("{error}")).at("event_type");
        request.event_type.parse().map_err(invalid)?
    };
    if request.payload.is_empty() {
        let sample = samples.get(&event_type).cloned().ok_or_else(|| {
            let known: Vec<_> = samples.keys().map(EventType::as_str).collect();
            let detail = format!(
                "the dialect `{}` has no sample of `{event_type}`: give a payload, or name one of {}",
                dialect.name(),
                known.join(", ")
            );
            Problem::invalid("sample_unknown", detail).at("event_type")
        })?;
        return Ok((event_type, sample));
    }
    if request.payload.len() > MAX_PAYLOAD {
        let detail = format!("the payload of a test has at most {MAX_PAYLOAD} bytes");
        return Err(Problem::new(tidings_service::Kind::TooLarge, "payload_too_large", detail).at("payload"));
    }
    canonical::check(&request.payload)
        .map_err(|error| Problem::invalid("payload_invalid", format!("the payload is {error}")).at("payload"))?;
    Ok((event_type, request.payload.clone().into()))
}

/// One of the tests that a tenant may have under way.
struct Place {
    under_way: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl Place {
    fn take(under_way: &Arc<Mutex<HashMap<TenantId, usize>>>, tenant: TenantId) -> Result<Self, Problem> {
        let mut taken = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = taken.entry(tenant).or_default();
        if *mine >= AT_ONCE {
            let detail = format!("the tenant has {AT_ONCE} tests under way: wait for one to end");
            return Err(Problem::exhausted("too_many_tests", detail));
        }
        *mine += 1;
        Ok(Self {
            under_way: under_way.clone(),
            tenant,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = taken.get_mut(&self.tenant) {
            *mine -= 1;
            if *mine == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

impl Worker {
    async fn test(
        &self,
        endpoint: &Endpoint,
        dialect: &Dialect,
        event_type: EventType,
        payload: Bytes,
    ) -> Result<pb::Attempt, Problem> {
        let (started_at, started) = (Timestamp::now(), Instant::now());
        let event = EventId::at(started_at);
        let message = Message {
            delivery: DeliveryId::derive(event, endpoint.id),
            event,
            tenant: endpoint.tenant,
            endpoint: endpoint.id,
            step: Step::FIRST,
            due: None,
            content: None,
        };
        let content = Content {
            event_type,
            occurred_at: started_at,
            accepted_at: started_at,
            payload,
            traceparent: None,
            span: None,
        };
        let mut rendered = render(dialect, endpoint, &message, &content, started_at);
        let answer = match &mut rendered {
            Err(_) => None,
            Ok(request) => {
                let timeout = endpoint.overrides.timeout.unwrap_or(dialect.timeout());
                Some(self.sender.send(endpoint, request, None, timeout).await)
            }
        };
        let (outcome, error) = match (&rendered, &answer) {
            (Err(error), _) => (classify::unrenderable(), error.to_string()),
            (Ok(_), None) => (classify::unrenderable(), String::new()),
            (Ok(_), Some(answer)) => {
                let outcome = classify::outcome(answer, endpoint, dialect);
                let rest = classify::rest(answer, dialect, Timestamp::now());
                (outcome, classify::describe(answer, outcome, endpoint, rest))
            }
        };
        metrics::tested(outcome);
        let state = if outcome.is_success() {
            DeliveryState::Succeeded
        } else {
            DeliveryState::Exhausted
        };
        let made = record::attempt(AttemptReport {
            message: &message,
            content: &content,
            endpoint,
            request: rendered.as_ref().ok(),
            answer: answer.as_ref(),
            started_at,
            duration: started.elapsed(),
            outcome,
            error,
            state: &state,
            in_broker: false,
            lane_lag: None,
            test: true,
        });
        let shown = attempt_made(&made, &content.payload).map_err(|error| {
            tracing::error!(%error, "cannot convert the attempt of a test");
            Problem::new(
                tidings_service::Kind::Internal,
                "internal",
                "the attempt can't be shown",
            )
        })?;
        self.record_test(&message, content, made, outcome).await?;
        Ok(shown)
    }

    /// Records the attempt before its event: a delivery that is known to have ended is never taken for an open one.
    async fn record_test(
        &self,
        message: &Message,
        content: Content,
        made: pb::AttemptMade,
        outcome: Outcome,
    ) -> Result<(), Problem> {
        let bytes = |uuid: uuid::Uuid| uuid.as_bytes().to_vec();
        let event = pb::EventAccepted {
            event_id: bytes(message.event.uuid()),
            tenant_id: bytes(message.tenant.uuid()),
            event_type: content.event_type.as_str().to_owned(),
            occurred_at_us: micros(content.occurred_at),
            accepted_at_us: micros(content.accepted_at),
            payload: content.payload,
            idempotency_key: String::new(),
            traceparent: String::new(),
            deliveries: vec![pb::NewDelivery {
                endpoint_id: bytes(message.endpoint.uuid()),
                ..pb::NewDelivery::default()
            }],
            not_in_broker: false,
            test: true,
        };
        for record in [pb::record::Record::Attempt(made), pb::record::Record::Event(event)] {
            let record = pb::Record {
                record: Some(record),
                ..pb::Record::default()
            };
            if let Err(error) = self.settler.recorder.record(record).await {
                tracing::warn!(endpoint = %message.endpoint, %error, "could not record a test");
                let detail = format!(
                    "the test was sent ({}), but it could not be recorded: {error}",
                    outcome.name()
                );
                return Err(Problem::unavailable("not_recorded", detail));
            }
        }
        Ok(())
    }
}
