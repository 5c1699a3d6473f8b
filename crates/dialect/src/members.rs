//! Locates the members of an object, or the items of an array, without parsing them.
//!
//! Most templates use one key of a payload, if any; finding it takes one pass over the tokens and builds no tree.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{Container, Piece, Token, Tokens, pieces};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    /// The decoded key.
    pub(crate) key: Cow<'a, str>,
    /// Text of the value, not decoded.
    pub(crate) value: &'a str,
    /// Position of key and value.
    pub(crate) at: Range<usize>,
}

/// The members in the order of the text and with every repetition; none when the text, which has been checked, is
/// no object.
pub(crate) fn members(text: &str) -> Option<Vec<Member<'_>>> {
    children(text, Container::Object)
}

/// The texts of the items; none when the text, which has been checked, is no array.
pub(crate) fn items(text: &str) -> Option<Vec<&str>> {
    let items = children(text, Container::Array)?;
    Some(items.into_iter().map(|item| item.value).collect())
}

/// The direct children of a container of this kind; `None` if the text is of another kind.
fn children(text: &str, container: Container) -> Option<Vec<Member<'_>>> {
    let mut tokens = Tokens::of(text);
    if tokens.next() != Some(Ok(Token::Open(container))) {
        return None;
    }
    let mut children = Vec::new();
    let (mut key, mut key_at, mut value_at) = (Cow::Borrowed(""), None, 0);
    let mut depth = 0_usize;
    while let Some(Ok(token)) = tokens.next() {
        match token {
            Token::Key(written) if depth == 0 => (key, key_at) = (decoded(written), Some(tokens.key_at())),
            Token::Close if depth == 0 => break,
            _ if depth == 0 => value_at = tokens.at() - token.len(),
            _ => {}
        }
        match token {
            Token::Key(_) => continue,
            Token::Open(_) => depth += 1,
            Token::Close => depth -= 1,
            Token::String(_) | Token::Number(_) | Token::Word(_) => {}
        }
        if depth == 0 {
            children.push(Member {
                key: std::mem::take(&mut key),
                value: &text[value_at..tokens.at()],
                at: key_at.unwrap_or(value_at)..tokens.at(),
            });
        }
    }
    Some(children)
}

/// Decodes a string token. Lone surrogates, which no `str` can hold, become U+FFFD.
pub(crate) fn decoded(token: &str) -> Cow<'_, str> {
    let content = token.get(1..token.len() - 1).unwrap_or_default();
    if memchr::memchr(b'\\', content.as_bytes()).is_none() {
        return content.into();
    }
    let mut text = String::with_capacity(content.len());
    for piece in pieces(token) {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Char(character) => text.push(character),
            Piece::Lone(_) => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_whatever_they_hold() {
        let text = " { \"a\" : [1,{\"b\":2}] , \"\\u0062\":\"x\\\"}\" ,\"c\":{\"a\":{}},\"a\": -1.5e3 ,\"d\":null } ";
        let members_of_text = members(text).unwrap();
        let found: Vec<(&str, &str)> = members_of_text.iter().map(|m| (&*m.key, m.value)).collect();
        let expected = [
            ("a", "[1,{\"b\":2}]"),
            ("b", "\"x\\\"}\""),
            ("c", "{\"a\":{}}"),
            ("a", "-1.5e3"),
            ("d", "null"),
        ];
        assert_eq!(found, expected);
        assert_eq!(&text[members_of_text[1].at.clone()], "\"\\u0062\":\"x\\\"}\"");
        assert_eq!(members("{}"), Some(Vec::new()));
    }

    #[test]
    fn other_values_have_no_members() {
        for text in ["[{\"a\":1}]", "\"{}\"", "1", "null"] {
            assert_eq!(members(text), None, "{text}");
        }
        assert_eq!(
            items(" [ [1,2] , {\"a\":[]},3]"),
            Some(vec!["[1,2]", "{\"a\":[]}", "3"])
        );
        assert_eq!(items("{\"a\":[]}"), None);
    }

    #[test]
    fn half_an_emoji_is_a_replacement_character() {
        assert_eq!(decoded(r#""cut \ud83d""#), "cut \u{fffd}");
        assert_eq!(decoded(r#""\ud83d\ude00\n""#), "😀\n");
    }
}
