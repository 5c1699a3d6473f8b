//! Conversion of what is on record: read from the messages of the log service and of dispatchers, shown in our own.

use std::str::FromStr;
use std::time::Duration;

use tidings_domain::{Timestamp, Timing};
use tidings_proto::{duration, duration_from, pb, timestamp, timestamp_from, timing};
use tidings_service::problem::Problem;
use tidings_store::ledger::{EventSummary, Headers};

use crate::logs::{Attempt, AttemptInFull, Delivery, Event};

pub(crate) fn read_attempt(attempt: pb::Attempt) -> Result<Attempt, Problem> {
    Ok(Attempt {
        id: read(&attempt.id, "an attempt's id")?,
        delivery: read(&attempt.delivery_id, "a delivery's id")?,
        event: read(&attempt.event_id, "an event's id")?,
        tenant: read(&attempt.tenant_id, "a tenant's id")?,
        endpoint: read(&attempt.endpoint_id, "an endpoint's id")?,
        event_type: read(&attempt.event_type, "an event type")?,
        number: attempt.number,
        started_at: read_time(attempt.started_at)?,
        duration: length(attempt.duration).ok_or_else(|| unreadable("a duration"))?,
        url: attempt.url,
        dialect: attempt.dialect,
        outcome: attempt.outcome,
        failure_reason: attempt.failure_reason,
        error: attempt.error,
        status_code: Some(attempt.status_code).filter(|status| *status > 0),
        next_attempt_at: time(attempt.next_attempt_at),
        test: attempt.test,
    })
}

pub(crate) fn read_attempt_in_full(mut attempt: pb::Attempt) -> Result<AttemptInFull, Problem> {
    let timing = attempt.timing.take().unwrap_or_default();
    Ok(AttemptInFull {
        request_headers: read_headers(std::mem::take(&mut attempt.request_headers)),
        request_body: std::mem::take(&mut attempt.request_body),
        response_headers: read_headers(std::mem::take(&mut attempt.response_headers)),
        response_body: std::mem::take(&mut attempt.response_body),
        response_truncated: attempt.response_truncated,
        remote_address: std::mem::take(&mut attempt.remote_address),
        timing: Timing {
            dns: length(timing.dns),
            connect: length(timing.connect),
            tls: length(timing.tls),
            first_byte: length(timing.first_byte),
        },
        sent_again: std::mem::take(&mut attempt.sent_again),
        summary: read_attempt(attempt)?,
    })
}

pub(crate) fn read_delivery(delivery: pb::Delivery) -> Result<Delivery, Problem> {
    Ok(Delivery {
        id: read(&delivery.id, "a delivery's id")?,
        event: read(&delivery.event_id, "an event's id")?,
        tenant: read(&delivery.tenant_id, "a tenant's id")?,
        endpoint: read(&delivery.endpoint_id, "an endpoint's id")?,
        state: delivery.state,
        reason: delivery.reason,
        due_at: time(delivery.due_at),
        attempts: delivery.attempts,
        updated_at: read_time(delivery.updated_at)?,
        kept_by_ledger: delivery.kept_by_ledger,
        published_again_at: time(delivery.published_again_at),
    })
}

pub(crate) fn read_event(found: pb::GetEventResponse) -> Result<Event, Problem> {
    let event = found.event.ok_or_else(|| unreadable("an event"))?;
    Ok(Event {
        summary: EventSummary {
            id: read(&event.id, "an event's id")?,
            tenant: read(&event.tenant_id, "a tenant's id")?,
            event_type: read(&event.event_type, "an event type")?,
            occurred_at: read_time(event.occurred_at)?,
            accepted_at: read_time(event.accepted_at)?,
            idempotency_key: Some(event.idempotency_key).filter(|key| !key.is_empty()),
            delivery_count: event.delivery_count,
            test: event.test,
            erased_at: time(event.erased_at),
        },
        payload: event.payload,
        deliveries: found
            .deliveries
            .into_iter()
            .map(read_delivery)
            .collect::<Result<_, Problem>>()?,
    })
}

pub(crate) fn show_attempt(attempt: Attempt) -> pb::Attempt {
    pb::Attempt {
        id: attempt.id.to_string(),
        delivery_id: attempt.delivery.to_string(),
        event_id: attempt.event.to_string(),
        tenant_id: attempt.tenant.to_string(),
        endpoint_id: attempt.endpoint.to_string(),
        event_type: attempt.event_type.to_string(),
        number: attempt.number,
        started_at: Some(timestamp(attempt.started_at)),
        duration: Some(duration(attempt.duration)),
        url: attempt.url,
        dialect: attempt.dialect,
        outcome: attempt.outcome,
        failure_reason: attempt.failure_reason,
        error: attempt.error,
        status_code: attempt.status_code.unwrap_or(0),
        next_attempt_at: attempt.next_attempt_at.map(timestamp),
        test: attempt.test,
        ..pb::Attempt::default()
    }
}

pub(crate) fn show_attempt_in_full(attempt: AttemptInFull) -> pb::Attempt {
    pb::Attempt {
        request_headers: show_headers(attempt.request_headers),
        request_body: attempt.request_body,
        response_headers: show_headers(attempt.response_headers),
        response_body: attempt.response_body,
        response_truncated: attempt.response_truncated,
        remote_address: attempt.remote_address,
        timing: Some(timing(attempt.timing)),
        sent_again: attempt.sent_again,
        ..show_attempt(attempt.summary)
    }
}

pub(crate) fn show_delivery(delivery: Delivery) -> pb::Delivery {
    pb::Delivery {
        id: delivery.id.to_string(),
        event_id: delivery.event.to_string(),
        tenant_id: delivery.tenant.to_string(),
        endpoint_id: delivery.endpoint.to_string(),
        state: delivery.state,
        reason: delivery.reason,
        due_at: delivery.due_at.map(timestamp),
        attempts: delivery.attempts,
        updated_at: Some(timestamp(delivery.updated_at)),
        kept_by_ledger: delivery.kept_by_ledger,
        published_again_at: delivery.published_again_at.map(timestamp),
    }
}

/// An event without its payload.
pub(crate) fn show_event(event: EventSummary) -> pb::Event {
    pb::Event {
        id: event.id.to_string(),
        tenant_id: event.tenant.to_string(),
        event_type: event.event_type.to_string(),
        occurred_at: Some(timestamp(event.occurred_at)),
        accepted_at: Some(timestamp(event.accepted_at)),
        idempotency_key: event.idempotency_key.unwrap_or_default(),
        payload: Vec::new(),
        delivery_count: event.delivery_count,
        test: event.test,
        erased_at: event.erased_at.map(timestamp),
    }
}

fn read<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| unreadable(what))
}

fn read_time(at: Option<prost_types::Timestamp>) -> Result<Timestamp, Problem> {
    time(at).ok_or_else(|| unreadable("a time"))
}

fn time(at: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    at.as_ref().and_then(timestamp_from)
}

fn length(length: Option<prost_types::Duration>) -> Option<Duration> {
    length.as_ref().and_then(duration_from)
}

fn read_headers(headers: Vec<pb::Header>) -> Headers {
    headers.into_iter().map(|header| (header.name, header.value)).collect()
}

fn show_headers(headers: Headers) -> Vec<pb::Header> {
    let line = |(name, value)| pb::Header { name, value };
    headers.into_iter().map(line).collect()
}

fn unreadable(what: &str) -> Problem {
    let detail = format!("the log contains {what} that can't be read");
    Problem::internal("log_unreadable", detail)
}
