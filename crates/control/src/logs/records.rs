//! Records of attempts, deliveries and events as values of the domain, as operations ask for them.
//!
//! States, outcomes and reasons are kept by name, because a log service of the next version may have more of them than
//! this one knows.

use std::time::Duration;

use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, EventType, TenantId, Timestamp, Timing};
use tidings_proto::pb;
use tidings_service::problem::Problem;
use tidings_store::ledger::{Counted, EventSummary, Headers};

use super::{LogClient, answer, as_asked_by};
use crate::call::Call;
use crate::error::Error;
use crate::messages::{records, rows};
use crate::replays::Rows;

/// An attempt without headers and bodies.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: AttemptId,
    pub delivery: DeliveryId,
    pub event: EventId,
    pub tenant: TenantId,
    pub endpoint: EndpointId,
    pub event_type: EventType,
    /// Its number within the delivery; the first is 1.
    pub number: u32,
    /// The time at which the request began.
    pub started_at: Timestamp,
    pub duration: Duration,
    pub url: String,
    /// The dialect that the request was written in.
    pub dialect: String,
    /// `succeeded`, `failed_retryable` or `failed_final`.
    pub outcome: String,
    /// The reason of the failure, such as `timeout`; empty on success.
    pub failure_reason: String,
    /// The exact error as a sentence for people; empty on success.
    pub error: String,
    /// The response's status, if there was a response.
    pub status_code: Option<u32>,
    /// The due time of the next attempt, if one follows.
    pub next_attempt_at: Option<Timestamp>,
    /// `true` for a test of an endpoint.
    pub test: bool,
}

/// An attempt with all that was sent and received.
#[derive(Debug, Clone)]
pub struct AttemptInFull {
    pub summary: Attempt,
    pub request_headers: Headers,
    /// The body as it was sent; empty if no request was made, or its content is not kept any more.
    pub request_body: Vec<u8>,
    pub response_headers: Headers,
    /// The beginning of the response's body.
    pub response_body: Vec<u8>,
    /// `true` if the response was longer than what is kept of it.
    pub response_truncated: bool,
    /// The address that the request was sent to; empty if no connection was made.
    pub remote_address: String,
    pub timing: Timing,
    /// The reason why the request was sent a second time within the attempt; empty if it was sent once.
    pub sent_again: String,
}

/// One event for one endpoint, in its present state.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: DeliveryId,
    pub event: EventId,
    pub tenant: TenantId,
    pub endpoint: EndpointId,
    /// `pending`, `scheduled`, `held`, `succeeded`, `exhausted` or `cancelled`.
    pub state: String,
    /// The reason for holding or cancelling it; empty in other states.
    pub reason: String,
    /// The due time of the next attempt, if it is known.
    pub due_at: Option<Timestamp>,
    /// The number of attempts made.
    pub attempts: u32,
    /// The time of the last change.
    pub updated_at: Timestamp,
    /// `true` if the ledger alone keeps it until it is due, and not the queue.
    pub kept_by_ledger: bool,
    /// The time at which the sweeper publishes it unless something happens before.
    pub published_again_at: Option<Timestamp>,
}

/// An event with its content and its deliveries.
#[derive(Debug, Clone)]
pub struct Event {
    pub summary: EventSummary,
    /// The content, a JSON text; empty once it is erased or not kept any more.
    pub payload: Vec<u8>,
    pub deliveries: Vec<Delivery>,
}

/// Every queue, and whether messages come back from delay queues.
#[derive(Debug, Clone)]
pub struct Queues {
    pub queues: Vec<QueueState>,
    /// `true` if messages do not come back from the shortest delay queue.
    pub canary_missing: bool,
}

