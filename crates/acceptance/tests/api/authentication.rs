//! What requests carry to be let in, beside the signature: receivers see it, and nobody else.

mod tls;

use std::collections::HashMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;
use tidings_acceptance::{SOON, Standalone, Tenant, endpoint};
use tidings_domain::ClientCertificate;
use tidings_proto::pb;
use tidings_proto::pb::endpoint_authentication::Authorization;
use tidings_testkit::{Answer, Receiver, wait_until};

use self::tls::Authority;
use crate::commands::tidings;
use crate::endpoints::{create, get, update};
use crate::invalid;

fn headers(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn bearer(token: &str) -> Option<Authorization> {
    Some(Authorization::Bearer(pb::BearerAuthorization { token: token.into() }))
}

fn basic(username: &str, password: &str) -> Option<Authorization> {
    Some(Authorization::Basic(pb::BasicAuthorization {
        username: username.into(),
        password: password.into(),
    }))
}

/// A tenant in a system of its own.
async fn start() -> (Standalone, Tenant) {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("authentication").await;
    (system, tenant)
}

fn authenticated(tenant: &Tenant, url: &str, authentication: pb::EndpointAuthentication) -> pb::Endpoint {
    pb::Endpoint {
        authentication: Some(authentication),
        ..endpoint(tenant, url)
    }
}

#[tokio::test]
async fn receivers_see_what_nobody_else_does() {
    let (system, tenant) = start().await;
    let (operator, receiver) = (&system.operator, Receiver::start().await);
    let given = pb::EndpointAuthentication {
        headers: headers(&[("X-Api-Key", "hidden-header"), ("X-Tier", "hidden-too")]),
        authorization: basic("tidings", "hidden-password"),
        ..pb::EndpointAuthentication::default()
    };
    let mut said = Vec::new();
    let made = operator
        .create_endpoint(authenticated(&tenant, &receiver.url(), given))
        .await;
    said.push(format!("{made:?}"));
    let shown = made.authentication.clone().unwrap();
    assert_eq!(shown.headers, headers(&[("X-Api-Key", "***"), ("X-Tier", "***")]));
    assert_eq!(shown.authorization, basic("tidings", "***"));

    let event = operator.publish(&tenant, "a", json!(1)).await;
    operator.wait_for_state(&event, "succeeded").await;
    let request = receiver.wait_for(1, SOON).await.remove(0);
    assert_eq!(request.header("x-api-key"), Some("hidden-header"));
    assert_eq!(request.header("x-tier"), Some("hidden-too"));
    let expected = format!("Basic {}", BASE64_STANDARD.encode("tidings:hidden-password"));
    assert_eq!(request.header("authorization"), Some(expected.as_str()));

    // A bearer token instead; what is given replaces all.
    let changed = pb::Endpoint {
        authentication: Some(pb::EndpointAuthentication {
            authorization: bearer("hidden-token"),
            ..pb::EndpointAuthentication::default()
        }),
        ..made.clone()
    };
    let mut endpoints = operator.endpoints();
    let changed = endpoints
        .update_endpoint(update(changed, &["authentication"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(changed.authentication.clone().unwrap().headers, HashMap::new());
    said.push(format!("{changed:?}"));
    operator.ingest_is_up_to_date().await;
    let tested = pb::SendTestRequest {
        endpoint_id: made.id.clone(),
        ..pb::SendTestRequest::default()
    };
    let tested = endpoints.send_test(tested).await.unwrap().into_inner();
    said.push(format!("{tested:?}"));
    let request = receiver.wait_for(2, SOON).await.remove(1);
    assert_eq!(request.header("authorization"), Some("Bearer hidden-token"));
    assert_eq!(request.header("x-api-key"), None);
    let shown = tested.attempt.unwrap().request_headers;
    let authorization = shown
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("authorization"));
    assert_eq!(authorization.map(|header| header.value.as_str()), Some("***"));

    // And everything that can be asked.
    said.push(format!("{:?}", endpoints.get_endpoint(get(&made.id)).await.unwrap()));
    let list = pb::ListEndpointsRequest {
        tenant_id: tenant.id.clone(),
        ..pb::ListEndpointsRequest::default()
    };
    said.push(format!("{:?}", endpoints.list_endpoints(list).await.unwrap()));
    for attempt in operator.attempts_of(&event).await {
        let request = pb::GetAttemptRequest { attempt_id: attempt.id };
        said.push(format!("{:?}", operator.log().get_attempt(request).await.unwrap()));
    }
    let variables = [
        ("TIDINGS_SERVER", system.servers.control.as_str()),
        ("TIDINGS_KEY", system.operator_token.as_str()),
    ];
    for arguments in [
        &["endpoint", "get", &made.id][..],
        &["endpoint", "get", &made.id, "-o", "json"],
        &["audit", "list", "-o", "json"],
    ] {
        let output = tidings(arguments, &variables).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        said.push(String::from_utf8(output.stdout).unwrap());
    }
    let encoded = BASE64_STANDARD.encode("tidings:hidden-password");
    for text in &said {
        assert!(!text.contains("hidden-") && !text.contains(&encoded), "{text}");
    }
    let audit = said.last().unwrap();
    assert!(
        audit.contains("secrets_changed") && audit.contains("authentication.authorization"),
        "{audit}"
    );

    let none = pb::Endpoint {
        authentication: None,
        ..made
    };
    let cleared = endpoints
        .update_endpoint(update(none, &["authentication"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cleared.authentication, None);
}

#[tokio::test]
async fn tokens_are_fetched_kept_and_fetched_again() {
    let (system, tenant) = start().await;
    let (operator, receiver, server) = (&system.operator, Receiver::start().await, Receiver::start().await);
    let answer = |token: &str| Answer::Full {
        status: 200,
        headers: vec![("content-type".into(), "application/json".into())],
        body: json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 })
            .to_string()
            .into(),
    };
    server.answer_next([answer("hidden-one"), answer("hidden-two")]);
    let given = pb::EndpointAuthentication {
        authorization: Some(Authorization::Oauth2(pb::OAuth2Authorization {
            token_url: format!("{}token", server.url()),
            client_id: "tidings".into(),
            client_secret: "hidden-secret".into(),
            scopes: vec!["hooks".into()],
            ..pb::OAuth2Authorization::default()
        })),
        ..pb::EndpointAuthentication::default()
    };
    let asked = pb::Endpoint {
        schedule: vec![prost_types::Duration { seconds: 1, nanos: 0 }],
        ..authenticated(&tenant, &receiver.url(), given)
    };
    let made = operator.create_endpoint(asked).await;
    let Some(Authorization::Oauth2(shown)) = made.authentication.clone().unwrap().authorization else {
        panic!("{made:?}");
    };
    assert_eq!(
        (shown.client_id.as_str(), shown.client_secret.as_str()),
        ("tidings", "***")
    );
    assert_eq!(shown.credentials_in, "header");
    for number in 1..=2 {
        let event = operator.publish(&tenant, "a", json!(number)).await;
        operator.wait_for_state(&event, "succeeded").await;
    }
    for request in receiver.wait_for(2, SOON).await {
        assert_eq!(request.header("authorization"), Some("Bearer hidden-one"));
    }
    assert_eq!(server.count(), 1, "the token is kept");
    let asked = &server.requests()[0];
    let expected = format!("Basic {}", BASE64_STANDARD.encode("tidings:hidden-secret"));
    assert_eq!(asked.header("authorization"), Some(expected.as_str()));
    let body = String::from_utf8_lossy(&asked.body);
    assert!(
        body.contains("grant_type=client_credentials") && body.contains("scope=hooks"),
        "{body}"
    );

    // Refused, it is fetched anew for the next attempt.
    receiver.answer_next([Answer::Status(401)]);
    let event = operator.publish(&tenant, "a", json!(3)).await;
    wait_until(SOON, "another token to be used", async || {
        let requests = receiver.requests();
        requests
            .iter()
            .any(|request| request.header("authorization") == Some("Bearer hidden-two"))
    })
    .await;
    for attempt in operator.attempts_of(&event).await {
        let request = pb::GetAttemptRequest { attempt_id: attempt.id };
        let text = format!("{:?}", operator.log().get_attempt(request).await.unwrap());
        assert!(!text.contains("hidden-"), "{text}");
    }
}

#[tokio::test]
async fn receivers_may_ask_for_a_certificate_and_have_an_authority_of_their_own() {
    let (system, tenant) = start().await;
    let operator = &system.operator;
    let [servers, clients] = ["servers", "clients"].map(Authority::new);
    let receiver = servers.receiver(&clients).await;
    let ClientCertificate { chain, key } = clients.of_client();
    let given = pb::EndpointAuthentication {
        client_certificate: Some(pb::ClientCertificate {
            chain: chain.clone(),
            key: key.clone(),
            ..pb::ClientCertificate::default()
        }),
        trusted_ca: servers.pem.clone(),
        ..pb::EndpointAuthentication::default()
    };
    let made = operator
        .create_endpoint(authenticated(&tenant, &receiver.url(), given))
        .await;
    let shown = made.authentication.clone().unwrap();
    let certificate = shown.client_certificate.clone().unwrap();
    assert_eq!(
        (certificate.chain.as_str(), certificate.key.as_str()),
        (chain.as_str(), "***")
    );
    assert!(certificate.subject.contains("tidings.example"), "{certificate:?}");
    assert!(certificate.expires_at.is_some());
    assert_eq!(shown.trusted_ca, servers.pem);

    let event = operator.publish(&tenant, "a", json!(1)).await;
    operator.wait_for_state(&event, "succeeded").await;

    // Without its certificate the receiver is not reached, and that is said.
    let stranger = pb::Endpoint {
        authentication: Some(pb::EndpointAuthentication {
            trusted_ca: servers.pem.clone(),
            ..pb::EndpointAuthentication::default()
        }),
        ..made
    };
    let mut endpoints = operator.endpoints();
    endpoints
        .update_endpoint(update(stranger.clone(), &["authentication"]))
        .await
        .unwrap();
    operator.ingest_is_up_to_date().await;
    let tested = pb::SendTestRequest {
        endpoint_id: stranger.id,
        ..pb::SendTestRequest::default()
    };
    let attempt = endpoints.send_test(tested).await.unwrap().into_inner().attempt.unwrap();
    assert_eq!(attempt.failure_reason, "tls", "{attempt:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_where_it_is_wrong() {
    let (system, tenant) = start().await;
    let mut endpoints = system.client(&tenant.token).endpoints();
    let authority = Authority::new("ours");
    let (one, other) = (authority.of_client(), authority.of_client());
    let with_headers = |pairs: &[(&str, &str)]| pb::EndpointAuthentication {
        headers: headers(pairs),
        ..pb::EndpointAuthentication::default()
    };
    let with = |authorization| pb::EndpointAuthentication {
        authorization,
        ..pb::EndpointAuthentication::default()
    };
    let oauth2 = |token_url: &str, credentials_in: &str| {
        with(Some(Authorization::Oauth2(pb::OAuth2Authorization {
            token_url: token_url.into(),
            client_id: "a".into(),
            client_secret: "b".into(),
            credentials_in: credentials_in.into(),
            ..pb::OAuth2Authorization::default()
        })))
    };
    let certificate = |chain: &str, key: &str| pb::EndpointAuthentication {
        client_certificate: Some(pb::ClientCertificate {
            chain: chain.into(),
            key: key.into(),
            ..pb::ClientCertificate::default()
        }),
        ..pb::EndpointAuthentication::default()
    };
    let twice = pb::EndpointAuthentication {
        headers: headers(&[("Authorization", "x")]),
        ..with(bearer("t"))
    };
    let pinned = pb::EndpointAuthentication {
        trusted_ca: "nonsense".into(),
        ..pb::EndpointAuthentication::default()
    };
    let (of, on, by, ca) = (
        "authentication.headers",
        "authentication.authorization",
        "authentication.client_certificate",
        "authentication.trusted_ca",
    );
    for (given, code, field, words) in [
        (with_headers(&[("X Y", "1")]), "authentication_invalid", of, "X Y"),
        (
            with_headers(&[("Host", "a")]),
            "authentication_invalid",
            of,
            "set by Tidings",
        ),
        (
            with_headers(&[("X-A", "a\r\nX-B: b")]),
            "authentication_invalid",
            of,
            "X-A",
        ),
        (
            with_headers(&[("X-A", "***")]),
            "authentication_invalid",
            of,
            "give the value itself",
        ),
        (with(basic("a:b", "c")), "authentication_invalid", on, "colon"),
        (with(bearer("two words")), "authentication_invalid", on, "bearer token"),
        (
            twice,
            "authentication_invalid",
            "authentication",
            "`authorization` sets",
        ),
        (oauth2("nowhere", ""), "authentication_invalid", on, "is not a URL"),
        (
            oauth2("https://169.254.169.254/token", ""),
            "url_not_allowed",
            on,
            "`token_url`",
        ),
        (
            oauth2("https://example.com/token", "query"),
            "authentication_invalid",
            on,
            "`header` or `body`",
        ),
        (
            certificate("nonsense", &one.key),
            "authentication_invalid",
            by,
            "BEGIN CERTIFICATE",
        ),
        (
            certificate(&one.chain, "nonsense"),
            "authentication_invalid",
            by,
            "BEGIN PRIVATE KEY",
        ),
        (
            certificate(&one.chain, &other.key),
            "authentication_invalid",
            by,
            "the key that belongs",
        ),
        (pinned, "authentication_invalid", ca, "BEGIN CERTIFICATE"),
    ] {
        let request = create(&tenant, |e| e.authentication = Some(given.clone()));
        invalid(endpoints.create_endpoint(request).await, code, field, words);
    }
}

#[tokio::test]
async fn it_can_be_given_on_the_command_line() {
    let (system, tenant) = start().await;
    let receiver = Receiver::start().await;
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "hidden-token\n").unwrap();
    let token = format!("@{}", path.display());
    let variables = [
        ("TIDINGS_SERVER", system.servers.control.as_str()),
        ("TIDINGS_KEY", tenant.token.as_str()),
    ];
    let url = receiver.url();
    let create = [
        "endpoint",
        "create",
        "--url",
        &url,
        "--bearer",
        &token,
        "--header",
        "X-Api-Key: hidden-key",
    ];
    let output = tidings(&create, &variables).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("headers X-Api-Key, a bearer token") && !text.contains("hidden-"),
        "{output:?}"
    );
    let id = text.split_whitespace().find(|word| word.starts_with("ep_")).unwrap();
    assert!(tidings(&["endpoint", "test", id], &variables).await.status.success());
    let request = receiver.wait_for(1, SOON).await.remove(0);
    assert_eq!(request.header("authorization"), Some("Bearer hidden-token"));
    assert_eq!(request.header("x-api-key"), Some("hidden-key"));
    let output = tidings(
        &["endpoint", "update", id, "--no-authentication", "-o", "json"],
        &variables,
    )
    .await;
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["authentication"], serde_json::Value::Null);
}
