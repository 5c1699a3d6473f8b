//! The settings of an endpoint as flags, for `create` and `update` alike.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tidings_domain::outcome::StatusRange;
use tidings_domain::subscription::ParsePatternError;
use tidings_domain::{EventPattern, Schedule};
use tidings_proto::{duration, pb};

use super::authentication::AuthenticationArgs;
use crate::arguments::secret_in;

/// Settings; what is not given is not changed, or decided by the dialect and the configuration.
#[derive(clap::Args, Default)]
pub(super) struct Settings {
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    /// An event type, a prefix like 'feedback.*', or '*', all of it or with a content filter: 'feedback.* if
    /// payload.rating <= 2'; may be repeated [default for new ones: '*'].
    #[arg(long = "subscribe", value_name = "PATTERN[ if FILTER]")]
    subscriptions: Vec<Wanted>,
    /// The dialect that requests are written in [default for new ones: standard].
    #[arg(long)]
    dialect: Option<String>,
    /// The secret that requests are signed with [default for new ones: a generated one].
    #[arg(long, value_name = "SECRET", conflicts_with = "unsigned")]
    secret: Option<String>,
    /// A file that holds the secret, or - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["secret", "unsigned"])]
    secret_file: Option<PathBuf>,
    /// Do not sign requests.
    #[arg(long)]
    unsigned: bool,
    /// The waits between attempts, like '3s 1m 2h'; '' for a single attempt.
    #[arg(long, value_name = "WAITS")]
    schedule: Option<Schedule>,
    /// The deadline of one attempt, 1s to 60s.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// A status that counts as success, like 2xx or 302; may be repeated, and replaces the dialect's.
    #[arg(long = "success-status", value_name = "STATUS")]
    success_statuses: Vec<StatusRange>,
    /// A status after which no attempt follows, like 410 or 4xx; may be repeated.
    #[arg(long = "final-status", value_name = "STATUS")]
    final_statuses: Vec<StatusRange>,
    /// Retry after every failure, whatever its status.
    #[arg(long, conflicts_with = "final_statuses")]
    no_final_status: bool,
    /// Maximum number of concurrent requests from one dispatcher.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    /// Maximum number of requests per second; more have to wait.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Number of requests at once after a rest [default: as many as per second].
    #[arg(long, value_name = "N", requires = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    burst: Option<u32>,
    /// E-mail address to notify when the endpoint fails or is disabled.
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
    /// Send it events about the tenant's other endpoints (endpoint.failing, …) instead of the tenant's own events.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    operational: Option<bool>,
    /// A field of users or companies to send although the dialect leaves it out, like user.plan; may be repeated.
    #[arg(long = "property", value_name = "OBJECT.KEY")]
    properties: Vec<String>,
    /// A setting that the dialect requires, like app_token=NX-1; may be repeated.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    #[command(flatten)]
    authentication: AuthenticationArgs,
}

/// A subscription as it is written on the command line.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pattern: EventPattern,
    filter: Option<String>,
}

impl Settings {
    /// Reads the secret from the flag, or from the file.
    pub(super) fn secret(&self) -> anyhow::Result<Option<String>> {
        match &self.secret_file {
            Some(path) => secret_in(path).map(Some),
            None => Ok(self.secret.clone()),
        }
    }

    /// The endpoint that these settings describe, without id, tenant, URL and what [`Settings::secret`] reads.
    pub(super) fn endpoint(&self) -> pb::Endpoint {
        pb::Endpoint {
            name: self.name.clone().unwrap_or_default(),
            subscriptions: self.subscriptions.iter().cloned().map(Into::into).collect(),
            dialect: self.dialect.clone().unwrap_or_default(),
            unsigned: self.unsigned,
            schedule: self
                .schedule
                .iter()
                .flat_map(Schedule::waits)
                .map(|wait| duration(*wait))
                .collect(),
            timeout: self.timeout.map(duration),
            no_retries: self.schedule.as_ref().is_some_and(|it| it.waits().is_empty()),
            success_statuses: self.success_statuses.iter().map(ToString::to_string).collect(),
            final_statuses: self.final_statuses.iter().map(ToString::to_string).collect(),
            no_final_statuses: self.no_final_status,
            concurrency: self.concurrency.unwrap_or(0),
            rate_per_second: self.rate.unwrap_or(0),
            rate_burst: self.burst.unwrap_or(0),
            contact: self.contact.clone().unwrap_or_default(),
            operational: self.operational.unwrap_or(false),
            properties: self.properties.clone(),
            settings: self.settings.iter().cloned().collect(),
            authentication: self.authentication.message(),
            ..pb::Endpoint::default()
        }
    }

