//! Every page in Chromium: sound, accessible and within the window, light, dark, with forced colours and on a phone.

use serde_json::json;
use tidings_acceptance::Standalone;

use crate::chromium::{Chromium, Hand, Look};
use crate::{Seeded, seeded};

/// The pages of a tenant's people with the names of their pictures.
fn of_tenants(seeded: &Seeded, endpoint: &str, attempt: &str, delivery: &str) -> Vec<(&'static str, String)> {
    let endpoint = format!("/webhooks/endpoints/{endpoint}");
    vec![
        ("endpoints", "/webhooks".into()),
        ("new", "/webhooks/new".into()),
        ("endpoint", endpoint.clone()),
        ("settings", format!("{endpoint}/settings")),
        ("test", format!("{endpoint}/test")),
        ("secret", format!("{endpoint}/secret")),
        ("recover", format!("{endpoint}/recover")),
        ("enable", format!("{endpoint}/enable")),
        ("delete", format!("{endpoint}/delete")),
        ("logs", "/webhooks/logs".into()),
        ("logs-refused", "/webhooks/logs?status_code=nonsense".into()),
        ("logs-none", "/webhooks/logs?since=2020-01-01&until=2020-01-31".into()),
        ("attempt", format!("/webhooks/logs/{attempt}")),
        ("deliveries", "/webhooks/deliveries".into()),
        ("delivery", format!("/webhooks/deliveries/{delivery}")),
        ("events", "/webhooks/events".into()),
        ("event", format!("/webhooks/events/{}", seeded.events[1])),
        ("replays", "/webhooks/replays".into()),
        ("nothing-here", "/webhooks/nothing".into()),
    ]
}

/// The pages of operators.
fn of_operators(tenant: &str) -> Vec<(&'static str, String)> {
    vec![
        ("admin", "/admin".into()),
        ("admin-tenants", "/admin/tenants".into()),
        ("admin-tenant", format!("/admin/tenants/{tenant}")),
        ("admin-endpoints", "/admin/endpoints".into()),
        ("admin-logs", "/admin/webhook-logs".into()),
        ("admin-queues", "/admin/queues?all=1".into()),
        ("admin-parked", "/admin/queues/parked".into()),
        ("admin-discard", "/admin/queues/parked/all/discard".into()),
        ("admin-event-types", "/admin/event-types".into()),
        ("admin-event-type", "/admin/event-types/feedback.created".into()),
        ("admin-dialects", "/admin/dialects".into()),
        ("admin-dialect", "/admin/dialects/userhero".into()),
        ("admin-keys", "/admin/keys".into()),
        ("admin-audit", "/admin/audit".into()),
        ("admin-system", "/admin/system".into()),
    ]
}

async fn look_at_every_page(look: Look, name: &str) {
    let mut system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    system.park(&[b"no message"]).await;
    let attempt = system.operator.attempts_of(&seeded.events[1]).await.remove(0);
    let tenants = of_tenants(&seeded, &attempt.endpoint_id, &attempt.id, &attempt.delivery_id);
    let operators = of_operators(&seeded.tenant.id);
    for (key, pages) in [(&seeded.tenant.token, tenants), (&system.operator_token, operators)] {
        let chromium = Chromium::start(&system, Hand::Mouse, look).await;
        chromium.open(&pages[0].1).await;
        chromium.picture(&format!("{name}-sign-in")).await;
        chromium.is_sound().await;
        chromium.is_accessible().await;
        chromium.signs_in(key).await;
        for (page, path) in &pages {
            chromium.open(path).await;
            // What is folded away is looked at as well.
            chromium.unfold().await;
            chromium.picture(&format!("{name}-{page}")).await;
            chromium.is_sound().await;
            chromium.is_accessible().await;
        }
        chromium.quit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sound_and_accessible() {
    look_at_every_page(Look::default(), "light").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_so_in_the_dark_on_a_phone_and_in_german() {
    let look = Look {
        language: "de",
        width: 390,
        scheme: "dark",
        ..Look::default()
    };
    look_at_every_page(look, "dark").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_so_with_forced_colours_at_320_pixels() {
    let look = Look {
        width: 320,
        forced_colours: true,
        ..Look::default()
    };
    look_at_every_page(look, "forced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn torture_is_shown_as_it_is_and_runs_nothing() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("<img src=x onerror=alert(1)>").await;
    let mut endpoint = tidings_acceptance::endpoint(&tenant, "http://127.0.0.1:9/?<script>alert(1)</script>");
    endpoint.name = "\"><script>alert(1)</script>{{7*7}}\u{202e}".to_owned();
    system.operator.create_endpoint(endpoint).await;
    let long = "x".repeat(100_000);
    let payload = json!({ "t": "<script>alert(1)</script>\u{202e}\u{0}", "long": long });
    let event = system.operator.publish(&tenant, "a.b", payload).await;
    crate::attempted(&system.operator, &event).await;
    let chromium = Chromium::start(&system, Hand::Mouse, Look::default()).await;
    chromium.open("/webhooks").await;
    chromium.signs_in(&tenant.token).await;
    chromium.shows("{{7*7}}").await;
    let attempt = system.operator.attempts_of(&event).await.remove(0);
    for path in [
        "/webhooks".to_owned(),
        format!("/webhooks/endpoints/{}", attempt.endpoint_id),
        format!("/webhooks/events/{event}"),
        format!("/webhooks/logs/{}", attempt.id),
    ] {
        chromium.open(&path).await;
        chromium.is_sound().await;
        chromium.is_accessible().await;
    }
    chromium.quit().await;
}
