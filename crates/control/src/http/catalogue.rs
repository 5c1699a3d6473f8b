//! `/event-types` and `/dialects`: what can be subscribed to and how it is written, read out of the dialects' files.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_dialect::{Dialect as Kept, Dialects, Setting as KeptSetting};
use tidings_domain::Scope;
use tidings_service::problem::Problem;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::Page;
use super::request::{Asked, Known};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(event_types))
        .routes(routes!(dialects))
}

/// Which event types to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those that this dialect has a sample of, with that sample.
    #[param(example = "feedbackpulse")]
    dialect: Option<String>,
}

/// A kind of event that products are known to publish. There may be others: any type can be published.
#[derive(Serialize, ToSchema)]
struct EventType {
    /// Its name.
    #[schema(example = "feedback.created")]
    name: String,
    /// The dialects that have a sample of it.
    dialects: Vec<String>,
    /// A payload, as the first of these dialects has it.
    #[schema(value_type = serde_json::Value)]
    sample: Option<Box<RawValue>>,
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
}

/// A value that an endpoint can give.
#[derive(Serialize, ToSchema)]
struct Setting {
    /// What it is.
    description: String,
    /// What it is for an endpoint that gives none.
    default: Option<String>,
}

/// Lists known event types
///
/// In alphabetical order, with samples. Needs the scope `read`.
#[utoipa::path(get, path = "/event-types", operation_id = "list_event_types", tag = "catalogue", params(Which), responses(
    (status = 200, description = "The event types.", body = Page<EventType>)))]
async fn event_types(
    State(rest): State<Rest>,
    known: Known,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<EventType>>, Problem> {
    known.caller.require(Scope::Read)?;
    let only = which.dialect.as_deref();
    if let Some(name) = only.filter(|name| rest.dialects.get(name).is_none()) {
        let detail = format!("there is no dialect `{name}`: see `/dialects`");
        return Err(Problem::invalid("dialect_unknown", detail).at("dialect"));
    }
    Ok(Json(Page::all(catalogue(&rest.dialects, only))))
}

/// Lists dialects
///
/// In alphabetical order. Needs the scope `read`.
#[utoipa::path(get, path = "/dialects", operation_id = "list_dialects", tag = "catalogue", responses(
    (status = 200, description = "The dialects.", body = Page<Dialect>)))]
async fn dialects(State(rest): State<Rest>, known: Known) -> Result<Json<Page<Dialect>>, Problem> {
    known.caller.require(Scope::Read)?;
    let dialects = rest.dialects.names().filter_map(|name| rest.dialects.get(name));
    Ok(Json(Page::all(
        dialects.map(|dialect| Dialect::from(&**dialect)).collect(),
    )))
}

/// The event types of all dialects, or of one.
fn catalogue(dialects: &Dialects, only: Option<&str>) -> Vec<EventType> {
    let mut types = BTreeMap::<String, EventType>::new();
    for name in dialects.names().filter(|name| only.is_none_or(|only| only == *name)) {
        let samples = dialects.get(name).into_iter().flat_map(|dialect| dialect.samples());
        for (event_type, payload) in samples {
            let known = types.entry(event_type.to_string()).or_insert_with(|| EventType {
                name: event_type.to_string(),
                dialects: Vec::new(),
                sample: serde_json::from_slice(payload).ok(),
            });
            known.dialects.push(name.to_owned());
        }
    }
    types.into_values().collect()
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
