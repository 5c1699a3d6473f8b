//! Which attempts to list.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tidings_domain::{AttemptId, EndpointId, EventId, TenantId, Timestamp};
use tidings_proto::{pb, timestamp};
use tidings_service::problem::Problem;
use tonic::Status;
use utoipa::IntoParams;

use crate::http::answer::Refusal;
use crate::http::request::{given, limit};

/// Which attempts to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// The tenant; with an operator's key all tenants if left out.
    tenant_id: Option<String>,
    /// Attempts for this endpoint.
    endpoint_id: Option<String>,
    /// Attempts of this event.
    event_id: Option<String>,
    /// Attempts of events of these types, separated by commas.
    #[param(example = "submission.created")]
    event_type: Option<String>,
    /// Attempts answered with these statuses or classes of them, or not at all, separated by commas.
    #[param(example = "404,5xx,none")]
    status_code: Option<String>,
    /// Attempts with these outcomes, separated by commas: `succeeded`, `failed_retryable`, `failed_final`.
    #[param(example = "failed_final")]
    outcome: Option<String>,
    /// Attempts begun at or after this time (RFC 3339), or on or after this day (UTC).
    #[param(example = "2024-03-15T10:30:00Z")]
    since: Option<String>,
    /// Attempts begun before this time (RFC 3339), or on or before this day (UTC).
    #[param(example = "2024-03-15")]
    until: Option<String>,
    /// How many at the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where the last page ended: its `next`.
    #[param(pattern = "^att_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// What the log service calls filters that it takes several values of, and what they are called here.
const NAMES: [(&str, &str); 4] = [
    ("event_types", "event_type"),
    ("status_codes", "status_code"),
    ("status_classes", "status_code"),
    ("outcomes", "outcome"),
];

impl Filter {
    /// The filter as a question to the log service.
    pub(super) fn into_message(self) -> Result<pb::ListAttemptsRequest, Problem> {
        let (status_codes, status_classes) = statuses(&listed(self.status_code))?;
        let filter = pb::AttemptFilter {
            tenant_id: id::<TenantId>(self.tenant_id.as_deref(), "tenant_id")?,
            endpoint_id: id::<EndpointId>(self.endpoint_id.as_deref(), "endpoint_id")?,
            event_id: id::<EventId>(self.event_id.as_deref(), "event_id")?,
            event_types: listed(self.event_type),
            status_codes,
            status_classes,
            outcomes: listed(self.outcome),
            since: self.since.map(|text| since(&text)).transpose()?.map(timestamp),
            until: self.until.map(|text| until(&text)).transpose()?.map(timestamp),
            ..pb::AttemptFilter::default()
        };
        Ok(pb::ListAttemptsRequest {
            filter: Some(filter),
            page_size: limit(self.limit)?,
            page_token: id::<AttemptId>(self.after.as_deref(), "after")?,
        })
    }
}

/// A refusal of the log service in the words of this interface.
pub(super) fn as_asked(status: Status) -> Refusal {
    let mut refusal = Refusal::from(status);
    if let Refusal::Relayed(relayed) = &mut refusal {
        let name = NAMES
            .iter()
            .find(|(theirs, _)| relayed.field.as_deref() == Some(theirs));
        if let Some((_, ours)) = name {
            relayed.field = Some((*ours).to_owned());
        }
    }
    refusal
}

fn id<T: std::str::FromStr<Err: std::fmt::Display> + ToString>(
    text: Option<&str>,
    name: &str,
) -> Result<String, Problem> {
    let id: Option<T> = given(text, name)?;
    Ok(id.map(|id| id.to_string()).unwrap_or_default())
}

fn listed(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Statuses and classes of them. The log service wants both to hold, so of both together the classes become statuses.
fn statuses(words: &[String]) -> Result<(Vec<u32>, Vec<u32>), Problem> {
    let (mut codes, mut classes) = (Vec::new(), Vec::new());
    for word in words {
        match word.as_bytes() {
            b"none" => classes.push(0),
            [class @ b'1'..=b'5', b'x', b'x'] => classes.push(u32::from(class - b'0')),
            _ => codes.push(status(word)?),
        }
    }
    if codes.is_empty() || classes.is_empty() {
        return Ok((codes, classes));
    }
    if classes.contains(&0) {
        let detail = "`none` goes with classes like `5xx` and not with statuses: ask twice";
        return Err(Problem::invalid("status_invalid", detail).at("status_code"));
    }
    codes.extend(classes.iter().flat_map(|class| class * 100..(class + 1) * 100));
    Ok((codes, Vec::new()))
}

fn status(word: &str) -> Result<u32, Problem> {
    let status = word.parse().ok().filter(|status| (100..=599).contains(status));
    status.ok_or_else(|| {
        let detail = format!("`{word}` is no status: write it like `404`, `4xx`, or `none` for no answer");
        Problem::invalid("status_invalid", detail).at("status_code")
    })
}

fn since(text: &str) -> Result<Timestamp, Problem> {
    match day(text) {
        Some(day) => midnight(day).ok_or_else(|| no_time(text, "since")),
        None => text.parse().map_err(|_| no_time(text, "since")),
    }
}

/// A day is meant with all its hours.
fn until(text: &str) -> Result<Timestamp, Problem> {
    match day(text) {
        Some(day) => day
            .tomorrow()
            .ok()
            .and_then(midnight)
            .ok_or_else(|| no_time(text, "until")),
        None => text.parse().map_err(|_| no_time(text, "until")),
    }
}

/// A text that is a date and nothing else, which jiff would also read out of a time.
fn day(text: &str) -> Option<Date> {
    text.parse().ok().filter(|_| text.len() == "2024-03-15".len())
}

fn midnight(day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn no_time(text: &str, name: &str) -> Problem {
    let detail = format!(
        "`{text}` is neither a time nor a day: write it like `2024-03-15T10:30:00Z` or `2024-03-15`, a `+` as `%2B`"
    );
    Problem::invalid("time_invalid", detail).at(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        listed(Some(text.to_owned()))
    }

    #[test]
    fn statuses_and_classes_are_alternatives() {
        assert_eq!(statuses(&words("404, 410")), Ok((vec![404, 410], vec![])));
        assert_eq!(statuses(&words("4xx,none")), Ok((vec![], vec![4, 0])));
        let (codes, classes) = statuses(&words("404,5xx")).unwrap();
        assert!(classes.is_empty() && codes.len() == 101);
        assert!(codes.contains(&404) && codes.contains(&500) && codes.contains(&599));
        for wrong in ["404,none", "6xx", "4x", "99", "600", "abc"] {
            let problem = statuses(&words(wrong)).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("status_code"), "{wrong}");
        }
    }

    #[test]
    fn a_day_is_meant_from_its_beginning_to_its_end() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(since("2024-03-15"), Ok(time("2024-03-15T00:00:00Z")));
        assert_eq!(until("2024-03-15"), Ok(time("2024-03-16T00:00:00Z")));
        assert_eq!(until("2024-03-15T10:30:00+02:00"), Ok(time("2024-03-15T08:30:00Z")));
        for wrong in [
            "2024-03-15T10:30:00",
            "2024-03-15T10:30:00 02:00",
            "yesterday",
            "2024-02-30",
            "",
        ] {
            assert!(since(wrong).is_err() && until(wrong).is_err(), "{wrong}");
        }
    }
}
