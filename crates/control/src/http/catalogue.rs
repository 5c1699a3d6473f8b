//! `/dialects`: the formats that endpoints can choose, read out of the dialects' files.

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

/// A format of requests: envelope, headers, signature, success, schedule.
#[derive(Serialize, ToSchema)]
struct Dialect {
    /// Name by which endpoints choose it.
    name: String,
    /// Description of the receivers it is for.
    description: String,
    /// URLs whose endpoints get it unless they name another: a host and a path, with `*` in place of what differs.
    chosen_for: Vec<String>,
    /// True if requests prove that their sender knows the endpoint's secret.
    uses_secret: bool,
    /// Waits between attempts, such as `5m`, unless the endpoint has its own.
    schedule: Vec<String>,
    /// Deadline of one attempt, such as `30s`, unless the endpoint has its own.
    timeout: String,
    /// Event types that it has a sample of, for tests and previews.
    event_types: Vec<String>,
    /// Settings that endpoints can choose, by name.
    settings: BTreeMap<String, Setting>,
    /// Headers that carry signatures, with the scheme of each.
    signatures: Vec<Scheme>,
    /// Names of the headers that show the secret itself.
    secret_headers: Vec<String>,
    /// Templates of headers' values, by the header's name.
    headers: BTreeMap<String, String>,
}

/// Scheme of a header that carries a signature.
#[derive(Serialize, ToSchema)]
struct Scheme {
    /// Name of the header that carries the signature.
    #[schema(example = "webhook-signature")]
    header: String,
    /// Text in front of each signature with a shared secret.
    prefix: String,
    /// Text in front of each signature with an ed25519 key; null if the scheme has no such signatures.
    ed25519_prefix: Option<String>,
    /// Form of the key: `text` for the secret as it stands, `decoded` for the bytes that the base64 behind `whsec_`
    /// stands for.
    key: &'static str,
    /// Encoding of the signature's bytes: `hex` or `base64`.
    encoding: &'static str,
    /// Template of the text that is signed, with HMAC-SHA-256 or ed25519.
    #[schema(example = "{{ id }}.{{ sent_at.unix }}.{{ body }}")]
    signed: String,
    /// Separator of the signatures of several secrets; null where there is a single signature.
    separator: Option<String>,
}

/// A value that an endpoint can choose for a dialect.
#[derive(Serialize, ToSchema)]
struct Setting {
    /// Description of the setting, for people.
    description: String,
    /// Value for endpoints that choose none; null if there is no default.
    default: Option<String>,
}

/// Event and choices to preview a request with.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DialectPreview {
    /// Event type; that of the dialect's first sample if left out.
    #[schema(example = "feedback.created")]
    event_type: Option<String>,
    /// Content of the event, any JSON; the dialect's sample if left out.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<Box<RawValue>>,
    /// Secret to sign with; without it, headers that need a secret are left out.
    secret: Option<String>,
    /// Parts of users or companies to send although the dialect leaves them out, such as `user.plan`.
    #[serde(default)]
    properties: Vec<String>,
    /// Values for the dialect's settings, by name.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// A request as it would be sent.
#[derive(Serialize, ToSchema)]
struct PreviewedRequest {
    /// Event type that the request is about.
    event_type: String,
    /// Headers that the dialect sets, in order; a secret that one shows is masked.
    headers: Vec<PreviewedHeader>,
    /// Body of the request, as text.
    body: String,
}

/// A header of a previewed request.
#[derive(Serialize, ToSchema)]
struct PreviewedHeader {
    /// Name of the header, as it is spelled.
    name: String,
    /// Value of the header; `***` for a secret.
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
/// Renders the request that a delivery in this dialect would make; nothing is sent. Headers that only the connection
/// decides are not shown. Needs the scope `read`.
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

/// The event type and payload that were asked for, with the dialect's sample in place of what is left out.
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
