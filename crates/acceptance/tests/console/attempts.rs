//! One attempt looked at closely: whether its signature is right, what differs from another, what a test would send.

use serde_json::json;
use tidings_acceptance::{SOON, Standalone};
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::browser::{Browser, Page, unescaped};
use crate::{attempted, read_only_link, seeded, signed_in};

/// The page of the newest attempt with this status.
async fn attempt_with(browser: &mut Browser, status: u16) -> Page {
    let page = browser.open(&format!("/webhooks/logs?status_code={status}")).await;
    let link = page.link("/webhooks/logs/att_");
    browser.open(&link).await
}

/// The whole query of a link, with this in it.
fn href(page: &Page, part: &str) -> String {
    let text = unescaped(&page.text);
    let mut links = text.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.find(|link| link.contains(part)).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_over_time_are_bars_that_lead_to_them() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let page = browser.open("/webhooks/logs").await;
    page.shows("Attempts over time")
        .shows("<rect class=\"failed_retryable\"");
    for (outcome, part) in [("succeeded", ">200<"), ("failed_retryable", ">503<")] {
        let page = browser.open(&href(&page, &format!("outcome={outcome}&since="))).await;
        page.shows(part);
        assert_eq!(page.text.matches("/webhooks/logs/att_").count(), 1, "{}", page.text);
    }
    let filtered = browser
        .open("/webhooks/logs?event_type=feedback.created&status_code=5xx")
        .await;
    let bar = href(&filtered, "event_type=feedback.created&status_code=5xx&since=");
    browser.open(&bar).await.shows(">503<");

    let endpoint = browser.open("/webhooks").await.link("/endpoints/ep_");
    let page = browser.open(&endpoint).await;
    page.shows("Attempts over time").shows("endpoint_id=ep_");
    let page = browser.open(&page.link("?range=month")).await;
    page.shows("?range=month\" aria-current=\"true\"")
        .shows("Attempts over time");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_read_are_compressed_and_small() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    for n in 0..50 {
        let event = system
            .operator
            .publish(&seeded.tenant, "feedback.created", json!({ "id": n }))
            .await;
        attempted(&system.operator, &event).await;
    }
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let plain = browser.open("/webhooks/logs").await;
    let small = browser
        .open_with("/webhooks/logs", &[("accept-encoding", "gzip, br")])
        .await;
    assert_eq!(plain.text.matches("/webhooks/logs/att_").count(), 50);
    assert_eq!(small.headers["content-encoding"], "br");
    assert!(
        small.body.len() <= 10 * 1024,
        "{} of {} bytes",
        small.body.len(),
        plain.body.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_checked_and_compared() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let attempt = attempt_with(&mut browser, 200).await;
    let verify = attempt.link("/verify");
    let page = browser.open(&verify).await;
    page.shows("✓ Right")
        .shows("{{ id }}.{{ sent_at.unix }}.{{ body }}")
        .shows("12345678901234567890")
        .shows("••••")
        .shows("in the header");
    browser
        .open(&format!("{verify}?view=hex"))
        .await
        .shows("000000  65 76 74 5f");

    // What the receiver saw, with a number rounded by its framework.
    let body = String::from_utf8(seeded.receiver.requests()[0].body.to_vec()).unwrap();
    let rounded = body.replace("12345678901234567890", "12345678901234567000");
    let compare = format!("{verify}/compare");
    let page = browser.submit(&page, &compare, &[("body", &rounded)]).await;
    page.shows("which rounded a number")
        .shows("38 (8)")
        .shows("30 (0)")
        .shows("With this the signature is wrong.");
    let page = browser.submit(&page, &compare, &[("body", &body)]).await;
    // The page can be opened again where its form led.
    assert_eq!(browser.open(&compare).await.status, 200);
    page.shows("byte for byte.").shows("With this the signature is right.");
    let page = browser
        .submit(&page, &compare, &[("body", ""), ("secret", "wrong")])
        .await;
    page.shows("The secret is not the webhook’s");
    assert!(!page.text.contains("value=\"wrong\""), "a secret is not shown again");
    let page = browser
        .submit(&page, &compare, &[("body", "#"), ("form", "base64")])
        .await;
    assert_eq!(page.status, 400);
    page.shows("not base64");
    browser.language = "de";
    let page = browser
        .submit(&page, &compare, &[("body", &rounded), ("form", "")])
        .await;
    page.shows("dabei eine Zahl gerundet")
        .shows("Damit ist die Signatur falsch.");
    browser.language = "en";

    // The key is shown when asked for, and that is on record.
    let page = browser.open(&verify).await;
    let page = browser.submit(&page, &verify, &[]).await;
    page.shows("The key is shown in hexadecimal.");
    assert!(!page.text.contains("••••"));
    let page = browser.open("/webhooks/audit").await;
    page.shows("endpoint.secret_shown");

    let link = read_only_link(&system, &seeded.tenant).await;
    let mut reader = signed_in(&system, &link).await;
    let page = reader.open(&verify).await;
    page.shows("✓ Right");
    assert!(!page.text.contains("Show the key"));
    assert_eq!(reader.post(&verify, &[], &[]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_attempts_are_laid_side_by_side() {
    let system = Standalone::start().await;
    let (tenant, receiver) = (system.operator.create_tenant("Acme").await, Receiver::start().await);
    let mut wanted = tidings_acceptance::endpoint(&tenant, &receiver.url());
    wanted.schedule = vec![tidings_proto::duration(std::time::Duration::from_secs(1))];
    system.operator.create_endpoint(wanted).await;
    receiver.answer_next([
        Answer::full(503, &[("x-node", "one")], "{\"error\":\"busy\",\"code\":7}"),
        Answer::full(200, &[("x-node", "two")], "{\"error\":null,\"code\":7}"),
    ]);
    let event = system.operator.publish(&tenant, "a.b", json!({ "n": 1 })).await;
    system.operator.wait_for_state(&event, "succeeded").await;
    wait_until(SOON, "both attempts to be on record", async || {
        system.operator.attempts_of(&event).await.len() == 2
    })
    .await;
    let mut browser = signed_in(&system, &tenant.token).await;
    let page = attempt_with(&mut browser, 200).await;
    page.shows("Difference to attempt 1")
        .shows("As Markdown")
        .shows("### 200 `a.b`");
    let page = browser.open(&page.link("/difference")).await;
    page.shows("Attempt 1 and attempt 2")
        .shows("<del>one</del>")
        .shows("<ins>two</ins>")
        .shows("class=\"removed\">−   &#34;error&#34;: &#34;busy&#34;")
        .shows("class=\"added\">+   &#34;error&#34;: null")
        .shows("The body is the same, byte for byte.");
    // The earlier one is on the left from wherever one comes.
    let first = attempt_with(&mut browser, 503).await;
    let page = browser.open(&format!("{}/difference", first.path)).await;
    page.shows("Attempt 1 and attempt 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_seen_before_it_is_sent() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let endpoint = browser.open("/webhooks").await.link("/endpoints/ep_");
    let test = format!("{endpoint}/test");
    let page = browser.open(&test).await;
    let page = browser
        .submit(&page, &test, &[("preview", "1"), ("payload", "{\"seen\": 1}")])
        .await;
    page.shows("The request as it would go")
        .shows("webhook-signature")
        .shows("Content-Length")
        .shows("&#34;seen&#34;: 1");
    assert_eq!(seeded.receiver.requests().len(), 2, "nothing was sent");
}
