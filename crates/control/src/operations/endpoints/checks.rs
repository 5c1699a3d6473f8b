//! Validation of endpoints.

use std::ops::RangeInclusive;
use std::time::Duration;

use email_address::{EmailAddress, Options};
use tidings_dialect::Dialect;
use tidings_domain::destination::read_url;
use tidings_domain::{Endpoint, NoticeKind, Overrides, Subscription, text};
use tidings_payload::Filter;
use tidings_service::problem::Problem;
use url::Url;

use super::Endpoints;
use crate::{now, retention, texts};

const MAX_URL: usize = 2_048;
/// The longest e-mail address, in bytes: what fits a path of SMTP (RFC 5321, section 4.5.3.1.3).
const MAX_CONTACT: usize = 254;
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const MAX_CONCURRENCY: u32 = 1_000;
/// The highest rate limit, requests per second, and the most at once.
const MAX_RATE: u32 = 10_000;
const MAX_BURST: u32 = 100_000;

impl Endpoints {
    /// A URL that requests may go to.
    pub(super) fn url(&self, text: &str) -> Result<Url, Problem> {
        if text.len() > MAX_URL {
            return Err(Problem::invalid("url_invalid", format!("a URL has at most {MAX_URL} bytes")).at("url"));
        }
        let url = read_url(text).map_err(|error| Problem::invalid("url_invalid", error.to_string()).at("url"))?;
        self.destinations
            .check_url(&url)
            .map_err(|error| Problem::invalid("url_not_allowed", error.to_string()).at("url"))?;
        Ok(url)
    }

    pub(super) fn check(&self, endpoint: &Endpoint) -> Result<(), Problem> {
        check_name(&endpoint.name)?;
        check_texts(endpoint)?;
        check_dialect(self.dialect(&endpoint.dialect)?, endpoint)?;
        check_subscriptions(&endpoint.subscriptions, endpoint.operational)?;
        check_contact(endpoint.contact.as_deref())?;
        check_pace(&endpoint.overrides)
    }

    /// Checks what depends on the endpoint's other fields, where they are new or changed: its dialect must fit the
    /// URL's host, the secret must be a key that the dialect takes, and the schedule must end in time.
    pub(super) fn check_change(&self, before: Option<&Endpoint>, endpoint: &Endpoint) -> Result<(), Problem> {
        let changed = |same: fn(&Endpoint, &Endpoint) -> bool| before.is_none_or(|before| !same(before, endpoint));
        let other_dialect = changed(|one, other| one.dialect == other.dialect);
        if (other_dialect || changed(|one, other| one.url == other.url))
            && let Some(reason) = self.dialects.refusal(&endpoint.url, &endpoint.dialect)
        {
            return Err(Problem::invalid("url_not_spoken", reason).at("url"));
        }
        if other_dialect || changed(|one, other| one.secret == other.secret) {
            let dialect = self.dialect(&endpoint.dialect)?;
            endpoint
                .secret
                .as_ref()
                .map_or(Ok(()), |secret| dialect.check_key(secret))
                .map_err(|error| Problem::invalid("secret_invalid", error.to_string()).at("secret"))?;
        }
        if other_dialect || changed(|one, other| one.overrides.schedule == other.overrides.schedule) {
            self.check_retention(endpoint)?;
        }
        Ok(())
    }

    /// Fails if payloads are forgotten before the endpoint's schedule can end.
    fn check_retention(&self, endpoint: &Endpoint) -> Result<(), Problem> {
        let dialect = self.dialect(&endpoint.dialect)?;
        let schedule = endpoint.overrides.schedule.as_ref().unwrap_or(dialect.schedule());
        let tenant = self.book.cache.tenant(endpoint.tenant);
        retention::check_schedule(schedule, self.retention, tenant.as_deref())
    }

