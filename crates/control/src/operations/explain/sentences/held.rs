//! Sentences about held deliveries.

use super::{circuit, off, off_because, prevented, shown};
use crate::explain::Known;
use crate::explain::fact::Fact;

/// The reason why a delivery is held, and the condition that ends it.
pub(super) fn held(known: &Known<'_>) -> (Fact, Option<Fact>) {
    let (why, next) = held_for(known);
    (why, prevented(known).or(next))
}

fn held_for(known: &Known<'_>) -> (Fact, Option<Fact>) {
    let sent = |code, when: &str| {
        let sentence = format!("It is sent, at the endpoint's own pace, {when}.");
        Some(Fact::new(code, sentence))
    };
    match known.delivery.reason.as_str() {
        "endpoint_disabled" => match known.endpoint {
            Some(endpoint) if !endpoint.enabled => {
                let sentence = format!("Held: the endpoint is off{}.", off_because(endpoint));
                (off(Fact::new("held_endpoint_off", sentence), endpoint), None)
            }
            _ => (
                Fact::new("held_endpoint_was_off", "Held while the endpoint was off."),
                sent("sent_now", "now that the endpoint is on"),
            ),
        },
        "circuit_open" => {
            let since = known.endpoint.and_then(|endpoint| endpoint.failing_since);
            let failing = since.map(|at| format!(" since {}", shown(at))).unwrap_or_default();
            let sentence = format!(
                "Held: the circuit is open, because the endpoint keeps failing{failing}.{}",
                circuit(known)
            );
            (
                Fact::new("held_circuit_open", sentence).at("since", since),
                sent("sent_after_probe", "when a probe is answered well"),
            )
        }
        "secret_unreadable" => (
            Fact::new(
                "held_secret_unreadable",
                "Held: the endpoint's secret, or its credentials for the receiver, can't be opened.",
            ),
            sent(
                "sent_with_secret",
                "when the dispatchers have the key that is missing in `secrets.keys`, or the endpoint has a new secret",
            ),
        ),
        "dialect_unknown" => {
            let dialect = known.endpoint.map(|endpoint| endpoint.dialect.as_str());
            let named = dialect.map(|name| format!(", `{name}`")).unwrap_or_default();
            let sentence = format!("Held: a dispatcher does not have the endpoint's dialect{named}.");
            (
                Fact::new("held_dialect_unknown", sentence).with_some("dialect", dialect),
                sent(
                    "sent_with_dialect",
                    "when every dispatcher has the dialect's file and was restarted, or the endpoint has another dialect",
                ),
            )
        }
        "endpoint_unusable" => unusable(known, sent),
        "subscriptions_unreadable" => (
            Fact::new(
                "held_subscriptions_unreadable",
                "Held: the endpoint's subscriptions can't be read as they are stored, so nobody can tell whether it wants \
                 the event.",
            ),
            sent(
                "sent_with_subscriptions",
                "when they are given again, if the event is among them",
            ),
        ),
        "unknown" => (
            Fact::new(
                "held_unknown",
                "Held: a newer version of Tidings did so, for a reason that this one does not know.",
            ),
            sent("sent_when_passed", "when that reason has passed"),
        ),
        "rate_limited" => (
            Fact::new(
                "held_rate_limited",
                "Held: there are more deliveries than the endpoint's rate limit lets through.",
            ),
            sent("sent_as_rate_allows", "as its rate limit allows"),
        ),
        _ => (
            Fact::new(
                "held_busy",
                "Held: the endpoint has as many requests under way as it takes, and others wait before this one.",
            ),
            sent("sent_after_others", "after those before it"),
        ),
    }
}

/// The reason why no request can be made for an endpoint, as far as control can tell.
fn unusable(known: &Known<'_>, sent: impl Fn(&'static str, &str) -> Option<Fact>) -> (Fact, Option<Fact>) {
    match known.endpoint {
        Some(endpoint) if !endpoint.unreadable.is_empty() => {
            let parts = endpoint.unreadable.join(", ");
            let sentence = format!("Held: this can't be read of the endpoint as it is stored: {parts}.");
            let when = format!("when that is given again: PATCH /api/v2/endpoints/{}", endpoint.id);
            (
                Fact::new("held_parts_unreadable", sentence).with("parts", parts),
                sent("sent_with_parts", &when),
            )
        }
        Some(endpoint) => {
            let sentence = format!(
                "Held: the dialect `{}` makes no request of any event with the endpoint's settings and secret.",
                endpoint.dialect
            );
            let when = format!(
                "when they fit; POST /api/v2/endpoints/{}/test shows what is wrong",
                endpoint.id
            );
            (
                Fact::new("held_no_request", sentence).with("dialect", &endpoint.dialect),
                sent("sent_when_fit", &when),
            )
        }
        None => (
            Fact::new(
                "held_unusable",
                "Held: no request could be made for the endpoint as it was configured.",
            ),
            sent("sent_when_repaired", "when that is repaired"),
        ),
    }
}
