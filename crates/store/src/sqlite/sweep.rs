//! Open deliveries: sweeping what is overdue, releasing and cancelling what is held.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tidings_domain::{CancelReason, DeliveryId, DeliveryState, EndpointId, TenantId, Timestamp};

use super::row::{self, blob, id, later, micros, time};
use crate::error::StoreError;
use crate::ledger::{OpenDelivery, Overdue};

pub(super) fn sweep(
    connection: &Connection,
    which: Overdue,
    now: Timestamp,
    hide_for: Duration,
    limit: u32,
) -> Result<Vec<OpenDelivery>, StoreError> {
    let sql = format!(
        "-- name: sweep_deliveries
             SELECT {} FROM deliveries WHERE sweep_at <= ?1 AND (?3 OR sweep_at <= due) ORDER BY sweep_at LIMIT ?2",
        row::DELIVERY
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_map(params![micros(now), limit, which == Overdue::All], row::open_delivery)?
        .collect::<Result<Vec<_>, _>>()?;
    let mut update = connection.prepare_cached(
        "-- name: put_off_swept_delivery
             UPDATE deliveries SET step = ?2, sweep_at = ?3, updated_at = ?4 WHERE id = ?1",
    )?;
    let hidden = found.into_iter().map(|open| {
        moved(open, |id, step| {
            update.execute(params![id, step, later(now, hide_for), micros(now)])
        })
    });
    hidden.collect()
}

pub(super) fn oldest_overdue(
    connection: &Connection,
    now: Timestamp,
) -> Result<Option<(DeliveryId, Timestamp)>, StoreError> {
    let found = connection
        .prepare_cached(
            "-- name: read_oldest_overdue_delivery
             SELECT id, sweep_at FROM deliveries WHERE sweep_at <= ?1 ORDER BY sweep_at LIMIT 1",
        )?
        .query_row([micros(now)], |row| {
            Ok((id(row, 0, DeliveryId::from_uuid)?, time(row, 1)?))
        })
        .optional()?;
    Ok(found)
}

/// Restores the start of the wait that [`sweep`] found.
pub(super) fn put_off(connection: &Connection, swept: &[OpenDelivery], until: Timestamp) -> Result<(), StoreError> {
    let mut update = connection.prepare_cached(
        "-- name: put_off_deliveries
         UPDATE deliveries SET sweep_at = ?3, updated_at = min(updated_at, ?4)
         WHERE id = ?1 AND step = ?2 AND sweep_at IS NOT NULL",
    )?;
    for open in swept {
        let (id, step) = (blob(open.id.uuid()), open.step.number());
        update.execute(params![id, step, micros(until), micros(open.since)])?;
    }
    Ok(())
}

pub(super) fn endpoints_with_held(connection: &Connection) -> Result<Vec<EndpointId>, StoreError> {
    // One look-up per endpoint instead of one row per held delivery.
    let sql = "-- name: list_endpoints_with_held
            WITH RECURSIVE held (endpoint) AS (
            SELECT min(endpoint) FROM deliveries WHERE state = 'held'
            UNION ALL
            SELECT (SELECT min(d.endpoint) FROM deliveries d WHERE d.state = 'held' AND d.endpoint > held.endpoint)
            FROM held WHERE held.endpoint IS NOT NULL
        )
        SELECT endpoint FROM held WHERE endpoint IS NOT NULL";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map((), |row| id(row, 0, EndpointId::from_uuid))?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn release(
    connection: &Connection,
    endpoint: EndpointId,
    now: Timestamp,
    hide_for: Duration,
    limit: u32,
) -> Result<Vec<OpenDelivery>, StoreError> {
    let mut update = connection.prepare_cached(
        "-- name: release_deliveries
         UPDATE deliveries SET state = 'pending', reason = NULL, due = NULL, step = ?2, sweep_at = ?3, updated_at = ?4
         WHERE id = ?1",
    )?;
    let release = |open| {
        moved(open, |id, step| {
            update.execute(params![id, step, later(now, hide_for), micros(now)])
        })
    };
    let found = held(connection, endpoint, Timestamp::MAX, limit)?;
    found.into_iter().map(release).collect()
}

pub(super) fn cancellations(connection: &Connection) -> Result<Vec<(EndpointId, Timestamp)>, StoreError> {
    let sql = "-- name: list_cancellations
         SELECT id, cancel_held_before FROM endpoints WHERE cancel_held_before IS NOT NULL";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map((), |row| Ok((id(row, 0, EndpointId::from_uuid)?, time(row, 1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Completes a cancellation and returns the endpoint's tenant. `updated_at` stays, since this is no change that a user
/// made; if a user who read the endpoint before writes the request back, there is nothing left to cancel.
pub(super) fn end_cancellation(
    connection: &Connection,
    endpoint: EndpointId,
    before: Timestamp,
) -> Result<Option<TenantId>, StoreError> {
    let sql = "-- name: end_cancellation
               UPDATE endpoints SET cancel_held_before = NULL
               WHERE id = ?1 AND cancel_held_before = ?2
                 AND NOT EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_held
                                 WHERE endpoint = ?1 AND state = 'held' AND updated_at < ?2)
               RETURNING tenant";
    let mut end = connection.prepare_cached(sql)?;
    let values = params![blob(endpoint.uuid()), micros(before)];
    Ok(end
        .query_row(values, |row| id(row, 0, TenantId::from_uuid))
        .optional()?)
}

pub(super) fn cancel(
    connection: &Connection,
    endpoint: EndpointId,
    reason: CancelReason,
    before: Option<Timestamp>,
    now: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let cancelled = DeliveryState::Cancelled(reason);
    let mut update = connection.prepare_cached(
        "-- name: cancel_held_deliveries
         UPDATE deliveries SET state = ?3, reason = ?4, due = NULL, step = ?2, sweep_at = NULL, updated_at = ?5
         WHERE id = ?1",
    )?;
    let found = held(connection, endpoint, before.unwrap_or(Timestamp::MAX), limit)?;
    let count = found.len() as u64;
    for open in found {
        moved(open, |id, step| {
            update.execute(params![id, step, cancelled.name(), cancelled.reason(), micros(now)])
        })?;
    }
    Ok(count)
}

/// Deliveries of an endpoint that are held since before a time, oldest first.
fn held(
    connection: &Connection,
    endpoint: EndpointId,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<OpenDelivery>, StoreError> {
    let sql = format!(
        "-- name: read_held_deliveries
         SELECT {} FROM deliveries INDEXED BY deliveries_held
         WHERE endpoint = ?1 AND state = 'held' AND updated_at < ?2 ORDER BY id LIMIT ?3",
        row::DELIVERY
    );
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(
        params![blob(endpoint.uuid()), micros(before), limit],
        row::open_delivery,
    )?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Takes a delivery one step on, in the database and in hand.
fn moved(
    open: OpenDelivery,
    update: impl FnOnce([u8; 16], u32) -> rusqlite::Result<usize>,
) -> Result<OpenDelivery, StoreError> {
    let step = open.step.moved();
    update(blob(open.id.uuid()), step.number())?;
    Ok(OpenDelivery { step, ..open })
}
