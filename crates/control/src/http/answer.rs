//! Answers: pages, entity tags, times, refusals.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::HeaderName;
use http::header::{ETAG, LOCATION};
use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::timestamp_from;
use tidings_service::problem::{Problem, Relayed};
use tonic::Status;
use utoipa::ToSchema;

use super::BASE;
use crate::error::Error;

/// One page of a list, with the way to the next.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// Entries of the page, in the order of the list.
    data: Vec<T>,
    /// Value of `after` for the next page; null on the last one.
    next: Option<String>,
}

impl<T> Page<T> {
    /// A page; `next` is empty after the last one.
    pub(super) fn new(data: Vec<T>, next: String) -> Self {
        Self {
            data,
            next: Some(next).filter(|next| !next.is_empty()),
        }
    }

    /// A list that has a single page.
    pub(super) fn all(data: Vec<T>) -> Self {
        Self { data, next: None }
    }
}

/// Refusal of a request, by control itself or by a role that it asked.
pub(super) enum Refusal {
    Own(Problem),
    Relayed(Relayed),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Own(problem)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Relayed(Relayed::from(&status))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Own(problem) => problem.into(),
            Error::Relayed(status) => status.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Own(problem) => problem.into_response(),
            Self::Relayed(relayed) => relayed.into_response(),
        }
    }
}

/// The entity tag of something that was last changed at this time.
pub(super) fn etag(changed: Timestamp) -> (HeaderName, String) {
    (ETAG, format!("\"{}\"", changed.as_microsecond()))
}

/// The `Location` of a new object.
pub(super) fn location(kind: &str, id: &impl std::fmt::Display) -> (HeaderName, String) {
    (LOCATION, format!("{BASE}/{kind}/{id}"))
}

/// Converts a message's time; `None` if it is absent or out of range.
pub(super) fn time(at: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| timestamp_from(&at))
}

/// Writes a message's duration like `1m 30s`.
pub(super) fn length(length: Option<prost_types::Duration>) -> Option<String> {
    let length = Duration::try_from(length?).ok()?;
    Some(humantime::format_duration(length).to_string())
}

/// Converts a message's text; `None` if it is empty.
pub(super) fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
