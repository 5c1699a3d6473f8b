//! Endpoints that fail are marked, and people are told: by mail, over a real mail server, and by operational events.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidings_acceptance::{Client, SOON, Standalone, System, Tenant, endpoint};
use tidings_proto::pb;
use tidings_testkit::{Answer, ForeignReceiver, Judged, Receiver, wait_until};
use tokio::net::TcpListener;

const FROM: &str = "Webhooks <webhooks@example.com>";
const CONTACT: &str = "ops@customer.example";

async fn mail_server(wanted: Value) -> ForeignReceiver {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("receivers/smtp.py");
    ForeignReceiver::start(&program, &wanted.to_string()).await
}

fn port(server: &ForeignReceiver) -> u16 {
    let (_, port) = server.url().trim_end_matches('/').rsplit_once(':').unwrap();
    port.parse().unwrap()
}

fn smtp_url(server: &ForeignReceiver) -> String {
    format!("smtp://127.0.0.1:{}", port(server))
}

/// What a mail says, part by part.
fn parts(mail: &Judged) -> (Value, String, String) {
    let body = mail.json();
    let part = |name: &str| body["parts"][name].as_str().unwrap_or_default().to_owned();
    let (text, html) = (part("text/plain"), part("text/html"));
    (body, text, html)
}

/// An endpoint that is given up after two tries, a second apart.
async fn hopeless(client: &Client, tenant: &Tenant, receiver: &Receiver) -> pb::Endpoint {
    let asked = pb::Endpoint {
        name: "CRM <b>".into(),
        contact: CONTACT.into(),
        schedule: vec![prost_types::Duration { seconds: 1, nanos: 0 }],
        ..endpoint(tenant, &receiver.url())
    };
    client.create_endpoint(asked).await
}

async fn operational(client: &Client, tenant: &Tenant, receiver: &Receiver) -> pb::Endpoint {
    let asked = pb::Endpoint {
        operational: true,
        ..endpoint(tenant, &receiver.url())
    };
    client.create_endpoint(asked).await
}

async fn get(client: &Client, endpoint: &pb::Endpoint) -> pb::Endpoint {
    let request = pb::GetEndpointRequest {
        endpoint_id: endpoint.id.clone(),
    };
    client.endpoints().get_endpoint(request).await.unwrap().into_inner()
}

async fn publish(client: &Client, tenant: &Tenant, count: usize) -> Vec<String> {
    let publishes = (0..count).map(|number| client.publish(tenant, "failing.test", json!({ "number": number })));
    futures::future::join_all(publishes).await
}

/// How often each type of operational event came.
fn told(receiver: &Receiver, event_type: &str) -> usize {
    let of_type = |body: &Value| body["type"] == event_type;
    receiver
        .requests()
        .iter()
        .filter(|request| of_type(&request.json()))
        .count()
}

async fn wait_until_told(receiver: &Receiver, event_type: &str, count: usize) {
    let what = format!("{event_type} {count} times");
    wait_until(SOON, &what, async || told(receiver, event_type) >= count).await;
    assert_eq!(told(receiver, event_type), count, "{event_type}");
}

/// Fails, is told of once, recovers, fails again, and is not told of twice within a day.
async fn is_told_once_a_day(client: &Client, mails: &ForeignReceiver) {
    let (receiver, listener) = (Receiver::start().await, Receiver::start().await);
    let tenant = client.create_tenant("failing").await;
    let made = hopeless(client, &tenant, &receiver).await;
    operational(client, &tenant, &listener).await;
    client.ingest_is_up_to_date().await;

    receiver.answer_always(Answer::Status(503));
    let lost = publish(client, &tenant, 3).await;
    client.wait_for_all(&lost, &made, "exhausted").await;
    assert!(get(client, &made).await.failing_since.is_some());
    let mail = mails.wait_for(1, SOON).await.remove(0);
    let (body, text, html) = parts(&mail);
    assert_eq!((body["to"].as_str(), mail.header("from")), (Some(CONTACT), Some(FROM)));
    assert_eq!(
        mail.header("subject"),
        Some("Webhook endpoint \u{201c}CRM <b>\u{201d} is failing")
    );
    assert_eq!(mail.header("auto-submitted"), Some("auto-generated"));
    assert!(mail.header("list-unsubscribe").unwrap().contains(&made.id));
    for part in [&text, &html] {
        assert!(part.contains(&made.id) && part.contains("503"), "{part}");
    }
    assert!(text.contains("CRM <b>") && html.contains("CRM &lt;b&gt;"), "{html}");
    wait_until_told(&listener, "endpoint.failing", 1).await;
    wait_until_told(&listener, "delivery.exhausted", 3).await;
    let failing = listener.requests();
    let failing = failing
        .iter()
        .find(|request| request.json()["type"] == "endpoint.failing");
    let event = failing.unwrap().json();
    assert_eq!(event["data"]["endpoint"]["id"], made.id.as_str());
    assert!(lost.contains(&event["data"]["event_id"].as_str().unwrap().to_owned()));
    assert!(failing.unwrap().header("webhook-signature").is_some());
    assert_eq!(
        receiver.requests().len(),
        6,
        "the tenant's own endpoint is told nothing"
    );

    let well = publish_well(client, &tenant, &receiver).await;
    client.wait_for_all(&well, &made, "succeeded").await;
    wait_until_told(&listener, "endpoint.recovered", 1).await;
    assert_eq!(get(client, &made).await.failing_since, None);
    assert_eq!(mails.count(), 1, "nobody is disturbed by a recovery");

    receiver.answer_always(Answer::Status(500));
    let lost = publish(client, &tenant, 1).await;
    client.wait_for_all(&lost, &made, "exhausted").await;
    wait_until_told(&listener, "delivery.exhausted", 4).await;
    assert!(get(client, &made).await.failing_since.is_some());
    let well = publish_well(client, &tenant, &receiver).await;
    client.wait_for_all(&well, &made, "succeeded").await;
    assert!(get(client, &made).await.failing_since.is_some(), "it fails by turns");
    assert_eq!(told(&listener, "endpoint.failing"), 1);
    assert_eq!(mails.count(), 1);
}

