//! `tidings filter`: trials of content filters.

use clap::Subcommand;
use serde::Serialize;
use tidings_domain::{EndpointId, EventId, EventType};
use tidings_proto::pb;

use crate::client::{ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, line, non_empty, table};
use crate::publish::read_payload;

/// Tests content filters against sample events (docs/filters.md).
///
/// Example:
///   tidings filter try ep_… --filter 'payload.rating <= 2'
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
    Try(TryArgs),
}

/// Tests if an event matches a filter, or which of an endpoint's subscriptions it matches; nothing is sent.
///
/// Examples:
///   tidings filter try ep_… --event evt_…
///   tidings filter try ep_… --filter 'payload.rating <= 2'
///   tidings filter try ep_… --filter 'payload.rating <= 2' --type feedback.created --payload '{"rating": 1}'
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct TryArgs {
    /// The endpoint (ep_…).
    endpoint: EndpointId,
    /// The filter to try [default: the endpoint's own subscriptions].
    #[arg(long)]
    filter: Option<String>,
    /// The type of the event to try with [default: one that the endpoint is subscribed to].
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// The event's content: a JSON text, @FILE, or - for standard input [default: the dialect's sample].
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// A past event to try with (evt_…).
    #[arg(long, value_name = "EVENT", conflicts_with_all = ["event_type", "payload"])]
    event: Option<EventId>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Command::Try(asked) = args.command;
    let payload = asked.payload.as_deref().map(read_payload).transpose()?;
    let request = pb::TryFilterRequest {
        endpoint_id: asked.endpoint.to_string(),
        filter: asked.filter.unwrap_or_default(),
        event_type: asked.event_type.map(|name| name.to_string()).unwrap_or_default(),
        payload: payload.unwrap_or_default(),
        event_id: asked.event.map(|id| id.to_string()).unwrap_or_default(),
    };
    let client = args.client.connect().await?;
    let tried = client.endpoints().try_filter(request).await.map_err(explain)?;
    show(args.output.output, &tried.into_inner())
}

fn show(format: Format, tried: &pb::TryFilterResponse) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&Document::of(tried));
    }
    let verdict = if tried.matched { "matches" } else { "does not match" };
    line(&match tried.error.as_str() {
        "" => format!("{}: {verdict}", tried.event_type),
        error => format!("{}: {verdict}: {error}", tried.event_type),
    })?;
    if tried.subscriptions.is_empty() {
        return Ok(());
    }
    let row = |one: &pb::TriedSubscription| {
        let filter = match (one.filter.as_str(), one.filter_matched, one.error.as_str()) {
            ("", ..) => "(none)".to_owned(),
            (_, true, _) => "holds".to_owned(),
            (_, false, "") => "does not hold".to_owned(),
            (_, false, error) => format!("does not hold: {error}"),
        };
        let wants_type = if one.disabled {
            "off"
        } else {
            yes_or_no(one.type_matched)
        };
        vec![one.pattern.clone(), wants_type.to_owned(), filter, one.filter.clone()]
    };
    let rows: Vec<_> = tried.subscriptions.iter().map(row).collect();
    table(&["subscription", "wants type", "filter", "which is"], &rows)
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

#[derive(Serialize)]
struct Document<'a> {
    matched: bool,
    error: Option<&'a str>,
    event_type: &'a str,
    subscriptions: Vec<SubscriptionDocument<'a>>,
}

#[derive(Serialize)]
struct SubscriptionDocument<'a> {
    pattern: &'a str,
    enabled: bool,
    filter: Option<&'a str>,
    type_matched: bool,
    filter_matched: bool,
    error: Option<&'a str>,
}

impl<'a> Document<'a> {
    fn of(tried: &'a pb::TryFilterResponse) -> Self {
        let subscriptions = tried.subscriptions.iter().map(|one| SubscriptionDocument {
            pattern: &one.pattern,
            enabled: !one.disabled,
            filter: non_empty(&one.filter),
            type_matched: one.type_matched,
            filter_matched: one.filter_matched,
            error: non_empty(&one.error),
        });
        Self {
            matched: tried.matched,
            error: non_empty(&tried.error),
            event_type: &tried.event_type,
            subscriptions: subscriptions.collect(),
        }
    }
}
