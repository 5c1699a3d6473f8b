//! `tidings dialect preview`: requests without sending them.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::value::RawValue;
use tidings_dialect::{Dialect, Message, Request};
use tidings_domain::destination::read_url;
use tidings_domain::{EventId, EventType, Secret, Timestamp};
use url::{Position, Url};

use super::FileArgs;
use crate::endpoint::setting;
use crate::output::{self, Format};
use crate::pretty;
use crate::publish::read_payload;

/// Prints the request of a delivery without sending it.
///
/// Headers that depend on the connection (trace context, accepted encodings) are left out.
///
/// Examples:
///   tidings dialect preview --dialect userhero --event feedback.created --secret hunter2
///   tidings dialect preview --file acme.toml --event feedback.created --payload @feedback.json
///   tidings dialect preview --dialect slack --event feedback.created | sed '1,/^$/d'
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The name of a dialect.
    #[arg(long, value_name = "NAME", required_unless_present = "file")]
    dialect: Option<String>,
    /// A file to read it from.
    #[arg(long, value_name = "FILE", conflicts_with = "dialect")]
    file: Option<PathBuf>,
    /// The event type, like feedback.created [default: the dialect's first sample].
    #[arg(long, value_name = "TYPE")]
    event: Option<EventType>,
    /// The content: a JSON text, @FILE, or - for standard input [default: the dialect's sample].
    #[arg(long, value_name = "JSON", requires = "event")]
    payload: Option<String>,
    /// A signing secret; a second one is the secret before the last rotation.
    #[arg(long = "secret", value_name = "SECRET")]
    secrets: Vec<String>,
    /// A field of users or companies to send, like user.plan; may be repeated.
    #[arg(long = "property", value_name = "OBJECT.KEY")]
    properties: Vec<String>,
    /// A setting of the endpoint, like app_token=NX-1; may be repeated.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// The attempt's number, which some dialects send.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,
    /// The endpoint's URL.
    #[arg(long, value_name = "URL", default_value = "https://example.com/webhooks", value_parser = read_url)]
    url: Url,
    #[command(flatten)]
    config: FileArgs,
}

#[derive(Serialize)]
struct Document<'a> {
    method: &'static str,
    url: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    /// The body as a JSON value.
    body: Box<RawValue>,
}

pub(super) fn run(format: Format, args: &Args) -> anyhow::Result<()> {
    let request = args.request(args.dialect()?.as_ref())?;
    match format {
        Format::Json => output::json(&Document {
            method: "POST",
            url: args.url.as_str(),
            headers: headers(&request),
            body: pretty::value(&request.body),
        }),
        Format::Text => print(&args.url, &request),
    }
}

impl Args {
    fn dialect(&self) -> anyhow::Result<Arc<Dialect>> {
        match (&self.file, &self.dialect) {
            (Some(file), _) => Ok(Arc::new(Dialect::read(file)?)),
            (None, name) => super::named(&self.config.load()?, name.as_deref().unwrap_or_default()),
        }
    }

    fn request(&self, dialect: &Dialect) -> anyhow::Result<Request> {
        let settings: BTreeMap<_, _> = self.settings.iter().cloned().collect();
        dialect.check_properties(&self.properties)?;
        dialect.check_settings(&settings)?;
        let secrets = self
            .secrets
            .iter()
            .map(|text| Ok(Secret::read(text)?))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for secret in &secrets {
            dialect.check_secret(Some(secret))?;
            dialect.check_key(secret)?;
        }
        let (event_type, payload) = self.event(dialect)?;
        let now = Timestamp::now();
        let message = Message {
            event_id: EventId::new(),
            event_type: &event_type,
            occurred_at: now,
            sent_at: now,
            attempt: self.attempt,
            payload: &payload,
            properties: &self.properties,
            settings: &settings,
        };
        Ok(dialect.render(&message, &secrets)?)
    }

    /// The event to render: the given payload, or a sample.
    fn event(&self, dialect: &Dialect) -> anyhow::Result<(EventType, Vec<u8>)> {
        let samples = dialect.samples();
        let sampled = match (&self.event, &self.payload) {
            (Some(event_type), Some(payload)) => return Ok((event_type.clone(), read_payload(payload)?)),
            (Some(event_type), None) => samples.get_key_value(event_type),
            (None, _) => samples.first_key_value(),
        };
        let (event_type, payload) = sampled.with_context(|| {
            let known = samples.keys().map(EventType::as_str).collect::<Vec<_>>().join(", ");
            format!("no sample for this event type: give --payload, or one of {known}")
        })?;
        Ok((event_type.clone(), payload.to_vec()))
    }
}

fn headers(request: &Request) -> Vec<(&str, &str)> {
    let headers = request.headers.iter();
    headers
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

/// Prints the request as HTTP/1.1 has it, but with the line ends of text files.
fn print(url: &Url, request: &Request) -> anyhow::Result<()> {
    let mut text = format!("POST {} HTTP/1.1\n", &url[Position::BeforePath..Position::AfterQuery]);
    text.push_str(&format!("Host: {}\n", &url[Position::BeforeHost..Position::AfterPort]));
    for (name, value) in headers(request) {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!("Content-Length: {}\n\n", request.body.len()));
    // A program gets the very bytes that would be signed and sent, a person what can be shown of them.
    if io::stdout().is_terminal() {
        return output::lines(&format!("{text}{}", String::from_utf8_lossy(&request.body)));
    }
    match io::stdout().write_all(&[text.as_bytes(), &request.body].concat()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
