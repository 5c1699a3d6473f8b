//! `/webhooks`: the endpoints, or how to connect the first.

use askama::Template;
use axum::response::Response;
use futures::{StreamExt as _, stream};
use http::StatusCode;
use jiff::SignedDuration;
use tidings_domain::Timestamp;

use crate::form::Fields;
use crate::shapes::{Attempt, Endpoint, List, Subscription};
use crate::visitor::Visitor;

/// The endpoints of a page.
const PAGE: usize = 50;
/// The latest attempts that a row shows.
const LATEST: usize = 12;
/// The rows whose attempts are asked for at once.
const AT_ONCE: usize = 8;
/// An endpoint without an attempt for so long is quiet.
const QUIET_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

#[derive(Template)]
#[template(path = "endpoints.html")]
struct EndpointsPage<'a> {
    v: &'a Visitor,
    rows: Vec<Row>,
    next: Option<String>,
    is_first_page: bool,
}

/// One endpoint with its latest attempts, newest first.
struct Row {
    endpoint: Endpoint,
    health: Health,
    latest: Vec<Attempt>,
}

/// The state of an endpoint in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Nothing was sent yet.
    New,
    Works,
    /// The last request failed, and nothing is given up yet.
    Struggling,
    /// Nothing was sent for a week.
    Quiet,
    Failing,
    /// Somebody turned it off.
    Off,
    /// Tidings turned it off.
    TurnedOff,
}

impl Health {
    /// By the latest attempt, if there is any.
    pub(crate) fn of(endpoint: &Endpoint, latest: Option<&Attempt>) -> Self {
        let is_old = |at: Timestamp| Timestamp::now().duration_since(at) > QUIET_AFTER;
        match (endpoint.enabled, &endpoint.disabled_reason, endpoint.failing_since) {
            (false, Some(_), _) => return Self::TurnedOff,
            (false, None, _) => return Self::Off,
            (true, _, Some(_)) => return Self::Failing,
            (true, _, None) => {}
        }
        match latest {
            None => Self::New,
            Some(latest) if latest.started_at.is_some_and(is_old) => Self::Quiet,
            Some(latest) if latest.outcome != "succeeded" => Self::Struggling,
            Some(_) => Self::Works,
        }
    }

    /// The name of its text and of its look.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Works => "works",
            Self::Struggling => "struggling",
            Self::Quiet => "quiet",
            Self::Failing => "failing",
            Self::Off => "off",
            Self::TurnedOff => "turned-off",
        }
    }
}

impl Row {
    /// The subscriptions that fit in a row.
    fn few(&self) -> impl Iterator<Item = &Subscription> {
        self.endpoint.subscriptions.iter().take(4)
    }

    /// The attempts from left to right as time goes.
    fn oldest_first(&self) -> impl Iterator<Item = &Attempt> {
        self.latest.iter().rev()
    }
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let query = fields.query(&["after"], &[("limit", &PAGE.to_string())]);
    let list: List<Endpoint> = visitor.get(format!("/endpoints?{query}")).await?;
    let rows = stream::iter(list.data)
        .map(|endpoint| row(&visitor, endpoint))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let page = EndpointsPage {
        v: &visitor,
        rows,
        next: list.next,
        is_first_page: !fields.has("after"),
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

async fn row(visitor: &Visitor, endpoint: Endpoint) -> Row {
    let latest = latest(visitor, &endpoint.id, LATEST).await;
    Row {
        health: Health::of(&endpoint, latest.first()),
        endpoint,
        latest,
    }
}

/// The latest attempts for an endpoint, newest first; none while the log is away, for the rest is worth seeing.
pub(crate) async fn latest(visitor: &Visitor, endpoint: &str, limit: usize) -> Vec<Attempt> {
    let path = format!("/webhooks/logs?endpoint_id={endpoint}&limit={limit}&bodies=false");
    let list = visitor.try_get::<List<Attempt>>(path).await;
    list.map(|list| list.data).unwrap_or_default()
}
