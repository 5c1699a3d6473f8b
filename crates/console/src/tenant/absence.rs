//! Explanations of searches that found nothing: events of that time that were not sent, filters that leave attempts out, and
//! the step that repairs it.

use std::collections::BTreeMap;

use futures::{StreamExt as _, future, stream};

use super::logs::{FILTERS, query};
use crate::form::Fields;
use crate::shapes::{Attempt, Delivery, Endpoint, Event, EventExplanation, Explanation, List};
use crate::visitor::Visitor;

/// Events that are looked at.
const EVENTS: usize = 10;
/// Explanations that are asked for at once.
const AT_ONCE: usize = 4;
/// Filters that make no attempt of their own: without them others may match.
const NARROWING: [&str; 8] = [
    "status_code",
    "outcome",
    "failure_reason",
    "error",
    "min_duration",
    "endpoint_id",
    "event_type",
    "since",
];

/// The events and attempts near a search that found nothing.
#[derive(Default)]
pub(crate) struct Absence {
    pub(crate) events: Vec<Event>,
    /// The outcomes of these events, the most frequent first.
    pub(crate) groups: Vec<Group>,
    /// Filters without which there are attempts.
    pub(crate) without: Vec<Without>,
    /// The newest event of the type at any time, where there is none in the time of the search.
    pub(crate) newest: Option<Event>,
}

/// Events with the same fate at the same endpoint.
pub(crate) struct Group {
    pub(crate) text: String,
    pub(crate) repair: Option<Repair>,
    count: usize,
}

/// The step that repairs it.
pub(crate) struct Repair {
    pub(crate) text: String,
    /// The page of the step, below the realm's path.
    pub(crate) path: String,
    /// True if it needs the right to manage.
    pub(crate) is_change: bool,
}

/// A filter to leave out.
pub(crate) struct Without {
    pub(crate) text: String,
    /// The query without it.
    pub(crate) query: String,
}

/// The verdict on an event, and the endpoint that it is about, if any: id and name.
type Fate = (String, Option<(String, String)>);

impl Absence {
    /// Collects what is near. A part that can't be read right now is left out.
    pub(crate) async fn of(visitor: &Visitor, fields: &Fields, endpoints: &[Endpoint]) -> Self {
        let (events, without) = futures::join!(near(visitor, fields, true), without(visitor, fields));
        let newest = match events.is_empty() {
            true => near(visitor, fields, false).await.into_iter().next(),
            false => None,
        };
        let wanted = fields.given("endpoint_id");
        let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
        let fates = stream::iter(ids).map(async |id| fates(visitor, id, wanted).await);
        let fates: Vec<Vec<Fate>> = fates.buffered(AT_ONCE).collect().await;
        let mut counts = BTreeMap::<Fate, usize>::new();
        for fate in fates.into_iter().flatten() {
            *counts.entry(fate).or_default() += 1;
        }
        let mut groups: Vec<_> = counts
            .into_iter()
            .map(|(fate, count)| group(visitor, fate, count, endpoints))
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Self {
            events,
            groups,
            without,
            newest,
        }
    }
}

/// Events that match the type of a search, and its time if that is asked for.
async fn near(visitor: &Visitor, fields: &Fields, in_time: bool) -> Vec<Event> {
    let Ok(query) = query(visitor, fields, &[("limit", &EVENTS.to_string())]) else {
        return Vec::new();
    };
    let mut kept = vec!["tenant_id", "event_type", "limit"];
    if in_time {
        kept.extend(["since", "until"]);
    }
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs.filter(|(name, _)| kept.contains(&name.as_ref())))
        .finish();
    let found = visitor.try_get::<List<Event>>(format!("/events?{query}")).await;
    found.map(|list| list.data).unwrap_or_default()
}

