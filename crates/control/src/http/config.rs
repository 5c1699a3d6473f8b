//! `/webhooks/config`: the one webhook of tenants that have one, as FeedbackPulse's document prints it ("Via API").

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use tidings_domain::{Endpoint, Subscription, TenantId, Timestamp};
use tidings_service::problem::{Document, Problem};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::request::{Asked, Body, given, renamed};
use crate::call::Call;
use crate::endpoints::{DefaultEndpoint, NewDefaultSecret};
use crate::messages::asked::parse_secret;

/// Mask of a secret that is not shown. Sent back, it leaves the secret as it is.
const MASK: &str = "********";

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(show, set))
}

/// Query that names the tenant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// Tenant of the webhook (`ten_…`); required with an operator's key.
    tenant_id: Option<String>,
}

/// Settings of a tenant's webhook; `url` and `events` are required.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWebhookConfig {
    /// URL that requests are sent to. Slack's and Discord's URLs get messages in their format, all others raw JSON.
    #[schema(example = "https://your-app.com/webhooks/feedbackpulse")]
    url: String,
    /// Event types to subscribe to; prefixes (`submission.*`) and `*` are possible.
    #[schema(min_items = 1, max_items = 100, example = json!(["submission.created", "submission.status_changed"]))]
    events: Vec<String>,
    /// Secret that requests are signed with. Left out, or as `GET` shows it, it stays as it is; null or empty, requests
    /// are not signed.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>, example = "your_shared_secret")]
    secret: Option<Option<String>>,
}

/// The one webhook of a tenant.
#[derive(Serialize, ToSchema)]
struct WebhookConfig {
    /// URL that requests are sent to.
    url: String,
    /// Event types that the webhook is subscribed to.
    events: Vec<String>,
    /// Secret, masked: `********` if requests are signed, otherwise null.
    secret: Option<&'static str>,
    /// Format of requests: `feedbackpulse`, or the dialect made for the URL.
    dialect: String,
    /// True if requests are made; deliveries are held otherwise.
    enabled: bool,
    /// Endpoint behind the webhook (`ep_…`); its other settings are at `/endpoints/{endpoint_id}`.
    endpoint_id: String,
    /// Tenant that owns the webhook (`ten_…`).
    tenant_id: String,
    /// Time of its creation (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Time of the last change (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Shows the tenant's webhook
///
/// Its secret is masked. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/config", operation_id = "show_config", tag = "webhooks", params(Whose), responses(
    (status = 200, description = "The webhook.", body = WebhookConfig),
    (status = 404, description = "There is no webhook yet, or no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn show(
    State(rest): State<Rest>,
    call: Call,
    Asked(whose): Asked<Whose>,
) -> Result<Json<WebhookConfig>, Problem> {
    let endpoint = rest.endpoints.default(&call, tenant(&whose)?).await?;
    Ok(Json(WebhookConfig::of(&endpoint)))
}

/// Makes or changes the tenant's webhook
///
/// The webhook is an endpoint like any other; a tenant has one. Needs the scope `manage`.
#[utoipa::path(put, path = "/webhooks/config", operation_id = "set_config", tag = "webhooks", params(Whose),
    request_body = NewWebhookConfig,
    responses(
        (status = 200, description = "The webhook as it is now.", body = WebhookConfig),
        (status = 404, description = "There is no such tenant.", body = Document,
            content_type = "application/problem+json"),
        (status = 409, description = "Others keep changing it.", body = Document,
            content_type = "application/problem+json"),
        (status = 429, description = "The tenant has as many endpoints as it may have.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn set(
    State(rest): State<Rest>,
    call: Call,
    Asked(whose): Asked<Whose>,
    Body(asked): Body<NewWebhookConfig>,
) -> Result<Json<WebhookConfig>, Problem> {
    let asked = DefaultEndpoint {
        subscriptions: subscriptions(&asked.events)?,
        secret: secret(asked.secret)?,
        url: asked.url,
    };
    let endpoint = rest.endpoints.set_default(&call, tenant(&whose)?, &asked).await;
    let endpoint = endpoint.map_err(|problem| renamed(problem, "subscriptions", "events"))?;
    Ok(Json(WebhookConfig::of(&endpoint)))
}

impl WebhookConfig {
    fn of(endpoint: &Endpoint) -> Self {
        let wanted = endpoint.subscriptions.iter().filter(|it| it.enabled);
        Self {
            url: endpoint.url.to_string(),
            events: wanted.map(|it| it.pattern.to_string()).collect(),
            secret: endpoint.secret.as_ref().map(|_| MASK),
            dialect: endpoint.dialect.clone(),
            enabled: endpoint.enabled,
            endpoint_id: endpoint.id.to_string(),
            tenant_id: endpoint.tenant.to_string(),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

fn tenant(whose: &Whose) -> Result<Option<TenantId>, Problem> {
    given(whose.tenant_id.as_deref(), "tenant_id")
}

fn subscriptions(events: &[String]) -> Result<Vec<Subscription>, Problem> {
    let read = |text: &String| match text.parse() {
        Ok(pattern) => Ok(Subscription::to(pattern)),
        Err(error) => Err(Problem::invalid("pattern_invalid", format!("{error}")).at("events")),
    };
    events.iter().map(read).collect()
}

fn secret(asked: Option<Option<String>>) -> Result<NewDefaultSecret, Problem> {
    Ok(match asked {
        None => NewDefaultSecret::Kept,
        Some(Some(text)) if text == MASK => NewDefaultSecret::AsShown,
        Some(text) => {
            let text = text.filter(|text| !text.is_empty());
            let secret = text.as_deref().map(parse_secret).transpose()?;
            NewDefaultSecret::Replaced(secret)
        }
    })
}

/// Tells a field that is null, `Some(None)`, from one that was left out.
fn sent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
