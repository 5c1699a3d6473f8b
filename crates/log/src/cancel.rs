//! Cancels the deliveries that were held until an endpoint was enabled, if its owner asked for that.
//!
//! A thousand or a million held deliveries are cancelled once, even if the process is killed on the way, and none
//! that is held afterwards. The endpoint stores the moment; every replica cancels what was held before it, in
//! batches, and the moment is removed when nothing is left. Until then nothing of the endpoint is released. A record
//! of an earlier hold that arrives later finds no moment, and its delivery is released.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{CancelReason, EndpointId, Timestamp};
use tidings_store::{Ledger, StoreError};
use tokio_util::sync::CancellationToken;

/// Interval between looks for endpoints with such a moment.
const EVERY: Duration = Duration::from_millis(500);
const BATCH: u32 = 1_000;

pub(crate) async fn run(ledger: Arc<dyn Ledger>, shutdown: CancellationToken) {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        let asked = match ledger.cancellations().await {
            Ok(asked) => {
                tidings_service::metrics::succeeded("cancellations");
                asked
            }
            Err(error) => {
                tracing::debug!(%error, "could not look for deliveries to cancel; retrying");
                continue;
            }
        };
        for (endpoint, before) in asked {
            if let Err(error) = cancel(&*ledger, endpoint, before, &shutdown).await {
                tracing::warn!(%endpoint, %error, "could not cancel held deliveries; retrying");
            }
        }
    }
}

/// Cancels what an endpoint has held since before a time.
async fn cancel(
    ledger: &dyn Ledger,
    endpoint: EndpointId,
    before: Timestamp,
    shutdown: &CancellationToken,
) -> Result<(), StoreError> {
    let mut cancelled = 0;
    while !shutdown.is_cancelled() {
        let some = ledger
            .cancel_held(endpoint, CancelReason::ByRequest, Some(before), Timestamp::now(), BATCH)
            .await?;
        cancelled += some;
        if some == 0 {
            // Not yet, if another replica is at it: then the next look finds it again.
            if ledger.end_cancellation(endpoint, before).await? {
                tracing::info!(%endpoint, cancelled, "cancelled held deliveries on request");
            }
            return Ok(());
        }
    }
    Ok(())
}
