//! The subcommands, one file each.

mod admin;
mod audit;
mod backup;
mod bench;
mod config;
mod console;
mod control;
mod demo;
mod dialect;
mod dispatcher;
mod doctor;
mod endpoint;
mod erase;
mod event_type;
mod explain;
mod filter;
mod health;
mod ingest;
mod listen;
mod log;
mod logs;
mod metrics;
mod migrate;
mod publish;
mod queue;
mod replay;
mod secrets;
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
    #[command(hide = true)]
    Metrics(metrics::Args),
    Migrate(migrate::Args),
    Admin(admin::Args),
    Secrets(secrets::Args),
    Config(config::Args),
    Console(console::Args),
    Tenant(tenant::Args),
    Audit(audit::Args),
    Endpoint(Box<endpoint::Args>),
    EventType(event_type::Args),
    Filter(filter::Args),
    Health(health::Args),
    Doctor(Box<doctor::Args>),
    Backup(backup::Args),
    Dialect(dialect::Args),
    Publish(publish::Args),
    Logs(Box<logs::Args>),
    Explain(explain::Args),
    Replay(replay::Args),
    Erase(erase::Args),
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
            Self::Console(args) => console::run(args).await,
            Self::Tenant(args) => tenant::run(args).await,
            Self::Audit(args) => audit::run(args).await,
            Self::Endpoint(args) => endpoint::run(*args).await,
            Self::EventType(args) => event_type::run(args).await,
            Self::Filter(args) => filter::run(args).await,
            Self::Health(args) => health::run(args).await,
            Self::Dialect(args) => dialect::run(args),
            Self::Publish(args) => publish::run(args).await,
            Self::Logs(args) => logs::run(*args).await,
            Self::Explain(args) => explain::run(args).await,
            Self::Replay(args) => replay::run(args).await,
            Self::Erase(args) => erase::run(args).await,
            Self::Queue(args) => queue::run(args).await,
            Self::Listen(args) => listen::run(args).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Bench(args) => bench::run(args).await,
        }
    }
}
