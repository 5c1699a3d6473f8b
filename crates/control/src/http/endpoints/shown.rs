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

/// A tenant's receiver, with the settings of its deliveries.
#[derive(Serialize, ToSchema)]
pub(crate) struct Endpoint {
    /// The endpoint's id: `ep_` and 32 hexadecimal digits.
    id: String,
    /// Tenant that owns the endpoint (`ten_…`).
    tenant_id: String,
    /// Display name of at most 200 characters; may be empty.
    name: String,
    /// URL that requests are sent to.
    url: String,
    /// Format of requests: the name of a dialect.
    dialect: String,
    /// Event types that the endpoint is subscribed to.
    subscriptions: Vec<Subscription>,
    /// True if requests are made; deliveries of an endpoint that is off are held.
    enabled: bool,
    /// Reason for which Tidings turned it off: `gone` or `failing`; null if it did not.
    disabled_reason: Option<String>,
    /// Time since which it fails (RFC 3339): a delivery was given up then, and none has succeeded since; null if it
    /// does not fail.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// Waits between attempts, such as `5m`; `[]` for a single attempt, null for the dialect's schedule.
    schedule: Option<Vec<String>>,
    /// Deadline of one attempt, such as `30s`; null for the dialect's.
    timeout: Option<String>,
    /// Statuses that mean that an event has arrived, such as `2xx` and `302`; null for the dialect's.
    success_statuses: Option<Vec<String>>,
    /// Statuses after which nothing more is tried, such as `410`; `[]` for none, null for the dialect's.
    final_statuses: Option<Vec<String>>,
    /// Maximum number of requests in flight, over all dispatchers; null for the configured number.
    concurrency: Option<u32>,
    /// Maximum number of requests per second, over all dispatchers; null for no limit.
    rate_per_second: Option<u32>,
    /// Burst of requests after a pause; null without a `rate_per_second`.
    rate_burst: Option<u32>,
    /// The signing secret, in the answer that creates the endpoint and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
    /// True if requests are not signed at all.
    unsigned: bool,
    /// Public key (`whpk_…`) that belongs to an ed25519 secret; null for other secrets.
    public_key: Option<String>,
    /// Time until which the secret before the last rotation signs (RFC 3339); null if it does not.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    /// Secret that signs right now: `current`, `previous` (the one before the last rotation, until
    /// `previous_secret_until`; the dialect has room for one signature) or `both`; null where none does.
    #[schema(example = "current")]
    signing_secret: Option<String>,
    /// Advice in sentences: which secret signs during a rotation, what proxies may drop.
    notes: Vec<String>,
    /// Credentials sent to the receiver, besides the signature, with `***` in place of every secret; null for none.
    authentication: Option<Authentication>,
    /// E-mail address that is notified when the endpoint fails or is turned off; null for none.
    contact: Option<String>,
    /// True if it gets operational events of its tenant's other endpoints instead of the tenant's events.
    operational: bool,
    /// Parts of users and companies that are sent although the dialect leaves them out.
    properties: Vec<String>,
    /// Values that the dialect asks for, by the name of the setting.
    settings: BTreeMap<String, String>,
    /// Parts that can't be read as stored (`url`, `subscriptions`, …), or opened for want of a key (`secret`, …). Its
    /// deliveries are held until that is repaired. Left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
    /// Time of its creation (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    created_at: Option<Timestamp>,
    /// Time of the last change (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    updated_at: Option<Timestamp>,
}

/// A pattern over event types with its own switch.
#[derive(Serialize, ToSchema)]
struct Subscription {
    /// An event type (`feedback.created`), a prefix (`feedback.*`) or `*`.
    pattern: String,
    /// True if it is off: it matches nothing, but is kept.
    disabled: bool,
    /// Condition on the event's content, such as `payload.rating <= 2`; null for all events of these types.
    filter: Option<String>,
}

/// The secret that requests to an endpoint are signed with.
#[derive(Serialize, ToSchema)]
pub(super) struct Secret {
    /// The secret in the form its receiver holds it; null if requests are not signed.
    pub(super) secret: Option<String>,
}

/// The secret of an endpoint after a rotation.
#[derive(Serialize, ToSchema)]
pub(super) struct RotatedSecret {
    /// The new secret, in the form its receiver holds it.
    secret: String,
    /// Public key (`whpk_…`) that belongs to an ed25519 secret; null for other secrets.
    public_key: Option<String>,
    /// Time until which the old secret signs (RFC 3339); null if it has stopped.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    /// Secret that signs until then: `previous` where the dialect has room for one signature, else `both`; `current` if
    /// the old one has stopped.
    #[schema(example = "both")]
    signing_secret: Option<String>,
    /// The same in an English sentence; null if the old secret has stopped.
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

/// A test's request, rendered and signed but not sent.
#[derive(Serialize, ToSchema)]
pub(super) struct Preview {
    /// Type of the event that it carries.
    event_type: String,
    /// URL that it would be sent to.
    url: String,
    /// Headers of the request, as sent over HTTP/1.1; secrets are masked.
    request_headers: Vec<Header>,
    /// Body of the request, as it would be sent.
    request_body: String,
}

impl From<preview::Preview> for Preview {
    fn from(preview: preview::Preview) -> Self {
        Self {
            request_headers: preview.headers.into_iter().map(Header::from).collect(),
            request_body: String::from_utf8_lossy(&preview.body).into_owned(),
            event_type: preview.event_type,
            url: preview.url,
        }
    }
}
