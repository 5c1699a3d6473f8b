//! `/api-keys`: keys of tenants and operators.

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
use super::request::{Asked, Body, ByLink, Id, given, length, limit};
use crate::call::Call;
use crate::keys::{NewKey, WhichKeys, read_scopes};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(revoke))
        .routes(routes!(rotate))
        .routes(routes!(exchange))
}

/// A key to create, for a tenant or for operators.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKey {
    /// Tenant that the key gives access to (`ten_…`). If left out, the caller's own tenant; with an operator's key, an
    /// operator's key is created.
    tenant_id: Option<String>,
    /// Display name of at most 100 characters; may be empty.
    #[serde(default)]
    #[schema(max_length = 100, example = "Publisher in Frankfurt")]
    name: String,
    /// Scopes: `publish`, `read`, `manage`; all of them if left out.
    #[schema(min_items = 1, example = json!(["publish"]))]
    scopes: Option<Vec<String>>,
    /// End of its validity (RFC 3339), in the future; unlimited if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A key, without its token.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKey {
    /// The key's id: `key_` and 32 hexadecimal digits.
    id: String,
    /// Tenant that the key belongs to (`ten_…`); null for an operator's key.
    tenant_id: Option<String>,
    /// Display name of at most 100 characters; may be empty.
    name: String,
    /// Scopes of the key: `publish`, `read`, `manage`.
    scopes: Vec<String>,
    /// First 11 characters of the token, to tell keys apart; of the link's token if it is of a link that works once.
    hint: String,
    /// True if it is the key of a portal link.
    portal: bool,
    /// True if it is the key of a portal link that works once.
    once: bool,
    /// Time at which that link's token was exchanged for the key's (RFC 3339); null if it was not.
    #[schema(value_type = Option<String>, format = DateTime)]
    exchanged_at: Option<Timestamp>,
    /// End of its validity (RFC 3339); null if unlimited.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Time of its creation (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Time of its last use (RFC 3339), accurate to half a minute; null if it was not used yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// A key that was just created, with its token.
#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    /// The new key, without its token.
    key: ApiKey,
    /// Its token (`tk_…`), shown this once.
    token: String,
}

/// Options of a key's rotation.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyRotation {
    /// Remaining validity of the old key: up to `30days`, `24h` if left out, `0s` to end it at once.
    #[schema(example = "24h")]
    overlap: Option<String>,
    /// End of the new key's validity (RFC 3339), in the future. If left out, unlimited where the old one's was,
    /// otherwise after as long as the old key was made for.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// The successor of a key, with its token.
#[derive(Serialize, ToSchema)]
struct RotatedApiKey {
    /// The new key, with the name and scopes of the old one.
    key: ApiKey,
    /// Its token (`tk_…`), shown this once.
    token: String,
    /// End of the old key's validity (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    previous_expires_at: Timestamp,
}

/// Query of the list of keys.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Tenant of the keys (`ten_…`). If left out, the caller's own tenant; with an operator's key, the operators' keys
    /// are listed.
    tenant_id: Option<String>,
    /// True to list the keys of portal links as well.
    #[serde(default)]
    portal: bool,
    /// Maximum number of keys on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page; left out for the first one.
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
/// It stops working within a second, in every process. Needs the scope `manage`.
#[utoipa::path(delete, path = "/api-keys/{key_id}", operation_id = "revoke_key", tag = "api-keys",
    params(("key_id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "It is gone.")))]
async fn revoke(State(rest): State<Rest>, call: Call, Id(id): Id<KeyId>) -> Result<StatusCode, Problem> {
    rest.keys.revoke(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes the successor of a key
///
/// The successor has another token and the same name and scopes; the old key works for a while longer. The key of a
/// portal link has none (409). Needs the scope `manage`, and those of the key.
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

/// Exchanges the token of a portal link
///
/// For links that work once. Send the link's token in place of a key: the answer has the token of the link's key, which works
/// until the link expires. Whoever asks first gets it; after that the link's token is refused for good (401
/// `portal_link_used`). The console does this when somebody opens the link.
#[utoipa::path(post, path = "/portal-links/exchange", operation_id = "exchange_portal_link", tag = "api-keys",
    responses(
        (status = 200, description = "The key, with its token.", body = CreatedApiKey),
        (status = 409, description = "The token is a key's, and needs no exchange.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn exchange(State(rest): State<Rest>, ByLink(call, key): ByLink) -> Result<Json<CreatedApiKey>, Problem> {
    let (key, token) = rest.keys.exchange(&call, &key).await?;
    Ok(Json(CreatedApiKey {
        key: ApiKey::from(&key),
        token: token.reveal().to_owned(),
    }))
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
            once: key.link.is_some(),
            exchanged_at: key.link.and_then(|link| link.exchanged_at),
            expires_at: key.expires_at,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
        }
    }
}
