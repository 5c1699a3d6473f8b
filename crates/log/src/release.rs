//! The releaser: returns held deliveries to dispatchers at their endpoint's own pace.
//!
//! Deliveries held while an endpoint was disabled, busy or failing are sent as fast as it accepts them and no faster,
//! because the rest would only be held again. Of each endpoint a limited number of released deliveries is in flight.
//! Twice as many follow when all of them were attempted, half as many when some were deferred again, down to a
//! single one now and then. Several endpoints are served concurrently, those that accept what they get first. Each
//! replica has limits of its own.

mod undecided;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use tidings_domain::{
    CancelReason, DeliveryId, DeliveryState, Endpoint, EndpointId, HoldReason, RateLimit, Step, Timestamp,
};
use tidings_service::{Bucket, failpoint};
use tidings_store::ledger::OpenDelivery;
use tidings_store::{Ledger, Registry, RegistryCache, StoreError};
use tokio_util::sync::CancellationToken;

use crate::backlog::Backlog;
use crate::metrics;
use crate::republish::Republisher;

/// Interval between looks for endpoints with held deliveries, and between releases to known ones.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const SERVE_EVERY: Duration = Duration::from_millis(250);

/// With thousands of endpoints a look takes long; then the interval grows so that looking takes at most a twentieth
/// of the time.
const LOOK_SHARE: u32 = 20;

/// First release to an endpoint of which nothing is known.
const FIRST_WINDOW: usize = 16;

/// First pause of an endpoint that did not accept a single delivery; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Endpoints served concurrently.
const AT_ONCE: usize = 8;

/// Graces after which a released delivery no longer counts as in flight: after one the sweeper takes care of it.
const UNDER_WAY_FOR: u32 = 2;

const CANCEL_BATCH: u32 = 1_000;

pub(crate) struct Releaser {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) registry: Arc<RegistryCache>,
    /// The same at its source: only it knows that an endpoint is gone.
    pub(crate) source: Arc<dyn Registry>,
    pub(crate) republisher: Republisher,
    pub(crate) grace: Duration,
    pub(crate) max_window: usize,
    pub(crate) backlog: Backlog,
}

/// Released deliveries of one endpoint that are in flight.
struct Flow {
    under_way: HashMap<DeliveryId, Released>,
    window: usize,
    rate: Option<Bucket>,
    pause: Duration,
    not_before: Option<Instant>,
    /// The last released deliveries showed that no request can be made for the endpoint.
    is_blocked: bool,
}

struct Released {
    step: Step,
    at: Instant,
}

