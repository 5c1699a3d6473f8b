//! Printing of endpoints, for people and as JSON.

mod authentication;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb;

use crate::output::{self, Format, fields, instant, non_empty, table, time};

/// Prints an endpoint in full.
pub(super) fn one(format: Format, endpoint: &pb::Endpoint) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&document(endpoint));
    }
    let or_by = |value: String, by: &str| {
        if value.is_empty() {
            format!("(the {by}'s)")
        } else {
            value
        }
    };
    let timeout = endpoint.timeout.map(spelled).unwrap_or_default();
    let concurrency = Some(endpoint.concurrency).filter(|cap| *cap > 0);
    fields(&[
        ("endpoint", endpoint.id.clone()),
        ("tenant", endpoint.tenant_id.clone()),
        ("name", endpoint.name.clone()),
        ("url", endpoint.url.clone()),
        ("enabled", yes_or_no(endpoint.enabled).into()),
        ("health", health(endpoint)),
        ("contact", endpoint.contact.clone()),
        ("operational", yes_or_no(endpoint.operational).into()),
        ("subscriptions", patterns(endpoint)),
        ("dialect", endpoint.dialect.clone()),
        ("schedule", or_by(waits(endpoint), "dialect")),
        ("timeout", or_by(timeout, "dialect")),
        (
            "success statuses",
            or_by(endpoint.success_statuses.join(" "), "dialect"),
        ),
        ("final statuses", or_by(final_statuses(endpoint), "dialect")),
        (
            "concurrency",
            or_by(
                concurrency.map(|cap| cap.to_string()).unwrap_or_default(),
                "configuration",
            ),
        ),
        ("rate limit", rate_limit(endpoint).unwrap_or("(none)".into())),
        ("properties", endpoint.properties.join(" ")),
        ("settings", settings(endpoint).join(" ")),
        ("authentication", authentication::words(endpoint).join(", ")),
        ("signed", yes_or_no(!endpoint.unsigned).into()),
        ("secret", endpoint.secret.clone()),
        ("public key", endpoint.public_key.clone()),
        ("previous secret", previous_secret(endpoint)),
        ("note", endpoint.notes.join(" ")),
        ("unreadable", endpoint.unreadable.join(", ")),
        ("created", time(endpoint.created_at.as_ref())),
        ("updated", time(endpoint.updated_at.as_ref())),
    ])
}

/// Prints endpoints as rows.
pub(super) fn list(format: Format, endpoints: &[pb::Endpoint]) -> anyhow::Result<()> {
    if format == Format::Json {
        return endpoints
            .iter()
            .try_for_each(|endpoint| output::json(&document(endpoint)));
    }
    let row = |endpoint: &pb::Endpoint| {
        vec![
            endpoint.id.clone(),
            endpoint.name.clone(),
            yes_or_no(endpoint.enabled).into(),
            health(endpoint),
            endpoint.dialect.clone(),
            patterns(endpoint),
            endpoint.url.clone(),
        ]
    };
    let header = [
        "endpoint",
        "name",
        "enabled",
        "health",
        "dialect",
        "subscriptions",
        "url",
    ];
    table(&header, &endpoints.iter().map(row).collect::<Vec<_>>())
}

/// An endpoint as `--output json` prints it.
#[derive(Serialize)]
struct Document<'a> {
    id: &'a str,
    tenant_id: &'a str,
    name: &'a str,
    url: &'a str,
    enabled: bool,
    disabled_reason: Option<&'a str>,
    failing_since: Option<Timestamp>,
    contact: Option<&'a str>,
    operational: bool,
    subscriptions: Vec<SubscriptionDocument<'a>>,
    dialect: &'a str,
    schedule: Option<Vec<String>>,
    success_statuses: Option<&'a [String]>,
    timeout: Option<String>,
    final_statuses: Option<&'a [String]>,
    concurrency: Option<u32>,
    rate_per_second: Option<u32>,
    rate_burst: Option<u32>,
    properties: &'a [String],
    settings: BTreeMap<&'a str, &'a str>,
    unsigned: bool,
    authentication: Option<authentication::Document<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    secret: &'a str,
    public_key: Option<&'a str>,
    previous_secret_until: Option<Timestamp>,
    signing_secret: Option<&'a str>,
    notes: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unreadable: &'a [String],
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct SubscriptionDocument<'a> {
    pattern: &'a str,
    disabled: bool,
    filter: Option<&'a str>,
}

/// The rate limit in words.
fn rate_limit(endpoint: &pb::Endpoint) -> Option<String> {
    let (rate, burst) = (endpoint.rate_per_second, endpoint.rate_burst);
    (rate > 0).then(|| format!("{rate} per second, {burst} at once"))
}

