//! `tidings config`.

use anyhow::Context as _;
use clap::Subcommand;

use crate::config::ConfigArgs;
use crate::start::topology;

/// Checks the configuration.
///
/// Example:
///   tidings config check --config tidings.toml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints the effective configuration (file, then environment, then flags) with secrets masked, or says what
    /// is wrong with it.
    ///
    /// Example:
    ///   tidings config check --config tidings.toml
    #[command(verbatim_doc_comment)]
    Check {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let Command::Check { config } = args.command;
    let config = config.load()?;
    topology(&config, &config.load_dialects()?)?;
    config.amqp.check()?;
    config.log_client.tls.rustls().context("log_client.tls")?;
    config.dispatcher_client.tls.rustls().context("dispatcher_client.tls")?;
    if !config.secrets.keys.is_empty() {
        config.secrets.sealer()?;
    }
    config.notifier.check()?;
    print!("{}", toml::to_string(&config)?);
    Ok(())
}
