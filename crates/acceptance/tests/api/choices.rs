//! What people choose for an endpoint beside where requests go: whom to tell, what its dialect offers.

use std::collections::HashMap;

use serde_json::json;
use tidings_acceptance::{SOON, Standalone};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::endpoints::{create, get, subscribe, update};
use crate::invalid;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

fn settings(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    pairs.iter().map(owned).collect()
}

#[tokio::test]
async fn what_can_not_be_chosen_is_named() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("choices").await;
    let mut endpoints = system.client(&tenant.token).endpoints();
    type Change = Box<dyn Fn(&mut pb::Endpoint)>;
    let chosen = |dialect: &'static str, properties: &'static [&str]| -> Change {
        Box::new(move |e| {
            e.dialect = dialect.to_owned();
            e.properties = words(properties);
        })
    };
    let set = |dialect: &'static str, pairs: &'static [(&str, &str)]| -> Change {
        Box::new(move |e| {
            e.dialect = dialect.to_owned();
            e.settings = settings(pairs);
        })
    };
    let contact = |text: &'static str| -> Change { Box::new(move |e| e.contact = text.to_owned()) };
    let secret = |dialect: &'static str, text: &'static str| -> Change {
        Box::new(move |e| {
            e.dialect = dialect.to_owned();
            e.secret = text.to_owned();
        })
    };
    let private = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let cases: Vec<(Change, &str, &str, &str)> = vec![
        (contact("ops"), "contact_invalid", "contact", "`webhooks@example.com`"),
        (
            contact("Ops <ops@example.com>"),
            "contact_invalid",
            "contact",
            "a blank in it: give one address",
        ),
        (
            contact("a@example.com\nBcc: b@example.com"),
            "contact_invalid",
            "contact",
            "a line end in it: give one address",
        ),
        (
            Box::new(|e| {
                e.operational = true;
                e.subscriptions = subscribe(&["endpoint.*", "feedback.created"]);
            }),
            "subscriptions_invalid",
            "subscriptions",
            "`feedback.created` is no operational event",
        ),
        (
            chosen("standard", &["user.plan"]),
            "properties_invalid",
            "properties",
            "sends payloads whole",
        ),
        (
            chosen("userpilot", &["plan"]),
            "properties_invalid",
            "properties",
            "the objects are `company`, `user`",
        ),
        (
            chosen("userpilot", &["user.email"]),
            "properties_invalid",
            "properties",
            "is always sent",
        ),
        (
            chosen("userpilot", &["user.a", "user.a"]),
            "properties_invalid",
            "properties",
            "chosen twice",
        ),
        (
            set("userpilot", &[("app_tokn", "1")]),
            "settings_invalid",
            "settings",
            "did you mean `app_token`?",
        ),
        (
            set("userpilot", &[("app_token", "")]),
            "settings_invalid",
            "settings",
            "must be 1 to 1024",
        ),
        (
            set("standard", &[("app_token", "1")]),
            "settings_invalid",
            "settings",
            "it has none",
        ),
        (
            secret("userhero", private),
            "secret_invalid",
            "secret",
            "give a shared secret",
        ),
        (
            secret("abc-user-feedback", "Schlüssel"),
            "secret_invalid",
            "secret",
            "visible ASCII",
        ),
        (
            secret("standard", "whsk_AAAA"),
            "secret_invalid",
            "secret",
            "base64 of an ed25519 key",
        ),
    ];
    let made = endpoints
        .create_endpoint(create(&tenant, |_| ()))
        .await
        .unwrap()
        .into_inner();
    for (change, code, field, words) in cases {
        let asked = create(&tenant, &change);
        let wanted = pb::Endpoint {
            id: made.id.clone(),
            ..asked.endpoint.clone().unwrap()
        };
        invalid(endpoints.create_endpoint(asked).await, code, field, words);
        let mut mask = vec![
            "dialect",
            "subscriptions",
            "contact",
            "operational",
            "properties",
            "settings",
        ];
        mask.extend((!wanted.secret.is_empty()).then_some("secret"));
        let wanted = pb::Endpoint {
            dialect: Some(wanted.dialect.clone())
                .filter(|name| !name.is_empty())
                .unwrap_or("standard".into()),
            ..wanted
        };
        invalid(
            endpoints.update_endpoint(update(wanted, &mask)).await,
            code,
            field,
            words,
        );
    }
    let eleven: Vec<String> = (0..11).map(|i| format!("user.p{i}")).collect();
    let asked = create(&tenant, |e| {
        e.dialect = "userpilot".to_owned();
        e.properties = eleven;
    });
    invalid(
        endpoints.create_endpoint(asked).await,
        "properties_invalid",
        "properties",
        "at most 10",
    );
}

