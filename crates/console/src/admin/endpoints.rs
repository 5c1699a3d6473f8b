//! `/admin/endpoints`: endpoints of all tenants, by how they stand, their host and their dialect.

use askama::Template;
use axum::response::Response;

use crate::form::Fields;
use crate::rest::Refusal;
use crate::shapes::{Dialect, Endpoint, List};
use crate::visitor::Visitor;

const FILTERS: [&str; 4] = ["tenant_id", "state", "host", "dialect"];
const STATES: [&str; 4] = ["on", "failing", "off", "turned_off"];

#[derive(Template)]
#[template(path = "admin/endpoints.html")]
struct EndpointsPage<'a> {
    v: &'a Visitor,
    fields: &'a Fields,
    endpoints: Vec<Endpoint>,
    dialects: Vec<Dialect>,
    next: Option<String>,
    refusal: Option<Refusal>,
}

impl EndpointsPage<'_> {
    fn states(&self) -> [&'static str; 4] {
        STATES
    }

    fn is_chosen(&self, name: &str, value: &str) -> bool {
        self.fields.text(name) == value
    }

    /// The endpoint's state in the words of the filter.
    fn state(&self, endpoint: &Endpoint) -> &'static str {
        match (endpoint.enabled, &endpoint.disabled_reason, endpoint.failing_since) {
            (true, _, None) => "on",
            (true, _, Some(_)) => "failing",
            (false, None, _) => "off",
            (false, Some(_), _) => "turned_off",
        }
    }

    /// The name of its look.
    fn look(&self, endpoint: &Endpoint) -> &'static str {
        match self.state(endpoint) {
            "on" => "works",
            "off" => "off",
            _ => "failing",
        }
    }
}

pub(super) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let query = fields.query(&[&FILTERS[..], &["after"]].concat(), &[("limit", "50")]);
    let found = visitor.try_get::<List<Endpoint>>(format!("/endpoints?{query}")).await;
    let (found, refusal) = match found {
        Ok(list) => (list, None),
        Err(refusal) => (List::empty(), Some(refusal)),
    };
    let dialects: List<Dialect> = visitor.get("/dialects").await?;
    let page = EndpointsPage {
        v: &visitor,
        fields: &fields,
        endpoints: found.data,
        dialects: dialects.data,
        next: found
            .next
            .map(|after| fields.query(&FILTERS, &[("after", after.as_str())])),
        refusal,
    };
    Ok(visitor.page(visitor.status(page.refusal.as_ref()), &page))
}
