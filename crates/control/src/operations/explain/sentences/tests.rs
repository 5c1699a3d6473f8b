//! Tests of the sentences about deliveries.

use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, Subscription, TenantId};

use super::*;
use crate::explain::fact::{sentences, text};
use crate::logs::Delivery;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn endpoint(patterns: &[(&str, bool)]) -> Endpoint {
    let subscriptions = patterns.iter().map(|(pattern, enabled)| Subscription {
        enabled: *enabled,
        ..Subscription::to(pattern.parse().unwrap())
    });
    Endpoint {
        subscriptions: subscriptions.collect(),
        ..Endpoint::new(
            TenantId::new(),
            "https://hooks.example.com/in".parse().unwrap(),
            "standard",
            AT,
        )
    }
}

fn delivery(state: &str, reason: &str) -> Delivery {
    Delivery {
        id: DeliveryId::new(),
        event: EventId::new(),
        tenant: TenantId::new(),
        endpoint: EndpointId::new(),
        state: state.into(),
        reason: reason.into(),
        due_at: Some("2026-11-21T10:00:00Z".parse().unwrap()),
        attempts: 1,
        updated_at: AT,
        kept_by_ledger: false,
        published_again_at: None,
    }
}

/// An explanation reduced to its sentences.
struct Sentences {
    verdict: Verdict,
    sentences: Vec<String>,
    next: String,
}

fn told(delivery: &Delivery, endpoint: Option<&Endpoint>, attempts: &[Attempt]) -> Sentences {
    told_by(delivery, endpoint, attempts, None)
}

fn told_by(
    delivery: &Delivery,
    endpoint: Option<&Endpoint>,
    attempts: &[Attempt],
    view: Option<&EndpointView>,
) -> Sentences {
    let told = of_delivery(&Known {
        delivery,
        endpoint,
        attempts,
        attempts_in_all: 6,
        view,
        now: AT,
    });
    Sentences {
        verdict: told.verdict,
        sentences: sentences(&told.facts),
        next: text(&told.next),
    }
}

/// Explains as a sentence why an endpoint did not get an event.
fn of_missing(endpoint: &Endpoint, event_type: &str, accepted: Timestamp) -> (Verdict, String) {
    let (verdict, fact) = super::of_missing(endpoint, &event_type.parse().unwrap(), accepted);
    (verdict, fact.sentence().to_owned())
}

fn failed(status: u32, outcome: &str) -> Attempt {
    Attempt {
        id: AttemptId::new(),
        delivery: DeliveryId::new(),
        event: EventId::new(),
        tenant: TenantId::new(),
        endpoint: EndpointId::new(),
        event_type: "feedback.created".parse().unwrap(),
        number: 1,
        started_at: AT,
        duration: Duration::from_millis(23),
        url: "https://hooks.example.com/in".into(),
        dialect: "standard".into(),
        outcome: outcome.into(),
        failure_reason: "status".into(),
        error: String::new(),
        status_code: Some(status),
        next_attempt_at: None,
        test: false,
    }
}

#[test]
fn an_endpoint_that_did_not_want_an_event_says_what_it_wants() {
    let why = |patterns: &[(&str, bool)]| of_missing(&endpoint(patterns), "feedback.created", AT);
    assert_eq!(
        why(&[("issue.*", true), ("comment.created", true)]),
        (
            Verdict::NotSubscribed,
            "Did not match: the endpoint subscribes to `issue.*`, `comment.created` only.".into()
        )
    );
    assert_eq!(why(&[("feedback.*", false)]).0, Verdict::SubscriptionOff);
    assert_eq!(why(&[("*", true)]).0, Verdict::SubscribedLater);
    assert_eq!(why(&[]).1, "Did not match: the endpoint subscribes to nothing.");
    let later = of_missing(&endpoint(&[("*", true)]), "a.b", AT - Duration::from_secs(1));
    assert_eq!(later.0, Verdict::MadeLater);
}

#[test]
fn what_waits_says_how_often_it_failed_and_what_comes_next() {
    let endpoint = endpoint(&[]);
    let told = told(
        &delivery("scheduled", ""),
        Some(&endpoint),
        &[failed(503, "failed_retryable")],
    );
    assert_eq!(told.verdict, Verdict::Waiting);
    assert_eq!(
        told.sentences,
        ["Attempt 1 of 6 at 1970-01-01 00:00:00 UTC failed with 503 after 23 ms."]
    );
    assert_eq!(told.next, "Attempt 2 is due at 2026-11-21 10:00:00 UTC.");
}

#[test]
fn nothing_is_promised_for_an_endpoint_that_is_gone_or_off() {
    let mut off = endpoint(&[]);
    off.enabled = false;
    for state in ["pending", "scheduled"] {
        let gone = told(&delivery(state, ""), None, &[failed(503, "failed_retryable")]);
        assert!(
            gone.next.starts_with("Its endpoint was deleted: nothing more is sent"),
            "{}",
            gone.next
        );
        let off = told(&delivery(state, ""), Some(&off), &[failed(503, "failed_retryable")]);
        assert!(
            off.next.contains("nothing is sent until it is turned on"),
            "{}",
            off.next
        );
    }
    for reason in ["endpoint_disabled", "circuit_open", "rate_limited", "endpoint_busy"] {
        let gone = told(&delivery("held", reason), None, &[]);
        assert!(gone.next.contains("was deleted"), "{reason}: {}", gone.next);
        let off = told(&delivery("held", reason), Some(&off), &[]);
        assert!(off.next.contains("/enable"), "{reason}: {}", off.next);
    }
    let ended = told(
        &delivery("exhausted", ""),
        Some(&off),
        &[failed(503, "failed_retryable")],
    );
    assert!(
        ended.next.contains("unless somebody turns the endpoint on and asks"),
        "{}",
        ended.next
    );
}