impl Releaser {
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut timer = tokio::time::interval(SERVE_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Until then every endpoint would be missing from the cache, and be looked up in the registry.
        self.registry.loaded().await;
        let mut flows = HashMap::new();
        let mut next_look = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = timer.tick() => {}
            }
            let (began, look) = (Instant::now(), Instant::now() >= next_look);
            match self.round(look, &mut flows, &shutdown).await {
                Ok(()) => tidings_service::metrics::succeeded("releaser"),
                Err(error) => tracing::debug!(%error, "could not release held deliveries; retrying"),
            }
            if look {
                next_look = Instant::now() + LOOK_EVERY.max(began.elapsed() * LOOK_SHARE);
            }
        }
    }

    async fn round(
        &self,
        look: bool,
        flows: &mut HashMap<EndpointId, Flow>,
        shutdown: &CancellationToken,
    ) -> Result<(), StoreError> {
        if look {
            let with_held = self.ledger.endpoints_with_held().await?;
            flows.retain(|endpoint, flow| !flow.under_way.is_empty() || with_held.contains(endpoint));
            // What is held for the first time may be gone in a moment.
            let enabled = |id: &&EndpointId| self.registry.endpoint(**id).is_some_and(|known| known.enabled);
            // Behind what no request can be made for nobody waits: each delivery is to say for itself why it is held.
            let waits = |endpoint: &&EndpointId| flows.get(endpoint).is_some_and(|flow| !flow.is_blocked);
            let lasting = with_held.iter().filter(waits);
            self.backlog.note(lasting.filter(enabled).copied());
            for endpoint in with_held {
                flows.entry(endpoint).or_insert_with(Flow::new);
            }
        }
        let mut turns: Vec<_> = flows.iter_mut().collect();
        turns.sort_unstable_by_key(|(_, flow)| flow.pause);
        let all = stream::iter(turns).for_each_concurrent(AT_ONCE, |(endpoint, flow)| async move {
            if shutdown.is_cancelled() {
                return;
            }
            if let Err(error) = self.turn(*endpoint, flow).await {
                tracing::debug!(%endpoint, %error, "could not release its held deliveries; retrying");
            }
        });
        all.await;
        Ok(())
    }

    /// Does for one endpoint what is to be done.
    async fn turn(&self, endpoint: EndpointId, flow: &mut Flow) -> Result<(), StoreError> {
        match self.registry.endpoint(endpoint) {
            Some(known) if known.enabled => self.serve(&known, flow).await,
            Some(_) => {
                // What was on its way is held again, or ends; nobody has to wait for it.
                flow.under_way.clear();
                Ok(())
            }
            None => {
                flow.under_way.clear();
                self.end_if_deleted(endpoint).await
            }
        }
    }

    /// Cancels what is held of an endpoint if the registry itself says that there is none. The cache may be behind; what it
    /// lacks for another reason is left alone.
    async fn end_if_deleted(&self, endpoint: EndpointId) -> Result<(), StoreError> {
        if self.source.endpoint(endpoint).await?.is_none() {
            let cancelled = self.cancel(endpoint, CancelReason::EndpointDeleted, None).await?;
            tracing::info!(%endpoint, cancelled, "cancelled held deliveries of a deleted endpoint");
        }
        Ok(())
    }

    /// Releases as many as there is room for under way.
    async fn serve(&self, endpoint: &Endpoint, flow: &mut Flow) -> Result<(), StoreError> {
        // What was held before somebody asked to cancel it is no longer to be sent; `cancel.rs` is at it.
        if endpoint.cancel_held_before.is_some() {
            return Ok(());
        }
        if flow.not_before.is_some_and(|at| at > Instant::now()) || !self.republisher.queue.available() {
            return Ok(());
        }
        // No dispatcher can do anything with them before somebody repairs the endpoint.
        if !endpoint.unreadable.is_empty() {
            flow.is_blocked = true;
            return Ok(());
        }
        self.look_after(flow).await?;
        let room = flow.window.saturating_sub(flow.under_way.len());
        let room = flow.within_rate(room, endpoint.overrides.rate_limit);
        // `look_after` sets it when none of the last released deliveries was taken.
        if room == 0 || flow.not_before.is_some() {
            return Ok(());
        }
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let held = self
            .ledger
            .release_held(endpoint.id, Timestamp::now(), self.grace, limit)
            .await?;
        let held = undecided::decide(&*self.ledger, endpoint, held).await?;
        let at = Instant::now();
        let released = |delivery: &OpenDelivery| {
            (
                delivery.id,
                Released {
                    step: delivery.step,
                    at,
                },
            )
        };
        // Before publishing, so that those whose publish fails are looked after as well.
        flow.under_way.extend(held.iter().map(released));
        failpoint::pass("log::before_release");
        metrics::RELEASED.inc_by(self.republisher.publish(held).await.len() as u64);
        Ok(())
    }

    /// Checks the fate of released deliveries and raises or lowers the limit.
    async fn look_after(&self, flow: &mut Flow) -> Result<(), StoreError> {
        flow.not_before = None;
        if flow.under_way.is_empty() {
            return Ok(());
        }
        let ids: Vec<DeliveryId> = flow.under_way.keys().copied().collect();
        let (mut attempted, mut deferred, mut blocked) = (0, 0, 0);
        let states = self.ledger.states(&ids).await?;
        // Of the others there is nothing left: their event was erased or has become too old.
        let known: HashSet<DeliveryId> = states.iter().map(|(id, ..)| *id).collect();
        flow.under_way.retain(|id, _| known.contains(id));
        for (id, step, state) in states {
            let Some(released) = flow.under_way.get(&id) else {
                continue;
            };
            match state {
                _ if state.is_terminal() || step.attempt() > released.step.attempt() => {
                    attempted += 1;
                    flow.under_way.remove(&id);
                }
                // Others were quicker; that says nothing about how many it takes.
                DeliveryState::Held(HoldReason::RateLimited) => {
                    flow.under_way.remove(&id);
                }
                DeliveryState::Held(reason) => {
                    deferred += 1;
                    blocked += usize::from(reason.needs_repair());
                    flow.under_way.remove(&id);
                }
                // It comes back from its delay queue by itself, so it still counts as under way.
                DeliveryState::Scheduled { .. } => deferred += 1,
                _ => {}
            }
        }
        deferred += flow.give_up(self.grace * UNDER_WAY_FOR);
        if attempted + deferred > 0 {
            flow.is_blocked = blocked > 0 && attempted == 0;
        }
        flow.adapt(attempted, deferred, self.max_window);
        Ok(())
    }

    async fn cancel(
        &self,
        endpoint: EndpointId,
        reason: CancelReason,
        before: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        self.ledger
            .cancel_held(endpoint, reason, before, Timestamp::now(), CANCEL_BATCH)
            .await
    }
}

