//! Upkeep: partitions made ahead, idempotency keys forgotten.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::Timestamp;
use tidings_service::backoff::Backoff;
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::Config;

const EVERY: Duration = Duration::from_secs(1800);
/// No promise about keys is shorter than this (guarantee G10).
const MIN_RETENTION: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn run(store: Arc<dyn Store>, config: Config, shutdown: CancellationToken) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        let wait = match round(&*store, &config).await {
            Ok(()) => {
                backoff.reset();
                EVERY
            }
            Err(error) => {
                tracing::warn!(%error, "upkeep of the ledger failed; it is tried again");
                backoff.next()
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn round(store: &dyn Store, config: &Config) -> Result<(), StoreError> {
    store
        .prepare_partitions(Timestamp::now(), config.partitions_ahead)
        .await?;
    while store
        .forget_older_than(config.idempotency_retention.max(MIN_RETENTION))
        .await?
        > 0
    {}
    Ok(())
}
