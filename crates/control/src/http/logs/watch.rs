//! Attempts as they are recorded, as Server-Sent Events.
//!
//! Need: people watch a page or a terminal while they try something out. Mechanism: the log service's live tail, opened
//! first and then joined with what it lists, so that a browser that comes back (`Last-Event-ID`) gets what it missed.
//! Limit: what was begun before the last attempt that a browser saw and ended later is only in the list.

use std::collections::HashSet;

use axum::response::sse::Event;
use futures::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use http::HeaderMap;
use serde::Serialize;
use tidings_domain::{AttemptId, Timestamp};
use tidings_proto::pb;
use tidings_service::problem::{Document, Problem, Relayed};
use tidings_service::request::required;
use tonic::{Code, Status};

use super::shown::LogEntry;
use super::{AT_ONCE, with_bodies};
use crate::call::Call;
use crate::http::Rest;

/// Header in which a browser sends the id of the last event it received (HTML Living Standard, 9.2.4).
const LAST_SEEN: &str = "Last-Event-ID";
/// Maximum number of missed attempts that are sent again.
const MAX_MISSED: usize = 1_000;
const PAGE: u32 = 200;
/// Maximum number of pages that are searched for them.
const MAX_PAGES: usize = 25;

/// The data of a `missed` event: attempts were left out of the stream.
#[derive(Serialize)]
struct Missed {
    /// Number of attempts left out; null if unknown.
    count: Option<u64>,
}

/// Attempts recorded since the one that the caller saw last.
#[derive(Default)]
struct Since {
    /// The attempts, oldest first, at most [`MAX_MISSED`].
    attempts: Vec<pb::Attempt>,
    /// `true` if there were more.
    more: bool,
}

/// Attempts recorded since the one that the caller saw last, if it names one, followed by those recorded from now on.
pub(super) async fn events(
    rest: Rest,
    call: Call,
    filter: pb::AttemptFilter,
    seen: Option<AttemptId>,
) -> Result<impl Stream<Item = Result<Event, Status>>, Status> {
    // Opened before the list is read, so that nothing falls between the two; what is in both is left out below.
    let told = rest.logs.watch_attempts(&call.authorization, filter.clone()).await?;
    let since = match seen {
        Some(seen) => since(&rest, &call, filter, seen).await?,
        None => Since::default(),
    };
    let listed: HashSet<String> = since.attempts.iter().map(|attempt| attempt.id.clone()).collect();
    let more = since.more.then(|| missed(None));
    let listed_before = since.attempts.into_iter().map(|attempt| {
        Ok(pb::WatchAttemptsResponse {
            attempt: Some(attempt),
            missed: 0,
        })
    });
    let told = told.try_filter(move |message| {
        let id = message.attempt.as_ref().map(|attempt| &attempt.id);
        future::ready(id.is_none_or(|id| !listed.contains(id)))
    });
    let stopped = rest.shutdown.clone().cancelled_owned();
    let messages = stream::iter(listed_before).chain(told).map(move |message| {
        let (rest, call) = (rest.clone(), call.clone());
        async move { shown(&rest, &call, message?).await }
    });
    let events = messages
        .buffered(AT_ONCE)
        .map_ok(|events| stream::iter(events.into_iter().map(Ok)))
        .try_flatten();
    // A stream that is cut is asked for again by browsers; one that its caller may not see any more says so and ends.
    let events = events.map(|event| event.or_else(ended));
    Ok(stream::iter(more).chain(events).take_until(stopped))
}

/// The attempt that the caller saw last.
pub(super) fn last_seen(headers: &HeaderMap) -> Result<Option<AttemptId>, Problem> {
    let Some(value) = headers.get(LAST_SEEN) else {
        return Ok(None);
    };
    required(&String::from_utf8_lossy(value.as_bytes()), LAST_SEEN).map(Some)
}

async fn since(rest: &Rest, call: &Call, filter: pb::AttemptFilter, seen: AttemptId) -> Result<Since, Status> {
    let begun = i64::try_from(seen.unix_millis()).unwrap_or(i64::MAX);
    let begun = Timestamp::from_millisecond(begun).ok().map(tidings_proto::timestamp);
    let mut question = pb::ListAttemptsRequest {
        filter: Some(pb::AttemptFilter { since: begun, ..filter }),
        page_size: PAGE,
        page_token: String::new(),
    };
    let seen = seen.to_string();
    let mut attempts = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = rest.logs.list_attempts(&call.authorization, question.clone()).await?;
        // An id begins with its time, and its text sorts as it does.
        attempts.extend(page.attempts.into_iter().filter(|attempt| attempt.id > seen));
        question.page_token = page.next_page_token;
        if question.page_token.is_empty() || attempts.len() >= MAX_MISSED {
            break;
        }
    }
    let more = attempts.len() > MAX_MISSED || !question.page_token.is_empty();
    attempts.truncate(MAX_MISSED);
    attempts.reverse();
    Ok(Since { attempts, more })
}

/// Converts a message of the live tail to the events that it causes.
async fn shown(rest: &Rest, call: &Call, message: pb::WatchAttemptsResponse) -> Result<Vec<Event>, Status> {
    let mut events = Vec::new();
    if message.missed > 0 {
        events.push(missed(Some(message.missed))?);
    }
    if let Some(attempt) = message.attempt {
        let id = attempt.id.clone();
        let entry = LogEntry::from(with_bodies(rest, call, attempt).await?);
        events.push(event("attempt", &entry)?.id(id));
    }
    Ok(events)
}

/// The last event of a stream whose caller is no longer known or may no longer see it; any other status is given back.
fn ended(status: Status) -> Result<Event, Status> {
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => event("refused", &Document::from(Relayed::from(&status))),
        _ => Err(status),
    }
}

fn missed(count: Option<u64>) -> Result<Event, Status> {
    event("missed", &Missed { count })
}

fn event(name: &str, data: &impl Serialize) -> Result<Event, Status> {
    let event = Event::default().event(name).json_data(data);
    event.map_err(|error| Status::internal(format!("an event can't be written as JSON: {error}")))
}
