//! Tokens of JSON, by the grammar of `JSON.parse` (ECMA-404).
//!
//! Nothing here recurses, so a text of strangers may be nested as deep as it is long. Tokens borrow from the text and
//! are not decoded; that is left to callers.

/// Reason why bytes are not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}: {problem}")]
pub struct JsonError {
    /// Byte offset of the error.
    pub at: usize,
    /// Description of the error.
    pub problem: &'static str,
}

/// Checks that the bytes are one JSON text in UTF-8, as strictly as `JSON.parse` does and without a limit on
/// nesting. Lone surrogates in escapes (`"\ud800"`) are allowed, as they are there.
pub fn check(json: &[u8]) -> Result<(), JsonError> {
    checked(json).map(drop)
}

/// The bytes as text, once they are found to be JSON.
pub(crate) fn checked(json: &[u8]) -> Result<&str, JsonError> {
    let text = utf8(json)?;
    Tokens::of(text).try_for_each(|token| token.map(drop))?;
    Ok(text)
}

pub(crate) fn utf8(json: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(json).map_err(|error| JsonError {
        at: error.valid_up_to(),
        problem: "not UTF-8",
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `{` or `[`.
    Open(Container),
    /// The `}` or `]` of the innermost container.
    Close,
    /// The key of a member, with its quotes.
    Key(&'a str),
    /// A string with its quotes, not decoded.
    String(&'a str),
    Number(&'a str),
    /// `true`, `false` or `null`.
    Word(&'a str),
}

impl Token<'_> {
    /// Length in the text, bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Open(_) | Self::Close => 1,
            Self::Key(text) | Self::String(text) | Self::Number(text) | Self::Word(text) => text.len(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Object,
    Array,
}

/// The tokens of a text in order; ends after the first error.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    key_at: usize,
    open: Vec<Container>,
    expected: Expected,
}

#[derive(Clone, Copy)]
enum Expected {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    CommaOrClose,
    Nothing,
}

impl<'a> Tokens<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            key_at: 0,
            open: Vec::new(),
            expected: Expected::Value,
        }
    }

    /// Bytes read so far: up to the end of the last token; after a key, to the end of its colon.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Offset of the last key.
    pub(crate) fn key_at(&self) -> usize {
        self.key_at
    }

    fn step(&mut self) -> Result<Option<Token<'a>>, JsonError> {
        if let Expected::CommaOrClose = self.expected {
            match (self.open.last().copied(), self.peek()) {
                (None, None) => {
                    self.expected = Expected::Nothing;
                    return Ok(None);
                }
                (None, Some(_)) => return Err(self.wrong("something follows the end of the text")),
                (Some(Container::Object), Some(b',')) => self.expected = Expected::Key,
                (Some(Container::Array), Some(b',')) => self.expected = Expected::Value,
                (Some(container), byte) => {
                    return self.close(container, byte, "a comma or the end of its container was expected");
                }
            }
            self.at += 1;
        }
        match (self.expected, self.peek()) {
            (Expected::Nothing, _) => Ok(None),
            (Expected::ValueOrClose, Some(b']')) => self.close(Container::Array, Some(b']'), ""),
            (Expected::KeyOrClose, Some(b'}')) => self.close(Container::Object, Some(b'}'), ""),
            (Expected::Key | Expected::KeyOrClose, byte) => self.key(byte).map(Some),
            (_, byte) => self.value(byte).map(Some),
        }
    }

    fn value(&mut self, byte: Option<u8>) -> Result<Token<'a>, JsonError> {
        self.expected = Expected::CommaOrClose;
        match byte {
            Some(b'"') => self.string().map(Token::String),
            Some(b'{') => Ok(self.open(Container::Object, Expected::KeyOrClose)),
            Some(b'[') => Ok(self.open(Container::Array, Expected::ValueOrClose)),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.wrong("a value was expected")),
        }
    }

    fn key(&mut self, byte: Option<u8>) -> Result<Token<'a>, JsonError> {
        if byte != Some(b'"') {
            return Err(self.wrong("a key in double quotes was expected"));
        }
        self.key_at = self.at;
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return Err(self.wrong("a colon was expected"));
        }
        self.at += 1;
        self.expected = Expected::Value;
        Ok(Token::Key(key))
    }

    fn open(&mut self, container: Container, expected: Expected) -> Token<'a> {
        self.at += 1;
        self.open.push(container);
        self.expected = expected;
        Token::Open(container)
    }

    fn close(
        &mut self,
        container: Container,
        byte: Option<u8>,
        problem: &'static str,
    ) -> Result<Option<Token<'a>>, JsonError> {
        let closing = match container {
            Container::Object => b'}',
            Container::Array => b']',
        };
        if byte != Some(closing) {
            return Err(self.wrong(problem));
        }
        self.at += 1;
        self.open.pop();
        self.expected = Expected::CommaOrClose;
        Ok(Some(Token::Close))
    }

    fn string(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            let plain = bytes[self.at..]
                .iter()
                .position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
            self.at += plain.unwrap_or(bytes.len() - self.at);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at]);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.wrong("a control character must be escaped")),
                None => return Err(self.wrong("a string does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        let length = match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = bytes.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.wrong("`\\u` needs four hexadecimal digits"));
                }
                6
            }
            _ => return Err(self.wrong("an escape that JSON does not know")),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        self.skip_byte(b"-");
        if !self.skip_byte(b"0") {
            self.digits()?;
        }
        if self.skip_byte(b".") {
            self.digits()?;
        }
        if self.skip_byte(b"eE") {
            self.skip_byte(b"+-");
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.skip_byte(b"0123456789") {}
        if self.at == start {
            Err(self.wrong("a digit was expected"))
        } else {
            Ok(())
        }
    }

    fn word(&mut self, word: &'static str) -> Result<Token<'a>, JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("a value was expected"));
        }
        self.at += word.len();
        Ok(Token::Word(word))
    }

    fn skip_byte(&mut self, any_of: &[u8]) -> bool {
        let skipped = self
            .text
            .as_bytes()
            .get(self.at)
            .is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(skipped);
        skipped
    }

    /// The next byte that is not white space; the cursor stands on it.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn wrong(&self, problem: &'static str) -> JsonError {
        let ended = self.at >= self.text.len();
        JsonError {
            at: self.at,
            problem: if ended { "the text ends too early" } else { problem },
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if let Some(Err(_)) = step {
            self.expected = Expected::Nothing;
        }
        step
    }
}

