//! Conversion of rows of the log: read from requests, shown to the log service, and stored with replays.

use bytes::Bytes;
use prost::Message as _;
use tidings_proto::pb::log_rows;
use tidings_proto::{duration, pb, timestamp};
use tidings_service::problem::Problem;

use super::asked;
use crate::replays::{AttemptFilter, DeliveryFilter, Filter, Rows};

pub(crate) fn read(rows: pb::LogRows) -> Result<Rows, Problem> {
    let (tenant_id, since, until, filter) = match rows.rows {
        Some(log_rows::Rows::Deliveries(asked)) => {
            let filter = DeliveryFilter {
                endpoint_id: asked.endpoint_id,
                event_id: asked.event_id,
                states: asked.states,
            };
            (asked.tenant_id, asked.since, asked.until, Filter::Deliveries(filter))
        }
        Some(log_rows::Rows::Attempts(asked)) => {
            let filter = AttemptFilter {
                endpoint_id: asked.endpoint_id,
                event_id: asked.event_id,
                delivery_id: asked.delivery_id,
                event_types: asked.event_types,
                status_codes: asked.status_codes,
                status_classes: asked.status_classes,
                outcomes: asked.outcomes,
                failure_reasons: asked.failure_reasons,
                min_duration: asked::length(asked.min_duration.as_ref(), "min_duration")?,
                max_duration: asked::length(asked.max_duration.as_ref(), "max_duration")?,
                error_contains: asked.error_contains,
            };
            (asked.tenant_id, asked.since, asked.until, Filter::Attempts(filter))
        }
        Some(log_rows::Rows::Events(asked)) => {
            let event_types = asked.event_types;
            (
                asked.tenant_id,
                asked.since,
                asked.until,
                Filter::Events { event_types },
            )
        }
        None => {
            let detail = "name the rows to use: attempts, deliveries or events";
            return Err(Problem::invalid("rows_missing", detail).at("rows"));
        }
    };
    Ok(Rows {
        tenant_id,
        since: asked::time(since.as_ref(), "since")?,
        until: asked::time(until.as_ref(), "until")?,
        filter,
    })
}

pub(crate) fn show(rows: &Rows) -> pb::LogRows {
    let tenant_id = rows.tenant_id.clone();
    let (since, until) = (rows.since.map(timestamp), rows.until.map(timestamp));
    let rows = match rows.filter.clone() {
        Filter::Deliveries(filter) => log_rows::Rows::Deliveries(pb::DeliveryFilter {
            tenant_id,
            endpoint_id: filter.endpoint_id,
            event_id: filter.event_id,
            states: filter.states,
            since,
            until,
        }),
        Filter::Attempts(filter) => log_rows::Rows::Attempts(pb::AttemptFilter {
            tenant_id,
            endpoint_id: filter.endpoint_id,
            event_id: filter.event_id,
            delivery_id: filter.delivery_id,
            event_types: filter.event_types,
            status_codes: filter.status_codes,
            status_classes: filter.status_classes,
            outcomes: filter.outcomes,
            failure_reasons: filter.failure_reasons,
            min_duration: filter.min_duration.map(duration),
            max_duration: filter.max_duration.map(duration),
            error_contains: filter.error_contains,
            since,
            until,
        }),
        Filter::Events { event_types } => log_rows::Rows::Events(pb::EventFilter {
            tenant_id,
            event_types,
            since,
            until,
        }),
    };
    pb::LogRows { rows: Some(rows) }
}

/// The rows as a replay keeps them for the log service, which works it off.
pub(crate) fn store(rows: &Rows) -> Bytes {
    show(rows).encode_to_vec().into()
}

/// The rows of a stored replay, if they can be read.
pub(crate) fn read_stored(stored: &[u8]) -> Option<Rows> {
    read(pb::LogRows::decode(stored).ok()?).ok()
}
