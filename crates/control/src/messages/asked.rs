//! Conversion of gRPC requests to operations' input.

use std::time::Duration;

use tidings_domain::outcome::StatusRange;
use tidings_domain::{Authentication, EndpointId, Overrides, RateLimit, Schedule, Secret, Subscription, Timestamp};
use tidings_proto::{duration_from, pb, timestamp_from};
use tidings_service::problem::Problem;
use tidings_service::request::{optional, required};
use tidings_store::registry::EndpointState;

use super::authentication;
use crate::endpoints::{EndpointChange, NewEndpoint, NewSecret, OverrideChange};

/// Default time for which a replaced secret keeps signing.
const OVERLAP: Duration = Duration::from_secs(86_400);

pub(crate) fn endpoint_id(text: &str) -> Result<EndpointId, Problem> {
    required(text, "endpoint_id")
}

pub(crate) fn missing(field: &str) -> Problem {
    Problem::invalid("field_missing", format!("`{field}` is missing")).at(field)
}

/// Reads a time that may be left out. Fails with `time_invalid`.
pub(crate) fn time(at: Option<&prost_types::Timestamp>, field: &str) -> Result<Option<Timestamp>, Problem> {
    let wrong = || Problem::invalid("time_invalid", "this is not a time between the years 1 and 9999").at(field);
    at.map(|at| timestamp_from(at).ok_or_else(wrong)).transpose()
}

/// Reads a duration that may be left out. Fails with `duration_invalid`.
pub(crate) fn length(length: Option<&prost_types::Duration>, field: &str) -> Result<Option<Duration>, Problem> {
    let wrong = || Problem::invalid("duration_invalid", "a duration is not negative").at(field);
    length.map(|length| duration_from(length).ok_or_else(wrong)).transpose()
}

pub(crate) fn new_endpoint(asked: pb::Endpoint, enabled: bool) -> Result<NewEndpoint, Problem> {
    let secret = match read_secret(&asked)? {
        Some(secret) => NewSecret::Given(secret),
        None if asked.unsigned => NewSecret::Unsigned,
        None => NewSecret::Generated,
    };
    let authentication = read_authentication(&asked)?;
    Ok(NewEndpoint {
        tenant: optional(&asked.tenant_id, "tenant_id")?,
        subscriptions: read_subscriptions(&asked.subscriptions)?,
        overrides: Overrides {
            schedule: read_schedule(&asked)?,
            timeout: read_timeout(asked.timeout.as_ref())?,
            success_statuses: read_statuses(&asked.success_statuses, "success_statuses")?,
            final_statuses: read_final_statuses(&asked)?,
            concurrency: Some(asked.concurrency).filter(|cap| *cap > 0),
            rate_limit: read_rate_limit(&asked),
            properties: asked.properties,
            settings: asked.settings.into_iter().collect(),
        },
        name: asked.name,
        url: asked.url,
        dialect: Some(asked.dialect).filter(|name| !name.is_empty()),
        secret,
        authentication,
        operational: asked.operational,
        contact: read_contact(&asked.contact),
        enabled,
    })
}

pub(crate) fn change(asked: &pb::Endpoint, paths: &[String]) -> Result<EndpointChange, Problem> {
    let mut change = EndpointChange::default();
    for path in paths {
        match path.as_str() {
            "name" => change.name = Some(asked.name.clone()),
            "url" => change.url = Some(asked.url.clone()),
            "dialect" => change.dialect = Some(asked.dialect.clone()),
            "subscriptions" => change.subscriptions = Some(read_subscriptions(&asked.subscriptions)?),
            "secret" => change.secret = Some(read_new_secret(asked)?),
            "authentication" => change.authentication = Some(read_authentication(asked)?),
            "contact" => change.contact = Some(read_contact(&asked.contact)),
            "operational" => change.operational = Some(asked.operational),
            other => change.overrides.push(override_change(asked, other)?),
        }
    }
    Ok(change)
}

/// Reads a rotation: the new secret, `None` to generate one, and the overlap, 24 hours by default.
pub(crate) fn rotation(asked: &pb::RotateEndpointSecretRequest) -> Result<(Option<Secret>, Duration), Problem> {
    let overlap = asked.overlap.map_or(Ok(OVERLAP), |overlap| {
        let negative = |_| Problem::invalid("overlap_invalid", "an overlap is 0s to 7d").at("overlap");
        Duration::try_from(overlap).map_err(negative)
    })?;
    let secret = Some(asked.secret.as_str()).filter(|text| !text.is_empty());
    Ok((secret.map(parse_secret).transpose()?, overlap))
}

fn override_change(asked: &pb::Endpoint, path: &str) -> Result<OverrideChange, Problem> {
    Ok(match path {
        "schedule" => {
            let schedule = read_schedule(asked)?;
            Box::new(move |overrides| overrides.schedule.clone_from(&schedule))
        }
        "timeout" => {
            let timeout = read_timeout(asked.timeout.as_ref())?;
            Box::new(move |overrides| overrides.timeout = timeout)
        }
        "success_statuses" => {
            let statuses = read_statuses(&asked.success_statuses, "success_statuses")?;
            Box::new(move |overrides| overrides.success_statuses.clone_from(&statuses))
        }
        "final_statuses" => {
            let statuses = read_final_statuses(asked)?;
            Box::new(move |overrides| overrides.final_statuses.clone_from(&statuses))
        }
        "concurrency" => {
            let cap = Some(asked.concurrency).filter(|cap| *cap > 0);
            Box::new(move |overrides| overrides.concurrency = cap)
        }
        "rate_per_second" => {
            let limit = read_rate_limit(asked);
            Box::new(move |overrides| overrides.rate_limit = limit)
        }
        "properties" => {
            let properties = asked.properties.clone();
            Box::new(move |overrides| overrides.properties.clone_from(&properties))
        }
        "settings" => {
            let settings = asked.settings.clone().into_iter().collect();
            Box::new(move |overrides| overrides.settings.clone_from(&settings))
        }
        other => {
            let detail = format!(
                "`{other}` can't be changed this way: use name, url, dialect, subscriptions, schedule, timeout, \
                 success_statuses, final_statuses, concurrency, rate_per_second, secret, contact, operational, properties, settings, authentication; \
                 or EnableEndpoint and DisableEndpoint"
            );
            return Err(Problem::invalid("field_unknown", detail).at("update_mask"));
        }
    })
}

