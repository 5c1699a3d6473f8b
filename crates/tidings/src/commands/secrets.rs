//! `tidings secrets`: the keys that seal secrets.

use std::path::PathBuf;

use clap::Subcommand;
use tidings_domain::EndpointId;
use tidings_store::Registry;
use tidings_store::postgres::Postgres;
use tidings_store::sqlite::Sqlite;

use crate::config::ConfigArgs;
use tidings_cli::output::line;

/// Manages the keys that seal secrets at rest (secrets.keys).
///
/// Example:
///   tidings secrets rekey --config tidings.toml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Rekey(RekeyArgs),
}

/// Seals every secret again with the first configured key, so that the others can be removed.
///
/// To change the key:
///   1. append the new key to secrets.keys and restart every role, so that each can open what others seal with it
///   2. put the new key first and restart every role again
///   3. run this command
///   4. a day later, when the responses stored for Idempotency-Keys are gone as well, run it with --check, remove the
///      old key and restart every role
///
/// It may run beside the system (on PostgreSQL), and again after an interruption.
///
/// Examples:
///   tidings secrets rekey --config tidings.toml
///   tidings secrets rekey --config tidings.toml --check
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct RekeyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only list the keys in use.
    #[arg(long)]
    check: bool,
    /// The data directory of a standalone system on SQLite, which must be stopped; without it, the configured
    /// PostgreSQL is used.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Endpoints sealed again between two lines of progress.
const BATCH: u32 = 500;

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Command::Rekey(args) = args.command;
    let config = args.config.load()?;
    let sealer = config.secrets.sealer()?;
    let store: Box<dyn Registry> = match &args.data_dir {
        Some(directory) => {
            let file = directory.join("tidings.db");
            anyhow::ensure!(file.exists(), "there is no {}", file.display());
            Box::new(Sqlite::open(&file, sealer)?)
        }
        None => Box::new(Postgres::connect(&config.database, sealer).await?),
    };
    let unreadable = match args.check {
        true => Vec::new(),
        false => rekey(&*store).await?,
    };
    for used in store.seal_uses().await? {
        line(&format!(
            "key {}: {} secrets, {} answers kept for a day",
            used.key, used.secrets, used.answers
        ))?;
    }
    for endpoint in &unreadable {
        line(&format!(
            "{endpoint} can't be read: its key is not configured, or it was changed"
        ))?;
    }
    anyhow::ensure!(
        unreadable.is_empty(),
        "secrets of {} endpoints were left as they are: add the keys that they are sealed with, or give them new secrets",
        unreadable.len()
    );
    Ok(())
}

/// Goes through all endpoints; gives those that can't be read.
async fn rekey(store: &dyn Registry) -> anyhow::Result<Vec<EndpointId>> {
    let (mut after, mut sealed, mut unreadable) = (None, 0, Vec::new());
    loop {
        let done = store.rekey(after, BATCH).await?;
        sealed += done.sealed;
        unreadable.extend(done.unreadable);
        match done.next {
            Some(next) => line(&format!("sealed again so far: {sealed} endpoints, up to {next}"))?,
            None => {
                line(&format!("sealed again: {sealed} endpoints"))?;
                return Ok(unreadable);
            }
        }
        after = done.next;
    }
}
