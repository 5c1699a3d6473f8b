//! Answers to requests with an `Idempotency-Key`. All times are the server's.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Postgres;
use super::error::corrupt;
use crate::answers::{Answer, AnswerClaim, AnswerKey, Answers};
use crate::error::StoreError;
use crate::idempotency::ClaimToken;

/// Claims a key that is new, or whose process has died. Returns a row if it succeeds.
const CLAIM: &str = "
-- name: claim_answer
INSERT INTO answers AS known (key_id, idempotency_key, fingerprint, claim_token) VALUES ($1, $2, $3, $4)
ON CONFLICT (key_id, idempotency_key) DO UPDATE SET claimed_at = now(), claim_token = excluded.claim_token
WHERE known.status IS NULL AND known.fingerprint = excluded.fingerprint
  AND known.claimed_at <= now() - make_interval(secs => $5)
RETURNING true";

const READ: &str = "
-- name: read_answer
SELECT fingerprint = $3 AS same_request, status, headers, body_sealed
FROM answers WHERE key_id = $1 AND idempotency_key = $2";

const KEEP: &str = "
-- name: keep_answer
UPDATE answers SET status = $4, headers = $5, body_sealed = $6
WHERE key_id = $1 AND idempotency_key = $2 AND claim_token = $3";

const RELEASE: &str = "-- name: release_answer
         DELETE FROM answers WHERE key_id = $1 AND idempotency_key = $2 AND claim_token = $3 AND status IS NULL";

// `SKIP LOCKED`: a key that is being claimed right now is left to the next round.
const FORGET: &str = "
-- name: forget_answers
DELETE FROM answers WHERE (key_id, idempotency_key) IN (
    SELECT key_id, idempotency_key FROM answers WHERE claimed_at < now() - make_interval(secs => $1)
    ORDER BY claimed_at LIMIT 5000 FOR UPDATE SKIP LOCKED
)";

#[async_trait]
impl Answers for Postgres {
    async fn claim_answer(
        &self,
        key: &AnswerKey,
        fingerprint: [u8; 32],
        lease: Duration,
    ) -> Result<AnswerClaim, StoreError> {
        let (caller, fingerprint, lease) = (key.caller.uuid(), &fingerprint[..], lease.as_secs_f64());
        let token = ClaimToken::new();
        // A key that is neither free nor there was released or forgotten between the two statements.
        loop {
            let claimed = self
                .query_opt(CLAIM, &[&caller, &key.text, &fingerprint, &token.uuid(), &lease])
                .await?;
            if claimed.is_some() {
                return Ok(AnswerClaim::Claimed(token));
            }
            let other = self.query_opt(READ, &[&caller, &key.text, &fingerprint]).await?;
            if let Some(row) = other {
                return self.held_by_another(key, &row);
            }
        }
    }

    async fn keep_answer(&self, key: &AnswerKey, claim: ClaimToken, answer: &Answer) -> Result<(), StoreError> {
        let status = i16::try_from(answer.status).map_err(corrupt)?;
        let body = self.sealer.seal(&answer.body, &key.context());
        self.execute(
            KEEP,
            &[
                &key.caller.uuid(),
                &key.text,
                &claim.uuid(),
                &status,
                &Json(&answer.headers),
                &body,
            ],
        )
        .await?;
        Ok(())
    }

    async fn release_answer(&self, key: &AnswerKey, claim: ClaimToken) -> Result<(), StoreError> {
        self.execute(RELEASE, &[&key.caller.uuid(), &key.text, &claim.uuid()])
            .await?;
        Ok(())
    }

    async fn forget_answers_older_than(&self, age: Duration) -> Result<u64, StoreError> {
        self.keeper().await?.execute(FORGET, &[&age.as_secs_f64()]).await
    }
}

impl Postgres {
    fn held_by_another(&self, key: &AnswerKey, row: &Row) -> Result<AnswerClaim, StoreError> {
        let status: Option<i16> = row.try_get("status")?;
        Ok(match (row.try_get("same_request")?, status) {
            (false, _) => AnswerClaim::OtherRequest,
            (true, None) => AnswerClaim::InFlight,
            (true, Some(status)) => AnswerClaim::Answered(Answer {
                status: status.try_into().map_err(corrupt)?,
                headers: row.try_get::<_, Json<_>>("headers")?.0,
                body: self.sealer.open(row.try_get("body_sealed")?, &key.context())?,
            }),
        })
    }
}
