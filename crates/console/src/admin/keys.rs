//! `/admin/keys`: the operators' keys.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::shapes::{Key, NewKey};
use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::List;
use crate::visitor::Visitor;

const SCOPES: [&str; 3] = ["publish", "read", "manage"];
/// For how many days a new key can work; for ever if 0.
const DAYS: [i64; 5] = [1, 30, 90, 365, 0];

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct KeysPage<'a> {
    v: &'a Visitor,
    keys: Vec<Key>,
    next: Option<String>,
    made: Option<NewKey>,
    refusal: Option<Refusal>,
    once: String,
}

#[derive(Template)]
#[template(path = "admin/revoke.html")]
struct RevokePage<'a> {
    v: &'a Visitor,
    key: &'a Key,
}

impl KeysPage<'_> {
    fn scopes(&self) -> [&'static str; 3] {
        SCOPES
    }

    fn days(&self) -> [i64; 5] {
        DAYS
    }
}

pub(super) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    page(&visitor, &fields, None, None).await
}

/// Makes a key and shows its token, which can't be had again.
pub(super) async fn create(visitor: Visitor, Form(fields): Form) -> Result<Response, Response> {
    let days: i64 = fields.text("days").parse().unwrap_or_default();
    let ends = fields
        .shown_at()
        .checked_add(SignedDuration::from_hours(24 * days))
        .ok();
    let body = json!({
        "name": fields.text("name"),
        "scopes": fields.all("scope").collect::<Vec<_>>(),
        "expires_at": ends.filter(|_| days > 0).map(|at| at.to_string()),
    });
    let made = visitor.send_once::<NewKey>("/api-keys", &body, &fields).await;
    match made {
        Ok(made) => page(&visitor, &Fields::default(), Some(made), None).await,
        Err(refusal) => page(&visitor, &Fields::default(), None, Some(refusal)).await,
    }
}

async fn page(
    visitor: &Visitor,
    fields: &Fields,
    made: Option<NewKey>,
    refusal: Option<Refusal>,
) -> Result<Response, Response> {
    let list: List<Key> = visitor
        .get(format!("/api-keys?{}", fields.query(&["after"], &[])))
        .await?;
    let page = KeysPage {
        v: visitor,
        keys: list.data,
        next: list.next,
        made,
        refusal,
        once: tidings_domain::EventId::new().to_string(),
    };
    Ok(visitor.page(visitor.status(page.refusal.as_ref()), &page))
}

pub(super) async fn ask_revoke(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let list: List<Key> = visitor.get("/api-keys?limit=200").await?;
    let found = list.data.iter().find(|key| key.id == id);
    let key = found.ok_or_else(|| {
        visitor.refused(&Refusal {
            status: StatusCode::NOT_FOUND.as_u16(),
            code: "key_unknown".into(),
            detail: visitor.t("key-gone"),
            field: None,
        })
    })?;
    Ok(visitor.page(StatusCode::OK, &RevokePage { v: &visitor, key }))
}

pub(super) async fn revoke(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let revoked = visitor
        .send::<Value>(Method::DELETE, format!("/api-keys/{id}"), &Value::Null)
        .await;
    revoked.map_err(|refusal| visitor.refused(&refusal))?;
    Ok(visitor.lead("/keys"))
}
