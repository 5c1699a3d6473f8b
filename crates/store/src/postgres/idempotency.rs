//! Idempotency keys. All times are the server's, so that publishers' clocks don't matter.

use std::time::Duration;

use async_trait::async_trait;
use tidings_domain::{EventId, TenantId};
use tokio_postgres::Row;

use super::Postgres;
use crate::error::StoreError;
use crate::idempotency::{Claim, ClaimToken, Idempotency};

/// Claims a key that is new, or whose publisher released it or has died. Returns a row if it succeeds.
const CLAIM: &str = "
-- name: claim_idempotency_key
INSERT INTO idempotency_keys AS known (tenant_id, key, fingerprint, event_id, claim_token) VALUES ($1, $2, $3, $4, $6)
ON CONFLICT (tenant_id, key) DO UPDATE SET claimed_at = now(), claim_token = excluded.claim_token
WHERE NOT known.settled AND known.fingerprint = excluded.fingerprint
  AND (known.claim_token IS NULL OR known.claimed_at <= now() - make_interval(secs => $5))
RETURNING event_id";

const READ: &str = "
-- name: read_idempotency_key
SELECT event_id, settled, fingerprint = $3 AS same_content,
       greatest(0, extract(epoch FROM claimed_at - now()) + $4::float8)::float8 AS seconds_left
FROM idempotency_keys WHERE tenant_id = $1 AND key = $2";

const SETTLE: &str = "-- name: settle_idempotency_key
         UPDATE idempotency_keys SET settled = true WHERE tenant_id = $1 AND key = $2 AND claim_token = $3";

// The row stays with its event id, so that the same request made again becomes the same event.
const RELEASE: &str = "
-- name: release_idempotency_key
UPDATE idempotency_keys SET claim_token = NULL
WHERE tenant_id = $1 AND key = $2 AND claim_token = $3 AND NOT settled";

// `SKIP LOCKED`: a key that is being claimed right now is left to the next round.
const FORGET: &str = "
-- name: forget_idempotency_keys
DELETE FROM idempotency_keys WHERE (tenant_id, key) IN (
    SELECT tenant_id, key FROM idempotency_keys WHERE claimed_at < now() - make_interval(secs => $1)
    ORDER BY claimed_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)";

#[async_trait]
impl Idempotency for Postgres {
    async fn claim(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: [u8; 32],
        event: EventId,
        lease: Duration,
    ) -> Result<Claim, StoreError> {
        let (fingerprint, lease) = (&fingerprint[..], lease.as_secs_f64());
        let token = ClaimToken::new();
        // A key that is neither free nor there was forgotten between the two statements.
        loop {
            let claimed = self
                .query_opt(
                    CLAIM,
                    &[&tenant.uuid(), &key, &fingerprint, &event.uuid(), &lease, &token.uuid()],
                )
                .await?;
            if let Some(row) = claimed {
                let event = EventId::from_uuid(row.try_get(0)?);
                return Ok(Claim::Claimed { event, token });
            }
            let other = self
                .query_opt(READ, &[&tenant.uuid(), &key, &fingerprint, &lease])
                .await?;
            if let Some(row) = other {
                return held_by_another(&row);
            }
        }
    }

    async fn settle(&self, tenant: TenantId, key: &str, claim: ClaimToken) -> Result<(), StoreError> {
        self.execute(SETTLE, &[&tenant.uuid(), &key, &claim.uuid()]).await?;
        Ok(())
    }

    async fn release(&self, tenant: TenantId, key: &str, claim: ClaimToken) -> Result<(), StoreError> {
        self.execute(RELEASE, &[&tenant.uuid(), &key, &claim.uuid()]).await?;
        Ok(())
    }

    async fn forget_older_than(&self, age: Duration) -> Result<u64, StoreError> {
        self.keeper().await?.execute(FORGET, &[&age.as_secs_f64()]).await
    }
}

fn held_by_another(row: &Row) -> Result<Claim, StoreError> {
    let event = EventId::from_uuid(row.try_get("event_id")?);
    Ok(match (row.try_get("same_content")?, row.try_get("settled")?) {
        (false, _) => Claim::OtherContent(event),
        (true, true) => Claim::Duplicate(event),
        (true, false) => Claim::InFlight(Duration::from_secs_f64(row.try_get("seconds_left")?)),
    })
}
