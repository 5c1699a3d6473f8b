//! The rows that a replay goes through, as audit entries keep them: of one kind, and of it only what was asked for.

use std::time::Duration;

use prost::Message as _;
use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb::log_rows;
use tidings_proto::{pb, timestamp_from};

#[derive(Default, Serialize)]
pub(super) struct Rows {
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Deliveries>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Attempts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Events>,
}

#[derive(Serialize)]
struct Deliveries {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    states: Vec<String>,
    #[serde(flatten)]
    period: Period,
}

#[derive(Serialize)]
struct Attempts {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    event_types: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    status_codes: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    status_classes: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outcomes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failure_reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_contains: Option<String>,
    #[serde(flatten)]
    period: Period,
}

#[derive(Serialize)]
struct Events {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    event_types: Vec<String>,
    #[serde(flatten)]
    period: Period,
}

#[derive(Serialize)]
struct Period {
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl Rows {
    /// The rows of a stored replay; none of any kind if it can't be read.
    pub(super) fn read(stored: &[u8]) -> Self {
        let rows = pb::LogRows::decode(stored).unwrap_or_default().rows;
        let mut read = Self::default();
        match rows {
            Some(log_rows::Rows::Deliveries(chosen)) => read.deliveries = Some(chosen.into()),
            Some(log_rows::Rows::Attempts(chosen)) => read.attempts = Some(chosen.into()),
            Some(log_rows::Rows::Events(chosen)) => {
                read.events = Some(Events {
                    event_types: chosen.event_types,
                    period: Period::of(chosen.since, chosen.until),
                });
            }
            None => {}
        }
        read
    }
}

impl From<pb::DeliveryFilter> for Deliveries {
    fn from(chosen: pb::DeliveryFilter) -> Self {
        Self {
            endpoint_id: text(chosen.endpoint_id),
            event_id: text(chosen.event_id),
            states: chosen.states,
            period: Period::of(chosen.since, chosen.until),
        }
    }
}

impl From<pb::AttemptFilter> for Attempts {
    fn from(chosen: pb::AttemptFilter) -> Self {
        Self {
            endpoint_id: text(chosen.endpoint_id),
            event_id: text(chosen.event_id),
            delivery_id: text(chosen.delivery_id),
            event_types: chosen.event_types,
            status_codes: chosen.status_codes,
            status_classes: chosen.status_classes,
            outcomes: chosen.outcomes,
            failure_reasons: chosen.failure_reasons,
            min_duration: spelled(chosen.min_duration),
            max_duration: spelled(chosen.max_duration),
            error_contains: text(chosen.error_contains),
            period: Period::of(chosen.since, chosen.until),
        }
    }
}

impl Period {
    fn of(since: Option<prost_types::Timestamp>, until: Option<prost_types::Timestamp>) -> Self {
        let at = |at: Option<prost_types::Timestamp>| at.as_ref().and_then(timestamp_from);
        Self {
            since: at(since),
            until: at(until),
        }
    }
}

fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Writes a message's duration like `1m 30s`; `None` if it is absent or negative.
fn spelled(time: Option<prost_types::Duration>) -> Option<String> {
    let time = Duration::try_from(time?).ok()?;
    Some(humantime::format_duration(time).to_string())
}
