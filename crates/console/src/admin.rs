//! The pages of operators.

mod tenants;

use axum::Router;
use axum::routing::{get, post};

use crate::Console;

pub(crate) fn router() -> Router<Console> {
    Router::new()
        .route("/admin", get(tenants::list))
        .route("/admin/tenants", get(tenants::list).post(tenants::create))
        .route("/admin/tenants/{id}", get(tenants::show))
        .route("/admin/tenants/{id}/look", post(tenants::look))
}
