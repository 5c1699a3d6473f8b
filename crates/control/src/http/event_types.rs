//! `/event-types`: the event types that can be subscribed to, out of the operators' catalogue and the dialects'
//! samples.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_dialect::Dialects;
use tidings_domain::{EventType as Name, EventTypeVersion as Kept, Timestamp};
use tidings_service::problem::{Document, Problem};
use tidings_service::request::next_page;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Page, location};
use super::request::{Asked, Body, Id, given, limit};
use crate::call::Call;
use crate::event_types::{as_json, named, unknown};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, delete))
        .routes(routes!(check))
}

/// Query of the list of event types.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Name of a dialect; only event types that it has a sample of are listed, with that sample.
    #[param(example = "feedbackpulse")]
    dialect: Option<String>,
    /// Maximum number of event types on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page, an event type; left out for the first one.
    #[param(example = "feedback.created")]
    after: Option<String>,
}

/// A version of an event type to add to the catalogue.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEventTypeVersion {
    /// Event type: words of letters, digits, `_` and `-` joined by `.`.
    #[schema(example = "feedback.created")]
    name: String,
    /// Description for people, at most 2,000 characters.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// JSON Schema of its payloads, at most 64 KiB (`docs/filters.md`); any payload will do if left out.
    #[schema(value_type = Option<serde_json::Value>)]
    schema: Option<Box<RawValue>>,
}

/// An event type of the catalogue or of dialects' samples. Others can be published as well.
#[derive(Serialize, ToSchema)]
struct EventType {
    /// Name of the event type, like `feedback.created`.
    #[schema(example = "feedback.created")]
    name: String,
    /// Number of its newest version in the catalogue, from 1; null if only dialects know it.
    version: Option<u32>,
    /// Description of its newest version, for people; null if only dialects know it.
    description: Option<String>,
    /// JSON Schema of the payloads of its newest version; null if any payload will do.
    #[schema(value_type = serde_json::Value)]
    schema: Option<Box<RawValue>>,
    /// Names of the dialects that have a sample of it.
    dialects: Vec<String>,
    /// Sample payload of the first of these dialects; null if there is none.
    #[schema(value_type = serde_json::Value)]
    sample: Option<Box<RawValue>>,
}

/// An event type with all its versions.
#[derive(Serialize, ToSchema)]
struct EventTypeVersions {
    /// Name of the event type, like `feedback.created`.
    name: String,
    /// Versions in the catalogue, newest first; none if only dialects know it.
    versions: Vec<EventTypeVersion>,
    /// Names of the dialects that have a sample of it.
    dialects: Vec<String>,
    /// Sample payload of the first of these dialects; null if there is none.
    #[schema(value_type = serde_json::Value)]
    sample: Option<Box<RawValue>>,
}

/// One version of an event type in the catalogue.
#[derive(Serialize, ToSchema)]
struct EventTypeVersion {
    /// Name of the event type, like `feedback.created`.
    name: String,
    /// Number of the version, counted from 1.
    version: u32,
    /// Description of the event type, for people.
    description: String,
    /// JSON Schema of its payloads; any payload will do if null.
    #[schema(value_type = serde_json::Value)]
    schema: Option<Box<RawValue>>,
    /// Time at which the version was added (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A payload to check.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Payload {
    /// Payload of an event of this type: any JSON.
    #[schema(value_type = serde_json::Value)]
    payload: Box<RawValue>,
    /// JSON Schema to check it against, to try one before it is added; that of the newest version if left out.
    #[schema(value_type = Option<serde_json::Value>)]
    schema: Option<Box<RawValue>>,
}

/// The verdict of an event type's schema on a payload.
#[derive(Serialize, ToSchema)]
struct CheckedPayload {
    /// Name of the event type, like `feedback.created`.
    name: String,
    /// Version that the payload was checked against, the newest; null if it has no schema, so that any payload will do, or if
    /// the request had one.
    version: Option<u32>,
    /// Ways in which the payload is not as the schema says, the first ten; none if it is.
    violations: Vec<Violation>,
}

/// One way in which a payload is not as its schema says.
#[derive(Serialize, ToSchema)]
struct Violation {
    /// JSON Pointer to the value in the payload (RFC 6901); empty for the payload itself.
    #[schema(example = "/rating")]
    path: String,
    /// The schema's sentence about it, without the value itself.
    message: String,
}

/// Adds a version of an event type
///
/// The newest version counts from then on. Needs an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/event-types", operation_id = "create_event_type_version", tag = "catalogue",
    request_body = NewEventTypeVersion,
    responses((status = 201, description = "The version.", body = EventTypeVersion, headers(
        ("Location" = String, description = "Path of the event type.")))))]
async fn create(
    State(rest): State<Rest>,
    call: Call,
    Body(asked): Body<NewEventTypeVersion>,
) -> Result<impl IntoResponse, Problem> {
    let name = named(&asked.name, "name")?;
    let schema = asked.schema.map(|schema| Box::<str>::from(schema).into_string());
    let description = asked.description.unwrap_or_default();
    let added = rest.event_types.add(&call, name, &description, schema).await?;
    let headers = [location("event-types", &added.event_type)];
    Ok((StatusCode::CREATED, headers, Json(EventTypeVersion::from(added))))
}

/// Lists known event types
///
/// In alphabetical order: those of the catalogue, and those that dialects have samples of. Needs the scope `read`.
#[utoipa::path(get, path = "/event-types", operation_id = "list_event_types", tag = "catalogue", params(Which), responses(
    (status = 200, description = "The event types.", body = Page<EventType>)))]
