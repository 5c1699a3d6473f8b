//! Tracks which queues' messages the broker confirms, and if it confirms any.
//!
//! An unresponsive node takes the queues it leads with it: messages to them stay unconfirmed, sometimes for a minute,
//! while all other queues work. Messages to those others in the same batch would wait too, again and again, so the
//! affected routes are avoided for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For how long a route is avoided at first, and at most: it doubles each time it fails again.
const FIRST: Duration = Duration::from_secs(15);
const MOST: Duration = Duration::from_secs(60);

/// An exchange and a routing key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) exchange: String,
    pub(super) key: String,
}

impl From<(String, String)> for Address {
    fn from((exchange, key): (String, String)) -> Self {
        Self { exchange, key }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.exchange, self.key)
    }
}

/// The routes on which messages were not confirmed.
#[derive(Debug, Default)]
pub(super) struct Routes(Mutex<HashMap<Address, Avoided>>);

#[derive(Debug, Clone, Copy)]
struct Avoided {
    until: Instant,
    lasting: Duration,
}

impl Routes {
    /// Avoids these routes for a while.
    pub(super) fn avoid<'a>(&self, routes: impl Iterator<Item = &'a Address>) {
        let now = Instant::now();
        let mut avoided = self.avoided();
        // Kept for a while after it ended, so that a route that fails again soon is known.
        avoided.retain(|_, avoided| now < avoided.until + 2 * MOST);
        for route in routes {
            let again = avoided.get(route).copied();
            let lasting = match again {
                // Many messages of one batch fail together.
                Some(avoided) if now < avoided.until => continue,
                Some(avoided) => (avoided.lasting * 2).min(MOST),
                None => FIRST,
            };
            let until = now + lasting;
            avoided.insert(route.clone(), Avoided { until, lasting });
            tracing::warn!(%route, ?lasting, "the broker does not confirm messages on this route; avoiding it");
        }
    }

    /// Tells if a route is avoided now.
    pub(super) fn avoids(&self, route: &Address) -> bool {
        let avoided = self.avoided();
        avoided.get(route).is_some_and(|avoided| Instant::now() < avoided.until)
    }

    fn avoided(&self) -> MutexGuard<'_, HashMap<Address, Avoided>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time of the last confirmation.
#[derive(Debug, Default)]
pub(super) struct Confirmed(Mutex<Option<Instant>>);

impl Confirmed {
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Tells if the last confirmation is no older than `time`.
    pub(super) fn within(&self, time: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_avoided_and_no_other() {
        let route = |key: &str| Address::from(("tidings.work".to_owned(), key.to_owned()));
        let routes = Routes::default();
        routes.avoid([route("live.00"), route("live.00")].iter());
        assert!(routes.avoids(&route("live.00")));
        assert!(!routes.avoids(&route("live.01")));
        assert_eq!(routes.avoided()[&route("live.00")].lasting, FIRST);
        routes.avoided().get_mut(&route("live.00")).unwrap().until = Instant::now();
        assert!(!routes.avoids(&route("live.00")));
        routes.avoid([route("live.00")].iter());
        assert_eq!(routes.avoided()[&route("live.00")].lasting, 2 * FIRST);
    }
}
