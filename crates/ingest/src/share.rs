//! Which lane a first attempt goes to, so that one tenant's flood does not stand before everybody's events.
//!
//! Need: a lane is worked on in order; a hundred thousand events of one tenant would keep the others waiting. Mechanism:
//! each tenant has a share of the `live` lane, so many deliveries per second and more at once after a rest; what is
//! beyond goes to the `bulk` lane, which is worked on beside it. Nothing is refused, and while nobody else wants
//! anything bulk is as quick as live. Limit: each ingest process counts what it takes in itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tidings_domain::TenantId;
use tidings_queue::LaneKind;
use tidings_service::Bucket;

pub(crate) struct Shares {
    per_second: f64,
    burst: f64,
    used: Mutex<HashMap<TenantId, Bucket>>,
}

/// With so many tenants in memory, those that use nothing of their share are forgotten.
const MANY: usize = 4_096;

impl Shares {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: per_second.into(),
            burst: burst.into(),
            used: Mutex::new(HashMap::new()),
        }
    }

    /// The lane for one more delivery of this tenant.
    pub(crate) fn lane(&self, tenant: TenantId) -> LaneKind {
        let now = Instant::now();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MANY && !used.contains_key(&tenant) {
            used.retain(|_, bucket| !bucket.is_full(self.per_second, self.burst, now));
        }
        let bucket = used.entry(tenant).or_insert_with(|| Bucket::full(self.burst, now));
        match bucket.take(self.per_second, self.burst, now) {
            Ok(()) => LaneKind::Live,
            Err(_) => LaneKind::Bulk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_a_share_is_bulk_and_others_are_not_concerned() {
        let shares = Shares::new(1, 3);
        let (flooding, quiet) = (TenantId::new(), TenantId::new());
        let lanes = [(); 4].map(|()| shares.lane(flooding));
        assert_eq!(lanes[2..], [LaneKind::Live, LaneKind::Bulk]);
        assert_eq!(shares.lane(quiet), LaneKind::Live);
    }

    #[test]
    fn tenants_that_rest_are_forgotten() {
        let shares = Shares::new(1_000_000, 1);
        for _ in 0..3 * MANY {
            shares.lane(TenantId::new());
        }
        assert!(shares.used.lock().unwrap().len() <= MANY);
    }
}
