//! `/api-keys`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings_domain::{ApiKey as Kept, KeyId, Timestamp};
use tidings_service::problem::{Document, Problem};
use tidings_service::request::next_page;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::Page;
use super::request::{Asked, Body, Id, given, length, limit};
use crate::call::Call;
use crate::keys::{NewKey, WhichKeys, read_scopes};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(revoke))
        .routes(routes!(rotate))
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// The tenant it is to belong to; with an operator's key, an operator's key is made if this is left out.
    tenant_id: Option<String>,
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 100, example = "Publisher in Frankfurt")]
    name: String,
    /// What it may be used for: `publish`, `read`, `manage`; all of them if left out.
    #[schema(min_items = 1, example = json!(["publish"]))]
    scopes: Option<Vec<String>>,
    /// When it stops working (RFC 3339); never if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A key, without its token.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKey {
    /// Its id (`key_…`).
    id: String,
    /// The tenant it belongs to; null for an operator's key.
    tenant_id: Option<String>,
    /// What people call it; may be empty.
    name: String,
    /// What it may be used for.
    scopes: Vec<String>,
    /// The beginning of the token, to tell keys apart.
    hint: String,
    /// Whether it is the key of a portal link.
    portal: bool,
    /// When it stops working, if ever.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used, known within half a minute; null if it was not yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    /// The key.
    key: ApiKey,
    /// Its token (`tk_…`), shown this once.
    token: String,
}

/// How to replace a key.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyRotation {
    /// How long the old key goes on working: up to `30days`, `24h` if left out, `0s` for not at all.
    #[schema(example = "24h")]
    overlap: Option<String>,
    /// When the new key stops working (RFC 3339). If left out, never where the old one did not, otherwise after as long
    /// as the old one was made for.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// The successor of a key.
#[derive(Serialize, ToSchema)]
struct RotatedApiKey {
    /// The new key.
    key: ApiKey,
    /// Its token (`tk_…`), shown this once.
    token: String,
    /// When the old key stops working.
    #[schema(value_type = String, format = DateTime)]
    previous_expires_at: Timestamp,
}

/// Which keys to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The tenant; with an operator's key, the operators' keys if left out.
    tenant_id: Option<String>,
    /// Whether those of portal links are listed as well.
    #[serde(default)]
    portal: bool,
    /// How many at the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where the last page ended: its `next`.
    #[param(pattern = "^key_[0-9a-f]{32}$")]
    after: Option<String>,
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
    call: Call,
    Body(asked): Body<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), Problem> {
    let new = NewKey {
        tenant: given(asked.tenant_id.as_deref(), "tenant_id")?,
        name: asked.name,
        scopes: match asked.scopes.as_deref() {
            Some([]) => {
                let detail =
                    "a key without scopes is good for nothing: name one, or leave `scopes` out for all of them";
                return Err(Problem::invalid("scopes_invalid", detail).at("scopes"));
            }
            scopes => read_scopes(scopes.unwrap_or_default())?,
        },
        expires_at: asked.expires_at,
    };
    let (key, token) = rest.keys.create(&call, new).await?;
    let created = CreatedApiKey {
        key: ApiKey::from(&key),
        token: token.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Lists keys
///
/// Newest first, without their tokens. Needs the scope `manage`.
#[utoipa::path(get, path = "/api-keys", operation_id = "list_keys", tag = "api-keys", params(Which), responses(
    (status = 200, description = "The keys.", body = Page<ApiKey>),
    (status = 404, description = "There is no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn list(State(rest): State<Rest>, call: Call, Asked(which): Asked<Which>) -> Result<Json<Page<ApiKey>>, Problem> {
    let which = WhichKeys {
        tenant: given(which.tenant_id.as_deref(), "tenant_id")?,
        portal: which.portal,
        before: given(which.after.as_deref(), "after")?,
        limit: limit(which.limit)?,
    };
    let keys = rest.keys.list(&call, &which).await?;
    let next = next_page(&keys, which.limit, |key| key.id.to_string());
    Ok(Json(Page::new(keys.iter().map(ApiKey::from).collect(), next)))
}

/// Makes a key stop working
///
/// Within a second. Needs the scope `manage`.
#[utoipa::path(delete, path = "/api-keys/{key_id}", operation_id = "revoke_key", tag = "api-keys",
    params(("key_id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "It is gone.")))]
async fn revoke(State(rest): State<Rest>, call: Call, Id(id): Id<KeyId>) -> Result<StatusCode, Problem> {
    rest.keys.revoke(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes the successor of a key
///
/// Another token with the same name and scopes; the old key works for a while longer. Needs the scope `manage`, and those
/// of the key.
#[utoipa::path(post, path = "/api-keys/{key_id}/rotate", operation_id = "rotate_key", tag = "api-keys",
    request_body = Option<KeyRotation>,
    params(("key_id" = String, Path, description = "The key's id.")),
    responses(
        (status = 201, description = "The new key, with its token.", body = RotatedApiKey),
        (status = 409, description = "It is the key of a portal link.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn rotate(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<KeyId>,
    Body(asked): Body<Option<KeyRotation>>,
) -> Result<(StatusCode, Json<RotatedApiKey>), Problem> {
    let asked = asked.unwrap_or_default();
    let overlap = asked.overlap.map(|text| length(&text, "overlap")).transpose()?;
    let rotated = rest.keys.rotate(&call, id, overlap, asked.expires_at).await?;
    let rotated = RotatedApiKey {
        key: ApiKey::from(&rotated.key),
        token: rotated.token.reveal().to_owned(),
        previous_expires_at: rotated.previous_expires_at,
    };
    Ok((StatusCode::CREATED, Json(rotated)))
}

impl From<&Kept> for ApiKey {
    fn from(key: &Kept) -> Self {
        Self {
            id: key.id.to_string(),
            tenant_id: key.tenant.map(|id| id.to_string()),
            name: key.name.clone(),
            scopes: key.scopes.iter().map(ToString::to_string).collect(),
            hint: key.hint.clone(),
            portal: key.portal,
            expires_at: key.expires_at,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
        }
    }
}
