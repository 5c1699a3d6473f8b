//! Things to store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_domain::{
    Actor, ApiKey, AttemptId, AuditEntry, DeliveryId, DeliveryState, Endpoint, EndpointId, EventId, FailureReason,
    Outcome, Scope, Step, Subscription, Tenant, TenantId, Timestamp, Timing,
};
use tidings_store::Store;
use tidings_store::ledger::{
    Attempt, AttemptSummary, Delivery, DeliveryMove, DeliveryQuery, NewEvent, Record, RequestBody,
};
use tidings_store::registry::NewEventTypeVersion;
use uuid::{NoContext, Uuid};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The present, to the millisecond, which every store keeps.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}

pub(crate) fn tenant() -> Tenant {
    Tenant::new("Acme", now())
}

pub(crate) fn key(tenant: Option<TenantId>) -> ApiKey {
    ApiKey::new(tenant, vec![Scope::Publish, Scope::Read], now()).0
}

/// An entry of the audit log for tests that do not look at it.
pub(crate) fn entry() -> AuditEntry {
    AuditEntry::new(now(), Actor::Internal, "test", "nothing")
}

pub(crate) fn endpoint(tenant: TenantId) -> Endpoint {
    Endpoint {
        name: "CRM".into(),
        subscriptions: vec![Subscription::to("feedback.*".parse().unwrap())],
        ..Endpoint::new(
            tenant,
            "https://crm.example.com/hook?a=b".parse().unwrap(),
            "standard",
            now(),
        )
    }
}

/// The next version of an event type, with a schema.
pub(crate) fn new_version(event_type: &str) -> NewEventTypeVersion {
    NewEventTypeVersion {
        event_type: event_type.parse().unwrap(),
        description: "Somebody said something.".into(),
        schema: Some(r#"{"type":"object"}"#.into()),
        created_at: now(),
    }
}

/// A tenant that is stored.
pub(crate) async fn stored_tenant(store: &Arc<dyn Store>) -> TenantId {
    let tenant = tenant();
    store
        .create_tenant(&tenant, &key(Some(tenant.id)), &entry())
        .await
        .unwrap();
    tenant.id
}

/// A UUIDv7 of this instant.
pub(crate) fn uuid_at(at: Timestamp) -> Uuid {
    let nanos = at.subsec_nanosecond().unsigned_abs();
    Uuid::new_v7(uuid::Timestamp::from_unix(
        NoContext,
        at.as_second().unsigned_abs(),
        nanos,
    ))
}

/// An event for these endpoints, accepted at this instant.
pub(crate) fn event_at(at: Timestamp, tenant: TenantId, endpoints: &[EndpointId]) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(uuid_at(at)),
        tenant,
        event_type: "feedback.created".parse().unwrap(),
        occurred_at: at,
        accepted_at: at,
        payload: Bytes::from_static(br#"{"rating":5}"#),
        idempotency_key: None,
        traceparent: None,
        deliveries: endpoints
            .iter()
            .map(|endpoint| (*endpoint, DeliveryState::Pending))
            .collect(),
        grace: MINUTE,
        test: false,
    }
}

pub(crate) fn event(tenant: TenantId, endpoints: &[EndpointId]) -> NewEvent {
    event_at(now(), tenant, endpoints)
}

/// The delivery of an event to an endpoint, moved to a step and state.
pub(crate) fn to(event: &NewEvent, endpoint: EndpointId, step: Step, state: DeliveryState) -> DeliveryMove {
    let at = event.accepted_at + Duration::from_secs(u64::from(step.attempt()));
    let sweep_at = match &state {
        DeliveryState::Scheduled { due } => Some(*due + MINUTE),
        DeliveryState::Pending => Some(at + MINUTE),
        _ => None,
    };
    DeliveryMove {
        id: DeliveryId::derive(event.id, endpoint),
        event: event.id,
        tenant: event.tenant,
        endpoint,
        step,
        state,
        sweep_at,
        at,
    }
}

/// An attempt that was begun when the event was accepted, and what it left the delivery in.
pub(crate) fn attempt(event: &NewEvent, number: u32, after: DeliveryMove) -> Attempt {
    let succeeded = after.state == DeliveryState::Succeeded;
    Attempt {
        summary: AttemptSummary {
            id: AttemptId::from_uuid(uuid_at(event.accepted_at)),
            delivery: after.id,
            event: event.id,
            tenant: event.tenant,
            endpoint: after.endpoint,
            event_type: event.event_type.clone(),
            number,
            started_at: event.accepted_at,
            duration: Duration::from_micros(12_345),
            url: "https://crm.example.com/hook".into(),
            dialect: "standard".into(),
            outcome: if succeeded {
                Outcome::Succeeded
            } else {
                Outcome::retryable(FailureReason::Status)
            },
            error: if succeeded {
                String::new()
            } else {
                "the receiver answered 503".into()
            },
            status_code: Some(if succeeded { 200 } else { 503 }),
            next_attempt_at: after.state.due(),
            test: false,
        },
        after: Some(after),
        request_headers: vec![("content-type".into(), "application/json".into())],
        request_body: RequestBody::Around {
            envelope: Bytes::from_static(br#"{"data":}"#),
            payload_at: 8,
        },
        response_headers: vec![("x-quote".into(), "a \"b\" \u{e9}".into())],
        response_body: Bytes::from_static(b"\x00\xff not text"),
        response_truncated: true,
        remote_address: "192.0.2.1:443".into(),
        timing: Timing {
            dns: None,
            connect: Some(Duration::from_micros(1_234)),
            tls: Some(Duration::from_millis(30)),
            first_byte: Some(Duration::from_micros(12_000)),
        },
        sent_again: "the receiver closed the connection without an answer".into(),
    }
}

/// The record of a first attempt that failed; the next is due an hour later.
pub(crate) fn failed(event: &NewEvent, endpoint: EndpointId) -> Record {
    let state = DeliveryState::Scheduled {
        due: event.accepted_at + HOUR,
    };
    Record::Attempt(Box::new(attempt(
        event,
        1,
        to(event, endpoint, Step::FIRST.after_attempt(), state),
    )))
}

/// The record of a second attempt that succeeded.
pub(crate) fn succeeded(event: &NewEvent, endpoint: EndpointId) -> Record {
    let step = Step::FIRST.after_attempt();
    Record::Attempt(Box::new(attempt(
        event,
        2,
        to(event, endpoint, step, DeliveryState::Succeeded),
    )))
}

/// The one delivery of an event for an endpoint, as the store shows it.
pub(crate) async fn delivery(store: &Arc<dyn Store>, event: EventId, endpoint: EndpointId) -> Option<Delivery> {
    let query = DeliveryQuery {
        event: Some(event),
        endpoint: Some(endpoint),
        limit: 2,
        ..Default::default()
    };
    let mut found = store.deliveries(&query).await.unwrap().rows;
    assert!(found.len() <= 1, "{found:?}");
    found.pop()
}
