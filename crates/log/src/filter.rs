//! Queries of lists, converted from requests and checked.

use std::ops::RangeInclusive;
use std::time::Duration;

use tidings_auth::Caller;
use tidings_domain::{DeliveryState, EventType, FailureReason, Outcome, TenantId, Timestamp};
use tidings_proto::{duration_from, pb, timestamp_from};
use tidings_service::problem::Problem;
use tidings_service::request::{optional, page_size};
use tidings_store::ledger::{AttemptQuery, DeliveryQuery, EventQuery};

/// The longest text that errors are searched for, characters.
const MAX_TEXT: usize = 200;
/// The most spans of time that attempts are counted in.
const MAX_SPANS: usize = 200;

/// The attempts that a filter lets through, without a place to begin at and a limit.
pub(crate) fn attempt_query(caller: &Caller, filter: &pb::AttemptFilter) -> Result<AttemptQuery, Problem> {
    let [since, until] = times(filter.since.as_ref(), filter.until.as_ref())?;
    let [min_duration, max_duration] = durations(filter.min_duration.as_ref(), filter.max_duration.as_ref())?;
    Ok(AttemptQuery {
        tenant: tenant(caller, &filter.tenant_id)?,
        endpoint: optional(&filter.endpoint_id, "endpoint_id")?,
        event: optional(&filter.event_id, "event_id")?,
        delivery: optional(&filter.delivery_id, "delivery_id")?,
        event_types: event_types(&filter.event_types)?,
        status_codes: statuses(&filter.status_codes, 100..=999, "status_codes")?,
        status_classes: statuses(&filter.status_classes, 0..=9, "status_classes")?,
        outcomes: names(&filter.outcomes, &Outcome::NAMES, "outcomes")?,
        failure_reasons: failure_reasons(&filter.failure_reasons)?,
        min_duration,
        max_duration,
        error_contains: text(&filter.error_contains, "error_contains")?,
        since,
        until,
        before: None,
        limit: 0,
    })
}

/// The events that a filter lets through, without a place to begin at and a limit.
pub(crate) fn event_query(caller: &Caller, filter: &pb::EventFilter) -> Result<EventQuery, Problem> {
    let [since, until] = times(filter.since.as_ref(), filter.until.as_ref())?;
    Ok(EventQuery {
        tenant: tenant(caller, &filter.tenant_id)?,
        event_types: event_types(&filter.event_types)?,
        since,
        until,
        ..EventQuery::default()
    })
}

/// The deliveries that a filter lets through, without a place to begin at and a limit.
pub(crate) fn delivery_query(caller: &Caller, filter: &pb::DeliveryFilter) -> Result<DeliveryQuery, Problem> {
    let [since, until] = times(filter.since.as_ref(), filter.until.as_ref())?;
    Ok(DeliveryQuery {
        tenant: tenant(caller, &filter.tenant_id)?,
        endpoint: optional(&filter.endpoint_id, "endpoint_id")?,
        event: optional(&filter.event_id, "event_id")?,
        states: names(&filter.states, &DeliveryState::NAMES, "states")?,
        since,
        until,
        before: None,
        limit: 0,
    })
}

/// The times between which attempts are counted: ascending, and at least two.
pub(crate) fn spans(bounds: &[prost_types::Timestamp]) -> Result<Vec<Timestamp>, Problem> {
    let wrong = |detail: &str| Problem::invalid("bounds_invalid", detail).at("bounds");
    if !(2..=MAX_SPANS + 1).contains(&bounds.len()) {
        return Err(wrong(&format!(
            "{MAX_SPANS} spans are counted at the most, and one at least"
        )));
    }
    let times: Option<Vec<_>> = bounds.iter().map(timestamp_from).collect();
    let times = times.ok_or_else(|| wrong("this is not a time between the years 1 and 9999"))?;
    if !times.is_sorted_by(|earlier, later| earlier < later) {
        return Err(wrong("each time is later than the one before"));
    }
    Ok(times)
}

/// Query for the events of a list request.
pub(crate) fn listed_events(caller: &Caller, request: pb::ListEventsRequest) -> Result<EventQuery, Problem> {
    let filter = pb::EventFilter {
        tenant_id: request.tenant_id,
        event_types: request.event_types,
        since: request.since,
        until: request.until,
    };
    Ok(EventQuery {
        idempotency_key: without_nul(&request.idempotency_key, "idempotency_key")?,
        before: optional(&request.page_token, "page_token")?,
        limit: page_size(request.page_size)?,
        ..event_query(caller, &filter)?
    })
}

