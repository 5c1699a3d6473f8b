#![doc = include_str!("../README.md")]
#![allow(
    rustdoc::bare_urls,
    rustdoc::invalid_html_tags,
    reason = "the doc comments of commands are their help texts, read in a terminal"
)]

mod commands;
mod config;
mod health;
mod start;

use std::process::ExitCode;

use clap::Parser;
use tidings_cli::escape;

use crate::commands::Command;

/// Every event passes through many small buffers: with the system's allocator a delivery costs 25 µs of CPU more
/// (`docs/benchmarks.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Durable webhook delivery: accepts events, delivers them signed, retries for a day, records every attempt.
///
/// Try it on this machine, with nothing installed:
///
///   tidings demo            every kind of event to a handful of receivers, and what became of each
///   tidings standalone      the whole system in one process, on SQLite
///
/// In production each role runs as its own process, on RabbitMQ and PostgreSQL:
///
///   tidings migrate && tidings ingest | dispatcher | log | control
#[derive(Parser)]
#[command(name = "tidings", version, verbatim_doc_comment, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    tidings_service::failpoint::set_up();
    tidings_service::process::raise_open_files();
    // Another part of the process may have chosen the provider already; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tidings: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(cli.command.run());
    // Threads that wait for a name server or a disk do not hold the exit.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Errors quote what servers and people wrote.
            eprintln!("tidings: {}", escape::lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
