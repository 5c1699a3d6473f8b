//! Leaving when told to.

use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::Health;

/// A token cancelled when the process is to stop serving: at once at SIGINT, by which people stop what they started
/// themselves, and `drain` after SIGTERM. Between SIGTERM and that, `health` is not ready any more while everything goes
/// on, so that balancers look elsewhere before anybody is turned away; a process that is not ready has nobody to wait for.
/// A second signal ends the process at once, for people and orchestrators that will not wait, with the status shells give
/// (128 + the signal's number).
///
/// Needs a tokio runtime. Where signals cannot be watched, the system's own answer (to end the process) remains.
pub fn on_signal(health: Health, drain: Duration) -> CancellationToken {
    let shutdown = CancellationToken::new();
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be watched; stopping will not be graceful");
            return shutdown;
        }
    };
    let told = shutdown.clone();
    tokio::spawn(async move {
        let drained = tokio::select! {
            _ = terminate.recv() => {
                let drain = if health.is_ready() { drain } else { Duration::ZERO };
                tracing::info!(signal = "SIGTERM", ?drain, "stopping");
                drain
            }
            _ = interrupt.recv() => {
                tracing::info!(signal = "SIGINT", "stopping");
                Duration::ZERO
            }
        };
        health.stop();
        let mut drained = pin!(sleep(drained));
        loop {
            let (name, status) = tokio::select! {
                () = &mut drained, if !told.is_cancelled() => {
                    told.cancel();
                    continue;
                }
                _ = terminate.recv() => ("SIGTERM", 143),
                _ = interrupt.recv() => ("SIGINT", 130),
            };
            tracing::warn!(signal = name, "stopping at once");
            std::process::exit(status);
        }
    });
    shutdown
}
