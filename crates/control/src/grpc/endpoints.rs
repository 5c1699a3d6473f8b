//! `tidings.v1.EndpointService`.

use std::time::Duration;

use tidings_domain::outcome::StatusRange;
use tidings_domain::{Endpoint, EndpointId, Overrides, RateLimit, Schedule, Secret, Subscription};
use tidings_proto::pb::endpoint_service_server::EndpointService;
use tidings_proto::{duration, pb, timestamp};
use tidings_service::problem::Problem;
use tidings_service::request::{next_page, optional, page_size, required};
use tidings_store::Access;
use tonic::{Request, Response, Status};

use super::caller;
use crate::endpoints::{EndpointChange, Endpoints, NewEndpoint};

/// The gRPC face of [`Endpoints`].
pub struct EndpointFace {
    endpoints: Endpoints,
    access: Access,
}

impl EndpointFace {
    pub(crate) fn new(endpoints: Endpoints, access: Access) -> Self {
        Self { endpoints, access }
    }

    async fn switch<T>(
        &self,
        request: &Request<T>,
        id: &str,
        on: bool,
        cancel_held: bool,
    ) -> Result<Response<pb::Endpoint>, Status> {
        let caller = caller(&self.access, request)?;
        let change = EndpointChange {
            enabled: Some(on),
            cancel_held,
            ..EndpointChange::default()
        };
        let endpoint = self.endpoints.update(&caller, endpoint_id(id)?, change).await?;
        Ok(Response::new(show(&endpoint)))
    }
}

#[tonic::async_trait]
impl EndpointService for EndpointFace {
    async fn create_endpoint(
        &self,
        request: Request<pb::CreateEndpointRequest>,
    ) -> Result<Response<pb::Endpoint>, Status> {
        let caller = caller(&self.access, &request)?;
        let request = request.into_inner();
        let asked = request.endpoint.ok_or_else(|| missing("endpoint"))?;
        let secret = if asked.secret.is_empty() && !asked.unsigned {
            Some(Secret::generate())
        } else {
            read_secret(&asked)?
        };
        let new = NewEndpoint {
            tenant: optional(&asked.tenant_id, "tenant_id")?,
            subscriptions: read_subscriptions(&asked.subscriptions)?,
            overrides: Overrides {
                schedule: read_schedule(&asked.schedule)?,
                timeout: read_timeout(asked.timeout.as_ref())?,
                final_statuses: read_statuses(&asked.final_statuses)?,
                concurrency: Some(asked.concurrency).filter(|cap| *cap > 0),
                rate_limit: read_rate_limit(&asked),
            },
            name: asked.name,
            url: asked.url,
            dialect: Some(asked.dialect).filter(|name| !name.is_empty()),
            secret,
            enabled: !request.disabled,
        };
        let endpoint = self.endpoints.create(&caller, new).await?;
        let secret = endpoint
            .secret
            .as_ref()
            .map(|secret| secret.reveal().to_owned())
            .unwrap_or_default();
        Ok(Response::new(pb::Endpoint {
            secret,
            ..show(&endpoint)
        }))
    }

    async fn get_endpoint(&self, request: Request<pb::GetEndpointRequest>) -> Result<Response<pb::Endpoint>, Status> {
        let caller = caller(&self.access, &request)?;
        let endpoint = self
            .endpoints
            .get(&caller, endpoint_id(&request.get_ref().endpoint_id)?)
            .await?;
        Ok(Response::new(show(&endpoint)))
    }

