//! The subcommands, one file each.

mod admin;
mod backup;
mod config;
mod control;
mod demo;
mod dispatcher;
mod doctor;
mod ingest;
mod log;
mod metrics;
mod migrate;
mod secrets;
mod standalone;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Standalone(standalone::Args),
    Ingest(ingest::Args),
    Dispatcher(dispatcher::Args),
    Log(log::Args),
    Control(control::Args),
    #[command(hide = true)]
    Metrics(metrics::Args),
    Migrate(migrate::Args),
    Admin(admin::Args),
    Secrets(secrets::Args),
    Config(config::Args),
    Doctor(Box<doctor::Args>),
    Backup(backup::Args),
    Demo(demo::Args),
    #[command(flatten)]
    Client(tidings_cli::Command),
}

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Standalone(args) => standalone::run(args).await,
            Self::Ingest(args) => ingest::run(args).await,
            Self::Dispatcher(args) => dispatcher::run(args).await,
            Self::Doctor(args) => doctor::run(*args).await,
            Self::Log(args) => log::run(args).await,
            Self::Control(args) => control::run(args).await,
            Self::Metrics(_) => {
                metrics::run();
                Ok(())
            }
            Self::Migrate(args) => migrate::run(args).await,
            Self::Admin(args) => admin::run(args).await,
            Self::Backup(args) => backup::run(args).await,
            Self::Secrets(args) => secrets::run(args).await,
            Self::Config(args) => config::run(args),
            Self::Demo(args) => demo::run(args).await,
            Self::Client(command) => command.run().await,
        }
    }
}
