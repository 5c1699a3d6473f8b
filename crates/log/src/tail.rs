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
        && (query.failure_reasons.is_empty()
            || attempt
                .outcome
                .reason()
                .is_some_and(|reason| query.failure_reasons.contains(&reason)))
        && query.min_duration.is_none_or(|least| attempt.duration >= least)
        && query.max_duration.is_none_or(|most| attempt.duration <= most)
        && query.error_contains.as_ref().is_none_or(|text| {
            let error = attempt.error.to_ascii_lowercase();
            error.contains(&text.to_ascii_lowercase())
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, FailureReason, Outcome, TenantId, Timestamp};

    use super::*;

    #[test]
    fn what_is_told_is_what_a_list_would_show() {
        let (event, endpoint) = (EventId::new(), EndpointId::new());
        let attempt = AttemptSummary {
            id: AttemptId::new(),
            delivery: DeliveryId::derive(event, endpoint),
            event,
            tenant: TenantId::new(),
            endpoint,
            event_type: "order.paid".parse().unwrap(),
            number: 1,
            started_at: Timestamp::now(),
            duration: Duration::from_millis(250),
            url: "https://example.com/".into(),
            dialect: "standard".into(),
            outcome: Outcome::retryable(FailureReason::Connect),
            error: "Connection reset by peer".into(),
            status_code: None,
            next_attempt_at: None,
            test: false,
        };
        let any = AttemptQuery::default;
        let length = |millis| Some(Duration::from_millis(millis));
        let text = |text: &str| Some(text.to_owned());
        for (query, expected) in [
            (any(), true),
            (
                AttemptQuery {
                    status_classes: vec![0],
                    ..any()
                },
                true,
            ),
            (
                AttemptQuery {
                    failure_reasons: vec![FailureReason::Tls, FailureReason::Connect],
                    ..any()
                },
                true,
            ),
            (
                AttemptQuery {
                    failure_reasons: vec![FailureReason::Tls],
                    ..any()
                },
                false,
            ),
            (
                AttemptQuery {
                    min_duration: length(250),
                    max_duration: length(250),
                    ..any()
                },
                true,
            ),
            (
                AttemptQuery {
                    min_duration: length(251),
                    ..any()
                },
                false,
            ),
            (
                AttemptQuery {
                    max_duration: length(249),
                    ..any()
                },
                false,
            ),
            (
                AttemptQuery {
                    error_contains: text("RESET by"),
                    ..any()
                },
                true,
            ),
            (
                AttemptQuery {
                    error_contains: text("reset_by"),
                    ..any()
                },
                false,
            ),
            (
                AttemptQuery {
                    outcomes: vec!["succeeded".into()],
                    error_contains: text("reset"),
                    ..any()
                },
                false,
            ),
        ] {
            assert_eq!(wanted(&query, &attempt), expected, "{query:?}");
        }
    }
}