/// The fates of an event at the wanted endpoint, or at those that it was for, or at none.
async fn fates(visitor: &Visitor, event: String, wanted: Option<&str>) -> Vec<Fate> {
    let path = format!("/events/{event}/explain");
    let Ok(explained) = visitor.try_get::<EventExplanation>(path).await else {
        return Vec::new();
    };
    let is_concerned = |each: &&Explanation| match wanted {
        Some(id) => each.endpoint_id == id,
        None => each.delivery_id.is_some(),
    };
    let mut concerned = Vec::new();
    for each in explained.deliveries.iter().filter(is_concerned) {
        concerned.push(fate(visitor, each).await);
    }
    if concerned.is_empty() {
        let word = match explained.deliveries.is_empty() {
            true => "no_endpoint",
            false => "nobody_subscribed",
        };
        concerned.push((word.to_owned(), None));
    }
    concerned
}

/// The fate of an event at one endpoint. Events that a filter kept back are on record as cancelled, with the reason.
async fn fate(visitor: &Visitor, each: &Explanation) -> Fate {
    let name = each.endpoint_name.clone().filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| visitor.short(&each.endpoint_id));
    let mut verdict = each.verdict.clone();
    if let ("cancelled", Some(id)) = (verdict.as_str(), &each.delivery_id) {
        let delivery = visitor.try_get::<Delivery>(format!("/deliveries/{id}")).await;
        let reason = delivery.ok().and_then(|delivery| delivery.reason);
        if reason.as_deref() == Some("filtered") {
            verdict = "filtered".to_owned();
        }
    }
    (verdict, Some((each.endpoint_id.clone(), name)))
}

fn group(visitor: &Visitor, (verdict, endpoint): Fate, count: usize, endpoints: &[Endpoint]) -> Group {
    let (id, name) = endpoint.unwrap_or_default();
    let is_off = endpoints.iter().any(|endpoint| endpoint.id == id && !endpoint.enabled);
    let word = match verdict.as_str() {
        "held" if is_off => "held-off".to_owned(),
        other => other.replace('_', "-"),
    };
    let values = [("n", count.to_string()), ("endpoint", name)];
    let key = format!("absent-{word}");
    let text = visitor.console.texts.say(visitor.language, &key, &values);
    Group {
        // A verdict that the console does not know yet.
        text: if text == key {
            format!("{count}: {}", visitor.verdict(&verdict))
        } else {
            text
        },
        repair: repair(visitor, &word, &id),
        count,
    }
}

fn repair(visitor: &Visitor, word: &str, id: &str) -> Option<Repair> {
    let (key, path, is_change) = match word {
        "no-endpoint" => ("create-webhook", "/new".to_owned(), true),
        "held-off" => ("turn-on", format!("/endpoints/{id}/enable"), true),
        "held" | "under-way" => ("overview", format!("/endpoints/{id}"), false),
        "waiting" => (
            "nav-deliveries",
            format!("/deliveries?endpoint_id={id}&state=scheduled"),
            false,
        ),
        "given-up" | "cancelled" | "made-later" | "subscribed-later" => {
            ("recover", format!("/endpoints/{id}/recover"), true)
        }
        "filtered" | "not-subscribed" | "subscription-off" => {
            ("absent-subscribe", format!("/endpoints/{id}/filters"), true)
        }
        "nobody-subscribed" => ("absent-choose", String::new(), false),
        _ => return None,
    };
    Some(Repair {
        text: visitor.t(key),
        path,
        is_change,
    })
}

/// The filters that leave attempts out, each tried by itself.
async fn without(visitor: &Visitor, fields: &Fields) -> Vec<Without> {
    let given = NARROWING.into_iter().filter(|name| fields.given(name).is_some());
    let tried = given.map(async |left_out| {
        let left_out_too = |name: &str| name == left_out || (left_out == "since" && name == "until");
        let kept = [&FILTERS[..], &["since", "until"]].concat();
        let kept: Vec<_> = kept.into_iter().filter(|name| !left_out_too(name)).collect();
        let others = fields.query(&kept, &[]);
        let asked = query(visitor, &Fields::of(&others), &[("limit", "1"), ("bodies", "false")]).ok()?;
        let list = visitor
            .try_get::<List<Attempt>>(format!("/webhooks/logs?{asked}"))
            .await
            .ok()?;
        let key = format!("without-{}", left_out.replace('_', "-"));
        (!list.data.is_empty()).then(|| Without {
            text: visitor.t(&key),
            query: others,
        })
    });
    future::join_all(tried).await.into_iter().flatten().collect()
}
