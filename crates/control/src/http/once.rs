//! `Idempotency-Key`: a POST that is sent again is done once and answered as it was the first time
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! Need: who gets no answer does not know whether there is a new endpoint or key, and trying again must not make a second
//! one. Mechanism: a layer around all POST operations claims the key in the store, lets the operation run to its end even
//! if the client leaves, and keeps the answer, sealed, for a day. Limit: what invites to try again (5xx, 429) is not
//! kept; a process that dies in the middle leaves the key taken for minutes, and then the request is done anew.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};
use tidings_service::idempotency_key;
use tidings_service::problem::{Kind, Problem};
use tidings_store::answers::{Answer, AnswerClaim, AnswerKey};
use tidings_store::{Answers, ClaimToken};

use super::{MAX_BODY, Rest};
use crate::dispatchers;

/// Name of the header, which a POST may have once.
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Time for which a claim of a key is valid. Longer than any operation takes: a test waits for its receiver as long as
/// a dialect may.
const LEASE: Duration = dispatchers::DEADLINE.saturating_add(Duration::from_secs(20));
/// Headers that are kept and given again with an answer.
const KEPT_HEADERS: [HeaderName; 3] = [CONTENT_TYPE, ETAG, LOCATION];

/// Runs a POST with the header once for each key, and answers repetitions with the first answer. Other requests pass.
pub(super) async fn once(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return next.run(request).await;
    }
    match answer(&rest, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn answer(rest: &Rest, request: Request, next: Next) -> Result<Response, Problem> {
    // Whoever is refused is refused by the operation; other roles have no key to tell them by, and do not come this way.
    let Some(caller) = rest
        .callers
        .access
        .caller(request.headers())
        .ok()
        .and_then(|caller| caller.actor().key())
    else {
        return Ok(next.run(request).await);
    };
    let key = AnswerKey {
        caller,
        text: read_key(request.headers())?,
    };
    let (request, fingerprint) = read(request).await?;
    match rest.answers.claim_answer(&key, fingerprint, LEASE).await? {
        AnswerClaim::Claimed(claim) => {
            let answers = rest.answers.clone();
            // In a task of its own it gets to its end even if the client leaves.
            let work = tokio::spawn(async move { keep(&*answers, &key, claim, next.run(request).await).await });
            work.await.map_err(|_| {
                let detail = "internal error; the request may or may not have been applied: check before you retry";
                Problem::internal("internal", detail)
            })
        }
        AnswerClaim::Answered(answer) => given_again(answer),
        AnswerClaim::OtherRequest => {
            let detail = "this key was used within the last day for another request, which differs in its path or a byte of its body: choose \
                          a new key for each request";
            Err(Problem::new(Kind::Unprocessable, "idempotency_key_reused", detail).at(IDEMPOTENCY_KEY))
        }
        AnswerClaim::InFlight => {
            let detail = "the first request with this key is still under way: ask again shortly";
            let problem = Problem::conflict("idempotency_key_in_flight", detail).at(IDEMPOTENCY_KEY);
            Err(problem.with_retry_after(Duration::from_secs(1)))
        }
    }
}

/// Reads the key. Fails with `idempotency_key_invalid` unless there is exactly one.
fn read_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let text = values.next().filter(|_| values.next().is_none());
    let text = text.and_then(|value| value.to_str().ok()).unwrap_or_default();
    idempotency_key::read(text, IDEMPOTENCY_KEY)
}

/// The request with its body read, and a hash of its method, path and body, which must be equal in repetitions.
async fn read(request: Request) -> Result<(Request, [u8; 32]), Problem> {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, MAX_BODY).await.map_err(|_| {
        let detail = format!("a request has at most {MAX_BODY} bytes");
        Problem::too_large("request_too_large", detail)
    })?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let fingerprint = Sha256::new()
        .chain_update(parts.method.as_str())
        .chain_update([0])
        .chain_update(path)
        .chain_update([0])
        .chain_update(&body)
        .finalize()
        .into();
    Ok((Request::from_parts(parts, Body::from(body)), fingerprint))
}

/// Keeps an answer for the key. One that suggests a retry (5xx, 429) is not kept, and frees the key.
async fn keep(answers: &dyn Answers, key: &AnswerKey, claim: ClaimToken, response: Response) -> Response {
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        if let Err(error) = answers.release_answer(key, claim).await {
            tracing::debug!(%error, "an idempotency key could not be released and is free in a while");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    // Operations answer with what they have in memory.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = |name: &HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    let answer = Answer {
        status: status.as_u16(),
        headers: KEPT_HEADERS.iter().filter_map(text).collect(),
        body: body.to_vec(),
    };
    // Only logged: the request was done, and its caller is still to hear of it.
    if let Err(error) = answers.keep_answer(key, claim, &answer).await {
        tracing::warn!(caller = %key.caller, %error, "an answer could not be kept for its idempotency key");
    }
    Response::from_parts(parts, Body::from(body))
}

fn given_again(answer: Answer) -> Result<Response, Problem> {
    let unreadable = || Problem::internal("answer_unreadable", "the first answer to this request can't be read");
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| unreadable())?;
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| unreadable())?;
        let value = HeaderValue::try_from(value).map_err(|_| unreadable())?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[&str]) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
        }
        read_key(&headers).map_err(|problem| problem.code)
    }

    #[test]
    fn a_key_may_be_in_quotes() {
        assert_eq!(key(&["\"8e03978e\""]).as_deref(), Ok("8e03978e"));
        assert_eq!(key(&["8e03978e"]).as_deref(), Ok("8e03978e"));
        for wrong in [&["\"\""][..], &[""], &["a b"], &["one", "two"], &[&"k".repeat(256)]] {
            assert_eq!(key(wrong), Err("idempotency_key_invalid"), "{wrong:?}");
        }
    }
}
