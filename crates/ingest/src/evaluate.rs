//! Evaluates content filters to find the endpoints that get an event, without delaying other publishers.
//!
//! A tenant may have hundreds of endpoints with a hundred filters each, all evaluated while its event is accepted.
//! Filters that are cheap run inline; the rest, and those to be compiled first, run on a thread of their own, for one
//! event per tenant and few tenants at a time. The filters of an event have a budget of steps, split evenly among its
//! endpoints; an endpoint whose filters exceed their part does not get the event, and its delivery says so. A
//! publisher that is faster than its filters is told to slow down.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tidings_domain::{Endpoint, TenantId};
use tidings_payload::EventView;
use tidings_recorder::BackloggedEndpoints;
use tidings_service::problem::Problem;
use tokio::sync::Semaphore;

use crate::fan_out::{InitialState, Target};
use crate::filters::{Filters, TenantFilters};
use crate::metrics;
use crate::validate::ValidEvent;

/// Steps evaluated inline: less than half a millisecond.
const AT_ONCE: u32 = 20_000;
/// Step budget of all filters of one event: about 40 ms.
const OF_EVENT: u32 = 2_000_000;
/// Longest time that an event waits for a thread.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs filters within their budgets.
pub(crate) struct Evaluator {
    filters: Arc<Filters>,
    /// Permits for evaluation outside of the caller's task.
    threads: Arc<Semaphore>,
    /// Maximum payload bytes of one tenant that wait for a thread.
    most_waiting: usize,
}

/// Endpoints of which it is not known yet whether they want an event.
struct Rest {
    endpoints: Vec<Arc<Endpoint>>,
    filters: Arc<TenantFilters>,
}

impl Evaluator {
    pub(crate) fn new(most_waiting: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            filters: Arc::default(),
            // Half of the cores, so that accepting events goes on beside it.
            threads: Arc::new(Semaphore::new((cores / 2).max(1))),
            most_waiting,
        }
    }

    /// Initial states of an event's deliveries to the endpoints that match its type. `view` is the parsed form of
    /// `event`.
    pub(crate) fn evaluate<'a>(
        &'a self,
        tenant: TenantId,
        endpoints: Vec<Arc<Endpoint>>,
        event: &'a ValidEvent,
        view: &EventView<'_>,
        backlogs: &'a BackloggedEndpoints,
    ) -> impl Future<Output = Result<Vec<Target>, Problem>> + Send + 'a {
        let (mut evaluated, rest) = self.evaluate_inline(tenant, endpoints, event, view, backlogs);
        async move {
            if let Some(rest) = rest {
                evaluated.extend(self.evaluate_in_turn(rest, event, backlogs).await?);
            }
            Ok(evaluated)
        }
    }

    fn evaluate_inline(
        &self,
        tenant: TenantId,
        mut endpoints: Vec<Arc<Endpoint>>,
        event: &ValidEvent,
        view: &EventView<'_>,
        backlogs: &BackloggedEndpoints,
    ) -> (Vec<Target>, Option<Rest>) {
        let filters = self.filters.of(tenant);
        let mut asking = filters.asking(AT_ONCE);
        let mut evaluated = Vec::with_capacity(endpoints.len());
        for endpoint in &endpoints {
            match InitialState::of(endpoint, &event.event_type, view, &mut asking, backlogs) {
                // What is undecided here has only used up the small budget, and is asked again with a larger one.
                Ok(state) if state != InitialState::Undecided => evaluated.push(Target {
                    endpoint: endpoint.clone(),
                    state,
                }),
                _ => break,
            }
        }
        let endpoints = endpoints.split_off(evaluated.len());
        let rest = (!endpoints.is_empty()).then_some(Rest { endpoints, filters });
        (evaluated, rest)
    }

    async fn evaluate_in_turn(
        &self,
        rest: Rest,
        event: &ValidEvent,
        backlogs: &BackloggedEndpoints,
    ) -> Result<Vec<Target>, Problem> {
        let too_busy = || {
            let detail = "the content filters of this tenant take longer than its events leave time for: publish more \
                          slowly, or make the filters simpler";
            Problem::exhausted("filters_busy", detail).with_retry_after(Duration::from_secs(1))
        };
        let waiting = Waiting::of(&rest.filters, event.payload.len(), self.most_waiting).ok_or_else(too_busy)?;
        // The tenant's turn first, or events of one tenant would hold threads while they wait for each other.
        let turn = async {
            (
                rest.filters.turn.clone().acquire_owned().await,
                self.threads.clone().acquire_owned().await,
            )
        };
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(|_| too_busy())?;
        drop(waiting);
        metrics::EVALUATED_IN_TURN.inc();
        let (event, backlogs, filters) = (event.clone(), backlogs.clone(), self.filters.clone());
        let evaluating = tokio::task::spawn_blocking(move || {
            let evaluated = rest.evaluate(&event, &backlogs);
            filters.keep_within_bounds();
            // Held by the thread and not by the caller, who may go away while it still computes.
            drop(turn);
            evaluated
        });
        evaluating.await.map_err(|_| {
            let detail = "the content filters could not be evaluated: see the service's log";
            Problem::internal("filters_failed", detail)
        })
    }
}