/// The requested rate limit; the burst defaults to one second's worth.
fn read_rate_limit(asked: &pb::Endpoint) -> Option<RateLimit> {
    let per_second = Some(asked.rate_per_second).filter(|rate| *rate > 0)?;
    let burst = Some(asked.rate_burst).filter(|burst| *burst > 0).unwrap_or(per_second);
    Some(RateLimit { per_second, burst })
}

/// The given secret; `None` if there is none. With `unsigned` it is refused (`secret_contradiction`).
fn read_secret(asked: &pb::Endpoint) -> Result<Option<Secret>, Problem> {
    match (asked.unsigned, asked.secret.as_str()) {
        (_, "") => Ok(None),
        (true, _) => {
            let detail = "`unsigned` and `secret` contradict each other: leave one of them out";
            Err(Problem::invalid("secret_contradiction", detail).at("secret"))
        }
        (false, text) => parse_secret(text).map(Some),
    }
}

/// The secret to change to; `None` to stop signing requests.
fn read_new_secret(asked: &pb::Endpoint) -> Result<Option<Secret>, Problem> {
    match read_secret(asked)? {
        None if !asked.unsigned => parse_secret("").map(Some),
        secret => Ok(secret),
    }
}

/// Parses a secret. Fails with `secret_invalid` at `secret`.
pub(crate) fn parse_secret(text: &str) -> Result<Secret, Problem> {
    Secret::read(text).map_err(|error| Problem::invalid("secret_invalid", error.to_string()).at("secret"))
}

fn read_authentication(asked: &pb::Endpoint) -> Result<Authentication, Problem> {
    authentication::read(asked.authentication.clone().unwrap_or_default())
}

fn read_contact(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn read_subscriptions(asked: &[pb::Subscription]) -> Result<Vec<Subscription>, Problem> {
    asked
        .iter()
        .map(|subscription| match subscription.pattern.parse() {
            Ok(pattern) => Ok(Subscription {
                pattern,
                enabled: !subscription.disabled,
                filter: Some(subscription.filter.clone()).filter(|filter| !filter.is_empty()),
            }),
            Err(error) => Err(Problem::invalid("pattern_invalid", format!("{error}")).at("subscriptions")),
        })
        .collect()
}

/// The chosen waits: `None` to leave them to the dialect, an empty schedule for a single attempt.
fn read_schedule(asked: &pb::Endpoint) -> Result<Option<Schedule>, Problem> {
    let wrong = |detail: String| Problem::invalid("schedule_invalid", detail).at("schedule");
    match (asked.schedule.is_empty(), asked.no_retries) {
        (true, false) => return Ok(None),
        (false, true) => {
            return Err(wrong(
                "`no_retries` and waits contradict each other: leave one out".into(),
            ));
        }
        _ => {}
    }
    let waits = asked
        .schedule
        .iter()
        .map(|wait| Duration::try_from(*wait).map_err(|_| wrong("a wait can't be negative".into())))
        .collect::<Result<_, _>>()?;
    Schedule::new(waits).map(Some).map_err(|error| wrong(error.to_string()))
}

fn read_timeout(timeout: Option<&prost_types::Duration>) -> Result<Option<Duration>, Problem> {
    let wrong = || Problem::invalid("timeout_invalid", "a timeout is 1s to 60s").at("timeout");
    timeout
        .map(|timeout| Duration::try_from(*timeout).map_err(|_| wrong()))
        .transpose()
}

/// The chosen final statuses: `None` to leave them to the dialect, an empty list if no status is final.
fn read_final_statuses(asked: &pb::Endpoint) -> Result<Option<Vec<StatusRange>>, Problem> {
    match (
        read_statuses(&asked.final_statuses, "final_statuses")?,
        asked.no_final_statuses,
    ) {
        (Some(_), true) => {
            let detail = "`no_final_statuses` and statuses contradict each other: leave one out";
            Err(Problem::invalid("status_invalid", detail).at("final_statuses"))
        }
        (None, true) => Ok(Some(Vec::new())),
        (statuses, false) => Ok(statuses),
    }
}

fn read_statuses(statuses: &[String], field: &str) -> Result<Option<Vec<StatusRange>>, Problem> {
    if statuses.is_empty() {
        return Ok(None);
    }
    let read = |text: &String| {
        text.parse()
            .map_err(|error| Problem::invalid("status_invalid", format!("{error}")).at(field))
    };
    statuses.iter().map(read).collect::<Result<_, _>>().map(Some)
}

/// Reads the name of an endpoint state. Fails with `state_invalid`.
pub(crate) fn state(text: &str) -> Result<EndpointState, Problem> {
    EndpointState::from_name(text).ok_or_else(|| {
        let detail = format!("`{text}` is not how endpoints stand: `on`, `failing`, `off` or `turned_off`");
        Problem::invalid("state_invalid", detail).at("state")
    })
}
