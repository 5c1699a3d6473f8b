//! Control: manages tenants, keys and endpoints.
//!
//! Need: people and products say who may publish and where events go. Mechanism: operations on the registry
//! ([`tenants`], [`endpoints`]) that check every value and every right, with thin faces over them (`grpc`, `http`).
//! Beside them the [`notifier`] tells tenants of endpoints that fail.
//! Limit: control is not on the path of any delivery; with it away, everything configured goes on.

pub mod endpoints;
mod grpc;
mod http;
pub mod logs;
mod messages;
pub mod notifier;
pub mod send_test;
pub mod tenants;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidings_dialect::Dialects;
use tidings_domain::destination::Destinations;
use tidings_domain::{TenantId, Timestamp};
use tidings_proto::pb::endpoint_service_server::EndpointServiceServer;
use tidings_proto::pb::tenant_service_server::TenantServiceServer;
use tidings_store::registry::Of;
use tidings_store::{Access, Registry, RegistryCache, Store};
use utoipa::openapi::OpenApi;

use crate::endpoints::Endpoints;
use crate::http::Rest;
use crate::logs::LogClient;
use crate::notifier::{MailError, Notifier};
use crate::send_test::DispatcherClient;
use crate::tenants::Tenants;

/// How control is run (`[control]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the gRPC services listen.
    pub grpc_address: String,
    /// Where HTTP is served.
    pub http_address: String,
    /// The most endpoints of one tenant: the most deliveries that one event can have.
    pub max_endpoints_per_tenant: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_address: "0.0.0.0:50053".into(),
            http_address: "0.0.0.0:8081".into(),
            max_endpoints_per_tenant: 500,
        }
    }
}

/// What control works with.
pub struct Parts {
    /// Who may do what.
    pub access: Access,
    /// The cache of this process, kept true to what control changes.
    pub cache: Arc<RegistryCache>,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Which dialects there are.
    pub dialects: Dialects,
    /// Where requests may go.
    pub destinations: Destinations,
    /// Who makes the requests of tests.
    pub dispatchers: DispatcherClient,
    /// Who knows what became of deliveries.
    pub logs: LogClient,
    /// What other roles serve under `/api/v2`, to be described with the rest.
    pub others: OpenApi,
}

/// The faces of control, and what it does by itself.
pub struct Control {
    /// Tenants and keys.
    pub tenants: TenantServiceServer<grpc::TenantFace>,
    /// Endpoints.
    pub endpoints: EndpointServiceServer<grpc::EndpointFace>,
    /// All of it over HTTP, under `/api/v2`.
    pub http: axum::Router,
    /// Tells tenants of their endpoints, once it is run.
    pub notifier: Notifier,
}

/// Puts control together.
pub fn build(config: &Config, notifier: &notifier::Config, parts: Parts) -> Result<Control, MailError> {
    let notifier = Notifier::new(notifier, parts.store.clone(), parts.cache.clone())?;
    let registry = Book {
        registry: parts.store,
        cache: parts.cache,
    };
    let endpoints = Arc::new(Endpoints {
        book: registry.clone(),
        dialects: parts.dialects.clone(),
        destinations: parts.destinations,
        max_per_tenant: config.max_endpoints_per_tenant,
    });
    let tenants = Arc::new(Tenants { book: registry });
    let (access, dispatchers) = (parts.access, parts.dispatchers);
    let rest = Rest {
        endpoints: endpoints.clone(),
        tenants: tenants.clone(),
        dialects: parts.dialects,
        dispatchers: dispatchers.clone(),
        logs: parts.logs,
        access: access.clone(),
    };
    Ok(Control {
        tenants: TenantServiceServer::new(grpc::TenantFace::new(tenants, access.clone())),
        endpoints: EndpointServiceServer::new(grpc::EndpointFace::new(endpoints, dispatchers, access)),
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
        let of = tenant.map_or(Of::Operators, Of::Tenant);
        if let Err(error) = self.cache.refresh(of).await {
            tracing::debug!(%error, "the registry's cache could not be refreshed at once");
        }
    }
}

/// Now, as it is kept.
pub(crate) fn now() -> Timestamp {
    to_the_microsecond(Timestamp::now())
}

/// A time as databases keep it, so that an answer says what a later one will say.
pub(crate) fn to_the_microsecond(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
