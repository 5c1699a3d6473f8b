//! Fair share: a tenant's flood goes to the `bulk` lane and does not delay other tenants' events.
//!
//! Lanes are worked on in order, so a hundred thousand events of one tenant would delay all others. Each tenant has a
//! share of the `live` lane: deliveries per second, with a burst, by configuration or as set for the tenant.
//! Deliveries beyond it go to the `bulk` lane, which is consumed in parallel. Nothing is refused, and without
//! competition `bulk` is as quick as `live`. Each ingest process counts only what it accepts itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tidings_domain::{TenantId, TenantSettings};
use tidings_queue::LaneKind;
use tidings_service::Bucket;

pub(crate) struct FairShares {
    usual: Share,
    used: Mutex<HashMap<TenantId, Used>>,
}

/// Rate of deliveries that go to the `live` lane.
#[derive(Clone, Copy)]
struct Share {
    per_second: f64,
    burst: f64,
}

struct Used {
    bucket: Bucket,
    /// The share in effect when the bucket was last used.
    share: Share,
}

/// Number of tracked tenants above which those with a full bucket are dropped.
const MANY: usize = 4_096;

impl FairShares {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            usual: Share {
                per_second: per_second.into(),
                burst: burst.into(),
            },
            used: Mutex::new(HashMap::new()),
        }
    }

    /// The lane for one more delivery of this tenant.
    pub(crate) fn lane(&self, tenant: TenantId, settings: &TenantSettings) -> LaneKind {
        let now = Instant::now();
        let share = self.usual.or_as_set(settings);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MANY && !used.contains_key(&tenant) {
            // A full bucket is what a tenant that is not remembered begins with, so forgetting it changes nothing.
            used.retain(|_, Used { bucket, share }| !bucket.is_full(share.per_second, share.burst, now));
        }
        let used = used.entry(tenant).or_insert_with(|| Used {
            bucket: Bucket::full(share.burst, now),
            share,
        });
        used.share = share;
        match used.bucket.take(share.per_second, share.burst, now) {
            Ok(()) => LaneKind::Live,
            Err(_) => LaneKind::Bulk,
        }
    }
}

impl Share {
    /// This, or what was set for a tenant. A rate that was set without a burst comes with one second's worth.
    fn or_as_set(self, settings: &TenantSettings) -> Self {
        let burst = settings.publish_burst.or(settings.publish_per_second);
        Self {
            per_second: settings.publish_per_second.map_or(self.per_second, f64::from),
            burst: burst.map_or(self.burst, f64::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_a_share_is_bulk_and_others_are_not_concerned() {
        let shares = FairShares::new(1, 3);
        let (flooding, quiet) = (TenantId::new(), TenantId::new());
        let usual = TenantSettings::default();
        let lanes = [(); 4].map(|()| shares.lane(flooding, &usual));
        assert_eq!(lanes[2..], [LaneKind::Live, LaneKind::Bulk]);
        assert_eq!(shares.lane(quiet, &usual), LaneKind::Live);
    }

    #[test]
    fn a_tenant_may_have_more_or_less_than_is_usual() {
        let shares = FairShares::new(1, 3);
        let live = |settings: &TenantSettings| {
            let tenant = TenantId::new();
            let lanes = std::iter::from_fn(|| Some(shares.lane(tenant, settings)));
            lanes.take(20).filter(|lane| *lane == LaneKind::Live).count()
        };
        let set = |publish_per_second, publish_burst| TenantSettings {
            publish_per_second,
            publish_burst,
            ..TenantSettings::default()
        };
        assert_eq!(live(&set(None, Some(5))), 5);
        assert_eq!(live(&set(Some(1), None)), 1);
        assert_eq!(live(&set(Some(1), Some(7))), 7);
    }

    #[test]
    fn tenants_that_rest_are_forgotten() {
        let shares = FairShares::new(1_000_000, 1);
        for _ in 0..3 * MANY {
            shares.lane(TenantId::new(), &TenantSettings::default());
        }
        assert!(shares.used.lock().unwrap().len() <= MANY);
    }
}
