//! `/tenants`: customers of the product that runs Tidings, and links to their webhooks.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use tidings_domain::{SchemaValidation, Tenant as Kept, TenantId, Timestamp};
use tidings_service::problem::{Document, Problem};
use tidings_service::request::next_page;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Page, etag, location};
use super::keys::ApiKey;
use super::request::{Asked, Body, Id, given, length, limit};
use crate::call::Call;
use crate::keys::NewLink;
use crate::precondition::Precondition;
use crate::tenants::{TenantChange, read_validation};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, change, delete))
        .routes(routes!(create_portal_link))
}

/// A tenant to create; its first key is created with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    /// Display name, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "Acme")]
    name: String,
}

/// A customer of the product that runs Tidings.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tenant {
    /// The tenant's id: `ten_` and 32 hexadecimal digits.
    id: String,
    /// Display name, 1 to 200 characters.
    name: String,
    /// Treatment of events whose payload violates the schema of their type: `off`, `warn` or `reject`.
    schema_validation: &'static str,
    /// Number of days for which payloads are kept; null for as long as the operator keeps them.
    payload_retention_days: Option<u32>,
    /// Number of days for which attempts are kept; null for as long as the operator keeps them.
    attempt_retention_days: Option<u32>,
    /// Fair share: deliveries per second that go before those of tenants beyond their share; null for the configured
    /// number.
    publish_per_second: Option<u32>,
    /// Burst of them after a pause; null for as many as per second, or as configured.
    publish_burst: Option<u32>,
    /// Time of its creation (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Time of the last change (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A change of a tenant. Fields that are left out stay as they are; null restores the default of a setting.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantPatch {
    /// Display name, 1 to 200 characters; null leaves it as it is.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Treatment of events whose payload violates the schema of their type: `off`, `warn` or `reject`.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>, pattern = "^(off|warn|reject)$", example = "warn")]
    schema_validation: Option<Option<String>>,
    /// Number of days for which payloads are kept; null for as long as the operator keeps them.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3650, example = 30)]
    payload_retention_days: Option<Option<u32>>,
    /// Number of days for which attempts are kept; null for as long as the operator keeps them.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3650, example = 90)]
    attempt_retention_days: Option<Option<u32>>,
    /// Fair share: deliveries per second that go before those of tenants beyond their share; null for the configured
    /// number. Deliveries beyond it wait and are never refused. Takes an operator's key.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100000)]
    publish_per_second: Option<Option<u32>>,
    /// Burst of them after a pause; null for as many as per second, or as configured. Takes an operator's key.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000000)]
    publish_burst: Option<Option<u32>>,
}

/// Options of a new portal link.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPortalLink {
    /// Validity of the link: `1m` to `7days`, `1h` if left out.
    #[schema(example = "1h")]
    expires_in: Option<String>,
    /// True for read-only access; false if left out.
    #[serde(default)]
    read_only: bool,
    /// True for a link that lets in only the first browser that opens it; false if left out.
    #[serde(default)]
    once: bool,
    /// Page that the link opens, with its query and without scheme, host and fragment; the console's first one if left out.
    #[schema(
        max_length = 1024,
        pattern = "^/webhooks([/?]|$)",
        example = "/webhooks/logs?status_code=5xx"
    )]
    page: Option<String>,
    /// Language of the console, `en` or `de`, unless the visitor has chosen one; as the browser prefers if left out.
    #[schema(pattern = "^(en|de)$", example = "de")]
    lang: Option<String>,
    /// Colour of links and of the buttons that matter, `#rrggbb`, of which the lightness is moved until it is legible; as
    /// configured if left out.
    #[schema(pattern = "^#[0-9a-fA-F]{6}$", example = "#ffe600")]
    accent: Option<String>,
}

/// A link by which a tenant's people get to their webhooks for a while.
#[derive(Serialize, ToSchema)]
struct PortalLink {
    /// URL for people. The token is in its fragment, which browsers keep to themselves, with language and colour behind it.
    url: String,
    /// The token alone (`tk_…`), shown this once. That of a link which works once is no key: it can only be exchanged for
    /// the token of one.
    token: String,
    /// The key that it belongs to; revoking it ends the link.
    key: ApiKey,
}

/// A tenant that was just created, with its first key.
#[derive(Serialize, ToSchema)]
struct CreatedTenant {
    /// The new tenant, as `GET /tenants/{tenant_id}` shows it.
    tenant: Tenant,
    /// Its first key, with all scopes.
    key: ApiKey,
    /// The key's token (`tk_…`), shown this once.
    token: String,
}

/// Query of the list of tenants.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Maximum number of tenants on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page; left out for the first one.
    #[param(pattern = "^ten_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// Makes a tenant and its first key
///
/// Needs an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/tenants", operation_id = "create_tenant", tag = "tenants", request_body = NewTenant,
    responses((status = 201, description = "The tenant, with its first key.", body = CreatedTenant, headers(
        ("ETag" = String, description = "The tenant's state."),
        ("Location" = String, description = "Path of the tenant."),
    ))))]
async fn create(
    State(rest): State<Rest>,
    call: Call,
    Body(asked): Body<NewTenant>,
) -> Result<impl IntoResponse, Problem> {
    let (tenant, key, token) = rest.tenants.create(&call, &asked.name).await?;
    let created = CreatedTenant {
        tenant: Tenant::from(&tenant),
        key: ApiKey::from(&key),
        token: token.reveal().to_owned(),
    };
    let headers = [etag(tenant.updated_at), location("tenants", &tenant.id)];
    Ok((StatusCode::CREATED, headers, Json(created)))
}

