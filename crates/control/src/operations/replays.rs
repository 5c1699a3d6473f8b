//! Operations on replays, and retries of single deliveries.
//!
//! Control validates and stores replays; the log service works them off.

mod rows;

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{DeliveryId, Endpoint, EndpointId, ReplayId, Scope, TenantId, Timestamp};
use tidings_service::problem::Problem;
use tidings_service::request::optional;
use tidings_store::Store;
use tidings_store::ledger::Counted;
use tidings_store::replays::{Progress, Replay, ReplayState, Retried};

pub use self::rows::{AttemptFilter, DeliveryFilter, Filter, Rows};
use crate::call::Call;
use crate::endpoints::{Endpoints, tenant_missing};
use crate::error::Error;
use crate::logs::LogClient;
use crate::{audit, messages, now};

/// Default number of deliveries that a replay makes per second.
const PER_SECOND: u32 = 200;
const MAX_PER_SECOND: u32 = 10_000;

pub struct Replays {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) logs: LogClient,
}

pub struct NewReplay {
    /// The selected rows of the log.
    pub rows: Rows,
    /// The endpoint to send everything to; `None` for where each went before.
    pub to: Option<EndpointId>,
    /// `true` to leave out events that the endpoint has received by now.
    pub only_undelivered: bool,
    /// Maximum number of deliveries per second; 0 for the default.
    pub per_second: u32,
}

/// The result of sending one delivery again.
pub struct Retry {
    /// The delivery to look at: a new one, or the same whose wait was ended.
    pub(crate) delivery: DeliveryId,
    /// A word for programs, such as `due_now`.
    pub(crate) result: &'static str,
    /// The same as a sentence.
    pub(crate) note: &'static str,
}

impl Replays {
    /// Counts the rows that a replay would visit.
    pub async fn preview(&self, call: &Call, rows: &Rows) -> Result<Counted, Error> {
        call.require(Scope::Read)?;
        self.logs.count(call, rows).await
    }

    /// Validates and stores a replay, which the log service begins at once.
    pub async fn create(&self, call: &Call, mut new: NewReplay) -> Result<Replay, Error> {
        call.require(Scope::Manage)?;
        let tenant = owner(call, &mut new.rows)?;
        let per_second = per_second(new.per_second)?;
        match new.to {
            Some(to) => {
                self.of_tenant(call, to, tenant).await?;
            }
            None if matches!(new.rows.filter, Filter::Events { .. }) => {
                let detail = "events belong to no single endpoint: name the endpoint to send them to";
                return Err(Problem::invalid("endpoint_missing", detail).at("endpoint_id").into());
            }
            None => {}
        }
        // What was accepted after the replay was asked for is not meant.
        let at = now();
        new.rows.until.get_or_insert(end(at));
        let counted = self.counted(call, &new.rows).await?;
        let replay = Replay {
            id: ReplayId::new(),
            tenant,
            rows: messages::rows::store(&new.rows),
            to: new.to,
            only_undelivered: new.only_undelivered,
            per_second,
            state: ReplayState::Running,
            matched: counted.rows,
            matched_at_least: counted.at_least,
            progress: Progress::default(),
            error: String::new(),
            created_at: at,
            updated_at: at,
            ended_at: None,
        };
        let entry = call.entry("replay.created", replay.id, Some(tenant), None, audit::replay(&replay));
        self.store.create_replay(&replay, &entry).await.map_err(Problem::from)?;
        Ok(replay)
    }

    /// Counts the rows of a new replay, as far as the log can at the moment. Invalid conditions are rejected.
    async fn counted(&self, call: &Call, rows: &Rows) -> Result<Counted, Error> {
        match self.logs.count(call, rows).await {
            // The job visits the rows in any case, so a log that can't count them right now is no reason to refuse it.
            Err(error) if error.can_pass() => {
                tracing::debug!(%error, "the rows of a replay can't be counted right now");
                Ok(Counted {
                    rows: 0,
                    at_least: true,
                })
            }
            counted => counted,
        }
    }

    /// Starts a replay of an endpoint's exhausted deliveries of events accepted in this time, without events that it
    /// received later.
    pub async fn recover(
        &self,
        call: &Call,
        endpoint: EndpointId,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        per_second: u32,
    ) -> Result<Replay, Error> {
        call.require(Scope::Manage)?;
        let endpoint = self.endpoints.find(call, endpoint).await?;
        let Some(since) = since else {
            return Err(Problem::invalid("since_missing", "say since when").at("since").into());
        };
        if until.is_some_and(|until| until <= since) {
            let detail = "`until` must be later than `since`";
            return Err(Problem::invalid("range_empty", detail).at("until").into());
        }
        let filter = DeliveryFilter {
            endpoint_id: endpoint.id.to_string(),
            states: vec!["exhausted".into()],
            ..DeliveryFilter::default()
        };
        let new = NewReplay {
            rows: Rows {
                tenant_id: endpoint.tenant.to_string(),
                since: Some(since),
                until,
                filter: Filter::Deliveries(filter),
            },
            to: None,
            // What arrived after all, by a retry of its own, is not sent again.
            only_undelivered: true,
            per_second,
        };
        self.create(call, new).await
    }

    /// The replay with this id, if the caller may read it.
    pub async fn get(&self, call: &Call, id: ReplayId) -> Result<Replay, Problem> {
        call.require(Scope::Read)?;
        self.find(call, id).await
    }