/// A part of a string's content.
pub(crate) enum Piece<'a> {
    /// Characters without escapes.
    Plain(&'a str),
    /// The character that an escape, or a pair of surrogates, stands for.
    Char(char),
    /// Half of a surrogate pair without its other half.
    Lone(u16),
}

/// Splits a string token into plain pieces and escapes.
pub(crate) fn pieces(token: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = token.get(1..token.len() - 1).unwrap_or_default();
    std::iter::from_fn(move || {
        let plain = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        if plain > 0 {
            let (piece, after) = rest.split_at(plain);
            rest = after;
            return Some(Piece::Plain(piece));
        }
        let (unit, after) = unescaped(rest)?;
        rest = after;
        if let (0xD800..0xDC00, Some((low @ 0xDC00..0xE000, after))) = (unit, unescaped(rest)) {
            rest = after;
            let code = 0x1_0000 + ((u32::from(unit) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
            return char::from_u32(code).map(Piece::Char);
        }
        Some(char::from_u32(unit.into()).map_or(Piece::Lone(unit), Piece::Char))
    })
}

/// The code unit that the escape at the beginning stands for, and what follows it.
fn unescaped(text: &str) -> Option<(u16, &str)> {
    let escape = text.strip_prefix('\\')?;
    let unit = match escape.as_bytes().first()? {
        b'b' => 0x08,
        b't' => 0x09,
        b'n' => 0x0A,
        b'f' => 0x0C,
        b'r' => 0x0D,
        b'u' => {
            let unit = u16::from_str_radix(escape.get(1..5)?, 16).ok()?;
            return Some((unit, &escape[5..]));
        }
        other => u16::from(*other),
    };
    Some((unit, &escape[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_parse_takes_is_taken() {
        for text in [
            "0",
            "-0",
            " 1 ",
            "1.5e+3",
            "1E400",
            "\"\"",
            r#""\ud800""#,
            r#""\u00e9\/""#,
            "[]",
            "{}",
            "[[],{}]",
            "\t{\"a\" : [ 1 , null ] ,\r\n\"a\":true}",
            "\"\u{2028}\u{7f}\"",
            "false",
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_json_parse_refuses_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            (" ", 1),
            ("[", 1),
            ("[1,]", 3),
            ("[,1]", 1),
            ("{\"a\"}", 4),
            ("{\"a\":1,}", 7),
            ("{a:1}", 1),
            ("[1 2]", 3),
            ("[1}", 2),
            ("{\"a\":1]", 6),
            ("01", 1),
            ("1.", 2),
            (".5", 0),
            ("+1", 0),
            ("-", 1),
            ("1e", 2),
            ("nul", 0),
            ("NaN", 0),
            ("truefalse", 4),
            ("\"a", 2),
            ("\"\t\"", 1),
            (r#""\x""#, 1),
            (r#""\u12g4""#, 1),
            ("'a'", 0),
            ("1 2", 2),
            ("\u{feff}1", 0),
            ("\u{a0}1", 0),
            ("]", 0),
            ("{}}", 2),
            ("// no", 0),
        ] {
            assert_eq!(check(text.as_bytes()).map_err(|error| error.at), Err(at), "{text:?}");
        }
        assert_eq!(check(b"\"\xff\"").map_err(|error| error.at), Err(1));
        assert_eq!(
            check(b"\"\xed\xa0\x80\"").map_err(|error| error.at),
            Err(1),
            "a surrogate in UTF-8"
        );
    }

    #[test]
    fn nesting_has_no_limit() {
        let depth = 1_000_000;
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(text.as_bytes()), Ok(()));
        assert!(check("[".repeat(depth).as_bytes()).is_err());
    }
}
