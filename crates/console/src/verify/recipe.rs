//! Recipes for verifying requests, read out of the dialects' files.

use std::collections::BTreeMap;

use crate::shapes::{Dialect, Scheme};

/// The way in which receivers verify.
pub(crate) enum Recipe {
    /// They compute the signature again, or verify it with a public key.
    Signature(Signature),
    /// They compare a header with the secret.
    Token(Token),
    /// Requests prove nothing.
    Nothing,
    /// The signed text is not all in the request.
    Unknown,
}

/// A signature over pieces of the request.
pub(crate) struct Signature {
    /// The header, in lower case.
    pub(crate) header: String,
    pub(crate) prefix: String,
    /// `hex` or `base64`.
    pub(crate) encoding: String,
    /// True if the key is the decoded base64 behind `whsec_`.
    pub(crate) is_decoded: bool,
    /// True if receivers have a public key.
    pub(crate) is_ed25519: bool,
    pub(crate) separator: Option<String>,
    pub(crate) pieces: Vec<Piece>,
}

/// A header that shows the secret.
pub(crate) struct Token {
    /// The header, in lower case.
    pub(crate) header: String,
}

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Body,
    /// The value of a header.
    Header(Part),
    Text(String),
}

/// A header whose value is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The name of the value in code.
    pub(crate) name: String,
    /// The header, in lower case.
    pub(crate) header: String,
}

impl Recipe {
    /// The recipe of a dialect; with a public key that of Ed25519.
    pub(crate) fn of(dialect: &Dialect, is_ed25519: bool) -> Self {
        if let Some(scheme) = dialect.signatures.first() {
            return match pieces(&scheme.signed, &dialect.headers) {
                Some(pieces) => Self::Signature(signature(scheme, pieces, is_ed25519)),
                None => Self::Unknown,
            };
        }
        match dialect.secret_headers.first() {
            Some(header) => Self::Token(Token {
                header: header.to_ascii_lowercase(),
            }),
            None => Self::Nothing,
        }
    }
}

fn signature(scheme: &Scheme, pieces: Vec<Piece>, is_ed25519: bool) -> Signature {
    let own = scheme.ed25519_prefix.as_ref().filter(|_| is_ed25519);
    Signature {
        header: scheme.header.to_ascii_lowercase(),
        prefix: own.unwrap_or(&scheme.prefix).clone(),
        encoding: scheme.encoding.clone(),
        is_decoded: scheme.key == "decoded",
        is_ed25519: own.is_some(),
        separator: scheme.separator.clone(),
        pieces,
    }
}

/// The pieces of a template; none if a value of it is in no header.
fn pieces(template: &str, headers: &BTreeMap<String, String>) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let (expression, behind) = behind.split_once("}}")?;
        pieces.push(piece(expression.trim(), headers)?);
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    let is_plain = pieces
        .iter()
        .all(|piece| !matches!(piece, Piece::Text(text) if text.contains("{%")));
    is_plain.then_some(pieces)
}

fn piece(expression: &str, headers: &BTreeMap<String, String>) -> Option<Piece> {
    if expression == "body" {
        return Some(Piece::Body);
    }
    let says = |template: &str| {
        let inside = template
            .trim()
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"));
        inside.is_some_and(|inside| inside.trim() == expression)
    };
    let (header, _) = headers.iter().find(|(_, template)| says(template))?;
    let name = match expression {
        "sent_at.unix" => "timestamp".to_owned(),
        other => other.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"),
    };
    Some(Piece::Header(Part {
        name,
        header: header.to_ascii_lowercase(),
    }))
}

impl Signature {
    /// The headers whose values are signed.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Header(part) => Some(part),
            Piece::Body | Piece::Text(_) => None,
        })
    }

    /// True if the time is signed, in seconds.
    pub(crate) fn has_timestamp(&self) -> bool {
        self.parts().any(|part| part.name == "timestamp")
    }

    pub(crate) fn needs_base64(&self) -> bool {
        self.is_decoded || self.encoding == "base64"
    }

    pub(crate) fn prefix_double(&self) -> String {
        double(&self.prefix)
    }

    pub(crate) fn prefix_single(&self) -> String {
        single(&self.prefix)
    }

    pub(crate) fn separator_double(&self) -> Option<String> {
        self.separator.as_deref().map(double)
    }

    pub(crate) fn separator_single(&self) -> Option<String> {
        self.separator.as_deref().map(single)
    }
}

impl Piece {
    pub(crate) fn is_body(&self) -> bool {
        matches!(self, Self::Body)
    }

    /// A variable, or a text in double quotes.
    pub(crate) fn double(&self) -> String {
        self.code(double)
    }

    /// A variable, or a text in single quotes, in which Ruby puts nothing.
    pub(crate) fn single(&self) -> String {
        self.code(single)
    }

    /// The same with PHP's variables.
    pub(crate) fn php(&self) -> String {
        match self {
            Self::Header(part) => format!("${}", part.name),
            Self::Body | Self::Text(_) => self.single(),
        }
    }

    fn code(&self, quoted: fn(&str) -> String) -> String {
        match self {
            Self::Body => "body".to_owned(),
            Self::Header(part) => part.name.clone(),
            Self::Text(text) => quoted(text),
        }
    }
}

fn double(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{text}\"")
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> BTreeMap<String, String> {
        [("webhook-id", "{{ id }}"), ("Webhook-Timestamp", "{{sent_at.unix}}")]
            .map(|(name, template)| (name.to_owned(), template.to_owned()))
            .into()
    }

    #[test]
    fn a_template_is_taken_apart_into_what_a_receiver_has() {
        let part = |name: &str, header: &str| {
            Piece::Header(Part {
                name: name.into(),
                header: header.into(),
            })
        };
        let found = pieces("{{ id }}.{{ sent_at.unix }}.{{ body }}", &headers()).unwrap();
        let dot = Piece::Text(".".into());
        let expected = [
            part("id", "webhook-id"),
            dot.clone(),
            part("timestamp", "webhook-timestamp"),
            dot,
            Piece::Body,
        ];
        assert_eq!(found, expected);
        assert_eq!(pieces("{{ body }}", &headers()), Some(vec![Piece::Body]));
        assert_eq!(pieces("{{ attempt }}.{{ body }}", &headers()), None, "no header has it");
        assert_eq!(pieces("{% if id %}{{ body }}{% endif %}", &headers()), None);
    }

    #[test]
    fn texts_stay_texts_in_every_language() {
        assert_eq!(double("a\"b\\\n"), r#""a\"b\\\n""#);
        assert_eq!(single("a'b$c#{d}"), r"'a\'b$c#{d}'");
    }
}
