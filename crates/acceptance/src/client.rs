//! Speaking to a running system over gRPC.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidings_proto::pb;
use tidings_proto::pb::attempt_log_service_client::AttemptLogServiceClient;
use tidings_proto::pb::endpoint_service_client::EndpointServiceClient;
use tidings_proto::pb::erasure_service_client::ErasureServiceClient;
use tidings_proto::pb::event_service_client::EventServiceClient;
use tidings_proto::pb::event_type_service_client::EventTypeServiceClient;
use tidings_proto::pb::explain_service_client::ExplainServiceClient;
use tidings_proto::pb::replay_service_client::ReplayServiceClient;
use tidings_proto::pb::tenant_service_client::TenantServiceClient;
use tidings_service::problem::Problem;
use tidings_testkit::wait_until;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::SOON;

/// URLs of a system's services. Standalone has one for all that speak gRPC.
#[derive(Debug, Clone)]
pub struct Servers {
    pub ingest: String,
    /// The address of `/api/v2/events`.
    pub http: String,
    /// HTTP: everything else under `/api/v2`.
    pub rest: String,
    pub log: String,
    pub control: String,
}

/// Speaks to the services with one key. Cheap to clone; connects when it is used, and again after an outage.
#[derive(Debug, Clone)]
pub struct Client {
    ingest: Keyed,
    log: Keyed,
    control: Keyed,
}

/// A new tenant with its first key.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub id: String,
    /// The token of its first key, which has all scopes.
    pub token: String,
}

type Keyed = InterceptedService<Channel, Key>;

