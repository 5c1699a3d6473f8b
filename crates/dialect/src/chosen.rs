//! Which URLs choose a dialect by themselves, as `hooks.slack.com/*` does in FeedbackPulse's document
//! ("Supported Endpoints").

use std::fmt;

use url::Url;

/// A host, and a path that may end in `*`. The scheme, the port and the query don't matter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlPattern {
    host: String,
    path: String,
    any_below: bool,
}

impl UrlPattern {
    /// `None` when the text is no pattern.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, path) = text.split_at(text.find('/')?);
        let (path, any_below) = path.strip_suffix('*').map_or((path, false), |path| (path, true));
        let valid = !host.is_empty() && !host.contains([':', '*']) && !path.contains(['*', '?', '#']);
        valid.then(|| Self {
            host: host.to_ascii_lowercase(),
            path: path.to_owned(),
            any_below,
        })
    }

    pub(crate) fn matches(&self, url: &Url) -> bool {
        let path = url.path();
        url.host_str() == Some(&self.host) && (path == self.path || (self.any_below && path.starts_with(&self.path)))
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any_below = if self.any_below { "*" } else { "" };
        write!(f, "{}{}{any_below}", self.host, self.path)
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
        let written = "discord.com/api/webhooks/*";
        assert_eq!(UrlPattern::parse(written).unwrap().to_string(), written);
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "hooks.slack.com",
            "/path",
            "*.slack.com/*",
            "https://a.example/",
            "a.example/*/b",
        ] {
            assert_eq!(UrlPattern::parse(text), None, "{text:?}");
        }
    }
}
