//! Lists with filters, newest first, always along an index. Time is the id's time, which is its first 48 bits.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use tidings_domain::{AttemptId, DeliveryId, EventId, Timestamp};
use uuid::Uuid;

use super::row::{self, blob};
use crate::error::StoreError;
use crate::ledger::{AttemptQuery, AttemptSummary, Delivery, DeliveryQuery, EventQuery, EventSummary};

pub(super) fn attempts(connection: &Connection, query: &AttemptQuery) -> Result<Vec<AttemptSummary>, StoreError> {
    // SQLite would have to guess which index is the narrowest.
    let index = match query {
        AttemptQuery { event: Some(_), .. } | AttemptQuery { delivery: Some(_), .. } => "INDEXED BY attempts_by_event",
        AttemptQuery { endpoint: Some(_), .. } => "INDEXED BY attempts_by_endpoint",
        AttemptQuery { tenant: Some(_), .. } => "INDEXED BY attempts_by_tenant",
        _ => "",
    };
    let mut filter = Filter::default();
    filter.and("tenant = ?", query.tenant.map(|id| uuid(id.uuid())));
    filter.and("endpoint = ?", query.endpoint.map(|id| uuid(id.uuid())));
    filter.and("event = ?", query.event.map(|id| uuid(id.uuid())));
    filter.and("delivery = ?", query.delivery.map(|id| uuid(id.uuid())));
    // A delivery bears the millisecond of its event.
    let (from, to) = millisecond(query.delivery.map(DeliveryId::unix_millis));
    filter.and("event >= ?", from.map(|at| uuid(EventId::floor(at).uuid())));
    filter.and("event < ?", to.map(|at| uuid(EventId::floor(at).uuid())));
    filter.and("id >= ?", query.since.map(|at| uuid(AttemptId::floor(at).uuid())));
    filter.and("id < ?", query.until.map(|at| uuid(AttemptId::floor(at).uuid())));
    filter.and("id < ?", query.before.map(|id| uuid(id.uuid())));
    filter.any_of(
        "event_type",
        query.event_types.iter().map(|t| t.as_str().to_owned().into()),
    );
    filter.any_of(
        "status_code",
        query.status_codes.iter().map(|code| i64::from(*code).into()),
    );
    filter.any_of(
        "coalesce(status_code, 0) / 100",
        query.status_classes.iter().map(|c| i64::from(*c).into()),
    );
    filter.any_of("outcome", query.outcomes.iter().map(|name| name.clone().into()));
    filter.list(
        connection,
        &format!("SELECT {} FROM attempts {index}", row::ATTEMPT_SUMMARY),
        query.limit,
        row::attempt_summary,
    )
}

pub(super) fn events(connection: &Connection, query: &EventQuery) -> Result<Vec<EventSummary>, StoreError> {
    let index = match query {
        EventQuery {
            idempotency_key: Some(_),
            ..
        } => "INDEXED BY events_by_key",
        EventQuery { tenant: Some(_), .. } => "INDEXED BY events_by_tenant",
        _ => "",
    };
    let mut filter = Filter::default();
    filter.and("tenant = ?", query.tenant.map(|id| uuid(id.uuid())));
    filter.and("idempotency_key = ?", query.idempotency_key.clone().map(Value::from));
    filter.and("id >= ?", query.since.map(|at| uuid(EventId::floor(at).uuid())));
    filter.and("id < ?", query.until.map(|at| uuid(EventId::floor(at).uuid())));
    filter.and("id < ?", query.before.map(|id| uuid(id.uuid())));
    filter.any_of(
        "event_type",
        query.event_types.iter().map(|t| t.as_str().to_owned().into()),
    );
    filter.list(
        connection,
        &format!("SELECT {} FROM events {index}", row::EVENT_SUMMARY),
        query.limit,
        row::event_summary,
    )
}

pub(super) fn deliveries(connection: &Connection, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
    let index = match query {
        DeliveryQuery { event: Some(_), .. } => "NOT INDEXED",
        DeliveryQuery { endpoint: Some(_), .. } => "INDEXED BY deliveries_by_endpoint",
        DeliveryQuery { tenant: Some(_), .. } => "INDEXED BY deliveries_by_tenant",
        _ => "",
    };
    let mut filter = Filter::default();
    filter.and("tenant = ?", query.tenant.map(|id| uuid(id.uuid())));
    filter.and("endpoint = ?", query.endpoint.map(|id| uuid(id.uuid())));
    filter.and("event = ?", query.event.map(|id| uuid(id.uuid())));
    let (from, to) = millisecond(query.event.map(EventId::unix_millis));
    for from in [from, query.since] {
        filter.and("id >= ?", from.map(|at| uuid(DeliveryId::floor(at).uuid())));
    }
    for to in [to, query.until] {
        filter.and("id < ?", to.map(|at| uuid(DeliveryId::floor(at).uuid())));
    }
    filter.and("id < ?", query.before.map(|id| uuid(id.uuid())));
    filter.any_of("state", query.states.iter().map(|name| name.clone().into()));
    filter.list(
        connection,
        &format!("SELECT {} FROM deliveries {index}", row::DELIVERY),
        query.limit,
        row::delivery,
    )
}

#[derive(Default)]
struct Filter {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    fn and(&mut self, condition: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.conditions.push(condition.to_owned());
            self.values.push(value);
        }
    }

    fn any_of(&mut self, expression: &str, values: impl Iterator<Item = Value>) {
        let before = self.values.len();
        self.values.extend(values);
        let count = self.values.len() - before;
        if count > 0 {
            self.conditions
                .push(format!("{expression} IN ({})", vec!["?"; count].join(", ")));
        }
    }

    fn list<T>(
        mut self,
        connection: &Connection,
        select: &str,
        limit: u32,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let filter = if self.conditions.is_empty() {
            "true".to_owned()
        } else {
            self.conditions.join(" AND ")
        };
        self.values.push(i64::from(limit).into());
        let mut statement = connection.prepare_cached(&format!("{select} WHERE {filter} ORDER BY id DESC LIMIT ?"))?;
        let found = statement.query_map(params_from_iter(self.values), read)?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

fn uuid(uuid: Uuid) -> Value {
    blob(uuid).to_vec().into()
}

/// The millisecond as a range of time.
fn millisecond(millis: Option<u64>) -> (Option<Timestamp>, Option<Timestamp>) {
    let at = |millis: u64| Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok();
    (millis.and_then(at), millis.and_then(|millis| at(millis + 1)))
}