/// Lists tenants
///
/// Newest first. Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/tenants", operation_id = "list_tenants", tag = "tenants", params(Which), responses(
    (status = 200, description = "The tenants.", body = Page<Tenant>)))]
async fn list(State(rest): State<Rest>, call: Call, Asked(which): Asked<Which>) -> Result<Json<Page<Tenant>>, Problem> {
    let (limit, before) = (limit(which.limit)?, given(which.after.as_deref(), "after")?);
    let tenants = rest.tenants.list(&call, before, limit).await?;
    let next = next_page(&tenants, limit, |tenant| tenant.id.to_string());
    Ok(Json(Page::new(tenants.iter().map(Tenant::from).collect(), next)))
}

/// Shows a tenant
///
/// Needs the scope `read`; a tenant's key sees itself.
#[utoipa::path(get, path = "/tenants/{tenant_id}", operation_id = "show_tenant", tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id.")),
    responses((status = 200, description = "The tenant.", body = Tenant, headers(
        ("ETag" = String, description = "The tenant's state.")))))]
async fn show(State(rest): State<Rest>, call: Call, Id(id): Id<TenantId>) -> Result<impl IntoResponse, Problem> {
    Ok(shown(&rest.tenants.get(&call, id).await?))
}

/// Changes a tenant
///
/// Needs the scope `manage`. A tenant's own key changes how payloads are validated and how long they are kept; the rest
/// takes an operator's key.
#[utoipa::path(patch, path = "/tenants/{tenant_id}", operation_id = "change_tenant", tag = "tenants",
    request_body = TenantPatch,
    params(
        ("tenant_id" = String, Path, description = "The tenant's id."),
        ("If-Match" = Option<String>, Header, description = "Changes it only if this is still its `ETag`."),
    ),
    responses(
        (status = 200, description = "The tenant as it is now.", body = Tenant, headers(
            ("ETag" = String, description = "The tenant's state."))),
        (status = 409, description = "Others keep changing it.", body = Document,
            content_type = "application/problem+json"),
        (status = 412, description = "It is no longer as `If-Match` says.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn change(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<TenantId>,
    precondition: Precondition,
    Body(patch): Body<TenantPatch>,
) -> Result<impl IntoResponse, Problem> {
    let change = TenantChange {
        precondition,
        ..patch.into_change()?
    };
    Ok(shown(&rest.tenants.update(&call, id, &change).await?))
}

/// Deletes a tenant with its keys and endpoints
///
/// Its open deliveries are cancelled; its log stays. Needs an operator's key with the scope `manage`.
#[utoipa::path(delete, path = "/tenants/{tenant_id}", operation_id = "delete_tenant", tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id.")),
    responses((status = 204, description = "It is gone.")))]
async fn delete(State(rest): State<Rest>, call: Call, Id(id): Id<TenantId>) -> Result<StatusCode, Problem> {
    rest.tenants.delete(&call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a portal link
///
/// The link carries a key with access to the tenant's webhooks and nothing else: it makes no keys and no links, and
/// sees no audit log. With `once`, the link lets one browser in: opened or forwarded again, it leads to a page that says to
/// ask for a new one. Needs the scopes `manage` and `read`.
#[utoipa::path(post, path = "/tenants/{tenant_id}/portal-links", operation_id = "create_portal_link", tag = "tenants",
    request_body = Option<NewPortalLink>,
    params(("tenant_id" = String, Path, description = "The tenant's id.")),
    responses(
        (status = 201, description = "The link.", body = PortalLink),
        (status = 409, description = "`control.public_url` is not configured.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn create_portal_link(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<TenantId>,
    Body(asked): Body<Option<NewPortalLink>>,
) -> Result<(StatusCode, Json<PortalLink>), Problem> {
    let asked = asked.unwrap_or_default();
    let expires_in = asked.expires_in.map(|text| length(&text, "expires_in")).transpose()?;
    let new = NewLink {
        tenant: Some(id),
        expires_in,
        read_only: asked.read_only,
        once: asked.once,
        page: asked.page,
        lang: asked.lang,
        accent: asked.accent,
    };
    let link = rest.keys.create_portal_link(&call, new).await?;
    let link = PortalLink {
        url: link.url.to_string(),
        token: link.token.reveal().to_owned(),
        key: ApiKey::from(&link.key),
    };
    Ok((StatusCode::CREATED, Json(link)))
}

fn shown(tenant: &Kept) -> impl IntoResponse + use<> {
    ([etag(tenant.updated_at)], Json(Tenant::from(tenant)))
}

/// Tells a field that is null, `Some(None)`, from one that was left out.
fn sent<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

impl TenantPatch {
    fn into_change(self) -> Result<TenantChange, Problem> {
        let validation =
            |name: Option<String>| name.map_or(Ok(SchemaValidation::default()), |name| read_validation(&name));
        Ok(TenantChange {
            precondition: Precondition::Any,
            name: self.name,
            schema_validation: self.schema_validation.map(validation).transpose()?,
            payload_retention: self.payload_retention_days,
            attempt_retention: self.attempt_retention_days,
            publish_per_second: self.publish_per_second,
            publish_burst: self.publish_burst,
        })
    }
}

impl From<&Kept> for Tenant {
    fn from(tenant: &Kept) -> Self {
        let settings = &tenant.settings;
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            schema_validation: settings.schema_validation.as_str(),
            payload_retention_days: settings.payload_retention,
            attempt_retention_days: settings.attempt_retention,
            publish_per_second: settings.publish_per_second,
            publish_burst: settings.publish_burst,
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
        }
    }
}