impl Rest {
    /// Each endpoint may take an even part of the steps that are left; what it does not need is left to the others.
    fn evaluate(self, event: &ValidEvent, backlogs: &BackloggedEndpoints) -> Vec<Target> {
        let view = EventView::new(&event.event_type, event.occurred_at, &event.payload);
        let mut left = OF_EVENT;
        let mut to_come = u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX);
        let mut evaluated = Vec::with_capacity(self.endpoints.len());
        for endpoint in self.endpoints {
            let part = left / to_come.max(1);
            let mut asking = self.filters.asking_at_leisure(part);
            let state = InitialState::of(&endpoint, &event.event_type, &view, &mut asking, backlogs);
            left -= part - asking.steps;
            to_come = to_come.saturating_sub(1);
            let state = state.unwrap_or(InitialState::Undecided);
            evaluated.push(Target { endpoint, state });
        }
        evaluated
    }
}

/// A payload that waits for its turn, until this is dropped.
struct Waiting<'a> {
    filters: &'a TenantFilters,
    bytes: usize,
}

impl<'a> Waiting<'a> {
    /// Nothing if too much waits already; one may always wait.
    fn of(filters: &'a TenantFilters, bytes: usize, most: usize) -> Option<Self> {
        let mut waiting = filters.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if *waiting > 0 && *waiting + bytes > most {
            return None;
        }
        *waiting += bytes;
        Some(Self { filters, bytes })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.filters.waiting.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidings_domain::{Subscription, Timestamp};

    use super::*;

    const TAGS: usize = 10_000;

    fn endpoint(filters: &[&str]) -> Arc<Endpoint> {
        let subscription = |filter: &&str| Subscription {
            filter: Some((*filter).to_owned()),
            ..Subscription::to("*".parse().unwrap())
        };
        let url = "https://crm.example.com/hook".parse().unwrap();
        Arc::new(Endpoint {
            subscriptions: filters.iter().map(subscription).collect(),
            ..Endpoint::new(TenantId::new(), url, "standard", Timestamp::UNIX_EPOCH)
        })
    }

    /// An event with many tags.
    fn event() -> ValidEvent {
        let tags = vec!["1"; TAGS].join(",");
        ValidEvent {
            event_type: "feedback.created".parse().unwrap(),
            payload: Bytes::from(format!(r#"{{"tags": [{tags}]}}"#)),
            occurred_at: Timestamp::UNIX_EPOCH,
            occurred_at_given: false,
            idempotency_key: None,
            traceparent: None,
        }
    }

    async fn evaluated(evaluator: &Evaluator, endpoints: Vec<Arc<Endpoint>>) -> Result<Vec<InitialState>, Problem> {
        let (event, backlogs) = (event(), BackloggedEndpoints::default());
        let evaluating = {
            let view = EventView::new(&event.event_type, event.occurred_at, &event.payload);
            evaluator.evaluate(TenantId::new(), endpoints, &event, &view, &backlogs)
        };
        Ok(evaluating.await?.into_iter().map(|target| target.state).collect())
    }

    #[tokio::test]
    async fn heavy_filters_of_one_endpoint_do_not_decide_for_the_others() {
        let evaluator = Evaluator::new(1_000_000);
        // 40,000 steps each: a hundred of them would take more than twice what an event may.
        let heavy: Vec<String> = (0..100)
            .map(|n| format!("payload.tags.exists(t, t == {})", n + 2))
            .collect();
        let heavy: Vec<&str> = heavy.iter().map(String::as_str).collect();
        let light = ["size(payload.tags) > 5"];
        let heaviest = endpoint(&heavy);
        let (wanted, unwanted) = (endpoint(&light), endpoint(&["payload.tags[0] == 2"]));
        let endpoints = vec![heaviest.clone(), wanted.clone(), heaviest, wanted, unwanted];
        let starts = evaluated(&evaluator, endpoints).await.unwrap();
        let (over, at_once) = (InitialState::Undecided, InitialState::AtOnce);
        assert_eq!(starts, [over, at_once, over, at_once, InitialState::Filtered]);
    }

    #[tokio::test]
    async fn what_takes_long_in_all_but_little_each_is_decided() {
        let evaluator = Evaluator::new(1_000_000);
        let endpoints = (0..30).map(|_| endpoint(&["payload.tags.exists(t, t == 2)"])).collect();
        let starts = evaluated(&evaluator, endpoints).await.unwrap();
        assert_eq!(starts, [InitialState::Filtered; 30]);
    }

    #[tokio::test]
    async fn who_has_too_much_waiting_is_told_to_slow_down() {
        let filters = Filters::default().of(TenantId::new());
        let first = Waiting::of(&filters, 5_000, 1_000);
        assert!(first.is_some(), "one may always wait");
        assert!(Waiting::of(&filters, 1, 1_000).is_none());
        drop(first);
        let two = [Waiting::of(&filters, 500, 1_000), Waiting::of(&filters, 500, 1_000)];
        assert!(two.iter().all(Option::is_some) && Waiting::of(&filters, 1, 1_000).is_none());
    }
}
