//! Things as audit entries keep them: without secrets, and in one shape for as long as there are entries.
//!
//! These types look like REST's answers and are not shared with them, so that an answer can change without a change of what
//! is stored. A field may be added here; one that is renamed or removed would make old entries unlike new ones.

mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tidings_domain::outcome::StatusRange;
use tidings_domain::{self as domain, Schedule, Secret, Timestamp};
use tidings_store::replays;

use self::rows::Rows;
use crate::messages::authentication::about;
use crate::messages::rows::read_stored;
use crate::signing::previous_secret_until;

#[derive(Serialize)]
pub(super) struct Endpoint {
    id: String,
    tenant_id: String,
    name: String,
    url: String,
    dialect: String,
    subscriptions: Vec<Subscription>,
    enabled: bool,
    disabled_reason: Option<&'static str>,
    failing_since: Option<Timestamp>,
    schedule: Option<Vec<String>>,
    timeout: Option<String>,
    success_statuses: Option<Vec<String>>,
    final_statuses: Option<Vec<String>>,
    concurrency: Option<u32>,
    rate_per_second: Option<u32>,
    rate_burst: Option<u32>,
    unsigned: bool,
    public_key: Option<String>,
    previous_secret_until: Option<Timestamp>,
    /// Always null: known of an answer, not of what is stored.
    signing_secret: Option<String>,
    /// Always empty, for the same reason.
    notes: Vec<String>,
    authentication: Option<Authentication>,
    contact: Option<String>,
    operational: bool,
    properties: Vec<String>,
    settings: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<&'static str>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct Subscription {
    pattern: String,
    disabled: bool,
    filter: Option<String>,
}

