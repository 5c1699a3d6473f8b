//! The rows that a replay goes through, as audit entries keep them: of one kind, and of it only what was asked for.

use serde::Serialize;
use tidings_domain::Timestamp;

use super::spelled;
use crate::replays::{self, Filter};

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

impl From<replays::Rows> for Rows {
    fn from(rows: replays::Rows) -> Self {
        let period = Period {
            since: rows.since,
            until: rows.until,
        };
        match rows.filter {
            Filter::Deliveries(chosen) => Self {
                deliveries: Some(Deliveries {
                    endpoint_id: text(chosen.endpoint_id),
                    event_id: text(chosen.event_id),
                    states: chosen.states,
                    period,
                }),
                ..Self::default()
            },
            Filter::Attempts(chosen) => Self {
                attempts: Some(Attempts {
                    endpoint_id: text(chosen.endpoint_id),
                    event_id: text(chosen.event_id),
                    delivery_id: text(chosen.delivery_id),
                    event_types: chosen.event_types,
                    status_codes: chosen.status_codes,
                    status_classes: chosen.status_classes,
                    outcomes: chosen.outcomes,
                    failure_reasons: chosen.failure_reasons,
                    min_duration: chosen.min_duration.map(spelled),
                    max_duration: chosen.max_duration.map(spelled),
                    error_contains: text(chosen.error_contains),
                    period,
                }),
                ..Self::default()
            },
            Filter::Events { event_types } => Self {
                events: Some(Events { event_types, period }),
                ..Self::default()
            },
        }
    }
}

fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
