//! Header names with the case that a dialect or an endpoint gives them.
//!
//! Names are equal whatever their case (RFC 9110, section 5.1), but a receiver that reads them as they arrive, as
//! PHP's `getallheaders` does, looks for the case that its document prints. So the case is kept with the name;
//! HTTP/1.1 requests and the log use it. HTTP/2 has lower-case names only (RFC 9113, section 8.2.1).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderName;
use http::header::InvalidHeaderName;

/// A header's name as it is spelled. Two are equal however they are spelled.
#[derive(Clone)]
pub struct CasedHeaderName {
    name: HeaderName,
    spelling: Arc<str>,
}

impl CasedHeaderName {
    /// The name in its own case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// The name in lower case.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }
}

impl FromStr for CasedHeaderName {
    type Err = InvalidHeaderName;

    fn from_str(spelling: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            name: spelling.parse()?,
            spelling: spelling.into(),
        })
    }
}

/// Nobody chose a spelling: the usual one, `Content-Type`.
impl From<HeaderName> for CasedHeaderName {
    fn from(name: HeaderName) -> Self {
        let mut spelling = name.as_str().to_owned();
        let mut begins = true;
        // Names are ASCII.
        for (i, letter) in name.as_str().char_indices() {
            if begins {
                spelling[i..=i].make_ascii_uppercase();
            }
            begins = letter == '-';
        }
        Self {
            name,
            spelling: spelling.into(),
        }
    }
}

impl PartialEq for CasedHeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CasedHeaderName {}

impl PartialEq<HeaderName> for CasedHeaderName {
    fn eq(&self, other: &HeaderName) -> bool {
        self.name == *other
    }
}

impl PartialEq<str> for CasedHeaderName {
    fn eq(&self, other: &str) -> bool {
        self.name == *other
    }
}

impl fmt::Display for CasedHeaderName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.spelling)
    }
}

impl fmt::Debug for CasedHeaderName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.spelling)
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn a_spelling_stays_and_changes_nothing() {
        let name: CasedHeaderName = "X-UserHero-Signature".parse().unwrap();
        assert_eq!(name.as_str(), "X-UserHero-Signature");
        assert_eq!(name.name(), "x-userhero-signature");
        assert_eq!(name, "x-userhero-SIGNATURE".parse::<CasedHeaderName>().unwrap());
        assert!("X Signature".parse::<CasedHeaderName>().is_err());
    }

    #[test]
    fn names_without_a_spelling_get_the_usual_one() {
        for (name, spelling) in [
            (header::CONTENT_TYPE, "Content-Type"),
            (header::TE, "Te"),
            (HeaderName::from_static("x--y-"), "X--Y-"),
        ] {
            assert_eq!(CasedHeaderName::from(name).as_str(), spelling);
        }
    }
}
