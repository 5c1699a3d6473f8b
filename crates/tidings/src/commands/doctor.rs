//! `tidings doctor`.

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

/// Looks at everything that Tidings depends upon, from where it is run, and says of each thing whether it is well and what to
/// do if not. It changes nothing and sends nothing to anybody's endpoint. Fails if something is wrong; warnings do not fail.
///
/// Run it with the configuration of the roles, where they run: before the first start, after changes, when something is odd.
/// With --role it also asks processes how they are, by the addresses of their monitors.
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
    /// Where a process serves its monitor; may be repeated.
    #[arg(long = "role", value_name = "URL")]
    roles: Vec<Url>,
    /// A public address that requests should be able to reach from here, as dispatchers make them; may be repeated.
    #[arg(long, value_name = "URL")]
    egress: Vec<Url>,
    /// The data directory of a standalone system; its engines are looked at unless flags or variables name others.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How long one thing may take to answer.
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