#[test]
fn a_redirect_says_where_it_points_to() {
    let redirected = Attempt {
        error: "the endpoint answered 302 Found: redirects are not followed: the answer points to https://b.example/"
            .into(),
        ..failed(302, "failed_retryable")
    };
    let told = told(&delivery("scheduled", ""), Some(&endpoint(&[])), &[redirected]);
    assert!(
        told.sentences[0].ends_with(
            "failed with 302 after 23 ms: redirects are not followed: the answer points to https://b.example/."
        ),
        "{:?}",
        told.sentences
    );
}

#[test]
fn a_wait_says_who_asked_for_it() {
    let due: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let attempt = |rest: &str| Attempt {
        error: format!("the endpoint answered 503 Service Unavailable and asked for no request within {rest}"),
        started_at: due - Duration::from_secs(120),
        ..failed(503, "failed_retryable")
    };
    let endpoint = endpoint(&[]);
    let asked = told(&delivery("scheduled", ""), Some(&endpoint), &[attempt("2m")]);
    assert!(
        asked.sentences[0].contains("and asked for no request within 2m"),
        "{:?}",
        asked.sentences
    );
    assert_eq!(
        asked.next,
        "Attempt 2 is due at 2026-11-21 10:00:00 UTC, as the endpoint asked (`Retry-After`)."
    );
    let shorter = told(&delivery("scheduled", ""), Some(&endpoint), &[attempt("1s")]);
    assert_eq!(shorter.next, "Attempt 2 is due at 2026-11-21 10:00:00 UTC.");
    let open = EndpointView {
        is_open: true,
        failures: 12,
        open_since: Some(AT),
        ..EndpointView::default()
    };
    let waits = told_by(&delivery("scheduled", ""), Some(&endpoint), &[], Some(&open));
    assert!(
        waits.next.contains("The circuit is open since 1970-01-01 00:00:00 UTC"),
        "{}",
        waits.next
    );
    assert!(waits.next.contains("12 failures in a row"), "{}", waits.next);
}

#[test]
fn what_ended_says_whether_it_can_be_had_again() {
    let endpoint = endpoint(&[]);
    let exhausted = delivery("exhausted", "");
    let final_one = told(&exhausted, Some(&endpoint), &[failed(404, "failed_final")]);
    assert_eq!(final_one.sentences[1], "404 is final for this endpoint: given up.");
    assert!(
        final_one
            .next
            .contains(&format!("/api/v2/deliveries/{}/retry", exhausted.id)),
        "{}",
        final_one.next
    );
    let test = Attempt {
        test: true,
        ..failed(500, "failed_retryable")
    };
    let test = told(&delivery("exhausted", ""), Some(&endpoint), &[test]);
    assert_eq!(test.sentences[1], "It was a test, which is tried once.");
    assert_eq!(test.next, "Nothing more is sent.");
    let gone = told(&delivery("cancelled", "endpoint_deleted"), None, &[]);
    assert_eq!(gone.next, "Nothing more is sent.");
}

#[test]
fn what_is_held_says_what_releases_it() {
    let mut off = endpoint(&[]);
    off.enabled = false;
    off.disabled_reason = Some(DisabledReason::Gone);
    let told = told(&delivery("held", "endpoint_disabled"), Some(&off), &[]);
    assert_eq!(
        told.sentences,
        ["Held: the endpoint is off, because it answered 410 Gone."]
    );
    assert!(told.next.contains("/enable"), "{}", told.next);
}

#[test]
fn what_was_not_attempted_yet_says_who_has_it() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let kept = Delivery {
        attempts: 0,
        due_at: Some(at(0)),
        kept_by_ledger: true,
        ..delivery("scheduled", "")
    };
    let endpoint = endpoint(&[("*", true)]);
    let told_of = |delivery| told(delivery, Some(&endpoint), &[]);
    let sentences = told_of(&kept).sentences;
    assert!(sentences[0].contains("the ledger keeps it"), "{sentences:?}");
    assert_eq!(told_of(&kept).next, "Attempt 1 is due now.");
    let in_lane = Delivery {
        due_at: None,
        kept_by_ledger: false,
        published_again_at: Some(at(75)),
        ..delivery("pending", "")
    };
    let told = told_of(&in_lane);
    assert_eq!(told.sentences, ["It waits in its lane, or its attempt is under way."]);
    assert!(
        told.next
            .ends_with("by 1970-01-01 00:01:15 UTC, it is published again."),
        "{}",
        told.next
    );
}

#[test]
fn what_needs_repair_says_what_and_how() {
    let mut broken = endpoint(&[]);
    let mut told = |reason: &str, unreadable: Vec<&'static str>| {
        broken.unreadable = unreadable;
        let told = told(&delivery("held", reason), Some(&broken), &[]);
        (told.sentences.concat(), told.next)
    };
    let (why, next) = told("secret_unreadable", vec![]);
    assert!(
        why.contains("can't be opened") && next.contains("`secrets.keys`"),
        "{why} {next}"
    );
    let (why, next) = told("dialect_unknown", vec![]);
    assert!(
        why.contains("`standard`") && next.contains("dialect's file"),
        "{why} {next}"
    );
    let (why, next) = told("endpoint_unusable", vec!["overrides"]);
    assert!(why.contains("overrides") && next.contains("PATCH"), "{why} {next}");
    let (why, next) = told("endpoint_unusable", vec![]);
    assert!(why.contains("settings") && next.contains("/test"), "{why} {next}");
    let (why, next) = told("subscriptions_unreadable", vec!["subscriptions"]);
    assert!(
        why.contains("subscriptions") && next.contains("given again"),
        "{why} {next}"
    );
}
