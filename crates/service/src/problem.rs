//! The one vocabulary in which services tell callers what went wrong, over gRPC and over HTTP.
//!
//! A [`Problem`] has a kind (what sort of thing went wrong, hence the status), a stable code for programs, a sentence
//! for people, and where known the field at fault and when to try again. gRPC carries it as google.rpc details, HTTP as
//! a problem document (RFC 9457). What it does not carry is a cause: what callers cannot act upon belongs in the log.

mod document;

use std::time::Duration;

use axum::http::StatusCode;
use tonic_types::{ErrorDetails, StatusExt};

pub use self::document::{Document, Relayed};

/// The `domain` of the google.rpc `ErrorInfo` of every problem.
pub const DOMAIN: &str = "tidings";

/// A problem, as the caller reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Problem {
    /// The sort of thing that went wrong.
    pub kind: Kind,
    /// A stable name for programs, as in `event_type_invalid`.
    pub code: &'static str,
    /// The field of the request at fault, as in `endpoint.url`.
    pub field: Option<String>,
    /// A sentence for people: what is wrong and what to change.
    pub detail: String,
    /// The time to wait before trying again.
    pub retry_after: Option<Duration>,
}

/// The sort of thing that went wrong; it decides the status on either protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong whatever the state of the system.
    InvalidArgument,
    /// Nobody is known by these credentials, or there are none.
    Unauthenticated,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// It contradicts what is there, as an idempotency key that stands for another payload.
    Conflict,
    /// It is understood, and not what was meant: an idempotency key stands for another request.
    Unprocessable,
    /// It is no longer as the caller says that it has seen it (`If-Match`).
    PreconditionFailed,
    /// The request exceeds a size.
    TooLarge,
    /// The path exists, and not with this HTTP method.
    MethodNotAllowed,
    /// The request's body is of a type that is not understood.
    UnsupportedMediaType,
    /// The caller exceeds a rate or a quota.
    Exhausted,
    /// Something needed is away; the same request may succeed later.
    Unavailable,
    /// A fault of the service.
    Internal,
}

impl Kind {
    /// Its gRPC code. Too large is an invalid argument there, because `RESOURCE_EXHAUSTED` invites to try again.
    pub fn grpc(self) -> tonic::Code {
        match self {
            Self::InvalidArgument | Self::Unprocessable | Self::TooLarge | Self::UnsupportedMediaType => {
                tonic::Code::InvalidArgument
            }
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::PermissionDenied => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::Conflict => tonic::Code::AlreadyExists,
            Self::PreconditionFailed => tonic::Code::FailedPrecondition,
            Self::MethodNotAllowed => tonic::Code::Unimplemented,
            Self::Exhausted => tonic::Code::ResourceExhausted,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Internal => tonic::Code::Internal,
        }
    }

    pub fn http(self) -> StatusCode {
        match self {
            Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Exhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The meaning of a gRPC code received from another role.
    fn of(code: tonic::Code) -> Self {
        match code {
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Self::InvalidArgument,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::PermissionDenied => Self::PermissionDenied,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::AlreadyExists => Self::Conflict,
            tonic::Code::FailedPrecondition => Self::PreconditionFailed,
            tonic::Code::ResourceExhausted => Self::Exhausted,
            tonic::Code::Unavailable | tonic::Code::DeadlineExceeded => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}

impl Problem {
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            field: None,
            detail: detail.into(),
            retry_after: None,
        }
    }

    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::InvalidArgument, code, detail)
    }

    pub fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, code, detail)
    }

    pub fn permission_denied(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::PermissionDenied, code, detail)
    }

    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, code, detail)
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, code, detail)
    }

    pub fn precondition_failed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::PreconditionFailed, code, detail)
    }

    pub fn too_large(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::TooLarge, code, detail)
    }

    pub fn exhausted(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Exhausted, code, detail)
    }

    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, code, detail)
    }

    /// See [`Kind::Internal`]. Callers see the detail: no addresses, statements or paths in it.
    pub fn internal(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Internal, code, detail)
    }

    /// Names the field of the request at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says how long to wait before trying again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The code, field and detail of a status received from a service. A status that did not come from a problem (a refused
    /// connection, a foreign server) has the gRPC code's name as its code.
    pub fn from_status(status: &tonic::Status) -> (String, Option<String>, String) {
        let details = status.get_error_details();
        let code = match details.error_info() {
            Some(info) if info.domain == DOMAIN => info.reason.clone(),
            _ => snake_case(&format!("{:?}", status.code())),
        };
        let violation = details
            .bad_request()
            .and_then(|request| request.field_violations.first());
        (
            code,
            violation.map(|violation| violation.field.clone()),
            status.message().to_owned(),
        )
    }
}

