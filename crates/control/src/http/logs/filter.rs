//! Queries over attempts: the filter that all share, and the parameters that each operation adds.

use serde::Deserialize;
use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, TenantId};
use tidings_proto::pb;
use tidings_service::problem::Problem;
use utoipa::IntoParams;

use crate::http::request::{duration, limit};
use crate::http::search::{id, listed, since, until};

/// Number of attempts that an export reads at a time: the largest page.
const MAX_PAGE: u32 = 200;

/// A query: the filter and the parameters that the operation adds. Parameters in neither are refused by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct With<T> {
    #[serde(flatten)]
    pub(super) filter: Filter,
    #[serde(flatten)]
    pub(super) rest: T,
}

/// Filter of attempts. All given conditions must hold; values separated by commas are alternatives.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Tenant of the attempts (`ten_…`); with an operator's key, all tenants if left out.
    tenant_id: Option<String>,
    /// Attempts for this endpoint (`ep_…`).
    endpoint_id: Option<String>,
    /// Attempts of this event (`evt_…`).
    event_id: Option<String>,
    /// Attempts of this delivery (`dlv_…`).
    delivery_id: Option<String>,
    /// Attempts of events of these types, separated by commas.
    #[param(example = "submission.created")]
    event_type: Option<String>,
    /// Attempts answered with these statuses or classes of them, separated by commas; `none` for attempts without a
    /// response. `none` can be combined with classes, but not with single statuses.
    #[param(example = "404,5xx,none")]
    status_code: Option<String>,
    /// Attempts with these outcomes, separated by commas: `succeeded`, `failed_retryable`, `failed_final`.
    #[param(example = "failed_final")]
    outcome: Option<String>,
    /// Attempts that failed for these reasons, separated by commas: `status`, `timeout`, `dns`, `connect`, `tls`,
    /// `blocked_address`, `proxy`, `protocol`, `authorization`, `render`.
    #[param(example = "timeout,connect")]
    failure_reason: Option<String>,
    /// Attempts that took at least this duration.
    #[param(example = "250ms")]
    min_duration: Option<String>,
    /// Attempts that took at most this duration.
    #[param(example = "10s")]
    max_duration: Option<String>,
    /// Attempts whose error contains this text, in upper or lower case.
    #[param(min_length = 1, max_length = 200, example = "reset by peer")]
    error: Option<String>,
}

/// Time range and page of the list of attempts.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Attempts begun at or after this time (RFC 3339), or on or after this day (UTC).
    #[param(example = "2024-03-15T10:30:00Z")]
    since: Option<String>,
    /// Attempts begun before this time (RFC 3339), or on or before this day (UTC).
    #[param(example = "2024-03-15")]
    until: Option<String>,
    /// Maximum number of attempts on the page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// `next` of the previous page; left out for the first one.
    #[param(pattern = "^att_[0-9a-f]{32}$")]
    after: Option<String>,
    /// `true` or `false`; `false` leaves out the beginnings of the bodies, which is faster.
    #[param(value_type = Option<bool>, default = true)]
    bodies: Option<String>,
}

/// Time range and format of an export.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Export {
    /// Attempts begun at or after this time (RFC 3339), or on or after this day (UTC).
    #[param(example = "2024-03-15T10:30:00Z")]
    since: Option<String>,
    /// Attempts begun before this time (RFC 3339), or on or before this day (UTC).
    #[param(example = "2024-03-15")]
    until: Option<String>,
    /// Attempts before this one (`att_…`): the last one of an export that was cut off.
    #[param(pattern = "^att_[0-9a-f]{32}$")]
    after: Option<String>,
    /// Format of the file: `ndjson` or `csv`.
    #[param(default = "ndjson", example = "csv")]
    format: Option<String>,
}

/// No parameters besides the filter.
#[derive(Deserialize)]
pub(super) struct Nothing {}

impl Filter {
    /// Converts the filter to the log service's message.
    pub(super) fn into_message(self) -> Result<pb::AttemptFilter, Problem> {
        let (status_codes, status_classes) = statuses(&listed(self.status_code))?;
        let length = |text: Option<String>, name| text.map(|text| duration(&text, name)).transpose();
        Ok(pb::AttemptFilter {
            tenant_id: id::<TenantId>(self.tenant_id.as_deref(), "tenant_id")?,
            endpoint_id: id::<EndpointId>(self.endpoint_id.as_deref(), "endpoint_id")?,
            event_id: id::<EventId>(self.event_id.as_deref(), "event_id")?,
            delivery_id: id::<DeliveryId>(self.delivery_id.as_deref(), "delivery_id")?,
            event_types: listed(self.event_type),
            status_codes,
            status_classes,
            outcomes: listed(self.outcome),
            failure_reasons: listed(self.failure_reason),
            min_duration: length(self.min_duration, "min_duration")?,
            max_duration: length(self.max_duration, "max_duration")?,
            error_contains: text(self.error)?,
            since: None,
            until: None,
        })
    }
}

