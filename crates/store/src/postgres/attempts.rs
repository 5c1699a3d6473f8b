//! Queries of attempts in PostgreSQL.

use std::time::Duration;

use bytes::Bytes;
use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, Outcome, TenantId, Timestamp, Timing};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use super::deliveries::of_event;
use super::error::corrupt;
use super::filter::Filter;
use crate::error::StoreError;
use crate::ledger::{Attempt, AttemptQuery, AttemptSummary, Headers, Page, RequestBody, Tally};

const SUMMARY: &str = "id, delivery_id, event_id, tenant_id, endpoint_id, event_type, number, started_at, duration_us, \
                       url, dialect, outcome, reason, error, status_code, next_attempt_at, test";
const CONTENT: &str = "request_headers, request_body, payload_at, response_headers, response_body, \
                       response_truncated, remote_address, dns_us, connect_us, tls_us, first_byte_us, sent_again";

/// The predicate of the partial indexes on `attempts`, word for word, so that the planner recognises it.
const TROUBLE: &str = "(outcome <> 'succeeded' OR status_code NOT BETWEEN 200 AND 299)";

/// The largest lag of a dispatcher's clock behind the one that made the event's id. It only decides which partitions
/// are read.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 3600);

impl Postgres {
    pub(super) async fn list_attempts(
        &self,
        query: &AttemptQuery,
    ) -> Result<Page<AttemptSummary, AttemptId>, StoreError> {
        let filter = attempt_filter(query);
        let before = query.before.map(AttemptId::uuid);
        let found = filter
            .page(&self.reader().await?, SUMMARY, "attempts", before, query.limit)
            .await?;
        Ok(Page {
            rows: found.rows.iter().map(summary).collect::<Result<_, _>>()?,
            next: found.next.map(AttemptId::from_uuid),
        })
    }

    pub(super) async fn tally(&self, query: &AttemptQuery, bounds: &[Timestamp]) -> Result<Tally, StoreError> {
        let ids: Vec<Uuid> = bounds.iter().map(|at| AttemptId::floor(*at).uuid()).collect();
        let filter = attempt_filter(&query.within(bounds));
        let (spans, reached) = filter.tally(&self.reader().await?, "attempts", &ids).await?;
        Ok(Tally::new(spans, reached))
    }

    pub(super) async fn read_attempts(&self, ids: &[AttemptId]) -> Result<Vec<AttemptSummary>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(Vec::new());
        };
        // The bounds say which partitions to look into.
        let sql = format!(
            "-- name: read_attempts
             SELECT {SUMMARY} FROM attempts WHERE id = ANY($1) AND id BETWEEN $2 AND $3"
        );
        let rows = self.reader().await?.query(&sql, &[&ids, first, last]).await?;
        rows.iter().map(summary).collect()
    }

    pub(super) async fn read_attempt(&self, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        let sql = format!("/* name: read_attempt */ SELECT {SUMMARY}, {CONTENT} FROM attempts WHERE id = $1");
        let row = self.read_opt(&sql, &[&id.uuid()]).await?;
        row.as_ref().map(attempt).transpose()
    }
}

