//! Removes members from a payload without touching the rest.
//!
//! Everything else keeps its bytes; nothing is reprinted. Only the top level of the payload and of objects with
//! properties is examined; deeper levels are skipped, however deep.

use std::borrow::Cow;
use std::ops::Range;

use crate::members::{Member, members};
use crate::options::Properties;

/// The parts of a payload that are not sent.
pub(crate) struct Prune<'a> {
    /// Members of the payload that only templates see.
    pub(crate) omit: &'a [String],
    /// The objects of which only a part is sent.
    pub(crate) properties: Option<&'a Properties>,
    /// The properties that the endpoint chose, each an object and a key: `user.plan`.
    pub(crate) chosen: &'a [String],
}

impl Prune<'_> {
    /// Removes the parts from a valid payload.
    pub(crate) fn apply<'a>(&self, payload: &'a str) -> Cow<'a, str> {
        let removed = self.removed(payload);
        if removed.is_empty() {
            return payload.into();
        }
        let mut kept = String::with_capacity(payload.len());
        let mut at = 0;
        for range in removed {
            kept.push_str(&payload[at..range.start]);
            at = range.end;
        }
        kept.push_str(&payload[at..]);
        kept.into()
    }

    /// Ranges to remove, in the order of the text.
    fn removed(&self, payload: &str) -> Vec<Range<usize>> {
        let members = members(payload).unwrap_or_default();
        let keep = |member: &Member<'_>| !self.omit.iter().any(|key| *key == member.key);
        leave_out(&members, keep)
            .into_iter()
            .zip(&members)
            .flat_map(|(dropped, member)| match dropped {
                Some(range) => vec![range],
                None => self.removed_properties(member),
            })
            .collect()
    }

    fn removed_properties(&self, object: &Member<'_>) -> Vec<Range<usize>> {
        let Some(always) = self.properties.and_then(|properties| properties.always(&object.key)) else {
            return Vec::new();
        };
        let chosen = |key: &str| {
            let keys = self.chosen.iter().filter_map(|property| property.split_once('.'));
            keys.into_iter().any(|chosen| chosen == (&object.key, key))
        };
        let keep = |member: &Member<'_>| always.iter().any(|key| *key == member.key) || chosen(&member.key);
        let start = object.at.end - object.value.len();
        leave_out(&members(object.value).unwrap_or_default(), keep)
            .into_iter()
            .flatten()
            .map(|range| start + range.start..start + range.end)
            .collect()
    }
}

/// For each member that is not kept, what goes with it: itself and one comma, the one before it where a member
/// stays before it and else the one behind it.
fn leave_out(members: &[Member<'_>], keep: impl Fn(&Member<'_>) -> bool) -> Vec<Option<Range<usize>>> {
    let mut kept_before = None;
    let mut dropped = Vec::with_capacity(members.len());
    for (i, member) in members.iter().enumerate() {
        if keep(member) {
            kept_before = Some(member.at.end);
            dropped.push(None);
            continue;
        }
        dropped.push(Some(match (kept_before, members.get(i + 1)) {
            (Some(end), _) => end..member.at.end,
            (None, Some(next)) => member.at.start..next.at.start,
            (None, None) => member.at.clone(),
        }));
        kept_before = kept_before.map(|_| member.at.end);
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(payload: &str, chosen: &[&str]) -> String {
        let chosen: Vec<String> = chosen.iter().map(|property| (*property).to_owned()).collect();
        let always = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let properties = Properties::new(
            10,
            [("user", always(&["id", "name"])), ("company", always(&["id"]))]
                .map(|(object, keys)| (object.to_owned(), keys))
                .into(),
        );
        let cut = Prune {
            omit: &["token".to_owned()],
            properties: Some(&properties),
            chosen: &chosen,
        };
        let kept = cut.apply(payload);
        crate::json::check(kept.as_bytes()).unwrap();
        kept.into_owned()
    }

    #[test]
    fn what_is_not_chosen_goes_with_one_comma() {
        for (payload, expected) in [
            (r#"{"token":1}"#, "{}"),
            (r#"{"token":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{ "token" : 1 , "token":2, "a" : 2 }"#, r#"{ "a" : 2 }"#),
            (r#"{"a":1 , "token":[{}] , "b":2}"#, r#"{"a":1 , "b":2}"#),
            (r#"{"a":1,"token":1,"token":2}"#, r#"{"a":1}"#),
            (r#"{"user":{"plan":"pro"}}"#, r#"{"user":{}}"#),
            (
                r#"{"user":{"plan":"pro","id":1,"x":[1,{"id":2}],"name":"J"},"company":{"id":1,"x":2}}"#,
                r#"{"user":{"id":1,"name":"J"},"company":{"id":1}}"#,
            ),
        ] {
            assert_eq!(cut(payload, &[]), expected, "{payload}");
        }
    }

    #[test]
    fn what_is_chosen_stays_as_it_is_written() {
        let payload = r#"{"user" : {"id":1.0, "plan":"pr\u006f", "age": 3},"company":{"plan":1}}"#;
        assert_eq!(
            cut(payload, &["user.plan"]),
            r#"{"user" : {"id":1.0, "plan":"pr\u006f"},"company":{}}"#
        );
        assert_eq!(cut(payload, &["user.plan", "user.age", "company.plan"]), payload);
    }

    #[test]
    fn odd_spellings_of_keys_hide_nothing_and_lose_nothing() {
        assert_eq!(
            cut(r#"{"\u0074oken":1,"us\u0065r":{"a":1}}"#, &[]),
            r#"{"us\u0065r":{}}"#
        );
        assert_eq!(
            cut(r#"{"user":{"a":1},"user":{"\u0069d":1,"b":2,"b":3}}"#, &["user.a"]),
            r#"{"user":{"a":1},"user":{"\u0069d":1}}"#
        );
    }

    #[test]
    fn what_stands_elsewhere_stays() {
        for payload in [
            r#"{"x":{"token":1,"user":{"plan":1}}}"#,
            r#"[{"token":1}]"#,
            r#"{"user":["plan"],"company":null}"#,
            "\"token\"",
        ] {
            assert_eq!(cut(payload, &[]), payload);
        }
        let deep = format!(
            r#"{{"user":{{"x":{0},"id":{0}}}}}"#,
            "[".repeat(100_000) + &"]".repeat(100_000)
        );
        assert!(cut(&deep, &[]).starts_with(r#"{"user":{"id":[["#));
    }
}
