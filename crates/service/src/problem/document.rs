//! Problems over HTTP: as problem documents (RFC 9457), those of other roles as well.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tonic_types::StatusExt;

use super::{Kind, Problem};
use crate::body::PACKED;

/// A problem as another role put it, to be handed on over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Kind of the problem, from the gRPC status.
    pub kind: Kind,
    /// Stable code for programs, such as `url_invalid`.
    pub code: String,
    /// The field of the request at fault.
    pub field: Option<String>,
    /// A sentence for people: the fault, and what to change.
    pub detail: String,
    /// The time to wait before trying again.
    pub retry_after: Option<Duration>,
}

impl From<&tonic::Status> for Relayed {
    fn from(status: &tonic::Status) -> Self {
        let (code, field, detail) = Problem::from_status(status);
        let retry = status.get_error_details();
        Self {
            kind: Kind::of(status.code()),
            code,
            field,
            detail,
            retry_after: retry.retry_info().and_then(|retry| retry.retry_delay),
        }
    }
}

/// A problem in the form of RFC 9457; `code` and `field` are extensions.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct Document {
    /// Always `about:blank`; programs read `code` instead.
    // With this type the title is the status's own phrase (RFC 9457, section 4.2.1).
    r#type: &'static str,
    /// Phrase of the HTTP status, such as `Bad Request`.
    title: &'static str,
    /// HTTP status of the answer, as a number.
    status: u16,
    /// A sentence for people: the fault, and what to change.
    detail: String,
    /// Stable code of the problem, for programs.
    #[schema(value_type = String, example = "url_invalid")]
    code: Cow<'static, str>,
    /// The field, parameter or header at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
}

impl Document {
    fn new(kind: Kind, code: Cow<'static, str>, detail: String, field: Option<String>) -> Self {
        let status = kind.http();
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail,
            code,
            field,
        }
    }
}

impl From<&Problem> for Document {
    fn from(problem: &Problem) -> Self {
        Self::new(
            problem.kind,
            problem.code.into(),
            problem.detail.clone(),
            problem.field.clone(),
        )
    }
}

impl From<Relayed> for Document {
    fn from(relayed: Relayed) -> Self {
        Self::new(relayed.kind, relayed.code.into(), relayed.detail, relayed.field)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = respond(self.kind, self.retry_after, Document::from(&self));
        if self.code == PACKED {
            // What a packed body may be packed with (RFC 9110, section 15.5.16).
            let nothing = HeaderValue::from_static("identity");
            response.headers_mut().insert(ACCEPT_ENCODING, nothing);
        }
        response
    }
}

impl IntoResponse for Relayed {
    fn into_response(self) -> Response {
        let (kind, retry_after) = (self.kind, self.retry_after);
        respond(kind, retry_after, Document::from(self))
    }
}

fn respond(kind: Kind, retry_after: Option<Duration>, document: Document) -> Response {
    let mut response = (kind.http(), Json(document)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(wait) = retry_after {
        // Whole seconds (RFC 9110, section 10.2.3), and never sooner than meant.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if kind == Kind::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tidings\""));
    }
    response
}
