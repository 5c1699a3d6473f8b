//! Leaving when told to.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token cancelled at the first SIGTERM or SIGINT. A second signal ends the process at once, for people and
/// orchestrators that will not wait, with the status shells give (128 + the signal's number).
///
/// Needs a tokio runtime. Where signals cannot be watched, the system's own answer (to end the process) remains.
pub fn on_signal() -> CancellationToken {
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
        loop {
            let (name, status) = tokio::select! {
                _ = terminate.recv() => ("SIGTERM", 143),
                _ = interrupt.recv() => ("SIGINT", 130),
            };
            if told.is_cancelled() {
                tracing::warn!(signal = name, "stopping at once");
                std::process::exit(status);
            }
            tracing::info!(signal = name, "stopping");
            told.cancel();
        }
    });
    shutdown
}
