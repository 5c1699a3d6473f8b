//! Runs erasures, each for a limited time so that none waits for another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::Timestamp;
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Interval between looks for erasures.
const EVERY: Duration = Duration::from_secs(1);
/// Time without progress after which another replica may take an erasure.
const LEASE: Duration = Duration::from_secs(60);
/// Time for one erasure while others may wait.
const TURN: Duration = Duration::from_secs(5);
/// About how many rows one commit removes.
const BATCH: u32 = 2_000;

pub(crate) async fn run(store: Arc<dyn Store>, shutdown: CancellationToken) {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        match erase(&*store, &shutdown).await {
            Ok(()) => tidings_service::metrics::succeeded("erasures"),
            Err(error) => tracing::warn!(%error, "an erasure failed; retrying"),
        }
    }
}

/// Runs every erasure that no other replica works on, in turns.
async fn erase(store: &dyn Store, shutdown: &CancellationToken) -> Result<(), StoreError> {
    while let Some(erasure) = store.claim_erasure(Timestamp::now(), LEASE).await? {
        let began = Instant::now();
        loop {
            let (removed, done) = store.erase_some(&erasure, Timestamp::now(), LEASE, BATCH).await?;
            if done {
                tracing::info!(erasure = %erasure.id, ?removed, "erasure finished");
                break;
            }
            if shutdown.is_cancelled() || began.elapsed() > TURN {
                store.release_erasure(erasure.id).await?;
                break;
            }
        }
        if shutdown.is_cancelled() {
            break;
        }
    }
    Ok(())
}
