//! The sentences of explanations.

use std::time::Duration;

use tidings_domain::{DisabledReason, Endpoint, EventType, Timestamp};
use tidings_proto::{pb, timestamp_from};

use super::Known;

/// A word for programs that says how a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    GivenUp,
    Cancelled,
    Waiting,
    UnderWay,
    Held,
    NotSubscribed,
    SubscriptionOff,
    SubscribedLater,
    MadeLater,
    Operational,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Cancelled => "cancelled",
            Self::Waiting => "waiting",
            Self::UnderWay => "under_way",
            Self::Held => "held",
            Self::NotSubscribed => "not_subscribed",
            Self::SubscriptionOff => "subscription_off",
            Self::SubscribedLater => "subscribed_later",
            Self::MadeLater => "made_later",
            Self::Operational => "operational",
        }
    }
}

/// What is told of a delivery.
pub(super) struct Told {
    pub(super) verdict: Verdict,
    pub(super) sentences: Vec<String>,
    pub(super) next: String,
}

pub(super) fn of_delivery(known: &Known<'_>) -> Told {
    let mut sentences: Vec<String> = known
        .attempts
        .iter()
        .map(|attempt| of_attempt(known, attempt))
        .collect();
    let (verdict, state, next) = match known.delivery.state.as_str() {
        "succeeded" => (Verdict::Delivered, None, String::new()),
        "exhausted" => (Verdict::GivenUp, Some(given_up(known)), retry_it(known)),
        "cancelled" => (Verdict::Cancelled, Some(cancelled(known)), retry_it(known)),
        "scheduled" => (Verdict::Waiting, overdue(known), due(known)),
        "held" => {
            let (why, next) = held(known);
            (Verdict::Held, Some(why), next)
        }
        _ => {
            let (why, next) = pending(known);
            (Verdict::UnderWay, Some(why), next)
        }
    };
    sentences.extend(state);
    if sentences.is_empty() {
        sentences.push("No attempt was made yet.".into());
    }
    Told {
        verdict,
        sentences,
        next,
    }
}

fn of_attempt(known: &Known<'_>, attempt: &pb::Attempt) -> String {
    let number = match known.attempts_in_all {
        all if all >= attempt.number as usize => format!("Attempt {} of {all}", attempt.number),
        _ => format!("Attempt {}", attempt.number),
    };
    let at = time(attempt.started_at.as_ref());
    let took = attempt
        .duration
        .and_then(|duration| Duration::try_from(duration).ok())
        .map(|duration| format!(" after {} ms", duration.as_millis()))
        .unwrap_or_default();
    if attempt.outcome == "succeeded" {
        return format!(
            "{number} at {at} was answered with {}{took}: delivered.",
            attempt.status_code
        );
    }
    let what = if attempt.status_code > 0 {
        format!("{}", attempt.status_code)
    } else {
        reason(&attempt.failure_reason).to_owned()
    };
    let error = match attempt.error.as_str() {
        "" => String::new(),
        error if attempt.status_code > 0 && attempt.failure_reason == "status" => beyond_the_status(error).to_owned(),
        error => format!(" ({error})"),
    };
    format!("{number} at {at} failed with {what}{took}{error}.")
}

/// What the error of an unwelcome status says that the number does not: where a redirect points to, which rest was asked for.
fn beyond_the_status(error: &str) -> &str {
    let beyond = [": redirects", " and asked for"]
        .into_iter()
        .find_map(|words| error.find(words));
    beyond.map_or("", |at| &error[at..])
}

