//! Reads deliveries from the ledger, in batches.

use std::collections::HashMap;
use std::time::Duration;

use tidings_domain::trace::TraceParent;
use tidings_domain::{DeliveryId, EventId, Step, TenantId};
use tidings_proto::pb;
use tidings_proto::{WireError, time_from_micros};
use tidings_queue::message::Content;
use tidings_service::Health;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::batch::{Batcher, Limits};
use crate::client::LogClient;
use crate::metrics;

const LIMITS: Limits = Limits {
    items: 128,
    // Questions are small; answers that grow too large are asked for in halves.
    bytes: usize::MAX,
    concurrent: 4,
    gather: Duration::ZERO,
};

/// Handle for reading deliveries; clones share batches.
#[derive(Clone)]
pub struct Fetcher {
    batches: Batcher<Sought, Result<Found, FetchError>>,
}

/// Key of a delivery to read.
#[derive(Debug, Clone, Copy)]
pub struct Sought {
    pub delivery: DeliveryId,
    pub event: EventId,
    pub tenant: TenantId,
}

/// State of a delivery in the ledger.
#[derive(Debug, Clone)]
pub enum Found {
    Known(Fetched),
    /// It is not on record yet.
    NotYet,
    /// There is no event, and none will come.
    Gone {
        why: Gone,
        /// The delivery itself is on record, though its event is gone.
        recorded: bool,
    },
}

/// Reason why a delivery's event is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Everything of its tenant was erased.
    Erased,
    /// It became older than events are kept.
    Expired,
    /// Its record was never written, and is not on its way either.
    Unknown,
}

/// A delivery on record, with its event's content if that is left.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The step it has reached.
    pub step: Step,
    /// The delivery has ended: succeeded, exhausted or cancelled.
    pub terminal: bool,
    /// The event's content; `None` while the record of the event is still on the way to the ledger.
    pub content: Option<Content>,
}

/// Reason why the ledger could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The log service or its database is away.
    #[error("the log service is unavailable: {0}")]
    Unavailable(String),
    /// The response could not be decoded.
    #[error("the log service sent a delivery that can't be read: {0}")]
    Unreadable(String),
}

impl Fetcher {
    /// Starts the batching task, which ends with the last handle.
    #[must_use]
    pub fn start(log: LogClient, health: &Health) -> Self {
        Self {
            batches: Batcher::start("fetcher", health, LIMITS, move |sought| fetch(log.clone(), sought)),
        }
    }

    /// One delivery with its event's content.
    pub async fn fetch(&self, sought: Sought) -> Result<Found, FetchError> {
        self.batches
            .call(sought, 0)
            .await
            .unwrap_or_else(|| Err(FetchError::Unavailable("the fetcher has stopped".into())))
    }
}

async fn fetch(log: LogClient, sought: Vec<Sought>) -> Vec<Result<Found, FetchError>> {
    let mut answers = Vec::with_capacity(sought.len());
    let mut parts = vec![sought];
    while let Some(mut sought) = parts.pop() {
        match fetch_at_once(&log, &sought).await {
            // Together their payloads are larger than an answer may be.
            Err(status) if status.code() == Code::OutOfRange && sought.len() > 1 => {
                let rest = sought.split_off(sought.len() / 2);
                // The first half lies on top, so that answers keep the order of the questions.
                parts.extend([rest, sought]);
            }
            Err(status) => {
                metrics::LOG_FAILURES.inc();
                let error = FetchError::Unavailable(status.message().to_owned());
                answers.extend(std::iter::repeat_n(Err(error), sought.len()));
            }
            Ok(found) => answers.extend(found),
        }
    }
    answers
}

async fn fetch_at_once(log: &LogClient, sought: &[Sought]) -> Result<Vec<Result<Found, FetchError>>, Status> {
    let bytes = |uuid: Uuid| uuid.as_bytes().to_vec();
    let of = |sought: &Sought| pb::DeliveryOf {
        event_id: bytes(sought.event.uuid()),
        tenant_id: bytes(sought.tenant.uuid()),
    };
    let request = pb::FetchDeliveriesRequest {
        delivery_ids: sought.iter().map(|sought| bytes(sought.delivery.uuid())).collect(),
        of: sought.iter().map(of).collect(),
    };
    let found = log.fetch(request).await?;
    let found: HashMap<&[u8], &pb::FetchedDelivery> = found
        .iter()
        .map(|delivery| (delivery.delivery_id.as_slice(), delivery))
        .collect();
    // Two copies of a message may ask in one batch, and each must learn what the ledger knows.
    let answer = |sought: &Sought| match found.get(sought.delivery.uuid().as_bytes().as_slice()) {
        None => Ok(Found::NotYet),
        Some(delivery) => read(delivery).map_err(|error| FetchError::Unreadable(error.to_string())),
    };
    Ok(sought.iter().map(answer).collect())
}

fn read(delivery: &pb::FetchedDelivery) -> Result<Found, WireError> {
    let recorded = delivery.step > 0;
    let why = match delivery.gone.as_str() {
        "erased" => Some(Gone::Erased),
        "expired" => Some(Gone::Expired),
        "unknown" => Some(Gone::Unknown),
        _ => None,
    };
    // A delivery that has ended needs no content, so a missing event changes nothing.
    if let Some(why) = why.filter(|_| !delivery.terminal) {
        return Ok(Found::Gone { why, recorded });
    }
    Ok(Found::Known(Fetched {
        step: Step::from_number(delivery.step),
        terminal: delivery.terminal,
        content: match delivery.event_type.as_str() {
            "" => None,
            _ => Some(content(delivery)?),
        },
    }))
}

fn content(delivery: &pb::FetchedDelivery) -> Result<Content, WireError> {
    Ok(Content {
        event_type: delivery
            .event_type
            .parse()
            .map_err(|e| WireError::Unknown(format!("{e}")))?,
        occurred_at: time_from_micros(delivery.occurred_at_us, "occurred_at")?,
        accepted_at: time_from_micros(delivery.accepted_at_us, "accepted_at")?,
        payload: delivery.payload.clone(),
        traceparent: TraceParent::parse(&delivery.traceparent),
        // The span of acceptance ended long ago; only queued content bears it.
        span: None,
    })
}
