//! How the delivery of an event to an endpoint begins.

use std::sync::Arc;

use tidings_domain::{Endpoint, EventType, HoldReason};
use tidings_payload::EventView;
use tidings_recorder::Backlogs;

use crate::filters::Filters;

/// An endpoint that wants events of this type.
pub(crate) struct Wanting {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) start: Start,
}

/// How a delivery begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Its first attempt is made as soon as possible.
    AtOnce,
    /// It is held.
    Held(HoldReason),
    /// It is over: the endpoint wants such events, and its filters not this one.
    Filtered,
}

impl Start {
    /// How the delivery of an event begins to an endpoint that matches its type.
    pub(crate) fn of(
        endpoint: &Endpoint,
        event_type: &EventType,
        event: &EventView<'_>,
        filters: &Filters,
        backlogs: &Backlogs,
    ) -> Self {
        let mut subscriptions = endpoint.subscriptions.iter().filter(|s| s.matches(event_type));
        if !subscriptions.any(|subscription| filters.let_through(subscription.filter.as_deref(), event)) {
            if endpoint.is_undecided() {
                Self::Held(HoldReason::SubscriptionsUnreadable)
            } else {
                Self::Filtered
            }
        } else if !endpoint.enabled {
            Self::Held(HoldReason::EndpointDisabled)
        } else if backlogs.has(endpoint.id) {
            Self::Held(HoldReason::EndpointBusy)
        } else {
            Self::AtOnce
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::{Subscription, TenantId, Timestamp};

    use super::*;

    /// How a delivery begins to an endpoint with these patterns and filters.
    fn start(subscriptions: &[(&str, bool, Option<&str>)], enabled: bool, payload: &str) -> Start {
        let subscription = |(pattern, enabled, filter): &(&str, bool, Option<&str>)| Subscription {
            pattern: pattern.parse().unwrap(),
            enabled: *enabled,
            filter: filter.map(str::to_owned),
        };
        let url = "https://crm.example.com/hook".parse().unwrap();
        let endpoint = Endpoint {
            subscriptions: subscriptions.iter().map(subscription).collect(),
            enabled,
            ..Endpoint::new(TenantId::new(), url, "standard", Timestamp::UNIX_EPOCH)
        };
        let event_type = "feedback.created".parse().unwrap();
        let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
        Start::of(
            &endpoint,
            &event_type,
            &event,
            &Filters::default(),
            &Backlogs::default(),
        )
    }

    const LOW: Option<&str> = Some("payload.rating <= 2");
    const BAD: &str = r#"{"rating": 1}"#;
    const GOOD: &str = r#"{"rating": 5}"#;

    #[test]
    fn a_filter_decides_for_its_own_subscription_only() {
        let filtered = [("feedback.*", true, LOW)];
        assert_eq!(start(&filtered, true, BAD), Start::AtOnce);
        assert_eq!(start(&filtered, true, GOOD), Start::Filtered);
        let with_another = |other| start(&[filtered[0], other], true, GOOD);
        assert_eq!(with_another(("*", true, None)), Start::AtOnce);
        assert_eq!(with_another(("*", true, Some("payload.rating == 5"))), Start::AtOnce);
        assert_eq!(with_another(("*", false, None)), Start::Filtered, "it is off");
        assert_eq!(
            with_another(("comment.*", true, None)),
            Start::Filtered,
            "it is of other types"
        );
    }

    #[test]
    fn what_a_filter_keeps_back_is_not_held_for_later() {
        let filtered = [("*", true, LOW)];
        assert_eq!(start(&filtered, false, GOOD), Start::Filtered);
        assert_eq!(start(&filtered, false, BAD), Start::Held(HoldReason::EndpointDisabled));
    }

    #[test]
    fn what_nobody_can_tell_is_held_and_what_can_be_told_is_not() {
        let url = "https://crm.example.com/hook".parse().unwrap();
        let subscription = |pattern: &str| Subscription::to(pattern.parse().unwrap());
        let endpoint = Endpoint {
            subscriptions: vec![subscription("comment.*")],
            unreadable: vec![Endpoint::SUBSCRIPTIONS],
            ..Endpoint::new(TenantId::new(), url, "standard", Timestamp::UNIX_EPOCH)
        };
        let start = |event_type: &str| {
            let event_type = event_type.parse().unwrap();
            assert!(endpoint.wants(&event_type));
            let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, b"{}");
            Start::of(
                &endpoint,
                &event_type,
                &event,
                &Filters::default(),
                &Backlogs::default(),
            )
        };
        assert_eq!(
            start("feedback.created"),
            Start::Held(HoldReason::SubscriptionsUnreadable)
        );
        assert_eq!(start("comment.created"), Start::AtOnce);
    }

    #[test]
    fn without_a_filter_the_payload_is_not_read() {
        assert_eq!(start(&[("*", true, None)], true, "no JSON"), Start::AtOnce);
    }
}
