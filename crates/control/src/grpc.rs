//! The gRPC faces: `tidings.v1.TenantService` and `tidings.v1.EndpointService`.

mod endpoints;
mod tenants;

use tidings_service::problem::Problem;
use tidings_store::{Access, Caller};
use tonic::Request;

pub(crate) use endpoints::EndpointFace;
pub(crate) use tenants::TenantFace;

fn caller<T>(access: &Access, request: &Request<T>) -> Result<Caller, Problem> {
    access.caller(request.metadata().as_ref())
}
