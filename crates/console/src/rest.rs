//! The REST operations of this process, called without a network in between.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

/// The path of the operations.
const BASE: &str = "/api/v2";
/// The largest answer that is read, bytes: one attempt with its bodies, each byte escaped.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Calls operations. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rest(Router);

/// An operation to call.
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Its path below `/api/v2`, with its query.
    pub(crate) path: String,
    /// The caller's key, address and user agent.
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: http::Extensions,
    /// The JSON body, if it takes one.
    pub(crate) body: Option<Vec<u8>>,
}

/// A refusal of an operation: a problem document (RFC 9457).
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) field: Option<String>,
}

impl Default for Refusal {
    fn default() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            code: "internal".into(),
            detail: "the request could not be carried out".into(),
            field: None,
        }
    }
}

impl Rest {
    pub(crate) fn new(router: Router) -> Self {
        Self(router)
    }

    /// The answer as it is, whatever its status.
    pub(crate) async fn answer(&self, operation: Operation) -> Response {
        let mut request = Request::new(operation.body.map_or_else(Body::empty, Body::from));
        *request.method_mut() = operation.method;
        // Paths are made of ids and encoded queries; one that is none leads nowhere.
        *request.uri_mut() = format!("{BASE}{}", operation.path).parse().unwrap_or_default();
        *request.headers_mut() = operation.headers;
        *request.extensions_mut() = operation.extensions;
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// The bytes of a successful answer.
    pub(crate) async fn bytes(&self, operation: Operation) -> Result<Bytes, Refusal> {
        let response = self.answer(operation).await;
        let status = response.status();
        let body = to_bytes(response.into_body(), MAX_ANSWER).await.unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let refusal = serde_json::from_slice(&body).unwrap_or_default();
        Err(Refusal {
            status: status.as_u16(),
            ..refusal
        })
    }

    /// The value of a successful answer; null if the answer is empty.
    pub(crate) async fn call<T: DeserializeOwned>(&self, operation: Operation) -> Result<T, Refusal> {
        let path = operation.path.clone();
        let body = self.bytes(operation).await?;
        let text: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(text).map_err(|error| {
            tracing::error!(path, %error, "an answer is not of the expected form");
            Refusal::default()
        })
    }
}
