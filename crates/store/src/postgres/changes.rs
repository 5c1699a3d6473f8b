//! Changes of the registry as they are announced (`NOTIFY tidings_registry`).

use tidings_domain::{EndpointId, TenantId};
use uuid::Uuid;

use crate::registry::Of;

/// The channel on which the triggers `announce_…` report changes.
pub(super) const CHANNEL: &str = "tidings_registry";

/// Parses the payload of a trigger `announce_…`. Anything unknown means that everything may have changed.
pub(super) fn read(payload: &str) -> Of {
    match Uuid::try_parse(payload) {
        Ok(tenant) => Of::Tenant(TenantId::from_uuid(tenant)),
        Err(_) if payload.contains('/') => endpoint(payload).unwrap_or(Of::Everything),
        Err(_) if payload == "operators" => Of::Operators,
        Err(_) if payload == "event_types" => Of::EventTypes,
        Err(_) => Of::Everything,
    }
}

fn endpoint(payload: &str) -> Option<Of> {
    let (tenant, endpoint) = payload.split_once('/')?;
    let (tenant, endpoint) = (Uuid::try_parse(tenant).ok()?, Uuid::try_parse(endpoint).ok()?);
    Some(Of::Endpoint(
        TenantId::from_uuid(tenant),
        EndpointId::from_uuid(endpoint),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_says_that_something_changed() {
        let (tenant, id) = (TenantId::new(), EndpointId::new());
        assert_eq!(read(&tenant.uuid().to_string()), Of::Tenant(tenant));
        assert_eq!(
            read(&format!("{}/{}", tenant.uuid(), id.uuid())),
            Of::Endpoint(tenant, id)
        );
        assert_eq!(
            (read("operators"), read("event_types")),
            (Of::Operators, Of::EventTypes)
        );
        for other in ["", "/", "planets", &format!("{}/x", tenant.uuid())] {
            assert_eq!(read(other), Of::Everything, "{other:?}");
        }
    }
}
