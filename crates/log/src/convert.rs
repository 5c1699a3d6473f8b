//! Conversions between protobuf messages and stored values.

use std::time::Duration;

use bytes::Bytes;
use tidings_domain::trace::TraceParent;
use tidings_domain::{
    AttemptId, CancelReason, DeliveryId, DeliveryState, EndpointId, EventId, HoldReason, Outcome, Step, TenantId,
};
use tidings_proto::{WireError, duration, pb, time_from_micros, timestamp, timing, timing_of, uuid};
use tidings_store::ledger::{
    Attempt, AttemptSummary, Delivery, DeliveryMove, EventSummary, Headers, NewEvent, Outcomes, Record, RequestBody,
    Tally,
};

fn unknown(error: impl std::fmt::Display) -> WireError {
    WireError::Unknown(error.to_string())
}

/// Reads a record. `grace` is how long the sweeper leaves alone what the broker keeps.
pub(crate) fn read_record(record: pb::Record, grace: Duration) -> Result<Record, WireError> {
    match record.record.ok_or(WireError::Missing("record"))? {
        pb::record::Record::Event(event) => read_event(event, grace).map(Record::Event),
        pb::record::Record::Attempt(attempt) => Ok(Record::Attempt(Box::new(read_attempt(attempt, grace)?))),
        pb::record::Record::Move(delivery) => read_move(&delivery, grace).map(Record::Move),
    }
}

fn read_event(event: pb::EventAccepted, grace: Duration) -> Result<NewEvent, WireError> {
    let accepted_at = time_from_micros(event.accepted_at_us, "accepted_at")?;
    let delivery = |delivery: &pb::NewDelivery| {
        let state = if delivery.filter_undecided {
            DeliveryState::Cancelled(CancelReason::FilterUndecided)
        } else if delivery.filtered {
            DeliveryState::Cancelled(CancelReason::Filtered)
        } else if delivery.held {
            DeliveryState::Held(HoldReason::EndpointDisabled)
        } else if delivery.behind_others {
            DeliveryState::Held(HoldReason::EndpointBusy)
        } else if delivery.subscriptions_unreadable {
            DeliveryState::Held(HoldReason::SubscriptionsUnreadable)
        } else if event.not_in_broker {
            DeliveryState::Scheduled { due: accepted_at }
        } else {
            DeliveryState::Pending
        };
        Ok((
            EndpointId::from_uuid(uuid(&delivery.endpoint_id, "endpoint_id")?),
            state,
        ))
    };
    Ok(NewEvent {
        id: EventId::from_uuid(uuid(&event.event_id, "event_id")?),
        tenant: TenantId::from_uuid(uuid(&event.tenant_id, "tenant_id")?),
        event_type: event.event_type.parse().map_err(unknown)?,
        occurred_at: time_from_micros(event.occurred_at_us, "occurred_at")?,
        accepted_at,
        payload: event.payload,
        idempotency_key: Some(event.idempotency_key).filter(|key| !key.is_empty()),
        traceparent: TraceParent::parse(&event.traceparent),
        deliveries: event
            .deliveries
            .iter()
            .map(delivery)
            .collect::<Result<_, WireError>>()?,
        grace: if event.not_in_broker { Duration::ZERO } else { grace },
        test: event.test,
    })
}

fn read_move(delivery: &pb::DeliveryMoved, grace: Duration) -> Result<DeliveryMove, WireError> {
    let at = time_from_micros(delivery.at_us, "at")?;
    let due = match delivery.due_at_us {
        0 => None,
        us => Some(time_from_micros(us - too_long_in_doubt(delivery, grace), "due_at")?),
    };
    let reason = Some(delivery.reason.as_str()).filter(|reason| !reason.is_empty());
    let state = DeliveryState::from_parts(&delivery.state, reason, due).map_err(unknown)?;
    let sweep_at = match state {
        DeliveryState::Pending | DeliveryState::Scheduled { .. } => {
            let due = due.unwrap_or(at);
            Some(if delivery.in_broker {
                due.saturating_add(grace).unwrap_or(due)
            } else {
                due
            })
        }
        _ => None,
    };
    Ok(DeliveryMove {
        id: DeliveryId::from_uuid(uuid(&delivery.delivery_id, "delivery_id")?),
        event: EventId::from_uuid(uuid(&delivery.event_id, "event_id")?),
        tenant: TenantId::from_uuid(uuid(&delivery.tenant_id, "tenant_id")?),
        endpoint: EndpointId::from_uuid(uuid(&delivery.endpoint_id, "endpoint_id")?),
        step: Step::from_number(delivery.step),
        state,
        sweep_at,
        at,
    })
}

/// By how much a delivery that the broker may have is due too late, in microseconds.
fn too_long_in_doubt(delivery: &pb::DeliveryMoved, grace: Duration) -> i64 {
    let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
    delivery.in_doubt_us.saturating_sub(grace).max(0)
}

