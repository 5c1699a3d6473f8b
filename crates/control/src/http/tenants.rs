//! `/tenants`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings_domain::{Tenant as Kept, TenantId, Timestamp};
use tidings_service::problem::Problem;
use tidings_service::request::next_page;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Page, location};
use super::keys::ApiKey;
use super::request::{Asked, Body, Id, Known, given, limit};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, delete))
}

/// A new tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, example = "Acme")]
    name: String,
}

/// A customer of the product that runs Tidings.
#[derive(Serialize, ToSchema)]
struct Tenant {
    /// Its id (`ten_…`).
    id: String,
    /// What people call it.
    name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A tenant that was just made.
#[derive(Serialize, ToSchema)]
struct CreatedTenant {
    /// The tenant.
    tenant: Tenant,
    /// Its first key, with all scopes.
    key: ApiKey,
    /// The key's token (`tk_…`), shown this once.
    token: String,
}

/// Which tenants to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// How many at the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where the last page ended: its `next`.
    #[param(pattern = "^ten_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// Makes a tenant and its first key
///
/// Needs an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/tenants", operation_id = "create_tenant", tag = "tenants", request_body = NewTenant,
    responses((status = 201, description = "The tenant, with its first key.", body = CreatedTenant, headers(
        ("Location" = String, description = "Where it is found.")))))]
async fn create(
    State(rest): State<Rest>,
    known: Known,
    Body(asked): Body<NewTenant>,
) -> Result<impl IntoResponse, Problem> {
    let (tenant, key, token) = rest.tenants.create(&known.caller, &asked.name).await?;
    let created = CreatedTenant {
        tenant: Tenant::from(&tenant),
        key: ApiKey::from(&key),
        token: token.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, [location("tenants", &tenant.id)], Json(created)))
}

/// Lists tenants
///
/// Newest first. Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/tenants", operation_id = "list_tenants", tag = "tenants", params(Which), responses(
    (status = 200, description = "The tenants.", body = Page<Tenant>)))]
async fn list(
    State(rest): State<Rest>,
    known: Known,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Tenant>>, Problem> {
    let (limit, before) = (limit(which.limit)?, given(which.after.as_deref(), "after")?);
    let tenants = rest.tenants.list(&known.caller, before, limit).await?;
    let next = next_page(&tenants, limit, |tenant| tenant.id.to_string());
    Ok(Json(Page::new(tenants.iter().map(Tenant::from).collect(), next)))
}

/// Shows a tenant
///
/// Needs the scope `read`; a tenant's key sees itself.
#[utoipa::path(get, path = "/tenants/{tenant_id}", operation_id = "show_tenant", tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id.")),
    responses((status = 200, description = "The tenant.", body = Tenant)))]
async fn show(State(rest): State<Rest>, known: Known, Id(id): Id<TenantId>) -> Result<Json<Tenant>, Problem> {
    let tenant = rest.tenants.get(&known.caller, id).await?;
    Ok(Json(Tenant::from(&tenant)))
}

/// Deletes a tenant with its keys and endpoints
///
/// Its open deliveries are cancelled; its log stays. Needs an operator's key with the scope `manage`.
#[utoipa::path(delete, path = "/tenants/{tenant_id}", operation_id = "delete_tenant", tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id.")),
    responses((status = 204, description = "It is gone.")))]
async fn delete(State(rest): State<Rest>, known: Known, Id(id): Id<TenantId>) -> Result<StatusCode, Problem> {
    rest.tenants.delete(&known.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<&Kept> for Tenant {
    fn from(tenant: &Kept) -> Self {
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            created_at: tenant.created_at,
        }
    }
}
