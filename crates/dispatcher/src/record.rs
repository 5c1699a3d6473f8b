//! Protobuf records of attempts and state changes, as the ledger takes them.

use std::time::Duration;

use http::header;
use tidings_dialect::{CasedHeaderName, Request};
use tidings_domain::{AttemptId, DeliveryState, Endpoint, Outcome, Step, Timestamp, Timing};
use tidings_proto::{micros, pb};
use tidings_queue::Message;
use tidings_queue::message::Content;

use crate::send::{Answer, NoAnswer};

/// Everything that an attempt's record contains.
pub(crate) struct AttemptReport<'a> {
    pub(crate) message: &'a Message,
    pub(crate) content: &'a Content,
    pub(crate) endpoint: &'a Endpoint,
    /// None if no request could be made from the event.
    pub(crate) request: Option<&'a Request>,
    /// None if no request was made.
    pub(crate) answer: Option<&'a Result<Answer, NoAnswer>>,
    pub(crate) started_at: Timestamp,
    pub(crate) duration: Duration,
    pub(crate) outcome: Outcome,
    pub(crate) error: String,
    pub(crate) state: &'a DeliveryState,
    pub(crate) in_broker: bool,
    /// Delay of a first attempt that its lane caused; none for attempts whose message came from elsewhere.
    pub(crate) lane_lag: Option<Duration>,
    /// Marks a test of the endpoint, which is no delivery's attempt.
    pub(crate) test: bool,
}

/// The record of an attempt, with the state that its delivery is in afterwards.
pub(crate) fn attempt(report: AttemptReport<'_>) -> pb::AttemptMade {
    let step = report.message.step;
    let delivery = moved(report.message, step.after_attempt(), report.state, report.in_broker);
    let (request_body, payload_offset) = match report.request {
        None => (Vec::new().into(), None),
        Some(request) => match &request.payload_at {
            None => (request.body.clone(), None),
            Some(range) => {
                // The payload is stored once, with its event (docs/decisions/0005).
                let (before, behind) = (&request.body[..range.start], &request.body[range.end..]);
                ([before, behind].concat().into(), Some(range.start as u32))
            }
        },
    };
    let (timing, sent_again) = match report.answer {
        None => (Timing::default(), &None),
        Some(Ok(answer)) => (answer.timing, &answer.sent_again),
        Some(Err(none)) => (none.timing, &none.sent_again),
    };
    let answer = report.answer.and_then(|answer| answer.as_ref().ok());
    pb::AttemptMade {
        attempt_id: AttemptId::at(report.started_at).uuid().as_bytes().to_vec(),
        delivery: Some(delivery),
        event_type: report.content.event_type.as_str().to_owned(),
        number: step.attempt(),
        started_at_us: micros(report.started_at),
        duration_us: i64::try_from(report.duration.as_micros()).unwrap_or(i64::MAX),
        url: report.endpoint.url.as_str().to_owned(),
        dialect: report.endpoint.dialect.clone(),
        outcome: report.outcome.name().to_owned(),
        failure_reason: report
            .outcome
            .reason()
            .map(|reason| reason.to_string())
            .unwrap_or_default(),
        error: report.error,
        request_headers: report
            .request
            .map(|request| request_headers(request, answer.is_some_and(|answer| answer.is_http2)))
            .unwrap_or_default(),
        request_body,
        payload_spliced: payload_offset.is_some(),
        payload_offset: payload_offset.unwrap_or(0),
        status_code: answer.map_or(0, |answer| u32::from(answer.status.as_u16())),
        response_headers: answer.map(response_headers).unwrap_or_default(),
        response_body: answer.map(|answer| answer.body.to_vec()).unwrap_or_default(),
        response_truncated: answer.is_some_and(|answer| answer.truncated),
        remote_address: answer
            .and_then(|a| a.remote_address)
            .map(|a| a.to_string())
            .unwrap_or_default(),
        test: report.test,
        dns_us: part(timing.dns),
        connect_us: part(timing.connect),
        tls_us: part(timing.tls),
        first_byte_us: part(timing.first_byte),
        sent_again: sent_again.as_deref().unwrap_or_default().to_owned(),
        lane_lag_us: report
            .lane_lag
            .map(|lag| i64::try_from(lag.as_micros()).unwrap_or(i64::MAX)),
    }
}

/// The record of a delivery that changed its state without an attempt.
pub(crate) fn delivery_moved(message: &Message, step: Step, state: &DeliveryState, in_broker: bool) -> pb::Record {
    pb::Record {
        record: Some(pb::record::Record::Move(moved(message, step, state, in_broker))),
        ..pb::Record::default()
    }
}

/// The record of a delivery whose message the queue did not take: the ledger keeps it until it is due, and for so long
/// after that if the queue may have it all the same.
pub(crate) fn left_to_ledger(message: &Message, due: Timestamp, in_doubt: Duration) -> pb::Record {
    let due = due.saturating_add(in_doubt).unwrap_or(due);
    let state = DeliveryState::Scheduled { due };
    let delivery = pb::DeliveryMoved {
        in_doubt_us: i64::try_from(in_doubt.as_micros()).unwrap_or(i64::MAX),
        ..moved(message, message.step.moved(), &state, false)
    };
    pb::Record {
        record: Some(pb::record::Record::Move(delivery)),
        ..pb::Record::default()
    }
}

/// The outcome in an attempt's record, without the attempt's details. `None` for a record that has no details to
/// omit.
pub(crate) fn outcome_alone(record: pb::Record) -> Option<pb::Record> {
    match record.record? {
        pb::record::Record::Attempt(attempt) => Some(pb::Record {
            record: Some(pb::record::Record::Move(attempt.delivery?)),
            span: record.span,
        }),
        pb::record::Record::Move(_) | pb::record::Record::Event(_) => None,
    }
}

fn moved(message: &Message, step: Step, state: &DeliveryState, in_broker: bool) -> pb::DeliveryMoved {
    let bytes = |uuid: uuid::Uuid| uuid.as_bytes().to_vec();
    pb::DeliveryMoved {
        delivery_id: bytes(message.delivery.uuid()),
        event_id: bytes(message.event.uuid()),
        tenant_id: bytes(message.tenant.uuid()),
        endpoint_id: bytes(message.endpoint.uuid()),
        step: step.number(),
        state: state.name().to_owned(),
        reason: state.reason().unwrap_or_default().to_owned(),
        due_at_us: state.due().map_or(0, micros),
        in_broker,
        at_us: micros(Timestamp::now()),
        in_doubt_us: 0,
    }
}

/// Microseconds, saturating.
fn part(took: Option<Duration>) -> Option<u32> {
    took.map(|took| u32::try_from(took.as_micros()).unwrap_or(u32::MAX))
}

/// The headers as sent, which over HTTP/2 is in lower case and with the host beside them (RFC 9113, sections 8.2 and
/// 8.3.1); what is secret in them is not kept.
pub(crate) fn request_headers(request: &Request, over_http2: bool) -> Vec<pb::Header> {
    let name = |name: &CasedHeaderName| match name.name() {
        &header::HOST if over_http2 => ":authority".to_owned(),
        lower if over_http2 => lower.as_str().to_owned(),
        _ => name.as_str().to_owned(),
    };
    request
        .headers
        .iter()
        .map(|(spelled, value)| pb::Header {
            name: name(spelled),
            value: if value.is_sensitive() {
                "***".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            },
        })
        .collect()
}

fn response_headers(answer: &Answer) -> Vec<pb::Header> {
    answer
        .header_lines()
        .into_iter()
        .map(|(name, value)| pb::Header { name, value })
        .collect()
}
