//! JSON in the form that ECMAScript prints.
//!
//! Some receivers verify a signature over `JSON.stringify(req.body)`, the body parsed and printed again, instead of
//! the bytes that arrived (UserHero's document, "Verification Code"). Their check passes only if the body equals its
//! own reprint byte for byte. [`ecmascript`] produces that form by the rules of ECMA-262: `JSON.parse`,
//! `OrdinaryOwnPropertyKeys`, `Number::toString`, `QuoteJSONString`.
//!
//! Like the originals it loses what a double can't hold: `1e400` becomes `null`, `9007199254740993` an even
//! neighbour.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use indexmap::IndexMap;

use crate::json::{Container, Piece, Token, Tokens, pieces, utf8};
pub use crate::json::{JsonError, check};

/// Result of `JSON.stringify(JSON.parse(text))`, for any depth of nesting.
pub fn ecmascript(json: &[u8]) -> Result<Vec<u8>, JsonError> {
    reprint(utf8(json)?).map(String::into_bytes)
}

pub(crate) fn reprint(text: &str) -> Result<String, JsonError> {
    Ok(print(&parse(text)?, text.len()))
}

/// A value; containers name their children by their place in the list of all nodes, so that neither walking
/// nor dropping them recurses.
enum Node<'a> {
    Scalar(Cow<'a, str>),
    Array(Vec<usize>),
    Object(Members<'a>),
}

/// The members of an object in the order of `OrdinaryOwnPropertyKeys`: array indices ascending, then the other
/// keys as they came. A repeated key keeps its first place and its last value.
#[derive(Default)]
struct Members<'a> {
    indices: BTreeMap<u32, usize>,
    /// Printed keys with the position of their value.
    names: IndexMap<Cow<'a, str>, usize>,
}

fn parse(text: &str) -> Result<Vec<Node<'_>>, JsonError> {
    let mut nodes = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut key = Cow::Borrowed("");
    for token in Tokens::of(text) {
        let node = match token? {
            Token::Close => {
                open.pop();
                continue;
            }
            Token::Key(written) => {
                key = quoted(written);
                continue;
            }
            Token::Open(Container::Array) => Node::Array(Vec::new()),
            Token::Open(Container::Object) => Node::Object(Members::default()),
            Token::String(written) => Node::Scalar(quoted(written)),
            Token::Number(written) => Node::Scalar(number(written)),
            Token::Word(word) => Node::Scalar(word.into()),
        };
        let place = nodes.len();
        match open.last().and_then(|&parent| nodes.get_mut(parent)) {
            Some(Node::Array(items)) => items.push(place),
            Some(Node::Object(members)) => members.insert(std::mem::take(&mut key), place),
            Some(Node::Scalar(_)) | None => {}
        }
        if !matches!(node, Node::Scalar(_)) {
            open.push(place);
        }
        nodes.push(node);
    }
    Ok(nodes)
}

impl<'a> Members<'a> {
    fn insert(&mut self, key: Cow<'a, str>, place: usize) {
        match array_index(&key) {
            Some(index) => self.indices.insert(index, place),
            None => self.names.insert(key, place),
        };
    }

    fn len(&self) -> usize {
        self.indices.len() + self.names.len()
    }
}

/// The array index that a key in quotes is: a canonical decimal from 0 to 2³² − 2 (ECMA-262, section 6.1.7).
fn array_index(quoted: &str) -> Option<u32> {
    let digits = quoted.get(1..quoted.len().checked_sub(1)?)?;
    let canonical = digits == "0" || digits.starts_with(|first: char| ('1'..='9').contains(&first));
    digits.parse().ok().filter(|index| canonical && *index != u32::MAX)
}

