//! Enabled endpoints with a backlog of held deliveries, reported to recorders with each response.
//!
//! The releaser notes the endpoints with held deliveries each time it looks. An endpoint of which many deliveries are
//! held within a second, because it accepts nothing, is noted at once: until ingest knows, each of its deliveries
//! goes through the queue only to be held as well, which costs other endpoints more than anything else it does.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tidings_domain::{DeliveryState, EndpointId, HoldReason};
use tidings_store::ledger::Record;

/// Maximum endpoints per report, which must stay small.
const MENTIONED: usize = 1_000;
/// Number of deliveries held within [`WINDOW`] that make a backlog at once. An endpoint that is busy for a moment has
/// fewer.
const MANY: u32 = 50;
const WINDOW: Duration = Duration::from_secs(1);
/// Time that such a backlog is reported; by then the releaser has looked twice.
const BELIEVED: Duration = Duration::from_secs(3);

/// The endpoints, as they go over the wire. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Backlog(Arc<RwLock<State>>);

#[derive(Default)]
struct State {
    /// The releaser's latest findings.
    found: HashSet<EndpointId>,
    held: HashMap<EndpointId, Held>,
}

/// Count of an endpoint's held deliveries within a window.
struct Held {
    since: Instant,
    count: u32,
    /// Time at which the count reached [`MANY`].
    many_at: Option<Instant>,
}

impl Backlog {
    /// Replaces the releaser's findings.
    pub(crate) fn note(&self, endpoints: impl Iterator<Item = EndpointId>) {
        let found = endpoints.take(MENTIONED).collect();
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.found = found;
        state
            .held
            .retain(|_, held| held.since.elapsed() < WINDOW || held.is_backlog());
    }

    /// Counts the deliveries among these records that were held because their endpoint takes nothing more.
    pub(crate) fn count(&self, records: &[Record]) {
        let mut held = records.iter().filter_map(turned_away).peekable();
        // The usual case takes no lock that others wait for.
        if held.peek().is_none() {
            return;
        }
        let now = Instant::now();
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for endpoint in held {
            state.held.entry(endpoint).or_insert_with(|| Held::since(now)).add(now);
        }
    }

    pub(crate) fn endpoint_ids(&self) -> Vec<Vec<u8>> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let held = state.held.iter().filter(|(_, held)| held.is_backlog());
        let new = held.map(|(id, _)| id).filter(|id| !state.found.contains(id));
        state
            .found
            .iter()
            .chain(new)
            .take(MENTIONED)
            .copied()
            .map(bytes)
            .collect()
    }
}

impl Held {
    fn since(now: Instant) -> Self {
        Self {
            since: now,
            count: 0,
            many_at: None,
        }
    }

    fn add(&mut self, now: Instant) {
        if now.duration_since(self.since) >= WINDOW {
            (self.since, self.count) = (now, 0);
        }
        self.count += 1;
        if self.count >= MANY {
            self.many_at = Some(now);
        }
    }

    fn is_backlog(&self) -> bool {
        self.many_at.is_some_and(|at| at.elapsed() < BELIEVED)
    }
}

/// The endpoint of a delivery that a dispatcher held. What ingest put behind a backlog says nothing new of it.
fn turned_away(record: &Record) -> Option<EndpointId> {
    match record {
        Record::Move(to) => match to.state {
            DeliveryState::Held(HoldReason::EndpointBusy | HoldReason::RateLimited | HoldReason::CircuitOpen) => {
                Some(to.endpoint)
            }
            _ => None,
        },
        Record::Event(_) | Record::Attempt(_) => None,
    }
}

fn bytes(id: EndpointId) -> Vec<u8> {
    id.uuid().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use tidings_domain::{DeliveryId, EventId, Step, TenantId, Timestamp};
    use tidings_store::ledger::DeliveryMove;

    use super::*;

    fn held(endpoint: EndpointId, reason: HoldReason) -> Record {
        let event = EventId::new();
        Record::Move(DeliveryMove {
            id: DeliveryId::derive(event, endpoint),
            event,
            tenant: TenantId::new(),
            endpoint,
            step: Step::FIRST.moved(),
            state: DeliveryState::Held(reason),
            sweep_at: None,
            at: Timestamp::now(),
        })
    }

    #[test]
    fn many_held_at_once_are_a_backlog_before_anybody_looks() {
        let (backlog, stuck, off) = (Backlog::default(), EndpointId::new(), EndpointId::new());
        let records = |endpoint, reason| (1..MANY).map(move |_| held(endpoint, reason)).collect::<Vec<_>>();
        backlog.count(&records(stuck, HoldReason::EndpointBusy));
        assert_eq!(backlog.endpoint_ids(), Vec::<Vec<u8>>::new());
        backlog.count(&[held(stuck, HoldReason::CircuitOpen)]);
        assert_eq!(backlog.endpoint_ids(), [bytes(stuck)]);
        // A look that comes too early to find it lasting changes nothing, and one that finds it adds nothing.
        backlog.note(std::iter::empty());
        backlog.note([stuck].into_iter());
        assert_eq!(backlog.endpoint_ids(), [bytes(stuck)]);

        backlog.count(&records(off, HoldReason::EndpointDisabled));
        backlog.count(&records(off, HoldReason::EndpointDisabled));
        assert_eq!(backlog.endpoint_ids(), [bytes(stuck)]);
    }
}
