//! `tidings backup`: copies of the embedded database.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use tidings_store::sqlite::backup;

use crate::config::ConfigArgs;
use tidings_cli::output::line;

/// Copies the database of a standalone system on SQLite to a new file, while it runs. The copy contains events,
/// deliveries with their next attempts, tenants, keys and endpoints, all as of one moment.
///
/// Without the key that seals endpoints' secrets the copy is worthless: secrets.key beside the database, or
/// secrets.keys of the configuration. Keep that key too, in another place. For PostgreSQL use its own tools
/// (docs/operations/backup.md).
///
/// Example:
///   tidings backup /backups/tidings-2026-11-27.db --data-dir /var/lib/tidings
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file to write; it must not exist.
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// The data directory of the system.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let directory = args.data_dir.unwrap_or(config.standalone.data_dir);
    let from = directory.join("tidings.db");
    anyhow::ensure!(from.exists(), "there is no {}", from.display());
    let (begun, to) = (Instant::now(), args.to.clone());
    let bytes = tokio::task::spawn_blocking(move || backup(&from, &to))
        .await?
        .with_context(|| format!("cannot write {}", args.to.display()))?;
    let (mib, took) = (bytes.div_ceil(1 << 20), begun.elapsed().as_secs_f64());
    line(&format!("{}: {mib} MiB in {took:.1} s, checked", args.to.display()))?;
    let key = directory.join("secrets.key");
    if key.exists() {
        let key = key.display();
        line(&format!(
            "Keep {key} as well, elsewhere: without it nothing can be sent from the copy."
        ))?;
    }
    Ok(())
}