/// Kind, messages and consumers of one queue.
#[derive(Debug, Clone)]
pub struct QueueState {
    pub name: String,
    /// `live`, `bulk` or `retry` (lanes), `delay`, `records`, `parked`, `unrouted`, or `other`.
    pub kind: String,
    /// Messages that wait.
    pub ready: u64,
    pub consumers: u32,
    /// Messages of a delay queue that have waited long enough and are not in their lane yet.
    pub stuck: u64,
}

impl LogClient {
    /// One attempt with request and response.
    pub(crate) async fn attempt(&self, call: &Call, id: AttemptId) -> Result<AttemptInFull, Error> {
        let found = self.get_attempt(&call.authorization, id.to_string()).await?;
        Ok(records::read_attempt_in_full(found)?)
    }

    /// The newest attempts of a delivery.
    pub(crate) async fn attempts_of_delivery(
        &self,
        call: &Call,
        tenant: TenantId,
        delivery: DeliveryId,
        limit: u32,
    ) -> Result<Vec<Attempt>, Error> {
        let filter = pb::AttemptFilter {
            tenant_id: tenant.to_string(),
            delivery_id: delivery.to_string(),
            ..pb::AttemptFilter::default()
        };
        self.newest(call, filter, limit).await
    }

    /// The newest attempts of an event's deliveries.
    pub(crate) async fn attempts_of_event(
        &self,
        call: &Call,
        tenant: TenantId,
        event: EventId,
        limit: u32,
    ) -> Result<Vec<Attempt>, Error> {
        let filter = pb::AttemptFilter {
            tenant_id: tenant.to_string(),
            event_id: event.to_string(),
            ..pb::AttemptFilter::default()
        };
        self.newest(call, filter, limit).await
    }

    async fn newest(&self, call: &Call, filter: pb::AttemptFilter, limit: u32) -> Result<Vec<Attempt>, Error> {
        let question = pb::ListAttemptsRequest {
            filter: Some(filter),
            page_size: limit,
            page_token: String::new(),
        };
        let page = self.list_attempts(&call.authorization, question).await?;
        let attempts: Result<_, Problem> = page.attempts.into_iter().map(records::read_attempt).collect();
        Ok(attempts?)
    }

    /// One event with its payload and its deliveries.
    pub(crate) async fn event(&self, call: &Call, id: EventId) -> Result<Event, Error> {
        let found = self.get_event(&call.authorization, id.to_string()).await?;
        Ok(records::read_event(found)?)
    }

    pub(crate) async fn delivery(&self, call: &Call, id: DeliveryId) -> Result<Delivery, Error> {
        let found = self.get_delivery(&call.authorization, id.to_string()).await?;
        Ok(records::read_delivery(found)?)
    }

    /// Counts rows, as far as the log service comes.
    pub(crate) async fn count(&self, call: &Call, rows: &Rows) -> Result<Counted, Error> {
        let mut client = self.attempts.clone();
        let question = pb::CountRowsRequest {
            rows: Some(rows::show(rows)),
        };
        let counted = answer(client.count_rows(as_asked_by(&call.authorization, question)?)).await?;
        Ok(Counted {
            rows: counted.rows,
            at_least: counted.at_least,
        })
    }

    /// Every queue with its number of waiting messages.
    pub(crate) async fn queues(&self, call: &Call) -> Result<Queues, Error> {
        let mut client = self.queues.clone();
        let question = as_asked_by(&call.authorization, pb::ListQueuesRequest {})?;
        Ok(answer(client.list_queues(question)).await?.into())
    }
}

impl From<pb::ListQueuesResponse> for Queues {
    fn from(found: pb::ListQueuesResponse) -> Self {
        Self {
            queues: found.queues.into_iter().map(QueueState::from).collect(),
            canary_missing: found.canary_missing,
        }
    }
}

impl From<pb::QueueDepth> for QueueState {
    fn from(queue: pb::QueueDepth) -> Self {
        Self {
            name: queue.name,
            kind: queue.kind,
            ready: queue.ready,
            consumers: queue.consumers,
            stuck: queue.stuck,
        }
    }
}
