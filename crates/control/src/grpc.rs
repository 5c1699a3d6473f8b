//! The gRPC faces of control's services.

mod audit;
mod endpoints;
mod event_types;
mod replays;
mod tenants;

use std::sync::Arc;

use tidings_domain::ApiKey;
use tidings_service::problem::Problem;
use tonic::Request;

use crate::call::{Call, Callers};

pub(crate) use audit::AuditGrpc;
pub(crate) use endpoints::EndpointGrpc;
pub(crate) use event_types::EventTypeGrpc;
pub(crate) use replays::{ErasureGrpc, ExplainGrpc, ReplayGrpc};
pub(crate) use tenants::TenantGrpc;

fn call<T>(callers: &Callers, request: &Request<T>) -> Result<Call, Problem> {
    let from = request.remote_addr().map(|address| address.ip());
    callers.call(request.metadata().as_ref(), from)
}

fn call_by_link<T>(callers: &Callers, request: &Request<T>) -> Result<(Call, Arc<ApiKey>), Problem> {
    let from = request.remote_addr().map(|address| address.ip());
    callers.call_by_link(request.metadata().as_ref(), from)
}
