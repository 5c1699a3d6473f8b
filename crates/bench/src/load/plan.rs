//! The tenants and endpoints of a publisher.

use tidings_proto::pb;

/// Tenants and endpoints to publish to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Name of tenants and event types.
    pub(crate) name: &'static str,
    /// Number of event types, each with endpoints of its own; events are of one after the other.
    pub(crate) endpoints: usize,
    /// Endpoints that get each event, all of them at the same URL.
    pub(crate) fan_out: usize,
    /// `true` to give every endpoint a tenant of its own.
    pub(crate) own_tenants: bool,
    /// `true` to keep endpoints disabled until [`Load::enable`](super::Load::enable).
    pub(crate) disabled: bool,
    /// Rate limit of each endpoint: requests per second, and burst.
    pub(crate) rate_limit: Option<(u32, u32)>,
    /// Filters per endpoint that read all of a payload and match nothing; the payload is a list then.
    pub(crate) filters: usize,
    /// The size of a payload, bytes.
    pub(crate) payload: usize,
}

impl Plan {
    /// A plan with one endpoint of one tenant.
    pub(crate) fn one(name: &'static str, payload: usize) -> Self {
        Self {
            name,
            endpoints: 1,
            fan_out: 1,
            own_tenants: false,
            disabled: false,
            rate_limit: None,
            filters: 0,
            payload,
        }
    }
}

/// To the endpoint's own type, and to those of all others as far as its filters let them through: no event.
pub(super) fn subscriptions(plan: Plan, endpoint: usize, event_type: &str) -> Vec<pb::Subscription> {
    let own = pb::Subscription {
        pattern: event_type.to_owned(),
        ..pb::Subscription::default()
    };
    let filtered = (0..plan.filters).map(|number| pb::Subscription {
        pattern: format!("{}.*", plan.name),
        filter: format!(
            "payload.filler.exists(x, x == {})",
            2 + endpoint * plan.filters + number
        ),
        ..pb::Subscription::default()
    });
    std::iter::once(own).chain(filtered).collect()
}

pub(super) fn filler(plan: Plan) -> String {
    let bytes = plan.payload.saturating_sub(32);
    if plan.filters == 0 {
        return format!("\"{}\"", "x".repeat(bytes));
    }
    format!("[{}1]", "1,".repeat(bytes / 2))
}
