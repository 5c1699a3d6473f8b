//! Printing of the log for people.

use std::time::Duration;

use tidings_domain::Timestamp;
use tidings_proto::pb;

use super::document;
use crate::output::{self, Format, fields, heading, instant, line, lines, table, time};
use crate::pretty::pretty;

/// Column titles of [`attempt_row`].
pub(super) const HEADER: [&str; 8] = ["time", "event type", "to", "attempt", "outcome", "ms", "next", "id"];

/// An attempt as a table row.
pub(super) fn row(attempt: &pb::Attempt) -> Vec<String> {
    vec![
        time(attempt.started_at.as_ref()),
        attempt.event_type.clone(),
        shortened(&attempt.url),
        if attempt.test {
            "test".to_owned()
        } else {
            attempt.number.to_string()
        },
        outcome(attempt),
        format!("{:.0}", milliseconds(attempt)),
        next(attempt, Timestamp::now()),
        attempt.id.clone(),
    ]
}

/// Prints attempts, one per row.
pub(super) fn list(format: Format, attempts: &[pb::Attempt]) -> anyhow::Result<()> {
    if format == Format::Json {
        return attempts
            .iter()
            .try_for_each(|attempt| output::json(&document::Attempt::from(attempt)));
    }
    table(&HEADER, &attempts.iter().map(row).collect::<Vec<_>>())
}

/// Prints an attempt with its request and response.
pub(crate) fn one(format: Format, attempt: &pb::Attempt) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&document::FullAttempt::from(attempt));
    }
    fields(&[
        ("attempt", format!("{}  {}", attempt.id, which(attempt))),
        ("delivery", attempt.delivery_id.clone()),
        ("event", format!("{}  {}", attempt.event_id, attempt.event_type)),
        ("endpoint", attempt.endpoint_id.clone()),
        ("tenant", attempt.tenant_id.clone()),
        ("started", time(attempt.started_at.as_ref())),
        ("took", format!("{:.1} ms{}", milliseconds(attempt), parts(attempt))),
        ("outcome", outcome(attempt)),
        ("error", attempt.error.clone()),
        ("sent again", attempt.sent_again.clone()),
        ("next", time(attempt.next_attempt_at.as_ref())),
    ])?;
    let address = match attempt.remote_address.as_str() {
        "" => String::new(),
        address => format!("  ({address})"),
    };
    message(
        &format!("POST {}{address}", attempt.url),
        &attempt.request_headers,
        &attempt.request_body,
    )?;
    match attempt.status_code {
        0 => {
            line("")?;
            heading("no response")?;
        }
        status => message(&status.to_string(), &attempt.response_headers, &attempt.response_body)?,
    }
    if attempt.response_truncated {
        line("(the response was longer; only its beginning is stored)")?;
    }
    Ok(())
}

/// How long an attempt took.
pub(super) fn milliseconds(attempt: &pb::Attempt) -> f64 {
    attempt.duration.map_or(0.0, in_milliseconds)
}

/// A length of time in milliseconds.
pub(super) fn in_milliseconds(length: prost_types::Duration) -> f64 {
    let length = Duration::try_from(length).unwrap_or_default();
    length.as_micros() as f64 / 1_000.0
}

/// `  (dns 1.2 ms, connect 3.4 ms, first byte 20.1 ms)`; nothing where nothing was measured.
fn parts(attempt: &pb::Attempt) -> String {
    let timing = attempt.timing.unwrap_or_default();
    let parts = [
        ("dns", timing.dns),
        ("connect", timing.connect),
        ("tls", timing.tls),
        ("first byte", timing.first_byte),
    ];
    let told = parts
        .into_iter()
        .filter_map(|(name, length)| Some(format!("{name} {:.1} ms", in_milliseconds(length?))))
        .collect::<Vec<_>>();
    match told.as_slice() {
        [] => String::new(),
        told => format!("  ({})", told.join(", ")),
    }
}

/// `number 2`, or that it is none of the delivery's.
fn which(attempt: &pb::Attempt) -> String {
    if attempt.test {
        "a test".to_owned()
    } else {
        format!("number {}", attempt.number)
    }
}

