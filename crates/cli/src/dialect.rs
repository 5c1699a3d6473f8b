//! `tidings dialect`. Nothing here asks a server: dialects are files.

mod document;
mod preview;
mod shown;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use serde::Deserialize;
use tidings_dialect::{Dialect, Dialects};

use crate::output::{Format, OutputArgs};

/// Lists, checks and previews dialects, the formats of deliveries.
///
/// Example:
///   tidings dialect list
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
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
        config: FileArgs,
    },
    /// Shows a dialect in full: headers, responses, settings, properties, event types, samples.
    ///
    /// Example:
    ///   tidings dialect get userpilot
    #[command(verbatim_doc_comment, alias = "show")]
    Get {
        /// The dialect's name, like userpilot.
        name: String,
        #[command(flatten)]
        config: FileArgs,
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

/// The flag that says where dialects of one's own are configured.
#[derive(clap::Args)]
struct FileArgs {
    /// The configuration file; without it, defaults and TIDINGS_SECTION__KEY variables hold.
    #[arg(long, env = "TIDINGS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The one section of the configuration that matters here. The others may hold what this machine has no right to read.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Sections {
    dialects: tidings_dialect::Config,
}

impl FileArgs {
    fn load(&self) -> anyhow::Result<Dialects> {
        let sections: Sections = tidings_service::config::load(self.config.as_deref(), toml::Table::new())
            .context("the configuration is not usable")?;
        Ok(sections.dialects.load()?)
    }
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let format = args.output.output;
    match args.command {
        Command::List { config } => shown::list(format, &config.load()?),
        Command::Get { name, config } => shown::one(format, named(&config.load()?, &name)?.as_ref()),
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

fn named(dialects: &Dialects, name: &str) -> anyhow::Result<Arc<Dialect>> {
    let known = || dialects.names().collect::<Vec<_>>().join(", ");
    dialects
        .get(name)
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("there is no dialect `{name}`: use one of {}", known()))
}