impl Flow {
    fn new() -> Self {
        Self {
            under_way: HashMap::new(),
            window: FIRST_WINDOW,
            rate: None,
            pause: FIRST_PAUSE,
            not_before: None,
            is_blocked: false,
        }
    }

    /// Waits no longer for what was released so long ago; how many.
    fn give_up(&mut self, after: Duration) -> usize {
        let before = self.under_way.len();
        self.under_way.retain(|_, released| released.at.elapsed() < after);
        before - self.under_way.len()
    }

    /// Part of `wanted` that the endpoint's rate limit allows now.
    fn within_rate(&mut self, wanted: usize, limit: Option<RateLimit>) -> usize {
        let Some(limit) = limit else {
            self.rate = None;
            return wanted;
        };
        // More than a round's worth at once would only be turned away.
        let (per_second, now) = (f64::from(limit.per_second), Instant::now());
        let burst = per_second * SERVE_EVERY.as_secs_f64();
        let bucket = self.rate.get_or_insert_with(|| Bucket::full(burst, now));
        (0..wanted)
            .take_while(|_| bucket.take(per_second, burst, now).is_ok())
            .count()
    }

    fn adapt(&mut self, attempted: usize, deferred: usize, max_window: usize) {
        if attempted > 0 {
            self.pause = FIRST_PAUSE;
        }
        if deferred > 0 {
            if attempted == 0 {
                self.not_before = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(MAX_PAUSE);
            }
            self.window = (self.window / 2).max(1);
        } else if self.under_way.is_empty() {
            self.window = (self.window * 2).min(max_window);
        }
    }
}

#[cfg(test)]
mod behind;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_what_the_endpoint_takes() {
        let mut flow = Flow::new();
        flow.adapt(16, 0, 50);
        assert_eq!(flow.window, 32);
        flow.adapt(32, 0, 50);
        assert_eq!(flow.window, 50);
        let released = |at| Released { step: Step::FIRST, at };
        flow.under_way.insert(DeliveryId::new(), released(Instant::now()));
        flow.adapt(49, 0, 50);
        assert_eq!(flow.window, 50, "some are still under way");
        flow.adapt(20, 10, 50);
        assert_eq!((flow.window, flow.not_before), (25, None));
    }

    #[test]
    fn what_was_released_long_ago_takes_no_room() {
        let mut flow = Flow::new();
        let released = |at| Released { step: Step::FIRST, at };
        let now = Instant::now();
        flow.under_way.insert(DeliveryId::new(), released(now));
        flow.under_way
            .insert(DeliveryId::new(), released(now - Duration::from_secs(60)));
        assert_eq!(flow.give_up(Duration::from_secs(50)), 1);
        assert_eq!(flow.under_way.len(), 1);
    }

    #[test]
    fn no_more_than_a_rate_limit_lets_through_is_released() {
        let mut flow = Flow::new();
        assert_eq!(flow.within_rate(1_000, None), 1_000);
        let limit = RateLimit {
            per_second: 40,
            burst: 1_000,
        };
        assert_eq!(flow.within_rate(1_000, Some(limit)), 10);
        assert_eq!(flow.within_rate(1_000, Some(limit)), 0);
    }

    #[test]
    fn an_endpoint_that_takes_nothing_is_tried_less_and_less_often() {
        let mut flow = Flow::new();
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            let before = Instant::now();
            flow.adapt(0, 1, 50);
            let wait = flow.not_before.unwrap() - before;
            assert_eq!(wait.as_secs_f64().round() as u64, pause);
        }
        assert_eq!(flow.window, 1);
        flow.adapt(1, 0, 50);
        assert_eq!((flow.window, flow.pause), (2, FIRST_PAUSE));
    }
}
