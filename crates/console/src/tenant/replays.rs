//! `/webhooks/replays`: jobs that send again, how far they are, and stopping them.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::form::Fields;
use crate::shapes::{List, Replay};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "replays.html")]
struct ReplaysPage<'a> {
    v: &'a Visitor,
    replays: Vec<Replay>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "replay.html")]
struct ReplayPage<'a> {
    v: &'a Visitor,
    replay: &'a Replay,
}

impl ReplayPage<'_> {
    fn is_open(&self) -> bool {
        matches!(self.replay.state.as_str(), "running" | "paused")
    }
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let query = fields.query(&["tenant_id", "after"], &[]);
    let list: List<Replay> = visitor.get(format!("/replays?{query}")).await?;
    let page = ReplaysPage {
        v: &visitor,
        replays: list.data,
        next: list
            .next
            .map(|after| fields.query(&["tenant_id"], &[("after", after.as_str())])),
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let replay: Replay = visitor.get(format!("/replays/{id}")).await?;
    let page = ReplayPage {
        v: &visitor,
        replay: &replay,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// Pauses, resumes or cancels a replay.
pub(crate) async fn act(visitor: Visitor, Path((id, action)): Path<(String, String)>) -> Result<Response, Response> {
    let acted = visitor
        .send::<Value>(Method::POST, format!("/replays/{id}/{action}"), &Value::Null)
        .await;
    match acted {
        Ok(_) => Ok(visitor.lead(format!("/replays/{id}"))),
        Err(refusal) => Err(visitor.refused(&refusal)),
    }
}
