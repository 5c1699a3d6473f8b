//! Fan-out: the initial state of an event's delivery to each matching endpoint.

use std::sync::Arc;

use tidings_domain::{Endpoint, EventType, HoldReason};
use tidings_payload::{Decision, EventView};
use tidings_recorder::BackloggedEndpoints;

use crate::filters::{Asking, NotCompiled};

/// An endpoint that wants events of this type.
pub(crate) struct Target {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) state: InitialState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitialState {
    /// Its first attempt is made as soon as possible.
    AtOnce,
    Held(HoldReason),
    /// It is over: the endpoint wants such events, and its filters not this one.
    Filtered,
    /// It is over: the endpoint's filters were stopped before they said whether it wants the event.
    Undecided,
}

impl InitialState {
    /// Decides the initial state for an endpoint that matches the event's type. Fails if a filter has to be compiled
    /// first and `filters` does not compile.
    pub(crate) fn of(
        endpoint: &Endpoint,
        event_type: &EventType,
        event: &EventView<'_>,
        filters: &mut Asking<'_>,
        backlogs: &BackloggedEndpoints,
    ) -> Result<Self, NotCompiled> {
        let mut decision = Decision::Unwanted;
        for subscription in endpoint.subscriptions.iter().filter(|s| s.matches(event_type)) {
            match filters.ask(subscription.filter.as_deref(), event)? {
                Decision::Unwanted => {}
                Decision::Undecided => decision = Decision::Undecided,
                Decision::Wanted => {
                    decision = Decision::Wanted;
                    break;
                }
            }
        }
        Ok(match decision {
            Decision::Unwanted | Decision::Undecided if endpoint.is_undecided() => {
                Self::Held(HoldReason::SubscriptionsUnreadable)
            }
            Decision::Unwanted => Self::Filtered,
            Decision::Undecided => Self::Undecided,
            Decision::Wanted if !endpoint.enabled => Self::Held(HoldReason::EndpointDisabled),
            Decision::Wanted if backlogs.has(endpoint.id) => Self::Held(HoldReason::EndpointBusy),
            Decision::Wanted => Self::AtOnce,
        })
    }

    /// Tells if the delivery ends without any attempt.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Filtered | Self::Undecided)
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::{Subscription, TenantId, Timestamp};

    use super::*;
    use crate::filters::Filters;

    /// How a delivery begins to an endpoint with these patterns and filters.
    fn state(subscriptions: &[(&str, bool, Option<&str>)], enabled: bool, payload: &str) -> InitialState {
        state_within(1_000, subscriptions, enabled, payload)
    }

    fn state_within(
        steps: u32,
        subscriptions: &[(&str, bool, Option<&str>)],
        enabled: bool,
        payload: &str,
    ) -> InitialState {
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
        let filters = Filters::default().of(endpoint.tenant);
        let mut asking = filters.asking_at_leisure(steps);
        InitialState::of(
            &endpoint,
            &event_type,
            &event,
            &mut asking,
            &BackloggedEndpoints::default(),
        )
        .unwrap()
    }

    const LOW: Option<&str> = Some("payload.rating <= 2");
    const BAD: &str = r#"{"rating": 1}"#;
    const GOOD: &str = r#"{"rating": 5}"#;

    #[test]
    fn a_filter_decides_for_its_own_subscription_only() {
        let filtered = [("feedback.*", true, LOW)];
        assert_eq!(state(&filtered, true, BAD), InitialState::AtOnce);
        assert_eq!(state(&filtered, true, GOOD), InitialState::Filtered);
        let with_another = |other| state(&[filtered[0], other], true, GOOD);
        assert_eq!(with_another(("*", true, None)), InitialState::AtOnce);
        assert_eq!(
            with_another(("*", true, Some("payload.rating == 5"))),
            InitialState::AtOnce
        );
        assert_eq!(with_another(("*", false, None)), InitialState::Filtered, "it is off");
        assert_eq!(
            with_another(("comment.*", true, None)),
            InitialState::Filtered,
            "it is of other types"
        );
    }

    #[test]
    fn what_a_filter_keeps_back_is_not_held_for_later() {
        let filtered = [("*", true, LOW)];
        assert_eq!(state(&filtered, false, GOOD), InitialState::Filtered);
        assert_eq!(
            state(&filtered, false, BAD),
            InitialState::Held(HoldReason::EndpointDisabled)
        );
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
        let state = |event_type: &str| {
            let event_type = event_type.parse().unwrap();
            assert!(endpoint.wants(&event_type));
            let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, b"{}");
            let filters = Filters::default().of(endpoint.tenant);
            let mut asking = filters.asking_at_leisure(1_000);
            InitialState::of(
                &endpoint,
                &event_type,
                &event,
                &mut asking,
                &BackloggedEndpoints::default(),
            )
            .unwrap()
        };
        assert_eq!(
            state("feedback.created"),
            InitialState::Held(HoldReason::SubscriptionsUnreadable)
        );
        assert_eq!(state("comment.created"), InitialState::AtOnce);
    }

    #[test]
    fn without_a_filter_the_payload_is_not_read() {
        assert_eq!(state(&[("*", true, None)], true, "no JSON"), InitialState::AtOnce);
    }

    #[test]
    fn where_a_filter_is_stopped_only_another_subscription_can_decide() {
        let filtered = [("feedback.*", true, LOW)];
        assert_eq!(state_within(2, &filtered, true, BAD), InitialState::Undecided);
        assert_eq!(state_within(2, &filtered, false, BAD), InitialState::Undecided);
        assert_eq!(
            state_within(2, &[filtered[0], ("*", true, None)], true, BAD),
            InitialState::AtOnce
        );
    }
}
