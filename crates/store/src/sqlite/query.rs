//! Lists with filters, newest first, always along an index. Time is the id's time, which is its first 48 bits.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, TenantId, Timestamp};
use uuid::Uuid;

use super::filter::{Filter, uuid};
use super::row::{self, blob};
use crate::error::StoreError;
use crate::ledger::{
    AttemptQuery, AttemptSummary, Counted, Delivery, DeliveryQuery, EventQuery, EventSummary, Outcomes, Page, Tally,
};

pub(super) fn attempts(
    connection: &Connection,
    query: &AttemptQuery,
) -> Result<Page<AttemptSummary, AttemptId>, StoreError> {
    let Some((from, filter)) = attempt_filter(connection, query)? else {
        return Ok(Page::empty());
    };
    let part = (query.before.map(AttemptId::uuid), query.limit);
    filter.page(
        connection,
        (row::ATTEMPT_SUMMARY, from),
        part,
        row::attempt_summary,
        AttemptId::from_uuid,
    )
}

pub(super) fn count_attempts(connection: &Connection, query: &AttemptQuery, limit: u64) -> Result<Counted, StoreError> {
    match attempt_filter(connection, query)? {
        Some((from, filter)) => filter.count(connection, from, limit),
        None => Ok(Counted::default()),
    }
}

pub(super) fn tally_attempts(
    connection: &Connection,
    query: &AttemptQuery,
    bounds: &[Timestamp],
) -> Result<Tally, StoreError> {
    let ids: Vec<Uuid> = bounds.iter().map(|at| AttemptId::floor(*at).uuid()).collect();
    let (spans, reached) = match attempt_filter(connection, query)? {
        Some((from, filter)) => filter.tally(connection, from, &ids)?,
        None => (vec![Outcomes::default(); bounds.len().saturating_sub(1)], None),
    };
    Ok(Tally::new(spans, reached))
}

/// The tables to read and the conditions; `None` if the endpoint is another tenant's.
fn attempt_filter(connection: &Connection, query: &AttemptQuery) -> Result<Option<(&'static str, Filter)>, StoreError> {
    // SQLite would have to guess which index is the narrowest.
    let from = match query {
        AttemptQuery { event: Some(_), .. } | AttemptQuery { delivery: Some(_), .. } => {
            "attempts INDEXED BY attempts_by_event"
        }
        AttemptQuery { endpoint: Some(_), .. } => "attempts INDEXED BY attempts_by_endpoint",
        AttemptQuery { tenant: Some(_), .. } => "attempts INDEXED BY attempts_by_tenant",
        _ => "attempts",
    };
    if !is_owner(
        connection,
        "attempts INDEXED BY attempts_by_endpoint",
        query.tenant,
        query.endpoint,
    )? {
        return Ok(None);
    }
    let mut filter = Filter::default();
    filter.and("tenant = ?", query.tenant.map(|id| uuid(id.uuid())));
    filter.and("endpoint = ?", query.endpoint.map(|id| uuid(id.uuid())));
    filter.and("event = ?", query.event.map(|id| uuid(id.uuid())));
    filter.and("delivery = ?", query.delivery.map(|id| uuid(id.uuid())));
    // A delivery bears the millisecond of its event.
    let (first, end) = millisecond(query.delivery.map(DeliveryId::unix_millis));
    filter.and("event >= ?", first.map(|at| uuid(EventId::floor(at).uuid())));
    filter.and("event < ?", end.map(|at| uuid(EventId::floor(at).uuid())));
    filter.and("id >= ?", query.since.map(|at| uuid(AttemptId::floor(at).uuid())));
    filter.and("id < ?", query.until.map(|at| uuid(AttemptId::floor(at).uuid())));
    check_attempts(&mut filter, query);
    Ok(Some((from, filter)))
}

fn check_attempts(filter: &mut Filter, query: &AttemptQuery) {
    filter.check_any(
        "event_type",
        query.event_types.iter().map(|t| t.as_str().to_owned().into()),
    );
    filter.check_any(
        "status_code",
        query.status_codes.iter().map(|code| i64::from(*code).into()),
    );
    filter.check_any(
        "coalesce(status_code, 0) / 100",
        query.status_classes.iter().map(|c| i64::from(*c).into()),
    );
    filter.check_any("outcome", query.outcomes.iter().map(|name| name.clone().into()));
    filter.check_any(
        "reason",
        query.failure_reasons.iter().map(|r| r.as_str().to_owned().into()),
    );
    filter.check(
        "duration >= ?",
        query.min_duration.map(|least| row::length(least).into()),
    );
    filter.check("duration <= ?", query.max_duration.map(|most| row::length(most).into()));
    let error = query.error_contains.as_ref().map(|text| text.to_ascii_lowercase());
    filter.check("instr(lower(error), ?) > 0", error.map(Value::from));
}

