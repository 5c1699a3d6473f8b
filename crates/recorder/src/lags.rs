//! Tenants whose first attempts are late, as reported with each response of the log service.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tidings_domain::TenantId;

/// Time that a report is trusted.
const BELIEVED: Duration = Duration::from_secs(1);

/// Time from acceptance to the first attempt, by tenant. Clones are the same.
#[derive(Clone, Default)]
pub struct Lags(Arc<RwLock<Option<Report>>>);

struct Report {
    at: Instant,
    lags: HashMap<TenantId, Duration>,
}

impl Lags {
    /// The tenant's lag in the latest trusted report, zero if its attempts are not late.
    #[must_use]
    pub fn of(&self, tenant: TenantId) -> Duration {
        let heard = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let trusted = heard.as_ref().filter(|heard| heard.at.elapsed() < BELIEVED);
        trusted
            .and_then(|heard| heard.lags.get(&tenant).copied())
            .unwrap_or_default()
    }

    /// Takes what the log service says.
    pub(crate) fn update(&self, lags: HashMap<TenantId, Duration>) {
        // The usual case, in which nothing is to be remembered, takes no lock that others wait for.
        if lags.is_empty() && self.0.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            return;
        }
        let heard = (!lags.is_empty()).then(|| Report {
            at: Instant::now(),
            lags,
        });
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = heard;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_report_counts() {
        let (lags, late) = (Lags::default(), TenantId::new());
        lags.update(HashMap::from([(late, Duration::from_millis(80))]));
        assert_eq!(lags.of(late), Duration::from_millis(80));
        assert_eq!(lags.of(TenantId::new()), Duration::ZERO);
        lags.update(HashMap::new());
        assert_eq!(lags.of(late), Duration::ZERO);
    }
}
