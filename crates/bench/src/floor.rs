//! The least that a delivery can cost on this machine: its parts, each done in the cheapest way that keeps what is promised
//! of it. Costs of the whole system are told in proportion to it, since absolute figures do not carry over.

mod post;
mod queue;
mod row;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tidings_cli::output::{heading, table};

use crate::Report;
use crate::proc::listener_of;
use crate::system::port_of;

#[derive(clap::Args)]
pub(crate) struct FloorArgs {
    /// PostgreSQL to measure with; a table is made in it and dropped.
    #[arg(long, value_name = "URL")]
    database_url: String,
    /// RabbitMQ to measure with; a quorum queue is made in it and deleted.
    #[arg(long, value_name = "URL")]
    amqp_url: String,
    /// The size of a payload, bytes.
    #[arg(long, default_value_t = 1_024)]
    payload: usize,
    /// Repetitions of each part.
    #[arg(long, default_value_t = 50_000)]
    times: u32,
    /// A file to write the JSON report to, besides what is printed.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Parts of a delivery, µs of CPU each.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// Signing a payload and sending it over a kept connection, the receiver's side not counted.
    signed_post: f64,
    /// A row with the payload, inserted with 499 others by `UNNEST`, in PostgreSQL.
    row: f64,
    /// Publishing to a quorum queue with a confirmation, consuming and acknowledging, both sides.
    queue: f64,
}

pub(crate) async fn run(args: FloorArgs) -> anyhow::Result<()> {
    let payload = vec![b'x'; args.payload];
    eprintln!("signed POST …");
    let signed_post = post::measure(&payload, args.times).await?;
    eprintln!("row …");
    let postgres = listener_of(port_of(&args.database_url, 5432)?)?;
    let row = row::measure(&args.database_url, postgres, &payload, args.times).await?;
    eprintln!("quorum queue …");
    let broker = listener_of(port_of(&args.amqp_url, 5672)?)?;
    let queue = queue::measure(&args.amqp_url, broker, &payload, args.times).await?;
    let floor = Floor {
        signed_post,
        row,
        queue,
    };
    if let Some(path) = &args.report {
        std::fs::write(path, serde_json::to_vec_pretty(&floor)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    floor.print()
}

impl Floor {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let report = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&report).with_context(|| format!("{} is no report of `bench floor`", path.display()))
    }

    /// The sum of the parts, with the queue or without.
    pub(crate) fn of(self, with_queue: bool) -> f64 {
        self.signed_post + self.row + if with_queue { self.queue } else { 0.0 }
    }
}

impl Report for Floor {
    fn print(&self) -> anyhow::Result<()> {
        heading("floor")?;
        let row = |name: &str, micros: f64| vec![name.to_owned(), format!("{micros:.1}")];
        let rows = [
            row("signed POST", self.signed_post),
            row("row", self.row),
            row("quorum queue", self.queue),
            row("without a queue", self.of(false)),
            row("with a queue", self.of(true)),
        ];
        table(&["part", "µs of CPU"], &rows)
    }
}
