//! Answers to requests with an `Idempotency-Key`, in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_domain::Timestamp;

use super::Sqlite;
use super::row::{blob, from_json, json, length, micros};
use crate::answers::{Answer, AnswerClaim, AnswerKey, Answers};
use crate::error::StoreError;
use crate::idempotency::ClaimToken;
use crate::seal::Sealer;

/// Responses that are forgotten at once; more would keep writes waiting.
const FORGET: u32 = 5_000;

#[async_trait]
impl Answers for Sqlite {
    async fn claim_answer(
        &self,
        key: &AnswerKey,
        fingerprint: [u8; 32],
        lease: Duration,
    ) -> Result<AnswerClaim, StoreError> {
        let (key, sealer) = (key.clone(), self.sealer.clone());
        self.write(move |connection| claim(connection, &sealer, &key, fingerprint, lease))
            .await
    }

    async fn keep_answer(&self, key: &AnswerKey, claim: ClaimToken, answer: &Answer) -> Result<(), StoreError> {
        let (key, status, headers) = (key.clone(), answer.status, json(&answer.headers)?);
        let body = self.sealer.seal(&answer.body, &key.context());
        self.write(move |connection| {
            let (caller, token) = (blob(key.caller.uuid()), blob(claim.uuid()));
            connection
                .prepare_cached(
                    "-- name: keep_answer
                         UPDATE answers SET status = ?4, headers = ?5, body = ?6
                     WHERE key = ?1 AND idempotency_key = ?2 AND claim_token = ?3",
                )?
                .execute(params![caller, key.text, token, status, headers, body])?;
            Ok(())
        })
        .await
    }

    async fn release_answer(&self, key: &AnswerKey, claim: ClaimToken) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "-- name: release_answer
                         DELETE FROM answers
                     WHERE key = ?1 AND idempotency_key = ?2 AND claim_token = ?3 AND status IS NULL",
                )?
                .execute(params![blob(key.caller.uuid()), key.text, blob(claim.uuid())])?;
            Ok(())
        })
        .await
    }

    async fn forget_answers_older_than(&self, age: Duration) -> Result<u64, StoreError> {
        let until = micros(Timestamp::now()).saturating_sub(length(age));
        self.write(move |connection| {
            let forgotten = connection
                .prepare_cached(
                    "-- name: forget_answers_older_than
                         DELETE FROM answers WHERE (key, idempotency_key) IN
                        (SELECT key, idempotency_key FROM answers WHERE claimed_at < ?1 ORDER BY claimed_at LIMIT ?2)",
                )?
                .execute(params![until, FORGET])?;
            Ok(forgotten as u64)
        })
        .await
    }
}

fn claim(
    connection: &Connection,
    sealer: &Sealer,
    key: &AnswerKey,
    fingerprint: [u8; 32],
    lease: Duration,
) -> Result<AnswerClaim, StoreError> {
    let (caller, now, token) = (blob(key.caller.uuid()), micros(Timestamp::now()), ClaimToken::new());
    let earlier = connection
        .prepare_cached(
            "-- name: claim_answer
             SELECT fingerprint, claimed_at, status, headers, body FROM answers
             WHERE key = ?1 AND idempotency_key = ?2",
        )?
        .query_row(params![caller, key.text], earlier)
        .optional()?;
    match earlier {
        Some(earlier) if earlier.fingerprint != fingerprint => return Ok(AnswerClaim::OtherRequest),
        Some(Earlier {
            answer: Some(sealed), ..
        }) => {
            return Ok(AnswerClaim::Answered(Answer {
                body: sealer.open(&sealed.body, &key.context())?,
                ..sealed
            }));
        }
        Some(earlier) if now.saturating_sub(earlier.claimed_at) < length(lease) => return Ok(AnswerClaim::InFlight),
        _ => {}
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO answers (key, idempotency_key, fingerprint, claim_token, claimed_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![caller, key.text, fingerprint, blob(token.uuid()), now])?;
    Ok(AnswerClaim::Claimed(token))
}

struct Earlier {
    fingerprint: [u8; 32],
    claimed_at: i64,
    /// With its body as it is stored, sealed.
    answer: Option<Answer>,
}

fn earlier(row: &Row<'_>) -> rusqlite::Result<Earlier> {
    let status: Option<u16> = row.get(2)?;
    let answer = |status| {
        Ok::<_, rusqlite::Error>(Answer {
            status,
            headers: from_json(row, 3)?,
            body: row.get(4)?,
        })
    };
    Ok(Earlier {
        fingerprint: row.get(0)?,
        claimed_at: row.get(1)?,
        answer: status.map(answer).transpose()?,
    })
}
