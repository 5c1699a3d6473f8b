//! Sealing stored secrets again with the first key.

use tidings_domain::EndpointId;
use uuid::Uuid;

use super::{Postgres, endpoints};
use crate::error::StoreError;
use crate::postgres::error::corrupt;
use crate::registry::{Rekeyed, SealUse};
use crate::sealed::Columns;

const READ: &str = "-- name: read_sealed_endpoints
     SELECT id, secret_sealed, previous_secret_sealed, authentication_sealed FROM endpoints
     WHERE id > $1 ORDER BY id LIMIT $2";
const WRITE: &str = "-- name: write_sealed_endpoints
     UPDATE endpoints SET secret_sealed = $2, previous_secret_sealed = $3, authentication_sealed = $4
     WHERE id = $1 AND secret_sealed IS NOT DISTINCT FROM $5 AND previous_secret_sealed IS NOT DISTINCT FROM $6
       AND authentication_sealed IS NOT DISTINCT FROM $7";
/// A sealed value names its key behind a byte of its form and one of the name's length.
const USES: &str = "
-- name: count_seal_uses
SELECT CASE WHEN length(sealed) > 2 THEN substring(sealed FROM 3 FOR get_byte(sealed, 1)) ELSE '' END AS key,
       count(*) FILTER (WHERE is_secret) AS secrets, count(*) FILTER (WHERE NOT is_secret) AS answers
FROM (
    SELECT secret_sealed AS sealed, true AS is_secret FROM endpoints
    UNION ALL SELECT previous_secret_sealed, true FROM endpoints
    UNION ALL SELECT authentication_sealed, true FROM endpoints
    UNION ALL SELECT body_sealed, false FROM answers
) AS everything
WHERE sealed IS NOT NULL GROUP BY key ORDER BY key";

pub(super) async fn uses(store: &Postgres) -> Result<Vec<SealUse>, StoreError> {
    let count = |row: &tokio_postgres::Row, column| row.try_get::<_, i64>(column)?.try_into().map_err(corrupt);
    let rows = store.query(USES, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(SealUse {
                key: String::from_utf8_lossy(row.try_get("key")?).into_owned(),
                secrets: count(row, "secrets")?,
                answers: count(row, "answers")?,
            })
        })
        .collect()
}

pub(super) async fn rekey(store: &Postgres, after: Option<EndpointId>, limit: u32) -> Result<Rekeyed, StoreError> {
    let after = after.map_or(Uuid::nil(), EndpointId::uuid);
    let rows = store.query(READ, &[&after, &i64::from(limit)]).await?;
    let mut rekeyed = Rekeyed::default();
    for row in &rows {
        let id = EndpointId::from_uuid(row.try_get("id")?);
        let old = endpoints::columns(row)?;
        match old.resealed(id, &store.sealer) {
            Ok(Some(new)) => rekeyed.sealed += u32::from(write(store, id, &new, &old).await?),
            Ok(None) => {}
            Err(StoreError::Corrupt(_)) => rekeyed.unreadable.push(id),
            Err(error) => return Err(error),
        }
        rekeyed.next = Some(id);
    }
    rekeyed.next.take_if(|_| rows.len() < limit as usize);
    Ok(rekeyed)
}

/// Replaces what is sealed, unless it has changed since it was read.
async fn write(store: &Postgres, id: EndpointId, new: &Columns, old: &Columns) -> Result<bool, StoreError> {
    let written = store
        .execute(
            WRITE,
            &[
                &id.uuid(),
                &new.secret,
                &new.previous_secret,
                &new.authentication,
                &old.secret,
                &old.previous_secret,
                &old.authentication,
            ],
        )
        .await?;
    Ok(written == 1)
}
