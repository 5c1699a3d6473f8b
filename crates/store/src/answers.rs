//! Stored responses to requests with an `Idempotency-Key`.
//!
//! A request claims its key before it does anything. Its response is stored with the key, sealed since it may hold a
//! token or a secret, and replayed to whoever sends the same request with the same key. A claim whose process died is
//! taken over after its lease. Nobody can tell whether the dead process had already applied the request.

use std::time::Duration;

use async_trait::async_trait;
use tidings_domain::KeyId;

use crate::error::StoreError;
use crate::idempotency::ClaimToken;

/// Responses to requests with an `Idempotency-Key`, each stored for a day.
#[async_trait]
pub trait Answers: Send + Sync + 'static {
    /// Claims a key for a request with this fingerprint. A claim that is stale (older than `lease`, without an answer)
    /// is taken over by the same request.
    async fn claim_answer(
        &self,
        key: &AnswerKey,
        fingerprint: [u8; 32],
        lease: Duration,
    ) -> Result<AnswerClaim, StoreError>;
    /// Stores the response to the claimed request. Does nothing if the claim was taken over meanwhile.
    async fn keep_answer(&self, key: &AnswerKey, claim: ClaimToken, answer: &Answer) -> Result<(), StoreError>;
    /// Releases a claim, so that the request can be tried again. Does nothing if there is a response, nor if the claim
    /// was taken over meanwhile.
    async fn release_answer(&self, key: &AnswerKey, claim: ClaimToken) -> Result<(), StoreError>;
    /// Deletes responses that are older than `age`, at most a few thousand at once. Returns how many.
    async fn forget_answers_older_than(&self, age: Duration) -> Result<u64, StoreError>;
}

/// An `Idempotency-Key` within one API key, since callers choose theirs without regard to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerKey {
    /// The API key that the request came with.
    pub caller: KeyId,
    /// The header's value.
    pub text: String,
}

/// A stored HTTP response.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Those of its headers that are part of it.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The result of claiming a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerClaim {
    /// The key is free: apply the request, then store its response or release the claim.
    Claimed(ClaimToken),
    /// The same request was completed before; this is its response.
    Answered(Answer),
    /// The key was used for another request.
    OtherRequest,
    /// The same request is under way right now.
    InFlight,
}

impl AnswerKey {
    /// Additional data for sealing the body, so that it opens under no other key.
    pub(crate) fn context(&self) -> Vec<u8> {
        [
            self.caller.uuid().as_bytes(),
            b"answer".as_slice(),
            self.text.as_bytes(),
        ]
        .concat()
    }
}

impl std::fmt::Debug for Answer {
    /// Without the body, which may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}