fn message(first_line: &str, headers: &[pb::Header], body: &[u8]) -> anyhow::Result<()> {
    line("")?;
    heading(first_line)?;
    for header in headers {
        line(&format!("{}: {}", header.name, header.value))?;
    }
    match body {
        [] => Ok(()),
        body => lines(&format!("\n{}", pretty(body))),
    }
}

/// The outcome in words: `succeeded 200`, `failed 503`, `failed timeout`, or `gave up` after a final failure.
fn outcome(attempt: &pb::Attempt) -> String {
    let word = match attempt.outcome.as_str() {
        "failed_retryable" => "failed",
        "failed_final" => "gave up",
        other => other,
    };
    match (attempt.status_code, attempt.failure_reason.as_str()) {
        (0, reason) => format!("{word} {reason}"),
        (status, "" | "status") => format!("{word} {status}"),
        (status, reason) => format!("{word} {status} {reason}"),
    }
}

/// Time until the next attempt; empty if there is none or its time has passed.
fn next(attempt: &pb::Attempt, now: Timestamp) -> String {
    let wait = instant(attempt.next_attempt_at.as_ref()).map(|due| due.duration_since(now));
    match wait.and_then(|wait| Duration::try_from(wait).ok()) {
        Some(wait) if wait.as_secs() > 0 => {
            format!("in {}", humantime::format_duration(Duration::from_secs(wait.as_secs())))
        }
        Some(_) => "now".into(),
        None => String::new(),
    }
}

/// The end of a long URL says more than its beginning.
fn shortened(url: &str) -> String {
    const LONGEST: usize = 48;
    match url.chars().count().checked_sub(LONGEST) {
        None | Some(0) => url.to_owned(),
        Some(more) => format!("…{}", url.chars().skip(more + 1).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_told_in_two_words() {
        let told = |outcome_name: &str, status_code, reason: &str| {
            let (name, reason) = (outcome_name.to_owned(), reason.to_owned());
            outcome(&pb::Attempt {
                outcome: name,
                status_code,
                failure_reason: reason,
                ..Default::default()
            })
        };
        assert_eq!(told("succeeded", 200, ""), "succeeded 200");
        assert_eq!(told("failed_retryable", 503, "status"), "failed 503");
        assert_eq!(told("failed_retryable", 0, "timeout"), "failed timeout");
        assert_eq!(told("failed_final", 410, "status"), "gave up 410");
        assert_eq!(told("failed_retryable", 200, "timeout"), "failed 200 timeout");
    }

    #[test]
    fn the_next_attempt_is_told_from_now() {
        let now: Timestamp = "2026-01-07T15:30:00.5Z".parse().unwrap();
        let told = |at: &str| {
            let due = Some(tidings_proto::timestamp(at.parse().unwrap()));
            next(
                &pb::Attempt {
                    next_attempt_at: due,
                    ..Default::default()
                },
                now,
            )
        };
        assert_eq!(told("2026-01-07T15:35:01Z"), "in 5m");
        assert_eq!(told("2026-01-07T15:30:01Z"), "now");
        assert_eq!(told("2026-01-07T15:30:00Z"), "");
        assert_eq!(next(&pb::Attempt::default(), now), "");
    }

    #[test]
    fn the_parts_of_an_attempt_are_told_as_far_as_they_are_known() {
        let micros = |micros| Some(tidings_proto::duration(Duration::from_micros(micros)));
        let timing = pb::Timing {
            connect: micros(3_400),
            first_byte: micros(20_060),
            ..Default::default()
        };
        let attempt = pb::Attempt {
            timing: Some(timing),
            ..Default::default()
        };
        assert_eq!(parts(&attempt), "  (connect 3.4 ms, first byte 20.1 ms)");
        assert_eq!(parts(&pb::Attempt::default()), "");
    }

    #[test]
    fn a_long_url_keeps_its_end() {
        assert_eq!(shortened("https://example.com/"), "https://example.com/");
        let short = shortened(&format!("https://example.com/{}/end", "x".repeat(60)));
        assert_eq!(short.chars().count(), 48);
        assert!(short.starts_with('…') && short.ends_with("x/end"));
    }
}
