//! Rows of the log as JSON names them.

use serde::{Deserialize, Serialize};
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tidings_proto::pb::log_rows;
use tidings_service::problem::Problem;
use utoipa::ToSchema;

use crate::http::answer::{length, text, time};
use crate::http::request;
use crate::replays::{self, AttemptFilter, DeliveryFilter, Filter};

/// Rows of the log, selected by exactly one kind of filter.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct Rows {
    /// Deliveries that match this filter, one row each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deliveries: Option<Deliveries>,
    /// Attempts that match this filter; those of one delivery count as one row.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempts: Option<Attempts>,
    /// Events that match this filter, one row each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    events: Option<Events>,
}

/// Filter of deliveries. All given conditions must hold; lists are alternatives.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Deliveries {
    /// Deliveries for this endpoint (`ep_…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<String>,
    /// Deliveries of this event (`evt_…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// Deliveries in these states: `pending`, `scheduled`, `held`, `succeeded`, `exhausted`, `cancelled`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["exhausted"]))]
    states: Vec<String>,
    /// Deliveries of events accepted at or after this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Deliveries of events accepted before this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Filter of attempts. All given conditions must hold; lists are alternatives.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Attempts {
    /// Attempts for this endpoint (`ep_…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<String>,
    /// Attempts of this event (`evt_…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// Attempts of this delivery (`dlv_…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<String>,
    /// Attempts of events of these types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    event_types: Vec<String>,
    /// Attempts answered with one of these statuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([500, 503]))]
    status_codes: Vec<u32>,
    /// Attempts answered with a status of these classes: 2 for 2xx; 0 means no response.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    status_classes: Vec<u32>,
    /// Attempts with these outcomes: `succeeded`, `failed_retryable`, `failed_final`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outcomes: Vec<String>,
    /// Attempts that failed for these reasons: `status`, `timeout`, `dns`, `connect`, `tls`, `blocked_address`,
    /// `proxy`, `protocol`, `authorization`, `render`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failure_reasons: Vec<String>,
    /// Attempts that took at least this duration, such as `250ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "250ms")]
    min_duration: Option<String>,
    /// Attempts that took at most this duration, such as `10s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_duration: Option<String>,
    /// Attempts whose error contains this text, in upper or lower case; 1 to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_contains: Option<String>,
    /// Attempts begun at or after this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Attempts begun before this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Filter of events. All given conditions must hold; lists are alternatives.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Events {
    /// Events of one of these types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    event_types: Vec<String>,
    /// Events accepted at or after this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Events accepted before this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl Rows {
    pub(super) fn into_rows(self, tenant_id: Option<String>) -> Result<replays::Rows, Problem> {
        let (since, until, filter) = match (self.deliveries, self.attempts, self.events) {
            (Some(which), None, None) => {
                let filter = DeliveryFilter {
                    endpoint_id: which.endpoint_id.unwrap_or_default(),
                    event_id: which.event_id.unwrap_or_default(),
                    states: which.states,
                };
                (which.since, which.until, Filter::Deliveries(filter))
            }
            (None, Some(which), None) => {
                let length =
                    |text: Option<String>, field: &str| text.map(|text| request::length(&text, field)).transpose();
                let filter = AttemptFilter {
                    endpoint_id: which.endpoint_id.unwrap_or_default(),
                    event_id: which.event_id.unwrap_or_default(),
                    delivery_id: which.delivery_id.unwrap_or_default(),
                    event_types: which.event_types,
                    status_codes: which.status_codes,
                    status_classes: which.status_classes,
                    outcomes: which.outcomes,
                    failure_reasons: which.failure_reasons,
                    min_duration: length(which.min_duration, "min_duration")?,
                    max_duration: length(which.max_duration, "max_duration")?,
                    error_contains: which.error_contains.unwrap_or_default(),
                };
                (which.since, which.until, Filter::Attempts(filter))
            }
            (None, None, Some(which)) => {
                let event_types = which.event_types;
                (which.since, which.until, Filter::Events { event_types })
            }
            _ => {
                let detail = "give exactly one of `deliveries`, `attempts` and `events`";
                return Err(Problem::invalid("rows_ambiguous", detail).at("rows"));
            }
        };
        Ok(replays::Rows {
            tenant_id: tenant_id.unwrap_or_default(),
            since,
            until,
            filter,
        })
    }
}

impl From<pb::LogRows> for Rows {
    fn from(rows: pb::LogRows) -> Self {
        match rows.rows {
            Some(log_rows::Rows::Deliveries(which)) => Self {
                deliveries: Some(Deliveries {
                    endpoint_id: text(which.endpoint_id),
                    event_id: text(which.event_id),
                    states: which.states,
                    since: time(which.since),
                    until: time(which.until),
                }),
                ..Self::default()
            },
            Some(log_rows::Rows::Attempts(which)) => Self {
                attempts: Some(Attempts {
                    endpoint_id: text(which.endpoint_id),
                    event_id: text(which.event_id),
                    delivery_id: text(which.delivery_id),
                    event_types: which.event_types,
                    status_codes: which.status_codes,
                    status_classes: which.status_classes,
                    outcomes: which.outcomes,
                    failure_reasons: which.failure_reasons,
                    min_duration: length(which.min_duration),
                    max_duration: length(which.max_duration),
                    error_contains: text(which.error_contains),
                    since: time(which.since),
                    until: time(which.until),
                }),
                ..Self::default()
            },
            Some(log_rows::Rows::Events(which)) => Self {
                events: Some(Events {
                    event_types: which.event_types,
                    since: time(which.since),
                    until: time(which.until),
                }),
                ..Self::default()
            },
            None => Self::default(),
        }
    }
}
