//! The pages of a tenant's people, one file per page.

mod attempt;
mod create;
mod deliveries;
mod endpoint;
mod endpoints;
mod events;
mod logs;
mod recover;
mod replays;
mod secret;
mod settings;
mod test;

pub(crate) use self::endpoint::confirmation;
pub(crate) use self::logs::instant;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use crate::Console;
use crate::form::Fields;
use crate::rest::Refusal;
use crate::visitor::Visitor;

pub(crate) fn router() -> Router<Console> {
    Router::new()
        .route("/webhooks", get(endpoints::list))
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
        .route("/{id}/{part}", get(attempt::body));
    Router::new().nest(home, pages).nest(logs, logs_pages)
}

/// Leads to whatever has this id.
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
        _ if visitor.is_operator()
            && let Some(found) = crate::admin::go(&visitor, id) =>
        {
            found
        }
        _ => visitor.refused(&Refusal {
            status: StatusCode::NOT_FOUND.as_u16(),
            code: "id_unknown".into(),
            detail: visitor.t("go-unknown"),
            field: None,
        }),
    }
}

async fn nothing_here(visitor: Visitor) -> Response {
    visitor.refused(&Refusal {
        status: StatusCode::NOT_FOUND.as_u16(),
        code: "page_unknown".into(),
        detail: visitor.t("page-unknown"),
        field: None,
    })
}
