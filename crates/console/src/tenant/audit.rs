//! `/webhooks/audit`: who changed what, with what was before and what is since.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tidings_domain::Timestamp;

use super::logs::instant;
use crate::form::Fields;
use crate::shapes::List;
use crate::show::diff::{self, Line};
use crate::visitor::Visitor;

const FILTERS: [&str; 3] = ["action", "target", "key_id"];
/// The actions that the filter suggests.
const ACTIONS: [&str; 6] = [
    "endpoint.*",
    "key.*",
    "portal_link.*",
    "tenant.*",
    "replay.*",
    "erasure.*",
];

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    v: &'a Visitor,
    fields: &'a Fields,
    entries: Vec<Entry>,
    next: Option<String>,
    problem: Option<String>,
}

/// A change that somebody made.
#[derive(Deserialize)]
struct Entry {
    at: Timestamp,
    actor: String,
    key_id: Option<String>,
    action: String,
    target: String,
    before: Option<Value>,
    after: Option<Value>,
    remote_address: Option<String>,
    user_agent: Option<String>,
}

impl Entry {
    /// The change, line by line.
    fn changes(&self) -> Vec<Line> {
        let text = |value: &Option<Value>| {
            let laid_out = value.as_ref().map(serde_json::to_string_pretty);
            laid_out.and_then(Result::ok).unwrap_or_default()
        };
        diff::lines(&text(&self.before), &text(&self.after))
    }

    /// The page of what was changed.
    fn page(&self) -> Option<String> {
        let kind = self.target.split_once('_').map(|(kind, _)| kind)?;
        let is_gone = self.after.is_none() && self.action.ends_with(".deleted");
        match kind {
            "ep" if !is_gone => Some(format!("/endpoints/{}", self.target)),
            "rpl" => Some(format!("/replays/{}", self.target)),
            "dlv" => Some(format!("/deliveries/{}", self.target)),
            "evt" => Some(format!("/events/{}", self.target)),
            _ => None,
        }
    }
}

impl AuditPage<'_> {
    fn actions(&self) -> [&'static str; 6] {
        ACTIONS
    }

    fn actor(&self, entry: &Entry) -> String {
        self.v.actor(&entry.actor)
    }
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let times = [("since", false), ("until", true)].map(|(name, is_end)| {
        let found = instant(&visitor, fields.text(name), is_end);
        found.map(|at| at.map(|at| (name, at)))
    });
    let times: Result<Vec<_>, String> = times.into_iter().collect();
    let found = match times {
        Ok(times) => {
            let times: Vec<_> = times.iter().flatten().map(|(name, at)| (*name, at.as_str())).collect();
            let names = [&FILTERS[..], &["after"]].concat();
            visitor
                .try_get::<List<Entry>>(format!("/audit?{}", fields.query(&names, &times)))
                .await
        }
        Err(problem) => return Ok(page(&visitor, &fields, None, Some(problem), 400)),
    };
    match found {
        Ok(list) => Ok(page(&visitor, &fields, Some(list), None, 200)),
        // What was typed is shown again with what is wrong with it; who may not look at all gets no page.
        Err(refusal) if refusal.status == 400 => Ok(page(&visitor, &fields, None, Some(refusal.detail), 400)),
        Err(refusal) => Err(visitor.refused(&refusal)),
    }
}

fn page(
    visitor: &Visitor,
    fields: &Fields,
    list: Option<List<Entry>>,
    problem: Option<String>,
    status: u16,
) -> Response {
    let (entries, next) = list.map_or((Vec::new(), None), |list| (list.data, list.next));
    let names = [&FILTERS[..], &["since", "until"]].concat();
    let page = AuditPage {
        v: visitor,
        fields,
        entries,
        next: next.map(|after| fields.query(&names, &[("after", after.as_str())])),
        problem,
    };
    visitor.page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page)
}
