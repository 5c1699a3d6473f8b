//! Writing records: a batch in a single statement, whatever is in it.
//!
//! The server prepares every part of a statement anew for each execution, and at ordinary rates that costs more than the
//! rows. So a batch's statement is put together of the parts that the batch needs, each a file in `record/` that numbers
//! its own parameters. Rows travel as one array per column, and several records of one delivery become one row before they
//! are sent.
//!
//! Every list is sorted by id, and each statement writes deliveries first, then attempts, then events: batches with common
//! rows wait for each other and never in a circle. Endpoints are marked in no particular order, but only when their health
//! changes; should two batches meet in a circle there, PostgreSQL refuses one of them, and the caller records it again.
//!
//! An erasure of a tenant covers all events whose ids are below its own; whatever still arrives of those is skipped. A
//! move makes no row; an attempt does, because its event may be on its way. What a part looks up per row is a subquery
//! that yields a value, since a join might change the order.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tidings_domain::{DeliveryId, DeliveryState, EndpointId, EventId, Step, TenantId, Timestamp};
use tokio_postgres::types::ToSql;

use super::Postgres;
use crate::error::StoreError;
use crate::health;
use crate::health::HealthChanges;
use crate::ledger::{Attempt, DeliveryMove, Headers, NewEvent, Record, RequestBody};

const EVENTS: &str = include_str!("record/events.sql");
const ATTEMPTS: &str = include_str!("record/attempts.sql");
const DELIVERIES: &str = include_str!("record/deliveries.sql");
const EXHAUSTED: &str = include_str!("record/exhausted.sql");
const FAILING: &str = include_str!("record/failing.sql");
const RECOVER: &str = include_str!("record/recover.sql");

/// Columns of a part, in the order of its parameters.
type Columns<'a> = Vec<Box<dyn ToSql + Sync + Send + 'a>>;

impl Postgres {
    pub(super) async fn write(&self, records: &[Record]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
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
        events.sort_unstable_by_key(|event| event.id);
        attempts.sort_unstable_by_key(|attempt| attempt.summary.id);
        let deliveries = merged.into_sorted();
        let health = health::changes(records);

        let parts = Parts {
            events: !events.is_empty(),
            attempts: !attempts.is_empty(),
            moves: deliveries.iter().any(|delivery| !delivery.makes),
            exhausted: !health.exhausted.is_empty(),
            answered: !health.answered.is_empty(),
        };
        let mut columns = delivery_columns(&deliveries);
        if parts.events {
            columns.extend(event_columns(&events));
        }
        if parts.attempts {
            columns.extend(attempt_columns(&attempts)?);
        }
        if parts.exhausted {
            columns.extend(exhausted_columns(&health));
        }
        if parts.answered {
            columns.extend(answered_columns(&health));
        }
        let client = self.client().await?;
        let failing = client.change(parts.statement(), &references(&columns)).await?;
        if failing.is_empty() {
            return Ok(());
        }
        // Rarely needed, and so no part of what every batch pays for. If it fails, the batch is recorded again; after a
        // crash the endpoint recovers with its next success.
        let mut columns = answered_columns(&health);
        columns.push(column(&health.answered, |(_, at)| EventId::at(*at).uuid()));
        client.execute(RECOVER, &references(&columns)).await?;
        Ok(())
    }
}

/// The parts that a batch needs beside its deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Parts {
    events: bool,
    attempts: bool,
    /// Changes of deliveries that may be unknown.
    moves: bool,
    exhausted: bool,
    answered: bool,
}

