//! Answers to requests with an `Idempotency-Key`.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::KeyId;
use tidings_store::answers::{Answer, AnswerClaim, AnswerKey};
use tidings_store::{ClaimToken, Store};

const LEASE: Duration = Duration::from_secs(60);
/// A lease that every claim outlives.
const NO_LEASE: Duration = Duration::ZERO;
const REQUEST: [u8; 32] = [1; 32];
const OTHER_REQUEST: [u8; 32] = [2; 32];

fn some_key() -> AnswerKey {
    AnswerKey {
        caller: KeyId::new(),
        text: "k".into(),
    }
}

fn answer() -> Answer {
    Answer {
        status: 201,
        headers: vec![("location".into(), "/somewhere".into())],
        body: b"{\"token\":\"tk_secret\"}".to_vec(),
    }
}

async fn claimed(store: &Arc<dyn Store>, key: &AnswerKey, lease: Duration) -> ClaimToken {
    match store.claim_answer(key, REQUEST, lease).await.unwrap() {
        AnswerClaim::Claimed(token) => token,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn an_answer_is_given_again_to_the_same_request(store: Arc<dyn Store>) {
    let key = some_key();
    let claim = claimed(&store, &key, LEASE).await;
    let ask = async |request| store.claim_answer(&key, request, LEASE).await.unwrap();
    assert_eq!(ask(REQUEST).await, AnswerClaim::InFlight);
    assert_eq!(ask(OTHER_REQUEST).await, AnswerClaim::OtherRequest);
    store.keep_answer(&key, claim, &answer()).await.unwrap();
    assert_eq!(ask(REQUEST).await, AnswerClaim::Answered(answer()));
    assert_eq!(ask(OTHER_REQUEST).await, AnswerClaim::OtherRequest);
    let again = store.claim_answer(&key, REQUEST, NO_LEASE).await.unwrap();
    assert_eq!(again, AnswerClaim::Answered(answer()), "an answer does not go stale");
    let [used] = store.seal_uses().await.unwrap().try_into().unwrap();
    assert_eq!((used.secrets, used.answers), (0, 1));
}

pub(crate) async fn callers_choose_keys_without_regard_to_each_other(store: Arc<dyn Store>) {
    claimed(&store, &some_key(), LEASE).await;
    claimed(&store, &some_key(), LEASE).await;
}

pub(crate) async fn a_released_request_begins_anew(store: Arc<dyn Store>) {
    let key = some_key();
    let claim = claimed(&store, &key, LEASE).await;
    store.release_answer(&key, claim).await.unwrap();
    let claim = claimed(&store, &key, LEASE).await;
    store.keep_answer(&key, claim, &answer()).await.unwrap();
    store.release_answer(&key, claim).await.unwrap();
    let again = store.claim_answer(&key, REQUEST, LEASE).await.unwrap();
    assert_eq!(again, AnswerClaim::Answered(answer()), "an answer is not released");
}

pub(crate) async fn a_stale_request_is_taken_over_by_the_same(store: Arc<dyn Store>) {
    let key = some_key();
    let stale = claimed(&store, &key, LEASE).await;
    let other = store.claim_answer(&key, OTHER_REQUEST, NO_LEASE).await.unwrap();
    assert_eq!(other, AnswerClaim::OtherRequest);
    let claim = claimed(&store, &key, NO_LEASE).await;
    let late = Answer {
        status: 500,
        ..answer()
    };
    store.keep_answer(&key, stale, &late).await.unwrap();
    store.release_answer(&key, stale).await.unwrap();
    store.keep_answer(&key, claim, &answer()).await.unwrap();
    let again = store.claim_answer(&key, REQUEST, LEASE).await.unwrap();
    assert_eq!(again, AnswerClaim::Answered(answer()));
}

pub(crate) async fn one_of_many_requests_is_claimed(store: Arc<dyn Store>) {
    let key = some_key();
    let asking = (0..8).map(|_| store.claim_answer(&key, REQUEST, LEASE));
    let claims = futures::future::join_all(asking).await;
    let won = |claim: &AnswerClaim| matches!(claim, AnswerClaim::Claimed(_));
    assert_eq!(claims.into_iter().map(Result::unwrap).filter(won).count(), 1);
}

pub(crate) async fn old_answers_are_forgotten(store: Arc<dyn Store>) {
    let key = some_key();
    let claim = claimed(&store, &key, LEASE).await;
    store.keep_answer(&key, claim, &answer()).await.unwrap();
    assert_eq!(store.forget_answers_older_than(LEASE).await.unwrap(), 0);
    tidings_testkit::wait_until(LEASE, "the answer to be older than nothing", async || {
        store.forget_answers_older_than(Duration::ZERO).await.unwrap() == 1
    })
    .await;
    claimed(&store, &key, LEASE).await;
}
