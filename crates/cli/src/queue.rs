//! `tidings queue`: queues and parked messages.

use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tidings_proto::pb::settle_parked_request::Which;

use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, fields, instant, non_empty, table, time};

/// Shows the queues and manages parked messages. Connects to log, or to standalone; requires an operator's key with the
/// scope read, or manage for changes.
///
/// Example:
///   tidings queue list --server http://log:50052
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Lists every queue with its numbers of messages and consumers.
    ///
    /// Example:
    ///   tidings queue list --busy
    #[command(verbatim_doc_comment)]
    List {
        /// Only queues with waiting messages.
        #[arg(long)]
        busy: bool,
    },
    Parked(ParkedArgs),
}

/// Shows, requeues or discards parked messages.
///
/// `parked` holds messages that no process could read or settle: read the reason, correct the cause, then requeue.
/// `unrouted` holds messages that had no lane when their wait was over, because a binding or a queue was deleted. The
/// sweeper has published those deliveries again in the meantime, so they can be discarded; a requeued one is checked
/// against the ledger and not delivered twice.
///
/// Example:
///   tidings queue parked list
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct ParkedArgs {
    #[command(subcommand)]
    command: ParkedCommand,
    /// The queue with the parked messages.
    #[arg(long, global = true, value_enum, default_value_t = Aside::Parked)]
    queue: Aside,
}

#[derive(Clone, Copy, ValueEnum)]
enum Aside {
    Parked,
    Unrouted,
}

#[derive(Subcommand)]
enum ParkedCommand {
    /// Lists messages, oldest first, without removing them.
    ///
    /// Example:
    ///   tidings queue parked list --queue unrouted
    #[command(verbatim_doc_comment)]
    List {
        /// Maximum number of messages, up to 200.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Shows one message.
    ///
    /// Example:
    ///   tidings queue parked get 0193…
    #[command(verbatim_doc_comment, alias = "show")]
    Get {
        /// The message's id.
        id: String,
    },
    /// Publishes messages to where they came from: deliveries to their lane, records to the queue of records.
    /// Unreadable ones stay.
    ///
    /// Examples:
    ///   tidings queue parked requeue 0193…
    ///   tidings queue parked requeue --all
    #[command(verbatim_doc_comment)]
    Requeue(Chosen),
    /// Deletes messages. The ledger keeps the state of their deliveries, and the sweeper publishes open ones again; a
    /// discarded record is lost.
    ///
    /// Example:
    ///   tidings queue parked discard 0193…
    #[command(verbatim_doc_comment)]
    Discard(Chosen),
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Chosen {
    /// The id of one message.
    id: Option<String>,
    /// Every message that is there now.
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    let (command, queue) = match args.command {
        Command::List { busy } => return list_queues(&client, format, busy).await,
        Command::Parked(parked) => (parked.command, parked.queue.as_str().to_owned()),
    };
    let mut queues = client.queues();
    match command {
        ParkedCommand::List { limit } => {
            let page_size = limit;
            let request = pb::ListParkedRequest { queue, page_size };
            let listed = queues.list_parked(request).await.map_err(explain)?;
            show_parked(format, &listed.into_inner().messages)
        }
        ParkedCommand::Get { id } => {
            let request = pb::GetParkedRequest { queue, id };
            show_one(format, &queues.get_parked(request).await.map_err(explain)?.into_inner())
        }
        ParkedCommand::Requeue(chosen) => {
            let settled = queues.requeue_parked(chosen.request(queue)).await.map_err(explain)?;
            show_settled(format, "requeued", &settled.into_inner())
        }
        ParkedCommand::Discard(chosen) => {
            let settled = queues.discard_parked(chosen.request(queue)).await.map_err(explain)?;
            show_settled(format, "discarded", &settled.into_inner())
        }
    }
}

async fn list_queues(client: &Client, format: Format, busy: bool) -> anyhow::Result<()> {
    let listed = client.queues().list_queues(pb::ListQueuesRequest {}).await;
    let mut queues = listed.map_err(explain)?.into_inner().queues;
    queues.retain(|queue| !busy || queue.ready > 0);
    if format == Format::Json {
        return queues.iter().try_for_each(|queue| {
            output::json(&QueueDocument {
                queue: &queue.name,
                ready: queue.ready,
                consumers: queue.consumers,
            })
        });
    }
    let row = |queue: &pb::QueueDepth| vec![queue.name.clone(), queue.ready.to_string(), queue.consumers.to_string()];
    table(
        &["queue", "ready", "consumers"],
        &queues.iter().map(row).collect::<Vec<_>>(),
    )
}

fn show_parked(format: Format, messages: &[pb::ParkedMessage]) -> anyhow::Result<()> {
    if format == Format::Json {
        return messages
            .iter()
            .try_for_each(|message| output::json(&ParkedDocument::without_body(message)));
    }
    let row = |message: &pb::ParkedMessage| {
        vec![
            message.id.clone(),
            time(message.parked_at.as_ref()),
            message.kind.clone(),
            message.delivery_id.clone(),
            message.reason.clone(),
        ]
    };
    table(
        &["message", "parked", "kind", "delivery", "reason"],
        &messages.iter().map(row).collect::<Vec<_>>(),
    )
}

fn show_one(format: Format, message: &pb::ParkedMessage) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&ParkedDocument {
            body_hex: Some(hex::encode(&message.body)),
            ..ParkedDocument::without_body(message)
        });
    }
    let attempt = Some(message.attempt).filter(|attempt| *attempt > 0);
    fields(&[
        ("message", message.id.clone()),
        ("reason", message.reason.clone()),
        ("parked", time(message.parked_at.as_ref())),
        ("kind", message.kind.clone()),
        ("delivery", message.delivery_id.clone()),
        ("event", message.event_id.clone()),
        ("tenant", message.tenant_id.clone()),
        ("endpoint", message.endpoint_id.clone()),
        (
            "attempt",
            attempt.map(|attempt| attempt.to_string()).unwrap_or_default(),
        ),
        ("size", format!("{} bytes", message.size)),
        ("body", message.body.escape_ascii().to_string()),
    ])
}

