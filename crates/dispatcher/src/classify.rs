//! Classifies the response to an attempt: its outcome, the delivery's next state, and feedback for the endpoint's
//! limiter.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::fmt::rfc2822;
use tidings_dialect::{Dialect, RetryAfter};
use tidings_domain::outcome::classify;
use tidings_domain::{DeliveryState, Endpoint, FailureReason, Outcome, Timestamp, schedule};
use tidings_queue::Message;

use crate::limiter::Feedback;
use crate::send::{Answer, NoAnswer};
use crate::status;

/// Longest wait that a receiver may request; a longer one is cut to it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Outcome of an attempt by the endpoint's own status rules, or the dialect's where it has none.
pub(crate) fn outcome(answer: &Result<Answer, NoAnswer>, endpoint: &Endpoint, dialect: &Dialect) -> Outcome {
    match answer {
        Err(NoAnswer { reason, .. }) => Outcome::retryable(*reason),
        Ok(answer) => {
            let (usual, own) = (dialect.status_rule(), &endpoint.overrides);
            let success = own.success_statuses.as_ref().unwrap_or(&usual.success);
            let final_ = own.final_statuses.as_ref().unwrap_or(&usual.final_);
            let comes_back = answer.headers.contains_key(header::RETRY_AFTER);
            classify(answer.status.as_u16(), success, final_, comes_back)
        }
    }
}

