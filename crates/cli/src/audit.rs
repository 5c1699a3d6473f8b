//! `tidings audit`: the log of changes.

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;
use tidings_domain::{KeyId, TenantId, Timestamp};
use tidings_proto::pb;

use crate::arguments::When;
use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, instant, non_empty, table, time};
use crate::pages;

/// Shows the log of changes: who changed what, and from where.
///
/// Example:
///   tidings audit list --action 'endpoint.*' --since 1d
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
}

/// Lists changes, newest first. With --output json each contains the state before and after.
///
/// Examples:
///   tidings audit list --target ep_… --output json
///   tidings audit list --tenant ten_… --action 'key.*' --since 1d
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct ListArgs {
    /// Changes of this tenant's objects (ten_…).
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Changes made with this key (key_…).
    #[arg(long = "by", value_name = "KEY")]
    key_id: Option<KeyId>,
    /// Changes with this action: endpoint.updated, or endpoint.* for every action with that prefix.
    #[arg(long)]
    action: Option<String>,
    /// Changes of the object with this id.
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Changes at or after this time, or in so long until now, like 1h.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only changes before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Maximum number of changes.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

#[derive(Serialize)]
struct Document<'a> {
    id: &'a str,
    at: Option<Timestamp>,
    tenant_id: Option<&'a str>,
    actor: &'a str,
    key_id: Option<&'a str>,
    action: &'a str,
    target: &'a str,
    before: Option<Value>,
    after: Option<Value>,
    remote_address: Option<&'a str>,
    user_agent: Option<&'a str>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    let Command::List(args) = args.command;
    show(format, &list(&client, args).await?)
}

async fn list(client: &Client, args: ListArgs) -> anyhow::Result<Vec<pb::AuditEntry>> {
    let request = pb::ListAuditEntriesRequest {
        tenant_id: args.tenant.map(|id| id.to_string()).unwrap_or_default(),
        key_id: args.key_id.map(|id| id.to_string()).unwrap_or_default(),
        action: args.action.unwrap_or_default(),
        target: args.target.unwrap_or_default(),
        since: args.since.map(When::on_the_wire),
        until: args.until.map(When::on_the_wire),
        ..pb::ListAuditEntriesRequest::default()
    };
    let listed = pages::collect(args.limit, async |page_size, page_token| {
        let request = pb::ListAuditEntriesRequest {
            page_size,
            page_token,
            ..request.clone()
        };
        let page = client.audit().list_audit_entries(request).await?.into_inner();
        Ok((page.entries, page.next_page_token))
    });
    listed.await.map_err(explain)
}

fn show(format: Format, entries: &[pb::AuditEntry]) -> anyhow::Result<()> {
    if format == Format::Json {
        return entries
            .iter()
            .try_for_each(|entry| output::json(&Document::from(entry)));
    }
    let row = |entry: &pb::AuditEntry| {
        vec![
            time(entry.at.as_ref()),
            entry.action.clone(),
            entry.target.clone(),
            [entry.actor.as_str(), &entry.key_id].join(" "),
            entry.remote_address.clone(),
        ]
    };
    table(
        &["at", "action", "target", "by", "from"],
        &entries.iter().map(row).collect::<Vec<_>>(),
    )
}

impl<'a> From<&'a pb::AuditEntry> for Document<'a> {
    fn from(entry: &'a pb::AuditEntry) -> Self {
        Self {
            id: &entry.id,
            at: instant(entry.at.as_ref()),
            tenant_id: non_empty(&entry.tenant_id),
            actor: &entry.actor,
            key_id: non_empty(&entry.key_id),
            action: &entry.action,
            target: &entry.target,
            before: serde_json::from_str(&entry.before).ok(),
            after: serde_json::from_str(&entry.after).ok(),
            remote_address: non_empty(&entry.remote_address),
            user_agent: non_empty(&entry.user_agent),
        }
    }
}
