//! What an answer means and what follows from it.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::fmt::rfc2822;
use tidings_dialect::Dialect;
use tidings_domain::outcome::StatusRule;
use tidings_domain::{DeliveryState, Endpoint, FailureReason, Outcome, Timestamp, schedule};
use tidings_queue::Message;

use crate::gate::Sign;
use crate::send::{Answer, NoAnswer};

/// The longest wait that a receiver may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What an attempt came to.
pub(crate) fn outcome(answer: &Result<Answer, NoAnswer>, endpoint: &Endpoint, dialect: &Dialect) -> Outcome {
    match answer {
        Err(NoAnswer { reason, .. }) => Outcome::retryable(*reason),
        Ok(answer) => match &endpoint.overrides.final_statuses {
            None => dialect.status_rule().classify(answer.status.as_u16()),
            Some(final_) => {
                let rule = StatusRule {
                    success: dialect.status_rule().success.clone(),
                    final_: final_.clone(),
                };
                rule.classify(answer.status.as_u16())
            }
        },
    }
}

/// The state of the delivery after the attempt that the message stood for came to `outcome`, and the wait if there
/// is one.
pub(crate) fn next_state(
    outcome: Outcome,
    message: &Message,
    endpoint: &Endpoint,
    dialect: &Dialect,
    answer: &Result<Answer, NoAnswer>,
    now: Timestamp,
) -> (DeliveryState, Option<Duration>) {
    let schedule = endpoint.overrides.schedule.as_ref().unwrap_or(dialect.schedule());
    match outcome {
        Outcome::Succeeded => (DeliveryState::Succeeded, None),
        Outcome::Failed { retryable: false, .. } => (DeliveryState::Exhausted, None),
        Outcome::Failed { retryable: true, .. } => match schedule.wait_after(message.step.attempt()) {
            None => (DeliveryState::Exhausted, None),
            Some(wait) => {
                let wait = schedule::variant(wait, pick(message));
                let asked = answer
                    .as_ref()
                    .ok()
                    .and_then(|answer| retry_after(answer.status, &answer.headers, now));
                let wait = wait.max(asked.unwrap_or_default());
                let due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
                (DeliveryState::Scheduled { due }, Some(wait))
            }
        },
    }
}

/// A number that differs between deliveries and between the attempts of one.
fn pick(message: &Message) -> u64 {
    message.delivery.uuid().as_u128() as u64 ^ u64::from(message.step.attempt())
}

/// What an answer says about its endpoint, whatever it says about the delivery. 429, 502, 503 and 504 ask for less
/// (Standard Webhooks, "Status codes").
pub(crate) fn sign(answer: &Result<Answer, NoAnswer>, outcome: Outcome, now: Timestamp) -> Sign {
    match answer {
        Err(_) => Sign::Silent,
        Ok(answer) if outcome.is_success() => spent(&answer.headers).map_or(Sign::Well, Sign::Spent),
        Ok(answer) => match answer.status.as_u16() {
            429 | 502 | 503 | 504 => Sign::Overloaded(retry_after(answer.status, &answer.headers, now)),
            500..=599 => Sign::Failing,
            _ => Sign::Well,
        },
    }
}

/// Whether the endpoint says that it is gone, and its rules take that as final.
pub(crate) fn is_gone(answer: &Result<Answer, NoAnswer>, outcome: Outcome) -> bool {
    let final_ = matches!(outcome, Outcome::Failed { retryable: false, .. });
    final_ && answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::GONE)
}

/// The wait that a receiver asks for with 429 or 503 (RFC 9110, section 10.2.3: seconds or a date), at most a day.
fn retry_after(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match seconds(value) {
        Some(wait) => wait,
        None => {
            let at = rfc2822::parse(value).ok()?.timestamp();
            Duration::try_from(at.duration_since(now)).ok()?
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// How long until the endpoint takes more, if this answer says that its rate limit is used up (Discord's documentation,
/// "Rate Limits": `X-RateLimit-Remaining`, `X-RateLimit-Reset-After`).
fn spent(headers: &HeaderMap) -> Option<Duration> {
    let value = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let used_up = value("x-ratelimit-remaining")? == "0";
    seconds(value("x-ratelimit-reset-after")?).filter(|wait| used_up && !wait.is_zero())
}

/// Seconds, also with a fraction, as some services write them; what is beyond a day is a day.
fn seconds(text: &str) -> Option<Duration> {
    let number = text.starts_with(|first: char| first.is_ascii_digit());
    let seconds: f64 = text.parse().ok().filter(|_| number)?;
    Duration::try_from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())).ok()
}

/// A failure in words.
pub(crate) fn describe(answer: &Result<Answer, NoAnswer>, outcome: Outcome) -> String {
    match answer {
        Err(no_answer) => no_answer.error.clone(),
        Ok(_) if outcome.is_success() => String::new(),
        Ok(answer) => format!("the endpoint answered {}", answer.status),
    }
}

/// What an event that can't be rendered comes to: the same template fails on the same payload every time.
pub(crate) fn unrenderable() -> Outcome {
    Outcome::fatal(FailureReason::Render)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn asked(status: u16, value: &str) -> Option<u64> {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        retry_after(StatusCode::from_u16(status).unwrap(), &headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_bounded() {
        assert_eq!(asked(429, "137"), Some(137));
        assert_eq!(asked(503, "Thu, 01 Jan 2026 00:02:00 GMT"), Some(120));
        assert_eq!(asked(503, "999999999"), Some(86_400));
        assert_eq!(asked(503, "Wed, 31 Dec 2025 23:00:00 GMT"), None);
        assert_eq!(asked(503, "soon"), None);
        assert_eq!(asked(429, "1.5"), Some(1));
        assert_eq!(asked(429, "-1"), None);
        assert_eq!(asked(429, "inf"), None);
        assert_eq!(asked(500, "137"), None);
    }

    #[test]
    fn a_rate_limit_that_is_used_up_says_for_how_long() {
        let rest = |remaining: &str, reset: &str| {
            spent(&HeaderMap::from_iter([
                (
                    HeaderName::from_static("x-ratelimit-remaining"),
                    remaining.parse().unwrap(),
                ),
                (
                    HeaderName::from_static("x-ratelimit-reset-after"),
                    reset.parse().unwrap(),
                ),
            ]))
        };
        assert_eq!(rest("0", "1.25"), Some(Duration::from_millis(1_250)));
        assert_eq!(rest("1", "1.25"), None);
        assert_eq!(rest("0", "0"), None);
        assert_eq!(rest("0", "soon"), None);
    }
}