    async fn list_endpoints(
        &self,
        request: Request<pb::ListEndpointsRequest>,
    ) -> Result<Response<pb::ListEndpointsResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        let request = request.into_inner();
        let tenant = optional(&request.tenant_id, "tenant_id")?;
        let limit = page_size(request.page_size)?;
        let before = optional(&request.page_token, "page_token")?;
        let endpoints = self.endpoints.list(&caller, tenant, before, limit).await?;
        let next_page_token = next_page(&endpoints, limit, |endpoint| endpoint.id.to_string());
        let endpoints = endpoints.iter().map(show).collect();
        Ok(Response::new(pb::ListEndpointsResponse {
            endpoints,
            next_page_token,
        }))
    }

    async fn update_endpoint(
        &self,
        request: Request<pb::UpdateEndpointRequest>,
    ) -> Result<Response<pb::Endpoint>, Status> {
        let caller = caller(&self.access, &request)?;
        let request = request.into_inner();
        let asked = request.endpoint.ok_or_else(|| missing("endpoint"))?;
        let id = endpoint_id(&asked.id)?;
        let mask = request.update_mask.ok_or_else(|| missing("update_mask"))?;
        let change = read_change(&asked, &mask.paths)?;
        let endpoint = self.endpoints.update(&caller, id, change).await?;
        Ok(Response::new(show(&endpoint)))
    }

    async fn delete_endpoint(
        &self,
        request: Request<pb::DeleteEndpointRequest>,
    ) -> Result<Response<pb::DeleteEndpointResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        self.endpoints
            .delete(&caller, endpoint_id(&request.get_ref().endpoint_id)?)
            .await?;
        Ok(Response::new(pb::DeleteEndpointResponse {}))
    }

    async fn enable_endpoint(
        &self,
        request: Request<pb::EnableEndpointRequest>,
    ) -> Result<Response<pb::Endpoint>, Status> {
        let cancel_held = request.get_ref().held() == pb::Held::Cancel;
        self.switch(&request, &request.get_ref().endpoint_id, true, cancel_held)
            .await
    }

    async fn disable_endpoint(
        &self,
        request: Request<pb::DisableEndpointRequest>,
    ) -> Result<Response<pb::Endpoint>, Status> {
        self.switch(&request, &request.get_ref().endpoint_id, false, false)
            .await
    }

    async fn get_endpoint_secret(
        &self,
        request: Request<pb::GetEndpointSecretRequest>,
    ) -> Result<Response<pb::GetEndpointSecretResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        let secret = self
            .endpoints
            .secret(&caller, endpoint_id(&request.get_ref().endpoint_id)?)
            .await?;
        let secret = secret.map(|secret| secret.reveal().to_owned()).unwrap_or_default();
        Ok(Response::new(pb::GetEndpointSecretResponse { secret }))
    }
}

fn endpoint_id(text: &str) -> Result<EndpointId, Problem> {
    required(text, "endpoint_id")
}

fn missing(field: &str) -> Problem {
    Problem::invalid("field_missing", format!("`{field}` is missing")).at(field)
}

fn read_change(asked: &pb::Endpoint, paths: &[String]) -> Result<EndpointChange, Problem> {
    let mut change = EndpointChange::default();
    for path in paths {
        match path.as_str() {
            "name" => change.name = Some(asked.name.clone()),
            "url" => change.url = Some(asked.url.clone()),
            "dialect" => change.dialect = Some(asked.dialect.clone()),
            "subscriptions" => change.subscriptions = Some(read_subscriptions(&asked.subscriptions)?),
            "schedule" => {
                let schedule = read_schedule(&asked.schedule)?;
                change
                    .overrides
                    .push(Box::new(move |overrides| overrides.schedule.clone_from(&schedule)));
            }
            "timeout" => {
                let timeout = read_timeout(asked.timeout.as_ref())?;
                change
                    .overrides
                    .push(Box::new(move |overrides| overrides.timeout = timeout));
            }
            "final_statuses" => {
                let statuses = read_statuses(&asked.final_statuses)?;
                change.overrides.push(Box::new(move |overrides| {
                    overrides.final_statuses.clone_from(&statuses)
                }));
            }
            "concurrency" => {
                let cap = Some(asked.concurrency).filter(|cap| *cap > 0);
                change
                    .overrides
                    .push(Box::new(move |overrides| overrides.concurrency = cap));
            }
            "rate_per_second" => {
                let limit = read_rate_limit(asked);
                change
                    .overrides
                    .push(Box::new(move |overrides| overrides.rate_limit = limit));
            }
            "secret" => change.secret = Some(read_secret(asked)?),
            other => {
                let detail = format!(
                    "`{other}` can't be changed this way: use name, url, dialect, subscriptions, schedule, timeout, \
                     final_statuses, concurrency, rate_per_second, secret; or EnableEndpoint and DisableEndpoint"
                );
                return Err(Problem::invalid("field_unknown", detail).at("update_mask"));
            }
        }
    }
    Ok(change)
}