/// The state of the delivery after the attempt that the message stood for came to `outcome`, and the wait if there
/// is one: that of the schedule, or the pause that the receiver requested if that is longer.
pub(crate) fn next_state(
    outcome: Outcome,
    message: &Message,
    endpoint: &Endpoint,
    dialect: &Dialect,
    rest: Option<Duration>,
    now: Timestamp,
) -> (DeliveryState, Option<Duration>) {
    let schedule = endpoint.overrides.schedule.as_ref().unwrap_or(dialect.schedule());
    match outcome {
        Outcome::Succeeded => (DeliveryState::Succeeded, None),
        Outcome::Failed { retryable: false, .. } => (DeliveryState::Exhausted, None),
        Outcome::Failed { retryable: true, .. } => match schedule.wait_after(message.step.attempt()) {
            None => (DeliveryState::Exhausted, None),
            Some(wait) => {
                // Deliveries that failed together come back spread (docs/decisions/0011).
                let wait = schedule::variant(wait, pick(message));
                let wait = wait.max(rest.unwrap_or_default());
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

/// Feedback about the endpoint, independent of the delivery's outcome. 429, 502, 503 and 504 request a lower rate
/// (Standard Webhooks, "Status codes").
pub(crate) fn feedback(answer: &Result<Answer, NoAnswer>, outcome: Outcome, rest: Option<Duration>) -> Feedback {
    match answer {
        Err(_) => Feedback::NoAnswer,
        Ok(answer) if outcome.is_success() => {
            spent(&answer.headers).map_or(Feedback::Healthy, Feedback::RateLimitReached)
        }
        Ok(answer) => match answer.status.as_u16() {
            429 | 502 | 503 | 504 => Feedback::Overloaded(rest),
            500..=599 => Feedback::Failing,
            _ => Feedback::Healthy,
        },
    }
}

/// Detects a final 410 Gone. An endpoint whose rules retry 410 is not gone.
pub(crate) fn is_gone(answer: &Result<Answer, NoAnswer>, outcome: Outcome) -> bool {
    let final_ = matches!(outcome, Outcome::Failed { retryable: false, .. });
    final_ && answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::GONE)
}

/// Pause that the receiver requests with 408, 429 or 503, at most [`MAX_RETRY_AFTER`].
pub(crate) fn rest(answer: &Result<Answer, NoAnswer>, dialect: &Dialect, now: Timestamp) -> Option<Duration> {
    let answer = answer.as_ref().ok()?;
    if !matches!(answer.status.as_u16(), 408 | 429 | 503) {
        return None;
    }
    let rest = match dialect.retry_after() {
        RetryAfter::Header => retry_after(&answer.headers, now)?,
        RetryAfter::Smallest => smallest_rest(answer, now)?,
    };
    Some(rest.min(MAX_RETRY_AFTER))
}

/// The smallest of the pauses in body and headers, for services that use seconds in one place and milliseconds in
/// another. Discord's API wrote milliseconds into header and body until its version 8, and still does where no
/// version is requested.
fn smallest_rest(answer: &Answer, now: Timestamp) -> Option<Duration> {
    #[derive(serde::Deserialize)]
    struct Body {
        retry_after: serde_json::Number,
    }
    let body = serde_json::from_slice::<Body>(&answer.body).ok();
    let in_body = body.and_then(|body| plausible(&body.retry_after.to_string()));
    let named = |name| answer.headers.get(name)?.to_str().ok().map(str::trim);
    let in_header = match named("retry-after") {
        Some(value) => plausible(value).or_else(|| retry_after(&answer.headers, now)),
        None => None,
    };
    let reset = named("x-ratelimit-reset-after").and_then(plausible);
    [in_header, in_body, reset].into_iter().flatten().min()
}

/// Seconds; but a whole number of a thousand and more is one of milliseconds.
fn plausible(text: &str) -> Option<Duration> {
    match text.parse::<u64>() {
        Ok(milliseconds @ 1_000..) => Some(Duration::from_millis(milliseconds)),
        _ => seconds(text),
    }
}

/// Value of `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match seconds(value) {
        Some(wait) => wait,
        None => Duration::try_from(date(value)?.duration_since(now)).ok()?,
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// A date in any of HTTP's three forms, two of them obsolete (RFC 9110, section 5.6.7), or as mail has it, with another
/// zone for one.
fn date(text: &str) -> Option<Timestamp> {
    match httpdate::parse_http_date(text) {
        Ok(at) => Timestamp::try_from(at).ok(),
        Err(_) => Some(rfc2822::parse(text).ok()?.timestamp()),
    }
}

/// Time until the endpoint accepts more, if this response reports its rate limit as used up (Discord's documentation,
/// "Rate Limits": `X-RateLimit-Remaining`, `X-RateLimit-Reset-After`).
fn spent(headers: &HeaderMap) -> Option<Duration> {
    let value = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let used_up = value("x-ratelimit-remaining")? == "0";
    seconds(value("x-ratelimit-reset-after")?).filter(|wait| used_up && !wait.is_zero())
}

/// Seconds, also with a fraction, as some services write them; what is beyond a day is a day.
fn seconds(text: &str) -> Option<Duration> {
    // `f64` would also read a sign, `inf` and `nan`.
    let number = text.starts_with(|first: char| first.is_ascii_digit());
    let seconds: f64 = text.parse().ok().filter(|_| number)?;
    Duration::try_from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())).ok()
}

/// A failure in words, with what follows from the answer.
pub(crate) fn describe(
    answer: &Result<Answer, NoAnswer>,
    outcome: Outcome,
    endpoint: &Endpoint,
    rest: Option<Duration>,
) -> String {
    match answer {
        Err(no_answer) => no_answer.error.to_string(),
        Ok(_) if outcome.is_success() => String::new(),
        Ok(answer) => {
            let answered = format!("the endpoint answered {}", status::named(answer.status));
            if answer.status.is_redirection() {
                return format!("{answered}: {}", status::redirected(&answer.headers, &endpoint.url));
            }
            match rest {
                Some(rest) => {
                    let rest = humantime::format_duration(Duration::from_millis(rest.as_millis() as u64));
                    format!("{answered} and asked for no request within {rest}")
                }
                None => answered,
            }
        }
    }
}

/// Outcome for an event that can't be rendered. It is final: the same template fails on the same payload every time.
pub(crate) fn unrenderable() -> Outcome {
    Outcome::fatal(FailureReason::Render)
}

#[cfg(test)]
mod tests;
