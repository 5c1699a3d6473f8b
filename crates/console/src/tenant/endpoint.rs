//! `/webhooks/endpoints/{id}`: how an endpoint is, turning it on and off, deleting it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::endpoints::{Health, latest};
use crate::chart;
use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Attempt, Delivery, Endpoint, List};
use crate::show::chart::Chart;
use crate::visitor::Visitor;

/// The latest attempts that the page shows.
const LATEST: usize = 20;
/// The most waiting deliveries that are counted: a page looks at rows, never through them.
const COUNTED: usize = 200;

#[derive(Template)]
#[template(path = "endpoint.html")]
struct EndpointPage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    health: Health,
    chart: Option<Chart>,
    /// The name of the time that the chart goes back.
    range: &'static str,
    latest: Vec<Attempt>,
    held: Waiting,
    scheduled: Waiting,
}

#[derive(Template)]
#[template(path = "enable.html")]
struct EnablePage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    held: Waiting,
}

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    waiting: Waiting,
    is_misspelt: bool,
}

/// The number of waiting deliveries, up to a bound.
pub(crate) struct Waiting {
    count: usize,
    is_more: bool,
}

impl Waiting {
    async fn of(visitor: &Visitor, endpoint: &str, states: &str) -> Self {
        let path = format!("/deliveries?endpoint_id={endpoint}&state={states}&limit={COUNTED}");
        let list = visitor.try_get::<List<Delivery>>(path).await;
        let (count, is_more) = list.map_or((0, false), |list| (list.data.len(), list.next.is_some()));
        Self { count, is_more }
    }

    fn is_none(&self) -> bool {
        self.count == 0 && !self.is_more
    }
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.count, if self.is_more { "+" } else { "" })
    }
}

impl EndpointPage<'_> {
    /// Advice for the people who run the receiver.
    fn advice(&self) -> String {
        self.v.t(&format!("health-{}-advice", self.health.name()))
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let (chart, latest, held, scheduled) = futures::join!(
        chart::latest(&visitor, &fields, Some(&endpoint.id)),
        latest(&visitor, &endpoint.id, LATEST),
        Waiting::of(&visitor, &endpoint.id, "held"),
        Waiting::of(&visitor, &endpoint.id, "scheduled"),
    );
    let page = EndpointPage {
        v: &visitor,
        endpoint: &endpoint,
        health: Health::of(&endpoint, latest.first()),
        chart,
        range: chart::range(&fields).0,
        latest,
        held,
        scheduled,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// Asks what becomes of what is held, if anything is.
pub(crate) async fn ask_enable(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let page = EnablePage {
        v: &visitor,
        endpoint: &endpoint,
        held: Waiting::of(&visitor, &id, "held").await,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(crate) async fn enable(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let held = if fields.text("held") == "cancel" {
        "cancel"
    } else {
        "release"
    };
    switch(&visitor, &id, "enable", &json!({ "held": held })).await?;
    Ok(back(&visitor, &id, &fields))
}

pub(crate) async fn disable(
    visitor: Visitor,
    Path(id): Path<String>,
    Form(fields): Form,
) -> Result<Response, Response> {
    switch(&visitor, &id, "disable", &Value::Null).await?;
    Ok(back(&visitor, &id, &fields))
}

async fn switch(visitor: &Visitor, id: &str, action: &str, body: &Value) -> Result<(), Response> {
    let switched = visitor
        .send::<Value>(Method::POST, format!("/endpoints/{id}/{action}"), body)
        .await;
    switched.map(drop).map_err(|refusal| visitor.refused(&refusal))
}

/// To the list if the switch was pressed there.
fn back(visitor: &Visitor, id: &str, fields: &Fields) -> Response {
    match fields.text("from") {
        "list" => visitor.lead(""),
        _ => visitor.lead(format!("/endpoints/{id}")),
    }
}

pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    delete_page(&visitor, &id, false).await
}

/// Deletes the endpoint; while something waits for it, only with its name typed in.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let waiting = Waiting::of(&visitor, &id, "held,scheduled,pending").await;
    if !waiting.is_none() && fields.text("confirm") != confirmation(&endpoint) {
        return delete_page(&visitor, &id, true).await;
    }
    let deleted = visitor
        .send::<Value>(Method::DELETE, format!("/endpoints/{id}"), &Value::Null)
        .await;
    let refused = |refusal: Refusal| visitor.refused(&refusal);
    deleted.map_err(refused)?;
    Ok(visitor.lead(""))
}

async fn delete_page(visitor: &Visitor, id: &str, is_misspelt: bool) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let page = DeletePage {
        v: visitor,
        endpoint: &endpoint,
        waiting: Waiting::of(visitor, id, "held,scheduled,pending").await,
        is_misspelt,
    };
    let status = if is_misspelt {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Ok(visitor.page(status, &page))
}

/// The text to type for deleting an endpoint: its name, or its id if it has none.
pub(crate) fn confirmation(endpoint: &Endpoint) -> &str {
    match endpoint.name.trim() {
        "" => &endpoint.id,
        name => name,
    }
}