#[tokio::test]
async fn choices_are_kept_sent_and_taken_back() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("choices").await;
    let receiver = Receiver::start().await;
    let asked = create(&tenant, |e| {
        e.url = receiver.url();
        e.dialect = "userpilot".to_owned();
        e.contact = "ops@example.com".to_owned();
        e.properties = words(&["user.plan"]);
        e.settings = settings(&[("app_token", "NX-1")]);
    });
    let made = system.operator.create_endpoint(asked.endpoint.unwrap()).await;
    assert_eq!(made.contact, "ops@example.com");
    assert_eq!(
        (&made.properties, &made.settings),
        (&words(&["user.plan"]), &settings(&[("app_token", "NX-1")]))
    );

    let payload = json!({"id": 1, "user": {"user_id": "1", "plan": "pro", "age": 7}});
    system.operator.publish(&tenant, "flows.seen", payload).await;
    let sent = receiver.wait_for(1, SOON).await[0].json();
    assert_eq!(sent["app_token"], "NX-1");
    assert_eq!(sent["data"]["user"], json!({"user_id": "1", "plan": "pro"}));

    let mut endpoints = system.operator.endpoints();
    let mask = ["contact", "properties", "settings", "operational", "subscriptions"];
    let change = pb::Endpoint {
        id: made.id.clone(),
        operational: true,
        subscriptions: subscribe(&["endpoint.*"]),
        ..pb::Endpoint::default()
    };
    endpoints.update_endpoint(update(change, &mask)).await.unwrap();
    let found = endpoints.get_endpoint(get(&made.id)).await.unwrap().into_inner();
    assert_eq!((found.contact.as_str(), found.operational), ("", true));
    assert!(found.properties.is_empty() && found.settings.is_empty());
}

#[tokio::test]
async fn an_endpoint_that_can_not_use_a_secret_gets_none() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("choices").await;
    for (url, dialect, chosen) in [
        ("https://hooks.slack.com/services/T0/B0/x", "", "slack"),
        ("https://discord.com/api/webhooks/1/x", "", "discord"),
        ("https://example.com/", "userback", "userback"),
    ] {
        let endpoint = |secret: &str| {
            let asked = create(&tenant, |e| {
                e.url = url.to_owned();
                e.dialect = dialect.to_owned();
                e.secret = secret.to_owned();
            });
            asked.endpoint.unwrap()
        };
        let made = system.operator.create_endpoint(endpoint("")).await;
        assert_eq!(
            (made.dialect.as_str(), made.secret.as_str(), made.unsigned),
            (chosen, "", true)
        );
        let made = system.operator.create_endpoint(endpoint("theirs")).await;
        assert_eq!((made.secret.as_str(), made.unsigned), ("theirs", false));
    }
}

#[tokio::test]
async fn an_endpoint_that_is_turned_on_again_is_taken_to_be_well() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("choices").await;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::full(410, &[], ""));
    let asked = create(&tenant, |e| e.url = receiver.url());
    let made = system.operator.create_endpoint(asked.endpoint.unwrap()).await;
    system.operator.publish(&tenant, "feedback.created", json!({})).await;

    let mut endpoints = system.operator.endpoints();
    let mut off = pb::Endpoint::default();
    wait_until(SOON, "the endpoint to be disabled", async || {
        off = endpoints.get_endpoint(get(&made.id)).await.unwrap().into_inner();
        !off.enabled
    })
    .await;
    assert_eq!(off.disabled_reason, "gone");

    let request = pb::EnableEndpointRequest {
        endpoint_id: made.id.clone(),
        held: pb::Held::Cancel.into(),
    };
    let on = endpoints.enable_endpoint(request).await.unwrap().into_inner();
    assert!(on.enabled);
    assert_eq!((on.disabled_reason.as_str(), on.failing_since), ("", None));
}
