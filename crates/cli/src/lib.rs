#![doc = include_str!("../README.md")]
#![allow(
    rustdoc::bare_urls,
    rustdoc::invalid_html_tags,
    reason = "the doc comments of commands are their help texts, read in a terminal"
)]

mod arguments;
mod attempt;
mod audit;
pub mod client;
mod console;
mod delivery;
mod dialect;
mod endpoint;
mod erase;
pub mod escape;
mod event;
mod event_type;
mod explain;
mod filter;
mod health;
mod listen;
mod logs;
pub mod output;
mod pages;
mod pretty;
mod publish;
mod queue;
mod replay;
mod tenant;
pub mod verify;

use clap::Subcommand;

/// The commands by which people use a running system.
#[derive(Subcommand)]
pub enum Command {
    Tenant(tenant::Args),
    Endpoint(Box<endpoint::Args>),
    EventType(event_type::Args),
    Filter(filter::Args),
    Dialect(dialect::Args),
    Publish(publish::Args),
    Event(event::Args),
    Delivery(delivery::Args),
    Attempt(attempt::Args),
    #[command(hide = true)]
    Logs(Box<logs::Args>),
    Explain(explain::Args),
    Replay(replay::Args),
    Erase(erase::Args),
    Queue(queue::Args),
    Audit(audit::Args),
    Console(console::Args),
    Listen(listen::Args),
    Health(health::Args),
}

impl Command {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// A sentence for whoever typed it.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Tenant(args) => tenant::run(args).await,
            Self::Endpoint(args) => endpoint::run(*args).await,
            Self::EventType(args) => event_type::run(args).await,
            Self::Filter(args) => filter::run(args).await,
            Self::Dialect(args) => dialect::run(args),
            Self::Publish(args) => publish::run(args).await,
            Self::Event(args) => event::run(args).await,
            Self::Delivery(args) => delivery::run(args).await,
            Self::Attempt(args) => attempt::run(args).await,
            Self::Logs(args) => logs::run(*args).await,
            Self::Explain(args) => explain::run(args).await,
            Self::Replay(args) => replay::run(args).await,
            Self::Erase(args) => erase::run(args).await,
            Self::Queue(args) => queue::run(args).await,
            Self::Audit(args) => audit::run(args).await,
            Self::Console(args) => console::run(args).await,
            Self::Listen(args) => listen::run(args).await,
            Self::Health(args) => health::run(args).await,
        }
    }
}
