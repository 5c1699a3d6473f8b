//! `/admin/tenants`: tenants, and looking at their webhooks as they do.

use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header::SET_COOKIE;
use http::{Method, StatusCode};
use serde_json::json;

use crate::form::{Fields, Form};
use crate::link::Look;
use crate::rest::Refusal;
use crate::session::Realm;
use crate::shapes::{Endpoint, List, NewTenant, PortalLink, Tenant};
use crate::visitor::Visitor;

/// The lifetime of an operator's look at a tenant's pages.
const LOOK: &str = "30m";

#[derive(Template)]
#[template(path = "tenants.html")]
struct TenantsPage<'a> {
    v: &'a Visitor,
    tenants: Vec<Tenant>,
    next: Option<String>,
    made: Option<NewTenant>,
    refusal: Option<Refusal>,
    once: String,
}

#[derive(Template)]
#[template(path = "tenant.html")]
struct TenantPage<'a> {
    v: &'a Visitor,
    tenant: &'a Tenant,
    endpoints: List<Endpoint>,
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    page(&visitor, &fields, None, None).await
}

/// Makes a tenant and shows its first key, which can't be had again.
pub(crate) async fn create(visitor: Visitor, Form(fields): Form) -> Result<Response, Response> {
    let body = json!({ "name": fields.text("name") });
    let made = visitor.send_once::<NewTenant>("/tenants", &body, &fields).await;
    match made {
        Ok(made) => page(&visitor, &Fields::default(), Some(made), None).await,
        Err(refusal) => page(&visitor, &Fields::default(), None, Some(refusal)).await,
    }
}

async fn page(
    visitor: &Visitor,
    fields: &Fields,
    made: Option<NewTenant>,
    refusal: Option<Refusal>,
) -> Result<Response, Response> {
    let list: List<Tenant> = visitor
        .get(format!("/tenants?{}", fields.query(&["after"], &[])))
        .await?;
    let status = refusal.as_ref().map_or(200, |refusal| refusal.status);
    let page = TenantsPage {
        v: visitor,
        tenants: list.data,
        next: list.next,
        made,
        refusal,
        once: tidings_domain::EventId::new().to_string(),
    };
    Ok(visitor.page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page))
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let tenant: Tenant = visitor.get(format!("/tenants/{id}")).await?;
    let endpoints: List<Endpoint> = visitor.get(format!("/endpoints?tenant_id={id}&limit=100")).await?;
    let page = TenantPage {
        v: &visitor,
        tenant: &tenant,
        endpoints,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// Begins a session that sees what the tenant's people see and changes nothing. The audit log has the link it is made of.
pub(crate) async fn look(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let body = json!({ "expires_in": LOOK, "read_only": true });
    let link = visitor
        .send::<PortalLink>(Method::POST, format!("/tenants/{id}/portal-links"), &body)
        .await;
    let link = link.map_err(|refusal| visitor.refused(&refusal))?;
    let cookie = visitor
        .console
        .begin_session(Realm::Tenant, &link.token, Look::default());
    match cookie {
        Some(cookie) => Ok(([(SET_COOKIE, cookie)], visitor.redirect("/webhooks")).into_response()),
        None => Err(visitor.refused(&Refusal::default())),
    }
}