/// The rate limit that is asked for; a burst that is left out is one second's worth.
fn read_rate_limit(asked: &pb::Endpoint) -> Option<RateLimit> {
    let per_second = Some(asked.rate_per_second).filter(|rate| *rate > 0)?;
    let burst = Some(asked.rate_burst).filter(|burst| *burst > 0).unwrap_or(per_second);
    Some(RateLimit { per_second, burst })
}

/// The secret that is asked for; none if requests are not to be signed.
fn read_secret(asked: &pb::Endpoint) -> Result<Option<Secret>, Problem> {
    let problem = |code, detail: String| Problem::invalid(code, detail).at("secret");
    match (asked.unsigned, asked.secret.as_str()) {
        (true, "") => Ok(None),
        (true, _) => {
            let detail = "`unsigned` and `secret` contradict each other: leave one of them out";
            Err(problem("secret_contradiction", detail.to_owned()))
        }
        (false, text) => match Secret::new(text) {
            Ok(secret) => Ok(Some(secret)),
            Err(error) => Err(problem("secret_invalid", error.to_string())),
        },
    }
}

fn read_subscriptions(asked: &[pb::Subscription]) -> Result<Vec<Subscription>, Problem> {
    asked
        .iter()
        .map(|subscription| match subscription.pattern.parse() {
            Ok(pattern) => Ok(Subscription {
                pattern,
                enabled: !subscription.disabled,
            }),
            Err(error) => Err(Problem::invalid("pattern_invalid", format!("{error}")).at("subscriptions")),
        })
        .collect()
}

fn read_schedule(waits: &[prost_types::Duration]) -> Result<Option<Schedule>, Problem> {
    if waits.is_empty() {
        return Ok(None);
    }
    let wrong = |detail: String| Problem::invalid("schedule_invalid", detail).at("schedule");
    let waits = waits
        .iter()
        .map(|wait| Duration::try_from(*wait).map_err(|_| wrong("a wait can't be negative".into())))
        .collect::<Result<_, _>>()?;
    Schedule::new(waits).map(Some).map_err(|error| wrong(error.to_string()))
}

fn read_timeout(timeout: Option<&prost_types::Duration>) -> Result<Option<Duration>, Problem> {
    let wrong = || Problem::invalid("timeout_invalid", "a timeout is 1s to 60s").at("timeout");
    timeout
        .map(|timeout| Duration::try_from(*timeout).map_err(|_| wrong()))
        .transpose()
}

fn read_statuses(statuses: &[String]) -> Result<Option<Vec<StatusRange>>, Problem> {
    if statuses.is_empty() {
        return Ok(None);
    }
    let read = |text: &String| {
        text.parse()
            .map_err(|error| Problem::invalid("status_invalid", format!("{error}")).at("final_statuses"))
    };
    statuses.iter().map(read).collect::<Result<_, _>>().map(Some)
}

fn show(endpoint: &Endpoint) -> pb::Endpoint {
    let overrides = &endpoint.overrides;
    pb::Endpoint {
        id: endpoint.id.to_string(),
        tenant_id: endpoint.tenant.to_string(),
        name: endpoint.name.clone(),
        url: endpoint.url.to_string(),
        dialect: endpoint.dialect.clone(),
        subscriptions: endpoint
            .subscriptions
            .iter()
            .map(|s| pb::Subscription {
                pattern: s.pattern.to_string(),
                disabled: !s.enabled,
            })
            .collect(),
        enabled: endpoint.enabled,
        schedule: overrides
            .schedule
            .iter()
            .flat_map(Schedule::waits)
            .map(|wait| duration(*wait))
            .collect(),
        timeout: overrides.timeout.map(duration),
        final_statuses: overrides
            .final_statuses
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect(),
        concurrency: overrides.concurrency.unwrap_or(0),
        rate_per_second: overrides.rate_limit.map_or(0, |limit| limit.per_second),
        rate_burst: overrides.rate_limit.map_or(0, |limit| limit.burst),
        secret: String::new(),
        unsigned: endpoint.secret.is_none(),
        created_at: Some(timestamp(endpoint.created_at)),
        updated_at: Some(timestamp(endpoint.updated_at)),
    }
}
