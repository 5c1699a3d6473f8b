//! Deliveries without an event on record: is the ledger behind, or is the event gone?
//!
//! A message may outlive the rows that it refers to and must not circulate forever; but a ledger that is behind must
//! not be taken for one that has forgotten. An event counts as erased if an erasure says so, and as expired if it is
//! older than the retention. Otherwise its record could only be in the records queue: once that has been empty for a
//! while, there is none. Records that another process has just taken from the queue are invisible, so the while is
//! long, and a dispatcher only drops its message: if the record arrives after all, the sweeper publishes another.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidings_domain::{DeliveryId, EventId, TenantId, Timestamp};
use tidings_queue::{Queue, Source};
use tidings_store::ledger::Fetched;
use tidings_store::{Ledger, StoreError};
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Interval between looks at the records queue.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// For how long it must have been empty.
const EMPTY_FOR: Duration = Duration::from_secs(60);
/// An event whose record is younger may still be on its way.
const KNOWN_WITHIN: Duration = Duration::from_secs(120);
/// A delivery that is on record without its event is ended, for good, so more time is given for that.
const COMPLETE_WITHIN: Duration = Duration::from_secs(86_400);

/// A delivery to check, with its tenant and event if the caller named them.
pub(crate) type Sought = (DeliveryId, Option<(TenantId, EventId)>);

/// Decides which deliveries are gone.
pub(crate) struct Forgetting {
    pub(crate) ledger: Arc<dyn Ledger>,
    /// Retention of events; forever if zero.
    pub(crate) retention: Duration,
    pub(crate) drained: Drained,
}

impl Forgetting {
    /// Finds those that are gone, with the reason `erased`, `expired` or `unknown`. `known` is what the ledger has of
    /// them.
    pub(crate) async fn of(
        &self,
        sought: &[Sought],
        known: &[Fetched],
    ) -> Result<HashMap<DeliveryId, &'static str>, StoreError> {
        let complete = |fetched: &&Fetched| fetched.terminal || fetched.content.is_some();
        let complete: HashSet<DeliveryId> = known.iter().filter(complete).map(|fetched| fetched.id).collect();
        let missing: Vec<&Sought> = sought.iter().filter(|(id, _)| !complete.contains(id)).collect();
        if missing.is_empty() {
            return Ok(HashMap::new());
        }
        let events: Vec<_> = missing.iter().filter_map(|(_, of)| *of).collect();
        let erased: HashSet<EventId> = self.ledger.erased(&events).await?.into_iter().collect();
        let recorded: HashSet<DeliveryId> = known.iter().map(|fetched| fetched.id).collect();
        let now = Timestamp::now();
        let why = |(id, of): &&Sought| {
            let age = age(*id, now);
            if of.is_some_and(|(_, event)| erased.contains(&event)) {
                Some("erased")
            } else if !self.retention.is_zero() && age > self.retention {
                Some("expired")
            } else {
                let within = if recorded.contains(id) {
                    COMPLETE_WITHIN
                } else {
                    KNOWN_WITHIN
                };
                (age > within && self.drained.for_long()).then_some("unknown")
            }
        };
        Ok(missing
            .iter()
            .filter_map(|sought| Some((sought.0, why(sought)?)))
            .collect())
    }
}

/// Tells if the day of the delivery's event has been dropped; never if `retention` is zero.
pub(crate) fn is_dropped(delivery: DeliveryId, retention: Duration, now: Timestamp) -> bool {
    const DAY: Duration = Duration::from_secs(86_400);
    // Days are dropped whole, so the first event of a day stays up to a day longer.
    !retention.is_zero() && age(delivery, now) > retention + DAY
}

/// Since when no spilled record waits to be written. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Drained {
    empty_since: Arc<Mutex<Option<Instant>>>,
    waiting_since: Arc<Mutex<Option<Instant>>>,
    in_hand: Arc<AtomicUsize>,
}

impl Drained {
    /// Looks at the records queue until the process is to stop.
    pub(crate) async fn watch(self, queue: Arc<dyn Queue>, shutdown: CancellationToken) {
        let mut timer = tokio::time::interval(LOOK_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = timer.tick() => {}
            }
            let depths = queue.depths_of(Source::Records).await;
            // A queue that can't tell counts as not empty: nothing is declared gone on a guess.
            self.saw(depths.is_ok_and(|depths| depths.iter().all(|depth| depth.ready == 0)));
        }
    }

    /// Records were taken from the queue and are being written for as long as this lives.
    pub(crate) fn in_hand(&self) -> InHand {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        self.saw(false);
        InHand(self.clone())
    }

    fn saw(&self, empty: bool) {
        let empty = empty && self.in_hand.load(Ordering::Relaxed) == 0;
        let mut since = self.empty_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if empty {
            since.or_else(|| Some(Instant::now()))
        } else {
            None
        };
        drop(since);
        let mut waiting = self.waiting_since.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = if empty {
            None
        } else {
            waiting.or_else(|| Some(Instant::now()))
        };
        metrics::RECORDS_WAIT.set(waiting.map_or(0.0, |since| since.elapsed().as_secs_f64()));
    }

    fn for_long(&self) -> bool {
        let since = *self.empty_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > EMPTY_FOR)
    }
}

/// Guard for spilled records that are being written.
pub(crate) struct InHand(Drained);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Age of the event, whose millisecond of acceptance is part of the delivery's id.
fn age(delivery: DeliveryId, now: Timestamp) -> Duration {
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    Duration::from_millis(now.saturating_sub(delivery.unix_millis()))
}
