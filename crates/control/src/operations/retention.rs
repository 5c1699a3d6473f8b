//! Checks that deliveries end before what they need is forgotten.
//!
//! Events and payloads are kept for at least a day longer than the longest schedule that needs them; a change that
//! would violate this is rejected. Deliveries held for an endpoint that stays disabled are forgotten by age alone.

use std::time::Duration;

use tidings_domain::{Endpoint, Schedule, Tenant};
use tidings_service::problem::Problem;

const DAY: Duration = Duration::from_secs(86_400);

/// The time for which events must be kept for a delivery with this schedule.
#[must_use]
pub fn needed(schedule: &Schedule) -> Duration {
    schedule.longest() + DAY
}

/// Fails if an endpoint's schedule does not end in time, with events kept for `retention` (unlimited if zero).
pub(crate) fn check_schedule(schedule: &Schedule, retention: Duration, tenant: Option<&Tenant>) -> Result<(), Problem> {
    let needed = needed(schedule);
    let own = tenant.and_then(|tenant| tenant.settings.payload_retention).map(days);
    let kept = [Some(retention).filter(|kept| !kept.is_zero()), own];
    let Some(shortest) = kept.into_iter().flatten().min().filter(|kept| *kept < needed) else {
        return Ok(());
    };
    let whose = if own == Some(shortest) {
        "the tenant's `payload_retention_days`"
    } else {
        "`log.retention`"
    };
    let detail = format!(
        "the endpoint's schedule lasts up to {}, and payloads are kept for {} only ({whose}), which must be a day longer: \
         give it shorter waits, or have payloads kept longer",
        shown(schedule.longest()),
        shown(shortest),
    );
    Err(Problem::invalid("schedule_too_long", detail).at("schedule"))
}

/// Fails if a tenant does not keep payloads long enough for its endpoints' schedules.
pub(crate) fn check_tenant<'a>(
    tenant: &Tenant,
    endpoints: impl Iterator<Item = (&'a Endpoint, &'a Schedule)>,
) -> Result<(), Problem> {
    let Some(kept) = tenant.settings.payload_retention.map(days) else {
        return Ok(());
    };
    let longest = endpoints.max_by_key(|(_, schedule)| schedule.longest());
    let Some((endpoint, schedule)) = longest.filter(|(_, schedule)| needed(schedule) > kept) else {
        return Ok(());
    };
    let least = needed(schedule).as_secs().div_ceil(DAY.as_secs());
    let detail = format!(
        "the schedule of {} lasts up to {}, and payloads must be kept a day longer: at least {least} days",
        endpoint.id,
        shown(schedule.longest()),
    );
    Err(Problem::invalid("retention_too_short", detail).at("payload_retention_days"))
}

fn days(days: u32) -> Duration {
    days * DAY
}

fn shown(length: Duration) -> String {
    humantime::format_duration(Duration::from_secs(length.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use tidings_domain::Timestamp;

    use super::*;

    fn tenant(payload_retention: Option<u32>) -> Tenant {
        let mut tenant = Tenant::new("Acme", Timestamp::now());
        tenant.settings.payload_retention = payload_retention;
        tenant
    }

    #[test]
    fn a_schedule_must_end_a_day_before_anything_it_needs_goes() {
        // 29 hours with what is added to the waits.
        let schedule = Schedule::default();
        let check = |retention, own| check_schedule(&schedule, retention, Some(&tenant(own)));
        assert!(
            check(3 * DAY, None).is_ok()
                && check(Duration::ZERO, None).is_ok()
                && check(Duration::ZERO, Some(3)).is_ok()
        );
        let refused = check(2 * DAY, None).unwrap_err();
        assert_eq!(refused.code, "schedule_too_long");
        assert!(refused.detail.contains("`log.retention`"), "{}", refused.detail);
        let refused = check(90 * DAY, Some(2)).unwrap_err();
        assert!(refused.detail.contains("payload_retention_days"), "{}", refused.detail);
        assert!(check_schedule(&schedule, 2 * DAY, None).is_err());
    }

    #[test]
    fn a_tenant_must_keep_payloads_for_as_long_as_its_endpoints_retry() {
        let url = "https://example.com/hook".parse().unwrap();
        let endpoint = Endpoint::new(tidings_domain::TenantId::new(), url, "standard", Timestamp::now());
        let schedule = Schedule::default();
        let check = |own| check_tenant(&tenant(own), [(&endpoint, &schedule)].into_iter());
        assert!(check(None).is_ok() && check(Some(3)).is_ok());
        let refused = check(Some(2)).unwrap_err();
        assert_eq!(refused.code, "retention_too_short");
        assert!(refused.detail.contains("at least 3 days"), "{}", refused.detail);
        assert!(check_tenant(&tenant(Some(1)), std::iter::empty()).is_ok());
    }
}
