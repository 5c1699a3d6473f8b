//! The pages of a tenant's people, one file per page.

mod absence;
mod attempt;
mod audit;
mod create;
mod deliveries;
mod difference;
mod endpoint;
mod endpoints;
mod event_types;
mod events;
mod filters;
mod keys;
mod logs;
mod recover;
mod replays;
mod secret;
mod settings;
mod signature;
mod tenant_settings;
mod test;
mod verify;

pub(crate) use self::endpoint::confirmation;
pub(crate) use self::logs::instant;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde::de::IgnoredAny;

use crate::Console;
use crate::form::Fields;
use crate::rest::Refusal;
use crate::shapes::{Event, List};
use crate::visitor::Visitor;

pub(crate) fn router() -> Router<Console> {
    Router::new()
        .route("/webhooks", get(endpoints::list))
        .route("/webhooks/event-types", get(event_types::list))
        .route(
            "/webhooks/event-types/{name}",
            get(event_types::show).post(event_types::check),
        )
        .route("/webhooks/keys", get(keys::list).post(keys::create))
        .route("/webhooks/keys/link", get(keys::list).post(keys::link))
        .route("/webhooks/keys/{id}/rotate", get(keys::list).post(keys::rotate))
        .route("/webhooks/keys/{id}/revoke", get(keys::list).post(keys::revoke))
        .route("/webhooks/audit", get(audit::list))
        .route(
            "/webhooks/settings",
            get(tenant_settings::ask).post(tenant_settings::save),
        )
        .merge(pages("/webhooks", "/webhooks/logs"))
        // An operator sees the same pages of any tenant.
        .merge(pages("/admin", "/admin/webhook-logs"))
        .route("/webhooks/{*page}", get(nothing_here))
        .route("/admin/{*page}", get(nothing_here))
}

fn pages(home: &str, logs: &str) -> Router<Console> {
    let pages = Router::new()
        .route("/new", get(create::ask).post(create::create))
        .route("/endpoints/{id}", get(endpoint::show))
        .route(
            "/endpoints/{id}/enable",
            get(endpoint::ask_enable).post(endpoint::enable),
        )
        .route("/endpoints/{id}/disable", post(endpoint::disable))
        .route(
            "/endpoints/{id}/delete",
            get(endpoint::ask_delete).post(endpoint::delete),
        )
        .route("/endpoints/{id}/settings", get(settings::ask).post(settings::save))
        .route("/endpoints/{id}/test", get(test::ask).post(test::send))
        .route("/endpoints/{id}/secret", get(secret::show).post(secret::reveal))
        .route("/endpoints/{id}/filters", get(filters::ask).post(filters::submit))
        .route("/endpoints/{id}/verify", get(verify::show))
        .route("/endpoints/{id}/rotate-secret", post(secret::rotate))
        .route("/endpoints/{id}/recover", get(recover::ask).post(recover::start))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/{id}", get(deliveries::show))
        .route("/deliveries/{id}/retry", post(deliveries::retry))
        .route("/events", get(events::list))
        .route("/events/{id}", get(events::show))
        .route("/replays", get(replays::list))
        .route("/replays/{id}", get(replays::show))
        .route("/replays/{id}/{action}", post(replays::act))
        .route("/go", get(go));
    let logs_pages = Router::new()
        .route("/", get(logs::list))
        .route("/tail", get(logs::tail))
        .route("/export", get(logs::export))
        .route("/{id}", get(attempt::show))
        .route("/{id}/difference", get(difference::show))
        .route("/{id}/verify", get(signature::show).post(signature::reveal))
        .route("/{id}/verify/compare", get(signature::show).post(signature::compare))
        .route("/{id}/{part}", get(attempt::body));
    Router::new().nest(home, pages).nest(logs, logs_pages)
}

/// Leads to whatever has this id, name or idempotency key.
async fn go(visitor: Visitor, fields: Fields) -> Response {
    let id = fields.text("q");
    let kind = id.split_once('_').map_or("", |(kind, _)| kind);
    let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match kind {
        "att" if is_id => visitor.redirect(format!("{}/{id}", visitor.realm.logs())),
        "ep" if is_id => visitor.lead(format!("/endpoints/{id}")),
        "dlv" if is_id => visitor.lead(format!("/deliveries/{id}")),
        "evt" if is_id => visitor.lead(format!("/events/{id}")),
        "rpl" if is_id => visitor.lead(format!("/replays/{id}")),
        "key" if is_id && visitor.may_administer() => visitor.lead(format!("/audit?key_id={id}")),
        "ten" if is_id && visitor.is_operator() => visitor.lead(format!("/tenants/{id}")),
        _ if visitor.is_operator()
            && let Some(found) = crate::admin::go(&visitor, id) =>
        {
            found
        }
        _ => match named(&visitor, id).await {
            Some(path) => visitor.lead(path),
            None => visitor.refused(&Refusal {
                status: StatusCode::NOT_FOUND.as_u16(),
                code: "id_unknown".into(),
                detail: visitor.t("go-unknown"),
                field: None,
            }),
        },
    }
}

/// The page of an event that was published with this idempotency key, or of an event type of this name.
async fn named(visitor: &Visitor, name: &str) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    let query = Fields::default().query(&[], &[("idempotency_key", name), ("limit", "1")]);
    let found = visitor.try_get::<List<Event>>(format!("/events?{query}")).await;
    if let Some(event) = found.ok().and_then(|list| list.data.into_iter().next()) {
        return Some(format!("/events/{}", event.id));
    }
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if visitor.is_operator() || !is_name {
        return None;
    }
    let path = format!("/event-types/{name}");
    visitor.try_get::<IgnoredAny>(&path).await.ok().map(|_| path)
}

async fn nothing_here(visitor: Visitor) -> Response {
    visitor.refused(&Refusal {
        status: StatusCode::NOT_FOUND.as_u16(),
        code: "page_unknown".into(),
        detail: visitor.t("page-unknown"),
        field: None,
    })
}
