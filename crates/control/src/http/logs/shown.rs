//! Attempts as answers show them.

use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb;
use utoipa::ToSchema;

use crate::http::answer::{length, text, time};

/// How much of a body a list shows, bytes.
const SHOWN: usize = 16 * 1024;

/// One attempt of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct LogEntry {
    #[serde(flatten)]
    summary: Summary,
    /// The beginning of the payload that was sent, up to 16 KiB.
    request_body: String,
    /// Whether the payload goes on.
    request_truncated: bool,
    /// The beginning of the response's body, up to 16 KiB.
    response_body: String,
    /// Whether the response goes on.
    response_truncated: bool,
}

/// One attempt with all that was sent and received.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Attempt {
    #[serde(flatten)]
    summary: Summary,
    /// The request's headers.
    request_headers: Vec<Header>,
    /// The payload as it was sent.
    request_body: String,
    /// The response's headers.
    response_headers: Vec<Header>,
    /// The response's body, up to 64 KiB. What is not UTF-8 is replaced.
    response_body: String,
    /// Whether the response went on.
    response_truncated: bool,
    /// The address that the request was sent to, if a connection was made.
    remote_address: Option<String>,
    /// How long its parts took.
    timing: Timing,
    /// Why the request was sent a second time within it, on a new connection; null if it was sent once.
    sent_again: Option<String>,
}

/// How long the parts of an attempt took; the whole is its `duration`.
#[derive(Serialize, ToSchema)]
struct Timing {
    /// Finding the address; null if there was nothing to find or a connection was reused.
    #[schema(example = "1ms 200us")]
    dns: Option<String>,
    /// Making the TCP connection; null if one was reused.
    connect: Option<String>,
    /// The TLS handshake; null if there was none.
    tls: Option<String>,
    /// From the beginning of the attempt to the beginning of the response; null if there was none.
    first_byte: Option<String>,
}

/// What there is to know of an attempt without headers and bodies.
#[derive(Serialize, ToSchema)]
pub(super) struct Summary {
    /// Its id (`att_…`).
    id: String,
    /// The delivery it belongs to (`dlv_…`).
    delivery_id: String,
    /// The event (`evt_…`).
    event_id: String,
    /// The tenant (`ten_…`).
    tenant_id: String,
    /// The endpoint (`ep_…`).
    endpoint_id: String,
    /// The event's type.
    event_type: String,
    /// Its number within the delivery; the first is 1.
    number: u32,
    /// When the request was begun.
    #[schema(value_type = String, format = DateTime)]
    started_at: Option<Timestamp>,
    /// How long it took.
    #[schema(example = "12ms 500us")]
    duration: Option<String>,
    /// Where the request went.
    url: String,
    /// The dialect that it was written in.
    dialect: String,
    /// `succeeded`, `failed_retryable` or `failed_final`.
    outcome: String,
    /// Why it failed.
    failure_reason: Option<String>,
    /// What exactly went wrong, for people.
    error: Option<String>,
    /// The response's status; null if there was none.
    status_code: Option<u32>,
    /// When the next attempt is due, if one follows.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// Whether it only tests its endpoint.
    test: bool,
}

/// One header line.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Header {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

impl From<pb::Attempt> for LogEntry {
    fn from(attempt: pb::Attempt) -> Self {
        let (request_body, request_truncated) = beginning(&attempt.request_body);
        let (response_body, cut) = beginning(&attempt.response_body);
        let response_truncated = cut || attempt.response_truncated;
        Self {
            summary: attempt.into(),
            request_body,
            request_truncated,
            response_body,
            response_truncated,
        }
    }
}

impl From<pb::Attempt> for Attempt {
    fn from(mut attempt: pb::Attempt) -> Self {
        let headers = |lines: &mut Vec<pb::Header>| std::mem::take(lines).into_iter().map(Into::into).collect();
        Self {
            request_headers: headers(&mut attempt.request_headers),
            request_body: String::from_utf8_lossy(&attempt.request_body).into_owned(),
            response_headers: headers(&mut attempt.response_headers),
            response_body: String::from_utf8_lossy(&attempt.response_body).into_owned(),
            response_truncated: attempt.response_truncated,
            remote_address: text(std::mem::take(&mut attempt.remote_address)),
            timing: attempt.timing.unwrap_or_default().into(),
            sent_again: text(std::mem::take(&mut attempt.sent_again)),
            summary: attempt.into(),
        }
    }
}

impl From<pb::Timing> for Timing {
    fn from(timing: pb::Timing) -> Self {
        Self {
            dns: length(timing.dns),
            connect: length(timing.connect),
            tls: length(timing.tls),
            first_byte: length(timing.first_byte),
        }
    }
}

impl From<pb::Attempt> for Summary {
    fn from(attempt: pb::Attempt) -> Self {
        Self {
            id: attempt.id,
            delivery_id: attempt.delivery_id,
            event_id: attempt.event_id,
            tenant_id: attempt.tenant_id,
            endpoint_id: attempt.endpoint_id,
            event_type: attempt.event_type,
            number: attempt.number,
            started_at: time(attempt.started_at),
            duration: length(attempt.duration),
            url: attempt.url,
            dialect: attempt.dialect,
            outcome: attempt.outcome,
            failure_reason: text(attempt.failure_reason),
            error: text(attempt.error),
            status_code: Some(attempt.status_code).filter(|status| *status > 0),
            next_attempt_at: time(attempt.next_attempt_at),
            test: attempt.test,
        }
    }
}

impl From<pb::Header> for Header {
    fn from(header: pb::Header) -> Self {
        Self {
            name: header.name,
            value: header.value,
        }
    }
}

/// What a list shows of a body, and whether that is not all. Not even a character is cut in two.
fn beginning(body: &[u8]) -> (String, bool) {
    if body.len() <= SHOWN {
        return (String::from_utf8_lossy(body).into_owned(), false);
    }
    let is_boundary = |at: &usize| body[*at] & 0b1100_0000 != 0b1000_0000;
    let end = (SHOWN - 3..=SHOWN).rev().find(is_boundary).unwrap_or(SHOWN);
    (String::from_utf8_lossy(&body[..end]).into_owned(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_shows_whole_characters() {
        assert_eq!(beginning(b"short"), ("short".to_owned(), false));
        let euros = "€".repeat(SHOWN);
        let (shown, is_cut) = beginning(euros.as_bytes());
        assert!(is_cut && shown.len() <= SHOWN && shown.len() > SHOWN - 3);
        assert!(shown.chars().all(|character| character == '€'));
    }
}