fn show_settled(format: Format, done: &str, settled: &pb::SettleParkedResponse) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json(&SettledDocument {
            done: settled.done,
            refused: settled.refused,
            refusal: Some(settled.refusal.as_str()).filter(|refusal| !refusal.is_empty()),
        })?,
        Format::Text => output::line(&format!("{done} {}", settled.done))?,
    }
    anyhow::ensure!(
        settled.refused == 0,
        "{} stay, because they can't be requeued: {}",
        settled.refused,
        settled.refusal
    );
    Ok(())
}

impl Aside {
    fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Unrouted => "unrouted",
        }
    }
}

impl Chosen {
    fn request(self, queue: String) -> pb::SettleParkedRequest {
        let which = Some(self.id.map_or(Which::All(self.all), Which::Id));
        pb::SettleParkedRequest { queue, which }
    }
}

#[derive(Serialize)]
struct QueueDocument<'a> {
    queue: &'a str,
    ready: u64,
    consumers: u32,
}

#[derive(Serialize)]
struct SettledDocument<'a> {
    done: u64,
    refused: u64,
    refusal: Option<&'a str>,
}

#[derive(Serialize)]
struct ParkedDocument<'a> {
    id: &'a str,
    reason: &'a str,
    parked_at: Option<Timestamp>,
    kind: &'a str,
    size: u64,
    delivery_id: Option<&'a str>,
    event_id: Option<&'a str>,
    tenant_id: Option<&'a str>,
    endpoint_id: Option<&'a str>,
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_hex: Option<String>,
}

impl<'a> ParkedDocument<'a> {
    fn without_body(message: &'a pb::ParkedMessage) -> Self {
        Self {
            id: &message.id,
            reason: &message.reason,
            parked_at: instant(message.parked_at.as_ref()),
            kind: &message.kind,
            size: message.size,
            delivery_id: non_empty(&message.delivery_id),
            event_id: non_empty(&message.event_id),
            tenant_id: non_empty(&message.tenant_id),
            endpoint_id: non_empty(&message.endpoint_id),
            attempt: Some(message.attempt).filter(|attempt| *attempt > 0),
            body_hex: None,
        }
    }
}
