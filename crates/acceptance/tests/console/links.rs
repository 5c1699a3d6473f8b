//! Portal links that open a page in a language and a colour.

use tidings_acceptance::{Standalone, Tenant};
use tidings_proto::pb;

use crate::browser::{Browser, Page, unescaped};
use crate::{seeded, signed_in};

/// The accent that a page has from a link: the name of its style sheet.
fn accent(page: &Page) -> Option<String> {
    let rest = page.text.split("href=\"/webhooks/assets/accent-").nth(1)?;
    rest.split('"').next().map(str::to_owned)
}

/// A link to the log in German and yellow.
async fn link(system: &Standalone, tenant: &Tenant, once: bool) -> String {
    let request = pb::CreatePortalLinkRequest {
        tenant_id: tenant.id.clone(),
        once,
        page: "/webhooks/logs?status_code=5xx".into(),
        lang: "de".into(),
        accent: "#FFe600".into(),
        ..pb::CreatePortalLinkRequest::default()
    };
    let made = system.operator.tenants().create_portal_link(request).await.unwrap();
    made.into_inner().url
}

/// The path of a link with its query, and its fragment.
fn parts<'a>(system: &Standalone, link: &'a str) -> (&'a str, &'a str) {
    link.strip_prefix(&system.servers.http)
        .unwrap()
        .split_once('#')
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_its_page_in_its_language_and_colour() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    for once in [false, true] {
        let link = link(&system, &seeded.tenant, once).await;
        let (path, fragment) = parts(&system, &link);
        let mut browser = Browser::new(&system.servers.http);
        let page = browser.open(path).await;
        assert_eq!((page.status, accent(&page)), (401, None));
        // The script sends the fragment, people without scripts paste the link.
        let pasted = if once { link.as_str() } else { fragment };
        let page = browser.submit(&page, "/webhooks/session", &[("key", pasted)]).await;
        assert_eq!(page.path, "/webhooks/logs?status_code=5xx");
        page.shows("<html lang=\"de\">").shows("feedback.created");
        assert_eq!(accent(&page).as_deref(), Some("ffe600.css"));
        let style = browser.open("/webhooks/assets/accent-ffe600.css").await;
        assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
        // Yellow can be read on black and not on white, where a darker one stands.
        assert_eq!(style.text.matches("--accent: #ffe600;").count(), 1, "{}", style.text);
        assert_eq!(style.text.matches("--accent: #").count(), 2, "{}", style.text);
        let page = browser.open("/webhooks").await;
        page.shows("<html lang=\"de\">");
        assert!(accent(&page).is_some());

        // Whoever chooses a language keeps it, and the session keeps its colour.
        let page = browser
            .submit(&page, "/webhooks/preferences", &[("language", "en")])
            .await;
        page.shows("<html lang=\"en\">");
        assert!(accent(&page).is_some());
        let page = browser.submit(&page, "/webhooks/sign-out", &[]).await;
        assert_eq!((page.status, accent(&page)), (401, None));
        let page = browser.submit(&page, "/webhooks/session", &[("key", &link)]).await;
        if once {
            page.shows("This link works once, and has been used.");
        } else {
            page.shows("<html lang=\"en\">").shows("endpoint kestrel");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_does_not_let_in_says_so_in_its_language() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let link = link(&system, &seeded.tenant, true).await;
    signed_in(&system, &link).await;
    let mut late = Browser::new(&system.servers.http);
    let page = late.open("/webhooks").await;
    page.shows("<html lang=\"en\">");
    let page = late.submit(&page, "/webhooks/session", &[("key", &link)]).await;
    assert_eq!(page.status, 401);
    page.shows("Dieser Link gilt nur einmal und wurde schon benutzt.");
    assert!(accent(&page).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_somebody_changed_does_no_harm() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let link = link(&system, &seeded.tenant, false).await;
    let (_, fragment) = parts(&system, &link);
    let token = fragment.split('&').next().unwrap();
    for look in [
        "&lang=fr&accent=red",
        "&lang=de%22%3E%3Cscript%3E&accent=%23ffe600%22%3E%3Cscript%3E",
        "&accent=..%2F..%2Fadmin",
        "&lang=&accent=",
    ] {
        let mut browser = signed_in(&system, &format!("{token}{look}")).await;
        let page = browser.open("/webhooks").await;
        page.shows("<html lang=\"en\">").shows("endpoint kestrel");
        assert_eq!(accent(&page), None, "{look}");
    }
    let mut browser = Browser::new(&system.servers.http);
    let page = browser.open("/webhooks").await;
    for next in ["https://evil.example/webhooks", "//evil.example"] {
        let fields = [("key", fragment), ("next", next)];
        let page = browser.submit(&page, "/webhooks/session", &fields).await;
        assert_eq!(page.path, "/webhooks", "{next}");
    }
    for wrong in [
        "accent-red.css",
        "accent-ffe600%3B%7D.css",
        "accent-..css",
        "accent-.css",
    ] {
        let answer = browser.open(&format!("/webhooks/assets/{wrong}")).await;
        assert_eq!(answer.status, 404, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_a_link_keeps_what_is_to_be_corrected() {
    let system = Standalone::start().await;
    let seeded = seeded(&system, "kestrel").await;
    let mut browser = signed_in(&system, &seeded.tenant.token).await;
    let page = browser.open("/webhooks/keys").await;
    let asked = [
        ("page", "/admin"),
        ("lang", "de"),
        ("accent", "#ffe600"),
        ("expires_in", "24h"),
        ("works_once", "on"),
    ];
    let page = browser.submit(&page, "/webhooks/keys/link", &asked).await;
    assert_eq!(page.status, 400);
    page.shows("href=\"#page\"")
        .shows("a page begins with `/webhooks`")
        .shows("value=\"/admin\"")
        .shows("value=\"de\" lang=\"de\" selected")
        .shows("value=\"#ffe600\"")
        .shows("<option selected>24h")
        .shows("name=\"works_once\" checked");
    let right = [
        ("page", "/webhooks/logs?status_code=5xx&event_type=a.b"),
        ("works_once", "on"),
    ];
    let page = browser.submit(&page, "/webhooks/keys/link", &right).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let link = page.text.split_once("<code class=\"copy wrap\">").unwrap().1;
    let link = unescaped(link.split('<').next().unwrap());
    let (path, fragment) = parts(&system, &link);
    assert_eq!(path, "/webhooks/logs?status_code=5xx&event_type=a.b");
    assert!(fragment.ends_with("&lang=de&accent=%23ffe600"), "{fragment}");

    // Each language that the form offers is one that a link takes.
    let page = browser.open("/webhooks/keys").await;
    let languages = page.text.split("<option value=\"").skip(1);
    let languages: Vec<_> = languages.filter_map(|rest| rest.split('"').next()).collect();
    assert!(languages.len() > 2, "{languages:?}");
    for language in languages {
        let fields = [("lang", language)];
        let made = browser.submit(&page, "/webhooks/keys/link", &fields).await;
        made.shows("This is the link.");
    }
    browser.language = "de";
    let fields = [("accent", "gelb")];
    let page = browser.submit(&page, "/webhooks/keys/link", &fields).await;
    page.shows("Das ist keine Farbe.").shows("value=\"gelb\"");
}
