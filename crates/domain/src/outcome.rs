//! Outcomes of attempts.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The result of one HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The response meets the success rule.
    Succeeded,
    /// It failed; whether another try makes sense is in `retryable`.
    Failed {
        /// The schedule continues.
        retryable: bool,
        reason: FailureReason,
    },
}

impl Outcome {
    /// A failure after which the schedule goes on.
    #[must_use]
    pub fn retryable(reason: FailureReason) -> Self {
        Self::Failed {
            retryable: true,
            reason,
        }
    }

    /// A failure after which nothing more is tried.
    #[must_use]
    pub fn fatal(reason: FailureReason) -> Self {
        Self::Failed {
            retryable: false,
            reason,
        }
    }

    /// The name in columns, filters, metrics and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed { retryable: true, .. } => "failed_retryable",
            Self::Failed { retryable: false, .. } => "failed_final",
        }
    }

    /// Every name that [`Outcome::name`] can give.
    pub const NAMES: [&'static str; 3] = ["succeeded", "failed_retryable", "failed_final"];

    #[must_use]
    pub fn reason(&self) -> Option<FailureReason> {
        match self {
            Self::Succeeded => None,
            Self::Failed { reason, .. } => Some(*reason),
        }
    }

    /// Tells if the receiver has the event.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded)
    }

    /// Puts an outcome together from its columns.
    pub fn from_parts(name: &str, reason: Option<&str>) -> Result<Self, UnknownOutcome> {
        let unknown = || UnknownOutcome(format!("{name}/{}", reason.unwrap_or("")));
        let reason = || {
            reason
                .unwrap_or_default()
                .parse::<FailureReason>()
                .map_err(|_| unknown())
        };
        match name {
            "succeeded" => Ok(Self::Succeeded),
            "failed_retryable" => Ok(Self::retryable(reason()?)),
            "failed_final" => Ok(Self::fatal(reason()?)),
            _ => Err(unknown()),
        }
    }
}

/// A stored outcome that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown outcome or reason `{0}`: was it written by a newer version?")]
pub struct UnknownOutcome(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// The receiver answered with a status that is not success.
    Status,
    /// Connecting, sending and waiting for the status did not end within the deadline.
    Timeout,
    /// The host name did not resolve, or not in time.
    Dns,
    /// No TCP connection could be made.
    Connect,
    Tls,
    /// The host, or the address it resolved to, is one that requests may not go to.
    BlockedAddress,
    /// The operator's proxy could not be reached, or refused.
    Proxy,
    /// The response was not HTTP, or the connection ended before one.
    Protocol,
    /// No token was to be had from the endpoint's authorization server.
    Authorization,
    /// The request could not be made from the event: the dialect's template failed on this payload.
    Render,
}

impl FailureReason {
    pub const ALL: [Self; 10] = [
        Self::Status,
        Self::Timeout,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::BlockedAddress,
        Self::Proxy,
        Self::Protocol,
        Self::Authorization,
        Self::Render,
    ];

    /// The name in columns, filters, metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::BlockedAddress => "blocked_address",
            Self::Proxy => "proxy",
            Self::Protocol => "protocol",
            Self::Authorization => "authorization",
            Self::Render => "render",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FailureReason {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == text)
            .ok_or_else(|| UnknownOutcome(text.into()))
    }
}

/// Meaning of HTTP statuses: part of a dialect, overridable by an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRule {
    /// Statuses that mean the event has arrived.
    pub success: Vec<StatusRange>,
    /// No further attempt makes sense. A status in neither list is retried.
    pub final_: Vec<StatusRange>,
}

impl StatusRule {
    /// Outcome of a response with this status.
    #[must_use]
    pub fn classify(&self, status: u16) -> Outcome {
        classify(status, &self.success, &self.final_, false)
    }
}

/// Outcome of a response with this status, given the statuses that are success and final.
///
/// A receiver that announces when to retry is retried even if a whole class or range of statuses is final: 408
/// implies it (RFC 9110, section 15.5.9), and 429 does if `comes_back` (RFC 6585, section 4). A status that is named
/// individually as final stays final.
#[must_use]
pub fn classify(status: u16, success: &[StatusRange], final_: &[StatusRange], comes_back: bool) -> Outcome {
    let invites = status == 408 || (status == 429 && comes_back);
    let ends = |range: &StatusRange| (!invites || range.is_single()) && range.contains(status);
    if success.iter().any(|range| range.contains(status)) {
        Outcome::Succeeded
    } else if final_.iter().any(ends) {
        Outcome::fatal(FailureReason::Status)
    } else {
        Outcome::retryable(FailureReason::Status)
    }
}