    /// The names of the fields that were given, as an update's mask has them.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let fields = [
            ("name", self.name.is_some()),
            ("subscriptions", !self.subscriptions.is_empty()),
            ("dialect", self.dialect.is_some()),
            (
                "secret",
                self.secret.is_some() || self.secret_file.is_some() || self.unsigned,
            ),
            ("schedule", self.schedule.is_some()),
            ("timeout", self.timeout.is_some()),
            ("success_statuses", !self.success_statuses.is_empty()),
            (
                "final_statuses",
                !self.final_statuses.is_empty() || self.no_final_status,
            ),
            ("concurrency", self.concurrency.is_some()),
            ("rate_per_second", self.rate.is_some()),
            ("contact", self.contact.is_some()),
            ("operational", self.operational.is_some()),
            ("properties", !self.properties.is_empty()),
            ("settings", !self.settings.is_empty()),
            ("authentication", self.authentication.is_given()),
        ];
        fields
            .into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }
}

/// A setting of a dialect as it is written on the command line.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` has no `=`: write it like `app_token=NX-1`"))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl FromStr for Wanted {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pattern, filter) = match text.split_once(" if ") {
            Some((pattern, filter)) => (pattern.trim_end(), Some(filter.trim().to_owned())),
            None => (text, None),
        };
        Ok(Self {
            pattern: pattern.parse()?,
            filter,
        })
    }
}

impl From<EventPattern> for Wanted {
    fn from(pattern: EventPattern) -> Self {
        Self { pattern, filter: None }
    }
}

impl From<Wanted> for pb::Subscription {
    fn from(wanted: Wanted) -> Self {
        Self {
            pattern: wanted.pattern.to_string(),
            disabled: false,
            filter: wanted.filter.unwrap_or_default(),
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
        settings: Settings,
    }

    fn parse(line: &[&str]) -> Result<Settings, clap::Error> {
        Line::try_parse_from(std::iter::once(&"endpoint").chain(line)).map(|line| line.settings)
    }

    #[test]
    fn only_what_is_given_is_in_the_mask() {
        assert_eq!(parse(&[]).unwrap().given(), [""; 0]);
        let settings = parse(&["--schedule", "3s 1m", "--subscribe", "feedback.*", "--unsigned"]).unwrap();
        assert_eq!(settings.given(), ["subscriptions", "secret", "schedule"]);
        let endpoint = settings.endpoint();
        assert_eq!(
            endpoint.schedule.iter().map(|wait| wait.seconds).collect::<Vec<_>>(),
            [3, 60]
        );
        assert_eq!(endpoint.subscriptions[0].pattern, "feedback.*");
        assert!(endpoint.unsigned && endpoint.timeout.is_none() && !endpoint.no_retries);
        let settings = parse(&["--schedule", "", "--no-final-status", "--success-status", "302"]).unwrap();
        assert_eq!(settings.given(), ["schedule", "success_statuses", "final_statuses"]);
        let endpoint = settings.endpoint();
        assert!(endpoint.no_retries && endpoint.no_final_statuses);
        assert_eq!(endpoint.success_statuses, ["302"]);
    }

    #[test]
    fn what_the_dialect_offers_is_chosen_by_name() {
        let settings = parse(&["--operational", "--property", "user.plan", "--setting", "link=/a?b=c"]).unwrap();
        assert_eq!(settings.given(), ["operational", "properties", "settings"]);
        let endpoint = settings.endpoint();
        assert!(endpoint.operational);
        assert_eq!(endpoint.properties, ["user.plan"]);
        assert_eq!(endpoint.settings["link"], "/a?b=c");
        let settings = parse(&["--operational=false", "--contact", "ops@example.com"]).unwrap();
        assert_eq!(settings.given(), ["contact", "operational"]);
        assert!(!settings.endpoint().operational);
    }

    #[test]
    fn a_subscription_may_have_a_filter() {
        let settings = parse(&[
            "--subscribe",
            "feedback.* if payload.note == ' if '",
            "--subscribe",
            "a.b",
        ])
        .unwrap();
        let wanted = settings.endpoint().subscriptions;
        assert_eq!(
            (wanted[0].pattern.as_str(), wanted[0].filter.as_str()),
            ("feedback.*", "payload.note == ' if '")
        );
        assert_eq!((wanted[1].pattern.as_str(), wanted[1].filter.as_str()), ("a.b", ""));
    }

    #[test]
    fn mistakes_are_found_before_anything_is_sent() {
        let error = |line: &[&str]| parse(line).map(|_| ()).unwrap_err().to_string();
        assert!(error(&["--subscribe", "*.created"]).contains("is not an event pattern"));
        assert!(error(&["--schedule", "soon"]).contains("`soon` is not a duration"));
        assert!(error(&["--final-status", "10xx"]).contains("is not an HTTP status"));
        assert!(error(&["--secret", "x", "--unsigned"]).contains("cannot be used with"));
        assert!(error(&["--setting", "app_token"]).contains("write it like `app_token=NX-1`"));
        assert!(error(&["--concurrency", "0"]).contains("0 is not in 1.."));
    }
}
