//! `/webhooks/keys`: the tenant's keys and portal links; makes them, replaces them and ends them.

use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_domain::Timestamp;

use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{List, PortalLink};
use crate::visitor::Visitor;

const SCOPES: [&str; 3] = ["publish", "read", "manage"];
/// The overlaps to choose from, as the API takes them.
const OVERLAPS: [&str; 4] = ["0s", "1h", "24h", "7days"];
/// The lifetimes of portal links to choose from.
const LENGTHS: [&str; 4] = ["15m", "1h", "24h", "7days"];
/// The first values of a link's form.
const NEW_LINK: &str = "expires_in=1h&read_only=on";
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage<'a> {
    v: &'a Visitor,
    keys: Vec<Key>,
    next: Option<String>,
    made: Option<Made>,
    refusal: Option<&'a Refusal>,
    /// The values of a new link's form.
    link: &'a Fields,
    once: String,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    name: String,
    scopes: Vec<String>,
    hint: String,
    portal: bool,
    once: bool,
    exchanged_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

/// A new key or link, which is shown only once.
enum Made {
    Token(String),
    Link(String),
}

/// A key that was just made.
#[derive(Deserialize)]
struct NewKey {
    token: String,
}

impl KeysPage<'_> {
    fn scopes(&self) -> [&'static str; 3] {
        SCOPES
    }

    fn overlaps(&self) -> [&'static str; 4] {
        OVERLAPS
    }

    fn lengths(&self) -> [&'static str; 4] {
        LENGTHS
    }

    fn is_at(&self, field: &str) -> bool {
        self.refusal.and_then(|refusal| refusal.field.as_deref()) == Some(field)
    }

    fn is_over(&self, key: &Key) -> bool {
        key.expires_at.is_some_and(|at| at <= Timestamp::now())
    }
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    page(&visitor, fields.given("after"), None, None, &Fields::of(NEW_LINK)).await
}

/// Makes a key. Its token is in the answer to the form, and nowhere else.
pub(crate) async fn create(visitor: Visitor, Form(fields): Form) -> Result<Response, Response> {
    let scopes: Vec<_> = fields.all("scope").collect();
    let days = fields.given("days").map(str::parse::<u32>);
    let expires_at = match days {
        None => None,
        Some(Ok(days)) => fields.shown_at().checked_add(DAY.saturating_mul(days)).ok(),
        Some(Err(_)) => return refused(&visitor, &invalid(&visitor, "days", "settings-number")).await,
    };
    if scopes.is_empty() {
        return refused(&visitor, &invalid(&visitor, "scope", "keys-no-scope")).await;
    }
    let body = json!({ "name": fields.text("name"), "scopes": scopes, "expires_at": expires_at });
    let made = visitor.send_once::<NewKey>("/api-keys", &body, &fields).await;
    answer(&visitor, made.map(|made| Made::Token(made.token))).await
}

/// Makes the successor of a key.
pub(crate) async fn rotate(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let body = json!({ "overlap": fields.given("overlap").unwrap_or("24h") });
    let made = visitor
        .send_once::<NewKey>(format!("/api-keys/{id}/rotate"), &body, &fields)
        .await;
    answer(&visitor, made.map(|made| Made::Token(made.token))).await
}

/// Ends a key or a portal link.
pub(crate) async fn revoke(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let ended = visitor
        .send::<Value>(Method::DELETE, format!("/api-keys/{id}"), &Value::Null)
        .await;
    match ended {
        Ok(_) => Ok(visitor.lead("/keys")),
        Err(refusal) => refused(&visitor, &refusal).await,
    }
}

pub(crate) async fn link(visitor: Visitor, Form(fields): Form) -> Result<Response, Response> {
    let tenant = visitor.caller.tenant(None).ok().flatten();
    let tenant = tenant.map(|id| id.to_string()).unwrap_or_default();
    let body = json!({
        "expires_in": fields.given("expires_in"),
        "read_only": fields.has("read_only"),
        "once": fields.has("works_once"),
        "page": fields.given("page"),
        "lang": fields.given("lang"),
        "accent": fields.given("accent"),
    });
    let made = visitor
        .send_once::<PortalLink>(format!("/tenants/{tenant}/portal-links"), &body, &fields)
        .await;
    match made {
        Ok(link) => answer(&visitor, Ok(Made::Link(link.url))).await,
        Err(refusal) => corrected(&visitor, &refusal, &fields).await,
    }
}

async fn answer(visitor: &Visitor, made: Result<Made, Refusal>) -> Result<Response, Response> {
    match made {
        Ok(made) => page(visitor, None, Some(made), None, &Fields::of(NEW_LINK)).await,
        Err(refusal) => refused(visitor, &refusal).await,
    }
}

fn invalid(visitor: &Visitor, field: &str, key: &str) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST.as_u16(),
        code: "field_invalid".into(),
        detail: visitor.t(key),
        field: Some(field.into()),
    }
}

/// The page with what was refused; without the list for who may not see it.
async fn refused(visitor: &Visitor, refusal: &Refusal) -> Result<Response, Response> {
    corrected(visitor, refusal, &Fields::of(NEW_LINK)).await
}

/// The same with what the form of a link had, to be corrected.
async fn corrected(visitor: &Visitor, refusal: &Refusal, link: &Fields) -> Result<Response, Response> {
    match page(visitor, None, None, Some(refusal), link).await {
        Ok(page) => Ok(page),
        Err(_) => Err(visitor.refused(refusal)),
    }
}

async fn page(
    visitor: &Visitor,
    after: Option<&str>,
    made: Option<Made>,
    refusal: Option<&Refusal>,
    link: &Fields,
) -> Result<Response, Response> {
    let more: Vec<_> = [("portal", "true")]
        .into_iter()
        .chain(after.map(|after| ("after", after)))
        .collect();
    let list: List<Key> = visitor
        .get(format!("/api-keys?{}", Fields::default().query(&[], &more)))
        .await?;
    let page = KeysPage {
        v: visitor,
        keys: list.data,
        next: list
            .next
            .map(|after| Fields::default().query(&[], &[("after", after.as_str())])),
        made,
        refusal,
        link,
        once: tidings_domain::EventId::new().to_string(),
    };
    let status = refusal.map_or(200, |refusal| refusal.status);
    Ok(visitor.page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page))
}
