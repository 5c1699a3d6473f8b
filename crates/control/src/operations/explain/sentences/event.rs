//! Sentences about an event as a whole, and about endpoints that did not get it.

use tidings_domain::{Endpoint, EventType, Timestamp};
use tidings_store::ledger::EventSummary;

use super::{Verdict, shown};
use crate::explain::DeliveryExplanation;
use crate::explain::fact::Fact;

/// The reason why there is no delivery for an endpoint, as a verdict and a fact. `accepted` is the event's time of
/// acceptance.
pub(in crate::operations::explain) fn of_missing(
    endpoint: &Endpoint,
    event_type: &EventType,
    accepted: Timestamp,
) -> (Verdict, Fact) {
    if endpoint.operational {
        let sentence = "Did not match: the endpoint gets operational events only.";
        return (Verdict::Operational, Fact::new("operational_only", sentence));
    }
    if endpoint.created_at > accepted {
        let sentence = format!(
            "The endpoint was made at {}, after the event was accepted.",
            shown(endpoint.created_at)
        );
        let fact = Fact::new("made_later", sentence).at("at", Some(endpoint.created_at));
        return (Verdict::MadeLater, fact);
    }
    if endpoint.wants(event_type) {
        let sentence = format!(
            "The endpoint subscribes to `{event_type}` now, but did not when the event was accepted; it was last changed at {}.",
            shown(endpoint.updated_at)
        );
        let fact = Fact::new("subscribed_later", sentence).with("type", event_type);
        return (Verdict::SubscribedLater, fact.at("at", Some(endpoint.updated_at)));
    }
    let off = endpoint
        .subscriptions
        .iter()
        .find(|subscription| !subscription.enabled && subscription.pattern.matches(event_type));
    if let Some(off) = off {
        let sentence = format!(
            "Did not match: the endpoint's subscription to `{}` is switched off.",
            off.pattern
        );
        let fact = Fact::new("subscription_off", sentence).with("pattern", &off.pattern);
        return (Verdict::SubscriptionOff, fact);
    }
    let patterns: Vec<String> = endpoint
        .subscriptions
        .iter()
        .filter(|subscription| subscription.enabled)
        .map(|subscription| format!("`{}`", subscription.pattern))
        .collect();
    let fact = match patterns.join(", ") {
        none if none.is_empty() => Fact::new(
            "subscribes_to_nothing",
            "Did not match: the endpoint subscribes to nothing.",
        ),
        patterns => Fact::new(
            "subscribes_to_others",
            format!("Did not match: the endpoint subscribes to {patterns} only."),
        )
        .with("patterns", patterns),
    };
    (Verdict::NotSubscribed, fact)
}

/// The facts about an event as a whole: its acceptance, and a summary of its deliveries.
pub(in crate::operations::explain) fn of_event(event: &EventSummary, deliveries: &[DeliveryExplanation]) -> Vec<Fact> {
    let sentence = format!("`{}` was accepted at {}.", event.event_type, shown(event.accepted_at));
    let accepted = Fact::new("event_accepted", sentence)
        .with("type", &event.event_type)
        .with("at", event.accepted_at);
    let sent: Vec<_> = deliveries.iter().filter(|one| one.delivery.is_some()).collect();
    let count = |verdict: Verdict| sent.iter().filter(|one| one.verdict == verdict).count();
    let whole = match sent.len() {
        0 if deliveries.is_empty() => Fact::new("no_endpoints", "The tenant has no endpoints, so it went nowhere."),
        0 => Fact::new("nobody_wanted_it", "No endpoint wanted it, so it went nowhere."),
        all => {
            let parts = [
                (Verdict::Delivered, "delivered"),
                (Verdict::Waiting, "waiting for its next attempt"),
                (Verdict::UnderWay, "under way"),
                (Verdict::Held, "held"),
                (Verdict::GivenUp, "given up"),
                (Verdict::Cancelled, "cancelled"),
            ];
            let told: Vec<String> = parts
                .iter()
                .filter(|(verdict, _)| count(*verdict) > 0)
                .map(|(verdict, word)| format!("{} {word}", count(*verdict)))
                .collect();
            let deliveries = if all == 1 { "delivery" } else { "deliveries" };
            let fact = Fact::new(
                "event_deliveries",
                format!("It has {all} {deliveries}: {}.", told.join(", ")),
            );
            parts.iter().fold(fact.with("count", all), |fact, (verdict, _)| {
                fact.with(verdict.as_str(), count(*verdict))
            })
        }
    };
    let erased = event.erased_at.map(|at| {
        let sentence = format!("Its content was erased at {}.", shown(at));
        Fact::new("event_erased", sentence).at("at", Some(at))
    });
    [accepted, whole].into_iter().chain(erased).collect()
}
