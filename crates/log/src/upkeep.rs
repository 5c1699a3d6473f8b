//! Upkeep: partitions made ahead, and what is too old forgotten: whole days, what single tenants keep for less time, and
//! idempotency keys and answers.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::Timestamp;
use tidings_service::backoff::Backoff;
use tidings_store::{RegistryCache, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{Config, erase, metrics};

const EVERY: Duration = Duration::from_secs(1800);
/// No promise about keys is shorter than this (guarantee G10); answers to requests are kept as long.
const MIN_RETENTION: Duration = Duration::from_secs(24 * 3600);

/// About how many rows one commit removes where there are no partitions.
const BATCH: u32 = 2_000;

pub(crate) async fn run(
    store: Arc<dyn Store>,
    registry: Arc<RegistryCache>,
    config: Config,
    shutdown: CancellationToken,
) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        let wait = match round(&*store, &registry, &config).await {
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

async fn round(store: &dyn Store, registry: &RegistryCache, config: &Config) -> Result<(), StoreError> {
    let now = Timestamp::now();
    store.prepare_partitions(now, config.partitions_ahead).await?;
    drop_old_days(store, config.retention, now).await?;
    for tenant in registry.tenants_that_keep_less() {
        erase::forget(store, &tenant, now).await?;
    }
    while store
        .forget_older_than(config.idempotency_retention.max(MIN_RETENTION))
        .await?
        > 0
    {}
    while store.forget_answers_older_than(MIN_RETENTION).await? > 0 {}
    Ok(())
}

/// Drops the days that are older than anything is kept.
async fn drop_old_days(store: &dyn Store, retention: Duration, now: Timestamp) -> Result<(), StoreError> {
    let Some(before) = now.checked_sub(retention).ok().filter(|_| !retention.is_zero()) else {
        return Ok(());
    };
    loop {
        let dropped = store.drop_days_before(before, now, BATCH).await?;
        metrics::DROPPED.inc_by(dropped);
        if dropped == 0 {
            return Ok(());
        }
    }
}
