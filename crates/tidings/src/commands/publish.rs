//! `tidings publish`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tidings_domain::Timestamp;
use tidings_proto::pb::publish_result::Result as Published;
use tidings_proto::{pb, timestamp};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs};

/// Publishes an event, or a file of them.
///
/// Examples:
///   tidings publish --type feedback.created --payload '{"id": 42}'
///   tidings publish --type feedback.created --payload @event.json --idempotency-key 42-created
///   tidings publish --batch events.ndjson
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// What happened, like feedback.created.
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "batch", conflicts_with = "batch")]
    event_type: Option<String>,
    /// The content as JSON; @FILE reads a file, - standard input.
    #[arg(long, value_name = "JSON", required_unless_present = "batch", conflicts_with = "batch")]
    payload: Option<String>,
    /// When it happened (RFC 3339); now if left out.
    #[arg(long, value_name = "TIME")]
    occurred_at: Option<Timestamp>,
    /// Your own name for the event, by which it is published once only.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The tenant; may be left out with a tenant's key.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// A file of events, one JSON document per line: event_type, payload, and occurred_at, idempotency_key,
    /// tenant_id if wanted. - reads standard input. Published over one stream, many at once.
    #[arg(long, value_name = "FILE")]
    batch: Option<PathBuf>,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A line of a batch file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event_type: String,
    payload: Box<RawValue>,
    occurred_at: Option<Timestamp>,
    idempotency_key: Option<String>,
    tenant_id: Option<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.client.connect().await?;
    let format = args.output.output;
    if let Some(file) = &args.batch {
        return publish_batch(&client, format, file, args.tenant.unwrap_or_default()).await;
    }
    let request = pb::PublishRequest {
        tenant_id: args.tenant.unwrap_or_default(),
        event_type: args.event_type.unwrap_or_default(),
        payload: read_payload(&args.payload.unwrap_or_default())?.into(),
        occurred_at: args.occurred_at.map(timestamp),
        idempotency_key: args.idempotency_key.unwrap_or_default(),
    };
    let accepted = client.events().publish(request).await.map_err(explain)?.into_inner();
    match format {
        Format::Json => output::json(&accepted_json(&accepted)),
        Format::Text => Ok(println!("{}", in_words(&accepted))),
    }
}

async fn publish_batch(client: &Client, format: Format, file: &PathBuf, tenant: String) -> anyhow::Result<()> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    let events = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| read_line(line, &tenant).with_context(|| format!("line {}", number + 1)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let count = events.len();
    let (sender, receiver) = mpsc::channel(256);
    let send = async move {
        for (sequence, event) in events.into_iter().enumerate() {
            let request = pb::PublishStreamRequest { sequence: sequence as u64 + 1, event: Some(event) };
            if sender.send(request).await.is_err() {
                // The server has closed the stream; its answers say why.
                return;
            }
        }
    };
    let receive = async {
        let mut answers =
            client.events().publish_stream(ReceiverStream::new(receiver)).await.map_err(explain)?.into_inner();
        let (mut answered, mut refused) = (0, 0);
        while let Some(answer) = answers.message().await.map_err(explain)? {
            answered += 1;
            match answer.result.and_then(|result| result.result) {
                Some(Published::Accepted(accepted)) => print_result(format, answer.sequence, Ok(&accepted))?,
                Some(Published::Error(error)) => {
                    refused += 1;
                    print_result(format, answer.sequence, Err(&error))?;
                }
                None => refused += 1,
            }
        }
        anyhow::Ok((answered, refused))
    };
    let ((), result) = tokio::join!(send, receive);
    let (answered, refused) = result?;
    anyhow::ensure!(answered == count, "{} of {count} events got no answer: publish them again", count - answered);
    anyhow::ensure!(refused == 0, "{refused} of {count} events were refused");
    Ok(())
}

fn read_line(line: &str, tenant: &str) -> anyhow::Result<pb::PublishRequest> {
    let line: Line = serde_json::from_str(line)?;
    Ok(pb::PublishRequest {
        tenant_id: line.tenant_id.unwrap_or_else(|| tenant.to_owned()),
        event_type: line.event_type,
        payload: line.payload.get().to_owned().into(),
        occurred_at: line.occurred_at.map(timestamp),
        idempotency_key: line.idempotency_key.unwrap_or_default(),
    })
}

fn read_payload(given: &str) -> anyhow::Result<Vec<u8>> {
    match given.strip_prefix('@') {
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {file}")),
        None if given == "-" => {
            let mut payload = Vec::new();
            std::io::stdin().read_to_end(&mut payload)?;
            Ok(payload)
        }
        None => Ok(given.as_bytes().to_vec()),
    }
}

fn print_result(
    format: Format,
    line: u64,
    result: Result<&pb::PublishResponse, &pb::PublishError>,
) -> anyhow::Result<()> {
    match (format, result) {
        (Format::Json, Ok(accepted)) => {
            let mut document = accepted_json(accepted);
            document["line"] = line.into();
            output::json(&document)
        }
        (Format::Json, Err(error)) => output::json(&json!({
            "line": line, "code": error.code, "field": error.field, "detail": error.detail,
        })),
        (Format::Text, Ok(accepted)) => Ok(println!("{line}: {}", in_words(accepted))),
        (Format::Text, Err(error)) => Ok(println!("{line}: refused: {} ({})", error.detail, error.code)),
    }
}

fn accepted_json(accepted: &pb::PublishResponse) -> serde_json::Value {
    json!({ "event_id": accepted.event_id, "duplicate": accepted.duplicate, "deliveries": accepted.deliveries })
}

fn in_words(accepted: &pb::PublishResponse) -> String {
    match (accepted.duplicate, accepted.deliveries) {
        (true, _) => format!("{} was published before with this key", accepted.event_id),
        (false, 0) => format!("{} accepted; no endpoint wants it", accepted.event_id),
        (false, 1) => format!("{} accepted for 1 endpoint", accepted.event_id),
        (false, n) => format!("{} accepted for {n} endpoints", accepted.event_id),
    }
}