async fn list(
    State(rest): State<Rest>,
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<EventType>>, Problem> {
    let (limit, after) = (limit(which.limit)?, given::<Name>(which.after.as_deref(), "after")?);
    let kept = rest.event_types.list(&call, after.clone(), limit).await?;
    let only = which.dialect.as_deref();
    if let Some(name) = only.filter(|name| rest.dialects.get(name).is_none()) {
        let detail = format!("there is no dialect `{name}`: see `/dialects`");
        return Err(Problem::invalid("dialect_unknown", detail).at("dialect"));
    }
    let mut types = samples(&rest.dialects, only);
    if only.is_none() {
        for version in kept {
            types.entry(version.event_type).or_default();
        }
    }
    let page: Vec<_> = types
        .into_iter()
        .filter(|(name, _)| after.as_ref().is_none_or(|after| name > after))
        .take(limit as usize)
        .collect();
    let next = next_page(&page, limit, |(name, _)| name.to_string());
    let shown = page.into_iter().map(|(name, sample)| {
        let newest = rest.event_types.newest(&name);
        EventType {
            version: newest.as_ref().map(|newest| newest.version),
            description: newest.as_ref().map(|newest| newest.description.clone()),
            schema: newest.as_ref().and_then(|newest| as_json(newest.schema.as_deref()?)),
            name: name.to_string(),
            dialects: sample.dialects,
            sample: sample.payload,
        }
    });
    Ok(Json(Page::new(shown.collect(), next)))
}

/// Shows an event type
///
/// The answer has all its versions. Needs the scope `read`.
#[utoipa::path(get, path = "/event-types/{name}", operation_id = "show_event_type", tag = "catalogue",
    params(("name" = String, Path, description = "The event type.")),
    responses((status = 200, description = "The event type.", body = EventTypeVersions)))]
async fn show(State(rest): State<Rest>, call: Call, Id(name): Id<Name>) -> Result<Json<EventTypeVersions>, Problem> {
    let versions = rest.event_types.versions(&call, &name).await?;
    let sample = samples(&rest.dialects, None).remove(&name);
    if versions.is_empty() && sample.is_none() {
        return Err(unknown(&name));
    }
    let sample = sample.unwrap_or_default();
    Ok(Json(EventTypeVersions {
        name: name.to_string(),
        versions: versions.into_iter().map(Into::into).collect(),
        dialects: sample.dialects,
        sample: sample.payload,
    }))
}

/// Checks a payload against its event type's schema
///
/// As publishing does for tenants that validate payloads, whatever the tenant's choice; nothing is published. An event type
/// without a schema, in the catalogue or not, takes any payload. Needs the scope `read`.
#[utoipa::path(post, path = "/event-types/{name}/check", operation_id = "check_payload", tag = "catalogue",
    request_body = Payload,
    params(("name" = String, Path, description = "The event type.")),
    responses(
        (status = 200, description = "What the schema says of it.", body = CheckedPayload),
        (status = 409, description = "The stored schema is none for this version of Tidings.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn check(
    State(rest): State<Rest>,
    call: Call,
    Id(name): Id<Name>,
    Body(asked): Body<Payload>,
) -> Result<Json<CheckedPayload>, Problem> {
    let schema = asked.schema.as_deref().map(RawValue::get);
    let payload = asked.payload.get().as_bytes();
    let checked = rest.event_types.check(&call, &name, schema, payload)?;
    let violations = checked.violations.into_iter().map(|violation| Violation {
        path: violation.path,
        message: violation.message,
    });
    Ok(Json(CheckedPayload {
        name: name.to_string(),
        version: checked.version,
        violations: violations.collect(),
    }))
}

/// Removes an event type from the catalogue
///
/// All its versions are removed. It can still be published, and payloads are no longer checked. Needs an operator's key
/// with the scope `manage`.
#[utoipa::path(delete, path = "/event-types/{name}", operation_id = "delete_event_type", tag = "catalogue",
    params(("name" = String, Path, description = "The event type.")),
    responses((status = 204, description = "It is gone.")))]
async fn delete(State(rest): State<Rest>, call: Call, Id(name): Id<Name>) -> Result<StatusCode, Problem> {
    rest.event_types.delete(&call, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Samples of an event type in the dialects.
#[derive(Default)]
struct Sample {
    dialects: Vec<String>,
    payload: Option<Box<RawValue>>,
}

/// The event types of all dialects, or of one.
fn samples(dialects: &Dialects, only: Option<&str>) -> BTreeMap<Name, Sample> {
    let mut types = BTreeMap::<Name, Sample>::new();
    for name in dialects.names().filter(|name| only.is_none_or(|only| only == *name)) {
        let samples = dialects.get(name).into_iter().flat_map(|dialect| dialect.samples());
        for (event_type, payload) in samples {
            let sample = types.entry(event_type.clone()).or_insert_with(|| Sample {
                dialects: Vec::new(),
                payload: serde_json::from_slice(payload).ok(),
            });
            sample.dialects.push(name.to_owned());
        }
    }
    types
}

impl From<Kept> for EventTypeVersion {
    fn from(kept: Kept) -> Self {
        Self {
            name: kept.event_type.to_string(),
            version: kept.version,
            description: kept.description,
            schema: kept.schema.as_deref().and_then(as_json),
            created_at: kept.created_at,
        }
    }
}
