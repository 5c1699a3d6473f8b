//! `/admin/audit`: who changed what, everybody's changes.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::shapes::Entry;
use crate::form::Fields;
use crate::rest::Refusal;
use crate::shapes::List;
use crate::tenant::instant;
use crate::visitor::Visitor;

const FILTERS: [&str; 6] = ["tenant_id", "key_id", "action", "target", "since", "until"];

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct AuditPage<'a> {
    v: &'a Visitor,
    fields: &'a Fields,
    entries: Vec<Entry>,
    next: Option<String>,
    refusal: Option<Refusal>,
}

/// A part of something that was changed.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    name: String,
    before: String,
    after: String,
}

impl AuditPage<'_> {
    fn changes(&self, entry: &Entry) -> Vec<Change> {
        changes(entry.before.as_ref(), entry.after.as_ref())
    }

    /// The thing's id, shortened, or its name.
    fn name(&self, target: &str) -> String {
        let is_id = target
            .split_once('_')
            .is_some_and(|(_, rest)| rest.len() == 32 && !rest.contains('.'));
        if is_id { self.v.short(target) } else { target.to_owned() }
    }

    /// The page of the target, if it has one.
    fn place(&self, target: &str) -> Option<String> {
        match target.split_once('_')?.0 {
            "ten" => Some(format!("/tenants/{target}")),
            "ep" => Some(format!("/endpoints/{target}")),
            "rpl" => Some(format!("/replays/{target}")),
            "evt" => Some(format!("/events/{target}")),
            _ => None,
        }
    }
}

pub(super) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let times = ["since", "until"].map(|name| {
        let at = instant(&visitor, fields.text(name), name == "until");
        (name, at.unwrap_or_default())
    });
    let times: Vec<_> = times
        .iter()
        .filter_map(|(name, at)| Some((*name, at.as_deref()?)))
        .collect();
    let query = fields.query(&[&FILTERS[..4], &["after"]].concat(), &times);
    let found = visitor.try_get::<List<Entry>>(format!("/audit?{query}")).await;
    let (found, refusal) = match found {
        Ok(list) => (list, None),
        Err(refusal) => (List::empty(), Some(refusal)),
    };
    let page = AuditPage {
        v: &visitor,
        fields: &fields,
        entries: found.data,
        next: found
            .next
            .map(|after| fields.query(&FILTERS, &[("after", after.as_str())])),
        refusal,
    };
    Ok(visitor.page(visitor.status(page.refusal.as_ref()), &page))
}

/// The members that differ; all of them if the thing was made or removed.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<Change> {
    let members = |value: Option<&Value>| match value {
        Some(Value::Object(members)) => members.clone(),
        Some(other) => [("value".to_owned(), other.clone())].into_iter().collect(),
        None => serde_json::Map::new(),
    };
    let (before, after) = (members(before), members(after));
    let added = after.keys().filter(|name| !before.contains_key(*name));
    let names = before.keys().chain(added);
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(none)) if none.is_empty() => String::new(),
        Some(Value::Object(none)) if none.is_empty() => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let changes = names.map(|name| Change {
        name: name.clone(),
        before: text(before.get(name)),
        after: text(after.get(name)),
    });
    changes
        .filter(|change| change.before != change.after && change.name != "updated_at")
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(name: &str, before: &str, after: &str) -> Change {
        Change {
            name: name.into(),
            before: before.into(),
            after: after.into(),
        }
    }

    #[test]
    fn only_what_differs_is_shown() {
        let before = json!({ "name": "CRM", "enabled": true, "url": "https://a.example/", "updated_at": 1 });
        let after =
            json!({ "name": "CRM", "enabled": false, "url": "https://a.example/", "updated_at": 2, "events": ["a.*"] });
        assert_eq!(
            changes(Some(&before), Some(&after)),
            [change("enabled", "true", "false"), change("events", "", "[\"a.*\"]")]
        );
        assert_eq!(
            changes(None, Some(&json!({ "name": "CRM", "contact": null }))),
            [change("name", "", "CRM")]
        );
        assert_eq!(changes(None, None), []);
    }
}
