//! `tidings replay`: new deliveries of logged events.

mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Subcommand;
use tidings_domain::{DeliveryId, DeliveryState, EndpointId, EventId, EventType, ReplayId, TenantId};
use tidings_proto::pb;
use tidings_proto::pb::log_rows;

use crate::arguments::When;
use crate::attempt::filter::AttemptFilter;
use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs};

use self::shown::{progress, show, show_list};

/// Retries one delivery, or replays whatever an endpoint missed or the log can find.
///
/// Each result is a new delivery of the same event, so receivers see the same event id. A replay is a job that runs in
/// the background; it can be paused, resumed and cancelled. Connects to control, or to standalone; requires a key with
/// the scopes manage and read.
///
/// Examples:
///   tidings replay retry dlv_0193…
///   tidings replay recover ep_0193… --since 2h --wait
///   tidings replay attempts --status 503 --since 1d --preview
///   tidings replay events --type feedback.created --since 7d --to ep_0193…
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
    /// Retries one delivery now.
    ///
    /// Example:
    ///   tidings replay retry dlv_0193…
    #[command(verbatim_doc_comment)]
    Retry {
        /// The delivery (dlv_…).
        delivery: DeliveryId,
    },
    /// Replays the exhausted deliveries of an endpoint since a time, without events that it received later.
    ///
    /// Example:
    ///   tidings replay recover ep_0193… --since 2h
    #[command(verbatim_doc_comment)]
    Recover {
        /// The endpoint (ep_…).
        endpoint: EndpointId,
        /// Events accepted at or after this time, or in so long until now.
        #[arg(long, value_name = "TIME")]
        since: When,
        /// Events accepted before this time.
        #[arg(long, value_name = "TIME")]
        until: Option<When>,
        /// Maximum number of deliveries made per second.
        #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        per_second: u32,
        /// Wait until the replay has ended.
        #[arg(long)]
        wait: bool,
    },
    /// Replays the deliveries of attempts; several attempts of one delivery count once.
    ///
    /// Example:
    ///   tidings replay attempts --status 5xx --since 1d --only-undelivered
    #[command(verbatim_doc_comment)]
    Attempts {
        #[command(flatten)]
        filter: Box<AttemptFilter>,
        #[command(flatten)]
        how: How,
    },
    /// Replays deliveries that match a filter.
    ///
    /// Example:
    ///   tidings replay deliveries --endpoint ep_0193… --state exhausted --since 2d
    #[command(verbatim_doc_comment)]
    Deliveries {
        #[command(flatten)]
        filter: DeliveryFilter,
        #[command(flatten)]
        how: How,
    },
    /// Sends events to an endpoint, even if they never went there.
    ///
    /// Example:
    ///   tidings replay events --type feedback.created --since 7d --to ep_0193…
    #[command(verbatim_doc_comment)]
    Events {
        #[command(flatten)]
        filter: EventFilter,
        #[command(flatten)]
        how: How,
    },
    /// Lists a tenant's replays, newest first.
    ///
    /// Example:
    ///   tidings replay list
    #[command(verbatim_doc_comment)]
    List {
        /// The tenant; needed with an operator's key.
        #[arg(long)]
        tenant: Option<TenantId>,
        /// Maximum number of replays, up to 200.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Shows a replay and its progress.
    ///
    /// Example:
    ///   tidings replay get rpl_0193… --wait
    #[command(verbatim_doc_comment, alias = "show")]
    Get {
        /// The replay (rpl_…).
        replay: ReplayId,
        /// Wait until the replay has ended.
        #[arg(long)]
        wait: bool,
    },
    /// Stops a replay until it is resumed.
    ///
    /// Example:
    ///   tidings replay pause rpl_0193…
    #[command(verbatim_doc_comment)]
    Pause {
        /// The replay (rpl_…).
        replay: ReplayId,
    },
    /// Resumes a paused replay.
    ///
    /// Example:
    ///   tidings replay resume rpl_0193…
    #[command(verbatim_doc_comment)]
    Resume {
        /// The replay (rpl_…).
        replay: ReplayId,
    },
    /// Cancels a replay. Deliveries that it made already are still sent.
    ///
    /// Example:
    ///   tidings replay cancel rpl_0193…
    #[command(verbatim_doc_comment)]
    Cancel {
        /// The replay (rpl_…).
        replay: ReplayId,
    },
}

/// Flags of every new replay.
#[derive(clap::Args)]
struct How {
    /// The endpoint to send everything to [default: each to where it went before].
    #[arg(long, value_name = "ENDPOINT")]
    to: Option<EndpointId>,
    /// Leave out events that the endpoint has received by now.
    #[arg(long)]
    only_undelivered: bool,
    /// Maximum number of deliveries made per second.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    per_second: u32,
    /// Only count the matching rows; nothing is sent.
    #[arg(long, conflicts_with = "wait")]
    preview: bool,
    /// Wait until the replay has ended.
    #[arg(long)]
    wait: bool,
}

/// Conditions on deliveries: all must hold, repeated flags are alternatives.
#[derive(clap::Args)]
struct DeliveryFilter {
    /// Deliveries of this tenant; needed with an operator's key.
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
    /// Of events accepted at or after this time, or in so long until now.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Of events accepted before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
}

