//! `/dialects`: how what is subscribed to can be written, read out of the dialects' files.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_dialect::{CasedHeaderName, Dialect as Kept, Message, OptionError, Setting as KeptSetting};
use tidings_domain::{EventId, EventType, Scope};
use tidings_service::problem::{Document, Kind, Problem};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::Page;
use super::request::{Body, Id};
use crate::call::Call;
use crate::event_types::named;
use crate::messages::asked::parse_secret;
use crate::now;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(dialects))
        .routes(routes!(dialect))
        .routes(routes!(preview))
}

/// A way to write requests.
#[derive(Serialize, ToSchema)]
struct Dialect {
    /// What endpoints call it.
    name: String,
    /// Whom it is for.
    description: String,
    /// The URLs whose endpoints get it unless they name another.
    chosen_for: Vec<String>,
    /// Whether requests show that their sender knows the endpoint's secret.
    uses_secret: bool,
    /// The waits between attempts, unless the endpoint says otherwise.
    schedule: Vec<String>,
    /// The deadline of one attempt, unless the endpoint says otherwise.
    timeout: String,
    /// The event types that it can be tested with.
    event_types: Vec<String>,
    /// The values that endpoints can give, by name.
    settings: BTreeMap<String, Setting>,
    /// How the headers with signatures come about.
    signatures: Vec<Scheme>,
    /// The headers that show the secret itself.
    secret_headers: Vec<String>,
    /// The headers whose values are templates, by name.
    headers: BTreeMap<String, String>,
}

/// How a header with a signature comes about.
#[derive(Serialize, ToSchema)]
struct Scheme {
    /// The header.
    #[schema(example = "webhook-signature")]
    header: String,
    /// What stands before each signature with a shared secret.
    prefix: String,
    /// What stands before each signature with an ed25519 key; null where there can be no such key.
    ed25519_prefix: Option<String>,
    /// What the key is: the secret's `text`, or what the base64 behind `whsec_` says, `decoded`.
    key: &'static str,
    /// How the bytes are written: `hex` or `base64`.
    encoding: &'static str,
    /// The template of what is signed, with HMAC-SHA-256 or ed25519.
    #[schema(example = "{{ id }}.{{ sent_at.unix }}.{{ body }}")]
    signed: String,
    /// What stands between the signatures of several secrets; null where there is one.
    separator: Option<String>,
}

/// A value that an endpoint can give.
#[derive(Serialize, ToSchema)]
struct Setting {
    /// What it is.
    description: String,
    /// What it is for an endpoint that gives none.
    default: Option<String>,
}

/// What to write in a dialect.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DialectPreview {
    /// What happened; the dialect's first sample if left out.
    #[schema(example = "feedback.created")]
    event_type: Option<String>,
    /// The content; the dialect's sample if left out.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<Box<RawValue>>,
    /// What it would be signed with; without it, headers that need a secret are left out.
    secret: Option<String>,
    /// Parts of users or companies that the endpoint would have chosen, such as `user.plan`.
    #[serde(default)]
    properties: Vec<String>,
    /// Values that the endpoint would have given, by name.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// A request as it would be sent.
#[derive(Serialize, ToSchema)]
struct PreviewedRequest {
    /// What happened.
    event_type: String,
    /// Every header that the dialect decides, in order; a secret that one shows is masked.
    headers: Vec<PreviewedHeader>,
    /// The body, as text.
    body: String,
}

/// A header of a request.
#[derive(Serialize, ToSchema)]
struct PreviewedHeader {
    /// Its name, as it is spelled.
    name: String,
    /// Its value.
    value: String,
}

/// Shows a dialect
///
/// Needs the scope `read`.
#[utoipa::path(get, path = "/dialects/{name}", operation_id = "show_dialect", tag = "catalogue",
    params(("name" = String, Path, description = "The dialect's name.")),
    responses((status = 200, description = "The dialect.", body = Dialect)))]
async fn dialect(State(rest): State<Rest>, call: Call, Id(name): Id<String>) -> Result<Json<Dialect>, Problem> {
    call.require(Scope::Read)?;
    Ok(Json(Dialect::from(found(&rest, &name)?)))
}

