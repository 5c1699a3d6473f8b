//! `/admin`: only what is wrong, each with what can be done about it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::chart;
use crate::form::Fields;
use crate::shapes::{List, Said};
use crate::show::chart::Chart;
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage<'a> {
    v: &'a Visitor,
    findings: Vec<Said>,
    chart: Option<Chart>,
    /// The name of the time that the chart goes back.
    range: &'static str,
}

impl OverviewPage<'_> {
    /// The page on which something can be done about a finding, below the realm's path.
    fn place(&self, finding: &Said) -> String {
        let about = |name| finding.argument(name);
        match finding.code.as_str() {
            "messages_parked" => format!("/queues/{}", about("kind")),
            "queue_unknown" | "canary_missing" | "queue_stuck" | "lane_unattended" => "/queues".into(),
            "delivery_overdue" => format!("/deliveries/{}", about("delivery_id")),
            "replay_stands" => format!("/replays/{}", about("replay_id")),
            "endpoints_failing" | "endpoints_turned_off" => format!("/endpoints?state={}", about("state")),
            _ => "/system".into(),
        }
    }

    /// The key of what the link to that place says.
    fn verb(&self, finding: &Said) -> String {
        let verb = match finding.code.as_str() {
            "messages_parked" => "do-requeue",
            "delivery_overdue" => "do-explain",
            "replay_stands" => "do-stop",
            "endpoints_failing" | "endpoints_turned_off" => "do-list",
            _ => "do-look",
        };
        self.v.t(verb)
    }

    /// The severity of a finding, as the class of its badge.
    fn weight(&self, finding: &Said) -> &'static str {
        match finding.code.as_str() {
            "endpoints_failing" | "endpoints_turned_off" | "replay_stands" => "held",
            _ => "failing",
        }
    }
}

pub(super) async fn show(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let findings = visitor.get::<List<Said>>("/system/findings");
    let (list, chart) = futures::join!(findings, chart::latest(&visitor, &fields, None));
    let page = OverviewPage {
        v: &visitor,
        findings: list?.data,
        chart,
        range: chart::range(&fields).0,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}
