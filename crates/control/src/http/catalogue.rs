//! `/dialects`: how what is subscribed to can be written, read out of the dialects' files.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tidings_dialect::{Dialect as Kept, Setting as KeptSetting};
use tidings_domain::Scope;
use tidings_service::problem::Problem;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::Page;
use crate::call::Call;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(dialects))
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
