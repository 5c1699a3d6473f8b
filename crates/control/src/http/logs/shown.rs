//! Attempts in answers: as entries of a list, and in full.

use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb;
use utoipa::ToSchema;

use crate::http::answer::{length, text, time};

/// Largest part of a body that a list shows, in bytes.
const SHOWN: usize = 16 * 1024;

/// One attempt of a list, with the beginnings of its bodies.
#[derive(Serialize, ToSchema)]
pub(super) struct LogEntry {
    #[serde(flatten)]
    summary: Summary,
    /// Beginning of the request's body as sent, at most 16 KiB.
    request_body: String,
    /// True if the request's body is longer than shown.
    request_truncated: bool,
    /// Beginning of the response's body, at most 16 KiB.
    response_body: String,
    /// True if the response's body is longer than shown.
    response_truncated: bool,
}

/// One attempt with all that was sent and received.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Attempt {
    #[serde(flatten)]
    summary: Summary,
    /// Headers of the request, as sent; secrets are masked.
    request_headers: Vec<Header>,
    /// Body of the request as sent. Bytes that are not UTF-8 are replaced.
    request_body: String,
    /// Headers of the response, as received.
    response_headers: Vec<Header>,
    /// Body of the response, at most its first 64 KiB. Bytes that are not UTF-8 are replaced.
    response_body: String,
    /// True if the response was longer than recorded.
    response_truncated: bool,
    /// Address that the request was sent to; null if no connection was made.
    remote_address: Option<String>,
    /// Durations of the attempt's phases, such as name lookup and TLS handshake.
    timing: Timing,
    /// Reason for sending the request a second time within the attempt, on a new connection; null if it was sent once.
    sent_again: Option<String>,
}

/// Durations of an attempt's phases; the total is its `duration`.
#[derive(Serialize, ToSchema)]
struct Timing {
    /// Duration of the name lookup; null if there was nothing to look up or a connection was reused.
    #[schema(example = "1ms 200us")]
    dns: Option<String>,
    /// Duration of making the TCP connection; null if one was reused.
    connect: Option<String>,
    /// Duration of the TLS handshake; null if there was none.
    tls: Option<String>,
    /// Time from the beginning of the attempt to the response's first byte; null if there was no response.
    first_byte: Option<String>,
}

/// An attempt without headers and bodies.
#[derive(Serialize, ToSchema)]
pub(super) struct Summary {
    /// The attempt's id: `att_` and 32 hexadecimal digits.
    id: String,
    /// Delivery that the attempt belongs to (`dlv_…`).
    delivery_id: String,
    /// Event that the request carried (`evt_…`).
    event_id: String,
    /// Tenant that the event belongs to (`ten_…`).
    tenant_id: String,
    /// Endpoint that the request was for (`ep_…`).
    endpoint_id: String,
    /// Type of the event, like `feedback.created`.
    event_type: String,
    /// Its number within the delivery; the first is 1.
    number: u32,
    /// Time at which the request was begun (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    started_at: Option<Timestamp>,
    /// Duration of the whole attempt, such as `12ms 500us`.
    #[schema(example = "12ms 500us")]
    duration: Option<String>,
    /// URL that the request was sent to.
    url: String,
    /// Dialect that the request was written in.
    dialect: String,
    /// Outcome: `succeeded`, `failed_retryable` or `failed_final`.
    outcome: String,
    /// Reason of the failure: `status`, `timeout`, `dns`, `connect`, `tls`, `blocked_address`, `proxy`, `protocol`,
    /// `authorization` or `render`; null if it succeeded.
    failure_reason: Option<String>,
    /// Details of the failure, for people; null if there are none.
    error: Option<String>,
    /// Status of the response; null if there was no response.
    status_code: Option<u32>,
    /// Time at which the next attempt is due (RFC 3339); null if none follows.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// True for a test of the endpoint: it is never retried and marks nothing as failing.
    test: bool,
}

/// One header of a request or response.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Header {
    /// Name of the header, such as `content-type`.
    name: String,
    /// Value of the header. Bytes that are not UTF-8 are replaced.
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

impl From<(String, String)> for Header {
    fn from((name, value): (String, String)) -> Self {
        Self { name, value }
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

/// The beginning of a body as a list shows it, and `true` if the body is longer. No character is cut in two.
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
