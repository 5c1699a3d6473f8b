//! `/webhooks/endpoints/{id}/filters`: what of the subscribed events is wanted, tried on the last events before it is saved.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use futures::{StreamExt as _, stream};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_domain::{EventPattern, EventType};

use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Endpoint, Event, List, Subscription};
use crate::visitor::Visitor;

/// The number of latest events that filters are tried on.
const EVENTS: usize = 20;
/// The most subscriptions that a form has.
const MAX_ROWS: usize = 50;
/// The trials that are made at once.
const AT_ONCE: usize = 8;

#[derive(Template)]
#[template(path = "filters.html")]
struct FiltersPage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    /// The state of the endpoint that the form was made of.
    seen: String,
    rows: Vec<Subscription>,
    tried: Option<Vec<Tried>>,
    refusal: Option<Refusal>,
    is_saved: bool,
}

/// The result of a trial for one event.
struct Tried {
    event: Event,
    verdicts: Vec<Verdict>,
}

struct Verdict {
    pattern: String,
    /// The reason why the subscription rejects the event; none if it passes.
    problem: Option<String>,
}

/// The API's verdict on one filter.
#[derive(Deserialize)]
struct Trial {
    matched: bool,
    error: Option<String>,
}

impl Tried {
    fn passes(&self) -> bool {
        self.verdicts.iter().any(|verdict| verdict.problem.is_none())
    }
}

impl FiltersPage<'_> {
    fn passed(&self) -> usize {
        self.tried.iter().flatten().filter(|tried| tried.passes()).count()
    }
}

pub(crate) async fn ask(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let page = FiltersPage {
        v: &visitor,
        seen: endpoint.updated_at.to_string(),
        rows: with_an_empty_one(endpoint.subscriptions.clone()),
        endpoint: &endpoint,
        tried: None,
        refusal: None,
        is_saved: fields.has("saved"),
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// Tries what the form has, or with the button "save" keeps it.
pub(crate) async fn submit(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let rows = rows(&fields);
    let (tried, refusal) = if fields.has("save") {
        match save(&visitor, &endpoint, &fields, &rows).await {
            Ok(()) => return Ok(visitor.lead(format!("/endpoints/{id}/filters?saved=1"))),
            Err(refusal) => (None, Some(refusal)),
        }
    } else {
        match attempt(&visitor, &endpoint, &rows).await {
            Ok(tried) => (Some(tried), None),
            Err(refusal) => (None, Some(refusal)),
        }
    };
    let status = refusal.as_ref().map_or(200, |refusal| refusal.status);
    let page = FiltersPage {
        v: &visitor,
        endpoint: &endpoint,
        seen: fields.text("seen").to_owned(),
        rows: with_an_empty_one(rows),
        tried,
        refusal,
        is_saved: false,
    };
    Ok(visitor.page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page))
}

/// The subscriptions of the form: each line has its number behind its names.
fn rows(fields: &Fields) -> Vec<Subscription> {
    let row = |number: usize| {
        Some(Subscription {
            pattern: fields.given(&format!("pattern.{number}"))?.to_owned(),
            disabled: !fields.has(&format!("on.{number}")),
            filter: fields.given(&format!("filter.{number}")).map(str::to_owned),
        })
    };
    (0..MAX_ROWS).filter_map(row).collect()
}

fn with_an_empty_one(mut rows: Vec<Subscription>) -> Vec<Subscription> {
    if rows.len() < MAX_ROWS {
        rows.push(Subscription {
            pattern: String::new(),
            disabled: false,
            filter: None,
        });
    }
    rows
}

async fn save(visitor: &Visitor, endpoint: &Endpoint, fields: &Fields, rows: &[Subscription]) -> Result<(), Refusal> {
    // A form with fewer places than the endpoint has subscriptions must not lose the rest.
    if fields.text("seen") != endpoint.updated_at.to_string() || endpoint.subscriptions.len() > MAX_ROWS {
        return Err(Refusal {
            status: StatusCode::CONFLICT.as_u16(),
            code: "endpoint_changed".into(),
            detail: visitor.t("settings-conflict"),
            field: None,
        });
    }
    let subscriptions: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "pattern": row.pattern, "disabled": row.disabled, "filter": row.filter }))
        .collect();
    let change = json!({ "subscriptions": subscriptions });
    let path = format!("/endpoints/{}", endpoint.id);
    visitor.send::<Value>(Method::PATCH, path, &change).await.map(drop)
}

