//! URLs as people write them.
//!
//! The URL Standard repairs what it can: it joins lines, drops tabs and turns backslashes round. Somebody who enters
//! two URLs on two lines would get a third that nobody meant. So input that would be repaired is refused here.

use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use crate::text::{self, Stray};

/// Reason why a text is not the URL of a receiver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Something that one does not see, or a line end between two URLs.
    #[error("the URL has {0}: give one URL and nothing else")]
    Stray(Stray),
    #[error("these are several URLs: give one URL")]
    Several,
    /// The characters after the scheme are not `//`.
    #[error(
        "the URL has a backslash, or not two slashes behind its scheme: write it like `https://example.com/webhooks`"
    )]
    Slashes,
    /// A name with a part that is missing or too long.
    #[error("the host `{0}` has a part that is empty or longer than 63 characters: parts are joined by single dots")]
    Label(String),
    #[error("`{}` is not a URL ({reason}): write it like `https://example.com/webhooks`", .text.escape_debug())]
    NotUrl { text: String, reason: url::ParseError },
}

impl UrlError {
    /// Describes the error without repeating a URL that may contain a password.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::NotUrl { reason, .. } => reason.to_string(),
            other => other.to_string(),
        }
    }
}

/// Reads a URL that is written as it is meant.
pub fn read_url(text: &str) -> Result<Url, UrlError> {
    if let Some(stray) = text::unseen_in(text) {
        return Err(UrlError::Stray(stray));
    }
    let url: Url = text.parse().map_err(|reason| UrlError::NotUrl {
        text: text.to_owned(),
        reason,
    })?;
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    if url.has_host() {
        if has_several(before_query) {
            return Err(UrlError::Several);
        }
        if before_query.contains('\\') || !has_two_slashes(before_query) {
            return Err(UrlError::Slashes);
        }
    }
    match url.host() {
        Some(Host::Domain(name)) if !has_whole_labels(name) => Err(UrlError::Label(name.to_owned())),
        _ => Ok(url),
    }
}

/// Reads a URL of a configuration; to be named in `serde(deserialize_with)`.
pub fn deserialize_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text: Option<String> = Deserialize::deserialize(deserializer)?;
    text.map(|text| read_url(&text).map_err(serde::de::Error::custom))
        .transpose()
}

fn has_several(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [",", ";", "|"].iter().any(|between| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| lower.contains(&format!("{between}{scheme}")))
    })
}

fn has_two_slashes(text: &str) -> bool {
    text.split_once(':')
        .and_then(|(_, rest)| rest.strip_prefix("//"))
        .is_some_and(|rest| !rest.starts_with('/'))
}

/// Checks that every label of a name has 1 to 63 characters (RFC 1035, section 2.3.4); a trailing dot is allowed.
fn has_whole_labels(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.split('.').all(|label| (1..=63).contains(&label.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_repaired_is_refused() {
        for text in [
            "https://a.example/\nhttps://b.example/",
            "https://a.example/\r\n",
            " https://a.example/",
            "https://a.example/ ",
            "https://a.exa\tmple/",
            "https://a.example/b c",
            "https://a.example/\u{200b}",
            "\u{feff}https://a.example/",
            "https://a.ex\u{ad}ample/",
            "https://a.example/\u{0}",
            "https://a.example/\u{a0}",
        ] {
            let error = read_url(text).unwrap_err();
            assert!(matches!(error, UrlError::Stray(_)), "{text:?}: {error}");
            assert!(error.to_string().contains("give one URL"), "{error}");
        }
        for text in [
            "https://a.example/,https://b.example/",
            "https://a.example;HTTP://b.example",
        ] {
            assert_eq!(read_url(text), Err(UrlError::Several), "{text}");
        }
        for text in [
            "https:a.example",
            "https:/a.example",
            "https:///a.example",
            "https:\\\\a.example\\in",
            "https://a.example\\in",
        ] {
            assert_eq!(read_url(text), Err(UrlError::Slashes), "{text}");
        }
        for text in [
            "https://a..example/",
            "https://.a.example/",
            "https://a.example../",
            "https://a。。example/",
            &format!("https://{}.example/", "a".repeat(64)),
        ] {
            assert!(matches!(read_url(text), Err(UrlError::Label(_))), "{text}");
        }
        for text in [
            "",
            "example.com/in",
            "https://",
            "https://a.example:99999/",
            "https://exa%00mple.com/",
        ] {
            assert!(matches!(read_url(text), Err(UrlError::NotUrl { .. })), "{text}");
        }
    }

    #[test]
    fn a_url_is_read_as_it_is_written() {
        for text in [
            "https://a.example/in?next=https://b.example/,https://c.example/&x=a\\b",
            "https://a.example./in",
            "https://bücher.example/%20",
            "http://127.0.0.1:9/",
            "https://[::1]/",
            "mailto:ops@example.com",
            "HTTPS://A.example",
        ] {
            assert!(read_url(text).is_ok(), "{text}: {:?}", read_url(text));
        }
    }
}
