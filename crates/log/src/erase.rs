//! Works off erasures, each for a while so that none waits for another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::Timestamp;
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// How often erasures are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long an erasure belongs to who took it without getting on.
const LEASE: Duration = Duration::from_secs(60);
/// How long one erasure is worked on while others may wait.
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
            Err(error) => tracing::warn!(%error, "an erasure could not go on; it is taken up again"),
        }
    }
}

/// Works off every erasure on which nobody else works, in turns.
async fn erase(store: &dyn Store, shutdown: &CancellationToken) -> Result<(), StoreError> {
    while let Some(erasure) = store.claim_erasure(Timestamp::now(), LEASE).await? {
        let began = Instant::now();
        loop {
            let (removed, done) = store.erase_some(&erasure, Timestamp::now(), LEASE, BATCH).await?;
            if done {
                tracing::info!(erasure = %erasure.id, ?removed, "an erasure has ended");
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