/// Tries the subscriptions on the latest events. An invalid filter is refused as when it is saved.
async fn attempt(visitor: &Visitor, endpoint: &Endpoint, rows: &[Subscription]) -> Result<Vec<Tried>, Refusal> {
    let path = format!("/events?tenant_id={}&limit={EVENTS}", endpoint.tenant_id);
    let events = visitor.try_get::<List<Event>>(path).await?.data;
    // A filter that several subscriptions share, or that several rows have by mistake, is tried once for each event.
    let pairs = events.iter().enumerate().flat_map(|(at, event)| {
        let wanted = rows
            .iter()
            .filter(move |row| !row.disabled && matches(&row.pattern, &event.event_type));
        wanted.filter_map(move |row| Some(((at, row.filter.clone()?), event.id.clone())))
    });
    let pairs: BTreeMap<(usize, String), String> = pairs.collect();
    let trials = stream::iter(pairs).map(async |((at, filter), event)| {
        let asked = json!({ "filter": filter, "event_id": event });
        let path = format!("/endpoints/{}/filters/try", endpoint.id);
        let trial = visitor.send::<Trial>(Method::POST, path, &asked).await;
        ((at, filter), trial)
    });
    let trials: BTreeMap<_, _> = trials.buffer_unordered(AT_ONCE).collect().await;
    let invalid = trials.values().find_map(|trial| trial.as_ref().err());
    if let Some(refusal) = invalid.filter(|refusal| refusal.code == "filter_invalid") {
        return Err(refusal.clone());
    }
    let verdict = |at: usize, event: &Event, row: &Subscription| Verdict {
        pattern: row.pattern.clone(),
        problem: problem(visitor, event, row, |filter| trials.get(&(at, filter.to_owned()))),
    };
    let tried = events.into_iter().enumerate().map(|(at, event)| Tried {
        verdicts: rows.iter().map(|row| verdict(at, &event, row)).collect(),
        event,
    });
    Ok(tried.collect())
}

fn problem<'a>(
    visitor: &Visitor,
    event: &Event,
    row: &Subscription,
    trial: impl Fn(&str) -> Option<&'a Result<Trial, Refusal>>,
) -> Option<String> {
    if row.disabled {
        return Some(visitor.t("filters-off"));
    }
    if let Err(error) = row.pattern.parse::<EventPattern>() {
        return Some(error.to_string());
    }
    if !matches(&row.pattern, &event.event_type) {
        return Some(visitor.t("filters-other-type"));
    }
    match trial(row.filter.as_deref()?)? {
        Ok(Trial { matched: true, .. }) => None,
        Ok(Trial { error: Some(error), .. }) => Some(error.clone()),
        Ok(_) => Some(visitor.t("filters-kept-back")),
        Err(refusal) => Some(refusal.detail.clone()),
    }
}

/// True if a pattern matches this event type. An invalid pattern matches none, and is refused when it is saved.
fn matches(pattern: &str, event_type: &str) -> bool {
    match (pattern.parse::<EventPattern>(), event_type.parse::<EventType>()) {
        (Ok(pattern), Ok(event_type)) => pattern.matches(&event_type),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_they_do_when_events_arrive() {
        for (pattern, event_type, expected) in [
            ("*", "a.b", true),
            ("a.*", "a.b", true),
            ("a.b", "a.b", true),
            ("b.*", "a.b", false),
            ("no pattern!", "a.b", false),
        ] {
            assert_eq!(matches(pattern, event_type), expected, "{pattern}");
        }
    }
}
