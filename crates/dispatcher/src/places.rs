//! Places of a lane, and the shares of them that one endpoint and one tenant may use (guarantee G5).
//!
//! A queue delivers as many messages as its prefetch allows and no more until some are settled, and a delivery
//! occupies its place for as long as its request takes. Endpoints that respond successfully after half a minute would
//! occupy all places, and everybody's deliveries would wait behind theirs. So of each queue's places, a slow
//! endpoint, a tenant's slow endpoints and all slow endpoints together get a share; quick endpoints free theirs soon
//! enough. The memory for payloads is shared in the same way. A delivery that finds no place is deferred like one
//! that the endpoint's limiter throttles. Each dispatcher counts its own requests only.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_domain::{EndpointId, TenantId};
use tidings_queue::{Lane, LaneKind};

use crate::metrics;

/// An endpoint's speed, which decides how long it occupies a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It usually answers within a second.
    Quick,
    /// No response has arrived yet.
    Unknown,
    /// It usually takes longer, or has just fallen silent.
    Slow,
}

/// A delivery's request for a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) lane: Lane,
    pub(crate) tenant: TenantId,
    pub(crate) endpoint: EndpointId,
    pub(crate) pace: Pace,
    /// Size of the payload.
    pub(crate) bytes: usize,
}

/// As many places as an endpoint that answers within a second needs for some sixteen requests per second.
const ENOUGH: u32 = 16;

/// Places of all lanes of this dispatcher.
pub(crate) struct Places {
    shards: u16,
    /// Indexed by kind, then shard.
    lanes: Vec<Mutex<Taken>>,
    memory: Mutex<Memory>,
}

/// A place that is taken until this is dropped.
pub(crate) struct Place<'a> {
    places: &'a Places,
    wish: Wish,
}

/// Places in use of one queue.
struct Taken {
    shares: Shares,
    slow: u32,
    endpoints: HashMap<EndpointId, OfEndpoint>,
    tenants: HashMap<TenantId, OfTenant>,
}

/// Maximum places of one queue for endpoints that are not known to be quick.
struct Shares {
    endpoint: u32,
    /// For one tenant's endpoints together.
    tenant: u32,
    all: u32,
    /// By a tenant's, if it is for the first request to one of them.
    tenant_with_first: u32,
    /// By all of them, if it is for the first request to one; the rest is for those that are quick.
    all_with_first: u32,
}

#[derive(Clone, Copy, Default)]
struct OfEndpoint {
    places: u32,
    is_slow: bool,
}

#[derive(Clone, Copy, Default)]
struct OfTenant {
    places: u32,
    slow: u32,
}

/// Payload bytes in flight.
struct Memory {
    most: usize,
    taken: usize,
    tenants: HashMap<TenantId, usize>,
}

impl Places {
    /// Places for `shards` lanes of each kind, `of_queue(kind)` in each queue, and for `most_bytes` of payload in
    /// total.
    pub(crate) fn new(shards: u16, of_queue: impl Fn(LaneKind) -> u16, most_bytes: usize) -> Self {
        let queues = LaneKind::ALL.into_iter();
        let queues = queues.flat_map(|kind| std::iter::repeat_n(of_queue(kind), usize::from(shards)));
        let memory = Memory {
            most: most_bytes,
            taken: 0,
            tenants: HashMap::new(),
        };
        Self {
            shards,
            lanes: queues.map(|places| Mutex::new(Taken::none(places))).collect(),
            memory: Mutex::new(memory),
        }
    }

    /// A place, if there is one for this endpoint and tenant.
    pub(crate) fn take(&self, wish: Wish) -> Option<Place<'_>> {
        // The lane is not to be locked while the memory is.
        let taken = self.lane(wish.lane).take(wish);
        let refused = match taken {
            Err(why) => why,
            Ok(()) if self.memory().take(wish.tenant, wish.bytes) => return Some(Place { places: self, wish }),
            Ok(()) => {
                self.lane(wish.lane).give_back(wish);
                "memory"
            }
        };
        metrics::NO_PLACE.with_label_values(&[refused]).inc();
        None
    }

    fn lane(&self, lane: Lane) -> MutexGuard<'_, Taken> {
        let kind = LaneKind::ALL
            .iter()
            .position(|kind| *kind == lane.kind)
            .unwrap_or_default();
        let number = kind * usize::from(self.shards) + usize::from(lane.shard);
        self.lanes[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.lane(self.wish.lane).give_back(self.wish);
        self.places.memory().give_back(self.wish.tenant, self.wish.bytes);
    }
}

impl Shares {
    /// Shares of a queue with this many places; at least one each, so that small queues make progress too.
    fn of(places: u16) -> Self {
        let places = u32::from(places);
        let of = |share: u32, whole: u32| (places * share / whole).max(1);
        Self {
            // A tenth, or a third where that is few: what is released must come faster than what follows it.
            endpoint: of(1, 10).max(of(1, 3).min(ENOUGH)),
            tenant: of(1, 2),
            all: of(3, 4),
            tenant_with_first: of(3, 4),
            all_with_first: of(7, 8),
        }
    }
}

