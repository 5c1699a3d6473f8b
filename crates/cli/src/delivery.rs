//! `tidings delivery`.

use clap::Subcommand;
use serde::Serialize;
use tidings_domain::{DeliveryId, DeliveryState, EndpointId, EventId, TenantId, Timestamp};
use tidings_proto::pb;

use crate::arguments::When;
use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, fields, instant, non_empty, table, time};
use crate::pages;

/// Shows deliveries: one event for one endpoint, with its state and when its next attempt is due.
///
/// Examples:
///   tidings delivery list --state exhausted --since 1d
///   tidings delivery get dlv_…
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
    /// Shows a delivery. `tidings explain` says in sentences why it is where it is.
    ///
    /// Example:
    ///   tidings delivery get dlv_…
    #[command(verbatim_doc_comment)]
    Get {
        /// Its id.
        delivery: DeliveryId,
    },
}

/// Lists deliveries, newest event first.
///
/// Example:
///   tidings delivery list --endpoint ep_… --state exhausted --state cancelled
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {
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
    /// The largest number of results.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    match args.command {
        Command::List(args) => print_list(&client, format, args).await,
        Command::Get { delivery } => print_one(&client, format, delivery).await,
    }
}

/// Prints deliveries, a row each.
pub(crate) async fn print_list(client: &Client, format: Format, args: ListArgs) -> anyhow::Result<()> {
    let limit = args.limit;
    let request = args.on_the_wire();
    let listed = pages::collect(limit, async |page_size, page_token| {
        let request = pb::ListDeliveriesRequest {
            page_size,
            page_token,
            ..request.clone()
        };
        let page = client.log().list_deliveries(request).await?.into_inner();
        Ok((page.deliveries, page.next_page_token))
    });
    print(format, &listed.await.map_err(explain)?)
}

async fn print_one(client: &Client, format: Format, delivery: DeliveryId) -> anyhow::Result<()> {
    let delivery_id = delivery.to_string();
    let request = pb::GetDeliveryRequest { delivery_id };
    let delivery = client.log().get_delivery(request).await.map_err(explain)?.into_inner();
    if format == Format::Json {
        return output::json(&Document::from(&delivery));
    }
    fields(&[
        ("delivery", delivery.id.clone()),
        ("event", delivery.event_id.clone()),
        ("endpoint", delivery.endpoint_id.clone()),
        ("tenant", delivery.tenant_id.clone()),
        ("state", state(&delivery)),
        ("attempts", delivery.attempts.to_string()),
        ("due", time(delivery.due_at.as_ref())),
        ("updated", time(delivery.updated_at.as_ref())),
    ])
}

/// Prints deliveries, a row each.
pub(crate) fn print(format: Format, deliveries: &[pb::Delivery]) -> anyhow::Result<()> {
    if format == Format::Json {
        return deliveries
            .iter()
            .try_for_each(|delivery| output::json(&Document::from(delivery)));
    }
    let row = |delivery: &pb::Delivery| {
        vec![
            delivery.id.clone(),
            delivery.endpoint_id.clone(),
            state(delivery),
            delivery.attempts.to_string(),
            time(delivery.due_at.as_ref()),
            time(delivery.updated_at.as_ref()),
        ]
    };
    let header = ["delivery", "endpoint", "state", "attempts", "due", "updated"];
    table(&header, &deliveries.iter().map(row).collect::<Vec<_>>())
}

/// `held (endpoint_disabled)`: the state with its reason, where it has one.
fn state(delivery: &pb::Delivery) -> String {
    match delivery.reason.as_str() {
        "" => delivery.state.clone(),
        reason => format!("{} ({reason})", delivery.state),
    }
}

impl ListArgs {
    fn on_the_wire(self) -> pb::ListDeliveriesRequest {
        pb::ListDeliveriesRequest {
            tenant_id: self.tenant.map(|id| id.to_string()).unwrap_or_default(),
            endpoint_id: self.endpoint.map(|id| id.to_string()).unwrap_or_default(),
            event_id: self.event.map(|id| id.to_string()).unwrap_or_default(),
            states: self.states,
            since: self.since.map(When::on_the_wire),
            until: self.until.map(When::on_the_wire),
            ..Default::default()
        }
    }
}

/// A delivery as `--output json` prints it.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    id: &'a str,
    event_id: &'a str,
    tenant_id: &'a str,
    endpoint_id: &'a str,
    state: &'a str,
    reason: Option<&'a str>,
    due_at: Option<Timestamp>,
    attempts: u32,
    updated_at: Option<Timestamp>,
}

impl<'a> From<&'a pb::Delivery> for Document<'a> {
    fn from(delivery: &'a pb::Delivery) -> Self {
        Self {
            id: &delivery.id,
            event_id: &delivery.event_id,
            tenant_id: &delivery.tenant_id,
            endpoint_id: &delivery.endpoint_id,
            state: &delivery.state,
            reason: non_empty(&delivery.reason),
            due_at: instant(delivery.due_at.as_ref()),
            attempts: delivery.attempts,
            updated_at: instant(delivery.updated_at.as_ref()),
        }
    }
}
