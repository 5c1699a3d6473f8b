//! The releaser: feeds held deliveries back when the reason they were held for has passed.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{EndpointId, Timestamp};
use tidings_store::{Ledger, RegistryCache, StoreError};
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::republish::Republisher;

const EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Releaser {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) registry: Arc<RegistryCache>,
    pub(crate) republisher: Republisher,
    pub(crate) grace: Duration,
    pub(crate) per_second: u32,
}

impl Releaser {
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut timer = tokio::time::interval(EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.registry.loaded().await;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = timer.tick() => {}
            }
            if let Err(error) = self.round(&shutdown).await {
                tracing::debug!(%error, "held deliveries can't be released right now");
            }
        }
    }

    /// Gives each endpoint that may have its held deliveries one second's share of them.
    async fn round(&self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        for endpoint in self.ledger.endpoints_with_held().await? {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            match self.registry.endpoint(endpoint) {
                Some(known) if known.enabled => self.release(endpoint).await?,
                Some(_) => {}
                None => {
                    let cancelled = self.ledger.cancel_held(endpoint, Timestamp::now(), 1_000).await?;
                    tracing::info!(%endpoint, cancelled, "cancelled held deliveries of a deleted endpoint");
                }
            }
        }
        Ok(())
    }

    async fn release(&self, endpoint: EndpointId) -> Result<(), StoreError> {
        let held = self
            .ledger
            .release_held(endpoint, Timestamp::now(), self.grace, self.per_second)
            .await?;
        metrics::RELEASED.inc_by(self.republisher.publish(held).await);
        Ok(())
    }
}
