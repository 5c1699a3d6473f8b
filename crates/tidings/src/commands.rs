//! The subcommands.

mod admin;
mod bench;
mod config;
mod control;
mod demo;
mod dialect;
mod dispatcher;
mod endpoint;
mod ingest;
mod listen;
mod log;
mod logs;
mod migrate;
mod publish;
mod queue;
mod standalone;
mod tenant;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Standalone(standalone::Args),
    Ingest(ingest::Args),
    Dispatcher(dispatcher::Args),
    Log(log::Args),
    Control(control::Args),
    Migrate(migrate::Args),
    Admin(admin::Args),
    Config(config::Args),
    Tenant(tenant::Args),
    Endpoint(Box<endpoint::Args>),
    Dialect(dialect::Args),
    Publish(publish::Args),
    Logs(Box<logs::Args>),
    Queue(queue::Args),
    Listen(listen::Args),
    Demo(demo::Args),
    Bench(bench::Args),
}

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Standalone(args) => standalone::run(args).await,
            Self::Ingest(args) => ingest::run(args).await,
            Self::Dispatcher(args) => dispatcher::run(args).await,
            Self::Log(args) => log::run(args).await,
            Self::Control(args) => control::run(args).await,
            Self::Migrate(args) => migrate::run(args).await,
            Self::Admin(args) => admin::run(args).await,
            Self::Config(args) => config::run(args),
            Self::Tenant(args) => tenant::run(args).await,
            Self::Endpoint(args) => endpoint::run(*args).await,
            Self::Dialect(args) => dialect::run(args),
            Self::Publish(args) => publish::run(args).await,
            Self::Logs(args) => logs::run(*args).await,
            Self::Queue(args) => queue::run(args).await,
            Self::Listen(args) => listen::run(args).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Bench(args) => bench::run(args).await,
        }
    }
}
