//! Paces publishers: an event is answered later while its tenant's deliveries are late.
//!
//! Accepting an event costs less than delivering it to ten endpoints, so publishers that wait for nothing but
//! acceptance fill the lanes, and everything they publish arrives late. The answer therefore waits about as long as
//! the tenant's first attempts are late (docs/decisions/0043). Nothing is refused, the event is durable and queued
//! before the pause begins, and other tenants' publishers are not paused.

use std::time::Duration;

use tidings_domain::TenantId;
use tidings_recorder::Lags;

use crate::metrics;

/// Lag that is nobody's concern.
const TOLERATED: Duration = Duration::from_millis(50);
/// Lag above which there is no pause: that is the backlog of an outage, which no pause makes shorter in time.
const HOPELESS: Duration = Duration::from_secs(10);

pub(crate) struct Pace {
    lags: Lags,
    longest: Duration,
}

impl Pace {
    pub(crate) fn new(lags: Lags, longest: Duration) -> Self {
        Self { lags, longest }
    }

    /// Waits before the answer to a publisher of this tenant.
    pub(crate) async fn pause(&self, tenant: TenantId) {
        let pause = pause(self.lags.of(tenant), self.longest);
        if !pause.is_zero() {
            metrics::paused(pause);
            tokio::time::sleep(pause).await;
        }
    }
}

fn pause(lag: Duration, longest: Duration) -> Duration {
    if lag > HOPELESS {
        return Duration::ZERO;
    }
    lag.saturating_sub(TOLERATED).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_wait_as_long_as_deliveries_are_late() {
        let ms = Duration::from_millis;
        let pauses = [0, 50, 51, 170, 700, 10_000, 10_001].map(|lag| pause(ms(lag), ms(500)));
        assert_eq!(pauses, [0, 0, 1, 120, 500, 500, 0].map(ms));
        assert_eq!(pause(ms(700), Duration::ZERO), Duration::ZERO, "turned off");
    }
}