pub(super) fn events(connection: &Connection, query: &EventQuery) -> Result<Page<EventSummary, EventId>, StoreError> {
    let (from, filter) = event_filter(query);
    let part = (query.before.map(EventId::uuid), query.limit);
    filter.page(
        connection,
        (row::EVENT_SUMMARY, from),
        part,
        row::event_summary,
        EventId::from_uuid,
    )
}

pub(super) fn count_events(connection: &Connection, query: &EventQuery, limit: u64) -> Result<Counted, StoreError> {
    let (from, filter) = event_filter(query);
    filter.count(connection, from, limit)
}

fn event_filter(query: &EventQuery) -> (&'static str, Filter) {
    let from = match query {
        EventQuery {
            idempotency_key: Some(_),
            ..
        } => "events INDEXED BY events_by_key",
        EventQuery { tenant: Some(_), .. } => "events INDEXED BY events_by_tenant",
        _ => "events",
    };
    let mut filter = Filter::default();
    filter.and("tenant = ?", query.tenant.map(|id| uuid(id.uuid())));
    filter.and("idempotency_key = ?", query.idempotency_key.clone().map(Value::from));
    filter.and("id >= ?", query.since.map(|at| uuid(EventId::floor(at).uuid())));
    filter.and("id < ?", query.until.map(|at| uuid(EventId::floor(at).uuid())));
    filter.check_any(
        "event_type",
        query.event_types.iter().map(|t| t.as_str().to_owned().into()),
    );
    (from, filter)
}

pub(super) fn deliveries(
    connection: &Connection,
    query: &DeliveryQuery,
) -> Result<Page<Delivery, DeliveryId>, StoreError> {
    let Some((from, filter)) = delivery_filter(connection, query)? else {
        return Ok(Page::empty());
    };
    let part = (query.before.map(DeliveryId::uuid), query.limit);
    filter.page(
        connection,
        (row::DELIVERY, from),
        part,
        row::delivery,
        DeliveryId::from_uuid,
    )
}

pub(super) fn count_deliveries(
    connection: &Connection,
    query: &DeliveryQuery,
    limit: u64,
) -> Result<Counted, StoreError> {
    match delivery_filter(connection, query)? {
        Some((from, filter)) => filter.count(connection, from, limit),
        None => Ok(Counted::default()),
    }
}

/// The tables to read and the conditions; `None` if the endpoint is another tenant's.
fn delivery_filter(
    connection: &Connection,
    query: &DeliveryQuery,
) -> Result<Option<(&'static str, Filter)>, StoreError> {
    let from = match query {
        DeliveryQuery { event: Some(_), .. } => "deliveries NOT INDEXED",
        DeliveryQuery { endpoint: Some(_), .. } => "deliveries INDEXED BY deliveries_by_endpoint",
        DeliveryQuery { tenant: Some(_), .. } => "deliveries INDEXED BY deliveries_by_tenant",
        _ => "deliveries",
    };
    if !is_owner(
        connection,
        "deliveries INDEXED BY deliveries_by_endpoint",
        query.tenant,
        query.endpoint,
    )? {
        return Ok(None);
    }
    let mut filter = Filter::default();
    filter.and("tenant = ?", query.tenant.map(|id| uuid(id.uuid())));
    filter.and("endpoint = ?", query.endpoint.map(|id| uuid(id.uuid())));
    filter.and("event = ?", query.event.map(|id| uuid(id.uuid())));
    let (first, end) = millisecond(query.event.map(EventId::unix_millis));
    for from in [first, query.since] {
        filter.and("id >= ?", from.map(|at| uuid(DeliveryId::floor(at).uuid())));
    }
    for to in [end, query.until] {
        filter.and("id < ?", to.map(|at| uuid(DeliveryId::floor(at).uuid())));
    }
    filter.check_any("state", query.states.iter().map(|name| name.clone().into()));
    Ok(Some((from, filter)))
}

/// `true` if the endpoint is the tenant's, or not both are given. An endpoint's rows are all of one tenant, and
/// searching another's would reveal by its duration that they exist.
fn is_owner(
    connection: &Connection,
    from: &str,
    tenant: Option<TenantId>,
    endpoint: Option<EndpointId>,
) -> Result<bool, StoreError> {
    let Some((tenant, endpoint)) = tenant.zip(endpoint) else {
        return Ok(true);
    };
    let sql = format!("/* name: check_owner_of_rows */ SELECT tenant = ?1 FROM {from} WHERE endpoint = ?2 LIMIT 1");
    let is_owner = connection
        .prepare_cached(&sql)?
        .query_row([blob(tenant.uuid()), blob(endpoint.uuid())], |row| row.get(0))
        .optional()?;
    Ok(is_owner.unwrap_or(false))
}

/// The millisecond as a range of time.
fn millisecond(millis: Option<u64>) -> (Option<Timestamp>, Option<Timestamp>) {
    let at = |millis: u64| Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok();
    (millis.and_then(at), millis.and_then(|millis| at(millis + 1)))
}
