//! Flags that select attempts.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use tidings_domain::{DeliveryId, EndpointId, EventId, EventType, FailureReason, Outcome, TenantId};
use tidings_proto::{duration, pb};

use crate::arguments::When;

/// Conditions on attempts: all must hold, repeated flags are alternatives.
#[derive(clap::Args)]
pub(crate) struct AttemptFilter {
    /// Attempts for this tenant (ten_…).
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Attempts for this endpoint (ep_…).
    #[arg(long)]
    endpoint: Option<EndpointId>,
    /// Attempts of this event (evt_…).
    #[arg(long)]
    event: Option<EventId>,
    /// Attempts of this delivery (dlv_…).
    #[arg(long)]
    delivery: Option<DeliveryId>,
    /// Attempts of events of this type; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    event_types: Vec<EventType>,
    /// Attempts answered with this status, like 500 or 5xx, or without a response (none); may be repeated.
    #[arg(long = "status", value_name = "STATUS")]
    statuses: Vec<StatusFilter>,
    /// Attempts with this outcome; may be repeated.
    #[arg(long = "outcome", value_name = "OUTCOME", value_parser = Outcome::NAMES)]
    outcomes: Vec<String>,
    /// Attempts that failed for this reason; may be repeated.
    #[arg(long = "reason", value_name = "REASON", value_parser = FailureReason::ALL.map(FailureReason::as_str))]
    failure_reasons: Vec<String>,
    /// Attempts that took at least this long, like 250ms.
    #[arg(long, value_name = "LENGTH", value_parser = humantime::parse_duration)]
    min_duration: Option<Duration>,
    /// Attempts that took at most this long.
    #[arg(long, value_name = "LENGTH", value_parser = humantime::parse_duration)]
    max_duration: Option<Duration>,
    /// Attempts whose error contains this text, in upper or lower case.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    error: Option<String>,
    /// Attempts begun at or after this time, or in so long until now, like 1h.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Attempts begun before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
}

/// A status or a class of statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StatusFilter {
    Code(u32),
    /// The first digit; 0 stands for no response.
    Class(u32),
}

/// The error for a text that is no filter of statuses.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a status: write one like `500`, a class like `5xx`, or `none` for no response")]
struct ParseStatusFilterError(String);

impl FromStr for StatusFilter {
    type Err = ParseStatusFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |digits: &str, range: std::ops::RangeInclusive<u32>| {
            digits.parse().ok().filter(|number| range.contains(number))
        };
        let parsed = match text.strip_suffix("xx") {
            _ if text == "none" => Some(Self::Class(0)),
            Some(class) => number(class, 1..=9).map(Self::Class),
            None => number(text, 100..=999).map(Self::Code),
        };
        parsed.ok_or_else(|| ParseStatusFilterError(text.to_owned()))
    }
}

impl AttemptFilter {
    /// Converts the conditions for a request.
    pub(crate) fn on_the_wire(self) -> pb::AttemptFilter {
        let codes = |status: &StatusFilter| match status {
            StatusFilter::Code(code) => Some(*code),
            StatusFilter::Class(_) => None,
        };
        let classes = |status: &StatusFilter| match status {
            StatusFilter::Class(class) => Some(*class),
            StatusFilter::Code(_) => None,
        };
        pb::AttemptFilter {
            tenant_id: self.tenant.map(|id| id.to_string()).unwrap_or_default(),
            endpoint_id: self.endpoint.map(|id| id.to_string()).unwrap_or_default(),
            event_id: self.event.map(|id| id.to_string()).unwrap_or_default(),
            delivery_id: self.delivery.map(|id| id.to_string()).unwrap_or_default(),
            event_types: self.event_types.iter().map(ToString::to_string).collect(),
            status_codes: self.statuses.iter().filter_map(codes).collect(),
            status_classes: self.statuses.iter().filter_map(classes).collect(),
            outcomes: self.outcomes,
            failure_reasons: self.failure_reasons,
            min_duration: self.min_duration.map(duration),
            max_duration: self.max_duration.map(duration),
            error_contains: self.error.unwrap_or_default(),
            since: self.since.map(When::on_the_wire),
            until: self.until.map(When::on_the_wire),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: AttemptFilter,
    }

    fn parse(line: &[&str]) -> Result<pb::AttemptFilter, clap::Error> {
        Line::try_parse_from(std::iter::once(&"logs").chain(line)).map(|line| line.filter.on_the_wire())
    }

    #[test]
    fn statuses_are_codes_classes_or_none() {
        let filter = parse(&[
            "--status", "500", "--status", "9xx", "--status", "none", "--status", "999",
        ])
        .unwrap();
        assert_eq!(filter.status_codes, [500, 999]);
        assert_eq!(filter.status_classes, [9, 0]);
        for text in ["", "xx", "10xx", "0xx", "99", "1000", "5XX", "500-503"] {
            let error = text.parse::<StatusFilter>().unwrap_err().to_string();
            assert!(error.contains("like `500`, a class like `5xx`"), "{error}");
        }
    }

    #[test]
    fn everything_else_is_passed_on() {
        let endpoint = EndpointId::new().to_string();
        let filter = parse(&[
            "--endpoint",
            &endpoint,
            "--type",
            "a.b",
            "--outcome",
            "failed_final",
            "--since",
            "1h",
            "--reason",
            "timeout",
            "--reason",
            "tls",
            "--min-duration",
            "1s 250ms",
            "--error",
            "reset by",
        ])
        .unwrap();
        assert_eq!(filter.endpoint_id, endpoint);
        assert_eq!(filter.event_types, ["a.b"]);
        assert_eq!(filter.outcomes, ["failed_final"]);
        assert_eq!(filter.failure_reasons, ["timeout", "tls"]);
        let least = filter.min_duration.map(|least| (least.seconds, least.nanos));
        assert_eq!((least, filter.max_duration), (Some((1, 250_000_000)), None));
        assert_eq!(filter.error_contains, "reset by");
        assert!(filter.since.is_some() && filter.until.is_none() && filter.tenant_id.is_empty());
    }

    #[test]
    fn mistakes_are_found_before_anything_is_asked() {
        let error = |line: &[&str]| parse(line).unwrap_err().to_string();
        assert!(error(&["--outcome", "failed"]).contains("failed_retryable"));
        assert!(error(&["--reason", "lost"]).contains("blocked_address"));
        assert!(error(&["--min-duration", "fast"]).contains("--min-duration"));
        assert!(error(&["--error", ""]).contains("--error"));
        assert!(error(&["--endpoint", "evt_1"]).contains("`ep_` followed by 32 hexadecimal digits"));
    }
}
