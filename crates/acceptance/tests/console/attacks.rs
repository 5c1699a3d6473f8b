//! Attacks on the console: another tenant's word on a page, a script that others wrote, a form from elsewhere.

use std::collections::BTreeSet;

use serde_json::json;
use tidings_acceptance::Standalone;

use crate::browser::{Browser, Page};
use crate::journeys::operator;
use crate::{read_only_link, seeded, signed_in};

/// The most pages that one visitor looks at.
const MAX_PAGES: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_a_tenant_has_anything_of_another() {
    let system = Standalone::start().await;
    let one = seeded(&system, "kestrel").await;
    let other = seeded(&system, "heron").await;
    let pages = crawl(&mut signed_in(&system, &one.tenant.token).await, "/webhooks").await;
    assert!(pages.len() > 15, "{}", pages.len());
    for page in &pages {
        assert!(page.status < 500, "{} {}", page.path, page.text);
        assert!(!page.text.contains("heron"), "{}", page.path);
        is_tidy(page);
    }
    assert!(pages.iter().any(|page| page.text.contains("thanks kestrel")));

    // Pages of the other tenant that somebody guesses.
    let mut stranger = signed_in(&system, &one.tenant.token).await;
    for page in crawl(&mut signed_in(&system, &other.tenant.token).await, "/webhooks").await {
        let is_of_one = page.path.contains("_") && !page.path.contains('?') && page.status == 200;
        if is_of_one {
            let seen = stranger.open(&page.path).await;
            assert!(
                seen.status == 404 && !seen.text.contains("heron"),
                "{} {}",
                seen.status,
                page.path
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_changes_nothing_and_strangers_see_nothing() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let link = read_only_link(&system, &seeded.tenant).await;
    let mut reader = signed_in(&system, &link).await;
    let pages = crawl(&mut reader, "/webhooks").await;
    let mut forms: Vec<_> = pages.iter().flat_map(Page::forms).filter(|form| form.is_post).collect();
    forms.retain(|form| !["/webhooks/preferences", "/webhooks/sign-out"].contains(&form.action.as_str()));
    let mut actions: BTreeSet<_> = forms.iter().map(|form| form.action.clone()).collect();
    let endpoint = pages
        .iter()
        .find_map(|page| page.links().into_iter().find(|link| link.contains("/endpoints/ep_")));
    let endpoint = endpoint.unwrap();
    let hidden = [
        "disable",
        "enable",
        "delete",
        "test",
        "secret",
        "rotate-secret",
        "recover",
        "settings",
    ];
    actions.extend(hidden.iter().map(|action| format!("{endpoint}/{action}")));
    for action in &actions {
        let answer = reader.post(action, &[], &[]).await;
        assert!(
            [400, 403, 404, 409, 422].contains(&answer.status),
            "{action}: {} {}",
            answer.status,
            answer.text
        );
    }
    let page = reader.open(&endpoint).await;
    assert!(!page.text.contains("Turn off"), "{}", page.text);

    let mut nobody = Browser::new(&system.servers.http);
    for page in &pages {
        let seen = nobody.open(&page.path).await;
        assert!(seen.status == 401 && !seen.text.contains("kestrel"), "{}", page.path);
        is_tidy(&seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_from_elsewhere_are_refused_and_torture_is_shown_as_it_is() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("Acme").await;
    let mut browser = signed_in(&system, &tenant.token).await;
    let name = "<script>alert(1)</script>\"'{{7*7}}\u{202e}";
    let mut endpoint = tidings_acceptance::endpoint(&tenant, "http://127.0.0.1:9/x?<b>&amp;\"'");
    endpoint.name = name.to_owned();
    let endpoint = system.operator.create_endpoint(endpoint).await;
    let path = format!("/webhooks/endpoints/{}", endpoint.id);
    for page in crawl(&mut browser, "/webhooks").await {
        is_tidy(&page);
        assert!(
            !page.text.contains("<script>alert") && !page.text.contains("49\u{202e}"),
            "{}",
            page.text
        );
    }
    let event = system.operator.publish(&tenant, "a.b", json!({ "t": name })).await;
    crate::attempted(&system.operator, &event).await;
    let page = browser.open(&format!("/webhooks/events/{event}")).await;
    page.shows("U+202E").shows("&#60;script&#62;");

    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let answer = browser
            .post(&format!("{path}/disable"), &[], &[("origin", origin)])
            .await;
        assert_eq!(answer.status, 403, "{origin}: {}", answer.text);
    }
    assert_eq!(browser.post(&format!("{path}/disable"), &[], &[]).await.status, 200);
    assert_eq!(
        browser.open(&format!("{path}/disable")).await.status,
        405,
        "nothing changes by being looked at"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_pages_are_tidy_and_no_tenants() {
    let mut system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    system.park(&[b"<script>alert(1)</script>", b"\xff\x00"]).await;
    let mut browser = operator(&system).await;
    let pages = crawl(&mut browser, "/admin").await;
    let visited = |part: &str| {
        pages
            .iter()
            .any(|page| page.path.starts_with(part) && page.status == 200)
    };
    for part in [
        "/admin/endpoints",
        "/admin/queues/parked/messages/",
        "/admin/queues/parked/all/requeue",
        "/admin/event-types/",
        "/admin/dialects/",
        "/admin/keys/key_",
        "/admin/audit",
        "/admin/system",
        "/admin/tenants/ten_",
    ] {
        assert!(visited(part), "{part}");
    }
    for page in &pages {
        assert!(page.status < 500, "{} {}", page.path, page.text);
        is_tidy(page);
        assert!(
            !page.text.contains("<script>alert") || page.path.ends_with("body"),
            "{}",
            page.path
        );
        assert!(!page.text.contains(&system.operator_token), "{}", page.path);
    }

    // Neither with a tenant's session nor with its key in the operators' cookie.
    let mut tenant = signed_in(&system, &seeded.tenant.token).await;
    for page in &pages {
        let seen = tenant.open(&page.path).await;
        assert!(
            seen.status == 401 && !seen.text.contains("kestrel"),
            "{} {}",
            seen.status,
            page.path
        );
    }
    let forms = pages.iter().flat_map(Page::forms).filter(|form| form.is_post);
    let actions: BTreeSet<_> = forms
        .map(|form| form.action)
        .filter(|action| action.starts_with("/admin"))
        .collect();
    assert!(actions.len() > 5, "{actions:?}");
    for action in &actions {
        let answer = browser.post(action, &[], &[("origin", "https://evil.example")]).await;
        assert_eq!(answer.status, 403, "{action}: {}", answer.text);
        assert_eq!(tenant.post(action, &[], &[]).await.status, 401, "{action}");
    }
}

/// Every page that links lead to, each kind of query once.
async fn crawl(browser: &mut Browser, start: &str) -> Vec<Page> {
    let (mut waiting, mut seen, mut pages) = (vec![start.to_owned()], BTreeSet::new(), Vec::new());
    while let Some(path) = waiting.pop() {
        if pages.len() >= MAX_PAGES || path.contains("/tail") || path.contains("/assets/") || !seen.insert(path.clone())
        {
            continue;
        }
        let page = browser.open(&path).await;
        waiting.extend(page.links());
        pages.push(page);
    }
    pages
}

/// Nothing inline, nothing from elsewhere, and the headers that see to it.
#[track_caller]
fn is_tidy(page: &Page) {
    let policy = page
        .headers
        .get("content-security-policy")
        .map(String::as_str)
        .unwrap_or_default();
    assert!(policy.contains("default-src 'none'"), "{}: {policy}", page.path);
    assert_eq!(page.headers["x-content-type-options"], "nosniff", "{}", page.path);
    if !page.headers["content-type"].starts_with("text/html") {
        return;
    }
    let text = &page.text;
    assert!(page.headers["cache-control"].contains("no-store"), "{}", page.path);
    assert_eq!(
        text.matches("<script").count(),
        text.matches("<script src=\"/webhooks/assets/").count(),
        "{text}"
    );
    for inline in [" style=\"", " onclick=", " onload=", "javascript:", "<style", "<iframe"] {
        assert!(!text.contains(inline), "{}: {inline}", page.path);
    }
    for (before, what) in [(" src=\"", "sources"), ("<link rel=\"stylesheet\" href=\"", "styles")] {
        let all_local = text
            .split(before)
            .skip(1)
            .all(|rest| rest.starts_with("/webhooks/assets/"));
        assert!(all_local, "{}: foreign {what}", page.path);
    }
}