impl Parts {
    /// The statement for such batches. Its rows are the ids of endpoints that are marked as failing and have answered.
    fn statement(self) -> &'static str {
        static STATEMENTS: LazyLock<Mutex<HashMap<Parts, &'static str>>> = LazyLock::new(Mutex::default);
        let mut statements = STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner);
        // At most one per combination of parts, for as long as the process runs.
        statements.entry(self).or_insert_with(|| self.assemble().leak())
    }

    fn assemble(self) -> String {
        let known = if self.moves {
            "OR (SELECT true FROM deliveries d WHERE d.id = new.id)"
        } else {
            ""
        };
        let mut parameters = 0;
        let mut numbered = |part: &str| {
            let (sql, more) = renumbered(part.trim_end(), parameters);
            parameters += more;
            sql
        };
        let mut tables = vec![numbered(&DELIVERIES.replace("/* or is known */", known))];
        if self.events {
            tables.push(numbered(EVENTS));
        }
        if self.attempts {
            tables.push(numbered(ATTEMPTS));
        }
        if self.exhausted {
            tables.push(numbered(EXHAUSTED));
        }
        let failing = if self.answered {
            format!("UNION ALL\n{}", numbered(FAILING))
        } else {
            String::new()
        };
        // Reads nothing of `moved`, but reads it first, and so has deliveries written first.
        format!(
            "-- name: record\nWITH {}\nSELECT endpoint_id FROM moved WHERE endpoint_id IS NULL\n{failing}",
            tables.join(", ")
        )
    }
}

/// A part whose parameters `$1`, `$2`, … come after so many others, and their number.
fn renumbered(part: &str, others: usize) -> (String, usize) {
    let mut pieces = part.split('$');
    let mut sql = pieces.next().unwrap_or_default().to_owned();
    let mut count = 0;
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = piece.split_at(digits);
        let number = number.parse().unwrap_or(0);
        count = count.max(number);
        sql.push_str(&format!("${}{rest}", others + number));
    }
    (sql, count)
}

fn references<'a>(columns: &'a Columns<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    columns.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect()
}

