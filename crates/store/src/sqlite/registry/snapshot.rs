//! The registry, or a part of it, at one moment.

use rusqlite::Connection;
use tidings_domain::Endpoint;

use super::endpoints::{self, Closed, ENDPOINT};
use super::keys::{self, UNUSED_KEY};
use super::tenants::{self, TENANT};
use super::{all, event_types};
use crate::error::StoreError;
use crate::registry::{Of, Snapshot};
use crate::seal::Sealer;
use crate::sqlite::row::blob;

pub(super) fn read(connection: &Connection, sealer: &Sealer, of: Of) -> Result<Snapshot, StoreError> {
    let mut snapshot = Snapshot::default();
    if matches!(of, Of::Everything | Of::EventTypes) {
        snapshot.event_types = event_types::newest(connection, None, u32::MAX)?;
    }
    let (owned, tenant, parameter) = match of {
        Of::Everything => ("?1 IS NULL", "?1 IS NULL", None),
        Of::Tenant(id) => ("tenant = ?1", "id = ?1", Some(blob(id.uuid()))),
        Of::Operators => ("tenant IS ?1", "id = ?1", None),
        Of::EventTypes => return Ok(snapshot),
    };
    let sql = format!("SELECT {TENANT} FROM tenants WHERE {tenant}");
    snapshot.tenants = all(connection, &sql, [parameter], tenants::tenant)?;
    let sql = format!("SELECT {UNUSED_KEY} FROM api_keys WHERE {owned}");
    snapshot.keys = all(connection, &sql, [parameter], keys::key)?;
    let sql = format!("SELECT {ENDPOINT} FROM endpoints WHERE {owned}");
    let closed = all(connection, &sql, [parameter], endpoints::closed)?;
    snapshot.endpoints = closed.into_iter().filter_map(|closed| usable(closed, sealer)).collect();
    Ok(snapshot)
}

/// An endpoint, or none, with a warning, if its secrets can't be read.
fn usable(closed: Closed, sealer: &Sealer) -> Option<Endpoint> {
    let id = closed.endpoint.id;
    closed
        .open(sealer)
        .inspect_err(|error| tracing::warn!(endpoint = %id, %error, "left out an endpoint"))
        .ok()
}
