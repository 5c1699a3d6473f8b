//! Bodies as they were sent and received: laid out, as they are, or in hexadecimal.
//!
//! Everything is made from the stored bytes. No number is read and printed anew, because what is shown is what was
//! signed. Characters that nobody sees (controls, changes of direction) are shown by their code points.

use super::json;

/// The most of a body that a page shows, bytes; all of it can be downloaded.
const SHOWN: usize = 64 * 1024;
/// The most that is shown in hexadecimal.
const SHOWN_HEX: usize = 8 * 1024;
/// The longest run of one line, characters; what is longer goes on in the next.
const LINE: usize = 2_000;
const ROW: usize = 16;

/// A view of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// JSON laid out, token by token; other texts as they are.
    LaidOut,
    /// Byte for byte.
    Raw,
    Hex,
}

/// A run of characters of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// `key`, `string`, `number`, `word`, `control`, or nothing special.
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

/// A body as a page shows it.
pub(crate) struct Body {
    pub(crate) pieces: Vec<Piece>,
    /// The whole length, bytes.
    pub(crate) length: usize,
    /// True if only the beginning is shown.
    pub(crate) is_cut: bool,
}

impl View {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "raw" => Self::Raw,
            "hex" => Self::Hex,
            _ => Self::LaidOut,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LaidOut => "laid-out",
            Self::Raw => "raw",
            Self::Hex => "hex",
        }
    }
}

impl Body {
    pub(crate) fn new(bytes: &[u8], view: View) -> Self {
        let most = if view == View::Hex { SHOWN_HEX } else { SHOWN };
        let shown = &bytes[..bytes.len().min(most)];
        let pieces = match view {
            View::Hex => vec![Piece::plain(hexadecimal(shown))],
            View::LaidOut => match json::laid_out(bytes, most) {
                Some(tokens) => tokens
                    .into_iter()
                    .flat_map(|token| visible(&token.text, token.kind))
                    .collect(),
                None => visible(&String::from_utf8_lossy(shown), ""),
            },
            View::Raw => visible(&String::from_utf8_lossy(shown), ""),
        };
        Self {
            pieces,
            length: bytes.len(),
            is_cut: bytes.len() > most,
        }
    }
}

impl Piece {
    pub(crate) fn plain(text: String) -> Self {
        Self { kind: "", text }
    }
}

/// The text in pieces, so that invisible characters are seen and no line is endless.
pub(crate) fn visible(text: &str, kind: &'static str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut run = String::new();
    let mut column = 0;
    for character in text.chars() {
        if is_invisible(character) {
            if !run.is_empty() {
                let text = std::mem::take(&mut run);
                pieces.push(Piece { kind, text });
            }
            pieces.push(Piece {
                kind: "control",
                text: format!("U+{:04X}", u32::from(character)),
            });
            continue;
        }
        column = if character == '\n' { 0 } else { column + 1 };
        if column > LINE {
            run.push('\n');
            column = 1;
        }
        run.push(character);
    }
    if !run.is_empty() {
        pieces.push(Piece { kind, text: run });
    }
    pieces
}

/// Controls but for line ends and tabs, marks of direction (UAX 9), characters without width.
fn is_invisible(character: char) -> bool {
    let is_layout = matches!(character, '\n' | '\t');
    let is_direction = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    (character.is_control() && !is_layout) || is_direction
}

fn hexadecimal(bytes: &[u8]) -> String {
    let rows = bytes.chunks(ROW).enumerate().map(|(row, bytes)| {
        let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = bytes
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() || *byte == b' ' {
                    char::from(*byte)
                } else {
                    '·'
                }
            })
            .collect();
        format!("{:06x}  {:47}  {text}\n", row * ROW, digits.join(" "))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &Body) -> String {
        body.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn what_nobody_sees_is_named() {
        let body = Body::new("a\u{202e}b\0c\n\td".as_bytes(), View::Raw);
        assert_eq!(text(&body), "aU+202EbU+0000c\n\td");
        assert_eq!(body.pieces[1].kind, "control");
    }

    #[test]
    fn numbers_stay_as_they_were_signed() {
        let body = Body::new(br#"{"id":12345678901234567890,"price":1.10}"#, View::LaidOut);
        assert_eq!(text(&body), "{\n  \"id\": 12345678901234567890,\n  \"price\": 1.10\n}");
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_is() {
        assert_eq!(text(&Body::new(b"<h1>Bad Gateway", View::LaidOut)), "<h1>Bad Gateway");
        assert_eq!(text(&Body::new(b"\xff{", View::LaidOut)), "\u{fffd}{");
    }

    #[test]
    fn bytes_are_shown_in_rows() {
        let body = Body::new(b"0123456789abcdef\xff", View::Hex);
        let rows = text(&body);
        let mut rows = rows.lines();
        assert_eq!(
            rows.next(),
            Some("000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef")
        );
        assert!(
            rows.next()
                .is_some_and(|row| row.starts_with("000010  ff ") && row.ends_with("  ·"))
        );
    }

    #[test]
    fn long_bodies_and_long_lines_are_bounded() {
        let body = Body::new(&vec![b'x'; 1024 * 1024], View::Raw);
        assert!(body.is_cut && body.length == 1024 * 1024);
        assert!(text(&body).lines().all(|line| line.len() <= LINE));
    }
}
