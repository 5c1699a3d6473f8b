#![doc = include_str!("../README.md")]

mod call;
pub mod dispatchers;
mod error;
mod grpc;
mod http;
pub mod logs;
mod messages;
pub mod notifier;
mod operations;
pub mod peers;
mod precondition;

pub use error::Error;
pub use notifier::metrics::register as register_metrics;
pub use operations::{
    audit, endpoints, erasures, event_types, explain, filters, keys, replays, retention, signature, system, tenants,
};
use operations::{preview, send_test, signing, texts};

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tidings_auth::Access;
use tidings_dialect::Dialects;
use tidings_domain::destination::{Destinations, deserialize_url};
use tidings_domain::{Endpoint, EndpointId, TenantId, Timestamp};
use tidings_proto::pb::audit_service_server::AuditServiceServer;
use tidings_proto::pb::endpoint_service_server::EndpointServiceServer;
use tidings_proto::pb::erasure_service_server::ErasureServiceServer;
use tidings_proto::pb::event_type_service_server::EventTypeServiceServer;
use tidings_proto::pb::explain_service_server::ExplainServiceServer;
use tidings_proto::pb::replay_service_server::ReplayServiceServer;
use tidings_proto::pb::tenant_service_server::TenantServiceServer;
use tidings_store::registry::Of;
use tidings_store::{Registry, RegistryCache, Store};
use tokio_util::sync::CancellationToken;
use url::Url;
use utoipa::openapi::OpenApi;

use crate::audit::AuditLog;
use crate::call::Callers;
use crate::dispatchers::DispatcherClient;
use crate::endpoints::Endpoints;
use crate::erasures::Erasures;
use crate::event_types::EventTypes;
use crate::explain::Explainer;
use crate::filters::Filters;
use crate::http::Rest;
use crate::keys::Keys;
use crate::logs::LogClient;
use crate::notifier::{MailError, Notifier};
use crate::replays::Replays;
use crate::signature::Signatures;
use crate::system::{About, System};
use crate::tenants::Tenants;

/// Configuration of control (`[control]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address of the gRPC services, `host:port`.
    pub grpc_address: String,
    /// The address of the REST API and the console, `host:port`.
    pub http_address: String,
    /// The address at which browsers reach control, such as `https://webhooks.example.com`. Portal links begin with it;
    /// without it there are none. Standalone uses its own address.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "deserialize_url")]
    pub public_url: Option<Url>,
    /// The networks of the load balancers in front, whose word (`X-Forwarded-For`) is taken for where a call comes from;
    /// the audit log keeps it.
    pub trusted_proxies: Vec<IpNet>,
    /// The most endpoints of one tenant: the most deliveries that one event can have.
    pub max_endpoints_per_tenant: u32,
    /// Memory that the endpoints of one tenant may use together in every process, in bytes.
    pub max_endpoint_bytes_per_tenant: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_address: "0.0.0.0:50053".into(),
            http_address: "0.0.0.0:8081".into(),
            public_url: None,
            trusted_proxies: Vec::new(),
            max_endpoints_per_tenant: 500,
            max_endpoint_bytes_per_tenant: 16 * 1024 * 1024,
        }
    }
}

/// Dependencies of control.
pub struct Parts {
    pub access: Access,
    /// The cache of this process, kept true to what control changes.
    pub cache: Arc<RegistryCache>,
    pub store: Arc<dyn Store>,
    pub dialects: Dialects,
    /// The addresses that endpoints may have.
    pub destinations: Destinations,
    /// Retention of events; unlimited if zero.
    pub retention: Duration,
    /// Dispatchers, which make the requests of tests.
    pub dispatchers: DispatcherClient,
    /// The log service, which has the history of deliveries.
    pub logs: LogClient,
    /// The process's own description, for `/admin`.
    pub about: About,
    /// Descriptions of what other roles serve under `/api/v2`, added to control's own.
    pub others: OpenApi,
    /// Cancelled when the process is to stop.
    pub shutdown: CancellationToken,
}

/// The faces of control, and what it does by itself.
pub struct Control {
    pub tenants: TenantServiceServer<grpc::TenantGrpc>,
    pub audit: AuditServiceServer<grpc::AuditGrpc>,
    pub endpoints: EndpointServiceServer<grpc::EndpointGrpc>,
    pub event_types: EventTypeServiceServer<grpc::EventTypeGrpc>,
    /// Replays and retries of deliveries.
    pub replays: ReplayServiceServer<grpc::ReplayGrpc>,
    pub explanations: ExplainServiceServer<grpc::ExplainGrpc>,
    pub erasures: ErasureServiceServer<grpc::ErasureGrpc>,
    /// All of it over HTTP, under `/api/v2`.
    pub http: axum::Router,
    /// Notifies tenants of failing endpoints, once it is run.
    pub notifier: Notifier,
}

