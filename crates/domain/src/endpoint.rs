//! A receiver as its tenant configured it.

use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use crate::event::EventType;
use crate::id::{EndpointId, TenantId};
use crate::outcome::StatusRange;
use crate::schedule::Schedule;
use crate::secret::Secret;
use crate::subscription::Subscription;

/// Where a tenant's events go and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What people call it; at most 200 characters, may be empty.
    pub name: String,
    /// Where requests go.
    pub url: Url,
    /// The name of the dialect that its requests are written in.
    pub dialect: String,
    /// The secret that requests are signed with; none where the receiver checks no signature.
    pub secret: Option<Secret>,
    /// What it wants. An event that matches any of these is delivered once.
    pub subscriptions: Vec<Subscription>,
    /// Whether requests are made. While off, its deliveries are held.
    pub enabled: bool,
    /// What the tenant chose differently from the dialect.
    pub overrides: Overrides,
    /// Held deliveries of events accepted before this time are cancelled and not released.
    pub cancel_held_before: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What an endpoint may choose differently from its dialect.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// The waits between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// The deadline of one attempt, over connecting, sending and reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The statuses after which nothing more is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_statuses: Option<Vec<StatusRange>>,
    /// How many requests may be under way at once from one dispatcher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many requests may be begun per second, from all dispatchers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

/// A bound on how often something is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RateLimit {
    /// How often per second, over time; at least 1.
    pub per_second: u32,
    /// How often at once after a rest; at least 1.
    pub burst: u32,
}

impl Endpoint {
    /// The longest name, in characters.
    pub const MAX_NAME: usize = 200;
    /// The most subscriptions of one endpoint.
    pub const MAX_SUBSCRIPTIONS: usize = 100;

    /// Whether an event of this type becomes a delivery for this endpoint. A disabled endpoint still matches:
    /// its deliveries are held and not forgotten.
    #[must_use]
    pub fn wants(&self, event_type: &EventType) -> bool {
        self.subscriptions.iter().any(|s| s.matches(event_type))
    }
}