impl With<Part> {
    /// Converts the query to a request for one page.
    pub(super) fn into_message(self) -> Result<pb::ListAttemptsRequest, Problem> {
        let Part {
            since,
            until,
            limit: asked,
            after,
            bodies: _,
        } = self.rest;
        // What is no number is none of those that a page can have.
        let asked = asked.map(|text| text.parse().unwrap_or(0));
        question(self.filter, [since, until], after, limit(asked)?)
    }
}

impl Part {
    /// `true` if the list shows the beginnings of bodies.
    pub(super) fn bodies(&self) -> Result<bool, Problem> {
        match self.bodies.as_deref() {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => {
                let detail = format!("`{other}` is neither `true` nor `false`");
                Err(Problem::invalid("bodies_invalid", detail).at("bodies"))
            }
        }
    }
}

impl With<Export> {
    /// Converts the query to a request for the first page of the export.
    pub(super) fn into_message(self) -> Result<pb::ListAttemptsRequest, Problem> {
        let Export {
            since, until, after, ..
        } = self.rest;
        question(self.filter, [since, until], after, MAX_PAGE)
    }
}

impl Export {
    /// The requested format; `ndjson` if none is given.
    pub(super) fn format(&self) -> Result<Format, Problem> {
        match self.format.as_deref() {
            None | Some("ndjson") => Ok(Format::Ndjson),
            Some("csv") => Ok(Format::Csv),
            Some(other) => {
                let detail = format!("`{other}` is no format: `ndjson` and `csv` are");
                Err(Problem::invalid("format_unknown", detail).at("format"))
            }
        }
    }
}

/// Format of an export.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON document per line.
    Ndjson,
    /// Comma-separated values with a header line (RFC 4180).
    Csv,
}

fn question(
    filter: Filter,
    [from, to]: [Option<String>; 2],
    after: Option<String>,
    page_size: u32,
) -> Result<pb::ListAttemptsRequest, Problem> {
    let filter = pb::AttemptFilter {
        since: since(from.as_deref())?,
        until: until(to.as_deref())?,
        ..filter.into_message()?
    };
    Ok(pb::ListAttemptsRequest {
        filter: Some(filter),
        page_size,
        page_token: id::<AttemptId>(after.as_deref(), "after")?,
    })
}

/// A text to search for; an empty one would be in everything and is a mistake.
fn text(text: Option<String>) -> Result<String, Problem> {
    match text {
        Some(text) if text.is_empty() => {
            Err(Problem::invalid("text_empty", "search for at least one character").at("error"))
        }
        text => Ok(text.unwrap_or_default()),
    }
}

/// Statuses and classes of them. The log service wants both to hold, so of both together the classes become statuses.
fn statuses(words: &[String]) -> Result<(Vec<u32>, Vec<u32>), Problem> {
    let (mut codes, mut classes) = (Vec::new(), Vec::new());
    for word in words {
        match word.as_bytes() {
            b"none" => classes.push(0),
            [class @ b'1'..=b'9', b'x', b'x'] => classes.push(u32::from(class - b'0')),
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
    let status = word.parse().ok().filter(|status| (100..=999).contains(status));
    status.ok_or_else(|| {
        let detail = format!("`{word}` is no status: write it like `404`, `4xx`, or `none` for no answer");
        Problem::invalid("status_invalid", detail).at("status_code")
    })
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
        assert_eq!(statuses(&words("999,600")), Ok((vec![999, 600], vec![])));
        assert_eq!(statuses(&words("9xx")), Ok((vec![], vec![9])));
        assert!(codes.contains(&404) && codes.contains(&500) && codes.contains(&599));
        for wrong in ["404,none", "10xx", "0xx", "4x", "99", "1000", "abc"] {
            let problem = statuses(&words(wrong)).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("status_code"), "{wrong}");
        }
    }

    #[test]
    fn what_an_operation_does_not_take_is_refused_by_name() {
        let read = |query: &str| {
            let uri = format!("/?{query}").parse().unwrap();
            axum::extract::Query::<With<Part>>::try_from_uri(&uri).map(|query| query.0)
        };
        let taken = read("status_code=5xx&since=2024-03-15&limit=7&error=a%20b").unwrap();
        let question = taken.into_message().unwrap();
        assert_eq!(question.page_size, 7);
        let filter = question.filter.unwrap();
        assert_eq!(
            (filter.status_classes, filter.error_contains),
            (vec![5], "a b".to_owned())
        );
        assert!(filter.since.is_some() && filter.until.is_none());
        for unknown in ["status=5", "format=csv"] {
            let error = read(unknown).err().unwrap().body_text();
            assert!(error.contains("unknown field"), "{error}");
        }
        for (wrong, field) in [
            ("limit=x", "limit"),
            ("limit=0", "limit"),
            ("error=", "error"),
            ("min_duration=5", "min_duration"),
            ("max_duration=-1s", "max_duration"),
            ("delivery_id=1", "delivery_id"),
        ] {
            let problem = read(wrong).unwrap().into_message().unwrap_err();
            assert_eq!(problem.field.as_deref(), Some(field), "{wrong}");
        }
    }
}
