//! `tidings migrate`: the schema of PostgreSQL.

use std::time::Duration;

use tidings_service::telemetry;

use crate::config::ConfigArgs;

/// Migrates the PostgreSQL schema to this version. Safe to run at every deployment, before, during or after the start
/// of the roles: new ones wait for it, and running ones go on.
///
/// A schema that a newer version migrated stays as it is, if it says that this version can run on it.
///
/// Example:
///   tidings migrate --wait 2m --database-url postgres://tidings@db/tidings
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Time to wait for a database that is not reachable, as in `2m`. Other migrations, and users of tables that
    /// change, are waited for as long as that, or 5 minutes.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    wait: Duration,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config.load()?;
    telemetry::init(&config.telemetry, None)?;
    let migrated = tidings_store::postgres::migrate(&config.database, args.wait).await?;
    for name in &migrated.applied {
        println!("applied {name}");
    }
    let version = migrated.version;
    if migrated.newer {
        println!("the schema is of a newer version ({version}), and this one can run on it: nothing to do");
    } else if migrated.applied.is_empty() {
        println!("the schema is up to date (version {version})");
    }
    Ok(())
}
