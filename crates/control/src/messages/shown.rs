//! Conversion of endpoints to messages, secrets masked.

use tidings_dialect::Dialects;
use tidings_domain::outcome::StatusRange;
use tidings_domain::{Endpoint, Schedule, Secret};
use tidings_proto::{duration, pb, timestamp};

use super::authentication;
use crate::signing::{Signing, previous_secret_until};

/// An endpoint without its secrets, with the secret that signs right now and advice in `notes`.
pub(crate) fn show(endpoint: &Endpoint, dialects: &Dialects) -> pb::Endpoint {
    let signing = Signing::of(endpoint, dialects);
    let rotation = signing.note(endpoint).map(|fact| fact.sentence().to_owned());
    let notes = rotation.into_iter().chain(dropped_headers(endpoint));
    pb::Endpoint {
        signing_secret: signing.as_str().to_owned(),
        notes: notes.collect(),
        ..configured(endpoint)
    }
}

/// An endpoint without its secrets and without advice, as it is stored.
pub(crate) fn configured(endpoint: &Endpoint) -> pb::Endpoint {
    let overrides = &endpoint.overrides;
    pb::Endpoint {
        id: endpoint.id.to_string(),
        tenant_id: endpoint.tenant.to_string(),
        name: endpoint.name.clone(),
        url: endpoint.url.to_string(),
        dialect: endpoint.dialect.clone(),
        subscriptions: endpoint
            .subscriptions
            .iter()
            .map(|s| pb::Subscription {
                pattern: s.pattern.to_string(),
                disabled: !s.enabled,
                filter: s.filter.clone().unwrap_or_default(),
            })
            .collect(),
        enabled: endpoint.enabled,
        schedule: overrides
            .schedule
            .iter()
            .flat_map(Schedule::waits)
            .map(|wait| duration(*wait))
            .collect(),
        timeout: overrides.timeout.map(duration),
        no_retries: overrides.schedule.as_ref().is_some_and(|it| it.waits().is_empty()),
        success_statuses: written(overrides.success_statuses.as_deref()),
        final_statuses: written(overrides.final_statuses.as_deref()),
        no_final_statuses: overrides.final_statuses.as_ref().is_some_and(Vec::is_empty),
        concurrency: overrides.concurrency.unwrap_or(0),
        rate_per_second: overrides.rate_limit.map_or(0, |limit| limit.per_second),
        rate_burst: overrides.rate_limit.map_or(0, |limit| limit.burst),
        secret: String::new(),
        unsigned: !endpoint.is_signed(),
        created_at: Some(timestamp(endpoint.created_at)),
        updated_at: Some(timestamp(endpoint.updated_at)),
        contact: endpoint.contact.clone().unwrap_or_default(),
        operational: endpoint.operational,
        disabled_reason: endpoint
            .disabled_reason
            .map(|reason| reason.as_str().to_owned())
            .unwrap_or_default(),
        failing_since: endpoint.failing_since.map(timestamp),
        properties: overrides.properties.clone(),
        settings: overrides.settings.clone().into_iter().collect(),
        previous_secret_until: previous_secret_until(endpoint).map(timestamp),
        public_key: public_key(endpoint),
        authentication: authentication::show(&endpoint.authentication),
        signing_secret: String::new(),
        notes: Vec::new(),
        unreadable: unreadable(endpoint),
    }
}

/// An endpoint that was just created, with its secret.
pub(crate) fn created(endpoint: &Endpoint, dialects: &Dialects) -> pb::Endpoint {
    pb::Endpoint {
        secret: revealed(endpoint.secret.as_ref()),
        ..show(endpoint, dialects)
    }
}

/// The answer to a rotation, with the new secret.
pub(crate) fn rotated(endpoint: &Endpoint, dialects: &Dialects) -> pb::RotateEndpointSecretResponse {
    let signing = Signing::of(endpoint, dialects);
    pb::RotateEndpointSecretResponse {
        signing_secret: signing.as_str().to_owned(),
        note: signing
            .note(endpoint)
            .map(|fact| fact.sentence().to_owned())
            .unwrap_or_default(),
        secret: revealed(endpoint.secret.as_ref()),
        public_key: public_key(endpoint),
        previous_secret_until: previous_secret_until(endpoint).map(timestamp),
    }
}

/// A secret in the form its receiver holds it; empty if there is none.
pub(crate) fn revealed(secret: Option<&Secret>) -> String {
    secret.map(|secret| secret.reveal().to_owned()).unwrap_or_default()
}

fn written(statuses: Option<&[StatusRange]>) -> Vec<String> {
    statuses.unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// A warning of the headers that common proxies drop without a word: their names become variables of CGI programs, where
/// `X_Key` and `X-Key` would be the same.
fn dropped_headers(endpoint: &Endpoint) -> Option<String> {
    let names = endpoint.authentication.headers.keys().filter(|name| name.contains('_'));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "Many proxies and servers, nginx among them, drop headers with an underscore in their name: see whether {} arrives, \
             or use hyphens.",
            names.join(", ")
        )
    })
}

/// The public key of an ed25519 secret; empty for other secrets.
fn public_key(endpoint: &Endpoint) -> String {
    endpoint
        .secret
        .as_ref()
        .and_then(Secret::public_key)
        .unwrap_or_default()
}

/// The names of an endpoint's parts that can't be read or opened.
fn unreadable(endpoint: &Endpoint) -> Vec<String> {
    let sealed = endpoint.sealed.names();
    endpoint
        .unreadable
        .iter()
        .copied()
        .chain(sealed)
        .map(str::to_owned)
        .collect()
}