/// Credentials, with a mask in place of each secret.
#[derive(Serialize)]
struct Authentication {
    headers: BTreeMap<String, String>,
    authorization: Option<Authorization>,
    client_certificate: Option<ClientCertificate>,
    trusted_ca: Option<String>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Authorization {
    Basic {
        username: String,
        password: String,
    },
    Bearer {
        token: String,
    },
    Oauth2 {
        token_url: String,
        client_id: String,
        client_secret: String,
        scopes: Vec<String>,
        audience: Option<String>,
        credentials_in: &'static str,
    },
}

#[derive(Serialize)]
struct ClientCertificate {
    chain: String,
    key: String,
    subject: Option<String>,
    expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
pub(super) struct Tenant {
    id: String,
    name: String,
    schema_validation: &'static str,
    payload_retention_days: Option<u32>,
    attempt_retention_days: Option<u32>,
    publish_per_second: Option<u32>,
    publish_burst: Option<u32>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
pub(super) struct ApiKey {
    id: String,
    tenant_id: Option<String>,
    name: String,
    scopes: Vec<String>,
    hint: String,
    portal: bool,
    once: bool,
    exchanged_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

#[derive(Serialize)]
pub(super) struct Replay {
    id: String,
    tenant_id: String,
    rows: Rows,
    endpoint_id: Option<String>,
    only_undelivered: bool,
    per_second: u32,
    state: &'static str,
    matched: u64,
    matched_at_least: bool,
    walked: u64,
    deliveries: u64,
    skipped: u64,
    error: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl From<&domain::Endpoint> for Endpoint {
    fn from(endpoint: &domain::Endpoint) -> Self {
        let overrides = &endpoint.overrides;
        let subscriptions = endpoint.subscriptions.iter().map(|subscription| Subscription {
            pattern: subscription.pattern.to_string(),
            disabled: !subscription.enabled,
            filter: subscription.filter.clone(),
        });
        let success = overrides.success_statuses.as_deref();
        Self {
            id: endpoint.id.to_string(),
            tenant_id: endpoint.tenant.to_string(),
            name: endpoint.name.clone(),
            url: endpoint.url.to_string(),
            dialect: endpoint.dialect.clone(),
            subscriptions: subscriptions.collect(),
            enabled: endpoint.enabled,
            disabled_reason: endpoint.disabled_reason.map(|reason| reason.as_str()),
            failing_since: endpoint.failing_since,
            schedule: overrides.schedule.as_ref().map(waits),
            timeout: overrides.timeout.map(spelled),
            success_statuses: success.filter(|statuses| !statuses.is_empty()).map(texts),
            final_statuses: overrides.final_statuses.as_deref().map(texts),
            concurrency: overrides.concurrency,
            rate_per_second: overrides.rate_limit.map(|limit| limit.per_second),
            rate_burst: overrides.rate_limit.map(|limit| limit.burst),
            unsigned: !endpoint.is_signed(),
            public_key: endpoint.secret.as_ref().and_then(Secret::public_key),
            previous_secret_until: previous_secret_until(endpoint),
            signing_secret: None,
            notes: Vec::new(),
            authentication: (!endpoint.authentication.is_empty()).then(|| endpoint.authentication.masked().into()),
            contact: endpoint.contact.clone(),
            operational: endpoint.operational,
            properties: overrides.properties.clone(),
            settings: overrides.settings.clone(),
            unreadable: endpoint
                .unreadable
                .iter()
                .copied()
                .chain(endpoint.sealed.names())
                .collect(),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

impl From<domain::Authentication> for Authentication {
    fn from(masked: domain::Authentication) -> Self {
        Self {
            headers: masked.headers,
            authorization: masked.authorization.map(Into::into),
            client_certificate: masked.client_certificate.map(|certificate| {
                let (subject, expires_at) = about(&certificate.chain).unzip();
                ClientCertificate {
                    chain: certificate.chain,
                    key: certificate.key,
                    subject,
                    expires_at,
                }
            }),
            trusted_ca: masked.trusted_ca,
        }
    }
}

impl From<domain::Authorization> for Authorization {
    fn from(masked: domain::Authorization) -> Self {
        match masked {
            domain::Authorization::Basic { username, password } => Self::Basic { username, password },
            domain::Authorization::Bearer { token } => Self::Bearer { token },
            domain::Authorization::Oauth2 {
                token_url,
                client_id,
                client_secret,
                scopes,
                audience,
                credentials_in,
            } => Self::Oauth2 {
                token_url: token_url.into(),
                client_id,
                client_secret,
                scopes,
                audience,
                credentials_in: match credentials_in {
                    domain::CredentialsIn::Header => "header",
                    domain::CredentialsIn::Body => "body",
                },
            },
        }
    }
}

impl From<&domain::Tenant> for Tenant {
    fn from(tenant: &domain::Tenant) -> Self {
        let settings = &tenant.settings;
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            schema_validation: settings.schema_validation.as_str(),
            payload_retention_days: settings.payload_retention,
            attempt_retention_days: settings.attempt_retention,
            publish_per_second: settings.publish_per_second,
            publish_burst: settings.publish_burst,
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
        }
    }
}

impl From<&domain::ApiKey> for ApiKey {
    fn from(key: &domain::ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            tenant_id: key.tenant.map(|id| id.to_string()),
            name: key.name.clone(),
            scopes: key.scopes.iter().map(ToString::to_string).collect(),
            hint: key.hint.clone(),
            portal: key.portal,
            once: key.link.is_some(),
            exchanged_at: key.link.and_then(|link| link.exchanged_at),
            expires_at: key.expires_at,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
        }
    }
}

impl From<&replays::Replay> for Replay {
    fn from(replay: &replays::Replay) -> Self {
        Self {
            id: replay.id.to_string(),
            tenant_id: replay.tenant.to_string(),
            // None of any kind if they can't be read.
            rows: read_stored(&replay.rows).map(Rows::from).unwrap_or_default(),
            endpoint_id: replay.to.map(|to| to.to_string()),
            only_undelivered: replay.only_undelivered,
            per_second: replay.per_second,
            state: replay.state.as_str(),
            matched: replay.matched,
            matched_at_least: replay.matched_at_least,
            walked: replay.progress.walked,
            deliveries: replay.progress.deliveries,
            skipped: replay.progress.skipped,
            error: Some(replay.error.clone()).filter(|error| !error.is_empty()),
            created_at: replay.created_at,
            updated_at: replay.updated_at,
            ended_at: replay.ended_at,
        }
    }
}

fn waits(schedule: &Schedule) -> Vec<String> {
    schedule.waits().iter().map(|wait| spelled(*wait)).collect()
}

/// Writes a duration like `1m 30s`.
fn spelled(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

fn texts(statuses: &[StatusRange]) -> Vec<String> {
    statuses.iter().map(ToString::to_string).collect()
}