/// The rest that the receiver asked for with the last attempt, if that is why the next one is due when it is.
fn asked_rest(known: &Known<'_>, due: Timestamp) -> Option<&'static str> {
    let last = known.attempts.last()?;
    let (_, rest) = last.error.split_once("asked for no request within ")?;
    let rest = humantime::parse_duration(rest).ok()?;
    let took = last
        .duration
        .and_then(|took| Duration::try_from(took).ok())
        .unwrap_or_default();
    let ended = last
        .started_at
        .as_ref()
        .and_then(timestamp_from)?
        .checked_add(took)
        .ok()?;
    let waits = Duration::try_from(due.duration_since(ended)).ok()?;
    (waits.abs_diff(rest) <= Duration::from_secs(2)).then_some(", as the endpoint asked (`Retry-After`)")
}

/// What a reason of failure means, to be put behind "failed with".
fn reason(name: &str) -> &str {
    match name {
        "timeout" => "no complete answer in time",
        "dns" => "a host name that does not resolve",
        "connect" => "no connection",
        "tls" => "a failed TLS handshake",
        "blocked_address" => "an address that requests may not go to",
        "proxy" => "a failure of the operator's proxy",
        "protocol" => "an answer that is not HTTP",
        "authorization" => "no token from its authorization server",
        "render" => "a payload that its dialect can't write",
        other => other,
    }
}

fn given_up(known: &Known<'_>) -> String {
    match known.attempts.last() {
        Some(last) if last.test => "It was a test, which is tried once.".into(),
        Some(last) if last.outcome == "failed_final" && last.failure_reason == "render" => {
            "It can't be written in the endpoint's dialect, which no other attempt would change: given up.".into()
        }
        Some(last) if last.outcome == "failed_final" => {
            format!("{} is final for this endpoint: given up.", last.status_code)
        }
        _ => format!(
            "All {} attempts of its schedule failed: given up.",
            known.delivery.attempts
        ),
    }
}

fn cancelled(known: &Known<'_>) -> String {
    let at = time(known.delivery.updated_at.as_ref());
    match known.delivery.reason.as_str() {
        "endpoint_deleted" => format!("Cancelled at {at}: its endpoint was deleted."),
        "endpoint_unusable" => {
            format!(
                "Cancelled at {at}: its endpoint can't be used, because its dialect is gone or its secret unreadable."
            )
        }
        "by_request" => format!("Cancelled at {at}: somebody asked for it when the endpoint was turned on again."),
        "filtered" => "Not sent: the event type matched a subscription, but the content filter did not match.".into(),
        "filter_undecided" => {
            "Not sent: the content filters of the endpoint take too long for this payload and were stopped before they \
             said whether it is wanted. Make them simpler, and replay the event if it is."
                .into()
        }
        "erased" => format!("Cancelled at {at}: the event's content was erased."),
        "expired" => format!("Cancelled at {at}: the event became older than events are kept."),
        other => format!("Cancelled at {at}: {other}."),
    }
}

fn retry_it(known: &Known<'_>) -> String {
    let gone = matches!(
        known.delivery.reason.as_str(),
        "endpoint_deleted" | "erased" | "expired"
    );
    let test = known.attempts.iter().any(|attempt| attempt.test);
    let Some(endpoint) = known.endpoint.filter(|_| !gone && !test) else {
        return "Nothing more is sent.".into();
    };
    let first = if endpoint.enabled {
        ""
    } else {
        "turns the endpoint on and "
    };
    format!(
        "Nothing more is sent, unless somebody {first}asks: POST /api/v2/deliveries/{}/retry.",
        known.delivery.id
    )
}

/// What becomes of a delivery that waits for an endpoint to which nothing is sent.
fn prevented(known: &Known<'_>) -> Option<String> {
    match known.endpoint {
        None => Some("Its endpoint was deleted: nothing more is sent, and it is cancelled when its turn comes.".into()),
        Some(endpoint) if !endpoint.enabled => Some(format!(
            "The endpoint is off{}: nothing is sent until it is turned on: POST /api/v2/endpoints/{}/enable.",
            off_because(endpoint),
            endpoint.id
        )),
        Some(_) => None,
    }
}

fn due(known: &Known<'_>) -> String {
    if let Some(prevented) = prevented(known) {
        return prevented;
    }
    let next = known.delivery.attempts + 1;
    let due = known.delivery.due_at.as_ref().and_then(timestamp_from);
    let due = match due {
        Some(due) if due > known.now => {
            let asked = asked_rest(known, due).unwrap_or_default();
            format!("Attempt {next} is due at {}{asked}.", shown(due))
        }
        _ if known.delivery.kept_by_ledger => format!("Attempt {next} is due now."),
        _ => format!("Attempt {next} is due now.{}", again(known)),
    };
    match known.gate {
        Some(gate) if gate.circuit != "closed" => format!(
            "{due} The circuit is open{}: unless a probe is answered well until then, it is deferred and held.{}",
            open_since(gate),
            circuit(known)
        ),
        _ => due,
    }
}

/// Where a delivery is whose time has come, if its attempt is not simply to come.
fn overdue(known: &Known<'_>) -> Option<String> {
    let due = known.delivery.due_at.as_ref().and_then(timestamp_from)?;
    if !known.delivery.kept_by_ledger || (known.delivery.attempts > 0 && due > known.now) {
        return None;
    }
    Some(
        "It is not in the queue: the ledger keeps it, and publishes it as soon as it is due and the queue takes it."
            .into(),
    )
}

/// When a delivery that should be in the queue is published to it once more.
fn again(known: &Known<'_>) -> String {
    let at = known.delivery.published_again_at.as_ref().and_then(timestamp_from);
    at.map(|at| format!(" If nothing is heard of it by {}, it is published again.", shown(at)))
        .unwrap_or_default()
}

/// Why a delivery is held, and what ends that.
fn held(known: &Known<'_>) -> (String, String) {
    let (why, next) = held_for(known);
    (why, prevented(known).unwrap_or(next))
}

fn held_for(known: &Known<'_>) -> (String, String) {
    let pace = "It is sent, at the endpoint's own pace,";
    match known.delivery.reason.as_str() {
        "endpoint_disabled" => match known.endpoint {
            Some(endpoint) if !endpoint.enabled => (
                format!("Held: the endpoint is off{}.", off_because(endpoint)),
                String::new(),
            ),
            _ => (
                "Held while the endpoint was off.".into(),
                format!("{pace} now that the endpoint is on."),
            ),
        },
        "circuit_open" => {
            let since = known.endpoint.and_then(|endpoint| endpoint.failing_since);
            let since = since.map(|at| format!(" since {}", shown(at))).unwrap_or_default();
            (
                format!(
                    "Held: the circuit is open, because the endpoint keeps failing{since}.{}",
                    circuit(known)
                ),
                format!("{pace} when a probe is answered well."),
            )
        }
        "secret_unreadable" => (
            "Held: the endpoint's secret, or what its requests carry to be let in, can't be opened.".into(),
            format!("{pace} when the dispatchers have the key that is missing in `secrets.keys`, or the endpoint has a new secret."),
        ),
        "dialect_unknown" => (
            match known.endpoint {
                Some(endpoint) => format!("Held: a dispatcher does not have the endpoint's dialect, `{}`.", endpoint.dialect),
                None => "Held: a dispatcher does not have the endpoint's dialect.".into(),
            },
            format!("{pace} when every dispatcher has the dialect's file and was restarted, or the endpoint has another dialect."),
        ),
        "endpoint_unusable" => unusable(known, pace),
        "subscriptions_unreadable" => (
            "Held: the endpoint's subscriptions can't be read as they are stored, so nobody can tell whether it wants the event.".into(),
            format!("{pace} when they are given again, if the event is among them."),
        ),
        "unknown" => (
            "Held: a newer version of Tidings did so, for a reason that this one does not know.".into(),
            format!("{pace} when that reason has passed."),
        ),
        "rate_limited" => (
            "Held: there are more deliveries than the endpoint's rate limit lets through.".into(),
            format!("{pace} as its rate limit allows."),
        ),
        _ => (
            "Held: the endpoint has as many requests under way as it takes, and others wait before this one.".into(),
            format!("{pace} after those before it."),
        ),
    }
}

/// Why no request can be made for an endpoint, as far as can be told here.
fn unusable(known: &Known<'_>, pace: &str) -> (String, String) {
    match known.endpoint {
        Some(endpoint) if !endpoint.unreadable.is_empty() => (
            format!(
                "Held: this can't be read of the endpoint as it is stored: {}.",
                endpoint.unreadable.join(", ")
            ),
            format!(
                "{pace} when that is given again: PATCH /api/v2/endpoints/{}.",
                endpoint.id
            ),
        ),
        Some(endpoint) => (
            format!(
                "Held: the dialect `{}` makes no request of any event with the endpoint's settings and secret.",
                endpoint.dialect
            ),
            format!(
                "{pace} when they fit; POST /api/v2/endpoints/{}/test shows what is wrong.",
                endpoint.id
            ),
        ),
        None => (
            "Held: no request could be made for the endpoint as it was configured.".into(),
            format!("{pace} when that is repaired."),
        ),
    }
}

fn off_because(endpoint: &Endpoint) -> String {
    match endpoint.disabled_reason {
        Some(DisabledReason::Gone) => ", because it answered 410 Gone".into(),
        Some(DisabledReason::Failing) => {
            let since = endpoint.failing_since.map(|at| format!(" since {}", shown(at)));
            format!(", because it failed{}", since.unwrap_or_else(|| " for days".into()))
        }
        None => ", because somebody turned it off".into(),
    }
}

/// A delivery that should be sent now: what a dispatcher may wait for.
fn pending(known: &Known<'_>) -> (String, String) {
    if let Some(prevented) = prevented(known) {
        return ("It waits in its lane.".into(), prevented);
    }
    let next = known.delivery.attempts + 1;
    let soon = format!(
        "Attempt {next} is made as soon as a dispatcher takes it.{}",
        again(known)
    );
    let Some(gate) = known.gate else {
        return ("It waits in its lane, or its attempt is under way.".into(), soon);
    };
    if gate.circuit != "closed" {
        let why = format!("Deferred: the circuit is open{}.{}", open_since(gate), circuit(known));
        return (
            why,
            "It is tried again in some seconds, and held if the circuit stays open.".into(),
        );
    }
    if gate.under_way >= gate.window && gate.window > 0 {
        let why = format!(
            "Deferred: the endpoint has {} requests under way, as many as it takes at once right now.",
            gate.under_way
        );
        return (why, soon);
    }
    ("It waits in its lane, or its attempt is under way.".into(), soon)
}

fn open_since(gate: &pb::DescribeEndpointResponse) -> String {
    let since = gate.open_since.as_ref().and_then(timestamp_from);
    since.map(|at| format!(" since {}", shown(at))).unwrap_or_default()
}

/// What a dispatcher says of an open circuit.
fn circuit(known: &Known<'_>) -> String {
    match known.gate {
        Some(gate) if gate.circuit != "closed" => format!(
            " A dispatcher saw {} failures in a row{}, and lets one probe at a time through.",
            gate.failures,
            open_since(gate)
        ),
        _ => String::new(),
    }
}

/// Why there is no delivery for an endpoint.
pub(super) fn of_missing(endpoint: &Endpoint, event_type: &str, accepted: Option<Timestamp>) -> (Verdict, String) {
    if endpoint.operational {
        let sentence = "Did not match: the endpoint gets operational events only.";
        return (Verdict::Operational, sentence.into());
    }
    if accepted.is_some_and(|accepted| endpoint.created_at > accepted) {
        let sentence = format!(
            "The endpoint was made at {}, after the event was accepted.",
            shown(endpoint.created_at)
        );
        return (Verdict::MadeLater, sentence);
    }
    let Ok(event_type) = event_type.parse::<EventType>() else {
        return (Verdict::NotSubscribed, "Did not match.".into());
    };
    if endpoint.wants(&event_type) {
        let sentence = format!(
            "The endpoint subscribes to `{event_type}` now, but did not when the event was accepted; it was last changed at {}.",
            shown(endpoint.updated_at)
        );
        return (Verdict::SubscribedLater, sentence);
    }
    let off = endpoint
        .subscriptions
        .iter()
        .find(|subscription| !subscription.enabled && subscription.pattern.matches(&event_type));
    if let Some(off) = off {
        let sentence = format!(
            "Did not match: the endpoint's subscription to `{}` is switched off.",
            off.pattern
        );
        return (Verdict::SubscriptionOff, sentence);
    }
    let patterns: Vec<String> = endpoint
        .subscriptions
        .iter()
        .filter(|subscription| subscription.enabled)
        .map(|subscription| format!("`{}`", subscription.pattern))
        .collect();
    let sentence = match patterns.as_slice() {
        [] => "Did not match: the endpoint subscribes to nothing.".into(),
        patterns => format!(
            "Did not match: the endpoint subscribes to {} only.",
            patterns.join(", ")
        ),
    };
    (Verdict::NotSubscribed, sentence)
}

/// What is told of an event on the whole.
pub(super) fn of_event(event: &pb::Event, deliveries: &[pb::DeliveryExplanation]) -> Vec<String> {
    let accepted = format!(
        "`{}` was accepted at {}.",
        event.event_type,
        time(event.accepted_at.as_ref())
    );
    let sent: Vec<_> = deliveries.iter().filter(|one| one.delivery.is_some()).collect();
    let count = |verdict: Verdict| sent.iter().filter(|one| one.verdict == verdict.as_str()).count();
    let whole = match sent.len() {
        0 if deliveries.is_empty() => "The tenant has no endpoints, so it went nowhere.".into(),
        0 => "No endpoint wanted it, so it went nowhere.".into(),
        all => {
            let parts = [
                (count(Verdict::Delivered), "delivered"),
                (count(Verdict::Waiting), "waiting for its next attempt"),
                (count(Verdict::UnderWay), "under way"),
                (count(Verdict::Held), "held"),
                (count(Verdict::GivenUp), "given up"),
                (count(Verdict::Cancelled), "cancelled"),
            ];
            let parts: Vec<String> = parts
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, word)| format!("{count} {word}"))
                .collect();
            let deliveries = if all == 1 { "delivery" } else { "deliveries" };
            format!("It has {all} {deliveries}: {}.", parts.join(", "))
        }
    };
    let erased = event.erased_at.as_ref().and_then(timestamp_from);
    let erased = erased.map(|at| format!("Its content was erased at {}.", shown(at)));
    [accepted, whole].into_iter().chain(erased).collect()
}

fn time(at: Option<&prost_types::Timestamp>) -> String {
    at.and_then(timestamp_from).map(shown).unwrap_or_default()
}

/// A time as people read it: to the second, UTC.
fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests;
