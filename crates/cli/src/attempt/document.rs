//! JSON documents of the log: one per line, with stable keys.

use serde::Serialize;
use serde_json::value::RawValue;
use tidings_domain::Timestamp;
use tidings_proto::pb;

use super::shown::{in_milliseconds, milliseconds};
use crate::output::{instant, non_empty};
use crate::pretty;

/// An attempt without headers and bodies.
#[derive(Serialize)]
pub(super) struct Attempt<'a> {
    id: &'a str,
    delivery_id: &'a str,
    event_id: &'a str,
    tenant_id: &'a str,
    endpoint_id: &'a str,
    event_type: &'a str,
    number: u32,
    started_at: Option<Timestamp>,
    duration_ms: f64,
    url: &'a str,
    dialect: &'a str,
    outcome: &'a str,
    failure_reason: Option<&'a str>,
    error: Option<&'a str>,
    status_code: Option<u32>,
    next_attempt_at: Option<Timestamp>,
    test: bool,
}

/// An attempt with all that was sent and received.
#[derive(Serialize)]
pub(super) struct FullAttempt<'a> {
    #[serde(flatten)]
    attempt: Attempt<'a>,
    remote_address: Option<&'a str>,
    timing: Timing,
    /// The reason for sending the request a second time within the attempt.
    sent_again: Option<&'a str>,
    request: Message<'a>,
    response: Option<Message<'a>>,
    response_truncated: bool,
}

/// Durations of the phases in milliseconds; null for phases that were not needed.
#[derive(Serialize)]
struct Timing {
    dns_ms: Option<f64>,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    first_byte_ms: Option<f64>,
}

#[derive(Serialize)]
struct Message<'a> {
    headers: Vec<(&'a str, &'a str)>,
    /// The JSON value, or the text as a string.
    body: Box<RawValue>,
}

impl<'a> From<&'a pb::Attempt> for Attempt<'a> {
    fn from(attempt: &'a pb::Attempt) -> Self {
        Self {
            id: &attempt.id,
            delivery_id: &attempt.delivery_id,
            event_id: &attempt.event_id,
            tenant_id: &attempt.tenant_id,
            endpoint_id: &attempt.endpoint_id,
            event_type: &attempt.event_type,
            number: attempt.number,
            started_at: instant(attempt.started_at.as_ref()),
            duration_ms: milliseconds(attempt),
            url: &attempt.url,
            dialect: &attempt.dialect,
            outcome: &attempt.outcome,
            failure_reason: non_empty(&attempt.failure_reason),
            error: non_empty(&attempt.error),
            status_code: Some(attempt.status_code).filter(|status| *status > 0),
            next_attempt_at: instant(attempt.next_attempt_at.as_ref()),
            test: attempt.test,
        }
    }
}

impl<'a> From<&'a pb::Attempt> for FullAttempt<'a> {
    fn from(attempt: &'a pb::Attempt) -> Self {
        let message = |headers: &'a [pb::Header], body: &[u8]| Message {
            headers: headers
                .iter()
                .map(|header| (header.name.as_str(), header.value.as_str()))
                .collect(),
            body: pretty::value(body),
        };
        let answered = attempt.status_code > 0;
        Self {
            attempt: attempt.into(),
            remote_address: non_empty(&attempt.remote_address),
            timing: attempt.timing.unwrap_or_default().into(),
            sent_again: non_empty(&attempt.sent_again),
            request: message(&attempt.request_headers, &attempt.request_body),
            response: answered.then(|| message(&attempt.response_headers, &attempt.response_body)),
            response_truncated: attempt.response_truncated,
        }
    }
}

impl From<pb::Timing> for Timing {
    fn from(timing: pb::Timing) -> Self {
        Self {
            dns_ms: timing.dns.map(in_milliseconds),
            connect_ms: timing.connect.map(in_milliseconds),
            tls_ms: timing.tls.map(in_milliseconds),
            first_byte_ms: timing.first_byte.map(in_milliseconds),
        }
    }
}
