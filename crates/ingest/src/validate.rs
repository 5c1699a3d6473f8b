//! Validates an event's fields and limits.

use std::time::Duration;

use bytes::Bytes;
use tidings_domain::trace::TraceParent;
use tidings_domain::{EventType, TenantId, Timestamp};
use tidings_service::body::not_plain;
use tidings_service::idempotency_key;
use tidings_service::problem::Problem;

use crate::Config;

/// Maximum age of an event: as far back as anyone replays history by publishing it.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Tolerance for a publisher's clock that is ahead.
const MAX_AHEAD: Duration = Duration::from_secs(300);

/// An event as a client sent it.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) event_type: String,
    pub(crate) payload: Bytes,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) traceparent: Option<TraceParent>,
}

/// An event that is fit to be accepted.
#[derive(Debug, Clone)]
pub(crate) struct ValidEvent {
    pub(crate) event_type: EventType,
    pub(crate) payload: Bytes,
    pub(crate) occurred_at: Timestamp,
    /// The publisher stated `occurred_at`. Only then is the time part of the event's fingerprint.
    pub(crate) occurred_at_given: bool,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) traceparent: Option<TraceParent>,
}

/// Checks an event; the first thing that is wrong is said.
pub(crate) fn validate(draft: Draft, config: &Config, now: Timestamp) -> Result<ValidEvent, Problem> {
    let event_type = draft
        .event_type
        .parse()
        .map_err(|error| Problem::invalid("event_type_invalid", format!("{error}")).at("event_type"))?;
    check_payload(&draft.payload, config.max_payload)?;
    let occurred_at = draft.occurred_at.unwrap_or(now);
    check_occurred_at(occurred_at, now)?;
    let read = |key: String| idempotency_key::read(&key, "idempotency_key");
    let idempotency_key = draft.idempotency_key.map(read).transpose()?;
    Ok(ValidEvent {
        event_type,
        payload: draft.payload,
        occurred_at,
        occurred_at_given: draft.occurred_at.is_some(),
        idempotency_key,
        traceparent: draft.traceparent,
    })
}

fn check_payload(payload: &[u8], max: usize) -> Result<(), Problem> {
    if payload.len() > max {
        let detail = format!("the payload has {} bytes; at most {max} are accepted", payload.len());
        return Err(Problem::too_large("payload_too_large", detail).at("payload"));
    }
    check_is_json(payload)
}

/// Checks that a payload is JSON; an error's position counts from the payload's beginning.
pub(crate) fn check_is_json(payload: &[u8]) -> Result<(), Problem> {
    let why = match (not_plain(payload), tidings_dialect::canonical::check(payload)) {
        (_, Ok(())) => return Ok(()),
        (Some(why), Err(_)) => why.to_owned(),
        (None, Err(error)) => {
            let before = payload.get(..error.at).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            format!("{error} (line {line})")
        }
    };
    let detail = format!("the payload is not one JSON text in UTF-8: {why}");
    Err(Problem::invalid("payload_not_json", detail).at("payload"))
}

fn check_occurred_at(occurred_at: Timestamp, now: Timestamp) -> Result<(), Problem> {
    let age = now.duration_since(occurred_at);
    let wrong = if age > jiff_duration(MAX_AGE) {
        "more than 30 days ago"
    } else if age < -jiff_duration(MAX_AHEAD) {
        "more than 5 minutes in the future"
    } else {
        return Ok(());
    };
    let detail = format!("{occurred_at} is {wrong}: send the time at which the event happened, or leave it out");
    Err(Problem::invalid("occurred_at_out_of_range", detail).at("occurred_at"))
}

fn jiff_duration(length: Duration) -> tidings_domain::SignedDuration {
    tidings_domain::SignedDuration::from_secs(length.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            event_type: "feedback.created".into(),
            payload: Bytes::from_static(b"{\"id\":1}"),
            ..Draft::default()
        }
    }

    /// Asserts that the changed draft is refused for this field, with this code and these words.
    fn refused(change: impl FnOnce(&mut Draft), field: &str, code: &str, words: &str) {
        let mut draft = draft();
        change(&mut draft);
        let now: Timestamp = "2026-01-31T00:00:00Z".parse().unwrap();
        let problem = validate(draft, &Config::default(), now).unwrap_err();
        assert_eq!((problem.field.as_deref(), problem.code), (Some(field), code));
        assert!(problem.detail.contains(words), "{}", problem.detail);
    }

    #[test]
    fn a_good_event_passes_untouched() {
        let now = Timestamp::now();
        let event = validate(draft(), &Config::default(), now).unwrap();
        assert_eq!(event.payload, &b"{\"id\":1}"[..]);
        assert_eq!((event.occurred_at, event.occurred_at_given), (now, false));
    }

    #[test]
    fn every_flaw_is_named_with_what_to_change() {
        refused(
            |d| d.event_type = "feedback created".into(),
            "event_type",
            "event_type_invalid",
            "like `feedback.created`",
        );
        refused(
            |d| d.payload = Bytes::from_static(b"{"),
            "payload",
            "payload_not_json",
            "not one JSON text",
        );
        refused(
            |d| d.payload = Bytes::new(),
            "payload",
            "payload_not_json",
            "not one JSON text",
        );
        refused(
            |d| d.payload = Bytes::from_static(b"1 2"),
            "payload",
            "payload_not_json",
            "not one JSON text",
        );
        refused(
            |d| d.payload = Bytes::from_static(b"\"\xff\""),
            "payload",
            "payload_not_json",
            "UTF-8",
        );
        refused(
            |d| d.payload = vec![b' '; 262_145].into(),
            "payload",
            "payload_too_large",
            "at most 262144",
        );
        let at = |text: &str| Some(text.parse().unwrap());
        refused(
            |d| d.occurred_at = at("2025-12-31T23:59:59Z"),
            "occurred_at",
            "occurred_at_out_of_range",
            "30 days",
        );
        refused(
            |d| d.occurred_at = at("2026-01-31T00:05:01Z"),
            "occurred_at",
            "occurred_at_out_of_range",
            "5 minutes",
        );
        refused(
            |d| d.idempotency_key = Some("a b".into()),
            "idempotency_key",
            "idempotency_key_invalid",
            "no spaces",
        );
        refused(
            |d| d.idempotency_key = Some(String::new()),
            "idempotency_key",
            "idempotency_key_invalid",
            "1 to 255",
        );
    }
}
