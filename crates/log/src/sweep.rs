//! The sweeper: publishes what the ledger says is due and the queue does not have.
//!
//! Need: a queue may lose a message, be purged, or have been away when an event was accepted (guarantees G1, G2);
//! and a wait that no rung matches is kept by the ledger alone. Mechanism: every open delivery has a time from
//! which it counts as forgotten; the sweeper takes those past it, moves them one step on and publishes them.
//! Limit: a delivery can then be in the queue twice; the dispatcher asks the ledger before it sends.

use std::sync::Arc;

use tidings_domain::Timestamp;
use tidings_store::Ledger;
use tokio_util::sync::CancellationToken;

use crate::republish::Republisher;
use crate::{Config, metrics};

/// How many deliveries are taken at once.
const BATCH: u32 = 500;

pub(crate) async fn run(
    ledger: Arc<dyn Ledger>,
    republisher: Republisher,
    config: Config,
    shutdown: CancellationToken,
) {
    let mut timer = tokio::time::interval(config.sweep_every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        while !shutdown.is_cancelled() {
            match ledger.sweep(Timestamp::now(), config.grace, BATCH).await {
                Ok(overdue) => {
                    let found = overdue.len();
                    let published = republisher.publish(overdue).await;
                    metrics::SWEPT.inc_by(published);
                    // Publishing failed for some: they are hidden for the grace, and taking more would hide more.
                    if found < BATCH as usize || published < found as u64 {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the ledger can't be swept right now");
                    break;
                }
            }
        }
    }
}