/// The document of an endpoint; settings that it leaves to others are null.
fn document(endpoint: &pb::Endpoint) -> Document<'_> {
    Document {
        id: &endpoint.id,
        tenant_id: &endpoint.tenant_id,
        name: &endpoint.name,
        url: &endpoint.url,
        enabled: endpoint.enabled,
        disabled_reason: non_empty(&endpoint.disabled_reason),
        failing_since: instant(endpoint.failing_since.as_ref()),
        contact: non_empty(&endpoint.contact),
        operational: endpoint.operational,
        subscriptions: endpoint
            .subscriptions
            .iter()
            .map(|s| SubscriptionDocument {
                pattern: &s.pattern,
                disabled: s.disabled,
                filter: non_empty(&s.filter),
            })
            .collect(),
        dialect: &endpoint.dialect,
        schedule: Some(spelled_waits(endpoint)).filter(|waits| !waits.is_empty() || endpoint.no_retries),
        success_statuses: Some(endpoint.success_statuses.as_slice()).filter(|statuses| !statuses.is_empty()),
        timeout: endpoint.timeout.map(spelled),
        final_statuses: Some(endpoint.final_statuses.as_slice())
            .filter(|statuses| !statuses.is_empty() || endpoint.no_final_statuses),
        concurrency: Some(endpoint.concurrency).filter(|cap| *cap > 0),
        rate_per_second: Some(endpoint.rate_per_second).filter(|rate| *rate > 0),
        rate_burst: Some(endpoint.rate_burst).filter(|burst| *burst > 0),
        properties: &endpoint.properties,
        settings: sorted(endpoint),
        unsigned: endpoint.unsigned,
        authentication: authentication::document(endpoint),
        secret: &endpoint.secret,
        public_key: non_empty(&endpoint.public_key),
        previous_secret_until: instant(endpoint.previous_secret_until.as_ref()),
        signing_secret: non_empty(&endpoint.signing_secret),
        notes: &endpoint.notes,
        unreadable: &endpoint.unreadable,
        created_at: instant(endpoint.created_at.as_ref()),
        updated_at: instant(endpoint.updated_at.as_ref()),
    }
}

/// The endpoint's health in words.
fn health(endpoint: &pb::Endpoint) -> String {
    let disabled = match endpoint.disabled_reason.as_str() {
        "" => None,
        "gone" => Some("disabled because its receiver answered 410 Gone".to_owned()),
        "failing" => Some("disabled because it failed for days".to_owned()),
        other => Some(format!("disabled because {other}")),
    };
    let failing = time(endpoint.failing_since.as_ref());
    let failing = (!failing.is_empty()).then(|| format!("failing since {failing}"));
    let unreadable = (!endpoint.unreadable.is_empty()).then(|| "held, because a part of it can't be read".to_owned());
    let signs: Vec<String> = disabled.into_iter().chain(failing).chain(unreadable).collect();
    if signs.is_empty() {
        "ok".to_owned()
    } else {
        signs.join(", ")
    }
}

fn previous_secret(endpoint: &pb::Endpoint) -> String {
    let until = endpoint.previous_secret_until.as_ref();
    until
        .map(|until| format!("signs until {}", time(Some(until))))
        .unwrap_or_default()
}

fn settings(endpoint: &pb::Endpoint) -> Vec<String> {
    let written = |(name, value)| format!("{name}={value}");
    sorted(endpoint).into_iter().map(written).collect()
}

fn sorted(endpoint: &pb::Endpoint) -> BTreeMap<&str, &str> {
    let settings = endpoint.settings.iter();
    settings.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn patterns(endpoint: &pb::Endpoint) -> String {
    let shown = |s: &pb::Subscription| {
        let off = if s.disabled { " (off)" } else { "" };
        match s.filter.as_str() {
            "" => format!("{}{off}", s.pattern),
            filter => format!("{}{off} if {filter}", s.pattern),
        }
    };
    endpoint.subscriptions.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn waits(endpoint: &pb::Endpoint) -> String {
    if endpoint.no_retries {
        return "[] (a single attempt)".to_owned();
    }
    spelled_waits(endpoint).join(" ")
}

fn final_statuses(endpoint: &pb::Endpoint) -> String {
    if endpoint.no_final_statuses {
        return "[] (every failure is tried again)".to_owned();
    }
    endpoint.final_statuses.join(" ")
}

fn spelled_waits(endpoint: &pb::Endpoint) -> Vec<String> {
    endpoint.schedule.iter().map(|wait| spelled(*wait)).collect()
}

/// Formats a duration as flags accept it: `1m30s`.
fn spelled(length: prost_types::Duration) -> String {
    let length = Duration::try_from(length).unwrap_or_default();
    humantime::format_duration(length).to_string().replace(' ', "")
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
