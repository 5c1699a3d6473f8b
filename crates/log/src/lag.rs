//! Tenants whose first attempts are late because their lanes are long, reported to recorders with each response.
//!
//! Ingest answers the publishers of such a tenant later, so that events are accepted no faster than they are delivered
//! (docs/decisions/0043). Each replica of the log service knows of the attempts that it records itself.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tidings_domain::TenantId;
use tidings_proto::{pb, uuid};

/// Average lag above which a tenant is reported.
const LATE: Duration = Duration::from_millis(20);
/// Time after which a tenant without attempts is no longer late: its lane is empty, or nobody works on it.
const BELIEVED: Duration = Duration::from_secs(1);
/// Maximum tenants per report, which must stay small.
const MENTIONED: usize = 1_000;

/// The lags. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Lags(Arc<RwLock<HashMap<TenantId, Lag>>>);

struct Lag {
    /// Moving average over batches, in which the latest counts half.
    average: Duration,
    at: Instant,
}

impl Lags {
    /// Counts the first attempts among these records.
    pub(crate) fn count(&self, records: &[pb::Record]) {
        let mut batch: HashMap<TenantId, (Duration, u32)> = HashMap::new();
        for (tenant, lag) in records.iter().filter_map(first_attempt) {
            let (sum, attempts) = batch.entry(tenant).or_default();
            *sum += lag;
            *attempts += 1;
        }
        {
            // The usual case, in which nobody is late, takes no lock that others wait for.
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let is_news =
                |(tenant, (sum, _)): (&TenantId, &(Duration, u32))| !sum.is_zero() || known.contains_key(tenant);
            if !batch.iter().any(is_news) {
                return;
            }
        }
        let now = Instant::now();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, lag| now.duration_since(lag.at) < BELIEVED);
        for (tenant, (sum, attempts)) in batch {
            let latest = sum / attempts;
            match known.get_mut(&tenant) {
                Some(lag) => (lag.average, lag.at) = ((lag.average + latest) / 2, now),
                None if latest.is_zero() => {}
                None => {
                    let average = latest / 2;
                    known.insert(tenant, Lag { average, at: now });
                }
            }
        }
        known.retain(|_, lag| lag.average > Duration::from_millis(1));
    }

    /// The tenants that are late, as they go over the wire.
    pub(crate) fn report(&self) -> Vec<pb::TenantLag> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let late = known
            .iter()
            .filter(|(_, lag)| lag.average > LATE && lag.at.elapsed() < BELIEVED);
        late.take(MENTIONED)
            .map(|(tenant, lag)| pb::TenantLag {
                tenant_id: tenant.uuid().as_bytes().to_vec(),
                lag_us: i64::try_from(lag.average.as_micros()).unwrap_or(i64::MAX),
            })
            .collect()
    }
}

/// The tenant and the lag of a first attempt.
fn first_attempt(record: &pb::Record) -> Option<(TenantId, Duration)> {
    let Some(pb::record::Record::Attempt(attempt)) = &record.record else {
        return None;
    };
    let lag = Duration::from_micros(u64::try_from(attempt.lane_lag_us?).unwrap_or_default());
    let tenant = uuid(&attempt.delivery.as_ref()?.tenant_id, "tenant_id").ok()?;
    Some((TenantId::from_uuid(tenant), lag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(tenant: TenantId, lag_ms: Option<i64>) -> pb::Record {
        let delivery = pb::DeliveryMoved {
            tenant_id: tenant.uuid().as_bytes().to_vec(),
            ..pb::DeliveryMoved::default()
        };
        let attempt = pb::AttemptMade {
            delivery: Some(delivery),
            lane_lag_us: lag_ms.map(|ms| ms * 1_000),
            ..pb::AttemptMade::default()
        };
        pb::Record {
            record: Some(pb::record::Record::Attempt(attempt)),
            ..pb::Record::default()
        }
    }

    fn reported(lags: &Lags) -> Vec<(Vec<u8>, i64)> {
        let report = lags.report().into_iter();
        report.map(|lag| (lag.tenant_id, lag.lag_us / 1_000)).collect()
    }

    #[test]
    fn a_tenant_is_late_while_its_first_attempts_are() {
        let (lags, late, other) = (Lags::default(), TenantId::new(), TenantId::new());
        lags.count(&[attempt(other, Some(0)), attempt(other, None)]);
        assert!(lags.0.read().unwrap().is_empty(), "nobody waits");

        for _ in 0..40 {
            lags.count(&[
                attempt(late, Some(100)),
                attempt(late, Some(300)),
                attempt(other, Some(0)),
            ]);
        }
        assert_eq!(reported(&lags), [(late.uuid().as_bytes().to_vec(), 199)]);
        for _ in 0..40 {
            lags.count(&[attempt(late, Some(0))]);
        }
        assert!(lags.0.read().unwrap().is_empty(), "it waits no longer");
    }

    #[test]
    fn a_single_late_attempt_is_not_reported() {
        let (lags, tenant) = (Lags::default(), TenantId::new());
        lags.count(&[attempt(tenant, Some(38))]);
        assert_eq!(reported(&lags), []);
        lags.count(&[attempt(tenant, None)]);
        lags.count(&[attempt(tenant, Some(38))]);
        assert_eq!(reported(&lags).len(), 1);
    }
}
