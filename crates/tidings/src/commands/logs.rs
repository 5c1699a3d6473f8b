//! `tidings logs`: attempts, events and deliveries.

mod documents;
mod export;
pub(super) mod filter;
mod follow;
pub(super) mod show;

use clap::Subcommand;
use tidings_domain::{AttemptId, DeliveryState, EndpointId, EventId, EventType, TenantId};
use tidings_proto::pb;

use self::filter::AttemptFilter;
use crate::arguments::When;
use crate::client::{Client, ClientArgs, explain};
use crate::output::OutputArgs;

/// Lists attempts, newest first, or shows one attempt, event or delivery.
///
/// Examples:
///   tidings logs --status 5xx --since 1h
///   tidings logs --error 'reset by peer' --min-duration 5s
///   tidings logs --follow --endpoint ep_…
///   tidings logs --since 1d --export csv > attempts.csv
///   tidings logs show att_…
///   tidings logs deliveries --state exhausted
#[derive(clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    attempts: AttemptsArgs,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(clap::Args)]
struct AttemptsArgs {
    #[command(flatten)]
    filter: AttemptFilter,
    /// Maximum number of attempts.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Keep printing new attempts until Ctrl-C.
    #[arg(long, short, conflicts_with = "until")]
    follow: bool,
    /// Export all matching attempts, without a limit, as a JSON document per line or as CSV.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["follow", "limit", "output"])]
    export: Option<export::Format>,
}

#[derive(Subcommand)]
enum Command {
    /// Shows an attempt with its request and response.
    ///
    /// Example:
    ///   tidings logs show att_…
    #[command(verbatim_doc_comment)]
    Show {
        /// The attempt (att_…).
        attempt: AttemptId,
    },
    Events(EventsArgs),
    /// Shows an event with its payload and its deliveries.
    ///
    /// Example:
    ///   tidings logs event evt_…
    #[command(verbatim_doc_comment)]
    Event {
        /// The event (evt_…).
        event: EventId,
    },
    Deliveries(DeliveriesArgs),
}

/// Lists events, newest first.
///
/// Examples:
///   tidings logs events --type feedback.created --since 1h
///   tidings logs events --idempotency-key fb-1
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct EventsArgs {
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
    /// Maximum number of events.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

/// Lists deliveries, newest event first.
///
/// Example:
///   tidings logs deliveries --endpoint ep_… --state exhausted --state cancelled
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct DeliveriesArgs {
    /// Deliveries of this tenant (ten_…).
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Deliveries for this endpoint (ep_…).
    #[arg(long)]
    endpoint: Option<EndpointId>,
    /// Deliveries of this event (evt_…).
    #[arg(long)]
    event: Option<EventId>,
    /// Deliveries in this state; may be repeated.
    #[arg(long = "state", value_name = "STATE", value_parser = DeliveryState::NAMES)]
    states: Vec<String>,
    /// Deliveries of events accepted at or after this time, or in so long until now, like 1h.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Deliveries of events accepted before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Maximum number of deliveries.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

/// The most that a service gives at once.
const PAGE: u32 = 200;

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    if let Some(into) = args.attempts.export {
        return export::export(&client, args.attempts.filter.on_the_wire(), into).await;
    }
    match args.command {
        None if args.attempts.follow => {
            follow::follow(&client, args.attempts.filter.on_the_wire(), args.attempts.limit, format).await
        }
        None => {
            let filter = args.attempts.filter.on_the_wire();
            let attempts = list_attempts(&client, &filter, args.attempts.limit)
                .await
                .map_err(explain)?;
            show::attempts(format, &attempts)
        }
        Some(Command::Show { attempt }) => {
            let request = pb::GetAttemptRequest {
                attempt_id: attempt.to_string(),
            };
            show::attempt(
                format,
                &client.log().get_attempt(request).await.map_err(explain)?.into_inner(),
            )
        }
        Some(Command::Event { event }) => {
            let request = pb::GetEventRequest {
                event_id: event.to_string(),
            };
            show::event(
                format,
                &client.log().get_event(request).await.map_err(explain)?.into_inner(),
            )
        }
        Some(Command::Events(args)) => show::events(format, &list_events(&client, args).await?),
        Some(Command::Deliveries(args)) => show::deliveries(format, &list_deliveries(&client, args).await?),
    }
}

/// Reads the newest attempts, newest first.
async fn list_attempts(
    client: &Client,
    filter: &pb::AttemptFilter,
    limit: u32,
) -> Result<Vec<pb::Attempt>, tonic::Status> {
    let mut attempts = Vec::new();
    let mut page_token = String::new();
    while attempts.len() < limit as usize {
        let page_size = (limit - attempts.len() as u32).min(PAGE);
        let request = pb::ListAttemptsRequest {
            filter: Some(filter.clone()),
            page_size,
            page_token,
        };
        let page = client.log().list_attempts(request).await?.into_inner();
        attempts.extend(page.attempts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(attempts)
}

async fn list_events(client: &Client, args: EventsArgs) -> anyhow::Result<Vec<pb::Event>> {
    let mut request = pb::ListEventsRequest {
        tenant_id: args.tenant.map(|id| id.to_string()).unwrap_or_default(),
        event_types: args.event_types.iter().map(ToString::to_string).collect(),
        since: args.since.map(When::on_the_wire),
        until: args.until.map(When::on_the_wire),
        idempotency_key: args.idempotency_key.unwrap_or_default(),
        ..Default::default()
    };
    let mut events = Vec::new();
    while events.len() < args.limit as usize {
        request.page_size = (args.limit - events.len() as u32).min(PAGE);
        let page = client
            .log()
            .list_events(request.clone())
            .await
            .map_err(explain)?
            .into_inner();
        events.extend(page.events);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(events)
}

async fn list_deliveries(client: &Client, args: DeliveriesArgs) -> anyhow::Result<Vec<pb::Delivery>> {
    let mut request = pb::ListDeliveriesRequest {
        tenant_id: args.tenant.map(|id| id.to_string()).unwrap_or_default(),
        endpoint_id: args.endpoint.map(|id| id.to_string()).unwrap_or_default(),
        event_id: args.event.map(|id| id.to_string()).unwrap_or_default(),
        states: args.states,
        since: args.since.map(When::on_the_wire),
        until: args.until.map(When::on_the_wire),
        ..Default::default()
    };
    let mut deliveries = Vec::new();
    while deliveries.len() < args.limit as usize {
        request.page_size = (args.limit - deliveries.len() as u32).min(PAGE);
        let page = client
            .log()
            .list_deliveries(request.clone())
            .await
            .map_err(explain)?
            .into_inner();
        deliveries.extend(page.deliveries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(deliveries)
}
