//! Estimates which overdue deliveries still wait in their lanes.
//!
//! A delivery that waits in a long lane is not lost and must not be published again; a lost one must not wait for the
//! lane. A lane is a queue: if it holds few messages, or few besides those that this process published after a
//! moment, everything older has left it. Messages that others published since can't be told from older ones, so in a
//! lane that stays long a lost delivery is published again only after [`MAX_GRACES`].

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tidings_domain::Timestamp;
use tidings_queue::{Depth, Lane, LaneKind, Queue, Source};
use tidings_store::ledger::OpenDelivery;

/// A lane with fewer messages has no backlog.
const BACKLOG: u64 = 100;
/// Interval between looks at the lanes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Publishing times remembered per lane.
const MAX_PUT: usize = 1_000;
/// Number of graces after which a delivery is published again whatever the length of its lane.
const MAX_GRACES: u32 = 12;

pub(crate) struct Lanes {
    shards: u16,
    /// The longest that anything is believed to wait.
    longest: Duration,
    looked: Option<Instant>,
    known: HashMap<Lane, Known>,
}

#[derive(Default)]
struct Known {
    /// Messages published before this time have left the lane.
    left_before: Option<Timestamp>,
    /// Messages that this process published: time and number, oldest first.
    put: VecDeque<(Timestamp, u64)>,
}

impl Lanes {
    pub(crate) fn new(shards: u16, grace: Duration) -> Self {
        Self {
            shards,
            longest: grace * MAX_GRACES,
            looked: None,
            known: HashMap::new(),
        }
    }

    /// Looks at all lanes, unless that was done a moment ago. A queue that can't tell has no backlog.
    pub(crate) async fn look(&mut self, queue: &dyn Queue) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        for kind in LaneKind::ALL {
            // Before asking: what is published until the answer comes must not count as older.
            let now = now();
            match queue.depths_of(Source::Work(kind)).await {
                Ok(depths) => depths.iter().for_each(|depth| self.saw(depth, now)),
                Err(_) => self.known.retain(|lane, _| lane.kind != kind),
            }
        }
    }

    /// Remembers that these were published, having been taken from the ledger at that time.
    pub(crate) fn put<'a>(&mut self, published: impl Iterator<Item = &'a OpenDelivery>, taken: Timestamp) {
        for delivery in published {
            let Some(known) = self.known.get_mut(&lane(delivery, LaneKind::Retry, self.shards)) else {
                continue;
            };
            match known.put.back_mut() {
                Some((at, count)) if *at == taken => *count += 1,
                _ => known.put.push_back((taken, 1)),
            }
            if known.put.len() > MAX_PUT {
                known.put.pop_front();
            }
        }
    }

    /// Tells if a delivery probably waits in its lane.
    pub(crate) fn may_hold(&self, delivery: &OpenDelivery, now: Timestamp) -> bool {
        let at_last = delivery.since.saturating_add(self.longest).unwrap_or(Timestamp::MAX);
        if delivery.kept_by_ledger || at_last <= now {
            return false;
        }
        // Only what was never published but at its acceptance is in a lane of first attempts.
        let accepted = i64::try_from(delivery.id.unix_millis()).unwrap_or(i64::MAX);
        let first = delivery.step.attempt() == 1 && delivery.since.as_millisecond() == accepted;
        let kinds: &[LaneKind] = if first {
            &[LaneKind::Live, LaneKind::Bulk]
        } else {
            &[LaneKind::Retry]
        };
        kinds.iter().any(|kind| {
            let known = self.known.get(&lane(delivery, *kind, self.shards));
            known.is_some_and(|known| known.left_before.is_none_or(|before| delivery.since >= before))
        })
    }

    fn saw(&mut self, depth: &Depth, now: Timestamp) {
        let Some(lane) = depth.lane else { return };
        let known = self.known.entry(lane).or_default();
        if depth.ready < BACKLOG {
            known.left_before = Some(now);
            known.put.clear();
            return;
        }
        let mut behind = 0;
        for index in (0..known.put.len()).rev() {
            let (at, count) = known.put[index];
            behind += count;
            if depth.ready.saturating_sub(behind) < BACKLOG {
                known.left_before = known.left_before.max(Some(at));
                known.put.drain(..index);
                return;
            }
        }
    }
}

/// The present, as exact as the ledger keeps it.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