    /// A tenant's replays, newest first, one page.
    pub async fn list(
        &self,
        call: &Call,
        tenant: Option<TenantId>,
        before: Option<ReplayId>,
        limit: u32,
    ) -> Result<Vec<Replay>, Problem> {
        call.require(Scope::Read)?;
        let Some(tenant) = call.tenant(tenant)? else {
            return Err(tenant_missing());
        };
        Ok(self.store.replays(tenant, before, limit).await?)
    }

    /// Stops a replay until it is resumed.
    pub async fn pause(&self, call: &Call, id: ReplayId) -> Result<Replay, Problem> {
        self.turn(call, id, ReplayState::Paused, "replay.paused").await
    }

    /// Lets a paused replay go on.
    pub async fn resume(&self, call: &Call, id: ReplayId) -> Result<Replay, Problem> {
        self.turn(call, id, ReplayState::Running, "replay.resumed").await
    }

    /// Ends a replay for good; deliveries already made stay.
    pub async fn cancel(&self, call: &Call, id: ReplayId) -> Result<Replay, Problem> {
        self.turn(call, id, ReplayState::Cancelled, "replay.cancelled").await
    }

    /// Sends one delivery again: one that has ended as a new delivery, one that waits by ending its wait.
    pub async fn retry(&self, call: &Call, id: DeliveryId) -> Result<Retry, Error> {
        call.require(Scope::Manage)?;
        let delivery = self.logs.delivery(call, id).await?;
        let tenant = delivery.tenant;
        let endpoint = self.of_tenant(call, delivery.endpoint, tenant).await?;
        if delivery.state == "held" && !endpoint.enabled {
            let detail = "its endpoint is disabled, so it would only be held again: enable the endpoint";
            return Err(Problem::conflict("endpoint_disabled", detail).into());
        }
        let entry = call.entry("delivery.retried", id, Some(tenant), None, None);
        let retried = self
            .store
            .retry_delivery(id, tenant, now(), &entry)
            .await
            .map_err(Problem::from)?;
        let (delivery, result, note) = match retried {
            Some(Retried::Again(new)) => (
                new,
                "sent_again",
                "It had ended: this new delivery of its event is sent.",
            ),
            Some(Retried::Hastened) => (id, "due_now", "It waited: its next attempt is due now."),
            Some(Retried::AlreadyDue) => (id, "already_due", "Its next attempt was already due: nothing changed."),
            Some(Retried::UnderWay) => (id, "under_way", "Its attempt is on its way already: nothing changed."),
            Some(Retried::NotAgain) => {
                let detail =
                    "its event only tested the endpoint, or its content was erased: there is nothing left to send";
                return Err(Problem::conflict("nothing_to_send", detail).into());
            }
            None => {
                return Err(Problem::not_found("delivery_unknown", format!("there is no delivery {id}")).into());
            }
        };
        Ok(Retry { delivery, result, note })
    }

    /// Puts a replay into another state; one that is there already stays as it is.
    async fn turn(&self, call: &Call, id: ReplayId, to: ReplayState, action: &str) -> Result<Replay, Problem> {
        call.require(Scope::Manage)?;
        loop {
            let replay = self.find(call, id).await?;
            if replay.state == to {
                return Ok(replay);
            }
            if replay.state.has_ended() {
                let detail = format!("the replay has {} already: start another", replay.state.as_str());
                return Err(Problem::conflict("replay_ended", detail).at("replay_id"));
            }
            let (tenant, before) = (Some(replay.tenant), audit::replay(&replay));
            let after = audit::replay(&Replay {
                state: to,
                ..replay.clone()
            });
            let entry = call.entry(action, id, tenant, before, after);
            if self
                .store
                // The state is part of the condition, so whoever loses against a change meanwhile looks again.
                .transition_replay(id, replay.state, to, now(), &entry)
                .await?
            {
                return self.find(call, id).await;
            }
        }
    }

    /// A replay that the caller may know of; all others do not exist.
    async fn find(&self, call: &Call, id: ReplayId) -> Result<Replay, Problem> {
        self.store
            .replay(id)
            .await?
            .filter(|replay| call.tenant(Some(replay.tenant)).is_ok())
            .ok_or_else(|| Problem::not_found("replay_unknown", format!("there is no replay {id}")).at("replay_id"))
    }

    /// An endpoint, if it is this tenant's.
    async fn of_tenant(&self, call: &Call, id: EndpointId, tenant: TenantId) -> Result<Endpoint, Problem> {
        let endpoint = self.endpoints.find(call, id).await?;
        if endpoint.tenant != tenant {
            let detail = format!("{id} belongs to another tenant than the events");
            return Err(Problem::invalid("endpoint_of_other_tenant", detail).at("endpoint_id"));
        }
        Ok(endpoint)
    }
}

/// Determines the tenant of the rows, and restricts them to it.
fn owner(call: &Call, rows: &mut Rows) -> Result<TenantId, Problem> {
    let named = optional(&rows.tenant_id, "tenant_id")?;
    let tenant = call.tenant(named)?.ok_or_else(tenant_missing)?;
    rows.tenant_id = tenant.to_string();
    Ok(tenant)
}

/// The end of what is meant by a replay that is asked for at this time.
fn end(at: Timestamp) -> Timestamp {
    // Ids bear milliseconds: what was made in this one is meant as well.
    at.saturating_add(Duration::from_millis(1)).unwrap_or(at)
}

fn per_second(asked: u32) -> Result<u32, Problem> {
    match asked {
        0 => Ok(PER_SECOND),
        1..=MAX_PER_SECOND => Ok(asked),
        _ => {
            let detail = format!("a replay makes 1 to {MAX_PER_SECOND} deliveries per second");
            Err(Problem::invalid("rate_invalid", detail).at("per_second"))
        }
    }
}
