//! Detects stray characters that editors, clipboards and vaults add to a text, and characters that can't be stored.

use std::fmt;

/// A character that does not belong where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    pub character: char,
    pub place: Place,
}

/// Position in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the first visible character.
    Beginning,
    /// After the last visible character.
    End,
    /// Between visible characters.
    Inside,
}

/// Returns the first control character of a text, or else the first character at its ends that one does not see.
#[must_use]
pub fn stray(text: &str) -> Option<Stray> {
    let unseen_ends = |character: char, place| unseen(character) && place != Place::Inside;
    first(text, |character, place| {
        character.is_control() && place == Place::Inside
    })
    .or_else(|| first(text, unseen_ends))
}

/// Returns the first character of a text that one does not see, wherever it stands; blanks are among them.
#[must_use]
pub fn unseen_in(text: &str) -> Option<Stray> {
    let inside = |character, place| unseen(character) && place == Place::Inside;
    first(text, inside).or_else(|| first(text, |character, _| unseen(character)))
}

/// Tells if a character has no width: a text of such characters looks empty.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Tells if databases can store the text: PostgreSQL allows no U+0000 in text.
#[must_use]
pub fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

/// Tells if databases can store the strings of a JSON text: no U+0000 and no unpaired surrogate, at any depth, in
/// keys and values. The text must be valid JSON.
#[must_use]
pub fn is_storable_json(json: &str) -> bool {
    let mut rest = json;
    while let Some((_, escape)) = rest.split_once('\\') {
        let code = |text: &str| u32::from_str_radix(text.get(1..5)?, 16).ok();
        rest = match escape.strip_prefix('u').and(code(escape)) {
            None => escape.get(1..).unwrap_or_default(),
            Some(0 | 0xdc00..=0xdfff) => return false,
            Some(0xd800..=0xdbff) => {
                let low = escape[5..].strip_prefix('\\').filter(|low| low.starts_with('u'));
                match low.and_then(code) {
                    Some(0xdc00..=0xdfff) => &escape[11..],
                    _ => return false,
                }
            }
            Some(_) => &escape[5..],
        };
    }
    true
}

fn unseen(character: char) -> bool {
    character.is_control() || character.is_whitespace() || is_invisible(character)
}

fn first(text: &str, is_stray: impl Fn(char, Place) -> bool) -> Option<Stray> {
    let visible = |(at, character): (usize, char)| (!unseen(character)).then_some(at);
    let start = text.char_indices().find_map(visible).unwrap_or(text.len());
    let end = text.char_indices().rev().find_map(visible).unwrap_or(0);
    text.char_indices().find_map(|(at, character)| {
        let place = match at {
            _ if at < start => Place::Beginning,
            _ if at > end => Place::End,
            _ => Place::Inside,
        };
        is_stray(character, place).then_some(Stray { character, place })
    })
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = u32::from(self.character);
        match self.character {
            '\n' | '\r' => f.write_str("a line end"),
            '\t' => f.write_str("a tab"),
            ' ' => f.write_str("a blank"),
            '\0' => f.write_str("the character U+0000"),
            '\u{a0}' => f.write_str("a no-break space (U+00A0)"),
            '\u{200b}' => f.write_str("a zero-width space (U+200B)"),
            '\u{feff}' => f.write_str("a byte order mark (U+FEFF)"),
            control if control.is_control() => write!(f, "the control character U+{code:04X}"),
            blank if blank.is_whitespace() => write!(f, "the blank U+{code:04X}"),
            _ => write!(f, "the invisible character U+{code:04X}"),
        }?;
        f.write_str(match self.place {
            Place::Beginning => " at its beginning",
            Place::End => " at its end",
            Place::Inside => " in it",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_to_a_text_is_named_with_its_place() {
        let named = |text: &str| stray(text).map(|stray| stray.to_string());
        for (text, expected) in [
            ("shared\n", "a line end at its end"),
            ("shared\r\n", "a line end at its end"),
            (" shared", "a blank at its beginning"),
            ("\u{feff}shared", "a byte order mark (U+FEFF) at its beginning"),
            ("shared\u{200b}", "a zero-width space (U+200B) at its end"),
            ("shared\u{a0}", "a no-break space (U+00A0) at its end"),
            ("sha\u{7}red", "the control character U+0007 in it"),
            ("sha\nred", "a line end in it"),
            ("\u{2003}a", "the blank U+2003 at its beginning"),
            ("\u{2060}", "the invisible character U+2060 at its beginning"),
        ] {
            assert_eq!(named(text).as_deref(), Some(expected), "{text:?}");
        }
        for text in ["", "shared with the CRM", "Schlüssel", "a\u{200d}b"] {
            assert_eq!(named(text), None, "{text:?}");
        }
        assert_eq!(
            unseen_in("a b").map(|stray| stray.to_string()).as_deref(),
            Some("a blank in it")
        );
    }

    #[test]
    fn json_that_can_not_be_kept_is_told_at_any_depth() {
        for json in [
            r#""\u0000""#,
            r#"{"a":[{"b\u0000":1}]}"#,
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            r#""\ud83d\\ude00""#,
            r#""\\\u0000""#,
        ] {
            assert!(!is_storable_json(json), "{json}");
        }
        for json in [
            r#""\\u0000""#,
            r#""\ud83d\ude00\u0041\n\\""#,
            r#"{"ä":"\\\\ud800"}"#,
            "[]",
            r#""\u00e9""#,
            r#""a\\""#,
        ] {
            assert!(is_storable_json(json), "{json}");
        }
    }
}