fn lane(delivery: &OpenDelivery, kind: LaneKind, shards: u16) -> Lane {
    Lane {
        kind,
        shard: delivery.endpoint.shard(shards),
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::{DeliveryId, EndpointId, EventId, SignedDuration, Step, TenantId};

    use super::*;

    const GRACE: Duration = Duration::from_secs(75);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_799_800 + second).unwrap()
    }

    /// A retry that has been overdue for so long that it was taken.
    fn retry(since: Timestamp) -> OpenDelivery {
        let event = EventId::at(at(-1_000));
        let endpoint = EndpointId::new();
        OpenDelivery {
            id: DeliveryId::derive(event, endpoint),
            event,
            tenant: TenantId::new(),
            endpoint,
            step: Step::FIRST.after_attempt().moved(),
            due: None,
            since,
            kept_by_ledger: false,
            undecided: false,
        }
    }

    fn first(accepted: Timestamp) -> OpenDelivery {
        let event = EventId::at(accepted);
        let endpoint = EndpointId::new();
        OpenDelivery {
            id: DeliveryId::derive(event, endpoint),
            event,
            endpoint,
            step: Step::FIRST.moved(),
            ..retry(accepted)
        }
    }

    fn depth(kind: LaneKind, ready: u64) -> Depth {
        Depth {
            name: kind.as_str().into(),
            lane: Some(Lane { kind, shard: 0 }),
            ready,
            consumers: 1,
        }
    }

    fn seen(depths: &[(LaneKind, u64)], now: Timestamp) -> Lanes {
        let mut lanes = Lanes::new(1, GRACE);
        depths
            .iter()
            .for_each(|(kind, ready)| lanes.saw(&depth(*kind, *ready), now));
        lanes
    }

    #[test]
    fn what_is_overdue_may_wait_in_a_long_lane() {
        let lanes = seen(
            &[(LaneKind::Live, 0), (LaneKind::Bulk, 5_000), (LaneKind::Retry, 0)],
            at(100),
        );
        assert!(lanes.may_hold(&first(at(0)), at(100)));
        assert!(!lanes.may_hold(&retry(at(0)), at(100)), "its lane is short");
        let kept = OpenDelivery {
            kept_by_ledger: true,
            undecided: false,
            ..first(at(0))
        };
        assert!(!lanes.may_hold(&kept, at(100)));
        assert!(
            !Lanes::new(1, GRACE).may_hold(&first(at(0)), at(100)),
            "nobody could tell"
        );
    }

    #[test]
    fn what_went_in_before_a_lane_was_short_has_left_it() {
        let mut lanes = seen(&[(LaneKind::Retry, 99)], at(50));
        lanes.saw(&depth(LaneKind::Retry, 5_000), at(60));
        assert!(!lanes.may_hold(&retry(at(49)), at(60)));
        assert!(lanes.may_hold(&retry(at(50)), at(60)));
    }

    #[test]
    fn what_this_process_put_into_a_lane_is_no_backlog_for_what_is_older() {
        let mut lanes = seen(&[(LaneKind::Retry, 300)], at(0));
        let lost = retry(at(-10));
        assert!(lanes.may_hold(&lost, at(0)), "others put it in");
        for second in [10, 20] {
            let own: Vec<_> = (0..500).map(|_| retry(at(second))).collect();
            lanes.put(own.iter(), at(second));
        }
        lanes.saw(&depth(LaneKind::Retry, 1_150), at(21));
        assert!(lanes.may_hold(&lost, at(21)), "some of the others' are left");
        lanes.saw(&depth(LaneKind::Retry, 1_050), at(22));
        assert!(!lanes.may_hold(&lost, at(22)), "at most 50 of the others' are left");
        assert!(lanes.may_hold(&retry(at(10)), at(22)));
        lanes.saw(&depth(LaneKind::Retry, 500), at(23));
        assert!(!lanes.may_hold(&retry(at(10)), at(23)));
        assert!(lanes.may_hold(&retry(at(20)), at(23)));
    }

    #[test]
    fn nothing_is_left_alone_without_bound() {
        let lanes = seen(&[(LaneKind::Retry, 5_000)], at(2_000));
        let limit = SignedDuration::try_from(GRACE * MAX_GRACES).unwrap();
        assert!(!lanes.may_hold(&retry(at(2_000) - limit), at(2_000)));
        assert!(lanes.may_hold(&retry(at(2_001) - limit), at(2_000)));
    }
}
