//! `/admin/queues`: how messages wait, and what to do with those that were set aside.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::Value;

use super::shapes::{Message, Queue, Settled};
use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::List;
use crate::show::bytes::{Body, View};
use crate::visitor::Visitor;

/// The most messages of a page; what was set aside is meant to be empty.
const MESSAGES: &str = "200";

#[derive(Template)]
#[template(path = "admin/queues.html")]
struct QueuesPage<'a> {
    v: &'a Visitor,
    queues: Vec<Queue>,
    all: bool,
}

#[derive(Template)]
#[template(path = "admin/messages.html")]
struct MessagesPage<'a> {
    v: &'a Visitor,
    queue: &'a str,
    messages: Vec<Message>,
    /// The number of messages, including those that are not shown.
    count: u64,
    settled: Option<Settled>,
}

#[derive(Template)]
#[template(path = "admin/message.html")]
struct MessagePage<'a> {
    v: &'a Visitor,
    queue: &'a str,
    message: Message,
    body: Body,
    view: View,
}

#[derive(Template)]
#[template(path = "admin/settle.html")]
struct SettlePage<'a> {
    v: &'a Visitor,
    queue: &'a str,
    action: &'a str,
    /// The number of messages, if all of them are meant.
    count: Option<u64>,
    /// The one that is meant otherwise.
    id: Option<&'a str>,
    /// True if there are more messages than the form said.
    has_grown: bool,
}

impl QueuesPage<'_> {
    /// Those that have something, unless all are asked for; what was set aside is always shown.
    fn shown(&self) -> impl Iterator<Item = &Queue> {
        let all = self.all;
        self.queues
            .iter()
            .filter(move |queue| all || queue.ready > 0 || queue.stuck > 0 || is_aside(queue))
    }

    fn hidden(&self) -> usize {
        self.queues.len() - self.shown().count()
    }

    fn is_aside(&self, queue: &Queue) -> bool {
        is_aside(queue)
    }

    /// True if messages wait without a consumer, or do not move on.
    fn is_bad(&self, queue: &Queue) -> bool {
        let is_lane = matches!(queue.kind.as_str(), "live" | "bulk" | "retry");
        queue.stuck > 0 || queue.ready > 0 && (is_aside(queue) || is_lane && queue.consumers == 0)
    }
}

fn is_aside(queue: &Queue) -> bool {
    matches!(queue.kind.as_str(), "parked" | "unrouted")
}

impl MessagePage<'_> {
    fn views(&self) -> [(&'static str, &'static str); 3] {
        crate::visitor::VIEWS
    }
}

pub(super) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let list: List<Queue> = visitor.get("/queues").await?;
    let page = QueuesPage {
        v: &visitor,
        queues: list.data,
        all: fields.has("all"),
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(super) async fn messages(visitor: Visitor, Path(queue): Path<String>) -> Result<Response, Response> {
    show_messages(&visitor, &queue, None).await
}

async fn show_messages(visitor: &Visitor, queue: &str, settled: Option<Settled>) -> Result<Response, Response> {
    let path = format!("/queues/{}/messages?limit={MESSAGES}", segment(queue));
    let list: List<Message> = visitor.get(path).await?;
    let count = count(visitor, queue).await?.max(list.data.len() as u64);
    let page = MessagesPage {
        v: visitor,
        queue,
        messages: list.data,
        count,
        settled,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(super) async fn message(
    visitor: Visitor,
    Path((queue, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Response> {
    let path = format!("/queues/{}/messages/{}", segment(&queue), segment(&id));
    let message: Message = visitor.get(&path).await?;
    let bytes = visitor.bytes(format!("{path}/body")).await?;
    let view = View::named(fields.text("view"));
    let page = MessagePage {
        v: &visitor,
        queue: &queue,
        message,
        body: Body::new(&bytes, view),
        view,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// The body as a file: never as a page, whatever is in it.
pub(super) async fn body(visitor: Visitor, Path((queue, id)): Path<(String, String)>) -> Response {
    let (queue, id) = (segment(&queue), segment(&id));
    visitor.answer(format!("/queues/{queue}/messages/{id}/body")).await
}

pub(super) async fn ask(
    visitor: Visitor,
    Path((queue, id, action)): Path<(String, String, String)>,
) -> Result<Response, Response> {
    let page = SettlePage {
        v: &visitor,
        queue: &queue,
        action: known(&action).ok_or_else(|| nothing_here(&visitor))?,
        count: None,
        id: Some(&id),
        has_grown: false,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(super) async fn settle(
    visitor: Visitor,
    Path((queue, id, action)): Path<(String, String, String)>,
) -> Result<Response, Response> {
    let action = known(&action).ok_or_else(|| nothing_here(&visitor))?;
    let path = format!("/queues/{}/messages/{}/{action}", segment(&queue), segment(&id));
    carry_out(&visitor, &queue, path).await
}

pub(super) async fn ask_all(
    visitor: Visitor,
    Path((queue, action)): Path<(String, String)>,
) -> Result<Response, Response> {
    let count = count(&visitor, &queue).await?;
    Ok(confirm_all(
        &visitor,
        &queue,
        known(&action).ok_or_else(|| nothing_here(&visitor))?,
        count,
        false,
    ))
}

/// Settles all messages that were counted. If more have come since, the form comes back with the new number.
pub(super) async fn settle_all(
    visitor: Visitor,
    Path((queue, action)): Path<(String, String)>,
    Form(fields): Form,
) -> Result<Response, Response> {
    let action = known(&action).ok_or_else(|| nothing_here(&visitor))?;
    let count = count(&visitor, &queue).await?;
    let seen: u64 = fields.text("count").parse().unwrap_or_default();
    if count > seen {
        return Ok(confirm_all(&visitor, &queue, action, count, true));
    }
    carry_out(&visitor, &queue, format!("/queues/{}/{action}", segment(&queue))).await
}

fn confirm_all(visitor: &Visitor, queue: &str, action: &str, count: u64, has_grown: bool) -> Response {
    let page = SettlePage {
        v: visitor,
        queue,
        action,
        count: Some(count),
        id: None,
        has_grown,
    };
    let status = if has_grown {
        StatusCode::CONFLICT
    } else {
        StatusCode::OK
    };
    visitor.page(status, &page)
}

async fn carry_out(visitor: &Visitor, queue: &str, path: String) -> Result<Response, Response> {
    let settled = visitor.send::<Settled>(Method::POST, path, &Value::Null).await;
    let settled = settled.map_err(|refusal| visitor.refused(&refusal))?;
    show_messages(visitor, queue, Some(settled)).await
}

/// The number of messages that were set aside in this queue.
async fn count(visitor: &Visitor, queue: &str) -> Result<u64, Response> {
    let queues: List<Queue> = visitor.get("/queues").await?;
    let of_kind = queues.data.iter().filter(|known| known.kind == queue);
    Ok(of_kind.map(|queue| queue.ready).sum())
}

/// The action of this name in the path, if there is one.
fn known(action: &str) -> Option<&str> {
    Some(action).filter(|action| ["requeue", "discard"].contains(action))
}

fn nothing_here(visitor: &Visitor) -> Response {
    visitor.refused(&Refusal {
        status: StatusCode::NOT_FOUND.as_u16(),
        code: "page_unknown".into(),
        detail: visitor.t("page-unknown"),
        field: None,
    })
}

/// A part of a path.
fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
