//! `/webhooks/logs` and `/admin/webhook-logs`: attempts by all filters of the API, with the filters in the URL.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::absence::Absence;
use crate::chart;
use crate::form::Fields;
use crate::shapes::{Attempt, Endpoint, List};
use crate::show::chart::Chart;
use crate::visitor::Visitor;

/// The filters, by the names that the API has for them.
pub(super) const FILTERS: [&str; 10] = [
    "tenant_id",
    "endpoint_id",
    "event_id",
    "delivery_id",
    "event_type",
    "status_code",
    "outcome",
    "failure_reason",
    "error",
    "min_duration",
];
const LIMITS: [&str; 4] = ["25", "50", "100", "200"];

#[derive(Template)]
#[template(path = "logs.html")]
struct LogsPage<'a> {
    v: &'a Visitor,
    fields: &'a Fields,
    attempts: Vec<Attempt>,
    chart: Option<Chart>,
    endpoints: Vec<Endpoint>,
    /// The events near a search that found no attempt.
    absence: Option<Absence>,
    /// The query of the next page.
    next: Option<String>,
    problem: Option<String>,
}

impl LogsPage<'_> {
    fn is_all_tenants(&self) -> bool {
        self.v.is_operator()
    }

    /// The filters as a query, without paging.
    fn query(&self) -> String {
        self.fields
            .query(&[&FILTERS[..], &["since", "until", "limit"]].concat(), &[])
    }

    fn is_filtered(&self) -> bool {
        FILTERS
            .iter()
            .chain(&["since", "until"])
            .any(|name| self.fields.given(name).is_some())
    }

    /// The endpoint's name, or its URL if it has none.
    fn endpoint_name<'b>(&'b self, attempt: &'b Attempt) -> &'b str {
        let known = self
            .endpoints
            .iter()
            .find(|endpoint| endpoint.id == attempt.endpoint_id);
        match known.map(|endpoint| endpoint.name.as_str()) {
            None | Some("") => attempt.url.trim_start_matches("https://").trim_start_matches("http://"),
            Some(name) => name,
        }
    }

    fn limits(&self) -> [&'static str; 4] {
        LIMITS
    }

    fn limit(&self) -> &str {
        LIMITS
            .into_iter()
            .find(|limit| *limit == self.fields.text("limit"))
            .unwrap_or("50")
    }

    fn is_chosen(&self, name: &str, value: &str) -> bool {
        self.fields.text(name) == value
    }
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Response {
    show(&visitor, &fields).await
}

async fn show(visitor: &Visitor, fields: &Fields) -> Response {
    let limit = LIMITS
        .into_iter()
        .find(|limit| *limit == fields.text("limit"))
        .unwrap_or("50");
    let more = [("limit", limit), ("bodies", "false")];
    let found = async {
        let query = query(visitor, fields, &more)?;
        let list = visitor
            .try_get::<List<Attempt>>(format!("/webhooks/logs?{query}"))
            .await;
        list.map_err(|refusal| visitor.problem(&refusal).unwrap_or(refusal.detail))
    };
    let (found, chart, endpoints) = futures::join!(found, chart_of(visitor, fields), endpoints(visitor, fields));
    let (list, problem) = match found {
        Ok(list) => (list, None),
        Err(problem) => (
            List {
                data: Vec::new(),
                next: None,
            },
            Some(problem),
        ),
    };
    let next = list.next.map(|after| {
        let names = [&FILTERS[..], &["since", "until", "limit"]].concat();
        fields.query(&names, &[("after", after.as_str())])
    });
    let absence = match list.data.is_empty() && next.is_none() && problem.is_none() {
        true => Some(Absence::of(visitor, fields, &endpoints).await),
        false => None,
    };
    let page = LogsPage {
        v: visitor,
        fields,
        attempts: list.data,
        chart,
        endpoints,
        absence,
        next,
        problem,
    };
    let status = if page.problem.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    visitor.page(status, &page)
}

/// The attempts of a list over time. The pages behind the first, and the few attempts of one event, have no chart.
async fn chart_of(visitor: &Visitor, fields: &Fields) -> Option<Chart> {
    let has_none = ["after", "event_id", "delivery_id"];
    if has_none.iter().any(|name| fields.given(name).is_some()) {
        return None;
    }
    let query = query(visitor, fields, &[("time_zone", visitor.zone_name().as_str())]).ok()?;
    let names = FILTERS.into_iter().filter(|name| *name != "outcome");
    let filters = fields.query(&names.collect::<Vec<_>>(), &[]);
    chart::of(visitor, &query, filters, fields.text("outcome")).await
}

/// The attempts as a file, with the same filters.
pub(crate) async fn export(visitor: Visitor, fields: Fields) -> Response {
    let format = if fields.text("format") == "csv" {
        "csv"
    } else {
        "ndjson"
    };
    match query(&visitor, &fields, &[("format", format)]) {
        Ok(query) => visitor.answer(format!("/webhooks/logs/export?{query}")).await,
        Err(_) => show(&visitor, &fields).await,
    }
}

/// Attempts as they are recorded (Server-Sent Events), with the same filters but times.
pub(crate) async fn tail(visitor: Visitor, fields: Fields) -> Response {
    let query = fields.query(&FILTERS, &[]);
    visitor.answer(format!("/webhooks/logs/watch?{query}")).await
}

/// The filters as the API takes them: days are those of the visitor's zone.
pub(super) fn query(visitor: &Visitor, fields: &Fields, more: &[(&str, &str)]) -> Result<String, String> {
    let since = instant(visitor, fields.text("since"), false)?;
    let until = instant(visitor, fields.text("until"), true)?;
    let times = [("since", since), ("until", until)];
    let times = times.iter().filter_map(|(name, at)| Some((*name, at.as_deref()?)));
    let more: Vec<_> = times.chain(more.iter().copied()).collect();
    Ok(fields.query(&[&FILTERS[..], &["after"]].concat(), &more))
}

/// The time that a day begins or ends at in the visitor's zone; times with their zone stay as they are.
pub(crate) fn instant(visitor: &Visitor, text: &str, is_end: bool) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<Date>() {
        Ok(day) if text.len() == "2026-01-07".len() => boundary(day, &visitor.zone, is_end)
            .map(Some)
            .ok_or_else(|| visitor.t1("logs-no-time", "text", text)),
        _ => Ok(Some(text.to_owned())),
    }
}

fn boundary(day: Date, zone: &TimeZone, is_end: bool) -> Option<String> {
    let day = if is_end { day.tomorrow().ok()? } else { day };
    Some(day.to_zoned(zone.clone()).ok()?.timestamp().to_string())
}

/// The endpoints to choose from: those of the tenant whose attempts are shown.
async fn endpoints(visitor: &Visitor, fields: &Fields) -> Vec<Endpoint> {
    if visitor.is_operator() && fields.given("tenant_id").is_none() {
        return Vec::new();
    }
    let query = fields.query(&["tenant_id"], &[("limit", "200")]);
    let list = visitor.try_get::<List<Endpoint>>(format!("/endpoints?{query}")).await;
    list.map(|list| list.data).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_day_of_the_visitor() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let day: Date = "2026-03-29".parse().unwrap();
        // The day on which the clocks go forward has 23 hours.
        assert_eq!(boundary(day, &berlin, false).as_deref(), Some("2026-03-28T23:00:00Z"));
        assert_eq!(boundary(day, &berlin, true).as_deref(), Some("2026-03-29T22:00:00Z"));
        assert_eq!(
            boundary(day, &TimeZone::UTC, true).as_deref(),
            Some("2026-03-30T00:00:00Z")
        );
    }
}
