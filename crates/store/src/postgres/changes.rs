//! Changes of the registry as they are announced (`NOTIFY tidings_registry`).

use tidings_domain::TenantId;
use uuid::Uuid;

use crate::registry::Of;

/// Where the triggers `announce_…` say what changed.
pub(super) const CHANNEL: &str = "tidings_registry";

/// What a trigger `announce_…` wrote. Anything else says that something changed.
pub(super) fn read(payload: &str) -> Of {
    match Uuid::try_parse(payload) {
        Ok(tenant) => Of::Tenant(TenantId::from_uuid(tenant)),
        Err(_) if payload == "operators" => Of::Operators,
        Err(_) if payload == "event_types" => Of::EventTypes,
        Err(_) => Of::Everything,
    }
}
