//! Finds changes in a payload: a field with its old and new value, in whatever form the payload states them.

use std::borrow::Cow;

use super::values::scalar;
use super::wording::{in_snake_case, in_words};
use crate::members::{Member, items, members};

const MAX_CHANGES: usize = 5;
/// The words for what was and for what is, in pairs.
const PAIRS: [(&str, &str); 5] = [
    ("from", "to"),
    ("old", "new"),
    ("before", "after"),
    ("previous", "current"),
    ("previous", "new"),
];
/// Objects that hold nothing but changes.
pub(super) const HOLDERS: [&str; 5] = ["changes", "changed", "change", "diff", "updates"];

/// A value that is another than before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Name of the changed field, in words.
    pub(super) name: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// The changes that the members of an object tell. `what` names a bare pair of `from` and `to`.
pub(super) fn changes(object: &[Member<'_>], what: Option<&str>) -> Vec<Change> {
    let named: Vec<(String, &Member<'_>)> = object
        .iter()
        .map(|member| (in_snake_case(&member.key), member))
        .collect();
    let mut found: Vec<Change> = Vec::new();
    for (name, member) in &named {
        if HOLDERS.contains(&name.as_str()) {
            found.extend(held(member.value));
        } else if let Some(change) = pair_in(name, member.value).filter(|_| member.value.starts_with('{')) {
            found.push(change);
        } else if let Some(change) = beside(name, member, &named) {
            found.push(change);
        }
    }
    if let Some(what) = what {
        found.extend(bare(what, &named));
    }
    let mut told: Vec<Change> = Vec::new();
    for change in found {
        if change.from != change.to && told.iter().all(|other| other.name != change.name) && told.len() < MAX_CHANGES {
            told.push(change);
        }
    }
    told
}

/// Changes that lie together: an object of pairs, or a list with the name of each.
fn held(value: &str) -> Vec<Change> {
    let by_name = members(value).unwrap_or_default();
    let mut changes: Vec<Change> = by_name
        .iter()
        .filter_map(|member| pair_in(&in_snake_case(&member.key), member.value))
        .collect();
    for item in items(value).unwrap_or_default() {
        let of_it = members(item).unwrap_or_default();
        let named: Vec<_> = of_it
            .iter()
            .map(|member| (in_snake_case(&member.key), member))
            .collect();
        let what = ["field", "field_name", "name", "key", "attribute"]
            .iter()
            .find_map(|key| value_of(key, &named));
        changes.extend(what.and_then(|what| bare(&what, &named)));
    }
    changes
}

/// `"status": {"from": "open", "to": "resolved"}` or `"status": ["open", "resolved"]`, the latter among changes only.
fn pair_in(name: &str, value: &str) -> Option<Change> {
    if let Some([from, to]) = items(value).as_deref() {
        return change(name, scalar(from)?, scalar(to)?);
    }
    let inside = members(value)?;
    let named: Vec<_> = inside
        .iter()
        .map(|member| (in_snake_case(&member.key), member))
        .collect();
    bare(name, &named)
}

/// `"previous_status": "open"` beside `"status": "resolved"` or `"new_status": "resolved"`.
fn beside(name: &str, member: &Member<'_>, all: &[(String, &Member<'_>)]) -> Option<Change> {
    let before = of_before(name)?;
    let is = ["", "new_", "current_", "to_"]
        .iter()
        .find_map(|word| value_of(&format!("{word}{before}"), all));
    change(before, scalar(member.value)?, is?)
}

/// Field of which a name states the former value: `previous_status` belongs to `status`.
pub(super) fn of_before(name: &str) -> Option<&str> {
    const WERE: [&str; 6] = ["previous_", "prev_", "old_", "prior_", "former_", "from_"];
    let by_prefix = WERE.iter().find_map(|word| name.strip_prefix(word));
    by_prefix.or_else(|| name.strip_suffix("_was").or_else(|| name.strip_suffix("_before")))
}

/// A pair of values without a name of their own.
fn bare(what: &str, all: &[(String, &Member<'_>)]) -> Option<Change> {
    PAIRS.iter().find_map(|(from, to)| {
        let value = |word: &str| value_of(word, all).or_else(|| value_of(&format!("{word}_value"), all));
        change(what, value(from)?, value(to)?)
    })
}

fn value_of(name: &str, all: &[(String, &Member<'_>)]) -> Option<Cow<'static, str>> {
    let (_, member) = all.iter().find(|(other, _)| other == name)?;
    scalar(member.value)
}

fn change(name: &str, from: Cow<'_, str>, to: Cow<'_, str>) -> Option<Change> {
    Some(Change {
        name: in_words(name),
        from: from.into_owned(),
        to: to.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_found_however_it_is_written() {
        for payload in [
            r#"{"status":"resolved","previousStatus":"open"}"#,
            r#"{"old_status":"open","new_status":"resolved"}"#,
            r#"{"status":"resolved","status_was":"open"}"#,
            r#"{"status":{"from":"open","to":"resolved"}}"#,
            r#"{"status":{"old":"open","new":"resolved"}}"#,
            r#"{"changes":{"status":["open","resolved"]}}"#,
            r#"{"changes":{"status":{"oldValue":"open","newValue":"resolved"}}}"#,
            r#"{"changes":[{"field":"status","from":"open","to":"resolved"}]}"#,
            r#"{"from":"open","to":"resolved"}"#,
        ] {
            let members = members(payload).unwrap();
            let expected = Change {
                name: "Status".into(),
                from: "open".into(),
                to: "resolved".into(),
            };
            assert_eq!(changes(&members, Some("status")), [expected], "{payload}");
        }
        for nothing in [
            r#"{"status":"open","previous_status":"open"}"#,
            r#"{"tags":{"from":1}}"#,
            r#"{"previous_status":"open"}"#,
        ] {
            assert_eq!(changes(&members(nothing).unwrap(), None), [], "{nothing}");
        }
    }
}