fn read_attempt(attempt: pb::AttemptMade, grace: Duration) -> Result<Attempt, WireError> {
    let timing = timing_of(&attempt);
    let after = read_move(attempt.delivery.as_ref().ok_or(WireError::Missing("delivery"))?, grace)?;
    let reason = Some(attempt.failure_reason.as_str()).filter(|reason| !reason.is_empty());
    let summary = AttemptSummary {
        id: AttemptId::from_uuid(uuid(&attempt.attempt_id, "attempt_id")?),
        delivery: after.id,
        event: after.event,
        tenant: after.tenant,
        endpoint: after.endpoint,
        event_type: attempt.event_type.parse().map_err(unknown)?,
        number: attempt.number,
        started_at: time_from_micros(attempt.started_at_us, "started_at")?,
        duration: Duration::from_micros(u64::try_from(attempt.duration_us).unwrap_or(0)),
        url: attempt.url,
        dialect: attempt.dialect,
        outcome: Outcome::from_parts(&attempt.outcome, reason).map_err(unknown)?,
        error: attempt.error,
        status_code: u16::try_from(attempt.status_code).ok().filter(|status| *status > 0),
        next_attempt_at: after.state.due(),
        test: attempt.test,
    };
    Ok(Attempt {
        summary,
        after: Some(after),
        request_headers: read_headers(attempt.request_headers),
        request_body: if attempt.payload_spliced {
            RequestBody::Around {
                envelope: attempt.request_body,
                payload_at: attempt.payload_offset,
            }
        } else {
            RequestBody::Whole(attempt.request_body)
        },
        response_headers: read_headers(attempt.response_headers),
        response_body: attempt.response_body.into(),
        response_truncated: attempt.response_truncated,
        remote_address: attempt.remote_address,
        timing,
        sent_again: attempt.sent_again,
    })
}

fn read_headers(headers: Vec<pb::Header>) -> Headers {
    headers.into_iter().map(|header| (header.name, header.value)).collect()
}

/// An attempt as a list shows it.
pub(crate) fn show_summary(attempt: &AttemptSummary) -> pb::Attempt {
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
        url: attempt.url.clone(),
        dialect: attempt.dialect.clone(),
        outcome: attempt.outcome.name().to_owned(),
        failure_reason: attempt
            .outcome
            .reason()
            .map(|reason| reason.to_string())
            .unwrap_or_default(),
        error: attempt.error.clone(),
        status_code: attempt.status_code.map_or(0, u32::from),
        next_attempt_at: attempt.next_attempt_at.map(timestamp),
        test: attempt.test,
        ..pb::Attempt::default()
    }
}

/// An attempt with all that was sent and received. `payload` is its event's.
pub(crate) fn show_attempt(attempt: &Attempt, payload: &[u8]) -> pb::Attempt {
    let headers = |headers: &Headers| {
        headers
            .iter()
            .map(|(name, value)| pb::Header {
                name: name.clone(),
                value: value.clone(),
            })
            .collect()
    };
    pb::Attempt {
        request_headers: headers(&attempt.request_headers),
        request_body: attempt.request_body.assemble(payload).to_vec(),
        response_headers: headers(&attempt.response_headers),
        response_body: attempt.response_body.to_vec(),
        response_truncated: attempt.response_truncated,
        remote_address: attempt.remote_address.clone(),
        timing: Some(timing(attempt.timing)),
        sent_again: attempt.sent_again.clone(),
        ..show_summary(&attempt.summary)
    }
}

/// An event; `payload` where it is to be shown.
pub(crate) fn show_tally(tally: &Tally) -> pb::CountAttemptsResponse {
    let counts = |outcomes: &Outcomes| pb::OutcomeCounts {
        succeeded: outcomes.succeeded,
        failed_retryable: outcomes.failed_retryable,
        failed_final: outcomes.failed_final,
    };
    pb::CountAttemptsResponse {
        spans: tally.spans.iter().map(counts).collect(),
        counted_since: tally.counted_since.map(timestamp),
    }
}

pub(crate) fn show_event(event: &EventSummary, payload: Bytes) -> pb::Event {
    pb::Event {
        id: event.id.to_string(),
        tenant_id: event.tenant.to_string(),
        event_type: event.event_type.to_string(),
        occurred_at: Some(timestamp(event.occurred_at)),
        accepted_at: Some(timestamp(event.accepted_at)),
        idempotency_key: event.idempotency_key.clone().unwrap_or_default(),
        payload: payload.to_vec(),
        delivery_count: event.delivery_count,
        test: event.test,
        erased_at: event.erased_at.map(timestamp),
    }
}

pub(crate) fn show_delivery(delivery: &Delivery) -> pb::Delivery {
    pb::Delivery {
        id: delivery.id.to_string(),
        event_id: delivery.event.to_string(),
        tenant_id: delivery.tenant.to_string(),
        endpoint_id: delivery.endpoint.to_string(),
        state: delivery.state.name().to_owned(),
        reason: delivery.state.reason().unwrap_or_default().to_owned(),
        due_at: delivery.state.due().map(timestamp),
        attempts: delivery.attempts,
        updated_at: Some(timestamp(delivery.updated_at)),
        kept_by_ledger: delivery.is_kept_by_ledger(),
        published_again_at: delivery.sweep_at.map(timestamp),
    }
}