impl Taken {
    fn none(places: u16) -> Self {
        Self {
            shares: Shares::of(places),
            slow: 0,
            endpoints: HashMap::new(),
            tenants: HashMap::new(),
        }
    }

    /// Takes a place, or returns the name of the share that is used up.
    fn take(&mut self, wish: Wish) -> Result<(), &'static str> {
        let mut endpoint = self.endpoints.get(&wish.endpoint).copied().unwrap_or_default();
        let mut tenant = self.tenants.get(&wish.tenant).copied().unwrap_or_default();
        let is_slow = wish.pace != Pace::Quick;
        // Somebody has to find out what is not known.
        let is_first = wish.pace == Pace::Unknown && endpoint.places == 0;
        // What it took when it was quick counts as slow from now on, and the other way round.
        if is_slow != endpoint.is_slow {
            for slow in [&mut self.slow, &mut tenant.slow] {
                *slow = if is_slow {
                    *slow + endpoint.places
                } else {
                    slow.saturating_sub(endpoint.places)
                };
            }
            endpoint.is_slow = is_slow;
        }
        let shares = &self.shares;
        let (of_tenant, of_all) = if is_first {
            (shares.tenant_with_first, shares.all_with_first)
        } else {
            (shares.tenant, shares.all)
        };
        let taken = if is_slow && endpoint.places >= shares.endpoint {
            Err("endpoint")
        } else if is_slow && tenant.slow >= of_tenant {
            Err("tenant")
        } else if is_slow && self.slow >= of_all {
            Err("slow")
        } else {
            endpoint.places += 1;
            tenant.places += 1;
            tenant.slow += u32::from(is_slow);
            self.slow += u32::from(is_slow);
            Ok(())
        };
        keep(&mut self.endpoints, wish.endpoint, endpoint, endpoint.places > 0);
        keep(&mut self.tenants, wish.tenant, tenant, tenant.places > 0);
        taken
    }

    fn give_back(&mut self, wish: Wish) {
        let mut endpoint = self.endpoints.get(&wish.endpoint).copied().unwrap_or_default();
        let mut tenant = self.tenants.get(&wish.tenant).copied().unwrap_or_default();
        let slow = u32::from(endpoint.is_slow);
        endpoint.places = endpoint.places.saturating_sub(1);
        tenant.places = tenant.places.saturating_sub(1);
        tenant.slow = tenant.slow.saturating_sub(slow);
        self.slow = self.slow.saturating_sub(slow);
        keep(&mut self.endpoints, wish.endpoint, endpoint, endpoint.places > 0);
        keep(&mut self.tenants, wish.tenant, tenant, tenant.places > 0);
    }
}

impl Memory {
    /// Takes memory. One payload is always taken, whatever its size, by a tenant that has none.
    fn take(&mut self, tenant: TenantId, bytes: usize) -> bool {
        let of_tenant = self.tenants.get(&tenant).copied().unwrap_or_default();
        let with_it = of_tenant + bytes;
        let fits = self.taken + bytes <= self.most && with_it <= self.most / 2 || of_tenant == 0;
        if fits {
            self.taken += bytes;
            keep(&mut self.tenants, tenant, with_it, with_it > 0);
        }
        fits
    }

    fn give_back(&mut self, tenant: TenantId, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes);
        let left = self.tenants.get(&tenant).map_or(0, |taken| taken.saturating_sub(bytes));
        keep(&mut self.tenants, tenant, left, left > 0);
    }
}

