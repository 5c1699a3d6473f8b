//! The suite's own ledger: what was promised to its publisher, and what its receivers saw.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidings_domain::EventId;

use crate::receivers::Endpoint;

/// Written by publisher and receivers, read at the end.
#[derive(Debug)]
pub(crate) struct Journal {
    start: Instant,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    events: HashMap<EventId, Page>,
    accepted: u64,
    refused: u64,
    requests: u64,
    repeated: u64,
    /// Accepted events that the endpoint which wants every event has not seen yet, oldest first.
    awaited: BTreeSet<(Moment, EventId)>,
}

/// The known history of one event.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Page {
    /// The time at which the publisher learnt of the acceptance, and the event's kind; `None` for an event whose
    /// publisher got no answer.
    pub(crate) accepted: Option<(Moment, u8)>,
    /// Requests seen by each endpoint.
    pub(crate) visits: [Visits; Endpoint::ALL.len()],
}

/// The requests of one delivery.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Visits {
    pub(crate) requests: u16,
    /// Requests that were answered with a success.
    pub(crate) successes: u16,
    pub(crate) first: Moment,
}

/// Milliseconds since the journal was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u32);

/// Counts so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) accepted: u64,
    /// Publishes that were refused or not answered.
    pub(crate) refused: u64,
    pub(crate) requests: u64,
    /// Those of them that came although their delivery had been answered with a success.
    pub(crate) repeated: u64,
    /// The wait of the oldest accepted event that has had no request yet.
    pub(crate) oldest_wait: Duration,
}

impl Journal {
    pub(crate) fn open() -> Self {
        Self {
            start: Instant::now(),
            pages: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(u32::try_from(self.start.elapsed().as_millis()).unwrap_or(u32::MAX))
    }

    /// Notes that an event was accepted.
    pub(crate) fn accepted(&self, event: EventId, kind: u8) {
        let now = self.now();
        let mut pages = self.pages();
        pages.accepted += 1;
        let page = pages.events.entry(event).or_default();
        page.accepted = Some((now, kind));
        if page.visits[Endpoint::Healthy as usize].requests == 0 {
            pages.awaited.insert((now, event));
        }
    }

    /// Notes a publish that was rejected or not answered.
    pub(crate) fn refused(&self) {
        self.pages().refused += 1;
    }

    /// Notes a request and returns the number of this delivery's requests so far.
    pub(crate) fn arrived(&self, event: EventId, endpoint: Endpoint) -> u16 {
        let now = self.now();
        let mut pages = self.pages();
        pages.requests += 1;
        let page = pages.events.entry(event).or_default();
        let accepted = page.accepted;
        let visits = &mut page.visits[endpoint as usize];
        visits.requests = visits.requests.saturating_add(1);
        let repeated = visits.successes > 0;
        let requests = visits.requests;
        if requests == 1 {
            visits.first = now;
            if let (Endpoint::Healthy, Some((at, _))) = (endpoint, accepted) {
                pages.awaited.remove(&(at, event));
            }
        }
        pages.repeated += u64::from(repeated);
        requests
    }

    /// A request is answered with a success.
    pub(crate) fn succeeded(&self, event: EventId, endpoint: Endpoint) {
        let mut pages = self.pages();
        let visits = &mut pages.events.entry(event).or_default().visits[endpoint as usize];
        visits.successes = visits.successes.saturating_add(1);
    }

    pub(crate) fn standing(&self) -> Standing {
        let now = self.now();
        let pages = self.pages();
        Standing {
            accepted: pages.accepted,
            refused: pages.refused,
            requests: pages.requests,
            repeated: pages.repeated,
            oldest_wait: pages
                .awaited
                .first()
                .map_or(Duration::ZERO, |(since, _)| now.since(*since)),
        }
    }

    /// Every event that a publisher or a receiver has seen.
    pub(crate) fn read(&self) -> HashMap<EventId, Page> {
        self.pages().events.clone()
    }

    /// A lock that is never poisoned: nothing panics while it is held.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moment {
    /// The time since `earlier`; zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the time that passes is what is measured")]
    fn an_event_is_awaited_from_its_acceptance_to_its_first_request_whichever_is_seen_first() {
        let journal = Journal::open();
        let (slow, quick) = (EventId::new(), EventId::new());
        journal.accepted(slow, 0);
        std::thread::sleep(Duration::from_millis(5));
        assert!(journal.standing().oldest_wait >= Duration::from_millis(5));
        // Another endpoint's request is not the one that is waited for.
        assert_eq!(journal.arrived(slow, Endpoint::Flaky), 1);
        assert!(journal.standing().oldest_wait >= Duration::from_millis(5));
        assert_eq!(journal.arrived(slow, Endpoint::Healthy), 1);
        assert_eq!(journal.arrived(slow, Endpoint::Healthy), 2);
        assert_eq!(journal.standing().oldest_wait, Duration::ZERO);

        journal.arrived(quick, Endpoint::Healthy);
        journal.accepted(quick, 0);
        assert_eq!(journal.standing().oldest_wait, Duration::ZERO);
        assert_eq!((journal.standing().accepted, journal.standing().requests), (2, 4));
    }
}
