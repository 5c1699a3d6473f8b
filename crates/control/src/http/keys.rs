//! `/api-keys`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings_domain::{ApiKey as Kept, KeyId, TenantId, Timestamp};
use tidings_service::problem::{Document, Problem};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::Page;
use super::request::{Asked, Body, Id, Known, given};
use crate::tenants::read_scopes;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(revoke))
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// The tenant it is to belong to; with an operator's key, an operator's key is made if this is left out.
    tenant_id: Option<String>,
    /// What it may be used for: `publish`, `read`, `manage`; all of them if left out.
    #[serde(default)]
    #[schema(example = json!(["publish"]))]
    scopes: Vec<String>,
    /// When it stops working (RFC 3339); never if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A key, without its token.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKey {
    /// Its id (`key_…`).
    id: String,
    /// The tenant it belongs to; null for an operator's key.
    tenant_id: Option<String>,
    /// What it may be used for.
    scopes: Vec<String>,
    /// The beginning of the token, to tell keys apart.
    hint: String,
    /// When it stops working, if ever.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    /// The key.
    key: ApiKey,
    /// Its token (`tk_…`), shown this once.
    token: String,
}

/// Whose keys.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// The tenant; with an operator's key, the operators' keys if left out.
    tenant_id: Option<String>,
}

/// Makes a key
///
/// Needs the scope `manage`; nobody can give a scope that they do not have.
#[utoipa::path(post, path = "/api-keys", operation_id = "create_key", tag = "api-keys", request_body = NewApiKey,
    responses(
        (status = 201, description = "The key, with its token.", body = CreatedApiKey),
        (status = 404, description = "There is no such tenant.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn create(
    State(rest): State<Rest>,
    known: Known,
    Body(asked): Body<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), Problem> {
    let tenant: Option<TenantId> = given(asked.tenant_id.as_deref(), "tenant_id")?;
    let scopes = read_scopes(&asked.scopes)?;
    let (key, token) = rest
        .tenants
        .create_key(&known.caller, tenant, scopes, asked.expires_at)
        .await?;
    let created = CreatedApiKey {
        key: ApiKey::from(&key),
        token: token.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Lists keys
///
/// Newest first, without their tokens. Needs the scope `manage`.
#[utoipa::path(get, path = "/api-keys", operation_id = "list_keys", tag = "api-keys", params(Whose), responses(
    (status = 200, description = "The keys.", body = Page<ApiKey>),
    (status = 404, description = "There is no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn list(
    State(rest): State<Rest>,
    known: Known,
    Asked(whose): Asked<Whose>,
) -> Result<Json<Page<ApiKey>>, Problem> {
    let tenant = given(whose.tenant_id.as_deref(), "tenant_id")?;
    let keys = rest.tenants.keys(&known.caller, tenant).await?;
    Ok(Json(Page::all(keys.iter().map(ApiKey::from).collect())))
}

/// Makes a key stop working
///
/// Within a second. Needs the scope `manage`.
#[utoipa::path(delete, path = "/api-keys/{key_id}", operation_id = "revoke_key", tag = "api-keys",
    params(("key_id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "It is gone.")))]
async fn revoke(State(rest): State<Rest>, known: Known, Id(id): Id<KeyId>) -> Result<StatusCode, Problem> {
    rest.tenants.revoke_key(&known.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<&Kept> for ApiKey {
    fn from(key: &Kept) -> Self {
        Self {
            id: key.id.to_string(),
            tenant_id: key.tenant.map(|id| id.to_string()),
            scopes: key.scopes.iter().map(ToString::to_string).collect(),
            hint: key.hint.clone(),
            expires_at: key.expires_at,
            created_at: key.created_at,
        }
    }
}
