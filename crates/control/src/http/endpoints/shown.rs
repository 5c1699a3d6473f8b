//! Endpoints and their secrets as answers show them.

use std::collections::BTreeMap;

use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb;
use utoipa::ToSchema;

use super::authentication::Authentication;
use crate::http::answer::{length, text, time};
use crate::http::logs::Header;
use crate::preview;

/// Where a tenant's events go and how.
#[derive(Serialize, ToSchema)]
pub(crate) struct Endpoint {
    /// Its id (`ep_…`).
    id: String,
    /// Whose it is (`ten_…`).
    tenant_id: String,
    /// What people call it.
    name: String,
    /// Where requests go.
    url: String,
    /// How requests are written.
    dialect: String,
    /// What it wants.
    subscriptions: Vec<Subscription>,
    /// Whether requests are made.
    enabled: bool,
    /// Why Tidings turned it off: `gone` or `failing`; null if it did not.
    disabled_reason: Option<String>,
    /// Since when it fails: when a delivery was given up and none succeeded since.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// The waits between attempts, `[]` for a single attempt; the dialect's if null.
    schedule: Option<Vec<String>>,
    /// The deadline of one attempt; the dialect's if null.
    timeout: Option<String>,
    /// The statuses that mean that an event has arrived; the dialect's if null.
    success_statuses: Option<Vec<String>>,
    /// The statuses after which nothing more is tried, `[]` for none; the dialect's if null.
    final_statuses: Option<Vec<String>>,
    /// The most requests under way at once, from all dispatchers together; the configured number if null.
    concurrency: Option<u32>,
    /// How many requests may be begun per second; no limit if null.
    rate_per_second: Option<u32>,
    /// How many of them at once after a rest.
    rate_burst: Option<u32>,
    /// The signing secret: only when it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
    /// Whether requests are not signed at all.
    unsigned: bool,
    /// The public key (`whpk_…`) that belongs to an ed25519 secret.
    public_key: Option<String>,
    /// Until when the secret before the last rotation signs.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    /// Which secret signs right now: `current`, `previous` (the one before the last rotation, until
    /// `previous_secret_until`; the dialect has room for one signature) or `both`; null where none does.
    #[schema(example = "current")]
    signing_secret: Option<String>,
    /// What one should know of it, in sentences: which secret signs during a rotation, what proxies may drop.
    notes: Vec<String>,
    /// What its requests carry to be let in, beside the signature.
    authentication: Option<Authentication>,
    /// The e-mail address that is told when the endpoint fails or is turned off.
    contact: Option<String>,
    /// Whether it gets operational events instead of the tenant's events.
    operational: bool,
    /// Parts of users and companies that are sent although the dialect leaves them out.
    properties: Vec<String>,
    /// Values that the dialect asks for, by name.
    settings: BTreeMap<String, String>,
    /// What of it can't be read as it is stored, or opened for want of a key; its deliveries are held until that is
    /// repaired. Left out if everything can be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Option<Timestamp>,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Option<Timestamp>,
}

/// A pattern over event types with its own switch.
#[derive(Serialize, ToSchema)]
struct Subscription {
    /// An event type (`feedback.created`), a prefix (`feedback.*`) or `*`.
    pattern: String,
    /// Whether it is off: nothing matches, but the choice is kept.
    disabled: bool,
    /// Which of these events, by content; all of them if null.
    filter: Option<String>,
}

/// An endpoint's secret.
#[derive(Serialize, ToSchema)]
pub(super) struct Secret {
    /// The secret in the form its receiver holds it; null if requests are not signed.
    pub(super) secret: Option<String>,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
pub(super) struct RotatedSecret {
    /// The secret in the form its receiver holds it.
    secret: String,
    /// Its public key (`whpk_…`), if it has one.
    public_key: Option<String>,
    /// When the old secret stops signing; null if it has stopped.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    /// Which secret signs until then: `previous` where the dialect has room for one signature, else `both`; `current` if
    /// the old one has stopped.
    #[schema(example = "both")]
    signing_secret: Option<String>,
    /// The same in a sentence.
    note: Option<String>,
}

impl From<pb::Endpoint> for Endpoint {
    fn from(endpoint: pb::Endpoint) -> Self {
        let chosen = |number: u32| Some(number).filter(|number| *number > 0);
        let schedule = endpoint.schedule.into_iter().map(|wait| length(Some(wait)));
        Self {
            id: endpoint.id,
            tenant_id: endpoint.tenant_id,
            name: endpoint.name,
            url: endpoint.url,
            dialect: endpoint.dialect,
            subscriptions: endpoint.subscriptions.into_iter().map(Into::into).collect(),
            enabled: endpoint.enabled,
            disabled_reason: text(endpoint.disabled_reason),
            failing_since: time(endpoint.failing_since),
            schedule: schedule
                .collect::<Option<Vec<_>>>()
                .filter(|waits| !waits.is_empty() || endpoint.no_retries),
            timeout: length(endpoint.timeout),
            success_statuses: Some(endpoint.success_statuses).filter(|statuses| !statuses.is_empty()),
            final_statuses: Some(endpoint.final_statuses)
                .filter(|statuses| !statuses.is_empty() || endpoint.no_final_statuses),
            concurrency: chosen(endpoint.concurrency),
            rate_per_second: chosen(endpoint.rate_per_second),
            rate_burst: chosen(endpoint.rate_burst),
            secret: text(endpoint.secret),
            unsigned: endpoint.unsigned,
            public_key: text(endpoint.public_key),
            previous_secret_until: time(endpoint.previous_secret_until),
            signing_secret: text(endpoint.signing_secret),
            notes: endpoint.notes,
            authentication: endpoint.authentication.map(Into::into),
            contact: text(endpoint.contact),
            operational: endpoint.operational,
            properties: endpoint.properties,
            settings: endpoint.settings.into_iter().collect(),
            unreadable: endpoint.unreadable,
            created_at: time(endpoint.created_at),
            updated_at: time(endpoint.updated_at),
        }
    }
}

impl From<pb::Subscription> for Subscription {
    fn from(subscription: pb::Subscription) -> Self {
        Self {
            pattern: subscription.pattern,
            disabled: subscription.disabled,
            filter: text(subscription.filter),
        }
    }
}

impl From<pb::RotateEndpointSecretResponse> for RotatedSecret {
    fn from(rotated: pb::RotateEndpointSecretResponse) -> Self {
        Self {
            secret: rotated.secret,
            public_key: text(rotated.public_key),
            previous_secret_until: time(rotated.previous_secret_until),
            signing_secret: text(rotated.signing_secret),
            note: text(rotated.note),
        }
    }
}

/// A request as it would go.
#[derive(Serialize, ToSchema)]
pub(super) struct Preview {
    /// The type of the event.
    event_type: String,
    /// Where it would go.
    url: String,
    /// Its headers, as over HTTP/1.1.
    request_headers: Vec<Header>,
    /// Its body, byte for byte.
    request_body: String,
}

impl From<preview::Preview> for Preview {
    fn from(preview: preview::Preview) -> Self {
        Self {
            request_headers: preview.header_lines().into_iter().map(Into::into).collect(),
            request_body: String::from_utf8_lossy(&preview.body).into_owned(),
            event_type: preview.event_type,
            url: preview.url,
        }
    }
}