/// Adds the key to every request.
#[derive(Debug, Clone)]
pub struct Key(MetadataValue<Ascii>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// An endpoint that wants everything, to be changed as the test needs and then made.
pub fn endpoint(tenant: &Tenant, url: &str) -> pb::Endpoint {
    pb::Endpoint {
        tenant_id: tenant.id.clone(),
        url: url.to_owned(),
        subscriptions: vec![pb::Subscription {
            pattern: "*".to_owned(),
            disabled: false,
            ..pb::Subscription::default()
        }],
        ..pb::Endpoint::default()
    }
}

/// The stable code of a refusal, as in `idempotency_key_reused`.
pub fn problem_code(status: &Status) -> String {
    Problem::from_status(status).0
}

impl Client {
    /// A client that sends this token.
    pub fn new(servers: &Servers, token: &str) -> Self {
        let key = Key(format!("Bearer {token}").parse().expect("a token is visible ASCII"));
        let to = |server: &str| {
            let endpoint = Endpoint::from_shared(server.to_owned()).expect("the address of a server");
            let endpoint = endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true);
            InterceptedService::new(endpoint.connect_lazy(), key.clone())
        };
        Self {
            ingest: to(&servers.ingest),
            log: to(&servers.log),
            control: to(&servers.control),
        }
    }

    pub fn events(&self) -> EventServiceClient<Keyed> {
        EventServiceClient::new(self.ingest.clone())
    }

    pub fn log(&self) -> AttemptLogServiceClient<Keyed> {
        AttemptLogServiceClient::new(self.log.clone())
    }

    pub fn tenants(&self) -> TenantServiceClient<Keyed> {
        TenantServiceClient::new(self.control.clone())
    }

    pub fn endpoints(&self) -> EndpointServiceClient<Keyed> {
        EndpointServiceClient::new(self.control.clone())
    }

    pub fn event_types(&self) -> EventTypeServiceClient<Keyed> {
        EventTypeServiceClient::new(self.control.clone())
    }

    pub fn replays(&self) -> ReplayServiceClient<Keyed> {
        ReplayServiceClient::new(self.control.clone())
    }

    pub fn explanations(&self) -> ExplainServiceClient<Keyed> {
        ExplainServiceClient::new(self.control.clone())
    }

    pub fn erasures(&self) -> ErasureServiceClient<Keyed> {
        ErasureServiceClient::new(self.control.clone())
    }

    /// Waits until a replay has ended.
    pub async fn wait_for_replay(&self, replay: &pb::Replay) -> pb::Replay {
        let mut seen = replay.clone();
        wait_until(SOON, &format!("{} to end", replay.id), async || {
            let request = pb::GetReplayRequest {
                replay_id: replay.id.clone(),
            };
            let found = self.replays().get_replay(request).await;
            seen = found.expect("the replay can be seen").into_inner();
            seen.ended_at.is_some()
        })
        .await;
        seen
    }

    /// Makes a tenant; ingest knows it when this returns.
    pub async fn create_tenant(&self, name: &str) -> Tenant {
        let request = pb::CreateTenantRequest { name: name.to_owned() };
        let made = self
            .tenants()
            .create_tenant(request)
            .await
            .expect("a tenant can be made")
            .into_inner();
        let tenant = Tenant {
            id: made.tenant.expect("the tenant").id,
            token: made.token,
        };
        self.ingest_knows(&tenant.id).await;
        tenant
    }

    /// Makes an endpoint; ingest knows it when this returns. The answer has its secret.
    pub async fn create_endpoint(&self, endpoint: pb::Endpoint) -> pb::Endpoint {
        let request = pb::CreateEndpointRequest {
            endpoint: Some(endpoint),
            disabled: false,
        };
        let made = self
            .endpoints()
            .create_endpoint(request)
            .await
            .expect("an endpoint can be made")
            .into_inner();
        self.ingest_is_up_to_date().await;
        made
    }

    /// Publishes an event that is accepted, and returns its id.
    pub async fn publish(&self, tenant: &Tenant, event_type: &str, payload: Value) -> String {
        let request = request(tenant, event_type, payload);
        self.events()
            .publish(request)
            .await
            .expect("the event is accepted")
            .into_inner()
            .event_id
    }

    /// The deliveries of an event; none while the ledger does not know the event.
    pub async fn deliveries_of(&self, event: &str) -> Vec<pb::Delivery> {
        let request = pb::GetEventRequest {
            event_id: event.to_owned(),
        };
        match self.log().get_event(request).await {
            Ok(found) => found.into_inner().deliveries,
            Err(status) if status.code() == Code::NotFound => Vec::new(),
            Err(status) => panic!("the deliveries of {event}: {status}"),
        }
    }

    /// The attempts of an event, first to last.
    pub async fn attempts_of(&self, event: &str) -> Vec<pb::Attempt> {
        let filter = pb::AttemptFilter {
            event_id: event.to_owned(),
            ..pb::AttemptFilter::default()
        };
        let request = pb::ListAttemptsRequest {
            filter: Some(filter),
            page_size: 200,
            page_token: String::new(),
        };
        let found = self.log().list_attempts(request).await;
        let mut attempts = found
            .unwrap_or_else(|status| panic!("the attempts of {event}: {status}"))
            .into_inner()
            .attempts;
        attempts.reverse();
        attempts
    }

    /// All deliveries to an endpoint, newest first.
    pub async fn deliveries_to(&self, endpoint: &pb::Endpoint) -> Vec<pb::Delivery> {
        let mut request = pb::ListDeliveriesRequest {
            endpoint_id: endpoint.id.clone(),
            page_size: 200,
            ..pb::ListDeliveriesRequest::default()
        };
        let mut deliveries = Vec::new();
        loop {
            let page = self.log().list_deliveries(request.clone()).await;
            let page = page
                .unwrap_or_else(|status| panic!("the deliveries to {}: {status}", endpoint.id))
                .into_inner();
            deliveries.extend(page.deliveries);
            if page.next_page_token.is_empty() {
                return deliveries;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Waits until the deliveries of these events to an endpoint are all in this state.
    pub async fn wait_for_all(&self, events: &[String], endpoint: &pb::Endpoint, state: &str) {
        let mut left: HashSet<&str> = events.iter().map(String::as_str).collect();
        let deadline = Instant::now() + SOON;
        loop {
            let deliveries = self.deliveries_to(endpoint).await;
            for delivery in &deliveries {
                if delivery.state == state {
                    left.remove(delivery.event_id.as_str());
                }
            }
            if left.is_empty() {
                return;
            }
            let found = deliveries.iter().find(|delivery| left.contains(&*delivery.event_id));
            assert!(
                Instant::now() < deadline,
                "of {} events these did not get {state}: {left:?}, one of them stands so: {found:?}",
                events.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until an event has deliveries and all of them are in this state.
    pub async fn wait_for_state(&self, event: &str, state: &str) -> Vec<pb::Delivery> {
        let mut deliveries = Vec::new();
        wait_until(SOON, &format!("{event} to be {state}"), async || {
            deliveries = self.deliveries_of(event).await;
            !deliveries.is_empty() && deliveries.iter().all(|delivery| delivery.state == state)
        })
        .await;
        deliveries
    }

    /// Waits until ingest has seen every change of the registry made before.
    ///
    /// A tenant made after a change becomes known no earlier than in the same round of reading; one made after that,
    /// in a later round.
    pub async fn ingest_is_up_to_date(&self) {
        for name in ["first marker", "second marker"] {
            let request = pb::CreateTenantRequest { name: name.to_owned() };
            let made = self
                .tenants()
                .create_tenant(request)
                .await
                .expect("a tenant can be made")
                .into_inner();
            let id = made.tenant.expect("the tenant").id;
            self.ingest_knows(&id).await;
            let request = pb::DeleteTenantRequest { tenant_id: id };
            self.tenants()
                .delete_tenant(request)
                .await
                .expect("a tenant can be deleted");
        }
    }

    /// Waits until ingest knows the tenant. An event without a type is never accepted, and the error shows if its
    /// tenant is known.
    async fn ingest_knows(&self, tenant_id: &str) {
        let request = pb::PublishRequest {
            tenant_id: tenant_id.to_owned(),
            ..pb::PublishRequest::default()
        };
        wait_until(SOON, "ingest to know a tenant", async || {
            let refusal = self
                .events()
                .publish(request.clone())
                .await
                .expect_err("it has no type");
            refusal.code() == Code::InvalidArgument
        })
        .await;
    }
}

/// A publish request for one event.
pub fn request(tenant: &Tenant, event_type: &str, payload: Value) -> pb::PublishRequest {
    pb::PublishRequest {
        tenant_id: tenant.id.clone(),
        event_type: event_type.to_owned(),
        payload: payload.to_string().into(),
        ..pb::PublishRequest::default()
    }
}
