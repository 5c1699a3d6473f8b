//! The verdicts and sentences of explanations.

mod event;
mod held;

use std::time::Duration;

use tidings_domain::{DisabledReason, Endpoint, Timestamp};

pub(super) use self::event::{of_event, of_missing};
use self::held::held;
use super::Known;
use super::fact::Fact;
use crate::dispatchers::EndpointView;
use crate::logs::Attempt;

/// A word for programs that says how a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
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
    pub(crate) fn as_str(self) -> &'static str {
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

pub(super) struct Explanation {
    pub(super) verdict: Verdict,
    pub(super) facts: Vec<Fact>,
    /// Expected next steps; empty if nothing will happen.
    pub(super) next: Vec<Fact>,
}

pub(super) fn of_delivery(known: &Known<'_>) -> Explanation {
    let mut facts: Vec<Fact> = known
        .attempts
        .iter()
        .map(|attempt| of_attempt(known, attempt))
        .collect();
    let (verdict, state, next) = match known.delivery.state.as_str() {
        "succeeded" => (Verdict::Delivered, None, Vec::new()),
        "exhausted" => (Verdict::GivenUp, Some(given_up(known)), vec![retry_it(known)]),
        "cancelled" => (Verdict::Cancelled, Some(cancelled(known)), vec![retry_it(known)]),
        "scheduled" => (Verdict::Waiting, overdue(known), due(known)),
        "held" => {
            let (why, next) = held(known);
            (Verdict::Held, Some(why), next.into_iter().collect())
        }
        _ => {
            let (why, next) = pending(known);
            (Verdict::UnderWay, Some(why), vec![next])
        }
    };
    facts.extend(state);
    if facts.is_empty() {
        facts.push(Fact::new("no_attempt_yet", "No attempt was made yet."));
    }
    Explanation { verdict, facts, next }
}

fn of_attempt(known: &Known<'_>, attempt: &Attempt) -> Fact {
    let all = Some(known.attempts_in_all).filter(|all| *all >= attempt.number as usize);
    let number = match all {
        Some(all) => format!("Attempt {} of {all}", attempt.number),
        None => format!("Attempt {}", attempt.number),
    };
    let (at, took) = (shown(attempt.started_at), attempt.duration.as_millis());
    let about = |fact: Fact| {
        let fact = fact.with("number", attempt.number).with_some("all", all);
        fact.with("at", attempt.started_at).with("took", took)
    };
    let status = attempt.status_code;
    if attempt.outcome == "succeeded" {
        let status = status.unwrap_or(0);
        let sentence = format!("{number} at {at} was answered with {status} after {took} ms: delivered.");
        return about(Fact::new("attempt_delivered", sentence)).with("status", status);
    }
    let what = match status {
        Some(status) => status.to_string(),
        None => reason(&attempt.failure_reason).to_owned(),
    };
    let error = match attempt.error.as_str() {
        "" => String::new(),
        error if status.is_some() && attempt.failure_reason == "status" => beyond_the_status(error).to_owned(),
        error => format!(" ({error})"),
    };
    let fact = Fact::new(
        "attempt_failed",
        format!("{number} at {at} failed with {what} after {took} ms{error}."),
    );
    about(fact)
        .with_some("status", status)
        .with("reason", &attempt.failure_reason)
        .with_some("error", Some(error.trim()).filter(|error| !error.is_empty()))
}

/// The part of an unwelcome status' error that the number does not contain: the redirect's target, or the requested
/// wait.
fn beyond_the_status(error: &str) -> &str {
    let beyond = [": redirects", " and asked for"]
        .into_iter()
        .find_map(|words| error.find(words));
    beyond.map_or("", |at| &error[at..])
}

