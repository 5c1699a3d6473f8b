//! `tidings dialect`. Nothing here asks a server: dialects are files.

mod document;
mod preview;
mod shown;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use tidings_dialect::{Dialect, Dialects};

use crate::config::ConfigArgs;
use crate::output::{Format, OutputArgs};

/// Lists, checks and previews dialects, the formats of deliveries.
///
/// Example:
///   tidings dialect list
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the built-in dialects and those of the configured directory.
    ///
    /// Example:
    ///   tidings dialect list
    #[command(verbatim_doc_comment)]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Shows a dialect in full: headers, responses, settings, properties, event types, samples.
    ///
    /// Example:
    ///   tidings dialect show userpilot
    #[command(verbatim_doc_comment)]
    Show {
        /// The dialect's name, like userpilot.
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Checks a dialect file and reports errors as FILE:LINE:COLUMN.
    ///
    /// Example:
    ///   tidings dialect check acme.toml
    #[command(verbatim_doc_comment)]
    Check {
        /// The dialect file to check.
        file: PathBuf,
    },
    Preview(Box<preview::Args>),
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let format = args.output.output;
    match args.command {
        Command::List { config } => shown::list(format, &load(&config)?),
        Command::Show { name, config } => shown::one(format, named(&load(&config)?, &name)?.as_ref()),
        Command::Check { file } => check(format, &file),
        Command::Preview(args) => preview::run(format, &args),
    }
}

fn check(format: Format, file: &Path) -> anyhow::Result<()> {
    match Dialect::read(file) {
        Ok(dialect) => shown::is_right(format, &dialect),
        Err(mistake) => {
            shown::is_wrong(format, &mistake)?;
            anyhow::bail!("{} can't be used", file.display())
        }
    }
}

fn load(config: &ConfigArgs) -> anyhow::Result<Dialects> {
    config.load()?.dialects.load()
}

fn named(dialects: &Dialects, name: &str) -> anyhow::Result<Arc<Dialect>> {
    let known = || dialects.names().collect::<Vec<_>>().join(", ");
    dialects
        .get(name)
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("there is no dialect `{name}`: use one of {}", known()))
}
