//! Event types and patterns of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The type of an event: `feedback.created`, `ISSUE_STATUS_CHANGE`.
///
/// Words of ASCII letters, digits, `_` and `-`, joined by single full stops; at most 128 characters. This is
/// the hierarchical form that Standard Webhooks recommends ("Event types"), and every name in the products'
/// own documents fits it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(Arc<str>);

/// Carries the rejected text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an event type: write 1 to 128 letters, digits, `_`, `-` in words joined by `.`, like `feedback.created`"
)]
pub struct ParseEventTypeError(String);

impl EventType {
    /// The longest event type, in characters.
    pub const MAX_LENGTH: usize = 128;

    /// The type as published.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One of our own, which is written in the code and known to be valid.
    pub(crate) fn known(text: &'static str) -> Self {
        debug_assert!(Self::is_valid(text));
        Self(text.into())
    }

    pub(crate) fn is_valid(text: &str) -> bool {
        text.len() <= Self::MAX_LENGTH
            && text.split('.').all(|word| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            })
    }
}

impl FromStr for EventType {
    type Err = ParseEventTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if Self::is_valid(text) {
            Ok(Self(text.into()))
        } else {
            Err(ParseEventTypeError(text.chars().take(Self::MAX_LENGTH).collect()))
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for EventType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_products_documents_are_event_types() {
        for text in [
            "feedback.created",
            "nps.ask_later",
            "button_tracked_event.occurred",
            "ISSUE_STATUS_CHANGE",
            "a-b.c",
        ] {
            assert_eq!(text.parse::<EventType>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = "a".repeat(129);
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "a\n",
            "é",
            "feedback.*",
            "*",
            long.as_str(),
        ] {
            assert!(text.parse::<EventType>().is_err(), "{text:?}");
        }
    }
}