/// Assembles control.
///
/// Fails if mails can't be sent with the notifier's configuration.
pub fn build(config: &Config, notifier: &notifier::Config, parts: Parts) -> Result<Control, MailError> {
    let notifier = Notifier::new(notifier, parts.store.clone(), parts.cache.clone())?;
    let registry = Book {
        registry: parts.store.clone(),
        cache: parts.cache,
    };
    let endpoints = Arc::new(Endpoints {
        book: registry.clone(),
        dialects: parts.dialects.clone(),
        destinations: parts.destinations,
        max_per_tenant: config.max_endpoints_per_tenant,
        max_bytes_per_tenant: config.max_endpoint_bytes_per_tenant,
        retention: parts.retention,
    });
    let tenants = Arc::new(Tenants {
        book: registry.clone(),
        dialects: parts.dialects.clone(),
    });
    let keys = Arc::new(Keys {
        book: registry.clone(),
        public_url: config.public_url.clone(),
    });
    let audit = Arc::new(AuditLog {
        registry: parts.store.clone(),
    });
    let event_types = Arc::new(EventTypes { book: registry.clone() });
    let filters = Arc::new(Filters {
        endpoints: endpoints.clone(),
        dialects: parts.dialects.clone(),
        logs: parts.logs.clone(),
    });
    let signatures = Arc::new(Signatures {
        endpoints: endpoints.clone(),
        dialects: parts.dialects.clone(),
        logs: parts.logs.clone(),
    });
    let callers = Callers::new(parts.access, &config.trusted_proxies);
    let dispatchers = parts.dispatchers;
    let replays = Arc::new(Replays {
        store: parts.store.clone(),
        endpoints: endpoints.clone(),
        logs: parts.logs.clone(),
    });
    let erasures = Arc::new(Erasures {
        store: parts.store.clone(),
        logs: parts.logs.clone(),
    });
    let explainer = Arc::new(Explainer {
        book: registry,
        dialects: parts.dialects.clone(),
        logs: parts.logs.clone(),
        dispatchers: dispatchers.clone(),
    });
    let system = Arc::new(System {
        about: parts.about,
        store: parts.store.clone(),
        logs: parts.logs.clone(),
    });
    let rest = Rest {
        system,
        endpoints: endpoints.clone(),
        filters: filters.clone(),
        event_types: event_types.clone(),
        tenants: tenants.clone(),
        keys: keys.clone(),
        audit: audit.clone(),
        replays: replays.clone(),
        explainer: explainer.clone(),
        erasures: erasures.clone(),
        signatures,
        dialects: parts.dialects,
        dispatchers: dispatchers.clone(),
        logs: parts.logs,
        callers: callers.clone(),
        answers: parts.store.clone(),
        shutdown: parts.shutdown,
    };
    Ok(Control {
        tenants: TenantServiceServer::new(grpc::TenantGrpc {
            tenants,
            keys,
            callers: callers.clone(),
        }),
        audit: AuditServiceServer::new(grpc::AuditGrpc {
            log: audit,
            callers: callers.clone(),
        }),
        endpoints: EndpointServiceServer::new(grpc::EndpointGrpc {
            endpoints,
            filters,
            dispatchers,
            callers: callers.clone(),
        }),
        event_types: EventTypeServiceServer::new(grpc::EventTypeGrpc {
            event_types,
            callers: callers.clone(),
        }),
        replays: ReplayServiceServer::new(grpc::ReplayGrpc {
            replays,
            callers: callers.clone(),
        }),
        explanations: ExplainServiceServer::new(grpc::ExplainGrpc {
            explainer,
            callers: callers.clone(),
        }),
        erasures: ErasureServiceServer::new(grpc::ErasureGrpc { erasures, callers }),
        http: http::router(rest, parts.others),
        notifier,
    })
}

/// The registry, with this process's cache of it.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) registry: Arc<dyn Registry>,
    cache: Arc<RegistryCache>,
}

impl Book {
    /// Makes a change visible in this process at once. Elsewhere it is seen when the store announces it, and
    /// here as well should this fail.
    pub(crate) async fn changed(&self, tenant: Option<TenantId>) {
        self.refresh(tenant.map_or(Of::Operators, Of::Tenant)).await;
    }

    /// The same for a change of one endpoint.
    pub(crate) async fn endpoint_changed(&self, endpoint: &Endpoint) {
        self.refresh(Of::Endpoint(endpoint.tenant, endpoint.id)).await;
    }

    /// Memory used by a tenant's endpoints in every process, except this one, in bytes.
    pub(crate) fn bytes(&self, tenant: TenantId, without: EndpointId) -> usize {
        self.cache.bytes(tenant, without)
    }

    /// The same for a change of the catalogue.
    pub(crate) async fn catalogue_changed(&self) {
        self.refresh(Of::EventTypes).await;
    }

    async fn refresh(&self, of: Of) {
        // The change is committed, and the cache also follows announcements: failing the request would be wrong.
        if let Err(error) = self.cache.refresh(of).await {
            tracing::debug!(%error, "the registry's cache could not be refreshed at once");
        }
    }
}

/// The present time, rounded as the store keeps it.
pub(crate) fn now() -> Timestamp {
    to_the_microsecond(Timestamp::now())
}

/// A time as databases keep it, so that an answer says what a later one will say.
pub(crate) fn to_the_microsecond(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
