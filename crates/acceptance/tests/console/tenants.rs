//! What tenants do beyond the products' documents: find out what filters would let through, why nothing was sent, what can
//! happen, and who changed what.

use serde_json::json;
use tidings_acceptance::{SOON, Standalone};
use tidings_proto::pb;
use tidings_testkit::{Receiver, wait_until};

use crate::browser::{Browser, Page};
use crate::{attempted, seeded, signed_in};

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_tried_on_the_last_events_before_they_are_saved() {
    let system = Standalone::start().await;
    let (tenant, receiver) = (system.operator.create_tenant("Acme").await, Receiver::start().await);
    system
        .operator
        .create_endpoint(tidings_acceptance::endpoint(&tenant, &receiver.url()))
        .await;
    for rating in [1, 2, 5] {
        let event = system
            .operator
            .publish(&tenant, "feedback.created", json!({ "rating": rating }))
            .await;
        attempted(&system.operator, &event).await;
    }
    let mut browser = signed_in(&system, &tenant.token).await;
    let endpoint = browser.open("/webhooks").await.link("/endpoints/ep_");
    let filters = format!("{endpoint}/filters");
    let page = browser.open(&filters).await;
    let row = [
        ("pattern.0", "feedback.*"),
        ("filter.0", "payload.rating <= 2"),
        ("on.0", "on"),
    ];
    let page = browser
        .submit(&page, &filters, &[&row[..], &[("try", "1")]].concat())
        .await;
    page.shows("2 of the last 3 events would have been sent")
        .shows("the filter keeps it back");
    let saved = browser.open(&filters).await;
    assert!(!saved.text.contains("value=\"payload.rating"), "trying changes nothing");

    let wrong = [("filter.0", "payload.rating =< 2"), ("try", "1")];
    let refused = browser.submit(&page, &filters, &wrong).await;
    assert_eq!(refused.status, 400);
    refused.shows("role=\"alert\"").shows("payload.rating =&#60; 2");
    let page = browser.submit(&page, &filters, &[("save", "1")]).await;
    page.shows("Saved.").shows("payload.rating &#60;= 2");
    let late = browser.submit(&saved, &filters, &[("save", "1")]).await;
    assert_eq!(late.status, 409, "somebody else has changed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_was_sent_the_page_says_why() {
    let system = Standalone::start().await;
    let (tenant, receiver) = (system.operator.create_tenant("Acme").await, Receiver::start().await);
    let mut browser = signed_in(&system, &tenant.token).await;
    let page = browser.open("/webhooks/logs?event_type=no.such").await;
    page.shows("No such event was ever published.");
    system.operator.publish(&tenant, "early.bird", json!({})).await;
    let log = "/webhooks/logs?event_type=early.bird";
    wait_until(SOON, "the event to be on record", async || {
        browser
            .open(log)
            .await
            .text
            .contains("when there was no webhook at all")
    })
    .await;

    let mut wanted = tidings_acceptance::endpoint(&tenant, &receiver.url());
    wanted.name = "CRM".into();
    wanted.subscriptions[0].pattern = "feedback.*".into();
    system.operator.create_endpoint(wanted).await;
    let endpoint = browser.open("/webhooks").await.link("/endpoints/ep_");
    let page = browser.open(&endpoint).await;
    browser.submit(&page, &format!("{endpoint}/disable"), &[]).await;
    system.operator.ingest_is_up_to_date().await;
    let held = system.operator.publish(&tenant, "feedback.created", json!({})).await;
    system.operator.wait_for_state(&held, "held").await;
    let page = browser.open("/webhooks/logs?event_type=feedback.created").await;
    page.shows("One is held because “CRM” is off.");
    let enable = page.link("/enable");
    browser.open(&enable).await.shows("were held while it was off");
    system.operator.publish(&tenant, "other.thing", json!({})).await;
    let log = "/webhooks/logs?event_type=other.thing";
    wait_until(SOON, "the event to be on record", async || {
        browser
            .open(log)
            .await
            .text
            .contains("One had no webhook that subscribes to it.")
    })
    .await;

    // A content filter that kept it back, too.
    let filters = format!("{endpoint}/filters");
    let page = browser.open(&filters).await;
    let row = [("filter.0", "payload.rating > 3"), ("save", "1")];
    browser.submit(&page, &filters, &row).await.shows("Saved.");
    system.operator.ingest_is_up_to_date().await;
    system
        .operator
        .publish(&tenant, "feedback.rated", json!({ "rating": 1 }))
        .await;
    let log = "/webhooks/logs?event_type=feedback.rated";
    wait_until(SOON, "the event to be on record", async || {
        browser
            .open(log)
            .await
            .text
            .contains("A filter of “CRM” kept one back.")
    })
    .await;

    // A filter that leaves everything out is named.
    let page = browser.open(&enable).await;
    browser.submit(&page, &enable, &[]).await;
    attempted(&system.operator, &held).await;
    let page = browser
        .open("/webhooks/logs?event_type=feedback.created&status_code=418")
        .await;
    page.shows("There are attempts with another status code.");
    let page = browser
        .open(&page.link("/webhooks/logs?event_type=feedback.created"))
        .await;
    page.shows("id=\"attempts\"");
    let page = browser
        .open("/webhooks/logs?event_type=feedback.created&until=2020-01-01")
        .await;
    page.shows("No such event came in that time.");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_types_are_explained_to_who_receives_them() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    for schema in [
        json!({ "type": "object", "properties": { "id": { "type": "integer" } } }),
        json!({ "type": "object", "required": ["id"], "properties": {
            "id": { "type": "integer", "description": "Which one" },
            "user": { "type": "object", "properties": { "plan": { "enum": ["free", "pro"] } } },
        } }),
    ] {
        let version = tidings_proto::pb::CreateEventTypeVersionRequest {
            name: "feedback.created".into(),
            description: "Somebody wrote what they think".into(),
            schema: schema.to_string(),
        };
        system
            .operator
            .event_types()
            .create_event_type_version(version)
            .await
            .unwrap();
    }
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let page = browser.open("/webhooks/event-types").await;
    page.shows("feedback.created").shows("Somebody wrote what they think");
    let page = browser.open("/webhooks/event-types/feedback.created").await;
    page.shows("endpoint kestrel")
        .shows("Which one")
        .shows("class=\"depth-1\"><code>plan</code>")
        .shows("required")
        .shows("Version 2")
        .shows("class=\"added\">+       &#34;description&#34;: &#34;Which one&#34;");
    let page = browser.open(&page.link("/test?event_type=")).await;
    page.shows("feedback.created");
    assert_eq!(browser.open("/webhooks/event-types/no.such").await.status, 404);
    let page = browser.open("/webhooks/go?q=feedback.created").await;
    assert_eq!(page.path, "/webhooks/event-types/feedback.created");
    assert_eq!(browser.open("/webhooks/go?q=nothing.like.it").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_links_and_settings_are_for_who_manages_and_not_by_link() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let page = browser.open("/webhooks/keys").await;
    let refused = browser.submit(&page, "/webhooks/keys", &[("name", "CI")]).await;
    assert_eq!(refused.status, 400);
    refused.shows("Choose what the key may do.");
    let filled_in = [("name", "CI"), ("scope", "read"), ("days", "30")];
    let form = page;
    let token_in = |page: &Page| {
        let token = page.text.split_once("<code class=\"copy wrap\">").unwrap().1;
        token.split('<').next().unwrap().to_owned()
    };
    let page = browser.submit(&form, "/webhooks/keys", &filled_in).await;
    page.shows("It is shown only now").shows("tk_").shows(">CI<");
    let token = token_in(&page);
    // Pressed twice, it makes one key, although its end is so many days from now.
    let page = browser.submit(&form, "/webhooks/keys", &filled_in).await;
    assert_eq!(token_in(&page), token);
    let again = browser.open("/webhooks/keys").await;
    assert!(!again.text.contains("It is shown only now"));
    let mut reader = signed_in(&system, &token).await;
    for path in ["/webhooks/keys", "/webhooks/audit"] {
        assert_eq!(reader.open(path).await.status, 403, "{path}");
    }
    assert!(!reader.open("/webhooks").await.text.contains("/webhooks/keys"));

    let page = browser
        .submit(&page, "/webhooks/keys/link", &[("read_only", "on")])
        .await;
    page.shows("This is the link.").shows("#token=tk_").shows("Portal link");
    let link = page.text.split_once("<code class=\"copy wrap\">").unwrap().1;
    let link = link.split('<').next().unwrap().to_owned();
    let mut visitor = signed_in(&system, &link).await;
    visitor
        .open("/webhooks")
        .await
        .shows("endpoint kestrel")
        .shows("read-only");
    for path in ["/webhooks/keys", "/webhooks/audit"] {
        assert_eq!(visitor.open(path).await.status, 403, "{path}");
    }
    for path in ["/webhooks/keys", "/webhooks/keys/link", "/webhooks/settings"] {
        let answer = visitor.post(path, &[("scope".into(), "read".into())], &[]).await;
        assert!([403, 409].contains(&answer.status), "{path} {}", answer.status);
    }

    // A link that works once lets one browser in and tells the next what to do.
    let page = browser
        .submit(&page, "/webhooks/keys/link", &[("works_once", "on")])
        .await;
    page.shows("works once, not used yet");
    let link = page.text.split_once("<code class=\"copy wrap\">").unwrap().1;
    let link = link.split('<').next().unwrap().to_owned();
    let mut first = signed_in(&system, &link).await;
    first.open("/webhooks").await.shows("endpoint kestrel");
    let mut second = Browser::new(&system.servers.http);
    let sign_in = second.open("/webhooks/logs").await;
    let refused = second.submit(&sign_in, "/webhooks/session", &[("key", &link)]).await;
    assert_eq!(refused.status, 401);
    refused.shows("This link works once, and has been used. Ask whoever gave it to you for a new one.");
    assert_eq!(second.open("/webhooks").await.status, 401);
    first.open("/webhooks/logs").await.shows("feedback.created");
    let page = browser.open("/webhooks/keys").await;
    page.shows("works once, used");
    let newest = page.forms().into_iter().find(|form| form.action.ends_with("/revoke"));
    browser.submit(&page, &newest.unwrap().action, &[]).await;
    wait_until(SOON, "the exchanged link to end", async || {
        first.open("/webhooks").await.status == 401
    })
    .await;

    // Revoked keys end their sessions.
    let page = browser.open("/webhooks/keys").await;
    let revoke = page.forms().into_iter().filter(|form| form.action.ends_with("/revoke"));
    let newest = revoke.map(|form| form.action).next().unwrap();
    browser.submit(&page, &newest, &[]).await;
    wait_until(SOON, "the link to end", async || {
        visitor.open("/webhooks").await.status == 401
    })
    .await;

    let page = browser.open("/webhooks/settings").await;
    let page = browser
        .submit(
            &page,
            "/webhooks/settings",
            &[("schema_validation", "warn"), ("payload_retention_days", "many")],
        )
        .await;
    assert_eq!(page.status, 400);
    let fields = [("payload_retention_days", "30")];
    let page = browser.submit(&page, "/webhooks/settings", &fields).await;
    page.shows("Saved.").shows("value=\"30\"");
    let page = browser.open("/webhooks/audit?action=tenant.*").await;
    page.shows("tenant.updated")
        .shows("class=\"removed\">−   &#34;schema_validation&#34;: &#34;off&#34;")
        .shows("class=\"added\">+   &#34;schema_validation&#34;: &#34;warn&#34;");
    let page = browser.open("/webhooks/audit?action=nonsense").await;
    assert_eq!(page.status, 400);
    page.shows("role=\"alert\"").shows("value=\"nonsense\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_their_own_command_lines() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let page = browser.open("/webhooks/logs?status_code=5xx&error=it%27s").await;
    page.shows("tidings attempt list --status 5xx --error &#39;it&#39;\\&#39;&#39;s&#39;")
        .shows("/webhooks/logs?status_code=5xx&#38;error=it%27s");
    let page = browser.open(&format!("/webhooks/events/{}", seeded.events[0])).await;
    page.shows(&format!("tidings explain {}", seeded.events[0]));
    let page = browser.open("/webhooks/new").await;
    assert!(!page.text.contains("The same on the command line"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_back_to_a_test_and_changes_it_sends_another() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let endpoint = browser.open("/webhooks").await.link("/endpoints/ep_");
    let path = format!("{endpoint}/test");
    let form = browser.open(&path).await;
    let received = seeded.receiver.count();
    let first = [("payload", r#"{"number": 1}"#)];
    let sent = browser.submit(&form, &path, &first).await;
    let attempt = sent.shows("verdict").link("/webhooks/logs/att_");

    // The same form, as by a second press or by loading the result again: the same attempt.
    let again = browser.submit(&form, &path, &first).await;
    assert_eq!(again.shows("verdict").link("/webhooks/logs/att_"), attempt);
    assert_eq!(seeded.receiver.count(), received + 1);

    // Back at the form, with another payload: another attempt, once.
    let changed = [("payload", r#"{"number": 2}"#)];
    let other = browser.submit(&form, &path, &changed).await;
    assert_eq!(other.status, 200, "{}", other.text);
    let second = other.shows("verdict").link("/webhooks/logs/att_");
    assert_ne!(second, attempt);
    browser.submit(&form, &path, &changed).await.shows("verdict");
    assert_eq!(seeded.receiver.count(), received + 2);
    let requests = seeded.receiver.requests();
    let body = String::from_utf8_lossy(&requests.last().unwrap().body).into_owned();
    assert!(
        body.contains("\"number\": 2") || body.contains("\"number\":2"),
        "{body}"
    );
    let back = browser.submit(&form, &path, &first).await;
    assert_eq!(back.shows("verdict").link("/webhooks/logs/att_"), attempt);
    assert_eq!(seeded.receiver.count(), received + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_tried_against_its_schema_before_it_is_sent() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let version = |schema: &str| pb::CreateEventTypeVersionRequest {
        name: "feedback.created".into(),
        schema: schema.into(),
        ..pb::CreateEventTypeVersionRequest::default()
    };
    let schema = r#"{"required": ["id"], "properties": {"id": {"type": "integer"}}}"#;
    let mut catalogue = system.operator.event_types();
    catalogue.create_event_type_version(version(schema)).await.unwrap();
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let page = browser.open("/webhooks/event-types/feedback.created").await;
    let test = page.link("/test?event_type=");
    let received = seeded.receiver.count();

    let page = browser.open(&test).await;
    let path = test.split('?').next().unwrap().to_owned();
    let wrong = ("payload", r#"{"id": "<1>", "big": 12345678901234567890}"#);
    for button in [Some(("check", "1")), None] {
        let fields: Vec<_> = [wrong].into_iter().chain(button).collect();
        let refused = browser.submit(&page, &path, &fields).await;
        refused
            .shows("The payload is not as version 1 of the schema says.")
            .shows("<code>/id</code>")
            .shows("integer")
            .shows("12345678901234567890")
            .shows("aria-describedby=\"violations\"")
            .shows("Send all the same");
    }
    assert_eq!(seeded.receiver.count(), received, "nothing was sent");
    let shown = browser.submit(&page, &path, &[wrong, ("preview", "1")]).await;
    shown.shows("<code>/id</code>").shows("The request");
    let sent = browser.submit(&page, &path, &[wrong, ("anyway", "1")]).await;
    sent.shows("<code>/id</code>").shows("verdict");
    assert_eq!(seeded.receiver.count(), received + 1);
    let right = [("payload", r#"{"id": 1}"#)];
    let checked = browser.submit(&page, &path, &[right[0], ("check", "1")]).await;
    checked.shows("The payload is as version 1 of the schema says.");
    browser.submit(&checked, &path, &right).await.shows("verdict");
    assert_eq!(seeded.receiver.count(), received + 2);
    let broken = browser.submit(&page, &path, &[("payload", "{"), ("check", "1")]).await;
    assert_eq!(broken.status, 400);
    broken.shows("The payload is not JSON.");

    // The catalogue tries payloads as well, also for who may only look.
    let link = crate::read_only_link(&system, &seeded.tenant).await;
    let mut reader = signed_in(&system, &link).await;
    let path = "/webhooks/event-types/feedback.created";
    let page = reader.open(path).await;
    let page = reader.submit(&page, path, &[("payload", "{}")]).await;
    page.shows("The payload: <span lang=\"en\">").shows("required");

    // An operator tries a schema before adding it.
    let mut operator = signed_in(&system, &system.operator_token).await;
    let path = "/admin/event-types/feedback.created";
    let page = operator.open(path).await;
    let tried = [
        ("schema", r#"{"required": ["name"]}"#),
        ("payload", r#"{"id": 1}"#),
        ("check", "1"),
    ];
    let page = operator.submit(&page, path, &tried).await;
    page.shows("The payload is not as version 2 of the schema says.");
    let versions = operator.open(path).await;
    assert!(!versions.text.contains("Version 2"));
}
