//! `tidings attempt`.

mod document;
mod export;
pub(crate) mod filter;
pub(crate) mod shown;
mod watch;

use clap::Subcommand;
use tidings_domain::AttemptId;
use tidings_proto::pb;
use tonic::Status;

use self::filter::AttemptFilter;
use crate::client::{Client, ClientArgs, explain};
use crate::output::{Format, OutputArgs};
use crate::pages;

/// Shows the requests that were made: each with its status, duration and error, and with what was sent and answered.
///
/// Examples:
///   tidings attempt list --status 5xx --since 1h
///   tidings attempt get att_…
///   tidings attempt watch --endpoint ep_…
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
    List(Box<ListArgs>),
    /// Shows an attempt with its request and response.
    ///
    /// Example:
    ///   tidings attempt get att_…
    #[command(verbatim_doc_comment)]
    Get {
        /// Its id.
        attempt: AttemptId,
    },
    Watch(Box<WatchArgs>),
}

/// Lists attempts, newest first.
///
/// Examples:
///   tidings attempt list --status 5xx --since 1h
///   tidings attempt list --error 'reset by peer' --min-duration 5s
///   tidings attempt list --since 1d --export csv > attempts.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    filter: AttemptFilter,
    /// The largest number of results.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Write all of them, without a limit, as a JSON document per line or as CSV.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["limit", "output"])]
    export: Option<export::Format>,
}

/// Shows attempts as they are made, until Ctrl-C.
///
/// Example:
///   tidings attempt watch --endpoint ep_… --outcome failed_final
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct WatchArgs {
    #[command(flatten)]
    filter: AttemptFilter,
    /// The number of past attempts to begin with.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    match args.command {
        Command::List(args) => print_list(&client, format, *args).await,
        Command::Get { attempt } => print_one(&client, format, attempt).await,
        Command::Watch(args) => watch::watch(&client, args.filter.on_the_wire(), args.limit, format).await,
    }
}

/// Prints or exports the newest attempts.
pub(crate) async fn print_list(client: &Client, format: Format, args: ListArgs) -> anyhow::Result<()> {
    let filter = args.filter.on_the_wire();
    match args.export {
        Some(into) => export::export(client, filter, into).await,
        None => shown::list(format, &list(client, &filter, args.limit).await.map_err(explain)?),
    }
}

/// Prints attempts from now on, after the newest of those before.
pub(crate) async fn print_coming(client: &Client, format: Format, args: ListArgs) -> anyhow::Result<()> {
    watch::watch(client, args.filter.on_the_wire(), args.limit, format).await
}

/// Prints an attempt with its request and response.
pub(crate) async fn print_one(client: &Client, format: Format, attempt: AttemptId) -> anyhow::Result<()> {
    let attempt_id = attempt.to_string();
    let request = pb::GetAttemptRequest { attempt_id };
    let attempt = client.log().get_attempt(request).await.map_err(explain)?;
    shown::one(format, &attempt.into_inner())
}

/// The newest attempts, newest first.
async fn list(client: &Client, filter: &pb::AttemptFilter, limit: u32) -> Result<Vec<pb::Attempt>, Status> {
    pages::collect(limit, async |page_size, page_token| {
        let request = pb::ListAttemptsRequest {
            filter: Some(filter.clone()),
            page_size,
            page_token,
        };
        let page = client.log().list_attempts(request).await?.into_inner();
        Ok((page.attempts, page.next_page_token))
    })
    .await
}
