//! URL patterns that select a dialect, such as `hooks.slack.com/*` in FeedbackPulse's document ("Supported
//! Endpoints").

use std::fmt;

use url::Url;

/// A host, or every name below one (`*.discord.com`), and a path. A `*` in the path stands for one part of it or a piece of
/// that, at its end for everything. The scheme, the port and the query don't matter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlPattern {
    host: String,
    below: bool,
    path: String,
}

/// Doors of a vendor that no dialect speaks.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) patterns: Vec<UrlPattern>,
    pub(crate) reason: String,
}

impl UrlPattern {
    /// `None` when the text is no pattern.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, path) = text.split_at(text.find('/')?);
        let (host, below) = host.strip_prefix("*.").map_or((host, false), |host| (host, true));
        let valid = !host.is_empty() && !host.contains([':', '*']) && !path.contains(['?', '#']);
        valid.then(|| Self {
            host: host.to_ascii_lowercase(),
            below,
            path: path.to_owned(),
        })
    }

    pub(crate) fn matches(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_host = match host.strip_suffix(&self.host) {
            Some(front) if self.below => front.len() > 1 && front.ends_with('.'),
            front => front == Some(""),
        };
        is_host && fits(self.path.as_bytes(), url.path().as_bytes())
    }

    /// Specificity: of two matching patterns, the one with the higher value applies.
    pub(crate) fn weight(&self) -> usize {
        self.path.bytes().filter(|byte| *byte != b'*').count()
    }
}

fn fits(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern, path) {
        ([b'*'], _) => true,
        ([b'*', rest @ ..], _) => {
            let part = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=part).any(|end| fits(rest, &path[end..]))
        }
        ([byte, rest @ ..], [first, others @ ..]) => byte == first && fits(rest, others),
        (rest, others) => rest.is_empty() && others.is_empty(),
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        write!(f, "{below}{}{}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, url: &str) -> bool {
        UrlPattern::parse(pattern).unwrap().matches(&url.parse().unwrap())
    }

    #[test]
    fn a_pattern_is_a_host_and_a_path() {
        assert!(matches("hooks.slack.com/*", "https://hooks.slack.com/services/T0/B0/x"));
        assert!(matches(
            "discord.com/api/webhooks/*",
            "https://Discord.com/api/webhooks/1/x?wait=true"
        ));
        assert!(!matches("discord.com/api/webhooks/*", "https://discord.com/api/other"));
        assert!(!matches("hooks.slack.com/*", "https://hooks.slack.com.example.org/"));
        assert!(!matches("hooks.slack.com/*", "https://example.org/hooks.slack.com/"));
        assert!(!matches("a.example/in", "https://a.example/in/deeper"));
        assert!(matches(
            "discord.com/api/v*/webhooks/*",
            "https://discord.com/api/v10/webhooks/1/x"
        ));
        assert!(!matches(
            "discord.com/api/v*/webhooks/*",
            "https://discord.com/api/v1/0/webhooks/1"
        ));
        assert!(matches("a.example/*/x/*/slack", "https://a.example/1/x/2/slack?y"));
        assert!(!matches("a.example/*/slack", "https://a.example/1/slack/2"));
        assert!(matches("*.discord.com/*", "https://ptb.discord.com./api"));
        for other in [
            "https://discord.com/",
            "https://notdiscord.com/",
            "https://.discord.com/",
        ] {
            assert!(!matches("*.discord.com/*", other), "{other}");
        }
        for written in ["discord.com/api/webhooks/*", "*.discord.com/api/v*/webhooks/*"] {
            assert_eq!(UrlPattern::parse(written).unwrap().to_string(), written);
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "hooks.slack.com",
            "/path",
            "*/*",
            "*.*.com/*",
            "a.example/?x",
            "https://a.example/",
        ] {
            assert_eq!(UrlPattern::parse(text), None, "{text:?}");
        }
    }
}
