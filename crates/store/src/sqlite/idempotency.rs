//! Publishers' idempotency keys in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use tidings_domain::{EventId, TenantId, Timestamp};

use super::Sqlite;
use super::row::{blob, id, later, micros};
use crate::error::StoreError;
use crate::idempotency::{Claim, ClaimToken, Idempotency};

/// Keys that are forgotten at once; more would keep writes waiting.
const FORGET: u32 = 5_000;

#[async_trait]
impl Idempotency for Sqlite {
    async fn claim(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: [u8; 32],
        event: EventId,
        lease: Duration,
    ) -> Result<Claim, StoreError> {
        let key = key.to_owned();
        // One write, so that nobody gets between looking and claiming.
        self.write(move |connection| claim(connection, tenant, &key, fingerprint, event, lease))
            .await
    }

    async fn settle(&self, tenant: TenantId, key: &str, claim: ClaimToken) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "-- name: settle_idempotency_key
                         UPDATE idempotency_keys SET settled = 1 WHERE tenant = ?1 AND key = ?2 AND claim_token = ?3",
                )?
                .execute(params![blob(tenant.uuid()), key, blob(claim.uuid())])?;
            Ok(())
        })
        .await
    }

    async fn release(&self, tenant: TenantId, key: &str, claim: ClaimToken) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "-- name: release_idempotency_key
                         UPDATE idempotency_keys SET claim_token = NULL
                     WHERE tenant = ?1 AND key = ?2 AND claim_token = ?3 AND NOT settled",
                )?
                .execute(params![blob(tenant.uuid()), key, blob(claim.uuid())])?;
            Ok(())
        })
        .await
    }

    async fn forget_older_than(&self, age: Duration) -> Result<u64, StoreError> {
        let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let until = micros(Timestamp::now()).saturating_sub(age);
        self.write(move |connection| {
            let forgotten = connection
                .prepare_cached(
                    "-- name: forget_idempotency_keys
                         DELETE FROM idempotency_keys WHERE (tenant, key) IN
                        (SELECT tenant, key FROM idempotency_keys WHERE claimed_at < ?1 ORDER BY claimed_at LIMIT ?2)",
                )?
                .execute(params![until, FORGET])?;
            Ok(forgotten as u64)
        })
        .await
    }
}

fn claim(
    connection: &Connection,
    tenant: TenantId,
    key: &str,
    fingerprint: [u8; 32],
    event: EventId,
    lease: Duration,
) -> Result<Claim, StoreError> {
    let now = Timestamp::now();
    let tenant = blob(tenant.uuid());
    let token = ClaimToken::new();
    let inserted = connection
        .prepare_cached(
            "-- name: claim_idempotency_key
             INSERT INTO idempotency_keys (tenant, key, fingerprint, event, settled, claimed_at, claim_token)
             VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            tenant,
            key,
            fingerprint,
            blob(event.uuid()),
            micros(now),
            blob(token.uuid())
        ])?;
    if inserted == 1 {
        return Ok(Claim::Claimed { event, token });
    }
    let earlier = connection
        .prepare_cached(
            "-- name: read_idempotency_key
             SELECT event, fingerprint, settled, claimed_at, claim_token IS NOT NULL
             FROM idempotency_keys WHERE tenant = ?1 AND key = ?2",
        )?
        .query_row(params![tenant, key], earlier)?;
    if earlier.fingerprint != fingerprint {
        return Ok(Claim::OtherContent(earlier.event));
    }
    if earlier.settled {
        return Ok(Claim::Duplicate(earlier.event));
    }
    let left = later(Timestamp::UNIX_EPOCH, lease).saturating_sub(micros(now).saturating_sub(earlier.claimed_at));
    if earlier.held && left > 0 {
        return Ok(Claim::InFlight(Duration::from_micros(left.unsigned_abs())));
    }
    connection
        .prepare_cached(
            "-- name: claim_idempotency_key_again
             UPDATE idempotency_keys SET claimed_at = ?3, claim_token = ?4 WHERE tenant = ?1 AND key = ?2",
        )?
        .execute(params![tenant, key, micros(now), blob(token.uuid())])?;
    Ok(Claim::Claimed {
        event: earlier.event,
        token,
    })
}

struct Earlier {
    event: EventId,
    fingerprint: [u8; 32],
    settled: bool,
    claimed_at: i64,
    held: bool,
}

fn earlier(row: &Row<'_>) -> rusqlite::Result<Earlier> {
    Ok(Earlier {
        event: id(row, 0, EventId::from_uuid)?,
        fingerprint: row.get(1)?,
        settled: row.get(2)?,
        claimed_at: row.get(3)?,
        held: row.get(4)?,
    })
}
