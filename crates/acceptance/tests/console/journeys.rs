//! The steps that people take on screens according to the products' documents.

use serde_json::json;
use tidings_acceptance::{SOON, Standalone};
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::browser::Browser;
use crate::{attempted, revoke_first_key, seeded, signed_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_connected_tested_changed_turned_off_and_deleted() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("Acme").await;
    let receiver = Receiver::start().await;
    let mut browser = signed_in(&system, &tenant.token).await;

    // Userback: "Select Connect under Webhooks and add your webhook URL."
    let page = browser.open("/webhooks").await;
    page.shows("Connect your first webhook");
    let page = browser.open(&page.link("/webhooks/new")).await;
    let fields = [
        ("name", "CRM"),
        ("url", "not a url"),
        ("dialect", "userhero"),
        ("event", "feedback.created"),
    ];
    let page = browser.submit(&page, "/webhooks/new", &fields).await;
    assert_eq!(page.status, 400);
    page.shows("role=\"alert\"")
        .shows("value=\"CRM\"")
        .shows("value=\"not a url\"");
    let url = receiver.url();
    let fields = [("url", url.as_str()), ("off", "on")];
    let page = browser.submit(&page, "/webhooks/new", &fields).await;
    page.shows("The webhook is there.");

    // Userpilot: "You can send a test event before enabling the webhook live."
    let test = page.path.split('?').next().unwrap().to_owned();
    receiver.answer_next([Answer::full(200, &[("x-seen", "yes")], "thank you")]);
    let page = browser.submit(&page, &test, &[]).await;
    page.shows("The receiver accepted the test.")
        .shows("thank you")
        .shows("x-seen");
    let sent = receiver.wait_for(1, SOON).await;
    assert!(sent[0].header("x-userhero-signature").is_some());
    let page = browser.submit(&page, &test, &[("payload", "{")]).await;
    page.shows("The payload is not JSON.");

    // "You can also include up to 10 user/company properties", and the eleventh is refused with its reason.
    let settings = test.replace("/test", "/settings");
    let page = browser.open(&settings).await;
    let properties: Vec<_> = (0..11).map(|number| format!("user.p{number}")).collect();
    let page = browser
        .submit(&page, &settings, &[("properties", &properties.join("\n"))])
        .await;
    assert_eq!(page.status, 400);
    page.shows("At most 10 properties").shows("user.p10");
    let page = browser
        .submit(
            &page,
            &settings,
            &[("properties", ""), ("schedule", "1m 5m"), ("event", "*")],
        )
        .await;
    page.shows("Saved.").shows("value=\"1m 5m\"");

    // "Toggle the Status column to enable the Webhook."
    let list = browser.open("/webhooks").await;
    list.shows("CRM").shows(">Off<");
    let enable = test.replace("/test", "/enable");
    let page = browser.open(&enable).await;
    let page = browser.submit(&page, &enable, &[]).await;
    page.shows("Send test");
    system.operator.ingest_is_up_to_date().await;
    let event = system
        .operator
        .publish(&tenant, "feedback.created", json!({ "id": "fb_1" }))
        .await;
    attempted(&system.operator, &event).await;

    // UserHero: "Toggle Enabled off", "Click Delete", "Confirm deletion".
    let endpoint = test.trim_end_matches("/test").to_owned();
    let page = browser.open(&endpoint).await;
    page.shows(">Works<");
    let page = browser.submit(&page, &format!("{endpoint}/disable"), &[]).await;
    page.shows("Somebody turned it off.");
    system.operator.ingest_is_up_to_date().await;
    let held = system
        .operator
        .publish(&tenant, "feedback.created", json!({ "id": "fb_2" }))
        .await;
    system.operator.wait_for_state(&held, "held").await;
    let delete = format!("{endpoint}/delete");
    let page = browser.open(&delete).await;
    let page = browser.submit(&page, &delete, &[("confirm", "something else")]).await;
    assert_eq!(page.status, 422);
    let page = browser.submit(&page, &delete, &[("confirm", "CRM")]).await;
    page.shows("Connect your first webhook");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_searched_and_read_byte_for_byte() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = signed_in(&system, &seeded.tenant.token).await;

    let page = browser.open("/webhooks/logs").await;
    assert_eq!(rows(&page.text), 2);
    let page = browser
        .open("/webhooks/logs?status_code=5xx&event_type=feedback.created")
        .await;
    assert_eq!(rows(&page.text), 1);
    page.shows("value=\"5xx\"");
    let page = browser.open("/webhooks/logs?status_code=nonsense").await;
    assert_eq!(page.status, 400);
    page.shows("role=\"alert\"").shows("value=\"nonsense\"");
    let page = browser.open("/webhooks/logs?since=2020-01-01&until=2020-01-31").await;
    page.shows("No attempt matches.");

    // The full payload and the response, as they were.
    let page = browser.open("/webhooks/logs?status_code=200").await;
    let page = browser.open(&page.link("/webhooks/logs/att_")).await;
    page.shows("12345678901234567890")
        .shows("thanks kestrel")
        .shows("x-from")
        .shows("curl -X POST");
    let file = browser.open(&page.link("/request-body")).await;
    assert_eq!(file.body, seeded.receiver.requests()[0].body);
    assert_eq!(file.headers["content-type"], "application/octet-stream");
    assert!(file.headers["content-disposition"].starts_with("attachment"));
    for view in ["raw", "hex"] {
        let page = browser.open(&format!("{}?view={view}", page.path)).await;
        assert_eq!(page.status, 200);
    }

    // The failed one: what is planned, what became of the event, and once more now.
    let page = browser.open("/webhooks/logs?status_code=503").await;
    let attempt = browser.open(&page.link("/webhooks/logs/att_")).await;
    attempt.shows("Planned").shows("&#60;script&#62;alert");
    let page = browser.open(&attempt.link("/webhooks/events/evt_")).await;
    page.shows("What became of it").shows("Waiting");
    let retry = attempt
        .forms()
        .into_iter()
        .find(|form| form.action.ends_with("/retry"))
        .unwrap();
    let page = browser.submit(&attempt, &retry.action, &[]).await;
    page.shows("Delivery");
    system.operator.wait_for_state(&seeded.events[1], "succeeded").await;

    // FeedbackPulse's people read German.
    browser.language = "de-DE,de;q=0.9";
    let page = browser.open("/webhooks/logs").await;
    page.shows("<html lang=\"de\">")
        .shows("Ereignistyp")
        .shows("Statuscode");

    let export = browser.open("/webhooks/logs/export?format=csv").await;
    assert!(
        export.headers["content-type"].starts_with("text/csv"),
        "{:?}",
        export.headers
    );
    let page = browser.open(&format!("/webhooks/go?q={}", seeded.events[0])).await;
    page.shows("feedback.created");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_all_tenants_and_looks_as_they_do() {
    let system = Standalone::start().await;
    let one = seeded(&system, "kestrel").await;
    let other = seeded(&system, "heron").await;
    let mut browser = Browser::new(&system.servers.http);
    let page = browser.open("/admin/webhook-logs").await;
    assert_eq!(page.status, 401);
    let fields = [("key", system.operator_token.as_str())];
    let page = browser.submit(&page, "/webhooks/session", &fields).await;
    assert_eq!(page.path, "/admin/webhook-logs");
    page.shows(&one.tenant.id).shows(&other.tenant.id);
    let page = browser
        .open(&format!("/admin/webhook-logs?tenant_id={}", one.tenant.id))
        .await;
    assert!(!page.text.contains("heron"), "{}", page.text);

    let tenant = format!("/admin/tenants/{}", one.tenant.id);
    let page = browser.open(&tenant).await;
    let page = browser.submit(&page, &format!("{tenant}/look"), &[]).await;
    assert_eq!(page.path, "/webhooks");
    page.shows("endpoint kestrel").shows("read-only");
    assert!(!page.text.contains("heron"));

    let page = browser.open("/admin/tenants").await;
    let page = browser.submit(&page, "/admin/tenants", &[("name", "Globex")]).await;
    page.shows("Globex").shows("tk_");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_is_wrong_and_repairs_it() {
    let mut system = Standalone::start().await;
    let mut browser = operator(&system).await;
    wait_until(SOON, "nothing to be wrong", async || {
        browser.open("/admin").await.text.contains("Nothing needs you.")
    })
    .await;
    system.park(&[b"no message", b"<script>alert(1)</script>"]).await;
    let page = browser.open("/admin").await;
    page.shows("2 messages were set aside").shows("Requeue or discard");
    let page = browser.open(&page.link("/admin/queues/parked")).await;
    let message = browser.open(&page.link("/admin/queues/parked/messages/")).await;
    message.shows("no message");
    let requeue = format!("{}/requeue", message.path);
    let page = browser.submit(&message, &requeue, &[]).await;
    page.shows("0 done, 1 stay.").shows("can’t be read");

    // What came since the count was shown is counted first.
    let confirm = "/admin/queues/parked/all/discard";
    let page = browser.open(confirm).await;
    page.shows("2 messages");
    system.park(&[b"one more"]).await;
    let page = browser.submit(&page, confirm, &[]).await;
    assert_eq!(page.status, 409);
    page.shows("More messages have come").shows("3 messages");
    let page = browser.submit(&page, confirm, &[]).await;
    page.shows("3 done, 0 stay.").shows("Nothing was set aside.");
    let page = browser.open("/admin/audit?action=message.*").await;
    page.shows("message.discarded").shows("message.requeued");
    browser.language = "de";
    browser.open("/admin").await.shows("Nichts braucht Sie.");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_runs_the_system_by_its_pages() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = operator(&system).await;

    let page = browser.open("/admin/go?q=127.0.0.1").await;
    assert_eq!(page.path, "/admin/endpoints?host=127.0.0.1");
    page.shows("endpoint kestrel");
    let page = browser.open("/admin/endpoints?state=turned_off").await;
    page.shows("Nothing found.");
    let page = browser.open("/admin/endpoints?host=https://x").await;
    assert_eq!(page.status, 400);
    page.shows("role=\"alert\"").shows("value=\"https://x\"");
    let page = browser.open(&format!("/admin/go?q={}", seeded.tenant.id)).await;
    page.shows("tenant kestrel");

    let page = browser.open("/admin/event-types").await;
    let fields = [
        ("name", "order.paid"),
        ("description", "Somebody paid"),
        ("schema", "{\"type\": 7}"),
    ];
    let page = browser.submit(&page, "/admin/event-types", &fields).await;
    assert_eq!(page.status, 400);
    page.shows("role=\"alert\"")
        .shows("Somebody paid")
        .shows("value=\"order.paid\"");
    let fields = [("schema", "{\"type\": \"object\", \"required\": [\"id\"]}")];
    let page = browser.submit(&page, "/admin/event-types", &fields).await;
    page.shows("The version was added.").shows("Version 1");
    let page = browser
        .submit(
            &page,
            "/admin/event-types/order.paid",
            &[("description", "Somebody paid us")],
        )
        .await;
    page.shows("Version 2").shows("Somebody paid us");

    let page = browser.open("/admin/dialects").await;
    let page = browser.open(&page.link("/admin/dialects/userhero")).await;
    page.shows("nothing was sent");
    let action = page.path.clone();
    let forms = page.forms();
    let form = forms.iter().find(|form| form.is_post && form.action == action).unwrap();
    let mut fields = form.fields.clone();
    fields.retain(|(name, _)| name != "secret");
    fields.push(("secret".into(), "hunter2hunter2".into()));
    let page = browser.post(&action, &fields, &[]).await;
    page.shows("X-UserHero-Signature");

    let page = browser.open("/admin/keys").await;
    let page = browser
        .submit(&page, "/admin/keys", &[("name", "Night watch"), ("scope", "read")])
        .await;
    page.shows("Night watch").shows("tk_");
    let token = page
        .text
        .split("copy wrap\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let mut watch = Browser::new(&system.servers.http);
    let page = watch.open("/admin/queues").await;
    let page = watch.submit(&page, "/webhooks/session", &[("key", &token)]).await;
    page.shows("First attempts");
    let revoke = browser.open("/admin/keys").await.link("/revoke");
    let page = browser.open(&revoke).await;
    page.shows("Night watch");
    browser.submit(&page, &revoke, &[]).await;
    wait_until(SOON, "the session to end with its key", async || {
        watch.open("/admin/queues").await.status == 401
    })
    .await;

    let page = browser.open("/admin/system").await;
    page.shows("sweeper")
        .shows("[destinations]")
        .shows("Every role runs in this process.");
    assert!(!page.text.contains(&system.operator_token));
    let page = browser.open("/admin/audit?action=event_type.*").await;
    page.shows("order.paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_has_its_own_look_and_frames_tenants_pages_alone() {
    let directory = tempfile::tempdir().unwrap();
    let logo = directory.path().join("logo");
    std::fs::write(&logo, b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>").unwrap();
    let system = Standalone::start_with(&[
        ("CONTROL__PUBLIC_URL", "https://hooks.example.com"),
        ("CONSOLE__PRODUCT", "Acme"),
        ("CONSOLE__ACCENT", "#ffe600"),
        ("CONSOLE__LOGO", logo.to_str().unwrap()),
        ("CONSOLE__FRAME_ANCESTORS", "[\"https://app.example.com\"]"),
    ])
    .await;
    let tenant = system.operator.create_tenant("Acme").await;
    let mut browser = signed_in(&system, &tenant.token).await;
    let page = browser.open("/webhooks").await;
    page.shows("alt=\"Acme\"")
        .shows("data-cookies=\"SameSite=None; Secure; Partitioned\"");
    let policy = |page: &crate::browser::Page| page.headers["content-security-policy"].clone();
    assert!(
        policy(&page).ends_with("frame-ancestors https://app.example.com"),
        "{}",
        policy(&page)
    );
    let linked = |start: &str| {
        let rest = page.text.split(start).nth(1).unwrap();
        format!("/webhooks/assets/{}", rest.split('"').next().unwrap())
    };
    let style = browser
        .open(&linked("rel=\"stylesheet\" href=\"/webhooks/assets/"))
        .await;
    assert!(style.text.contains("--accent: #"), "{}", style.text);
    // Yellow can be read on black and not on white, where a darker one stands.
    assert_eq!(style.text.matches("--accent: #ffe600;").count(), 1, "{}", style.text);
    let logo = browser
        .open(&linked("<img class=\"logo\" src=\"/webhooks/assets/"))
        .await;
    assert_eq!(logo.headers["content-type"], "image/svg+xml");
    assert!(policy(&logo).ends_with("sandbox"), "{}", policy(&logo));

    let page = browser.open("/admin").await;
    assert!(policy(&page).ends_with("frame-ancestors 'none'"), "{}", policy(&page));
    let fields = [("key", system.operator_token.as_str())];
    browser.submit(&page, "/webhooks/session", &fields).await;
    let kept = browser.last_cookie();
    assert!(
        kept.starts_with("__Host-tidings-admin=") && kept.ends_with("SameSite=Lax; Secure"),
        "{kept}"
    );
}

/// A browser that is signed in with the operator's key.
pub(crate) async fn operator(system: &Standalone) -> Browser {
    let mut browser = Browser::new(&system.servers.http);
    let page = browser.open("/admin").await;
    let fields = [("key", system.operator_token.as_str())];
    let page = browser.submit(&page, "/webhooks/session", &fields).await;
    assert_eq!(page.path, "/admin");
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("Acme").await;
    let mut browser = signed_in(&system, &tenant.token).await;
    assert_eq!(browser.open("/webhooks/logs").await.status, 200);
    revoke_first_key(&system, &tenant).await;
    wait_until(SOON, "the session to end", async || {
        browser.open("/webhooks/logs").await.status == 401
    })
    .await;
    browser.open("/webhooks/logs").await.shows("Your session has ended");
}

/// The rows of the list of attempts.
fn rows(text: &str) -> usize {
    text.rsplit_once("<tbody>")
        .map_or(0, |(_, body)| body.matches("<tr>").count())
}