/// The conditions of a query, but for the place in the list.
pub(super) fn attempt_filter(query: &AttemptQuery) -> Filter {
    let mut filter = Filter::default();
    filter.of(query.tenant, query.endpoint);
    if let Some(event) = query.event {
        let [from, to] = of_event(event);
        filter.and("delivery_id >= $", from);
        filter.and("delivery_id < $", to);
        filter.and("event_id = $", event.uuid());
        // An attempt follows its event, so partitions of earlier days are not read.
        filter.and("id >= $", not_before(event.unix_millis()).uuid());
        filter.passes_few();
    }
    if let Some(delivery) = query.delivery {
        filter.and("delivery_id = $", delivery.uuid());
        filter.and("id >= $", not_before(delivery.unix_millis()).uuid());
        filter.passes_few();
    }
    filter.and_some("id >= $", query.since.map(|since| AttemptId::floor(since).uuid()));
    filter.and_some("id < $", query.until.map(|until| AttemptId::floor(until).uuid()));
    let has_index = query.tenant.is_some() || query.endpoint.is_some();
    // The partial indexes begin with the tenant or the endpoint, and are of no use without either.
    if has_index && query.is_for_trouble() {
        filter.and_partial(TROUBLE);
    }
    filter.check_any(
        "event_type",
        query.event_types.iter().map(ToString::to_string).collect(),
    );
    filter.check_any(
        "status_code",
        query.status_codes.iter().map(|code| i32::from(*code)).collect(),
    );
    filter.check_any(
        "coalesce(status_code, 0) / 100",
        query.status_classes.iter().map(|class| i32::from(*class)).collect(),
    );
    filter.check_any("outcome", query.outcomes.clone());
    filter.check_any("reason", query.failure_reasons.iter().map(|r| r.as_str()).collect());
    filter.check_some("duration_us >= $", query.min_duration.map(micros));
    filter.check_some("duration_us <= $", query.max_duration.map(micros));
    // This collation knows ASCII's letters only, as the other places do where errors are searched.
    let error = query.error_contains.as_ref().map(|text| text.to_ascii_lowercase());
    filter.check_some(r#"strpos(lower(error COLLATE "C"), $) > 0"#, error);
    filter
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// The smallest id that an attempt can have whose event was accepted in this millisecond.
pub(super) fn not_before(unix_millis: u64) -> AttemptId {
    let accepted = i64::try_from(unix_millis)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let earliest = accepted.and_then(|accepted| accepted.checked_sub(CLOCK_SKEW).ok());
    AttemptId::floor(earliest.unwrap_or(Timestamp::UNIX_EPOCH))
}

fn summary(row: &Row) -> Result<AttemptSummary, StoreError> {
    Ok(AttemptSummary {
        id: AttemptId::from_uuid(row.try_get("id")?),
        delivery: DeliveryId::from_uuid(row.try_get("delivery_id")?),
        event: EventId::from_uuid(row.try_get("event_id")?),
        tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
        endpoint: EndpointId::from_uuid(row.try_get("endpoint_id")?),
        event_type: row.try_get::<_, &str>("event_type")?.parse().map_err(corrupt)?,
        number: row.try_get::<_, i32>("number")?.cast_unsigned(),
        started_at: row.try_get("started_at")?,
        duration: Duration::from_micros(row.try_get::<_, i64>("duration_us")?.unsigned_abs()),
        url: row.try_get("url")?,
        dialect: row.try_get("dialect")?,
        outcome: Outcome::from_parts(row.try_get("outcome")?, row.try_get("reason")?).map_err(corrupt)?,
        error: row.try_get("error")?,
        status_code: row
            .try_get::<_, Option<i32>>("status_code")?
            .and_then(|code| u16::try_from(code).ok()),
        next_attempt_at: row.try_get("next_attempt_at")?,
        test: row.try_get("test")?,
    })
}

fn attempt(row: &Row) -> Result<Attempt, StoreError> {
    let body = Bytes::from(row.try_get::<_, Vec<u8>>("request_body")?);
    Ok(Attempt {
        summary: summary(row)?,
        after: None,
        request_headers: headers(row, "request_headers")?,
        request_body: match row.try_get::<_, Option<i32>>("payload_at")? {
            Some(at) => RequestBody::Around {
                envelope: body,
                payload_at: at.cast_unsigned(),
            },
            None => RequestBody::Whole(body),
        },
        response_headers: headers(row, "response_headers")?,
        response_body: Bytes::from(row.try_get::<_, Vec<u8>>("response_body")?),
        response_truncated: row.try_get("response_truncated")?,
        remote_address: row.try_get("remote_address")?,
        timing: Timing {
            dns: length(row, "dns_us")?,
            connect: length(row, "connect_us")?,
            tls: length(row, "tls_us")?,
            first_byte: length(row, "first_byte_us")?,
        },
        sent_again: row.try_get::<_, Option<String>>("sent_again")?.unwrap_or_default(),
    })
}

fn length(row: &Row, column: &str) -> Result<Option<Duration>, StoreError> {
    let micros: Option<i32> = row.try_get(column)?;
    Ok(micros.map(|micros| Duration::from_micros(u64::from(micros.unsigned_abs()))))
}

fn headers(row: &Row, column: &str) -> Result<Headers, StoreError> {
    serde_json::from_str(row.try_get(column)?).map_err(corrupt)
}
