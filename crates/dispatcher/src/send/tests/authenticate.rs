//! What a receiver and a record see of an endpoint's headers, passwords and tokens.

use std::sync::{Arc, Mutex};

use tidings_domain::Authorization;

use super::*;
use crate::record;

/// Sends a request that the dialect put these headers on, and returns what the receiver read.
async fn received(authentication: Authentication, of_dialect: &[(&str, &str)]) -> (String, Request) {
    let seen = Arc::new(Mutex::new(String::new()));
    let see = seen.clone();
    let receiver = Receiver::start(move |mut caller: Caller| {
        let see = see.clone();
        async move {
            let request = caller.request().await?;
            *see.lock().unwrap() = request;
            caller.send(OK).await
        }
    })
    .await;
    let mut request = request("{}");
    for (name, value) in of_dialect {
        let (name, value) = (name.parse().unwrap(), value.parse().unwrap());
        request.headers.push((name, value));
    }
    let endpoint = endpoint(&receiver.url("http"), authentication);
    let answer = sender().send(&endpoint, &mut request, None, DEADLINE).await;
    assert_eq!(answer.unwrap().body, "ok");
    let seen = seen.lock().unwrap().clone();
    (seen, request)
}

fn headers(headers: &[(&str, &str)]) -> Authentication {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Authentication {
        headers: headers.iter().map(owned).collect(),
        ..Authentication::default()
    }
}

fn authorization(authorization: Authorization) -> Authentication {
    Authentication {
        authorization: Some(authorization),
        ..Authentication::default()
    }
}

/// RFC 7617, section 2: the example.
fn aladdin() -> Authorization {
    Authorization::Basic {
        username: "Aladdin".into(),
        password: "open sesame".into(),
    }
}

#[tokio::test]
async fn the_endpoints_headers_are_sent_and_marked_as_secret() {
    let own = headers(&[("X-Api-Key", "hunter2"), ("User-Agent", "shop/1.0")]);
    let (seen, request) = received(own, &[("webhook-id", "msg_1")]).await;
    assert!(seen.contains("\r\nX-Api-Key: hunter2\r\n"), "{seen}");
    assert!(seen.contains("\r\nUser-Agent: shop/1.0\r\n"), "{seen}");
    let recorded = record::request_headers(&request, false);
    let recorded: Vec<_> = recorded
        .iter()
        .map(|h| (h.name.as_str(), h.value.as_str()))
        .skip(4)
        .collect();
    let masked = [("webhook-id", "msg_1"), ("User-Agent", "***"), ("X-Api-Key", "***")];
    assert_eq!(recorded, masked);
}

/// A receiver may look for the spelling that its document prints.
#[tokio::test]
async fn names_are_sent_as_they_are_spelled() {
    let own = headers(&[("X-API-KEY", "hunter2")]);
    let of_dialect = [
        ("X-UserHero-Signature", "sha256=00"),
        ("webhook-id", "msg_1"),
        ("x-webhook-token", "t"),
    ];
    let (seen, _) = received(own, &of_dialect).await;
    let mut names: Vec<&str> = seen.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    names.sort_unstable();
    let expected = [
        "Accept",
        "Accept-Encoding",
        "Content-Length",
        "Host",
        "X-API-KEY",
        "X-UserHero-Signature",
        "webhook-id",
        "x-webhook-token",
    ];
    assert_eq!(names, expected, "{seen}");
}

#[tokio::test]
async fn what_the_dialect_sets_is_not_replaced() {
    let own = Authentication {
        authorization: Some(aladdin()),
        ..headers(&[("X-Signature", "forged"), ("X-Other", "mine")])
    };
    let of_dialect = [("x-signature", "true"), ("authorization", "Bot 1")];
    let (seen, request) = received(own, &of_dialect).await;
    assert!(seen.contains("\r\nx-signature: true\r\n"), "{seen}");
    assert!(seen.contains("\r\nauthorization: Bot 1\r\n"), "{seen}");
    assert!(seen.contains("\r\nX-Other: mine\r\n"), "{seen}");
    assert!(!seen.contains("forged") && !seen.contains("Basic"), "{seen}");
    assert_eq!(request.headers.len(), 4 + 3);
}

#[tokio::test]
async fn passwords_and_fixed_tokens_are_sent_as_authorization() {
    let bearer = Authorization::Bearer {
        token: "mF_9.B5f-4.1JqM".into(),
    };
    for (given, expected) in [
        (aladdin(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (bearer, "Bearer mF_9.B5f-4.1JqM"),
    ] {
        let (seen, request) = received(authorization(given), &[]).await;
        assert!(seen.contains(&format!("\r\nAuthorization: {expected}\r\n")), "{seen}");
        assert_eq!(request.headers.last().unwrap().1, expected);
        let recorded = record::request_headers(&request, false);
        let recorded = recorded.last().unwrap();
        assert_eq!(
            (recorded.name.as_str(), recorded.value.as_str()),
            ("Authorization", "***")
        );
    }
}