    fn dialect(&self, name: &str) -> Result<&Dialect, Problem> {
        self.dialects.get(name).map(AsRef::as_ref).ok_or_else(|| {
            let known: Vec<_> = self.dialects.names().collect();
            let detail = format!("there is no dialect `{name}`: use one of {}", known.join(", "));
            Problem::invalid("dialect_unknown", detail).at("dialect")
        })
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    texts::check(name, "name")?;
    let (length, max) = (name.chars().count(), Endpoint::MAX_NAME);
    if length > max {
        let detail = format!("a name has at most {max} characters, this one has {length}");
        return Err(Problem::invalid("name_invalid", detail).at("name"));
    }
    Ok(())
}

/// Fails if a text contains what databases can't store.
fn check_texts(endpoint: &Endpoint) -> Result<(), Problem> {
    let filters = endpoint.subscriptions.iter().filter_map(|it| it.filter.as_ref());
    let settings = endpoint
        .overrides
        .settings
        .iter()
        .flat_map(|(name, value)| [name, value]);
    filters
        .map(|filter| (filter, "subscriptions"))
        .chain(
            endpoint
                .overrides
                .properties
                .iter()
                .map(|property| (property, "properties")),
        )
        .chain(settings.map(|text| (text, "settings")))
        .try_for_each(|(text, field)| texts::check(text, field))
}

/// Fails if the endpoint's settings refer to something that the dialect does not have.
fn check_dialect(dialect: &Dialect, endpoint: &Endpoint) -> Result<(), Problem> {
    let overrides = &endpoint.overrides;
    dialect
        .check_properties(&overrides.properties)
        .map_err(|error| Problem::invalid("properties_invalid", error.to_string()).at("properties"))?;
    dialect
        .check_settings(&overrides.settings)
        .map_err(|error| Problem::invalid("settings_invalid", error.to_string()).at("settings"))?;
    for secret in endpoint.secrets(now()).iter() {
        dialect
            .check_secret(Some(secret))
            .map_err(|error| Problem::invalid("secret_invalid", error.to_string()).at("secret"))?;
    }
    Ok(())
}

fn check_subscriptions(subscriptions: &[Subscription], operational: bool) -> Result<(), Problem> {
    let problem = |detail: String| Problem::invalid("subscriptions_invalid", detail).at("subscriptions");
    let (count, max) = (subscriptions.len(), Endpoint::MAX_SUBSCRIPTIONS);
    if !(1..=max).contains(&count) {
        return Err(problem(format!(
            "an endpoint has 1 to {max} subscriptions, this one has {count}: subscribe to `*` for everything"
        )));
    }
    for subscription in subscriptions {
        check_filter(subscription, operational)?;
    }
    let known = NoticeKind::ALL.map(NoticeKind::event_type);
    let never_matches = |subscription: &&Subscription| !known.iter().any(|event| subscription.pattern.matches(event));
    match subscriptions.iter().find(never_matches).filter(|_| operational) {
        None => Ok(()),
        Some(Subscription { pattern, .. }) => Err(problem(format!(
            "`{pattern}` is no operational event: subscribe an operational endpoint to `*` or to some of {}",
            NoticeKind::ALL.map(|kind| format!("`{}`", kind.as_str())).join(", ")
        ))),
    }
}

fn check_filter(subscription: &Subscription, operational: bool) -> Result<(), Problem> {
    let Subscription { pattern, filter, .. } = subscription;
    let Some(filter) = filter else { return Ok(()) };
    let problem = |detail: String| Err(Problem::invalid("filter_invalid", detail).at("subscriptions"));
    if operational {
        return problem("operational events are not filtered: leave `filter` out".to_owned());
    }
    match Filter::compile(filter) {
        Ok(_) => Ok(()),
        Err(error) => problem(format!("the filter of `{pattern}`: {error}")),
    }
}

/// One address and nothing else, so that it can stand in a header as it is.
fn check_contact(contact: Option<&str>) -> Result<(), Problem> {
    let options = Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    let valid = |contact: &str| {
        contact.len() <= MAX_CONTACT
            && !contact.contains(char::is_control)
            && EmailAddress::parse_with_options(contact, options).is_ok()
    };
    if let Some(stray) = contact.and_then(text::unseen_in) {
        let detail = format!("the address has {stray}: give one address and nothing else");
        return Err(Problem::invalid("contact_invalid", detail).at("contact"));
    }
    match contact {
        Some(contact) if !valid(contact) => {
            let detail = format!(
                "`{}` is not an e-mail address of at most {MAX_CONTACT} bytes: write it like `webhooks@example.com`",
                contact.escape_debug()
            );
            Err(Problem::invalid("contact_invalid", detail).at("contact"))
        }
        _ => Ok(()),
    }
}

fn check_pace(overrides: &Overrides) -> Result<(), Problem> {
    let problem = |field: &'static str, code, detail: String| Err(Problem::invalid(code, detail).at(field));
    if overrides.timeout.is_some_and(|timeout| !TIMEOUT.contains(&timeout)) {
        return problem("timeout", "timeout_invalid", "a timeout is 1s to 60s".to_owned());
    }
    if overrides
        .concurrency
        .is_some_and(|cap| !(1..=MAX_CONCURRENCY).contains(&cap))
    {
        let detail = format!("concurrency is 1 to {MAX_CONCURRENCY}");
        return problem("concurrency", "concurrency_invalid", detail);
    }
    match overrides.rate_limit {
        Some(limit) if !(1..=MAX_RATE).contains(&limit.per_second) => {
            let detail = format!("a rate limit is 1 to {MAX_RATE} requests per second");
            problem("rate_per_second", "rate_per_second_invalid", detail)
        }
        Some(limit) if !(1..=MAX_BURST).contains(&limit.burst) => {
            let detail = format!("a burst is 1 to {MAX_BURST} requests at once");
            problem("rate_burst", "rate_burst_invalid", detail)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_one_address() {
        let valid = |contact: &str| check_contact(Some(contact)).is_ok();
        for contact in [
            "ops@example.com",
            "o'hara+webhooks@mail.example.co.uk",
            "ops@bücher.example",
        ] {
            assert!(valid(contact), "{contact}");
        }
        let long = format!("ops@{}example.com", "a.".repeat(120));
        for contact in [
            "",
            "ops",
            "ops@example",
            "@example.com",
            "Ops <ops@example.com>",
            "ops@example.com, dev@example.com",
            "ops@example.com\r\nBcc: all@example.com",
            "ops@[127.0.0.1]",
            "ops @example.com",
            "ops@example.com\u{200b}",
            " ops@example.com",
            "ops@example.com\nops@example.org",
            &long,
        ] {
            assert!(!valid(contact), "{contact}");
        }
        assert!(check_contact(None).is_ok());
    }

    #[test]
    fn operational_endpoints_subscribe_to_operational_events() {
        let subscribed = |pattern: &str| [Subscription::to(pattern.parse().unwrap())];
        for pattern in ["*", "endpoint.*", "delivery.exhausted"] {
            assert!(check_subscriptions(&subscribed(pattern), true).is_ok(), "{pattern}");
        }
        let refused = check_subscriptions(&subscribed("feedback.*"), true).unwrap_err();
        assert!(refused.detail.contains("`endpoint.failing`"), "{refused}");
        assert!(check_subscriptions(&subscribed("feedback.*"), false).is_ok());
    }

    #[test]
    fn filters_are_checked_where_they_are_configured() {
        let check = |filter: &str, operational| {
            let subscription = Subscription {
                filter: Some(filter.to_owned()),
                ..Subscription::to("*".parse().unwrap())
            };
            check_subscriptions(&[subscription], operational)
        };
        assert!(check("payload.rating <= 2", false).is_ok());
        let refused = check("payload.rating <=", false).unwrap_err();
        assert_eq!(
            (refused.code, refused.field.as_deref()),
            ("filter_invalid", Some("subscriptions"))
        );
        assert!(refused.detail.contains("line 1, column"), "{refused}");
        assert!(check("true", true).unwrap_err().detail.contains("operational"));
    }
}