fn event_columns<'a>(events: &'a [&'a NewEvent]) -> Columns<'a> {
    vec![
        column(events, |e| e.id.uuid()),
        column(events, |e| e.tenant.uuid()),
        column(events, |e| e.occurred_at),
        column(events, |e| e.accepted_at),
        column(events, |e| integer(e.delivery_count())),
        column(events, |e| e.event_type.as_str()),
        column(events, |e| e.idempotency_key.as_deref()),
        column(events, |e| e.traceparent.as_ref().map(|trace| trace.as_str())),
        column(events, |e| &e.payload[..]),
        column(events, |e| e.test),
    ]
}

fn attempt_columns<'a>(attempts: &'a [&'a Attempt]) -> Result<Columns<'a>, StoreError> {
    let headers = |of: fn(&Attempt) -> &Headers| -> Result<Vec<String>, StoreError> {
        attempts.iter().map(|attempt| json(of(attempt))).collect()
    };
    Ok(vec![
        column(attempts, |a| a.summary.id.uuid()),
        column(attempts, |a| a.summary.delivery.uuid()),
        column(attempts, |a| a.summary.event.uuid()),
        column(attempts, |a| a.summary.tenant.uuid()),
        column(attempts, |a| a.summary.endpoint.uuid()),
        column(attempts, |a| a.summary.started_at),
        column(attempts, |a| a.summary.next_attempt_at),
        column(attempts, |a| {
            i64::try_from(a.summary.duration.as_micros()).unwrap_or(i64::MAX)
        }),
        column(attempts, |a| integer(a.summary.number as usize)),
        column(attempts, |a| a.summary.status_code.map(i32::from)),
        column(attempts, |a| payload_at(&a.request_body)),
        column(attempts, |a| a.response_truncated),
        column(attempts, |a| a.summary.event_type.as_str()),
        column(attempts, |a| a.summary.url.as_str()),
        column(attempts, |a| a.summary.dialect.as_str()),
        column(attempts, |a| a.summary.outcome.name()),
        column(attempts, |a| a.summary.outcome.reason().map(|reason| reason.as_str())),
        column(attempts, |a| storable(&a.summary.error)),
        column(attempts, |a| a.remote_address.as_str()),
        Box::new(headers(|a| &a.request_headers)?),
        column(attempts, |a| request_bytes(&a.request_body)),
        Box::new(headers(|a| &a.response_headers)?),
        column(attempts, |a| &a.response_body[..]),
        column(attempts, |a| a.summary.test),
        column(attempts, |a| a.timing.dns.map(micros)),
        column(attempts, |a| a.timing.connect.map(micros)),
        column(attempts, |a| a.timing.tls.map(micros)),
        column(attempts, |a| a.timing.first_byte.map(micros)),
        column(attempts, |a| {
            (!a.sent_again.is_empty()).then(|| storable(&a.sent_again))
        }),
    ])
}

fn delivery_columns<'a>(deliveries: &'a [Row<'a>]) -> Columns<'a> {
    vec![
        column(deliveries, |d| d.id.uuid()),
        column(deliveries, |d| d.event.uuid()),
        column(deliveries, |d| d.tenant.uuid()),
        column(deliveries, |d| d.endpoint.uuid()),
        column(deliveries, |d| d.at),
        column(deliveries, |d| d.state.due()),
        column(deliveries, |d| d.sweep_at),
        column(deliveries, |d| integer(d.step.number() as usize)),
        column(deliveries, |d| integer(d.attempts as usize)),
        column(deliveries, |d| d.state.name()),
        column(deliveries, |d| d.state.reason()),
        column(deliveries, |d| d.makes),
    ]
}

fn exhausted_columns<'a>(health: &'a HealthChanges<'_>) -> Columns<'a> {
    let exhausted = &health.exhausted;
    vec![
        column(exhausted, |e| e.after.id.uuid()),
        column(exhausted, |e| e.after.at),
        column(exhausted, |e| storable(&e.attempt.summary.error)),
        column(exhausted, |e| e.marks),
        column(exhausted, |e| EventId::at(e.after.at).uuid()),
        column(exhausted, |e| EventId::at(e.after.at).uuid()),
    ]
}

fn answered_columns<'a>(health: &'a HealthChanges<'_>) -> Columns<'a> {
    vec![
        column(&health.answered, |(endpoint, _)| endpoint.uuid()),
        column(&health.answered, |(_, at)| *at),
    ]
}

/// A text that may quote a receiver's bytes, without the character NUL, which PostgreSQL refuses.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
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

    /// `true` if this row remains of the two; `record/deliveries.sql` has the same rule for stored rows.
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

/// One value of each row.
fn column<'c, R, T>(rows: &'c [R], value: impl FnMut(&'c R) -> T) -> Box<dyn ToSql + Sync + Send + 'c>
where
    Vec<T>: ToSql + Sync + Send + 'c,
{
    Box::new(rows.iter().map(value).collect::<Vec<T>>())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_number_their_parameters_on() {
        assert_eq!(
            renumbered("a $1, b $2::text[], $2", 10),
            ("a $11, b $12::text[], $12".into(), 2)
        );
        assert_eq!(renumbered("nothing", 3), ("nothing".into(), 0));
    }

    #[test]
    fn a_statement_has_only_the_parts_that_its_batch_needs() {
        let accepted = Parts {
            events: true,
            attempts: false,
            moves: false,
            exhausted: false,
            answered: false,
        };
        let sql = accepted.assemble();
        assert!(
            sql.contains("INSERT INTO events") && sql.contains("$22::boolean[]"),
            "{sql}"
        );
        assert!(
            !sql.contains("attempts (") && !sql.contains("endpoints") && !sql.contains("$23"),
            "{sql}"
        );
        let whole = Parts {
            attempts: true,
            moves: true,
            exhausted: true,
            answered: true,
            ..accepted
        };
        let sql = whole.assemble();
        for table in ["events", "attempts", "deliveries", "endpoint_health", "notices"] {
            assert!(sql.contains(&format!("INSERT INTO {table} ")), "{table}: {sql}");
        }
        assert!(
            sql.contains("d.id = new.id") && sql.contains("$59::timestamptz[]"),
            "{sql}"
        );
    }
}
