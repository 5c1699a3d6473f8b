//! `/webhooks/deliveries`: one event for one endpoint, how it got on and what comes next.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::Value;

use super::attempt::Timeline;
use crate::form::Fields;
use crate::shapes::{Delivery, Endpoint, Explanation, List, Retry};
use crate::visitor::Visitor;

const FILTERS: [&str; 6] = ["tenant_id", "endpoint_id", "event_id", "state", "since", "until"];
const STATES: [&str; 6] = ["pending", "scheduled", "held", "succeeded", "exhausted", "cancelled"];

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage<'a> {
    v: &'a Visitor,
    fields: &'a Fields,
    deliveries: Vec<Delivery>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage<'a> {
    v: &'a Visitor,
    delivery: &'a Delivery,
    explanation: Explanation,
    endpoint: Option<Endpoint>,
    timeline: Timeline,
}

impl DeliveriesPage<'_> {
    fn states(&self) -> [&'static str; 6] {
        STATES
    }

    fn is_chosen(&self, state: &str) -> bool {
        self.fields.text("state") == state
    }
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let names = [&FILTERS[..], &["after"]].concat();
    let list: List<Delivery> = visitor
        .get(format!("/deliveries?{}", fields.query(&names, &[])))
        .await?;
    let next = list
        .next
        .map(|after| fields.query(&FILTERS, &[("after", after.as_str())]));
    let page = DeliveriesPage {
        v: &visitor,
        fields: &fields,
        deliveries: list.data,
        next,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let delivery: Delivery = visitor.get(format!("/deliveries/{id}")).await?;
    let explanation: Explanation = visitor.get(format!("/deliveries/{id}/explain")).await?;
    let endpoint = visitor
        .try_get::<Endpoint>(format!("/endpoints/{}", delivery.endpoint_id))
        .await
        .ok();
    let page = DeliveryPage {
        v: &visitor,
        delivery: &delivery,
        explanation,
        timeline: Timeline::of(&visitor, &delivery, endpoint.as_ref()).await,
        endpoint,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// Sends the delivery again, or ends its wait; leads to the delivery to look at.
pub(crate) async fn retry(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let retried = visitor
        .send::<Retry>(Method::POST, format!("/deliveries/{id}/retry"), &Value::Null)
        .await;
    match retried {
        Ok(retry) => Ok(visitor.lead(format!("/deliveries/{}", retry.delivery_id))),
        Err(refusal) => Err(visitor.refused(&refusal)),
    }
}