enum Step<'a> {
    Text(&'static str),
    Key(Cow<'a, str>),
    Node(usize),
}

fn print(nodes: &[Node<'_>], about: usize) -> String {
    let mut out = String::with_capacity(about);
    // What is still to be printed, the next at the end.
    let mut steps = vec![Step::Node(0)];
    while let Some(step) = steps.pop() {
        let node = match step {
            Step::Text(text) => {
                out.push_str(text);
                continue;
            }
            Step::Key(key) => {
                out.push_str(&key);
                out.push(':');
                continue;
            }
            Step::Node(place) => nodes.get(place),
        };
        match node {
            Some(Node::Scalar(text)) => out.push_str(text),
            Some(Node::Array(items)) => {
                out.push('[');
                steps.push(Step::Text("]"));
                for place in items.iter().rev() {
                    steps.extend([Step::Node(*place), Step::Text(",")]);
                }
                no_comma_before_the_first(&mut steps, items.len());
            }
            Some(Node::Object(members)) => {
                out.push('{');
                steps.push(Step::Text("}"));
                let indices = members
                    .indices
                    .iter()
                    .map(|(index, place)| (Cow::Owned(format!("\"{index}\"")), place));
                let names = members
                    .names
                    .iter()
                    .map(|(name, place)| (Cow::Borrowed(&**name), place));
                for (key, place) in indices.chain(names).rev() {
                    steps.extend([Step::Node(*place), Step::Key(key), Step::Text(",")]);
                }
                no_comma_before_the_first(&mut steps, members.len());
            }
            None => {}
        }
    }
    out
}

fn no_comma_before_the_first(steps: &mut Vec<Step<'_>>, children: usize) {
    if children > 0 {
        steps.pop();
    }
}

/// A number as `Number::toString` prints the double nearest to it; what no double reaches is `null`
/// (`SerializeJSONProperty`).
fn number(written: &str) -> Cow<'_, str> {
    // Integers below 10¹⁵ are exact and print as they are written, except for -0.
    let integer = written.len() <= 15 && written.bytes().all(|b| b.is_ascii_digit());
    if integer {
        return written.into();
    }
    match written.parse::<f64>() {
        Ok(double) if double.is_finite() => ryu_js::Buffer::new().format_finite(double).to_owned().into(),
        _ => "null".into(),
    }
}

/// A string as `QuoteJSONString` prints it: the shortest escapes, in lower case, and only where one is needed.
fn quoted(written: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', written.as_bytes()).is_none() {
        return written.into();
    }
    let mut out = String::with_capacity(written.len());
    out.push('"');
    for piece in pieces(written) {
        match piece {
            Piece::Plain(text) => out.push_str(text),
            Piece::Char('"') => out.push_str("\\\""),
            Piece::Char('\\') => out.push_str("\\\\"),
            Piece::Char('\u{8}') => out.push_str("\\b"),
            Piece::Char('\t') => out.push_str("\\t"),
            Piece::Char('\n') => out.push_str("\\n"),
            Piece::Char('\u{c}') => out.push_str("\\f"),
            Piece::Char('\r') => out.push_str("\\r"),
            Piece::Char(control @ '\0'..'\u{20}') => push_unit(&mut out, control as u16),
            Piece::Char(character) => out.push(character),
            Piece::Lone(surrogate) => push_unit(&mut out, surrogate),
        }
    }
    out.push('"');
    out.into()
}

fn push_unit(out: &mut String, unit: u16) {
    // Writing to a `String` can't fail.
    let _ = write!(out, "\\u{unit:04x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(ecmascript(text.as_bytes()).unwrap()).unwrap()
    }

    /// Each of these was printed by Node.js 20; `tests/node.rs` asks the one at hand.
    #[test]
    fn the_fixed_vectors_hold() {
        for (text, expected) in [
            (" { \"b\" : 1 ,\n\"a\" : [ ] } ", r#"{"b":1,"a":[]}"#),
            (
                r#"{"b":1,"10":2,"9":3,"a":4,"01":5,"-1":6,"1.0":7}"#,
                r#"{"9":3,"10":2,"b":1,"a":4,"01":5,"-1":6,"1.0":7}"#,
            ),
            (
                r#"{"z":0,"4294967295":1,"4294967294":2,"0":3}"#,
                r#"{"0":3,"4294967294":2,"z":0,"4294967295":1}"#,
            ),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
            (
                r#"{"__proto__":{"x":1},"a":1,"__proto__":null}"#,
                r#"{"__proto__":null,"a":1}"#,
            ),
            (r#"{"x":1,"\u0031":2}"#, r#"{"1":2,"x":1}"#),
            (
                "[1e400,-1e400,-0,-0.0,0.0,1.0,1e21,1e20,123456789012345678901234567890]",
                "[null,null,0,0,0,1,1e+21,100000000000000000000,1.2345678901234568e+29]",
            ),
            (
                "[9007199254740993,0.1,1E-7,0.000001,5e-324,1e-400,999999999999999]",
                "[9007199254740992,0.1,1e-7,0.000001,5e-324,0,999999999999999]",
            ),
            (
                r#""\u0008\u0009\u000a\u000C\u000d\u0001\u001F\"\\\/\u0022""#,
                r#""\b\t\n\f\r\u0001\u001f\"\\/\"""#,
            ),
            (
                r#""\uD83D\uDE00 \uD83D \uDE00 \uD83D\uD83D\uDE00""#,
                r#""😀 \ud83d \ude00 \ud83d😀""#,
            ),
            ("\"\\u2028\u{2028}\\u007f\\u00e9\"", "\"\u{2028}\u{2028}\u{7f}é\""),
            (
                r#"[true,false,null,"",{},[],[[]],{"":{}}]"#,
                r#"[true,false,null,"",{},[],[[]],{"":{}}]"#,
            ),
            ("1", "1"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
            assert_eq!(canonical(expected), expected, "its own reprint: {text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        assert!(ecmascript(b"{\"a\":1}}").is_err());
        assert!(ecmascript(b"").is_err());
        assert!(ecmascript(b"\"\xff\"").is_err());
    }

    #[test]
    fn nesting_has_no_limit() {
        let depth = 200_000;
        let arrays = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(canonical(&arrays), arrays);
        let objects = format!("{}0{}", r#"{"a":1,"1":"#.repeat(depth), "}".repeat(depth));
        let expected = format!("{}0{}", r#"{"1":"#.repeat(depth), r#","a":1}"#.repeat(depth));
        assert_eq!(canonical(&objects), expected);
    }
}
