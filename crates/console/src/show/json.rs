//! JSON laid out without being read: tokens stay byte for byte, only the blanks between them change.

use serde::de::IgnoredAny;

/// One token with the blanks before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

/// A JSON text in lines; as it is if it is not JSON.
pub(crate) fn text(json: &str) -> String {
    let tokens = laid_out(json.as_bytes(), usize::MAX);
    tokens.map_or_else(
        || json.to_owned(),
        |tokens| tokens.into_iter().map(|token| token.text).collect(),
    )
}

/// The tokens of a JSON text, up to about so many bytes of it; nothing if it is not JSON.
pub(crate) fn laid_out(bytes: &[u8], most: usize) -> Option<Vec<Token>> {
    serde_json::from_slice::<IgnoredAny>(bytes).ok()?;
    let text = std::str::from_utf8(bytes).ok()?;
    let mut layout = Layout::default();
    let mut at = 0;
    while at < text.len() && at < most {
        at += layout.take(&text[at..]);
    }
    Some(layout.tokens)
}

#[derive(Default)]
struct Layout {
    tokens: Vec<Token>,
    depth: usize,
}

impl Layout {
    /// Takes one token off the beginning of the text; gives back its length.
    fn take(&mut self, text: &str) -> usize {
        match text.as_bytes()[0] {
            b' ' | b'\t' | b'\n' | b'\r' => 1,
            open @ (b'{' | b'[') => self.open(open, text),
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                let before = self.new_line();
                self.push("", format!("{before}{}", &text[..1]))
            }
            b',' => {
                let after = self.new_line();
                self.push("", format!(",{after}"));
                1
            }
            b':' => {
                self.push("", ": ".into());
                1
            }
            b'"' => {
                let length = string_length(text);
                let is_key = text[length..].trim_start().starts_with(':');
                self.push(if is_key { "key" } else { "string" }, text[..length].to_owned())
            }
            first => {
                let length = text.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(text.len());
                let kind = if first.is_ascii_alphabetic() { "word" } else { "number" };
                self.push(kind, text[..length].to_owned())
            }
        }
    }

    /// Opens an object or array. An empty one stays on its line.
    fn open(&mut self, open: u8, text: &str) -> usize {
        let close = if open == b'{' { '}' } else { ']' };
        let inside = text[1..].trim_start();
        if inside.starts_with(close) {
            self.push("", format!("{}{close}", char::from(open)));
            return text.len() - inside.len() + 1;
        }
        self.depth += 1;
        let after = self.new_line();
        self.push("", format!("{}{after}", char::from(open)));
        1
    }

    fn new_line(&self) -> String {
        format!("\n{}", "  ".repeat(self.depth))
    }

    fn push(&mut self, kind: &'static str, text: String) -> usize {
        let length = text.trim_start().len();
        match self.tokens.last_mut() {
            Some(last) if last.kind == kind => last.text.push_str(&text),
            _ => self.tokens.push(Token { kind, text }),
        }
        length
    }
}

/// The length of the string that the text begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    fn laid_out(text: &str) -> String {
        let tokens = super::laid_out(text.as_bytes(), usize::MAX).unwrap();
        tokens.iter().map(|token| token.text.as_str()).collect()
    }

    #[test]
    fn only_blanks_change() {
        let text = r#" {"a" : [1e400, -0.0,"x\"}y",{}, [ ] ],"\u00e4":null,"b":{"c":true}}"#;
        let expected = "{\n  \"a\": [\n    1e400,\n    -0.0,\n    \"x\\\"}y\",\n    {},\n    []\n  ],\n  \"\\u00e4\": null,\n  \"b\": {\n    \"c\": true\n  }\n}";
        assert_eq!(laid_out(text), expected);
        assert_eq!(laid_out("12"), "12");
    }

    #[test]
    fn tokens_have_kinds() {
        let tokens = super::laid_out(br#"{"a":"b","c":1,"d":false}"#, usize::MAX).unwrap();
        let kinds: Vec<_> = tokens.iter().map(|token| (token.kind, token.text.trim())).collect();
        for expected in [
            ("key", "\"a\""),
            ("string", "\"b\""),
            ("number", "1"),
            ("word", "false"),
        ] {
            assert!(kinds.contains(&expected), "{expected:?}");
        }
    }

    #[test]
    fn what_is_no_json_is_left_to_others() {
        for text in ["", "{", "{'a': 1}", "plain"] {
            assert!(super::laid_out(text.as_bytes(), usize::MAX).is_none(), "{text}");
        }
    }
}