/// Query for the deliveries of a list request.
pub(crate) fn listed_deliveries(caller: &Caller, request: pb::ListDeliveriesRequest) -> Result<DeliveryQuery, Problem> {
    let filter = pb::DeliveryFilter {
        tenant_id: request.tenant_id,
        endpoint_id: request.endpoint_id,
        event_id: request.event_id,
        states: request.states,
        since: request.since,
        until: request.until,
    };
    Ok(DeliveryQuery {
        before: optional(&request.page_token, "page_token")?,
        limit: page_size(request.page_size)?,
        ..delivery_query(caller, &filter)?
    })
}

fn tenant(caller: &Caller, requested: &str) -> Result<Option<TenantId>, Problem> {
    caller.tenant(optional(requested, "tenant_id")?)
}

fn event_types(types: &[String]) -> Result<Vec<EventType>, Problem> {
    let parse = |text: &String| {
        text.parse().map_err(|error: <EventType as std::str::FromStr>::Err| {
            Problem::invalid("event_type_invalid", error.to_string()).at("event_types")
        })
    };
    types.iter().map(parse).collect()
}

fn statuses(list: &[u32], range: RangeInclusive<u32>, field: &str) -> Result<Vec<u16>, Problem> {
    list.iter()
        .map(|status| {
            let wrong = || Problem::invalid("status_invalid", format!("{status} is not in {range:?}")).at(field);
            u16::try_from(*status)
                .ok()
                .filter(|_| range.contains(status))
                .ok_or_else(wrong)
        })
        .collect()
}

fn names(given: &[String], known: &[&str], field: &str) -> Result<Vec<String>, Problem> {
    match given.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown_name(name, known, field)),
        None => Ok(given.to_vec()),
    }
}

fn failure_reasons(given: &[String]) -> Result<Vec<FailureReason>, Problem> {
    let known = FailureReason::ALL.map(FailureReason::as_str);
    let parse = |name: &String| name.parse().map_err(|_| unknown_name(name, &known, "failure_reasons"));
    given.iter().map(parse).collect()
}

fn unknown_name(name: &str, known: &[&str], field: &str) -> Problem {
    let detail = format!("`{name}` is unknown: use {}", known.join(", "));
    Problem::invalid("name_unknown", detail).at(field)
}

fn times(
    since: Option<&prost_types::Timestamp>,
    until: Option<&prost_types::Timestamp>,
) -> Result<[Option<Timestamp>; 2], Problem> {
    let read = |at: Option<&prost_types::Timestamp>, field| {
        let wrong = || Problem::invalid("time_invalid", "this is not a time between the years 1 and 9999").at(field);
        at.map(|at| timestamp_from(at).ok_or_else(wrong)).transpose()
    };
    in_order([(read(since, "since")?, "since"), (read(until, "until")?, "until")])
}

fn durations(
    least: Option<&prost_types::Duration>,
    most: Option<&prost_types::Duration>,
) -> Result<[Option<Duration>; 2], Problem> {
    let read = |length: Option<&prost_types::Duration>, field| {
        let wrong = || Problem::invalid("duration_invalid", "a duration is not negative").at(field);
        length.map(|length| duration_from(length).ok_or_else(wrong)).transpose()
    };
    in_order([
        (read(least, "min_duration")?, "min_duration"),
        (read(most, "max_duration")?, "max_duration"),
    ])
}

/// The two ends of a range that something can lie in.
fn in_order<T: PartialOrd>([from, to]: [(Option<T>, &str); 2]) -> Result<[Option<T>; 2], Problem> {
    match (&from.0, &to.0) {
        (Some(first), Some(last)) if first > last => {
            let detail = format!("`{}` is beyond `{}`: nothing can lie between them", from.1, to.1);
            Err(Problem::invalid("range_contradictory", detail).at(from.1))
        }
        _ => Ok([from.0, to.0]),
    }
}

fn text(text: &str, field: &str) -> Result<Option<String>, Problem> {
    if text.chars().count() > MAX_TEXT {
        let detail = format!("search for at most {MAX_TEXT} characters");
        return Err(Problem::invalid("text_too_long", detail).at(field));
    }
    without_nul(text, field)
}

/// A text that databases take; none if it is empty.
fn without_nul(text: &str, field: &str) -> Result<Option<String>, Problem> {
    if text.contains('\0') {
        return Err(Problem::invalid("text_invalid", "the character NUL is in no text that is kept").at(field));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}
