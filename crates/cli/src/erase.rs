//! `tidings erase`: jobs that remove content.

use clap::Subcommand;
use serde::Serialize;
use tidings_domain::{ErasureId, EventId, TenantId, Timestamp};
use tidings_proto::pb;

use crate::client::{ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, fields, instant, table, time};

/// Erases the content of one event, or everything of a tenant. An erasure is a job that runs in the background.
/// Connects to control, or to standalone; requires a key with the scopes manage and read.
///
/// Examples:
///   tidings erase event evt_0193…
///   tidings erase tenant ten_0193…
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
    /// Erases an event's payload, and the request and response bodies of its attempts. The log keeps everything else;
    /// open deliveries are cancelled.
    ///
    /// Example:
    ///   tidings erase event evt_0193…
    #[command(verbatim_doc_comment)]
    Event {
        /// The event (evt_…).
        event: EventId,
    },
    /// Erases a tenant's whole log: events, deliveries, attempts, idempotency keys, replays. Requires an operator's
    /// key.
    ///
    /// The tenant itself stays; to remove it too, delete it first (`tidings tenant delete`).
    ///
    /// Example:
    ///   tidings erase tenant ten_0193…
    #[command(verbatim_doc_comment)]
    Tenant {
        /// The tenant (ten_…).
        tenant: TenantId,
    },
    /// Lists erasures, newest first.
    ///
    /// Example:
    ///   tidings erase list
    #[command(verbatim_doc_comment)]
    List {
        /// Only this tenant's erasures (ten_…).
        #[arg(long)]
        tenant: Option<TenantId>,
        /// Maximum number of erasures, up to 200.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Shows an erasure and its progress.
    ///
    /// Example:
    ///   tidings erase get ers_0193…
    #[command(verbatim_doc_comment, alias = "show")]
    Get {
        /// The erasure (ers_…).
        erasure: ErasureId,
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    let mut erasures = client.erasures();
    let erasure = match args.command {
        Command::Event { event } => {
            let request = pb::CreateErasureRequest {
                event_id: event.to_string(),
                tenant_id: String::new(),
            };
            erasures.create_erasure(request).await
        }
        Command::Tenant { tenant } => {
            let request = pb::CreateErasureRequest {
                event_id: String::new(),
                tenant_id: tenant.to_string(),
            };
            erasures.create_erasure(request).await
        }
        Command::List { tenant, limit } => {
            let request = pb::ListErasuresRequest {
                tenant_id: tenant.map(|id| id.to_string()).unwrap_or_default(),
                page_size: limit,
                page_token: String::new(),
            };
            let listed = erasures.list_erasures(request).await.map_err(explain)?;
            return show_list(format, &listed.into_inner().erasures);
        }
        Command::Get { erasure } => {
            let erasure_id = erasure.to_string();
            erasures.get_erasure(pb::GetErasureRequest { erasure_id }).await
        }
    };
    show(format, &erasure.map_err(explain)?.into_inner())
}

fn show(format: Format, erasure: &pb::Erasure) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&ErasureDocument::of(erasure));
    }
    fields(&[
        ("erasure", erasure.id.clone()),
        ("of", target(erasure).to_owned()),
        ("state", erasure.state.clone()),
        ("events", erasure.events.to_string()),
        ("deliveries", erasure.deliveries.to_string()),
        ("attempts", erasure.attempts.to_string()),
        ("asked for", time(erasure.created_at.as_ref())),
        ("ended", time(erasure.ended_at.as_ref())),
    ])
}

fn show_list(format: Format, erasures: &[pb::Erasure]) -> anyhow::Result<()> {
    if format == Format::Json {
        return erasures
            .iter()
            .try_for_each(|erasure| output::json(&ErasureDocument::of(erasure)));
    }
    let row = |erasure: &pb::Erasure| {
        vec![
            erasure.id.clone(),
            time(erasure.created_at.as_ref()),
            target(erasure).to_owned(),
            erasure.state.clone(),
            erasure.events.to_string(),
        ]
    };
    table(
        &["erasure", "asked for", "of", "state", "events"],
        &erasures.iter().map(row).collect::<Vec<_>>(),
    )
}

/// The erased event, or else the tenant.
fn target(erasure: &pb::Erasure) -> &str {
    if erasure.event_id.is_empty() {
        &erasure.tenant_id
    } else {
        &erasure.event_id
    }
}

#[derive(Serialize)]
struct ErasureDocument<'a> {
    id: &'a str,
    tenant_id: &'a str,
    event_id: Option<&'a str>,
    state: &'a str,
    events: u64,
    deliveries: u64,
    attempts: u64,
    created_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl<'a> ErasureDocument<'a> {
    fn of(erasure: &'a pb::Erasure) -> Self {
        Self {
            id: &erasure.id,
            tenant_id: &erasure.tenant_id,
            event_id: Some(erasure.event_id.as_str()).filter(|id| !id.is_empty()),
            state: &erasure.state,
            events: erasure.events,
            deliveries: erasure.deliveries,
            attempts: erasure.attempts,
            created_at: instant(erasure.created_at.as_ref()),
            ended_at: instant(erasure.ended_at.as_ref()),
        }
    }
}
