//! Reading deliveries from the ledger, batched.

use std::collections::HashMap;

use tidings_domain::trace::TraceParent;
use tidings_domain::{DeliveryId, Step};
use tidings_proto::pb;
use tidings_proto::{WireError, time_from_micros};
use tidings_queue::message::Content;

use crate::batch::{Batcher, Limits};
use crate::client::LogClient;
use crate::metrics;

const LIMITS: Limits = Limits {
    items: 128,
    bytes: usize::MAX,
    concurrent: 4,
};

/// Asks the ledger about deliveries.
#[derive(Clone)]
pub struct Fetcher {
    batches: Batcher<DeliveryId, Result<Option<Fetched>, FetchError>>,
}

/// What the ledger knows of a delivery.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The step it is at.
    pub step: Step,
    /// Whether it has ended.
    pub terminal: bool,
    /// The event's content; `None` while the record of the event is still on the way to the ledger.
    pub content: Option<Content>,
}

/// Why the ledger could not be asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The log service or its database is away.
    #[error("the log service is unavailable: {0}")]
    Unavailable(String),
    /// The answer makes no sense.
    #[error("the log service sent a delivery that can't be read: {0}")]
    Unreadable(String),
}

impl Fetcher {
    /// Starts the fetcher.
    #[must_use]
    pub fn start(log: LogClient) -> Self {
        Self {
            batches: Batcher::start(LIMITS, move |ids| fetch(log.clone(), ids)),
        }
    }

    /// One delivery with its event's content; `None` if the ledger does not know it (yet).
    pub async fn fetch(&self, id: DeliveryId) -> Result<Option<Fetched>, FetchError> {
        self.batches
            .call(id, 0)
            .await
            .unwrap_or_else(|| Err(FetchError::Unavailable("the fetcher has stopped".into())))
    }
}

async fn fetch(log: LogClient, ids: Vec<DeliveryId>) -> Vec<Result<Option<Fetched>, FetchError>> {
    let asked = ids.iter().map(|id| id.uuid().as_bytes().to_vec()).collect();
    match log.fetch(asked).await {
        Err(status) => {
            metrics::LOG_FAILURES.inc();
            vec![Err(FetchError::Unavailable(status.message().to_owned())); ids.len()]
        }
        Ok(found) => {
            let found: HashMap<&[u8], &pb::FetchedDelivery> = found
                .iter()
                .map(|delivery| (delivery.delivery_id.as_slice(), delivery))
                .collect();
            // Two copies of a message may ask in one batch, and each must learn what the ledger knows.
            ids.iter()
                .map(|id| {
                    let known = found.get(id.uuid().as_bytes().as_slice());
                    let fetched = known.map(|delivery| read(delivery)).transpose();
                    fetched.map_err(|e| FetchError::Unreadable(e.to_string()))
                })
                .collect()
        }
    }
}

fn read(delivery: &pb::FetchedDelivery) -> Result<Fetched, WireError> {
    Ok(Fetched {
        step: Step::from_number(delivery.step),
        terminal: delivery.terminal,
        content: match delivery.event_type.as_str() {
            "" => None,
            _ => Some(content(delivery)?),
        },
    })
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
    })
}