/// Stores a value only while it carries information, so that the map does not grow with every endpoint ever seen.
fn keep<K: Eq + Hash, V>(map: &mut HashMap<K, V>, key: K, value: V, says_something: bool) {
    if says_something {
        map.insert(key, value);
    } else {
        map.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_BYTES: usize = 1_000;

    fn places() -> Places {
        Places::new(2, |_| 40, MOST_BYTES)
    }

    fn wish(tenant: TenantId, endpoint: EndpointId, pace: Pace) -> Wish {
        let lane = Lane {
            kind: LaneKind::Retry,
            shard: 1,
        };
        Wish {
            lane,
            tenant,
            endpoint,
            pace,
            bytes: 1,
        }
    }

    /// Takes places until there are no more.
    fn fill<'a>(places: &'a Places, tenant: TenantId, pace: Pace, endpoints: &[EndpointId]) -> Vec<Place<'a>> {
        let mut taken = Vec::new();
        for endpoint in endpoints {
            taken.extend(std::iter::from_fn(|| places.take(wish(tenant, *endpoint, pace))));
        }
        taken
    }

    fn some_endpoints<const N: usize>() -> [EndpointId; N] {
        [(); N].map(|()| EndpointId::new())
    }

    #[test]
    fn an_endpoint_that_is_not_quick_gets_a_share() {
        let places = places();
        let in_hand = |pace| fill(&places, TenantId::new(), pace, &some_endpoints::<1>()).len();
        assert_eq!(
            [Pace::Unknown, Pace::Slow].map(in_hand),
            [13, 13],
            "a third of few places"
        );
        let (tenant, [quick]) = (TenantId::new(), some_endpoints());
        let taken: Vec<_> = (0..40).map(|_| places.take(wish(tenant, quick, Pace::Quick))).collect();
        assert!(
            taken.iter().all(Option::is_some),
            "the queue itself bounds what is quick"
        );
    }

    #[test]
    fn a_tenant_s_slow_endpoints_leave_places_to_its_quick_ones_and_to_others() {
        let places = places();
        let (crowd, other, third) = (TenantId::new(), TenantId::new(), TenantId::new());
        let slow = fill(&places, crowd, Pace::Slow, &some_endpoints::<30>());
        assert_eq!(slow.len(), 20, "half of the places");
        let [quick] = some_endpoints();
        assert!(places.take(wish(crowd, quick, Pace::Quick)).is_some());
        let slow_as_well = fill(&places, other, Pace::Slow, &some_endpoints::<30>());
        assert_eq!(slow_as_well.len(), 10, "all slow ones have three quarters");
        assert_eq!(fill(&places, third, Pace::Slow, &some_endpoints::<30>()).len(), 0);
        // Those of which nothing is known yet are given a chance to show that they are quick.
        let first = fill(&places, third, Pace::Unknown, &some_endpoints::<30>());
        assert_eq!(first.len(), 5);
        assert!(places.take(wish(third, quick, Pace::Quick)).is_some());
    }

    #[test]
    fn endpoints_that_never_answer_do_not_take_every_place_with_their_first_requests() {
        let places = places();
        let silent = fill(&places, TenantId::new(), Pace::Unknown, &some_endpoints::<100>());
        assert_eq!(silent.len(), 30, "three quarters of the places");
    }

    #[test]
    fn what_turns_slow_counts_as_slow_with_all_that_it_has() {
        let places = places();
        let (tenant, [first, second]) = (TenantId::new(), some_endpoints());
        let quick: Vec<_> = (0..20).map(|_| places.take(wish(tenant, first, Pace::Quick))).collect();
        assert!(places.take(wish(tenant, first, Pace::Slow)).is_none());
        assert!(
            places.take(wish(tenant, second, Pace::Slow)).is_none(),
            "the tenant's share of slow ones is taken"
        );
        assert!(places.take(wish(tenant, second, Pace::Quick)).is_some());
        drop(quick);
        assert!(places.take(wish(tenant, second, Pace::Slow)).is_some());
    }

    #[test]
    fn lanes_do_not_share_places_and_what_is_given_back_leaves_nothing() {
        let places = places();
        let (tenant, [endpoint]) = (TenantId::new(), some_endpoints());
        let taken = fill(&places, tenant, Pace::Slow, &[endpoint]);
        let elsewhere = Wish {
            lane: Lane {
                kind: LaneKind::Live,
                shard: 1,
            },
            ..wish(tenant, endpoint, Pace::Slow)
        };
        drop((taken, places.take(elsewhere).unwrap()));
        for lane in &places.lanes {
            let lane = lane.lock().unwrap();
            assert!(lane.slow == 0 && lane.endpoints.is_empty() && lane.tenants.is_empty());
        }
        assert!(places.memory().taken == 0 && places.memory().tenants.is_empty());
    }

    #[test]
    fn memory_is_bounded_for_each_tenant_and_for_all() {
        let places = places();
        let of = |tenant, bytes| {
            let wish = wish(tenant, EndpointId::new(), Pace::Quick);
            places.take(Wish { bytes, ..wish })
        };
        let (heavy, other, third) = (TenantId::new(), TenantId::new(), TenantId::new());
        let first = of(heavy, 400);
        assert!(first.is_some() && of(heavy, 101).is_none(), "half of the memory");
        let second = of(other, 500);
        assert!(second.is_some() && of(third, 100).is_some());
        let large = of(third, 5_000);
        assert!(large.is_some() && of(third, 1).is_none(), "one is always taken");
        drop((first, second, large));
        assert!(of(heavy, 500).is_some());
    }

    #[test]
    fn where_there_is_one_place_it_is_used() {
        let places = Places::new(1, |_| 1, MOST_BYTES);
        let wish = Wish {
            lane: Lane {
                kind: LaneKind::Live,
                shard: 0,
            },
            ..wish(TenantId::new(), EndpointId::new(), Pace::Slow)
        };
        let taken = places.take(wish);
        assert!(taken.is_some() && places.take(wish).is_none());
    }
}
