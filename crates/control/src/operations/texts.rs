//! Texts that databases can keep.
//!
//! PostgreSQL has no place for the character U+0000, and none for half of a surrogate pair in JSON. SQLite takes both, so
//! what is refused is said here, for either, with the field at fault.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tidings_domain::text::{is_storable, is_storable_json};
use tidings_service::problem::Problem;

/// Members of bodies that are kept as bytes, whatever they say.
const KEPT_AS_BYTES: &str = "payload";

/// Says whether a text can be kept.
pub(crate) fn check(text: &str, field: &str) -> Result<(), Problem> {
    is_storable(text).then_some(()).ok_or_else(|| refused(field))
}

/// Says whether a JSON text can be kept.
pub(crate) fn check_json(json: &str, field: &str) -> Result<(), Problem> {
    is_storable_json(json).then_some(()).ok_or_else(|| refused(field))
}

/// Says whether every member of a body can be kept. What is no JSON object is for others to refuse.
pub(crate) fn check_body(body: &[u8]) -> Result<(), Problem> {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(body) else {
        return Ok(());
    };
    members
        .iter()
        .filter(|(name, _)| *name != KEPT_AS_BYTES)
        .try_for_each(|(name, value)| check_json(value.get(), name))
}

fn refused(field: &str) -> Problem {
    let detail = "it has the character U+0000, or half of a surrogate pair, which can't be stored: remove it";
    Problem::invalid("text_invalid", detail).at(field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_member_that_can_not_be_kept_is_named() {
        let field = |body: &str| check_body(body.as_bytes()).err().and_then(|problem| problem.field);
        for (body, expected) in [
            (r#"{"name": "a\u0000"}"#, Some("name")),
            (
                r#"{"name": "a", "schema": {"properties": {"x\u0000": {}}}}"#,
                Some("schema"),
            ),
            (r#"{"settings": {"a": "\ud800"}}"#, Some("settings")),
            (r#"{"name": "a", "payload": {"x": "\u0000"}}"#, None),
            (r#"{"name": "\ud83d\ude00 \\u0000"}"#, None),
            ("[", None),
            ("null", None),
        ] {
            assert_eq!(field(body).as_deref(), expected, "{body}");
        }
        assert!(check("a\0", "name").is_err() && check("a", "name").is_ok());
    }
}
