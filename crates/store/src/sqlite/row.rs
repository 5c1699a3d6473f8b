//! Columns to values and back. A value that can't be read is a conversion failure, which callers see as
//! `StoreError::Corrupt`.

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Result, Row};
use serde::de::DeserializeOwned;
use tidings_domain::{
    AttemptId, DeliveryId, DeliveryState, EndpointId, EventId, HoldReason, Outcome, Step, TenantId, Timestamp, Timing,
};
use uuid::Uuid;

use crate::error::StoreError;
use crate::ledger::{Attempt, AttemptSummary, Delivery, EventSummary, OpenDelivery, RequestBody};

pub(super) const ATTEMPT_SUMMARY: &str = "id, delivery, event, tenant, endpoint, event_type, number, started_at, \
     duration, url, dialect, outcome, reason, error, status_code, next_attempt_at, test";
pub(super) const ATTEMPT_REST: &str = "request_headers, request_body, payload_at, response_headers, response_body, response_truncated, remote_address, \
     dns_us, connect_us, tls_us, first_byte_us, sent_again";
pub(super) const EVENT_SUMMARY: &str =
    "id, tenant, event_type, occurred_at, accepted_at, idempotency_key, delivery_count, test, erased_at";
pub(super) const DELIVERY: &str =
    "id, event, tenant, endpoint, state, reason, due, step, attempts, updated_at, sweep_at";

pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// Longer than any schedule's sum is as good as for ever.
pub(super) fn later(time: Timestamp, by: Duration) -> i64 {
    micros(time).saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}

pub(super) fn length(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn blob(uuid: Uuid) -> [u8; 16] {
    uuid.into_bytes()
}

pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> std::result::Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(format!("it can't be written as JSON: {error}")))
}

pub(super) fn id<T>(row: &Row<'_>, column: usize, wrap: impl FnOnce(Uuid) -> T) -> Result<T> {
    Ok(wrap(Uuid::from_bytes(row.get(column)?)))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|error| unreadable(column, Type::Integer, error))
}

pub(super) fn time_or_none(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?
        .map(|_| time(row, column))
        .transpose()
}

fn length_or_none(row: &Row<'_>, column: usize) -> Result<Option<Duration>> {
    let micros: Option<i64> = row.get(column)?;
    Ok(micros.map(|micros| Duration::from_micros(micros.unsigned_abs())))
}

pub(super) fn text<T: FromStr<Err: Error + Send + Sync + 'static>>(row: &Row<'_>, column: usize) -> Result<T> {
    row.get_ref(column)?
        .as_str()?
        .parse()
        .map_err(|error| unreadable(column, Type::Text, error))
}

pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, Type::Text, error))
}

/// Reads the columns of [`ATTEMPT_SUMMARY`].
pub(super) fn attempt_summary(row: &Row<'_>) -> Result<AttemptSummary> {
    let (name, reason) = (row.get_ref(11)?.as_str()?, row.get_ref(12)?.as_str_or_null()?);
    Ok(AttemptSummary {
        id: id(row, 0, AttemptId::from_uuid)?,
        delivery: id(row, 1, DeliveryId::from_uuid)?,
        event: id(row, 2, EventId::from_uuid)?,
        tenant: id(row, 3, TenantId::from_uuid)?,
        endpoint: id(row, 4, EndpointId::from_uuid)?,
        event_type: text(row, 5)?,
        number: row.get(6)?,
        started_at: time(row, 7)?,
        duration: Duration::from_micros(row.get::<_, i64>(8)?.unsigned_abs()),
        url: row.get(9)?,
        dialect: row.get(10)?,
        outcome: Outcome::from_parts(name, reason).map_err(|error| unreadable(11, Type::Text, error))?,
        error: row.get(13)?,
        status_code: row.get(14)?,
        next_attempt_at: time_or_none(row, 15)?,
        test: row.get(16)?,
    })
}

/// Reads the columns of [`ATTEMPT_SUMMARY`] and [`ATTEMPT_REST`].
pub(super) fn attempt(row: &Row<'_>) -> Result<Attempt> {
    let body = row.get::<_, Vec<u8>>(18)?.into();
    Ok(Attempt {
        summary: attempt_summary(row)?,
        after: None,
        request_headers: from_json(row, 17)?,
        request_body: match row.get(19)? {
            Some(payload_at) => RequestBody::Around {
                envelope: body,
                payload_at,
            },
            None => RequestBody::Whole(body),
        },
        response_headers: from_json(row, 20)?,
        response_body: row.get::<_, Vec<u8>>(21)?.into(),
        response_truncated: row.get(22)?,
        remote_address: row.get(23)?,
        timing: Timing {
            dns: length_or_none(row, 24)?,
            connect: length_or_none(row, 25)?,
            tls: length_or_none(row, 26)?,
            first_byte: length_or_none(row, 27)?,
        },
        sent_again: row.get::<_, Option<String>>(28)?.unwrap_or_default(),
    })
}

/// Reads the columns of [`EVENT_SUMMARY`].
pub(super) fn event_summary(row: &Row<'_>) -> Result<EventSummary> {
    Ok(EventSummary {
        id: id(row, 0, EventId::from_uuid)?,
        tenant: id(row, 1, TenantId::from_uuid)?,
        event_type: text(row, 2)?,
        occurred_at: time(row, 3)?,
        accepted_at: time(row, 4)?,
        idempotency_key: row.get(5)?,
        delivery_count: row.get(6)?,
        test: row.get(7)?,
        erased_at: time_or_none(row, 8)?,
    })
}

/// Reads the columns of [`DELIVERY`].
pub(super) fn delivery(row: &Row<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: id(row, 0, DeliveryId::from_uuid)?,
        event: id(row, 1, EventId::from_uuid)?,
        tenant: id(row, 2, TenantId::from_uuid)?,
        endpoint: id(row, 3, EndpointId::from_uuid)?,
        state: state(row)?,
        attempts: row.get(8)?,
        updated_at: time(row, 9)?,
        sweep_at: time_or_none(row, 10)?,
    })
}

/// The columns [`DELIVERY`] of a delivery that is open.
pub(super) fn open_delivery(row: &Row<'_>) -> Result<OpenDelivery> {
    let delivery = delivery(row)?;
    Ok(OpenDelivery {
        id: delivery.id,
        event: delivery.event,
        tenant: delivery.tenant,
        endpoint: delivery.endpoint,
        step: Step::from_number(row.get(7)?),
        due: delivery.state.due(),
        since: delivery
            .state
            .due()
            .map_or(delivery.updated_at, |due| due.max(delivery.updated_at)),
        kept_by_ledger: delivery.is_kept_by_ledger(),
        undecided: delivery.state == DeliveryState::Held(HoldReason::SubscriptionsUnreadable),
    })
}

/// Reads the columns of [`DELIVERY`] as a state.
pub(super) fn delivery_state(row: &Row<'_>) -> Result<(DeliveryId, Step, DeliveryState)> {
    let delivery = delivery(row)?;
    Ok((delivery.id, Step::from_number(row.get(7)?), delivery.state))
}

fn state(row: &Row<'_>) -> Result<DeliveryState> {
    let (name, reason) = (row.get_ref(4)?.as_str()?, row.get_ref(5)?.as_str_or_null()?);
    DeliveryState::from_parts(name, reason, time_or_none(row, 6)?).map_err(|error| unreadable(4, Type::Text, error))
}

pub(super) fn unreadable(column: usize, kind: Type, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}