/// Previews a request
///
/// The request that a delivery in this dialect would be; nothing is sent. What only the connection knows is not shown.
/// Needs the scope `read`.
#[utoipa::path(post, path = "/dialects/{name}/preview", operation_id = "preview_dialect", tag = "catalogue",
    request_body = Option<DialectPreview>,
    params(("name" = String, Path, description = "The dialect's name.")),
    responses(
        (status = 200, description = "The request.", body = PreviewedRequest),
        (status = 422, description = "The payload can't be written in this dialect.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn preview(
    State(rest): State<Rest>,
    call: Call,
    Id(name): Id<String>,
    Body(asked): Body<Option<DialectPreview>>,
) -> Result<Json<PreviewedRequest>, Problem> {
    call.require(Scope::Read)?;
    let (dialect, asked) = (found(&rest, &name)?, asked.unwrap_or_default());
    let wrong =
        |field: &'static str| move |error: OptionError| Problem::invalid("choice_invalid", error.to_string()).at(field);
    dialect
        .check_properties(&asked.properties)
        .map_err(wrong("properties"))?;
    dialect.check_settings(&asked.settings).map_err(wrong("settings"))?;
    let secret = asked.secret.as_deref().filter(|text| !text.is_empty());
    let secret = secret.map(parse_secret).transpose()?;
    dialect.check_secret(secret.as_ref()).map_err(wrong("secret"))?;
    if let Some(secret) = &secret {
        dialect.check_key(secret).map_err(wrong("secret"))?;
    }
    let (event_type, payload) = sampled(dialect, &asked)?;
    let now = now();
    let message = Message {
        event_id: EventId::new(),
        event_type: &event_type,
        occurred_at: now,
        sent_at: now,
        attempt: 1,
        payload: &payload,
        properties: &asked.properties,
        settings: &asked.settings,
    };
    let request = dialect
        .render(&message, secret.as_slice())
        .map_err(|error| Problem::new(Kind::Unprocessable, "not_rendered", error.to_string()).at("payload"))?;
    let header = |(name, value): &(CasedHeaderName, HeaderValue)| PreviewedHeader {
        name: name.as_str().to_owned(),
        value: match value.is_sensitive() {
            true => "***".to_owned(),
            false => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        },
    };
    Ok(Json(PreviewedRequest {
        event_type: event_type.to_string(),
        headers: request.headers.iter().map(header).collect(),
        body: String::from_utf8_lossy(&request.body).into_owned(),
    }))
}

/// What is to be told: what was asked for, with the dialect's sample where something is left out.
fn sampled(dialect: &Kept, asked: &DialectPreview) -> Result<(EventType, Vec<u8>), Problem> {
    let samples = dialect.samples();
    let event_type = asked.event_type.as_deref().filter(|text| !text.is_empty());
    let event_type = match event_type {
        Some(text) => named(text, "event_type")?,
        None => samples.keys().next().cloned().ok_or_else(|| no_sample(dialect))?,
    };
    let payload = match &asked.payload {
        Some(payload) => payload.get().as_bytes().to_vec(),
        None => samples.get(&event_type).ok_or_else(|| no_sample(dialect))?.to_vec(),
    };
    Ok((event_type, payload))
}

fn no_sample(dialect: &Kept) -> Problem {
    let known: Vec<&str> = dialect.samples().keys().map(EventType::as_str).collect();
    let detail = format!(
        "the dialect has no sample of this event type: give `payload`, or one of {}",
        known.join(", ")
    );
    Problem::invalid("sample_missing", detail).at("payload")
}

fn found<'a>(rest: &'a Rest, name: &str) -> Result<&'a Kept, Problem> {
    let dialect = rest.dialects.get(name).map(|dialect| &**dialect);
    dialect.ok_or_else(|| {
        let detail = format!("there is no dialect `{name}`: see `/dialects`");
        Problem::not_found("dialect_unknown", detail).at("name")
    })
}

/// Lists dialects
///
/// In alphabetical order. Needs the scope `read`.
#[utoipa::path(get, path = "/dialects", operation_id = "list_dialects", tag = "catalogue", responses(
    (status = 200, description = "The dialects.", body = Page<Dialect>)))]
async fn dialects(State(rest): State<Rest>, call: Call) -> Result<Json<Page<Dialect>>, Problem> {
    call.require(Scope::Read)?;
    let dialects = rest.dialects.names().filter_map(|name| rest.dialects.get(name));
    Ok(Json(Page::all(
        dialects.map(|dialect| Dialect::from(&**dialect)).collect(),
    )))
}

impl From<&Kept> for Dialect {
    fn from(dialect: &Kept) -> Self {
        let waits = dialect.schedule().waits().iter();
        let settings = dialect.settings().iter();
        Self {
            name: dialect.name().to_owned(),
            description: dialect.description().to_owned(),
            chosen_for: dialect.chosen_for().collect(),
            uses_secret: dialect.uses_secret(),
            schedule: waits
                .map(|wait| humantime::format_duration(*wait).to_string())
                .collect(),
            timeout: humantime::format_duration(dialect.timeout()).to_string(),
            event_types: dialect.samples().keys().map(ToString::to_string).collect(),
            settings: settings.map(|(name, setting)| (name.clone(), setting.into())).collect(),
            signatures: dialect.schemes().map(Scheme::from).collect(),
            secret_headers: dialect.secret_headers().map(ToString::to_string).collect(),
            headers: dialect
                .header_templates()
                .map(|(name, template)| (name.to_string(), template.to_owned()))
                .collect(),
        }
    }
}

impl From<tidings_dialect::Scheme<'_>> for Scheme {
    fn from(scheme: tidings_dialect::Scheme<'_>) -> Self {
        Self {
            header: scheme.header().to_string(),
            prefix: scheme.prefix().to_owned(),
            ed25519_prefix: scheme.ed25519_prefix().map(str::to_owned),
            key: if scheme.decodes_key() { "decoded" } else { "text" },
            encoding: scheme.encoding(),
            signed: scheme.signed().to_owned(),
            separator: scheme.separator().map(str::to_owned),
        }
    }
}

impl From<&KeptSetting> for Setting {
    fn from(setting: &KeptSetting) -> Self {
        Self {
            description: setting.description.clone(),
            default: setting.default.clone(),
        }
    }
}
