//! The console as people use it: pages are read, links followed, forms submitted, all without scripts.

#![allow(clippy::unwrap_used, reason = "a test panics with what it found")]

mod attacks;
mod attempts;
mod browser;
mod chromium;
mod journeys;
mod links;
mod pages;
mod screen;
mod tenants;
mod verify;

use serde_json::json;
use tidings_acceptance::{Client, SOON, Standalone, Tenant};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};

use self::browser::Browser;

/// A tenant with an endpoint, an event that arrived and one that did not.
struct Seeded {
    tenant: Tenant,
    receiver: Receiver,
    /// The events, the first of which arrived.
    events: [String; 2],
}

/// Seeds a tenant whose texts all contain this word.
async fn seeded(system: &Standalone, word: &str) -> Seeded {
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant(&format!("tenant {word}")).await;
    let mut endpoint = tidings_acceptance::endpoint(&tenant, &format!("{}/{word}", receiver.url()));
    endpoint.name = format!("endpoint {word}");
    system.operator.create_endpoint(endpoint).await;
    receiver.answer_next([
        Answer::full(200, &[("x-from", word)], format!("thanks {word}")),
        failure(word),
    ]);
    let mut events = Vec::new();
    for _ in 0..2 {
        let payload = json!({ "id": 1, "text": word, "big": 12_345_678_901_234_567_890_u64 });
        let event = system.operator.publish(&tenant, "feedback.created", payload).await;
        attempted(&system.operator, &event).await;
        events.push(event);
    }
    Seeded {
        tenant,
        receiver,
        events: events.try_into().unwrap(),
    }
}

fn failure(word: &str) -> Answer {
    Answer::full(503, &[], format!("<script>alert('{word}')</script>"))
}

async fn attempted(operator: &Client, event: &str) {
    wait_until(SOON, "the attempt to be on record", async || {
        !operator.attempts_of(event).await.is_empty()
    })
    .await;
}

/// A link by which the tenant's people look at their webhooks and change nothing.
async fn read_only_link(system: &Standalone, tenant: &Tenant) -> String {
    let request = pb::CreatePortalLinkRequest {
        tenant_id: tenant.id.clone(),
        read_only: true,
        ..pb::CreatePortalLinkRequest::default()
    };
    let made = system.operator.tenants().create_portal_link(request).await.unwrap();
    made.into_inner().url
}

/// Ends the tenant's first key.
async fn revoke_first_key(system: &Standalone, tenant: &Tenant) {
    let request = pb::ListApiKeysRequest {
        tenant_id: tenant.id.clone(),
        ..pb::ListApiKeysRequest::default()
    };
    let keys = system
        .operator
        .tenants()
        .list_api_keys(request)
        .await
        .unwrap()
        .into_inner();
    let key_id = keys.keys[0].id.clone();
    system
        .operator
        .tenants()
        .revoke_api_key(pb::RevokeApiKeyRequest { key_id })
        .await
        .unwrap();
}

/// A browser that is signed in with this key.
async fn signed_in(system: &Standalone, key: &str) -> Browser {
    let mut browser = Browser::new(&system.servers.http);
    let page = browser.open("/webhooks").await;
    assert_eq!(page.status, 401, "{}", page.text);
    let page = browser.submit(&page, "/webhooks/session", &[("key", key)]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    browser
}