/// Conditions on events: all must hold, repeated flags are alternatives.
#[derive(clap::Args)]
struct EventFilter {
    /// Events of this tenant; needed with an operator's key.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Events of this type; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    event_types: Vec<EventType>,
    /// Accepted at or after this time, or in so long until now.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Accepted before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    let mut replays = client.replays();
    let (replay, wait) = match args.command {
        Command::Retry { delivery } => {
            let delivery_id = delivery.to_string();
            let retried = replays.retry_delivery(pb::RetryDeliveryRequest { delivery_id }).await;
            let retried = retried.map_err(explain)?.into_inner();
            return match format {
                Format::Json => output::json(&BTreeMap::from([
                    ("retried", retried.delivery_id),
                    ("result", retried.result),
                    ("note", retried.note),
                ])),
                Format::Text => output::line(&format!("retried {}: {}", retried.delivery_id, retried.note)),
            };
        }
        Command::Recover {
            endpoint,
            since,
            until,
            per_second,
            wait,
        } => {
            let request = pb::RecoverEndpointRequest {
                endpoint_id: endpoint.to_string(),
                since: Some(since.on_the_wire()),
                until: until.map(When::on_the_wire),
                per_second,
            };
            (replays.recover_endpoint(request).await, wait)
        }
        Command::Attempts { filter, how } => {
            return start(&client, format, log_rows::Rows::Attempts(filter.on_the_wire()), how).await;
        }
        Command::Deliveries { filter, how } => {
            return start(&client, format, log_rows::Rows::Deliveries(filter.on_the_wire()), how).await;
        }
        Command::Events { filter, how } => {
            return start(&client, format, log_rows::Rows::Events(filter.on_the_wire()), how).await;
        }
        Command::List { tenant, limit } => {
            let request = pb::ListReplaysRequest {
                tenant_id: tenant.map(|id| id.to_string()).unwrap_or_default(),
                page_size: limit,
                page_token: String::new(),
            };
            let listed = replays.list_replays(request).await.map_err(explain)?;
            return show_list(format, &listed.into_inner().replays);
        }
        Command::Get { replay, wait } => {
            let replay_id = replay.to_string();
            (replays.get_replay(pb::GetReplayRequest { replay_id }).await, wait)
        }
        Command::Pause { replay } => {
            let replay_id = replay.to_string();
            (replays.pause_replay(pb::PauseReplayRequest { replay_id }).await, false)
        }
        Command::Resume { replay } => {
            let replay_id = replay.to_string();
            (
                replays.resume_replay(pb::ResumeReplayRequest { replay_id }).await,
                false,
            )
        }
        Command::Cancel { replay } => {
            let replay_id = replay.to_string();
            (
                replays.cancel_replay(pb::CancelReplayRequest { replay_id }).await,
                false,
            )
        }
    };
    finish(&client, format, replay.map_err(explain)?.into_inner(), wait).await
}

/// Counts rows, or sends them again.
async fn start(client: &Client, format: Format, rows: log_rows::Rows, how: How) -> anyhow::Result<()> {
    let rows = Some(pb::LogRows { rows: Some(rows) });
    if how.preview {
        let counted = client.replays().preview_replay(pb::PreviewReplayRequest { rows }).await;
        return shown::preview(format, &counted.map_err(explain)?.into_inner());
    }
    let request = pb::CreateReplayRequest {
        rows,
        endpoint_id: how.to.map(|id| id.to_string()).unwrap_or_default(),
        only_undelivered: how.only_undelivered,
        per_second: how.per_second,
    };
    let replay = client.replays().create_replay(request).await.map_err(explain)?;
    finish(client, format, replay.into_inner(), how.wait).await
}

/// Shows a replay, at once or when it has ended.
async fn finish(client: &Client, format: Format, mut replay: pb::Replay, wait: bool) -> anyhow::Result<()> {
    const LOOK_EVERY: Duration = Duration::from_millis(500);
    while wait && matches!(replay.state.as_str(), "running" | "paused") {
        if format == Format::Text {
            progress(&replay);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let replay_id = replay.id.clone();
        let asked = client.replays().get_replay(pb::GetReplayRequest { replay_id }).await;
        replay = asked.map_err(explain)?.into_inner();
    }
    show(format, &replay)?;
    anyhow::ensure!(!wait || replay.state == "succeeded", "the replay has {}", replay.state);
    Ok(())
}

impl DeliveryFilter {
    /// Converts the conditions for a request.
    fn on_the_wire(self) -> pb::DeliveryFilter {
        pb::DeliveryFilter {
            tenant_id: self.tenant.map(|id| id.to_string()).unwrap_or_default(),
            endpoint_id: self.endpoint.map(|id| id.to_string()).unwrap_or_default(),
            event_id: self.event.map(|id| id.to_string()).unwrap_or_default(),
            states: self.states,
            since: self.since.map(When::on_the_wire),
            until: self.until.map(When::on_the_wire),
        }
    }
}

impl EventFilter {
    /// Converts the conditions for a request.
    fn on_the_wire(self) -> pb::EventFilter {
        pb::EventFilter {
            tenant_id: self.tenant.map(|id| id.to_string()).unwrap_or_default(),
            event_types: self.event_types.iter().map(ToString::to_string).collect(),
            since: self.since.map(When::on_the_wire),
            until: self.until.map(When::on_the_wire),
        }
    }
}