/// Mentions `Retry-After`, if the last response's wait is the reason for the time of the next attempt.
fn asked_rest(known: &Known<'_>, due: Timestamp) -> Option<&'static str> {
    let last = known.attempts.last()?;
    let (_, rest) = last.error.split_once("asked for no request within ")?;
    let rest = humantime::parse_duration(rest).ok()?;
    let ended = last.started_at.checked_add(last.duration).ok()?;
    let waits = Duration::try_from(due.duration_since(ended)).ok()?;
    (waits.abs_diff(rest) <= Duration::from_secs(2)).then_some(", as the endpoint asked (`Retry-After`)")
}

/// A failure reason in words that follow "failed with".
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

fn given_up(known: &Known<'_>) -> Fact {
    match known.attempts.last() {
        Some(last) if last.test => Fact::new("was_a_test", "It was a test, which is tried once."),
        Some(last) if last.outcome == "failed_final" && last.failure_reason == "render" => Fact::new(
            "given_up_unwritten",
            "It can't be written in the endpoint's dialect, which no other attempt would change: given up.",
        ),
        Some(last) if last.outcome == "failed_final" => {
            let status = last.status_code.unwrap_or(0);
            Fact::new(
                "given_up_final",
                format!("{status} is final for this endpoint: given up."),
            )
            .with("status", status)
        }
        _ => Fact::new(
            "given_up_schedule",
            format!(
                "All {} attempts of its schedule failed: given up.",
                known.delivery.attempts
            ),
        )
        .with("attempts", known.delivery.attempts),
    }
}

fn cancelled(known: &Known<'_>) -> Fact {
    let at = shown(known.delivery.updated_at);
    let (code, sentence) = match known.delivery.reason.as_str() {
        "endpoint_deleted" => (
            "cancelled_endpoint_deleted",
            format!("Cancelled at {at}: its endpoint was deleted."),
        ),
        "endpoint_unusable" => (
            "cancelled_endpoint_unusable",
            format!(
                "Cancelled at {at}: its endpoint can't be used, because its dialect is gone or its secret unreadable."
            ),
        ),
        "by_request" => (
            "cancelled_by_request",
            format!("Cancelled at {at}: somebody asked for it when the endpoint was turned on again."),
        ),
        "filtered" => (
            "filtered",
            "Not sent: the event type matched a subscription, but the content filter did not match.".into(),
        ),
        "filter_undecided" => (
            "filter_undecided",
            "Not sent: the content filters of the endpoint take too long for this payload and were stopped before they \
             said whether it is wanted. Make them simpler, and replay the event if it is."
                .into(),
        ),
        "erased" => (
            "cancelled_erased",
            format!("Cancelled at {at}: the event's content was erased."),
        ),
        "expired" => (
            "cancelled_expired",
            format!("Cancelled at {at}: the event became older than events are kept."),
        ),
        other => ("cancelled_otherwise", format!("Cancelled at {at}: {other}.")),
    };
    Fact::new(code, sentence)
        .with("at", known.delivery.updated_at)
        .with("reason", &known.delivery.reason)
}

fn retry_it(known: &Known<'_>) -> Fact {
    let gone = matches!(
        known.delivery.reason.as_str(),
        "endpoint_deleted" | "erased" | "expired"
    );
    let test = known.attempts.iter().any(|attempt| attempt.test);
    let Some(endpoint) = known.endpoint.filter(|_| !gone && !test) else {
        return Fact::new("nothing_more", "Nothing more is sent.");
    };
    let first = if endpoint.enabled {
        ""
    } else {
        "turns the endpoint on and "
    };
    let sentence = format!(
        "Nothing more is sent, unless somebody {first}asks: POST /api/v2/deliveries/{}/retry.",
        known.delivery.id
    );
    Fact::new("nothing_more_unless_asked", sentence)
        .with("enabled", endpoint.enabled)
        .with("delivery_id", known.delivery.id)
}

/// The prospects of a delivery that waits for an endpoint that is off or gone.
fn prevented(known: &Known<'_>) -> Option<Fact> {
    match known.endpoint {
        None => Some(Fact::new(
            "endpoint_deleted",
            "Its endpoint was deleted: nothing more is sent, and it is cancelled when its turn comes.",
        )),
        Some(endpoint) if !endpoint.enabled => {
            let sentence = format!(
                "The endpoint is off{}: nothing is sent until it is turned on: POST /api/v2/endpoints/{}/enable.",
                off_because(endpoint),
                endpoint.id
            );
            Some(off(Fact::new("endpoint_off", sentence), endpoint))
        }
        Some(_) => None,
    }
}

/// Adds to a fact the reason why an endpoint is off.
fn off(fact: Fact, endpoint: &Endpoint) -> Fact {
    fact.with("why", endpoint.disabled_reason.map_or("people", DisabledReason::as_str))
        .at("since", endpoint.failing_since)
        .with("endpoint_id", endpoint.id)
}

fn due(known: &Known<'_>) -> Vec<Fact> {
    if let Some(prevented) = prevented(known) {
        return vec![prevented];
    }
    let next = known.delivery.attempts + 1;
    let due = match known.delivery.due_at {
        Some(due) if due > known.now => {
            let asked = asked_rest(known, due);
            let sentence = format!("Attempt {next} is due at {}{}.", shown(due), asked.unwrap_or_default());
            let fact = Fact::new("attempt_due", sentence)
                .with("number", next)
                .at("at", Some(due));
            fact.with("asked", asked.is_some())
        }
        _ => {
            let again = known
                .delivery
                .published_again_at
                .filter(|_| !known.delivery.kept_by_ledger);
            let fact = Fact::new(
                "attempt_due_now",
                format!("Attempt {next} is due now.{}", again_if(again)),
            );
            fact.with("number", next).at("again", again)
        }
    };
    let circuit = known.view.filter(|view| view.is_open).map(|view| {
        let sentence = format!(
            "The circuit is open{}: unless a probe is answered well until then, it is deferred and held.{}",
            open_since(view),
            circuit(known)
        );
        open(Fact::new("circuit_open_until_then", sentence), view)
    });
    [Some(due), circuit].into_iter().flatten().collect()
}

/// Adds the time since which a circuit is open, and the number of failures.
fn open(fact: Fact, view: &EndpointView) -> Fact {
    fact.at("since", view.open_since).with("failures", view.failures)
}

/// A fact about deliveries that the ledger keeps although they are due, or were never attempted.
fn overdue(known: &Known<'_>) -> Option<Fact> {
    let due = known.delivery.due_at?;
    if !known.delivery.kept_by_ledger || (known.delivery.attempts > 0 && due > known.now) {
        return None;
    }
    Some(Fact::new(
        "kept_by_ledger",
        "It is not in the queue: the ledger keeps it, and publishes it as soon as it is due and the queue takes it.",
    ))
}

fn again_if(at: Option<Timestamp>) -> String {
    at.map(|at| format!(" If nothing is heard of it by {}, it is published again.", shown(at)))
        .unwrap_or_default()
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
fn pending(known: &Known<'_>) -> (Fact, Fact) {
    if let Some(prevented) = prevented(known) {
        return (Fact::new("waits_in_lane", "It waits in its lane."), prevented);
    }
    let next = known.delivery.attempts + 1;
    let again = known.delivery.published_again_at;
    let soon = format!(
        "Attempt {next} is made as soon as a dispatcher takes it.{}",
        again_if(again)
    );
    let soon = Fact::new("attempt_soon", soon).with("number", next).at("again", again);
    let waits = || {
        Fact::new(
            "waits_or_under_way",
            "It waits in its lane, or its attempt is under way.",
        )
    };
    let Some(view) = known.view else {
        return (waits(), soon);
    };
    if view.is_open {
        let why = format!("Deferred: the circuit is open{}.{}", open_since(view), circuit(known));
        return (
            open(Fact::new("deferred_circuit_open", why), view),
            Fact::new(
                "tried_again_soon",
                "It is tried again in some seconds, and held if the circuit stays open.",
            ),
        );
    }
    if view.under_way >= view.window && view.window > 0 {
        let why = format!(
            "Deferred: the endpoint has {} requests under way, as many as it takes at once right now.",
            view.under_way
        );
        return (Fact::new("deferred_busy", why).with("requests", view.under_way), soon);
    }
    (waits(), soon)
}

fn open_since(view: &EndpointView) -> String {
    view.open_since
        .map(|at| format!(" since {}", shown(at)))
        .unwrap_or_default()
}

/// A dispatcher's view of an open circuit.
fn circuit(known: &Known<'_>) -> String {
    match known.view {
        Some(view) if view.is_open => format!(
            " A dispatcher saw {} failures in a row{}, and lets one probe at a time through.",
            view.failures,
            open_since(view)
        ),
        _ => String::new(),
    }
}

/// A time as people read it: to the second, UTC.
fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests;
