//! `tidings doctor`: checks of all that Tidings depends on.

mod embedded;
mod engines;
mod finding;
mod outside;
mod roles;

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use self::finding::Findings;
use super::standalone::Engines;
use crate::config::ConfigArgs;
use tidings_cli::output::OutputArgs;

/// Checks everything that Tidings depends on, from the machine it is run on, and says for each problem what to do. It
/// changes nothing and sends nothing to any endpoint. Errors make it fail; warnings do not.
///
/// Run it with the configuration of the roles, where they run: before the first start, after changes, and when
/// something seems wrong. With --role it also reads the health of processes from their monitors.
///
/// Example:
///   tidings doctor --config tidings.toml --role http://ingest:9464 --role http://log:9464 --egress https://example.com
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Address of a process's monitor; may be repeated.
    #[arg(long = "role", value_name = "URL")]
    roles: Vec<Url>,
    /// A public address that must be reachable from here as dispatchers connect; may be repeated.
    #[arg(long, value_name = "URL")]
    egress: Vec<Url>,
    /// The data directory of a standalone system; its engines are checked unless flags or variables name others.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Time limit for each check.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Everything is looked at, whatever is wrong with the rest.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut found = Findings::new(args.output.output);
    let config = match args.config.load() {
        Ok(config) => config,
        Err(error) => {
            found.fail(
                "configuration",
                format!("{error:#}"),
                "correct the file or the variables",
            )?;
            return found.end();
        }
    };
    let checked = config.check();
    for error in &checked.errors {
        found.fail("configuration", error.clone(), "correct it: no role starts like this")?;
    }
    for warning in &checked.warnings {
        found.warn("configuration", warning.clone(), "think about it")?;
    }
    if checked.errors.is_empty() && checked.warnings.is_empty() {
        found.ok("configuration", "it can work")?;
    }
    let named = Engines::chosen(&args.config);
    match &args.data_dir {
        Some(directory) if !named.postgres => embedded::database(&config, directory, &mut found)?,
        _ => {
            engines::database(&config, &mut found).await?;
            engines::keys(&config, &mut found).await?;
        }
    }
    if args.data_dir.is_none() || named.rabbit {
        engines::broker(&config, &mut found).await?;
    }
    if args.data_dir.is_none() {
        roles::reach(&config, args.timeout, &mut found).await?;
    }
    for url in &args.roles {
        roles::ask(url, args.timeout, &mut found).await?;
    }
    outside::mail(&config, args.timeout, &mut found).await?;
    outside::public_url(&config, args.timeout, &mut found).await?;
    outside::names(&config, &mut found).await?;
    for url in &args.egress {
        outside::egress(&config, url, args.timeout, &mut found).await?;
    }
    found.end()
}
