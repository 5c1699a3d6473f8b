//! `tidings logs`: the former names of `tidings attempt`, `event` and `delivery`, kept for one release.

use clap::Subcommand;
use tidings_domain::{AttemptId, EventId};

use crate::client::ClientArgs;
use crate::output::OutputArgs;
use crate::{attempt, delivery, event};

/// The former name of `tidings attempt`, `tidings event` and `tidings delivery`.
///
/// Example:
///   tidings attempt list
#[derive(clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    attempts: attempt::ListArgs,
    /// Go on with what happens from now on, until Ctrl-C.
    #[arg(long, short, conflicts_with_all = ["until", "export"])]
    follow: bool,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Subcommand)]
enum Command {
    /// `tidings attempt get`
    Show { attempt: AttemptId },
    /// `tidings event list`
    Events(event::ListArgs),
    /// `tidings event get`
    Event { event: EventId },
    /// `tidings delivery list`
    Deliveries(delivery::ListArgs),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    match args.command {
        None if args.follow => attempt::print_coming(&client, format, args.attempts).await,
        None => attempt::print_list(&client, format, args.attempts).await,
        Some(Command::Show { attempt }) => attempt::print_one(&client, format, attempt).await,
        Some(Command::Events(args)) => event::print_list(&client, format, args).await,
        Some(Command::Event { event }) => event::print_one(&client, format, event).await,
        Some(Command::Deliveries(args)) => delivery::print_list(&client, format, args).await,
    }
}
