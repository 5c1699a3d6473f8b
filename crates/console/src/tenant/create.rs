//! `/webhooks/new`: makes an endpoint.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::settings::{Choices, pattern_list};
use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Dialect, Endpoint};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "create.html")]
struct CreatePage<'a> {
    v: &'a Visitor,
    fields: &'a Fields,
    choices: &'a Choices,
    refusal: Option<&'a Refusal>,
    /// The idempotency key of the form, so that a second submission does nothing.
    once: String,
}

impl CreatePage<'_> {
    /// The chosen dialect; none for the one that is made for the URL.
    fn dialect(&self) -> &str {
        self.fields.text("dialect")
    }

    fn is_at(&self, field: &str) -> bool {
        self.refusal.and_then(|refusal| refusal.field.as_deref()) == Some(field)
    }

    fn dialects(&self) -> &[Dialect] {
        &self.choices.dialects
    }

    fn has_event(&self, name: &str) -> bool {
        self.fields.all("event").any(|event| event == name)
    }
}

pub(crate) async fn ask(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let choices = Choices::of(&visitor, fields.text("dialect")).await?;
    Ok(page(&visitor, StatusCode::OK, &fields, &choices, None))
}

/// Makes the endpoint, off until its owner turns it on if so asked, and leads to its test.
pub(crate) async fn create(visitor: Visitor, Form(fields): Form) -> Result<Response, Response> {
    let made = visitor
        .send_once::<Endpoint>("/endpoints", &body(&visitor, &fields), &fields)
        .await;
    match made {
        Ok(endpoint) => Ok(visitor.lead(format!("/endpoints/{}/test?made=1", endpoint.id))),
        Err(refusal) => {
            let choices = Choices::of(&visitor, fields.text("dialect")).await?;
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            Ok(page(&visitor, status, &fields, &choices, Some(&refusal)))
        }
    }
}

fn body(visitor: &Visitor, fields: &Fields) -> Value {
    let subscriptions: Vec<_> = pattern_list(fields)
        .map(|pattern| json!({ "pattern": pattern }))
        .collect();
    let mut body = json!({
        "name": fields.text("name"),
        "url": fields.text("url"),
        "subscriptions": subscriptions,
        "enabled": !fields.has("off"),
    });
    for name in ["dialect", "secret", "contact"] {
        if let Some(value) = fields.given(name) {
            body[name] = value.into();
        }
    }
    if visitor.is_operator()
        && let Some(tenant) = fields.given("tenant_id")
    {
        body["tenant_id"] = tenant.into();
    }
    body
}

fn page(
    visitor: &Visitor,
    status: StatusCode,
    fields: &Fields,
    choices: &Choices,
    refusal: Option<&Refusal>,
) -> Response {
    let page = CreatePage {
        v: visitor,
        fields,
        choices,
        refusal,
        // A refused form may be corrected, which makes it another request.
        once: tidings_domain::EventId::new().to_string(),
    };
    visitor.page(status, &page)
}
