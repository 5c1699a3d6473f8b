//! Attempts as comma-separated values (RFC 4180).

use csv::{Terminator, WriterBuilder};
use tidings_proto::{duration_from, pb, timestamp_from};

/// The columns of a CSV file.
const COLUMNS: [&str; 17] = [
    "id",
    "delivery_id",
    "event_id",
    "tenant_id",
    "endpoint_id",
    "event_type",
    "number",
    "started_at",
    "duration_ms",
    "url",
    "dialect",
    "outcome",
    "failure_reason",
    "error",
    "status_code",
    "next_attempt_at",
    "test",
];

/// The line that names the columns, with its end.
#[must_use]
pub fn head() -> String {
    COLUMNS.join(",") + "\r\n"
}

/// A line per attempt.
///
/// # Errors
/// [`csv::Error`] if memory can't be written to, which does not happen.
pub fn rows(attempts: &[pb::Attempt]) -> Result<Vec<u8>, csv::Error> {
    let mut rows = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    for attempt in attempts {
        rows.write_record(cells(attempt))?;
    }
    Ok(rows.into_inner().map_err(|error| error.into_error())?)
}

fn cells(attempt: &pb::Attempt) -> [String; COLUMNS.len()] {
    let at = |at: Option<prost_types::Timestamp>| {
        at.and_then(|at| timestamp_from(&at))
            .map(|at| at.to_string())
            .unwrap_or_default()
    };
    let took = attempt.duration.and_then(|length| duration_from(&length));
    let status = Some(attempt.status_code).filter(|status| *status > 0);
    [
        attempt.id.clone(),
        attempt.delivery_id.clone(),
        attempt.event_id.clone(),
        attempt.tenant_id.clone(),
        attempt.endpoint_id.clone(),
        harmless(&attempt.event_type),
        attempt.number.to_string(),
        at(attempt.started_at),
        took.map(|took| (took.as_micros() as f64 / 1e3).to_string())
            .unwrap_or_default(),
        harmless(&attempt.url),
        harmless(&attempt.dialect),
        attempt.outcome.clone(),
        attempt.failure_reason.clone(),
        harmless(&attempt.error),
        status.map(|status| status.to_string()).unwrap_or_default(),
        at(attempt.next_attempt_at),
        attempt.test.to_string(),
    ]
}

/// A cell that no spreadsheet takes for a formula: such texts get an apostrophe, as OWASP advises against CSV injection.
/// Errors may quote receivers.
fn harmless(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(error: &str) -> pb::Attempt {
        pb::Attempt {
            id: "att_1".into(),
            event_type: "a.b".into(),
            number: 2,
            started_at: Some(tidings_proto::timestamp("2026-01-07T15:30:00.5Z".parse().unwrap())),
            duration: Some(tidings_proto::duration(std::time::Duration::from_micros(12_345))),
            error: error.into(),
            ..pb::Attempt::default()
        }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let errors = ["=1+1", "+1", "-1", "@a", "a, \"b\"\r\nc", "ü"];
        let rows = rows(&errors.map(attempt)).unwrap();
        let text = [head().as_bytes(), &rows].concat();
        let mut read = csv::Reader::from_reader(&text[..]);
        assert_eq!(read.headers().unwrap(), &COLUMNS[..]);
        let rows: Vec<csv::StringRecord> = read.records().map(Result::unwrap).collect();
        let found: Vec<&str> = rows.iter().map(|row| &row[13]).collect();
        assert_eq!(found, ["'=1+1", "'+1", "'-1", "'@a", "a, \"b\"\r\nc", "ü"]);
        assert_eq!(
            (&rows[0][7], &rows[0][8], &rows[0][14]),
            ("2026-01-07T15:30:00.5Z", "12.345", "")
        );
    }
}
