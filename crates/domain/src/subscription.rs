//! Subscriptions of endpoints to event types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::EventType;

/// A pattern over event types with its own switch, so that a tenant can silence one kind of event without
/// losing the choice (Userpilot's document: "Toggle the Event so that the events are sent live").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub pattern: EventPattern,
    /// A subscription that is off matches nothing.
    #[serde(default = "on")]
    pub enabled: bool,
    /// Condition on the event's content, in the language of `docs/filters.md`; none for all events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

fn on() -> bool {
    true
}

impl Subscription {
    /// A subscription that is on, to all events of the types.
    #[must_use]
    pub fn to(pattern: EventPattern) -> Self {
        Self {
            pattern,
            enabled: true,
            filter: None,
        }
    }

    /// Tells if the type of an event matches; the filter decides then.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        self.enabled && self.pattern.matches(event_type)
    }
}

/// `*`, `feedback.*` or an exact event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventPattern {
    /// `*`: every event type.
    Any,
    /// Every event type that begins with these words, at any depth, but not the prefix itself:
    /// `feedback.*` takes `feedback.created` and `feedback.vote.added`, not `feedback`.
    Under(EventType),
    Exact(EventType),
}

/// Reason why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an event pattern: write an event type (`feedback.created`), a prefix (`feedback.*`) or `*`")]
pub struct ParsePatternError(String);

impl EventPattern {
    /// Tells if an event type falls under the pattern.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == event_type,
            Self::Under(prefix) => event_type
                .as_str()
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.starts_with('.')),
        }
    }

    /// Size of its text, bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Under(event_type) | Self::Exact(event_type) => event_type.as_str().len(),
        }
    }
}

impl FromStr for EventPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.strip_suffix(".*") {
            _ if text == "*" => Some(Self::Any),
            Some(prefix) => prefix.parse().ok().map(Self::Under),
            None => text.parse().ok().map(Self::Exact),
        };
        parsed.ok_or_else(|| ParsePatternError(text.chars().take(EventType::MAX_LENGTH).collect()))
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Under(prefix) => write!(f, "{prefix}.*"),
            Self::Exact(exact) => exact.fmt(f),
        }
    }
}

impl Serialize for EventPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, event_type: &str) -> bool {
        pattern
            .parse::<EventPattern>()
            .unwrap()
            .matches(&event_type.parse().unwrap())
    }

    #[test]
    fn patterns_match_whole_words() {
        assert!(matches("*", "anything.at.all"));
        assert!(matches("feedback.*", "feedback.created"));
        assert!(matches("feedback.*", "feedback.vote.added"));
        assert!(!matches("feedback.*", "feedback"));
        assert!(!matches("feedback.*", "feedbacks.created"));
        assert!(matches("feedback.created", "feedback.created"));
        assert!(!matches("feedback.created", "feedback.created.twice"));
    }

    #[test]
    fn a_subscription_that_is_off_matches_nothing() {
        let mut subscription = Subscription::to(EventPattern::Any);
        assert!(subscription.matches(&"a".parse().unwrap()));
        subscription.enabled = false;
        assert!(!subscription.matches(&"a".parse().unwrap()));
    }

    #[test]
    fn a_subscription_without_a_filter_is_stored_as_before_there_were_filters() {
        let plain = Subscription::to(EventPattern::Any);
        let text = r#"{"pattern":"*","enabled":true}"#;
        assert_eq!(serde_json::to_string(&plain).unwrap(), text);
        assert_eq!(serde_json::from_str::<Subscription>(text).unwrap(), plain);
        let filtered = Subscription {
            filter: Some("payload.rating <= 2".into()),
            ..plain
        };
        let text = serde_json::to_string(&filtered).unwrap();
        assert_eq!(serde_json::from_str::<Subscription>(&text).unwrap(), filtered);
    }

    #[test]
    fn patterns_read_back_as_written_and_others_are_refused() {
        for text in ["*", "feedback.*", "feedback.created"] {
            assert_eq!(text.parse::<EventPattern>().unwrap().to_string(), text);
        }
        for text in ["", "**", "*.created", "feedback.*.x", "feed*", ".*"] {
            assert!(text.parse::<EventPattern>().is_err(), "{text:?}");
        }
    }
}
