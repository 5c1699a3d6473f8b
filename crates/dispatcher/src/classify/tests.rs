//! What answers mean.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use tidings_dialect::Dialects;
use tidings_domain::{TenantId, Timing};

use super::*;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Answer, NoAnswer> {
    let header = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    Ok(Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.iter().map(header).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        truncated: false,
        remote_address: None,
        is_http2: false,
        timing: Timing::default(),
        sent_again: None,
        waited: Duration::ZERO,
    })
}

fn dialect(name: &str) -> std::sync::Arc<Dialect> {
    Dialects::builtin().unwrap().get(name).unwrap().clone()
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::new(TenantId::new(), url.parse().unwrap(), "standard", Timestamp::UNIX_EPOCH)
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn asked(status: u16, value: &str) -> Option<u64> {
    let answer = answer(status, &[("retry-after", value)], "");
    rest(&answer, &dialect("standard"), now()).map(|wait| wait.as_secs())
}

#[test]
fn retry_after_is_read_as_seconds_or_as_a_date_and_bounded() {
    assert_eq!(asked(429, "137"), Some(137));
    assert_eq!(asked(429, "3000"), Some(3000));
    assert_eq!(asked(503, "Thu, 01 Jan 2026 00:02:00 GMT"), Some(120));
    assert_eq!(asked(503, "Thursday, 01-Jan-26 00:02:00 GMT"), Some(120));
    assert_eq!(asked(503, "Thu Jan  1 00:02:00 2026"), Some(120));
    assert_eq!(asked(503, "Thu Jan 01 00:02:00 2026"), Some(120));
    assert_eq!(asked(503, "Thu, 01 Jan 2026 01:02:00 +0100"), Some(120));
    assert_eq!(asked(429, "Sun Nov  6 08:49:37 1994"), None);
    assert_eq!(asked(429, "Sunday, 06-Nov-94 08:49:37 GMT"), None);
    assert_eq!(asked(503, "999999999"), Some(86_400));
    assert_eq!(asked(503, "Wed, 31 Dec 2025 23:00:00 GMT"), None);
    assert_eq!(asked(503, "soon"), None);
    assert_eq!(asked(429, "1.5"), Some(1));
    assert_eq!(asked(429, "-1"), None);
    assert_eq!(asked(429, "inf"), None);
    assert_eq!(asked(500, "137"), None);
    assert_eq!(asked(408, "137"), Some(137));
}

#[test]
fn a_chat_service_means_the_smallest_rest_that_it_names() {
    for name in ["discord", "slack"] {
        let dialect = dialect(name);
        let rest = |headers: &[(&str, &str)], body: &str| rest(&answer(429, headers, body), &dialect, now());
        let seconds = |seconds: f64| Some(Duration::from_secs_f64(seconds));
        assert_eq!(rest(&[("retry-after", "3000")], ""), seconds(3.0));
        assert_eq!(
            rest(&[("retry-after", "65")], r#"{"retry_after": 64.57}"#),
            seconds(64.57)
        );
        assert_eq!(
            rest(&[("retry-after", "2500")], r#"{"retry_after": 2500}"#),
            seconds(2.5)
        );
        assert_eq!(
            rest(&[], r#"{"message": "slow down", "retry_after": 0.5}"#),
            seconds(0.5)
        );
        let headers = [("retry-after", "3000"), ("x-ratelimit-reset-after", "1.25")];
        assert_eq!(rest(&headers, "not JSON"), seconds(1.25));
        assert_eq!(
            rest(&[("retry-after", "30")], r#"{"retry_after": "soon"}"#),
            seconds(30.0)
        );
        assert_eq!(
            rest(&[("retry-after", "Thu, 01 Jan 2026 00:02:00 GMT")], ""),
            seconds(120.0)
        );
        assert_eq!(rest(&[], "{}"), None);
    }
}

#[test]
fn a_rate_limit_that_is_used_up_says_for_how_long() {
    let rest = |remaining: &str, reset: &str| {
        let headers = [("x-ratelimit-remaining", remaining), ("x-ratelimit-reset-after", reset)];
        spent(&answer(200, &headers, "").unwrap().headers)
    };
    assert_eq!(rest("0", "1.25"), Some(Duration::from_millis(1_250)));
    assert_eq!(rest("1", "1.25"), None);
    assert_eq!(rest("0", "0"), None);
    assert_eq!(rest("0", "soon"), None);
}

#[test]
fn an_endpoint_says_which_statuses_are_success() {
    let mut endpoint = endpoint("https://script.example.com/macros/exec");
    let redirect = answer(302, &[("location", "/done")], "");
    let outcome = |endpoint: &Endpoint, answer: &_| outcome(answer, endpoint, &dialect("standard"));
    assert_eq!(outcome(&endpoint, &redirect), Outcome::retryable(FailureReason::Status));
    endpoint.overrides.success_statuses = Some(vec!["2xx".parse().unwrap(), "302".parse().unwrap()]);
    assert_eq!(outcome(&endpoint, &redirect), Outcome::Succeeded);
    assert_eq!(outcome(&endpoint, &answer(204, &[], "")), Outcome::Succeeded);
    let gone = answer(410, &[], "");
    assert!(is_gone(&gone, outcome(&endpoint, &gone)));
}

#[test]
fn who_says_when_to_come_back_is_asked_again() {
    let endpoint = endpoint("https://a.example/");
    let outcome = |answer| outcome(&answer, &endpoint, &dialect("abc-user-feedback"));
    let retried = Outcome::retryable(FailureReason::Status);
    assert_eq!(outcome(answer(429, &[("retry-after", "1")], "")), retried);
    assert_eq!(outcome(answer(408, &[], "")), retried);
    assert_eq!(outcome(answer(429, &[], "")), Outcome::fatal(FailureReason::Status));
    assert_eq!(
        outcome(answer(404, &[("retry-after", "1")], "")),
        Outcome::fatal(FailureReason::Status)
    );
}

#[test]
fn a_failure_says_what_the_answer_asks_for() {
    let endpoint = endpoint("https://a.example/in?x=1");
    let words = |answer: Result<Answer, NoAnswer>| {
        let failed = Outcome::retryable(FailureReason::Status);
        let rest = rest(&answer, &dialect("standard"), now());
        describe(&answer, failed, &endpoint, rest)
    };
    assert_eq!(
        words(answer(500, &[], "")),
        "the endpoint answered 500 Internal Server Error"
    );
    assert_eq!(words(answer(999, &[], "")), "the endpoint answered 999");
    assert_eq!(
        words(answer(429, &[("retry-after", "120")], "")),
        "the endpoint answered 429 Too Many Requests and asked for no request within 2m"
    );
    for (status, location, target) in [
        (301, "https://b.example/x", "https://b.example/x"),
        (302, "/out", "https://a.example/out"),
        (307, "?y=2", "https://a.example/in?y=2"),
        (308, "//c.example", "https://c.example/"),
        (399, "https://d.example/", "https://d.example/"),
    ] {
        let words = words(answer(status, &[("location", location)], ""));
        let expected = format!("redirects are not followed: the answer points to {target}");
        assert!(words.ends_with(&expected), "{words}");
    }
    let nowhere = words(answer(304, &[], ""));
    assert_eq!(
        nowhere,
        "the endpoint answered 304 Not Modified: redirects are not followed, and the answer names no target"
    );
}
