//! Operations on replays, and retries of single deliveries.
//!
//! Control validates and stores replays; the log service works them off.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tidings_domain::{DeliveryId, Endpoint, EndpointId, ReplayId, Scope, TenantId, Timestamp};
use tidings_proto::pb::log_rows;
use tidings_proto::{pb, timestamp};
use tidings_service::problem::Problem;
use tidings_service::request::{optional, required};
use tidings_store::Store;
use tidings_store::ledger::Counted;
use tidings_store::replays::{Progress, Replay, ReplayState, Retried};
use tonic::{Code, Status};

use crate::call::Call;
use crate::endpoints::{Endpoints, tenant_missing};
use crate::logs::LogClient;
use crate::{audit, now};

/// Default number of deliveries that a replay makes per second.
const PER_SECOND: u32 = 200;
const MAX_PER_SECOND: u32 = 10_000;

/// `true` if an error says nothing about the request and may pass in a moment.
fn can_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled
    )
}

pub struct Replays {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) logs: LogClient,
}

pub struct NewReplay {
    /// The selected rows of the log.
    pub rows: pb::LogRows,
    /// The endpoint to send everything to; `None` for where each went before.
    pub to: Option<EndpointId>,
    /// `true` to leave out events that the endpoint has received by now.
    pub only_undelivered: bool,
    /// Maximum number of deliveries per second; 0 for the default.
    pub per_second: u32,
}

impl Replays {
    /// Counts the rows that a replay would visit; `true` if there may be more.
    pub async fn preview(&self, call: &Call, rows: pb::LogRows) -> Result<(u64, bool), Status> {
        call.require(Scope::Read)?;
        let counted = self.logs.count(&call.authorization, rows).await?;
        Ok((counted.rows, counted.at_least))
    }

    /// Validates and stores a replay, which the log service begins at once.
    pub async fn create(&self, call: &Call, mut new: NewReplay) -> Result<Replay, Status> {
        call.require(Scope::Manage)?;
        let tenant = owner(call, &mut new.rows)?;
        let per_second = per_second(new.per_second)?;
        match new.to {
            Some(to) => {
                self.of_tenant(call, to, tenant).await?;
            }
            None if matches!(new.rows.rows, Some(log_rows::Rows::Events(_))) => {
                let detail = "events belong to no single endpoint: name the endpoint to send them to";
                return Err(Problem::invalid("endpoint_missing", detail).at("endpoint_id").into());
            }
            None => {}
        }
        // What was accepted after the replay was asked for is not meant.
        let at = now();
        end_at(&mut new.rows, at);
        let counted = self.counted(call, &new.rows).await?;
        let replay = Replay {
            id: ReplayId::new(),
            tenant,
            rows: new.rows.encode_to_vec().into(),
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
    async fn counted(&self, call: &Call, rows: &pb::LogRows) -> Result<Counted, Status> {
        match self.logs.count(&call.authorization, rows.clone()).await {
            Ok(counted) => Ok(Counted {
                rows: counted.rows,
                at_least: counted.at_least,
            }),
            // The job visits the rows in any case, so a log that can't count them right now is no reason to refuse it.
            Err(status) if can_pass(status.code()) => {
                tracing::debug!(%status, "the rows of a replay can't be counted right now");
                Ok(Counted {
                    rows: 0,
                    at_least: true,
                })
            }
            Err(refused) => Err(refused),
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
    ) -> Result<Replay, Status> {
        call.require(Scope::Manage)?;
        let endpoint = self.endpoints.find(call, endpoint).await?;
        let Some(since) = since else {
            return Err(Problem::invalid("since_missing", "say since when").at("since").into());
        };
        if until.is_some_and(|until| until <= since) {
            let detail = "`until` must be later than `since`";
            return Err(Problem::invalid("range_empty", detail).at("until").into());
        }
        let filter = pb::DeliveryFilter {
            tenant_id: endpoint.tenant.to_string(),
            endpoint_id: endpoint.id.to_string(),
            states: vec!["exhausted".into()],
            since: Some(timestamp(since)),
            until: until.map(timestamp),
            ..pb::DeliveryFilter::default()
        };
        let new = NewReplay {
            rows: pb::LogRows {
                rows: Some(log_rows::Rows::Deliveries(filter)),
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
    pub async fn retry(&self, call: &Call, id: DeliveryId) -> Result<pb::RetryDeliveryResponse, Status> {
        call.require(Scope::Manage)?;
        let delivery = self.logs.delivery(&call.authorization, id.to_string()).await?;
        let (tenant, endpoint) = (
            required(&delivery.tenant_id, "tenant_id")?,
            required(&delivery.endpoint_id, "endpoint_id")?,
        );
        let endpoint = self.of_tenant(call, endpoint, tenant).await?;
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
        match retried {
            Some(Retried::Again(new)) => Ok(told(
                new,
                "sent_again",
                "It had ended: this new delivery of its event is sent.",
            )),
            Some(Retried::Hastened) => Ok(told(id, "due_now", "It waited: its next attempt is due now.")),
            Some(Retried::AlreadyDue) => Ok(told(
                id,
                "already_due",
                "Its next attempt was already due: nothing changed.",
            )),
            Some(Retried::UnderWay) => Ok(told(
                id,
                "under_way",
                "Its attempt is on its way already: nothing changed.",
            )),
            Some(Retried::NotAgain) => {
                let detail =
                    "its event only tested the endpoint, or its content was erased: there is nothing left to send";
                Err(Problem::conflict("nothing_to_send", detail).into())
            }
            None => Err(Problem::not_found("delivery_unknown", format!("there is no delivery {id}")).into()),
        }
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

fn told(delivery: DeliveryId, result: &str, note: &str) -> pb::RetryDeliveryResponse {
    pb::RetryDeliveryResponse {
        delivery_id: delivery.to_string(),
        result: result.to_owned(),
        note: note.to_owned(),
    }
}

/// Determines the tenant of the rows, and restricts them to it.
fn owner(call: &Call, rows: &mut pb::LogRows) -> Result<TenantId, Problem> {
    let named = match &mut rows.rows {
        Some(log_rows::Rows::Attempts(filter)) => &mut filter.tenant_id,
        Some(log_rows::Rows::Deliveries(filter)) => &mut filter.tenant_id,
        Some(log_rows::Rows::Events(filter)) => &mut filter.tenant_id,
        None => {
            let detail = "name the rows to use: attempts, deliveries or events";
            return Err(Problem::invalid("rows_missing", detail).at("rows"));
        }
    };
    let tenant = call.tenant(optional(named, "tenant_id")?)?.ok_or_else(tenant_missing)?;
    *named = tenant.to_string();
    Ok(tenant)
}

/// Leaves out what comes after this time.
fn end_at(rows: &mut pb::LogRows, at: Timestamp) {
    let until = match &mut rows.rows {
        Some(log_rows::Rows::Attempts(filter)) => &mut filter.until,
        Some(log_rows::Rows::Deliveries(filter)) => &mut filter.until,
        Some(log_rows::Rows::Events(filter)) => &mut filter.until,
        None => return,
    };
    // Ids bear milliseconds: what was made in this one is meant as well.
    let end = at.saturating_add(Duration::from_millis(1)).unwrap_or(at);
    until.get_or_insert(timestamp(end));
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
