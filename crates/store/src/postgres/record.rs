//! Writing records: a batch in a single statement, whatever is in it.
//!
//! The cost per record is what counts here, so rows travel as one array per column, and several records of one
//! delivery become one row before they are sent.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use tidings_domain::{DeliveryId, DeliveryState, EndpointId, EventId, Step, TenantId, Timestamp};

use super::Postgres;
use crate::error::StoreError;
use crate::health;
use crate::ledger::{Attempt, DeliveryMove, Headers, NewEvent, Record, RequestBody};

const RECORD: &str = include_str!("record.sql");

/// The statement for batches with moves, and for those with deliveries that were given up: the usual batch has neither.
static RECORDS: LazyLock<[[String; 2]; 2]> = LazyLock::new(|| {
    let of = |has_moves: bool, has_given_up: bool| {
        let sql = without(RECORD, "moves", has_moves);
        without(&sql, "given up", has_given_up)
    };
    [[of(false, false), of(false, true)], [of(true, false), of(true, true)]]
});

/// A statement without the parts of this name, unless they are kept.
fn without(sql: &str, name: &str, keep: bool) -> String {
    let (begin, end) = (format!("/* {name}: */"), format!("/* :{name} */"));
    let mut parts = sql.split(begin.as_str());
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once(end.as_str()).unwrap_or((part, ""));
        if keep {
            left.push_str(inside);
        }
        left.push_str(rest);
    }
    left
}

impl Postgres {
    pub(super) async fn write(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut events: Vec<&NewEvent> = Vec::new();
        let mut attempts: Vec<&Attempt> = Vec::new();
        let mut merged = Merged::default();
        for record in records {
            match record {
                Record::Event(event) => {
                    merged.accept(event);
                    events.push(event);
                }
                Record::Attempt(attempt) => {
                    if let Some(after) = &attempt.after {
                        merged.add(Row::after_attempt(after, attempt.summary.number));
                    }
                    attempts.push(attempt);
                }
                Record::Move(moved) => merged.add(Row::moved(moved)),
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        events.sort_unstable_by_key(|event| event.id);
        attempts.sort_unstable_by_key(|attempt| attempt.summary.id);
        let deliveries = merged.into_sorted();
        let signs = health::changes(records);
        let request_headers = attempts
            .iter()
            .map(|a| json(&a.request_headers))
            .collect::<Result<Vec<_>, _>>()?;
        let response_headers = attempts
            .iter()
            .map(|a| json(&a.response_headers))
            .collect::<Result<Vec<_>, _>>()?;

        let has_moves = deliveries.iter().any(|delivery| !delivery.makes);
        let has_given_up = !signs.exhausted.is_empty();
        self.execute(
            &RECORDS[usize::from(has_moves)][usize::from(has_given_up)],
            &[
                &column(&events, |e| e.id.uuid()),
                &column(&events, |e| e.tenant.uuid()),
                &column(&events, |e| e.occurred_at),
                &column(&events, |e| e.accepted_at),
                &column(&events, |e| integer(e.delivery_count())),
                &column(&events, |e| e.event_type.as_str()),
                &column(&events, |e| e.idempotency_key.as_deref()),
                &column(&events, |e| e.traceparent.as_ref().map(|trace| trace.as_str())),
                &column(&events, |e| &e.payload[..]),
                &column(&attempts, |a| a.summary.id.uuid()),
                &column(&attempts, |a| a.summary.delivery.uuid()),
                &column(&attempts, |a| a.summary.event.uuid()),
                &column(&attempts, |a| a.summary.tenant.uuid()),
                &column(&attempts, |a| a.summary.endpoint.uuid()),
                &column(&attempts, |a| a.summary.started_at),
                &column(&attempts, |a| a.summary.next_attempt_at),
                &column(&attempts, |a| {
                    i64::try_from(a.summary.duration.as_micros()).unwrap_or(i64::MAX)
                }),
                &column(&attempts, |a| integer(a.summary.number as usize)),
                &column(&attempts, |a| a.summary.status_code.map(i32::from)),
                &column(&attempts, |a| payload_at(&a.request_body)),
                &column(&attempts, |a| a.response_truncated),
                &column(&attempts, |a| a.summary.event_type.as_str()),
                &column(&attempts, |a| a.summary.url.as_str()),
                &column(&attempts, |a| a.summary.dialect.as_str()),
                &column(&attempts, |a| a.summary.outcome.name()),
                &column(&attempts, |a| a.summary.outcome.reason().map(|reason| reason.as_str())),
                // What failed may quote a receiver's bytes, and PostgreSQL refuses the character NUL.
                &column(&attempts, |a| a.summary.error.replace('\0', "\u{fffd}")),
                &column(&attempts, |a| a.remote_address.as_str()),
                &request_headers,
                &column(&attempts, |a| request_bytes(&a.request_body)),
                &response_headers,
                &column(&attempts, |a| &a.response_body[..]),
                &column(&deliveries, |d| d.id.uuid()),
                &column(&deliveries, |d| d.event.uuid()),
                &column(&deliveries, |d| d.tenant.uuid()),
                &column(&deliveries, |d| d.endpoint.uuid()),
                &column(&deliveries, |d| d.at),
                &column(&deliveries, |d| d.state.due()),
                &column(&deliveries, |d| d.sweep_at),
                &column(&deliveries, |d| integer(d.step.number() as usize)),
                &column(&deliveries, |d| integer(d.attempts as usize)),
                &column(&deliveries, |d| d.state.name()),
                &column(&deliveries, |d| d.state.reason()),
                &column(&events, |e| e.test),
                &column(&attempts, |a| a.summary.test),
                &column(&signs.exhausted, |e| e.after.id.uuid()),
                &column(&signs.exhausted, |e| e.after.at),
                &column(&signs.exhausted, |e| e.attempt.summary.error.replace('\0', "\u{fffd}")),
                &column(&signs.exhausted, |e| e.marks),
                &column(&signs.exhausted, |e| EventId::at(e.after.at).uuid()),
                &column(&signs.exhausted, |e| EventId::at(e.after.at).uuid()),
                &column(&signs.answered, |(endpoint, _)| endpoint.uuid()),
                &column(&signs.answered, |(_, at)| *at),
                &column(&signs.answered, |(_, at)| EventId::at(*at).uuid()),
                &column(&attempts, |a| a.timing.dns.map(micros)),
                &column(&attempts, |a| a.timing.connect.map(micros)),
                &column(&attempts, |a| a.timing.tls.map(micros)),
                &column(&attempts, |a| a.timing.first_byte.map(micros)),
                &column(&deliveries, |d| d.makes),
                &column(&attempts, |a| {
                    (!a.sent_again.is_empty()).then(|| a.sent_again.replace('\0', "\u{fffd}"))
                }),
            ],
        )
        .await?;
        Ok(())
    }
}

/// A row of `deliveries`.
struct Row<'a> {
    id: DeliveryId,
    event: EventId,
    tenant: TenantId,
    endpoint: EndpointId,
    state: &'a DeliveryState,
    step: Step,
    attempts: u32,
    sweep_at: Option<Timestamp>,
    at: Timestamp,
    /// Whether a delivery that nobody has heard of becomes known by it.
    makes: bool,
}

impl<'a> Row<'a> {
    fn moved(to: &'a DeliveryMove) -> Self {
        Self {
            makes: false,
            ..Self::after_attempt(to, to.step.attempt().saturating_sub(1))
        }
    }

