//! `/webhooks/endpoints/{id}/secret`: which secret signs; shows it when asked, and replaces it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Endpoint, Secret};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "secret.html")]
struct SecretPage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    revealed: Option<String>,
    is_rotated: bool,
    refusal: Option<&'a Refusal>,
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    page(&visitor, &id, None, fields.has("rotated"), None).await
}

/// Shows the secret in the answer to a form, which no link, prefetch or history leads to.
pub(crate) async fn reveal(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let secret: Secret = visitor.get(format!("/endpoints/{id}/secret")).await?;
    page(&visitor, &id, secret.secret, false, None).await
}

pub(crate) async fn rotate(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let overlap = fields.given("overlap").unwrap_or("24h");
    let body = json!({ "secret": fields.given("secret"), "overlap": overlap });
    let rotated = visitor
        .send::<Value>(Method::POST, format!("/endpoints/{id}/rotate-secret"), &body)
        .await;
    match rotated {
        Ok(_) => Ok(visitor.lead(format!("/endpoints/{id}/secret?rotated=1"))),
        Err(refusal) => page(&visitor, &id, None, false, Some(&refusal)).await,
    }
}

async fn page(
    visitor: &Visitor,
    id: &str,
    revealed: Option<String>,
    is_rotated: bool,
    refusal: Option<&Refusal>,
) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let page = SecretPage {
        v: visitor,
        endpoint: &endpoint,
        revealed,
        is_rotated,
        refusal,
    };
    let status = refusal.map_or(200, |refusal| refusal.status);
    Ok(visitor.page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page))
}
