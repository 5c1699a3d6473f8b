//! `tidings event`.

use clap::Subcommand;
use serde::Serialize;
use serde_json::value::RawValue;
use tidings_domain::{EventId, EventType, TenantId, Timestamp};
use tidings_proto::pb;

use crate::arguments::When;
use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, fields, instant, line, lines, non_empty, table, time};
use crate::pretty::pretty;
use crate::{delivery, pages, pretty};

/// Shows what was published, and where it goes.
///
/// Examples:
///   tidings event list --type feedback.created --since 1h
///   tidings event get evt_…
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
    List(ListArgs),
    /// Shows an event with its payload and its deliveries.
    ///
    /// Example:
    ///   tidings event get evt_…
    #[command(verbatim_doc_comment)]
    Get {
        /// Its id.
        event: EventId,
    },
}

/// Lists events, newest first.
///
/// Examples:
///   tidings event list --type feedback.created --since 1h
///   tidings event list --idempotency-key fb-1
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {
    /// Events of this tenant (ten_…).
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Events of this type; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    event_types: Vec<EventType>,
    /// The event that was published with this key.
    #[arg(long, value_name = "NAME")]
    idempotency_key: Option<String>,
    /// Events accepted at or after this time, or in so long until now, like 1h.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Events accepted before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// The largest number of results.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    match args.command {
        Command::List(args) => print_list(&client, format, args).await,
        Command::Get { event } => print_one(&client, format, event).await,
    }
}

/// Prints the newest events, a row each.
pub(crate) async fn print_list(client: &Client, format: Format, args: ListArgs) -> anyhow::Result<()> {
    let limit = args.limit;
    let request = args.on_the_wire();
    let listed = pages::collect(limit, async |page_size, page_token| {
        let request = pb::ListEventsRequest {
            page_size,
            page_token,
            ..request.clone()
        };
        let page = client.log().list_events(request).await?.into_inner();
        Ok((page.events, page.next_page_token))
    });
    let events = listed.await.map_err(explain)?;
    if format == Format::Json {
        return events.iter().try_for_each(|event| output::json(&Event::from(event)));
    }
    let row = |event: &pb::Event| {
        vec![
            time(event.accepted_at.as_ref()),
            event.event_type.clone(),
            event.delivery_count.to_string(),
            event.id.clone(),
            event.idempotency_key.clone(),
        ]
    };
    let header = ["accepted", "type", "deliveries", "event", "idempotency key"];
    table(&header, &events.iter().map(row).collect::<Vec<_>>())
}

/// Prints an event with its payload and its deliveries.
pub(crate) async fn print_one(client: &Client, format: Format, event: EventId) -> anyhow::Result<()> {
    let event_id = event.to_string();
    let request = pb::GetEventRequest { event_id };
    let found = client.log().get_event(request).await.map_err(explain)?.into_inner();
    if format == Format::Json {
        return output::json(&FullEvent::from(&found));
    }
    let event = found.event.unwrap_or_default();
    fields(&[
        ("event", format!("{}  {}", event.id, event.event_type)),
        ("tenant", event.tenant_id),
        ("occurred", time(event.occurred_at.as_ref())),
        ("accepted", time(event.accepted_at.as_ref())),
        ("idempotency key", event.idempotency_key),
    ])?;
    lines(&format!("\n{}\n", pretty(&event.payload)))?;
    match found.deliveries.as_slice() {
        [] => line("no deliveries: no endpoint subscribes to it"),
        some => delivery::print(format, some),
    }
}

impl ListArgs {
    fn on_the_wire(self) -> pb::ListEventsRequest {
        pb::ListEventsRequest {
            tenant_id: self.tenant.map(|id| id.to_string()).unwrap_or_default(),
            event_types: self.event_types.iter().map(ToString::to_string).collect(),
            since: self.since.map(When::on_the_wire),
            until: self.until.map(When::on_the_wire),
            idempotency_key: self.idempotency_key.unwrap_or_default(),
            ..Default::default()
        }
    }
}

/// An event without its payload.
#[derive(Serialize)]
struct Event<'a> {
    id: &'a str,
    tenant_id: &'a str,
    event_type: &'a str,
    occurred_at: Option<Timestamp>,
    accepted_at: Option<Timestamp>,
    idempotency_key: Option<&'a str>,
    delivery_count: u32,
    test: bool,
    erased_at: Option<Timestamp>,
}

/// An event with its payload and its deliveries.
#[derive(Serialize)]
struct FullEvent<'a> {
    #[serde(flatten)]
    event: Event<'a>,
    payload: Box<RawValue>,
    deliveries: Vec<delivery::Document<'a>>,
}

impl<'a> From<&'a pb::Event> for Event<'a> {
    fn from(event: &'a pb::Event) -> Self {
        Self {
            id: &event.id,
            tenant_id: &event.tenant_id,
            event_type: &event.event_type,
            occurred_at: instant(event.occurred_at.as_ref()),
            accepted_at: instant(event.accepted_at.as_ref()),
            idempotency_key: non_empty(&event.idempotency_key),
            delivery_count: event.delivery_count,
            test: event.test,
            erased_at: instant(event.erased_at.as_ref()),
        }
    }
}

impl<'a> From<&'a pb::GetEventResponse> for FullEvent<'a> {
    fn from(found: &'a pb::GetEventResponse) -> Self {
        static NOTHING: std::sync::LazyLock<pb::Event> = std::sync::LazyLock::new(pb::Event::default);
        let event = found.event.as_ref().unwrap_or(&NOTHING);
        Self {
            event: event.into(),
            payload: pretty::value(&event.payload),
            deliveries: found.deliveries.iter().map(delivery::Document::from).collect(),
        }
    }
}