async fn publish_well(client: &Client, tenant: &Tenant, receiver: &Receiver) -> Vec<String> {
    receiver.answer_always(Answer::Status(200));
    publish(client, tenant, 1).await
}

#[tokio::test]
async fn people_are_told_once_a_day() {
    let mails = mail_server(json!({})).await;
    let mut system = System::prepare().await;
    system.set("TIDINGS_NOTIFIER__SMTP_URL", &smtp_url(&mails));
    system.set("TIDINGS_NOTIFIER__FROM", FROM);
    system.start_roles().await;
    is_told_once_a_day(&system.operator, &mails).await;
    // Control counts a mail once the server has taken it.
    let counted = async || system.control.metric("tidings_mails_total").await == 1.0;
    wait_until(SOON, "the mail to be counted", counted).await;
}

#[tokio::test]
async fn the_embedded_default_tells_as_well_also_after_it_was_killed() {
    let mails = mail_server(json!({})).await;
    let url = smtp_url(&mails);
    let variables = [("NOTIFIER__SMTP_URL", url.as_str()), ("NOTIFIER__FROM", FROM)];
    let mut system = Standalone::start_with(&variables).await;
    is_told_once_a_day(&system.operator, &mails).await;

    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(500));
    let tenant = system.operator.create_tenant("killed").await;
    let made = hopeless(&system.operator, &tenant, &receiver).await;
    let lost = publish(&system.operator, &tenant, 1).await;
    system.operator.wait_for_all(&lost, &made, "exhausted").await;
    system.process.kill9();
    system.process.start().await;
    // What was taken just before the kill is hidden for half a minute.
    let mails = mails.wait_for(2, Duration::from_secs(60)).await;
    assert!(parts(&mails[1]).1.contains(&made.id));
}

#[tokio::test]
async fn a_mail_waits_for_its_server_and_one_that_is_refused_does_not() {
    let first = mail_server(json!({})).await;
    let (at, url) = (port(&first), smtp_url(&first));
    drop(first);
    let variables = [("NOTIFIER__SMTP_URL", url.as_str()), ("NOTIFIER__FROM", FROM)];
    let system = Standalone::start_with(&variables).await;
    let client = &system.operator;
    let (receiver, listener) = (Receiver::start().await, Receiver::start().await);
    receiver.answer_always(Answer::Status(500));
    let tenant = client.create_tenant("waiting").await;
    let made = hopeless(client, &tenant, &receiver).await;
    operational(client, &tenant, &listener).await;
    client.ingest_is_up_to_date().await;
    publish(client, &tenant, 1).await;
    // The event does not wait for the mail server.
    wait_until_told(&listener, "endpoint.failing", 1).await;
    let failed = async || system.process.metric("tidings_mails_total").await > 0.0;
    wait_until(SOON, "a mail that could not be sent", failed).await;

    let back = mail_server(json!({ "port": at })).await;
    let mail = back.wait_for(1, Duration::from_secs(90)).await.remove(0);
    assert!(parts(&mail).1.contains(&made.id));
    assert_eq!(told(&listener, "endpoint.failing"), 1);

    drop(back);
    let _refusing = mail_server(json!({ "port": at, "refuse": "550 no such user" })).await;
    let other = hopeless(client, &tenant, &receiver).await;
    client.ingest_is_up_to_date().await;
    let lost = publish(client, &tenant, 1).await;
    client.wait_for_all(&lost, &other, "exhausted").await;
    let refused = async || {
        let metrics = system.process.get("/metrics").await.body;
        metrics.contains("tidings_mails_total{outcome=\"refused\"} 1")
    };
    wait_until(SOON, "a mail that is refused", refused).await;
}

