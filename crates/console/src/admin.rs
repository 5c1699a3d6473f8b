//! The pages of operators, one file per page.

mod audit;
mod dialects;
mod endpoints;
mod event_types;
mod keys;
mod overview;
mod queues;
mod shapes;
mod system;
mod tenants;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

use crate::Console;
use crate::visitor::Visitor;

/// The pages by which operators run the system, by their paths below `/admin`.
pub(crate) const OPERATION: [(&str, &str); 6] = [
    ("/queues", "nav-queues"),
    ("/event-types", "nav-event-types"),
    ("/dialects", "nav-dialects"),
    ("/keys", "nav-keys"),
    ("/audit", "nav-admin-audit"),
    ("/system", "nav-system"),
];

pub(crate) fn router() -> Router<Console> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/tenants", get(tenants::list).post(tenants::create))
        .route("/admin/tenants/{id}", get(tenants::show))
        .route("/admin/tenants/{id}/look", post(tenants::look))
        .route("/admin/endpoints", get(endpoints::list))
        .route("/admin/queues", get(queues::list))
        .route("/admin/queues/{queue}", get(queues::messages))
        .route(
            "/admin/queues/{queue}/all/{action}",
            get(queues::ask_all).post(queues::settle_all),
        )
        .route("/admin/queues/{queue}/messages/{id}", get(queues::message))
        .route("/admin/queues/{queue}/messages/{id}/body", get(queues::body))
        .route(
            "/admin/queues/{queue}/messages/{id}/{action}",
            get(queues::ask).post(queues::settle),
        )
        .route("/admin/event-types", get(event_types::list).post(event_types::add))
        .route(
            "/admin/event-types/{name}",
            get(event_types::show).post(event_types::add),
        )
        .route("/admin/dialects", get(dialects::list))
        .route("/admin/dialects/{name}", get(dialects::show).post(dialects::preview))
        .route("/admin/keys", get(keys::list).post(keys::create))
        .route("/admin/keys/{id}/revoke", get(keys::ask_revoke).post(keys::revoke))
        .route("/admin/audit", get(audit::list))
        .route("/admin/system", get(system::show))
}

/// The page that an operator finds by this name: of ids that only operators know, and of hosts.
pub(crate) fn go(visitor: &Visitor, name: &str) -> Option<Response> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || !name.bytes().all(is_plain) {
        return None;
    }
    match name.split_once('_').map_or("", |(kind, _)| kind) {
        "ten" => Some(visitor.lead(format!("/tenants/{name}"))),
        "key" => Some(visitor.lead(format!("/audit?key_id={name}"))),
        _ if name.contains('.') && !name.contains('_') => Some(visitor.lead(format!("/endpoints?host={name}"))),
        _ => None,
    }
}
