//! Reading what requests have in common: JSON, ids and pages.

use std::{fmt::Display, str::FromStr};

use serde::Deserialize;

use crate::body::check_plain;
use crate::problem::Problem;

/// The entries of a page if the caller does not say.
const DEFAULT_PAGE: u32 = 50;
/// The most entries of a page.
const MAX_PAGE: u32 = 200;

/// A JSON body. What is wrong with one is said in serde's words, which name the field that is missing or unknown.
pub fn json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Problem> {
    check_plain(body)?;
    // Serde takes an array for an object whose fields it lists in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::invalid(
            "request_invalid",
            "the body is an array: send an object",
        ));
    }
    serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))
}

/// The problem that serde finds in a request's body or query.
pub fn unreadable(detail: String) -> Problem {
    let is = |what: &str| detail.starts_with(what);
    let code = if is("unknown field") {
        "field_unknown"
    } else if is("missing field") {
        "field_missing"
    } else {
        "request_invalid"
    };
    let field = detail.split('`').nth(1).filter(|_| detail.contains("field"));
    match field.map(str::to_owned) {
        Some(field) => Problem::invalid(code, detail).at(field),
        None => Problem::invalid(code, detail),
    }
}

/// An id that must be given.
pub fn required<T: FromStr<Err: Display>>(text: &str, field: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error| Problem::invalid("id_invalid", format!("{error}")).at(field))
}

/// An id that may be left out (empty).
pub fn optional<T: FromStr<Err: Display>>(text: &str, field: &str) -> Result<Option<T>, Problem> {
    if text.is_empty() {
        Ok(None)
    } else {
        required(text, field).map(Some)
    }
}

/// The number of entries to show; 0 leaves it to the service.
pub fn page_size(asked: u32) -> Result<u32, Problem> {
    match asked {
        0 => Ok(DEFAULT_PAGE),
        1..=MAX_PAGE => Ok(asked),
        _ => {
            let detail = format!("a page has at most {MAX_PAGE} entries; ask for more by `page_token`");
            Err(Problem::invalid("page_size_invalid", detail).at("page_size"))
        }
    }
}

/// The token of the next page: the last id of a full page, nothing after the last page.
pub fn next_page<T>(rows: &[T], limit: u32, id: impl Fn(&T) -> String) -> String {
    if rows.len() < limit as usize {
        String::new()
    } else {
        rows.last().map(id).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded_and_only_full_ones_go_on() {
        assert_eq!(page_size(0), Ok(50));
        assert_eq!(page_size(200), Ok(200));
        assert_eq!(page_size(201).unwrap_err().field.as_deref(), Some("page_size"));
        assert_eq!(next_page(&[1, 2], 2, ToString::to_string), "2");
        assert_eq!(next_page(&[1, 2], 3, ToString::to_string), "");
    }
}
