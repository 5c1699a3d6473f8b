//! The one reading of idempotency keys, wherever they are given.
//!
//! The draft (draft-ietf-httpapi-idempotency-key-header) writes the header as a string of RFC 8941: in quotes, with
//! `\"` and `\\` in it, and parameters behind it that mean nothing to us. Most clients leave the quotes out. Both name the
//! same key: `"k-1"`, `"k-1";v=1` and `k-1`.

use crate::problem::Problem;

/// The longest key, bytes.
pub const MAX_LENGTH: usize = 255;

/// The key that a header or a field names; `field` is what it is called in the problem if it names none.
pub fn read(text: &str, field: &str) -> Result<String, Problem> {
    let text = text.trim_matches([' ', '\t']);
    let key = match text.strip_prefix('"') {
        Some(rest) => quoted(rest),
        None => Some(text.to_owned()).filter(|key| !key.contains('"')),
    };
    let is_key =
        |key: &String| (1..=MAX_LENGTH).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    key.filter(is_key).ok_or_else(|| {
        let detail = format!(
            "an idempotency key has 1 to {MAX_LENGTH} visible ASCII characters and no spaces, in quotes on both sides or \
             without any: a UUID is a good one"
        );
        Problem::invalid("idempotency_key_invalid", detail).at(field)
    })
}

/// The rest of a string behind its opening quote, up to the closing one; nothing if there is none, or if something
/// else than parameters follows.
fn quoted(rest: &str) -> Option<String> {
    let mut key = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => key.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            character => key.push(character),
        }
    }
    let behind = characters.as_str().trim_start_matches([' ', '\t']);
    (behind.is_empty() || behind.starts_with(';')).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_in_quotes_and_without() {
        let read = |text: &str| read(text, "idempotency_key").map_err(|problem| problem.code);
        for (text, key) in [
            ("k-1", "k-1"),
            ("\"k-1\"", "k-1"),
            (" \"k-1\" ", "k-1"),
            ("\"k-1\";v=1", "k-1"),
            ("\"k-1\" ; v=\"x\"", "k-1"),
            ("\"a;b\"", "a;b"),
            ("a;b", "a;b"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("a\\b", "a\\b"),
            (&"k".repeat(255), &"k".repeat(255)),
        ] {
            assert_eq!(read(text).as_deref(), Ok(key), "{text}");
        }
        for wrong in [
            "",
            " ",
            "\"",
            "\"\"",
            "\"\";v=1",
            "\"k-1",
            "k-1\"",
            "\"k-1\\\"",
            "\"k\\x\"",
            "\"k-1\"x",
            "\"a\" \"b\"",
            "a b",
            "\"a b\"",
            "a\"b",
            "ä",
            "\"ä\"",
            "a\u{0}",
            &"k".repeat(256),
        ] {
            assert_eq!(read(wrong), Err("idempotency_key_invalid"), "{wrong}");
        }
    }
}
