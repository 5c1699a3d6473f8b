//! `tidings publish`: events from the command line.

mod batch;

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use tidings_domain::{EventType, TenantId};
use tidings_proto::pb;

use crate::arguments::When;
use crate::client::{ClientArgs, explain};
use crate::output::{self, Format, OutputArgs};

/// Publishes an event, or a file of events.
///
/// Examples:
///   tidings publish --tenant ten_… --type feedback.created --payload '{"id": 1}'
///   tidings publish --tenant ten_… --type feedback.created --payload @fb.json --idempotency-key fb-1
///   tidings publish --tenant ten_… --batch events.ndjson
///
/// Each line of a batch is a JSON object with event_type and payload, and optionally with occurred_at, idempotency_key
/// and tenant_id. Many lines are sent at once; each gets a result of its own as soon as it is known.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The tenant (ten_…); may be left out with a tenant's key.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// The event type, like feedback.created.
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "batch")]
    event_type: Option<EventType>,
    /// The content: a JSON text, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON", required_unless_present = "batch")]
    payload: Option<String>,
    /// The time of the event: a moment, or so long ago [default: now].
    #[arg(long, value_name = "TIME")]
    occurred_at: Option<When>,
    /// A key of your choice that makes repeated publishes of one event safe.
    #[arg(long, value_name = "NAME")]
    idempotency_key: Option<String>,
    /// A file with an event per line, or - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event_type", "payload", "occurred_at", "idempotency_key"])]
    batch: Option<PathBuf>,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// An accepted event, for `--output json`.
#[derive(Serialize)]
struct Accepted<'a> {
    event_id: &'a str,
    duplicate: bool,
    deliveries: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    if let Some(path) = &args.batch {
        return batch::publish(&args.client.connect().await?, path, args.tenant, args.output.output).await;
    }
    let event = pb::PublishRequest {
        tenant_id: args.tenant.map(|tenant| tenant.to_string()).unwrap_or_default(),
        event_type: args
            .event_type
            .map(|event_type| event_type.to_string())
            .unwrap_or_default(),
        payload: read_payload(args.payload.as_deref().unwrap_or_default())?.into(),
        occurred_at: args.occurred_at.map(When::on_the_wire),
        idempotency_key: args.idempotency_key.unwrap_or_default(),
    };
    let client = args.client.connect().await?;
    let accepted = client.events().publish(event).await.map_err(explain)?.into_inner();
    match args.output.output {
        Format::Json => output::json(&Accepted::from(&accepted)),
        Format::Text => {
            output::line(&format!("{}  {}", accepted.event_id, describe(&accepted)))?;
            accepted
                .warnings
                .iter()
                .try_for_each(|warning| output::line(&format!("  warning: {warning}")))
        }
    }
}

/// A payload as it is given on the command line: a text, `@FILE`, or `-` for standard input.
pub(crate) fn read_payload(argument: &str) -> anyhow::Result<Vec<u8>> {
    match argument.strip_prefix('@') {
        Some(path) => std::fs::read(path).with_context(|| format!("cannot read {path}")),
        None if argument == "-" => {
            let mut payload = Vec::new();
            std::io::stdin()
                .read_to_end(&mut payload)
                .context("cannot read standard input")?;
            Ok(payload)
        }
        None => Ok(argument.as_bytes().to_vec()),
    }
}

/// The result of a publish in words.
fn describe(accepted: &pb::PublishResponse) -> String {
    match accepted.deliveries {
        _ if accepted.duplicate => "published before: nothing was published again".into(),
        0 => "accepted, but no endpoint wants it".into(),
        1 => "accepted, 1 delivery".into(),
        n => format!("accepted, {n} deliveries"),
    }
}

impl<'a> From<&'a pb::PublishResponse> for Accepted<'a> {
    fn from(accepted: &'a pb::PublishResponse) -> Self {
        let pb::PublishResponse {
            event_id,
            duplicate,
            deliveries,
            warnings,
        } = accepted;
        Self {
            event_id,
            duplicate: *duplicate,
            deliveries: *deliveries,
            warnings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_a_text_or_a_file() {
        assert_eq!(read_payload(r#"{"id":1}"#).unwrap(), br#"{"id":1}"#);
        let manifest = concat!("@", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(read_payload(manifest).unwrap().starts_with(b"[package]"));
        let error = read_payload("@nowhere.json").unwrap_err();
        assert_eq!(error.to_string(), "cannot read nowhere.json");
    }
}
