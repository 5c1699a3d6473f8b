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

/// Shows, checks and tries dialects: how deliveries look to a kind of receiver.
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
    /// Lists the dialects: those built in and those of the configured directory.
    ///
    /// Example:
    ///   tidings dialect list
    #[command(verbatim_doc_comment)]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Shows all of a dialect: headers, answers, settings, properties, event types, samples.
    ///
    /// Example:
    ///   tidings dialect show userpilot
    #[command(verbatim_doc_comment)]
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Checks a dialect file; says where it is wrong as FILE:LINE:COLUMN.
    ///
    /// Example:
    ///   tidings dialect check acme.toml
    #[command(verbatim_doc_comment)]
    Check {
        /// The file.
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
