//! Sealing again with another key. One write at a time: nobody changes an endpoint between its reading and its writing.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use tidings_domain::EndpointId;
use uuid::Uuid;

use super::{all, execute};
use crate::error::StoreError;
use crate::registry::{Rekeyed, SealUse};
use crate::seal::Sealer;
use crate::sealed::Columns;
use crate::sqlite::row::{blob, id};

pub(super) fn rekey(
    connection: &Connection,
    sealer: &Sealer,
    after: Option<EndpointId>,
    limit: u32,
) -> Result<Rekeyed, StoreError> {
    let sql = "-- name: read_sealed_endpoints
         SELECT id, secret, previous_secret, authentication FROM endpoints WHERE id > ?1 ORDER BY id LIMIT ?2";
    let after = blob(after.map_or(Uuid::nil(), EndpointId::uuid));
    let found = all(connection, sql, params![after, limit], |row| {
        let sealed = Columns {
            secret: row.get(1)?,
            previous_secret: row.get(2)?,
            authentication: row.get(3)?,
        };
        Ok((id(row, 0, EndpointId::from_uuid)?, sealed))
    })?;
    let mut rekeyed = Rekeyed::default();
    for (id, old) in &found {
        match old.resealed(*id, sealer) {
            Ok(Some(new)) => {
                write(connection, *id, &new)?;
                rekeyed.sealed += 1;
            }
            Ok(None) => {}
            Err(StoreError::Corrupt(_)) => rekeyed.unreadable.push(*id),
            Err(error) => return Err(error),
        }
    }
    let is_last = found.len() < limit as usize;
    rekeyed.next = found.last().map(|(id, _)| *id).filter(|_| !is_last);
    Ok(rekeyed)
}

/// Numbers of values sealed with each key. The beginning of a sealed value names its key.
pub(super) fn uses(connection: &Connection) -> Result<Vec<SealUse>, StoreError> {
    let sql = "-- name: count_seal_uses
         SELECT substr(secret, 1, 34), true FROM endpoints WHERE secret IS NOT NULL
         UNION ALL SELECT substr(previous_secret, 1, 34), true FROM endpoints WHERE previous_secret IS NOT NULL
         UNION ALL SELECT substr(authentication, 1, 34), true FROM endpoints WHERE authentication IS NOT NULL
         UNION ALL SELECT substr(body, 1, 34), false FROM answers WHERE body IS NOT NULL";
    let sealed = all(connection, sql, (), |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, bool>(1)?))
    })?;
    let mut uses: BTreeMap<String, SealUse> = BTreeMap::new();
    for (beginning, is_secret) in &sealed {
        let key = Sealer::key_of(beginning).unwrap_or_default();
        let found = uses.entry(key.clone()).or_insert_with(|| SealUse {
            key,
            ..SealUse::default()
        });
        found.secrets += u64::from(*is_secret);
        found.answers += u64::from(!is_secret);
    }
    Ok(uses.into_values().collect())
}

fn write(connection: &Connection, id: EndpointId, new: &Columns) -> Result<(), StoreError> {
    let sql = "-- name: write_sealed_endpoints
         UPDATE endpoints SET secret = ?2, previous_secret = ?3, authentication = ?4 WHERE id = ?1";
    let values = params![blob(id.uuid()), new.secret, new.previous_secret, new.authentication];
    execute(connection, sql, values)?;
    Ok(())
}
