//! Storage of notices in SQLite.

use async_trait::async_trait;
use rusqlite::{Row, params};
use tidings_domain::{DeliveryId, EndpointId, EventId, Notice, NoticeKind, TenantId, Timestamp};
use uuid::Uuid;

use super::Sqlite;
use super::row::{blob, id, micros, time};
use crate::error::StoreError;
use crate::notices::{Notices, known, next_try};

#[async_trait]
impl Notices for Sqlite {
    async fn take_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError> {
        self.write(move |connection| {
            let found = connection
                .prepare_cached(
                    "-- name: take_notices
                         SELECT id, tenant, endpoint, delivery, event, at, tries, kind, detail FROM notices
                     WHERE try_at <= ?1 ORDER BY try_at LIMIT ?2",
                )?
                .query_map(params![micros(now), limit], |row| {
                    Ok((
                        row.get::<_, Vec<u8>>(0)?,
                        row.get::<_, u32>(6).unwrap_or(0),
                        notice(row),
                    ))
                })?
                .collect::<Result<Vec<_>, _>>()?;
            let mut hide = connection.prepare_cached(
                "/* name: put_off_notice */ UPDATE notices SET tries = tries + 1, try_at = ?2 WHERE id = ?1",
            )?;
            for (id, tries, _) in &found {
                hide.execute(params![id, micros(next_try(now, *tries))])?;
            }
            Ok(found.into_iter().filter_map(|(_, _, read)| known(read)).collect())
        })
        .await
    }

    async fn remove_notice(&self, id: Uuid) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection
                .prepare_cached("/* name: remove_notice */ DELETE FROM notices WHERE id = ?1")?
                .execute([blob(id)])?;
            Ok(())
        })
        .await
    }
}

fn notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    let uuid = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 16]>>(column)?.map(Uuid::from_bytes));
    let kind: String = row.get(7)?;
    Ok(Notice {
        id: id(row, 0, |uuid| uuid)?,
        tenant: id(row, 1, TenantId::from_uuid)?,
        endpoint: id(row, 2, EndpointId::from_uuid)?,
        delivery: uuid(3)?
            .map(DeliveryId::from_uuid)
            .zip(uuid(4)?.map(EventId::from_uuid)),
        at: time(row, 5)?,
        tries: row.get(6)?,
        kind: NoticeKind::from_name(&kind).ok_or_else(|| rusqlite::Error::InvalidColumnName(kind))?,
        detail: row.get(8)?,
    })
}
