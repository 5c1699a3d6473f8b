//! Host name patterns of the destination policy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Host;

/// A host (`hooks.example.com`, `93.184.216.34`, `[2606:4700::1]`), or every name below one (`*.example.com`, at any
/// depth and without `example.com` itself). Held in the form that URLs have: lower case, international names in ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    below: bool,
    host: Host,
}

/// Reason why a text is not a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostPatternError {
    /// Not what stands in a URL as its host.
    #[error(
        "`{text}` is not a host ({source}): write it as in a URL, without scheme and port, like `hooks.example.com`"
    )]
    NotAHost { text: String, source: url::ParseError },
    /// A `*` that is not the whole first label.
    #[error("in `{0}`, a `*` can only stand in front: write `*.example.com` for all names below `example.com`")]
    Wildcard(String),
    /// A wildcard in front of an IP address.
    #[error("`{0}` asks for names below an address, of which there are none: name a network instead")]
    BelowAddress(String),
}

impl HostPattern {
    /// Matches the host of a URL; a trailing dot of a name is ignored.
    #[must_use]
    pub fn matches(&self, host: &Host<&str>) -> bool {
        match (&self.host, host) {
            (Host::Domain(pattern), Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                let Some(start) = name.len().checked_sub(pattern.len()) else {
                    return false;
                };
                let (front, end) = name.as_bytes().split_at(start);
                let front_fits = if self.below {
                    front.len() > 1 && front.ends_with(b".")
                } else {
                    front.is_empty()
                };
                front_fits && end.eq_ignore_ascii_case(pattern.as_bytes())
            }
            (Host::Ipv4(pattern), Host::Ipv4(address)) => pattern == address,
            (Host::Ipv6(pattern), Host::Ipv6(address)) => pattern == address,
            _ => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') {
            return Err(HostPatternError::Wildcard(text.to_owned()));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let host = Host::parse(name).map_err(|source| HostPatternError::NotAHost {
            text: text.to_owned(),
            source,
        })?;
        if below && !matches!(host, Host::Domain(_)) {
            return Err(HostPatternError::BelowAddress(text.to_owned()));
        }
        Ok(Self { below, host })
    }
}

impl TryFrom<String> for HostPattern {
    type Error = HostPatternError;

    fn try_from(text: String) -> Result<Self, HostPatternError> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let front = if self.below { "*." } else { "" };
        write!(f, "{front}{}", self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, url: &str) -> bool {
        let url: url::Url = format!("https://{url}/").parse().unwrap();
        pattern.parse::<HostPattern>().unwrap().matches(&url.host().unwrap())
    }

    #[test]
    fn a_host_matches_itself_however_it_is_spelled() {
        for (pattern, host) in [
            ("hooks.example.com", "hooks.example.com"),
            ("Hooks.Example.COM.", "hooks.example.com"),
            ("hooks.example.com", "HOOKS.example.com."),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "BÜCHER.example"),
            ("127.0.0.1", "0x7f.1"),
            ("0x7f.1", "127.0.0.1"),
            ("[::1]", "[0:0::1]"),
        ] {
            assert!(matches(pattern, host), "{pattern} {host}");
        }
        for (pattern, host) in [
            ("hooks.example.com", "example.com"),
            ("example.com", "hooks.example.com"),
            ("example.com", "badexample.com"),
            ("example.com", "example.com.evil.net"),
            ("127.0.0.1", "127.0.0.2"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ] {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
    }

    #[test]
    fn a_star_is_any_depth_below_and_not_the_name_itself() {
        for host in ["a.example.com", "a.b.c.example.com", "A.EXAMPLE.com."] {
            assert!(matches("*.example.com", host), "{host}");
        }
        for host in [
            "example.com",
            "example.com.",
            "aexample.com",
            "a.example.com.net",
            "com",
        ] {
            assert!(!matches("*.example.com", host), "{host}");
        }
        assert!(matches("*.bücher.example", "www.xn--bcher-kva.example"));
    }

    #[test]
    fn what_is_no_pattern_is_told_so() {
        for text in [
            "",
            "*.",
            "two words",
            "https://example.com",
            "example.com:443",
            "a/b",
            "[::1",
            "256.1.1.1",
        ] {
            let error = text.parse::<HostPattern>().unwrap_err();
            assert!(matches!(error, HostPatternError::NotAHost { .. }), "{text}: {error}");
        }
        for text in ["*", "a.*.com", "*a.com", "*.*.com"] {
            assert_eq!(
                text.parse::<HostPattern>(),
                Err(HostPatternError::Wildcard(text.to_owned()))
            );
        }
        for text in ["*.127.0.0.1", "*.[::1]"] {
            assert_eq!(
                text.parse::<HostPattern>(),
                Err(HostPatternError::BelowAddress(text.to_owned()))
            );
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_is_held() {
        for (text, held) in [
            ("*.Bücher.example.", "*.xn--bcher-kva.example"),
            ("[0::1]", "[::1]"),
            ("2130706433", "127.0.0.1"),
        ] {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), held);
        }
    }
}
