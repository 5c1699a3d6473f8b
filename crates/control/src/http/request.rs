//! Reading requests: caller, ids in paths, queries, bodies, preconditions.

use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::RequestExt as _;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use http::StatusCode;
use http::header::IF_MATCH;
use http::request::Parts;
use serde::de::DeserializeOwned;
use tidings_domain::{ApiKey, Timestamp};
use tidings_service::body::check_headers;
use tidings_service::problem::Problem;
use tidings_service::request::{json, required, unreadable};

use super::{MAX_BODY, Rest};
use crate::call::Call;
use crate::precondition::Precondition;
use crate::texts;

/// Default number of entries of a page.
const DEFAULT_PAGE: u32 = 50;
/// Maximum number of entries of a page.
const MAX_PAGE: u32 = 200;

impl FromRequestParts<Rest> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Problem> {
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        rest.callers.call(&parts.headers, from.map(|from| from.0.ip()))
    }
}

/// Extractor of a call that bears the token of a portal link that works once, with the key behind the link.
pub(super) struct ByLink(pub(super) Call, pub(super) Arc<ApiKey>);

impl FromRequestParts<Rest> for ByLink {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Problem> {
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let found = rest.callers.call_by_link(&parts.headers, from.map(|from| from.0.ip()));
        found.map(|(call, key)| Self(call, key))
    }
}

/// Extractor of the id in the path. Fails with `id_invalid` if it can't be parsed.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr<Err: Display>> FromRequestParts<Rest> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Problem> {
        let Path((name, text)) = named(parts, rest).await?;
        required(&text, &name).map(Self)
    }
}

/// The last parameters of the path, as texts. Whoever calls from inside of this process may have matched a path of its own
/// before, whose parameters come first.
pub(super) struct At<const N: usize>(pub(super) [String; N]);

impl<const N: usize> FromRequestParts<Rest> for At<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Problem> {
        let wrong = |detail: String| Problem::invalid("id_invalid", detail);
        let Path(parameters) = Path::<Vec<(String, String)>>::from_request_parts(parts, rest)
            .await
            .map_err(|rejection| wrong(rejection.body_text()))?;
        let skipped = parameters.len().saturating_sub(N);
        let texts: Vec<String> = parameters.into_iter().skip(skipped).map(|(_, text)| text).collect();
        let texts = texts.try_into();
        texts.map(Self).map_err(|_| wrong("the path has no id".into()))
    }
}

/// The only parameter of the path, and its name.
async fn named(parts: &mut Parts, rest: &Rest) -> Result<Path<(String, String)>, Problem> {
    let wrong = |detail: String| Problem::invalid("id_invalid", detail);
    let Path(mut parameters) = Path::<Vec<(String, String)>>::from_request_parts(parts, rest)
        .await
        .map_err(|rejection| wrong(rejection.body_text()))?;
    parameters
        .pop()
        .map(Path)
        .ok_or_else(|| wrong("the path has no id".into()))
}

/// Extractor of the query. Problems name the parameter at fault.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Rest> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Rest) -> Result<Self, Problem> {
        let Query(query) = Query::try_from_uri(&parts.uri).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.trim_start_matches("Failed to deserialize query string: ");
            // What is wrong with a value is said behind the name of its parameter.
            match text.split_once(": ") {
                Some((name, detail)) if detail.contains(&format!("`{name}`")) => unreadable(detail.to_owned()),
                Some((name, _)) => Problem::invalid("request_invalid", text).at(name),
                None => unreadable(text.to_owned()),
            }
        })?;
        Ok(Self(query))
    }
}

/// Extractor of a JSON body; `Content-Type` may be left out. No body at all is read as null, for operations that can do
/// without.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Rest> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Rest) -> Result<Self, Problem> {
        // Checked here and reported below: a request without a body needs no type.
        let headers = check_headers(request.headers(), &[]);
        let body: Bytes = request.extract().await.map_err(unread)?;
        match body.as_ref() {
            [] => json(b"null").map(Self).map_err(|_| {
                let detail = "this takes a body: see /api/v2/openapi.json";
                Problem::invalid("body_missing", detail)
            }),
            body => {
                headers?;
                texts::check_body(body)?;
                json(body).map(Self)
            }
        }
    }
}

fn unread(rejection: axum::extract::rejection::BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::too_large("request_too_large", format!("a request has at most {MAX_BODY} bytes"))
        }
        _ => Problem::invalid("request_unreadable", rejection.body_text()),
    }
}

/// Extractor of `If-Match` (RFC 9110, section 13.1.1). Tags that were not made by `etag` match no state.
impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut tags = Vec::new();
        for value in parts.headers.get_all(IF_MATCH) {
            let text = value.to_str().map_err(|_| {
                let detail = "`If-Match` is the `ETag` of an answer, or `*`";
                Problem::invalid("etag_invalid", detail).at("If-Match")
            })?;
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
        }
        if tags.is_empty() || tags.iter().any(|tag| tag == "*") {
            return Ok(Self::Any);
        }
        Ok(Self::Changed(tags.iter().filter_map(|tag| time_of(tag)).collect()))
    }
}

/// The time of the last change that an entity tag stands for.
fn time_of(tag: &str) -> Option<Timestamp> {
    let micros = tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?;
    Timestamp::from_microsecond(micros).ok()
}

/// The number of entries of a page, with the default. Fails with `limit_invalid` outside of 1 to 200.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(DEFAULT_PAGE),
        Some(limit @ 1..=MAX_PAGE) => Ok(limit),
        Some(_) => {
            let detail =
                format!("a page has 1 to {MAX_PAGE} entries; `next` of an answer is `after` of the next request");
            Err(Problem::invalid("limit_invalid", detail).at("limit"))
        }
    }
}

/// Reads an id that may be left out. An empty one is refused: it would be a script's variable that was never set.
pub(super) fn given<T: FromStr<Err: Display>>(text: Option<&str>, name: &str) -> Result<Option<T>, Problem> {
    text.map(|text| required(text, name)).transpose()
}

/// Reads a duration like `30s` into a message's type. Fails with `duration_invalid`.
pub(super) fn duration(text: &str, field: &str) -> Result<prost_types::Duration, Problem> {
    length(text, field).map(tidings_proto::duration)
}

/// Reads a duration like `30s`. Fails with `duration_invalid`.
pub(super) fn length(text: &str, field: &str) -> Result<Duration, Problem> {
    humantime::parse_duration(text).map_err(|_| {
        let detail = format!("`{text}` is not a duration: write it like `30s`, `5m` or `2h`");
        Problem::invalid("duration_invalid", detail).at(field)
    })
}

/// Replaces an operation's field name in a problem by its name in this interface.
pub(super) fn renamed(mut problem: Problem, from: &str, to: &str) -> Problem {
    if problem.field.as_deref() == Some(from) {
        problem.field = Some(to.to_owned());
    }
    problem
}