    fn after_attempt(to: &'a DeliveryMove, attempts: u32) -> Self {
        let DeliveryMove {
            id,
            event,
            tenant,
            endpoint,
            step,
            ref state,
            sweep_at,
            at,
        } = *to;
        Self {
            id,
            event,
            tenant,
            endpoint,
            state,
            step,
            attempts,
            sweep_at,
            at,
            makes: true,
        }
    }

    /// Whether this is what remains of the two; `record.sql` says the same of stored rows.
    fn replaces(&self, known: &Self) -> bool {
        !known.state.is_terminal() && (self.state.is_terminal() || self.step > known.step)
    }
}

/// One row per delivery of a batch.
#[derive(Default)]
struct Merged<'a>(HashMap<DeliveryId, Row<'a>>);

impl<'a> Merged<'a> {
    fn accept(&mut self, event: &'a NewEvent) {
        for (endpoint, state) in &event.deliveries {
            self.add(Row {
                id: DeliveryId::derive(event.id, *endpoint),
                event: event.id,
                tenant: event.tenant,
                endpoint: *endpoint,
                state,
                step: Step::FIRST,
                attempts: 0,
                sweep_at: sweep_at(event, state),
                at: event.accepted_at,
                makes: true,
            });
        }
    }

    fn add(&mut self, mut row: Row<'a>) {
        match self.0.get_mut(&row.id) {
            Some(known) if !row.replaces(known) => known.makes |= row.makes,
            known => {
                row.makes |= known.is_some_and(|known| known.makes);
                self.0.insert(row.id, row);
            }
        }
    }

    fn into_sorted(self) -> Vec<Row<'a>> {
        let mut rows: Vec<_> = self.0.into_values().collect();
        rows.sort_unstable_by_key(|row| row.id);
        rows
    }
}

fn column<'a, R, T>(rows: &'a [R], value: impl FnMut(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn integer(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Half an hour is more than any part of an attempt takes.
fn micros(length: Duration) -> i32 {
    i32::try_from(length.as_micros()).unwrap_or(i32::MAX)
}

fn json(headers: &Headers) -> Result<String, StoreError> {
    serde_json::to_string(headers).map_err(|error| StoreError::Refused(error.to_string()))
}

fn payload_at(body: &RequestBody) -> Option<i32> {
    match body {
        RequestBody::Around { payload_at, .. } => Some(integer(*payload_at as usize)),
        RequestBody::Whole(_) => None,
    }
}

fn request_bytes(body: &RequestBody) -> &[u8] {
    match body {
        RequestBody::Around { envelope, .. } => envelope,
        RequestBody::Whole(body) => body,
    }
}

/// When a delivery of a new event is swept: some grace after it should be attempted, or never if nothing is to be sent.
fn sweep_at(event: &NewEvent, state: &DeliveryState) -> Option<Timestamp> {
    let waits = matches!(state, DeliveryState::Pending | DeliveryState::Scheduled { .. });
    let from = state.due().unwrap_or(event.accepted_at);
    waits.then(|| from.checked_add(event.grace).unwrap_or(Timestamp::MAX))
}
