//! Upkeep: creates partitions ahead, and removes what exceeds its retention: whole days, idempotency keys and
//! responses, and what tenants keep for less time. One process at a time does it; a failure for one tenant does not
//! affect others.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{Tenant, Timestamp};
use tidings_service::backoff::Backoff;
use tidings_store::erasures::Forgetting;
use tidings_store::{RegistryCache, Store, StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Config;

/// Interval of upkeep over all processes.
const EVERY: Duration = Duration::from_secs(1800);
/// Interval at which a process checks if upkeep is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Time without progress after which another process may take over: longer than any single statement.
const LEASE: Duration = Duration::from_secs(900);
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
    let upkeep = Upkeep {
        store,
        registry,
        config,
        process: Uuid::new_v4(),
    };
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        let wait = match upkeep.take_turn().await {
            Ok(()) => {
                backoff.reset();
                tidings_service::metrics::succeeded("upkeep");
                LOOK_EVERY
            }
            Err(error) => {
                tracing::warn!(%error, "upkeep of the ledger failed; retrying");
                backoff.next()
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

struct Upkeep {
    store: Arc<dyn Store>,
    registry: Arc<RegistryCache>,
    config: Config,
    /// Identity of this process among the others.
    process: Uuid,
}

impl Upkeep {
    /// Does everything if it is due and no other process does it.
    async fn take_turn(&self) -> Result<(), StoreError> {
        if !self.is_mine().await? {
            return Ok(());
        }
        self.round().await?;
        let due = Timestamp::now().saturating_add(EVERY).unwrap_or(Timestamp::MAX);
        self.store.end_upkeep(self.process, due).await
    }

    async fn is_mine(&self) -> Result<bool, StoreError> {
        // Claiming what is one's own renews the lease.
        self.store.claim_upkeep(self.process, Timestamp::now(), LEASE).await
    }

    /// Runs every part even if another fails, and returns the first error.
    async fn round(&self) -> Result<(), StoreError> {
        let now = Timestamp::now();
        // First, because rows of a day without a partition have to be moved later, while commits wait.
        let mut result = self.store.prepare_partitions(now, self.config.partitions_ahead).await;
        result = first(result, self.drop_old_days(now).await);
        result = first(result, self.forget_keys().await);
        // Those who keep less come last: they may have the most to do.
        for tenant in self.registry.tenants_that_keep_less() {
            let forgotten = self.forget(&tenant, now).await;
            if let Err(error) = &forgotten {
                tracing::warn!(tenant = %tenant.id, %error, "could not remove what exceeds a tenant's retention; retrying");
            }
            result = first(result, forgotten);
        }
        result
    }

    /// Drops the days that are older than anything is kept.
    async fn drop_old_days(&self, now: Timestamp) -> Result<(), StoreError> {
        let retention = self.config.retention;
        let Some(before) = now.checked_sub(retention).ok().filter(|_| !retention.is_zero()) else {
            return Ok(());
        };
        loop {
            let dropped = self.store.drop_days_before(before, now, BATCH).await?;
            if dropped == 0 || !self.is_mine().await? {
                return Ok(());
            }
        }
    }

    async fn forget_keys(&self) -> Result<(), StoreError> {
        let age = self.config.idempotency_retention.max(MIN_RETENTION);
        while self.store.forget_older_than(age).await? > 0 && self.is_mine().await? {}
        while self.store.forget_answers_older_than(MIN_RETENTION).await? > 0 && self.is_mine().await? {}
        Ok(())
    }

    /// Forgets what a tenant's settings say is too old.
    async fn forget(&self, tenant: &Tenant, now: Timestamp) -> Result<(), StoreError> {
        let days_ago = |days: Option<u32>| now.checked_sub(Duration::from_secs(u64::from(days?) * 86_400)).ok();
        let what = Forgetting {
            tenant: tenant.id,
            content_before: days_ago(tenant.settings.payload_retention),
            attempts_before: days_ago(tenant.settings.attempt_retention),
        };
        if what.content_before.is_none() && what.attempts_before.is_none() {
            return Ok(());
        }
        while self.store.forget(what, now, BATCH).await? > 0 && self.is_mine().await? {}
        Ok(())
    }
}

fn first(one: Result<(), StoreError>, other: Result<(), StoreError>) -> Result<(), StoreError> {
    one.and(other)
}
