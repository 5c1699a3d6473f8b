//! The steps of the products' documents in Chromium: with the mouse, with the keyboard alone, without scripts, in German.

use tidings_acceptance::{SOON, Standalone, Tenant};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::chromium::{Chromium, Hand, Look};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_and_leaves_the_address_bar() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("Acme").await;
    let chromium = Chromium::start(&system, Hand::Mouse, Look::default()).await;
    let link = link(&system, &tenant).await;
    chromium
        .open(&link.replace("/webhooks#", "/webhooks/logs?status_code=5xx#"))
        .await;
    chromium.shows("No attempt matches.").await;
    assert_eq!(chromium.path().await, "/webhooks/logs?status_code=5xx");
    chromium.is_sound().await;
    chromium.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_made_tested_and_read_about_with_the_mouse() {
    webhook(Hand::Mouse, Look::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_done_with_the_keyboard_alone() {
    webhook(Hand::Keyboard, Look::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_done_without_scripts() {
    let look = Look {
        scripts: false,
        ..Look::default()
    };
    webhook(Hand::Mouse, look).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_done_in_german_on_a_phone() {
    let look = Look {
        language: "de",
        width: 390,
        scheme: "dark",
        ..Look::default()
    };
    webhook(Hand::Mouse, look).await;
}

/// Signs in with a key, makes a webhook, chooses its events, sends a test and reads its log.
async fn webhook(hand: Hand, look: Look) {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("Acme").await;
    let receiver = Receiver::start().await;
    let chromium = Chromium::start(&system, hand, look).await;
    let says = |english: &'static str, german: &'static str| if look.language == "de" { german } else { english };

    chromium.open("/webhooks").await;
    chromium.is_sound().await;
    chromium.signs_in(&tenant.token).await;
    chromium
        .shows(says("Connect your first webhook", "Verbinden Sie Ihren ersten Webhook"))
        .await;
    chromium.is_sound().await;
    chromium.press("a.primary").await;
    chromium.arrives("/webhooks/new").await;
    chromium.write("#name", "CRM").await;
    chromium.write("#url", &receiver.url()).await;
    chromium.choose("#dialect", "userhero").await;
    chromium.press("input[name=event][value=\"*\"]").await;
    chromium.is_sound().await;
    chromium.press("main form button.primary").await;
    chromium.arrives("/test").await;

    // Userpilot: "Toggle the events", here one of them.
    let endpoint = chromium.path().await.split("/test").next().unwrap().to_owned();
    chromium.open(&format!("{endpoint}/settings")).await;
    chromium.press("input[name=event][value=\"*\"]").await;
    chromium.press("input[name=event][value=\"feedback.created\"]").await;
    chromium.press("main form button.primary").await;
    chromium.shows(says("Saved.", "Gespeichert.")).await;
    chromium.is_sound().await;

    // UserHero: "Send Test".
    receiver.answer_next([Answer::full(200, &[("x-seen", "yes")], "thank you")]);
    chromium.open(&format!("{endpoint}/test")).await;
    chromium.press("main form[method=post] button.primary").await;
    chromium
        .shows(says(
            "The receiver accepted the test.",
            "Der Empfänger hat den Test angenommen.",
        ))
        .await;
    assert!(
        receiver.wait_for(1, SOON).await[0]
            .header("x-userhero-signature")
            .is_some()
    );
    chromium.is_sound().await;

    // FeedbackPulse: the log, with its filters, payload and response.
    chromium.open("/webhooks/logs").await;
    chromium.write("#event_type", "feedback.created").await;
    chromium.press("form.filters button.primary").await;
    chromium.arrives("event_type=feedback.created").await;
    chromium.press("#attempts tbody a").await;
    chromium.arrives("/webhooks/logs/att_").await;
    chromium.shows("thank you").await;
    chromium.is_sound().await;
    chromium.quit().await;
}

/// A portal link for the tenant's people.
async fn link(system: &Standalone, tenant: &Tenant) -> String {
    let request = pb::CreatePortalLinkRequest {
        tenant_id: tenant.id.clone(),
        ..pb::CreatePortalLinkRequest::default()
    };
    let made = system.operator.tenants().create_portal_link(request).await.unwrap();
    made.into_inner().url
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_copied_and_a_job_follows_itself() {
    let system = Standalone::start().await;
    let seeded = crate::seeded(&system, "kestrel").await;
    let chromium = Chromium::start(&system, Hand::Keyboard, Look::default()).await;
    chromium.open(&link(&system, &seeded.tenant).await).await;
    chromium.shows("endpoint kestrel").await;
    chromium.open(&format!("/webhooks/events/{}", seeded.events[0])).await;
    chromium.press("code.copy").await;
    wait_until(SOON, "the id to be marked as copied", async || {
        chromium.web.find(thirtyfour::By::Css("code.copy.copied")).await.is_ok()
    })
    .await;
    chromium.is_sound().await;
    chromium.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_works_once_lets_in_the_first_browser() {
    let system = Standalone::start().await;
    let seeded = crate::seeded(&system, "kestrel").await;
    let request = pb::CreatePortalLinkRequest {
        tenant_id: seeded.tenant.id.clone(),
        once: true,
        page: "/webhooks/logs?status_code=5xx".into(),
        lang: "de".into(),
        accent: "#ffe600".into(),
        ..pb::CreatePortalLinkRequest::default()
    };
    let made = system.operator.tenants().create_portal_link(request).await.unwrap();
    let link = made.into_inner().url;
    let first = Chromium::start(&system, Hand::Mouse, Look::default()).await;
    first.open(&link).await;
    // It opens its page, in its language and colour, and leaves nothing of itself in the address bar.
    first.shows("Statuscode").await;
    assert_eq!(first.path().await, "/webhooks/logs?status_code=5xx");
    let accent = "return getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();";
    let accent = first.web.execute(accent, []).await.unwrap();
    let accent: String = accent.convert().unwrap();
    assert!(accent.starts_with('#') && accent != "#2456c7", "{accent}");
    first.picture("link-page").await;
    first.is_sound().await;
    first.is_accessible().await;
    let phone = Look {
        language: "de",
        width: 390,
        scheme: "dark",
        ..Look::default()
    };
    let second = Chromium::start(&system, Hand::Mouse, phone).await;
    second.open(&link).await;
    second
        .shows("Dieser Link gilt nur einmal und wurde schon benutzt.")
        .await;
    second.picture("link-used").await;
    second.is_sound().await;
    second.is_accessible().await;
    second.quit().await;
    first.open("/webhooks/logs").await;
    first.shows("feedback.created").await;
    first.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_its_schema_refuses_is_told_of_on_a_phone() {
    let system = Standalone::start().await;
    let seeded = crate::seeded(&system, "kestrel").await;
    let version = pb::CreateEventTypeVersionRequest {
        name: "feedback.created".into(),
        schema: r#"{"required": ["id"], "properties": {"a_member_with_a_name_longer_than_a_phone_is_wide": false}}"#
            .into(),
        ..pb::CreateEventTypeVersionRequest::default()
    };
    let mut catalogue = system.operator.event_types();
    catalogue.create_event_type_version(version).await.unwrap();
    let phone = Look {
        width: 390,
        ..Look::default()
    };
    let chromium = Chromium::start(&system, Hand::Mouse, phone).await;
    chromium.open(&link(&system, &seeded.tenant).await).await;
    chromium.shows("endpoint kestrel").await;
    chromium.open("/webhooks/event-types/feedback.created").await;
    let payload = r#"{"a_member_with_a_name_longer_than_a_phone_is_wide": 1}"#;
    for page in ["catalogue", "test"] {
        if page == "test" {
            chromium.press("a[href*=\"/test?event_type=\"]").await;
            chromium.arrives("/test").await;
        }
        chromium.write("#payload", payload).await;
        chromium.press("#payload + .actions button:not(.primary)").await;
        chromium
            .shows("The payload is not as version 1 of the schema says.")
            .await;
        chromium.picture(&format!("payload-refused-{page}")).await;
        chromium.is_sound().await;
        chromium.is_accessible().await;
    }
    chromium.quit().await;
}
