//! `tidings config`: checks of the configuration.

use clap::Subcommand;

use crate::config::ConfigArgs;

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
    let found = config.check();
    for warning in &found.warnings {
        eprintln!("warning: {warning}");
    }
    anyhow::ensure!(
        found.errors.is_empty(),
        "the configuration is not usable:\n  {}",
        found.errors.join("\n  ")
    );
    print!("{}", toml::to_string(&config)?);
    Ok(())
}
