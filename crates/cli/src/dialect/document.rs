//! A dialect as `--output json` prints it.

use std::collections::BTreeMap;

use humantime::format_duration;
use serde::Serialize;
use serde_json::value::RawValue;
use tidings_dialect::{Dialect, Form, Message, RenderError, Request, Setting};
use tidings_domain::{EventId, Schedule, Secret, Timestamp};

use crate::pretty;

/// The distinguishing features of a dialect, for lists.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) chosen_for: Vec<String>,
    /// The headers by which a receiver knows that the sender has the secret.
    pub(super) secret_headers: Vec<String>,
    pub(super) schedule: &'a Schedule,
}

/// A dialect in full, as JSON.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    pub(super) summary: Summary<'a>,
    pub(super) content_type: String,
    pub(super) user_agent: &'a str,
    /// The headers that need no secret, without content type and user agent.
    pub(super) headers: Vec<String>,
    pub(super) success: Vec<String>,
    #[serde(rename = "final")]
    pub(super) final_: Vec<String>,
    pub(super) timeout: String,
    pub(super) settings: BTreeMap<&'a str, SettingDocument<'a>>,
    pub(super) properties: Option<PropertiesDocument<'a>>,
    pub(super) events: Vec<EventDocument<'a>>,
    pub(super) samples: BTreeMap<&'a str, Box<RawValue>>,
}

#[derive(Serialize)]
pub(super) struct SettingDocument<'a> {
    pub(super) description: &'a str,
    pub(super) default: Option<&'a str>,
    pub(super) form: &'static str,
}

#[derive(Serialize)]
pub(super) struct PropertiesDocument<'a> {
    pub(super) max: usize,
    /// Fields of each object that are sent without being chosen.
    pub(super) always: BTreeMap<&'a str, &'a [String]>,
}

#[derive(Serialize)]
pub(super) struct EventDocument<'a> {
    pub(super) pattern: String,
    pub(super) names: BTreeMap<&'a str, String>,
}

/// Summarises a dialect for a list.
pub(super) fn summary(dialect: &Dialect) -> Result<Summary<'_>, RenderError> {
    let plain = header_names(&sample_request(dialect, &[])?);
    let proven = header_names(&sample_request(dialect, &[Secret::generate()])?);
    Ok(Summary {
        name: dialect.name(),
        description: dialect.description(),
        chosen_for: dialect.chosen_for().collect(),
        secret_headers: proven.into_iter().filter(|name| !plain.contains(name)).collect(),
        schedule: dialect.schedule(),
    })
}

/// Describes a dialect in full.
pub(super) fn document(dialect: &Dialect) -> Result<Document<'_>, RenderError> {
    let request = sample_request(dialect, &[])?;
    let content_type = request.headers.iter().find(|(name, _)| name == "content-type");
    let rule = dialect.status_rule();
    let events = dialect.events().map(|(pattern, names)| EventDocument {
        pattern: pattern.to_string(),
        names,
    });
    let properties = dialect.properties().map(|properties| PropertiesDocument {
        max: properties.max(),
        always: properties
            .objects()
            .filter_map(|object| Some((object, properties.always(object)?)))
            .collect(),
    });
    let settings = dialect.settings().iter();
    let samples = dialect.samples().iter();
    Ok(Document {
        summary: summary(dialect)?,
        content_type: content_type
            .map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default(),
        user_agent: dialect.user_agent(),
        headers: header_names(&request)
            .into_iter()
            .filter(|name| !["Content-Type", "User-Agent"].contains(&name.as_str()))
            .collect(),
        success: rule.success.iter().map(ToString::to_string).collect(),
        final_: rule.final_.iter().map(ToString::to_string).collect(),
        timeout: format_duration(dialect.timeout()).to_string(),
        settings: settings
            .map(|(name, setting)| (name.as_str(), setting.into()))
            .collect(),
        properties,
        events: events.collect(),
        samples: samples
            .map(|(event_type, payload)| (event_type.as_str(), pretty::value(payload)))
            .collect(),
    })
}

impl<'a> From<&'a Setting> for SettingDocument<'a> {
    fn from(setting: &'a Setting) -> Self {
        Self {
            description: &setting.description,
            default: setting.default.as_deref(),
            form: match setting.form {
                Form::Text => "text",
                Form::UriReference => "uri-reference",
            },
        }
    }
}

/// The request for the first sample, as it would be sent now to an endpoint that chose nothing.
fn sample_request(dialect: &Dialect, secrets: &[Secret]) -> Result<Request, RenderError> {
    let now = Timestamp::now();
    let Some((event_type, payload)) = dialect.samples().iter().next() else {
        // Loading refuses a dialect without samples.
        return Ok(Request {
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            payload_at: None,
        });
    };
    let message = Message {
        event_id: EventId::new(),
        event_type,
        occurred_at: now,
        sent_at: now,
        attempt: 1,
        payload,
        properties: &[],
        settings: &BTreeMap::new(),
    };
    dialect.render(&message, secrets)
}

fn header_names(request: &Request) -> Vec<String> {
    request.headers.iter().map(|(name, _)| name.to_string()).collect()
}
