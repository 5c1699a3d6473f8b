//! Operational events: notices as events for the tenant's operational endpoints.
//!
//! They are written to the ledger as events that the queue never had. The sweeper publishes them like events accepted
//! while the queue was down, and from then on they are events like any other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tidings_domain::{DeliveryState, Endpoint, EndpointId, EventId, HoldReason, Notice, NoticeKind, Timestamp};
use tidings_store::ledger::{NewEvent, Record};
use tidings_store::{RegistryCache, Store, StoreError};

use super::metrics;

/// The payload of an operational event.
#[derive(Serialize)]
struct Payload<'a> {
    endpoint: EndpointShown<'a>,
    at: Timestamp,
    /// The exact error, as a sentence.
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    /// The reason for disabling it, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The exhausted delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
}

#[derive(Serialize)]
struct EndpointShown<'a> {
    id: EndpointId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

/// Records the events of these notices, in one commit.
pub(super) async fn record(store: &dyn Store, cache: &RegistryCache, notices: &[Notice]) -> Result<(), StoreError> {
    let mut events = Vec::new();
    for notice in notices {
        events.extend(event(store, cache, notice).await?);
    }
    if events.is_empty() {
        return Ok(());
    }
    let kinds: Vec<_> = events.iter().map(|event| event.event_type.clone()).collect();
    store.record(events.into_iter().map(Record::Event).collect()).await?;
    for kind in kinds {
        metrics::OPERATIONAL_EVENTS.with_label_values(&[kind.as_str()]).inc();
    }
    Ok(())
}

/// The event of a notice; `None` if no endpoint subscribes to it.
async fn event(store: &dyn Store, cache: &RegistryCache, notice: &Notice) -> Result<Option<NewEvent>, StoreError> {
    let event_type = notice.kind.event_type();
    let mut told = cache.told(notice.tenant, &event_type);
    // One that fails would only be told, by failing again, that it fails.
    told.retain(|endpoint| endpoint.id != notice.endpoint);
    if told.is_empty() {
        return Ok(None);
    }
    let known = match notice.kind {
        // The cache may not have heard of it yet, and would not know why.
        NoticeKind::EndpointDisabled => store.endpoint(notice.endpoint).await?.map(Arc::new),
        _ => cache.endpoint(notice.endpoint),
    };
    let disabled_for = known.as_ref().and_then(|endpoint| endpoint.disabled_reason);
    let payload = Payload {
        endpoint: EndpointShown {
            id: notice.endpoint,
            name: known.as_ref().map(|endpoint| endpoint.name.as_str()),
            url: known.as_ref().map(|endpoint| endpoint.url.as_str()),
        },
        at: notice.at,
        detail: &notice.detail,
        reason: disabled_for
            .filter(|_| notice.kind == NoticeKind::EndpointDisabled)
            .map(|reason| reason.as_str()),
        delivery_id: notice.delivery.map(|(delivery, _)| delivery.to_string()),
        event_id: notice.delivery.map(|(_, event)| event.to_string()),
    };
    let payload = serde_json::to_vec(&payload).map_err(|error| StoreError::Refused(error.to_string()))?;
    let due = Timestamp::now();
    let state = |endpoint: &Endpoint| {
        let matches = endpoint.subscriptions.iter().any(|s| s.matches(&event_type));
        if !endpoint.enabled {
            DeliveryState::Held(HoldReason::EndpointDisabled)
        } else if !matches {
            DeliveryState::Held(HoldReason::SubscriptionsUnreadable)
        } else {
            DeliveryState::Scheduled { due }
        }
    };
    Ok(Some(NewEvent {
        id: EventId::from_uuid(notice.id),
        tenant: notice.tenant,
        deliveries: told.iter().map(|endpoint| (endpoint.id, state(endpoint))).collect(),
        event_type,
        occurred_at: notice.at,
        accepted_at: notice.at,
        payload: Bytes::from(payload),
        idempotency_key: None,
        traceparent: None,
        // The queue never had it, so the sweeper need not wait for a message that may still come.
        grace: Duration::ZERO,
        test: false,
    }))
}