impl From<Problem> for tonic::Status {
    fn from(problem: Problem) -> Self {
        let mut details = ErrorDetails::with_error_info(problem.code, DOMAIN, []);
        if let Some(field) = problem.field {
            details.add_bad_request_violation(field, problem.detail.clone());
        }
        if let Some(wait) = problem.retry_after {
            details.set_retry_info(Some(wait));
        }
        Self::with_error_details(problem.kind.grpc(), problem.detail, details)
    }
}

fn snake_case(camel_case: &str) -> String {
    let mut name = String::new();
    for letter in camel_case.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;

    use super::*;

    async fn document(problem: impl IntoResponse) -> (StatusCode, axum::http::HeaderMap, serde_json::Value) {
        let (parts, body) = problem.into_response().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn grpc_carries_code_field_and_wait() {
        let problem = Problem::exhausted("rate_limited", "too many events; slow down")
            .at("tenant")
            .with_retry_after(Duration::from_millis(1500));
        let status = tonic::Status::from(problem);
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(
            status.get_error_details().retry_info().unwrap().retry_delay,
            Some(Duration::from_millis(1500))
        );
        assert_eq!(
            Problem::from_status(&status),
            (
                "rate_limited".to_owned(),
                Some("tenant".to_owned()),
                "too many events; slow down".to_owned()
            )
        );
    }

    #[test]
    fn a_foreign_status_has_the_name_of_its_code() {
        let (code, field, detail) = Problem::from_status(&tonic::Status::deadline_exceeded("took too long"));
        assert_eq!(
            (code.as_str(), field, detail.as_str()),
            ("deadline_exceeded", None, "took too long")
        );
    }

    #[tokio::test]
    async fn a_relayed_problem_is_answered_as_it_came() {
        let problem = Problem::exhausted("rate_limited", "slow down")
            .at("tenant")
            .with_retry_after(Duration::from_secs(2));
        let relayed = Relayed::from(&tonic::Status::from(problem.clone()));
        assert_eq!(document(relayed).await, document(problem).await);
    }

    #[tokio::test]
    async fn http_answers_with_a_problem_document() {
        let problem = Problem::invalid("event_type_invalid", "use letters, digits and dots").at("type");
        let (status, headers, body) = document(problem).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": "use letters, digits and dots",
                "code": "event_type_invalid",
                "field": "type",
            })
        );
    }

    #[tokio::test]
    async fn http_says_when_to_return_and_how_to_authenticate() {
        let wait = Duration::from_millis(1200);
        let (status, headers, body) =
            document(Problem::unavailable("broker_away", "try again").with_retry_after(wait)).await;
        assert_eq!(
            (status, &headers[RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from(2))
        );
        assert!(body.get("field").is_none() && !headers.contains_key(WWW_AUTHENTICATE));

        let (status, headers, _) = document(Problem::unauthenticated("key_missing", "send a key")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(headers[WWW_AUTHENTICATE], "Bearer realm=\"tidings\"");
    }

    #[test]
    fn kinds_agree_on_whose_fault_it_is() {
        use Kind::*;
        let kinds = [
            InvalidArgument,
            Unauthenticated,
            PermissionDenied,
            NotFound,
            Conflict,
            Unprocessable,
            PreconditionFailed,
            TooLarge,
            MethodNotAllowed,
            UnsupportedMediaType,
            Exhausted,
            Unavailable,
            Internal,
        ];
        for kind in kinds {
            let ours = matches!(kind.grpc(), tonic::Code::Unavailable | tonic::Code::Internal);
            assert_eq!(kind.http().is_server_error(), ours, "{kind:?}");
        }
    }
}
