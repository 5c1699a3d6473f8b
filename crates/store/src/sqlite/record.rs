//! Writing records down, in whatever order they arrive.

use std::collections::HashSet;

use rusqlite::{Connection, params};
use tidings_domain::trace::TraceParent;
use tidings_domain::{DeliveryId, Step};

use super::row::{blob, json, later, length, micros};
use super::{erasures, health};
use crate::error::StoreError;
use crate::health::changes;
use crate::ledger::{Attempt, DeliveryMove, NewEvent, Record, RequestBody};
use crate::registry::Of;

/// Writes records and returns the endpoints that began to fail or recovered by them.
pub(super) fn record(connection: &Connection, records: &[Record]) -> Result<Vec<Of>, StoreError> {
    // Events first: a move of a delivery that becomes known in the same batch counts.
    for record in records {
        if let Record::Event(event) = record
            && !erasures::is_erased(connection, event.tenant, event.id)?
        {
            insert_event(connection, event)?;
        }
    }
    let mut ended = HashSet::new();
    for record in records {
        match record {
            Record::Event(_) => {}
            Record::Attempt(attempt) => {
                let of = &attempt.summary;
                if !erasures::is_erased(connection, of.tenant, of.event)? && insert_attempt(connection, attempt)? {
                    ended.insert(of.delivery);
                }
            }
            Record::Move(to) => update_delivery(connection, to, attempts_before(to.step))?,
        }
    }
    let mut changes = changes(records);
    // A record that came again says nothing new.
    changes.exhausted.retain(|one| ended.contains(&one.after.id));
    health::mark(connection, &changes)
}

fn insert_event(connection: &Connection, event: &NewEvent) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO events
                (id, tenant, event_type, occurred_at, accepted_at, idempotency_key, traceparent, delivery_count, payload,
                 test)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            blob(event.id.uuid()),
            blob(event.tenant.uuid()),
            event.event_type.as_str(),
            micros(event.occurred_at),
            micros(event.accepted_at),
            event.idempotency_key,
            event.traceparent.as_ref().map(TraceParent::as_str),
            event.delivery_count() as i64,
            &event.payload[..],
            event.test,
        ])?;
    // Nothing is lower than the first step, so whatever is known of a delivery stays.
    let mut insert = connection.prepare_cached(
        "INSERT INTO deliveries
            (id, event, tenant, endpoint, state, reason, due, step, attempts, sweep_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10) ON CONFLICT DO NOTHING",
    )?;
    for (endpoint, state) in &event.deliveries {
        let waits = state.name() != "held" && !state.is_terminal();
        let from = state.due().unwrap_or(event.accepted_at);
        insert.execute(params![
            blob(DeliveryId::derive(event.id, *endpoint).uuid()),
            blob(event.id.uuid()),
            blob(event.tenant.uuid()),
            blob(endpoint.uuid()),
            state.name(),
            state.reason(),
            state.due().map(micros),
            Step::FIRST.number(),
            waits.then(|| later(from, event.grace)),
            micros(event.accepted_at),
        ])?;
    }
    Ok(())
}

/// Returns whether its delivery changed its state by it.
fn insert_attempt(connection: &Connection, attempt: &Attempt) -> Result<bool, StoreError> {
    let summary = &attempt.summary;
    let (body, payload_at) = match &attempt.request_body {
        RequestBody::Around { envelope, payload_at } => (envelope, Some(*payload_at)),
        RequestBody::Whole(body) => (body, None),
    };
    let content = !erasures::is_event_erased(connection, summary.tenant, summary.event)?;
    connection
        .prepare_cached(
            "INSERT INTO attempts
                (id, delivery, event, tenant, endpoint, event_type, number, started_at, duration, url, dialect,
                 outcome, reason, error, status_code, next_attempt_at, remote_address, request_headers,
                 request_body, payload_at, response_headers, response_body, response_truncated, test, dns_us,
                 connect_us, tls_us, first_byte_us, sent_again)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                 ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            blob(summary.id.uuid()),
            blob(summary.delivery.uuid()),
            blob(summary.event.uuid()),
            blob(summary.tenant.uuid()),
            blob(summary.endpoint.uuid()),
            summary.event_type.as_str(),
            summary.number,
            micros(summary.started_at),
            length(summary.duration),
            summary.url,
            summary.dialect,
            summary.outcome.name(),
            summary.outcome.reason().map(|reason| reason.as_str()),
            summary.error,
            summary.status_code,
            summary.next_attempt_at.map(micros),
            attempt.remote_address,
            json(&attempt.request_headers)?,
            if content { &body[..] } else { &[] },
            payload_at.filter(|_| content),
            json(&attempt.response_headers)?,
            if content { &attempt.response_body[..] } else { &[] },
            attempt.response_truncated,
            summary.test,
            attempt.timing.dns.map(length),
            attempt.timing.connect.map(length),
            attempt.timing.tls.map(length),
            attempt.timing.first_byte.map(length),
            (!attempt.sent_again.is_empty()).then_some(&attempt.sent_again),
        ])?;
    let Some(after) = &attempt.after else {
        return Ok(false);
    };
    let attempts = if after.state.is_terminal() {
        summary.number
    } else {
        attempts_before(after.step)
    };
    merge_delivery(connection, after, attempts)
}

// A terminal state never goes back, and among the others the higher step wins.

/// Takes a delivery that is known to the state of a move; one that is not stays unknown.
fn update_delivery(connection: &Connection, to: &DeliveryMove, attempts: u32) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = ?2, reason = ?3, due = ?4, step = ?5, attempts = ?6, sweep_at = ?7,
                updated_at = ?8
             WHERE id = ?1 AND state NOT IN ('succeeded', 'exhausted', 'cancelled')
               AND (?5 > step OR ?2 IN ('succeeded', 'exhausted', 'cancelled'))",
        )?
        .execute(params![
            blob(to.id.uuid()),
            to.state.name(),
            to.state.reason(),
            to.state.due().map(micros),
            to.step.number(),
            attempts,
            to.sweep_at.map(micros),
            micros(to.at),
        ])?;
    Ok(())
}

/// The same after an attempt, which makes the delivery known. Returns whether anything changed.
fn merge_delivery(connection: &Connection, to: &DeliveryMove, attempts: u32) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO deliveries
                (id, event, tenant, endpoint, state, reason, due, step, attempts, sweep_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET
                state = excluded.state, reason = excluded.reason, due = excluded.due, step = excluded.step,
                attempts = excluded.attempts, sweep_at = excluded.sweep_at,
                updated_at = excluded.updated_at
             WHERE state NOT IN ('succeeded', 'exhausted', 'cancelled')
               AND (excluded.step > step OR excluded.state IN ('succeeded', 'exhausted', 'cancelled'))",
        )?
        .execute(params![
            blob(to.id.uuid()),
            blob(to.event.uuid()),
            blob(to.tenant.uuid()),
            blob(to.endpoint.uuid()),
            to.state.name(),
            to.state.reason(),
            to.state.due().map(micros),
            to.step.number(),
            attempts,
            to.sweep_at.map(micros),
            micros(to.at),
        ])?;
    Ok(changed > 0)
}

/// The number of attempts made before this step.
fn attempts_before(step: Step) -> u32 {
    step.attempt().saturating_sub(1)
}