#[tokio::test]
async fn a_mail_server_that_hangs_holds_up_no_event() {
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let variables = [("NOTIFIER__SMTP_URL", url.as_str()), ("NOTIFIER__FROM", FROM)];
    let system = Standalone::start_with(&variables).await;
    let client = &system.operator;
    let (receiver, listener) = (Receiver::start().await, Receiver::start().await);
    receiver.answer_always(Answer::Status(500));
    let tenant = client.create_tenant("hanging").await;
    hopeless(client, &tenant, &receiver).await;
    operational(client, &tenant, &listener).await;
    client.ingest_is_up_to_date().await;
    publish(client, &tenant, 1).await;
    let _hanging = tokio::time::timeout(SOON, silent.accept()).await.unwrap().unwrap();

    let other = hopeless(client, &tenant, &receiver).await;
    client.ingest_is_up_to_date().await;
    let lost = publish(client, &tenant, 1).await;
    client.wait_for_all(&lost, &other, "exhausted").await;
    wait_until_told(&listener, "endpoint.failing", 2).await;
    let given_up = system.process.metric("tidings_mails_total").await;
    assert_eq!(given_up, 0.0, "the first mail is still under way");
}

#[tokio::test]
async fn an_endpoint_that_fails_too_long_or_is_gone_is_turned_off_with_notice() {
    let files = TempDir::new().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    // STARTTLS and a password, as a real mail server asks for.
    let server = json!({ "certificate": certificate, "key": key, "user": "us@example.com", "password": "p@ss/word" });
    let mails = mail_server(server).await;
    let url = format!(
        "smtp://us%40example.com:p%40ss%2Fword@127.0.0.1:{}?tls=required",
        port(&mails)
    );
    let variables = [
        ("NOTIFIER__SMTP_URL", url.as_str()),
        ("NOTIFIER__FROM", FROM),
        ("NOTIFIER__SMTP_CA_FILE", certificate.to_str().unwrap()),
        ("NOTIFIER__DISABLE_AFTER", "2s"),
        ("NOTIFIER__CHECK_EVERY", "200ms"),
    ];
    let system = Standalone::start_with(&variables).await;
    let client = &system.operator;
    let (receiver, listener) = (Receiver::start().await, Receiver::start().await);
    let tenant = client.create_tenant("too long").await;
    let made = hopeless(client, &tenant, &receiver).await;
    operational(client, &tenant, &listener).await;
    client.ingest_is_up_to_date().await;
    receiver.answer_always(Answer::Status(500));
    // A single delivery that is given up, and silence, would not turn it off.
    wait_until(SOON, "endpoint.disabled", async || {
        publish(client, &tenant, 1).await;
        told(&listener, "endpoint.disabled") == 1
    })
    .await;
    let found = get(client, &made).await;
    assert_eq!((found.enabled, found.disabled_reason.as_str()), (false, "failing"));
    let mails = mails.wait_for(2, SOON).await;
    assert!(mails[1].header("subject").unwrap().contains("was turned off"));
    let (body, text, _) = parts(&mails[1]);
    assert_eq!(
        (body["tls"].as_bool(), body["user"].as_str()),
        (Some(true), Some("us@example.com"))
    );
    assert!(text.contains("it failed for 2s"), "{text}");

    let enable = pb::EnableEndpointRequest {
        endpoint_id: made.id.clone(),
        held: pb::Held::Cancel.into(),
    };
    let enabled = client.endpoints().enable_endpoint(enable).await.unwrap().into_inner();
    assert_eq!((enabled.disabled_reason.as_str(), enabled.failing_since), ("", None));
    receiver.answer_always(Answer::Status(410));
    publish(client, &tenant, 1).await;
    wait_until_told(&listener, "endpoint.disabled", 2).await;
    assert_eq!(get(client, &made).await.disabled_reason, "gone");
    let bodies = listener.requests();
    let bodies = bodies
        .iter()
        .map(|request| request.json())
        .filter(|body| body["type"] == "endpoint.disabled");
    let mut reasons: Vec<_> = bodies
        .map(|body| body["data"]["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["failing", "gone"]);
}
