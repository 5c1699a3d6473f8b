//! The live tail: attempts as they are committed by this process.

use std::sync::Arc;

use tidings_store::ledger::{AttemptQuery, AttemptSummary, Record};
use tokio::sync::broadcast;

/// How many attempts a slow watcher may be behind before it misses some.
const BACKLOG: usize = 4_096;

/// Spreads committed attempts to whoever watches. Costs nothing while nobody does.
#[derive(Clone)]
pub(crate) struct Tail(broadcast::Sender<Arc<AttemptSummary>>);

impl Tail {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<AttemptSummary>> {
        self.0.subscribe()
    }

    /// The attempts among records that are about to be committed, if anybody watches.
    pub(crate) fn pick(&self, records: &[Record]) -> Vec<Arc<AttemptSummary>> {
        if self.0.receiver_count() == 0 {
            return Vec::new();
        }
        let attempt = |record: &Record| match record {
            Record::Attempt(attempt) => Some(Arc::new(attempt.summary.clone())),
            _ => None,
        };
        records.iter().filter_map(attempt).collect()
    }

    pub(crate) fn send(&self, attempts: Vec<Arc<AttemptSummary>>) {
        for attempt in attempts {
            // An error only says that the last watcher has just left.
            let _ = self.0.send(attempt);
        }
    }
}

/// Whether an attempt is one of those asked for.
pub(crate) fn wanted(query: &AttemptQuery, attempt: &AttemptSummary) -> bool {
    let among = |list: &[u16], value: u16| list.is_empty() || list.contains(&value);
    let status = attempt.status_code.unwrap_or(0);
    query.tenant.is_none_or(|id| id == attempt.tenant)
        && query.endpoint.is_none_or(|id| id == attempt.endpoint)
        && query.event.is_none_or(|id| id == attempt.event)
        && query.delivery.is_none_or(|id| id == attempt.delivery)
        && (query.event_types.is_empty() || query.event_types.contains(&attempt.event_type))
        && among(&query.status_codes, status)
        && among(&query.status_classes, status / 100)
        && (query.outcomes.is_empty() || query.outcomes.iter().any(|name| name == attempt.outcome.name()))
}