/// One status (`410`), a class (`4xx`) or a range (`200-204`). Statuses are what HTTP's grammar allows, 100 to 999: some
/// receivers answer with one that no registry knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRange(RangeInclusive<u16>);

/// Reason why a text is not a range of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an HTTP status, class or range: write it like `410`, `4xx` or `200-204`")]
pub struct ParseStatusError(String);

impl StatusRange {
    fn contains(&self, status: u16) -> bool {
        self.0.contains(&status)
    }

    fn is_single(&self) -> bool {
        self.0.start() == self.0.end()
    }
}

impl FromStr for StatusRange {
    type Err = ParseStatusError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) => class
                .parse::<u16>()
                .ok()
                .filter(|class| (1..=9).contains(class))
                .map(|class| class * 100..=class * 100 + 99),
            (_, Some((from, to))) => from.parse().ok().zip(to.parse().ok()).map(|(from, to)| from..=to),
            _ => text.parse().ok().map(|status: u16| status..=status),
        };
        range
            .filter(|r| *r.start() >= 100 && *r.end() <= 999 && r.start() <= r.end())
            .map(Self)
            .ok_or_else(|| ParseStatusError(text.into()))
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.0.start(), self.0.end());
        match to - from {
            0 => write!(f, "{from}"),
            99 if from % 100 == 0 => write!(f, "{}xx", from / 100),
            _ => write!(f, "{from}-{to}"),
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(success: &str, final_: &str) -> StatusRule {
        let ranges = |text: &str| text.split_whitespace().map(|t| t.parse().unwrap()).collect();
        StatusRule {
            success: ranges(success),
            final_: ranges(final_),
        }
    }

    #[test]
    fn statuses_are_classified_by_the_rule() {
        let rule = rule("2xx", "410 400-403");
        assert_eq!(rule.classify(204), Outcome::Succeeded);
        assert_eq!(rule.classify(302), Outcome::retryable(FailureReason::Status));
        assert_eq!(rule.classify(410), Outcome::fatal(FailureReason::Status));
        assert_eq!(rule.classify(403), Outcome::fatal(FailureReason::Status));
        assert_eq!(rule.classify(404), Outcome::retryable(FailureReason::Status));
        assert_eq!(rule.classify(503), Outcome::retryable(FailureReason::Status));
    }

    #[test]
    fn who_says_when_to_come_back_is_asked_again_below_a_final_class() {
        let class = rule("2xx", "4xx").final_;
        let named = rule("2xx", "408 429").final_;
        for (status, comes_back, below_a_class) in [
            (408, false, true),
            (429, true, true),
            (429, false, false),
            (404, true, false),
        ] {
            let retried = classify(status, &[], &class, comes_back) == Outcome::retryable(FailureReason::Status);
            assert_eq!(retried, below_a_class, "{status} {comes_back}");
        }
        for status in [408, 429] {
            assert_eq!(
                classify(status, &[], &named, true),
                Outcome::fatal(FailureReason::Status)
            );
        }
    }

    #[test]
    fn status_ranges_read_back_as_written_and_others_are_refused() {
        for text in ["410", "4xx", "200-204", "999", "9xx", "600-999"] {
            assert_eq!(text.parse::<StatusRange>().unwrap().to_string(), text);
        }
        for text in ["", "x", "99", "10xx", "700xx", "1000", "204-200", "2x"] {
            assert!(text.parse::<StatusRange>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_outcome_reads_back_from_its_columns() {
        let failures = FailureReason::ALL
            .into_iter()
            .flat_map(|r| [Outcome::retryable(r), Outcome::fatal(r)]);
        for outcome in failures.chain([Outcome::Succeeded]) {
            let reason = outcome.reason().map(FailureReason::as_str);
            assert_eq!(Outcome::from_parts(outcome.name(), reason), Ok(outcome));
        }
    }
}
