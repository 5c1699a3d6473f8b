//! The sweeper: publishes deliveries that are due according to the ledger and missing from the queue.
//!
//! A queue may lose a message, be purged, or have been away when an event was accepted (guarantees G1, G2); and a
//! wait without a matching delay queue is kept by the ledger alone. Every open delivery has a time from which it
//! counts as lost; the sweeper takes those past it, raises their step and publishes them. A delivery that probably
//! waits in its lane ([`Lanes`]) is postponed by a grace; one that the queue does not take returns to the ledger and
//! is due in a moment. A delivery can then be in the queue twice, so the dispatcher checks the ledger before it
//! sends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_queue::Source;
use tidings_service::failpoint;
use tidings_store::ledger::{OpenDelivery, Overdue};
use tidings_store::{Ledger, StoreError};
use tokio_util::sync::CancellationToken;

use crate::lanes::{Lanes, now};
use crate::republish::Republisher;
use crate::{Config, metrics};

/// Maximum deliveries per batch, and number of trial publishes while the queue takes none.
const BATCH: u32 = 500;
const TRIED: u32 = 20;

/// Longest wait for spilled records to be written after the ledger was away.
const DRAINS_WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    ledger: Arc<dyn Ledger>,
    republisher: Republisher,
    config: Config,
    shutdown: CancellationToken,
) {
    let mut timer = tokio::time::interval(config.sweep_every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sweeper = Sweeper {
        lanes: Lanes::new(republisher.shards, config.grace),
        ledger,
        republisher,
        grace: config.grace,
        behind: Some(Instant::now()),
        batch: BATCH,
    };
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        // While the queue is away nothing is taken, so that everything is there at once when it is back.
        while !shutdown.is_cancelled() && sweeper.republisher.queue.available() {
            match sweeper.round().await {
                Ok(More::Yes) => {}
                Ok(More::No) => {
                    tidings_service::metrics::succeeded("sweeper");
                    break;
                }
                Err(error) => {
                    tracing::debug!(%error, "could not sweep the ledger; retrying");
                    sweeper.behind = Some(Instant::now());
                    break;
                }
            }
        }
    }
}

struct Sweeper {
    ledger: Arc<dyn Ledger>,
    republisher: Republisher,
    lanes: Lanes,
    grace: Duration,
    /// After a start and after an outage the ledger may be behind: what was attempted meanwhile waits as records, and
    /// would be taken for forgotten. What only the ledger kept can't have been attempted.
    behind: Option<Instant>,
    batch: u32,
}

/// Result of a sweep: if more overdue deliveries can be published now.
#[derive(Debug, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

impl Sweeper {
    /// Takes some of what is overdue and publishes it.
    async fn round(&mut self) -> Result<More, StoreError> {
        let (which, taken_at) = (self.which().await, now());
        let overdue = self.ledger.sweep(which, taken_at, self.grace, self.batch).await?;
        if overdue.is_empty() {
            return Ok(More::No);
        }
        let may_be_more = overdue.len() >= self.batch as usize;
        if overdue.iter().any(|delivery| !delivery.kept_by_ledger) {
            self.lanes.look(&*self.republisher.queue).await;
        }
        failpoint::pass("log::before_sweep");
        let forgotten = self.put_off(overdue).await?;
        let count = forgotten.len();
        count_swept(&forgotten);
        let published = self.republisher.publish(forgotten).await;
        self.lanes.put(published.iter(), taken_at);
        // What was not taken is tried again in a moment, and taking more would only make more of that. A queue that took
        // none is asked with few.
        let refused = published.len() < count;
        self.batch = match refused {
            true if published.is_empty() => TRIED,
            true => self.batch,
            false => (self.batch * 4).min(BATCH),
        };
        Ok(if may_be_more && !refused { More::Yes } else { More::No })
    }

    async fn which(&mut self) -> Overdue {
        let behind = self.behind.is_some_and(|since| since.elapsed() < DRAINS_WITHIN);
        if behind && self.has_records().await {
            return Overdue::KeptByLedger;
        }
        self.behind = None;
        Overdue::All
    }

    /// Tells if spilled records wait to be written, as far as the queue knows.
    async fn has_records(&self) -> bool {
        let depths = self.republisher.queue.depths_of(Source::Records).await;
        depths.unwrap_or_default().iter().any(|depth| depth.ready > 0)
    }

    /// Leaves alone for a grace what probably waits in its lane, and gives back the rest.
    async fn put_off(&self, overdue: Vec<OpenDelivery>) -> Result<Vec<OpenDelivery>, StoreError> {
        let now = now();
        let waits = |delivery: &OpenDelivery| self.lanes.may_hold(delivery, now);
        let (waiting, forgotten): (Vec<_>, Vec<_>) = overdue.into_iter().partition(waits);
        if !waiting.is_empty() {
            metrics::PUT_OFF.inc_by(waiting.len() as u64);
            let until = now.saturating_add(self.grace).unwrap_or(now);
            self.ledger.put_off(&waiting, until).await?;
        }
        Ok(forgotten)
    }
}

fn count_swept(forgotten: &[OpenDelivery]) {
    let lost: Vec<_> = forgotten.iter().filter(|delivery| !delivery.kept_by_ledger).collect();
    metrics::DUE.inc_by((forgotten.len() - lost.len()) as u64);
    metrics::SWEPT.inc_by(lost.len() as u64);
    if let Some(first) = lost.first() {
        tracing::warn!(
            count = lost.len(),
            first = %first.id,
            "published overdue deliveries again that were missing from their lanes"
        );
    }
}

#[cfg(test)]
mod tests;
