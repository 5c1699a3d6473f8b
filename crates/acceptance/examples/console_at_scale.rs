//! Weight and server time of the console's pages over a large ledger: `scripts/bench-console` runs it.
//!
//! Starts the program under test on a PostgreSQL database whose log `log_at_scale` has filled, adds tenants and endpoints,
//! and asks for each page a hundred times over one connection, compressed as a browser asks for it. Server time is from the
//! request to the last byte of the answer, over loopback. The first visit is counted with everything that the page refers
//! to, and Chromium says when it first painted. Limit: one visitor and nothing else, and what is asked for a hundred times is in memory
//! from the second time on.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that can not run has nobody to tell but its user"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tidings_acceptance::{SOON, Standalone, endpoint};
use tidings_testkit::chromium::Driver;
use tidings_testkit::{Receiver, wait_until};
use tokio::task::spawn_blocking;
use tokio_postgres::NoTls;

const ROUNDS: usize = 100;
/// Paints of a first visit.
const VISITS: usize = 5;
/// The token of the tenant that has half of the log.
const TOKEN: &str = "tk_of-the-largest-tenant";
/// The longest payload that ingest takes by default, nearly.
const LARGE: usize = 250_000;

/// 100,000 tenants with 200,000 endpoints between them, 500 of which are the largest tenant's, and its key. Triggers would
/// announce every row to nobody.
const REGISTRY: &str = "
SET session_replication_role = replica;
INSERT INTO tenants (id, name, created_at, updated_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'Tenant ' || n, now(), now() FROM generate_series(0, 99999) n;
INSERT INTO api_keys (id, tenant_id, scopes, hint, token_hash, created_at)
SELECT id, id, '{read,manage}', 'tk_', sha256('tk_of-the-largest-tenant'), now() FROM tenants ORDER BY id LIMIT 1;
INSERT INTO endpoints (id, tenant_id, name, url, dialect, subscriptions, enabled, overrides, created_at, updated_at)
SELECT lpad(to_hex(n), 32, '0')::uuid,
       lpad(to_hex(CASE WHEN n < 500 THEN 0 ELSE 1 + n % 99999 END), 32, '0')::uuid,
       'Endpoint ' || n, 'https://hooks.example.com/' || n, 'standard',
       '[{\"pattern\": \"feedback.*\", \"enabled\": true}]', true, '{}', now(), now()
FROM generate_series(0, 199999) n;
ANALYZE tenants, api_keys, endpoints;";

#[tokio::main]
async fn main() {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: console_at_scale URL");
        std::process::exit(2);
    };
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(REGISTRY).await.unwrap();
    let system = Standalone::start_with(&[("DATABASE__URL", &url)]).await;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average {}", load.trim());
    let visitor = Visitor::sign_in(&system, TOKEN).await;
    let operator = Visitor::sign_in(&system, &system.operator_token).await;
    println!(
        "{:<44} {:>8} {:>8} {:>10} {:>10}",
        "page", "p50 ms", "p99 ms", "wire bytes", "bytes"
    );
    for (name, path) in [
        ("log: 50 rows", "/webhooks/logs"),
        ("log: an event type", "/webhooks/logs?event_type=feedback.created"),
        ("log: 5xx", "/webhooks/logs?status_code=5xx"),
        (
            "log: rare, one of a million",
            "/webhooks/logs?event_type=account.closed",
        ),
        ("log: nothing there", "/webhooks/logs?event_type=nobody.knows"),
        ("endpoints: 500", "/webhooks"),
        ("deliveries", "/webhooks/deliveries"),
        ("events", "/webhooks/events"),
        ("event types", "/webhooks/event-types"),
        ("keys", "/webhooks/keys"),
    ] {
        visitor.measure(name, path).await;
    }
    for (name, path) in [
        ("operators: what is wrong", "/admin"),
        ("operators: log of all tenants", "/admin/webhook-logs"),
        ("operators: tenants, 100,000", "/admin/tenants"),
        ("operators: endpoints, 200,000", "/admin/endpoints"),
    ] {
        operator.measure(name, path).await;
    }
    measure_one_event(&system).await;
    visitor.first_visit("/webhooks/logs").await;
    paint(&system).await;
}

/// The pages of an event of 1 KB and of a large one, of its delivery and of its attempt.
async fn measure_one_event(system: &Standalone) {
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("Bench").await;
    let made = system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;
    let visitor = Visitor::sign_in(system, &tenant.token).await;
    for (size, length) in [("1 KB", 1_000), ("250 KB", LARGE)] {
        let payload = json!({ "rows": vec![json!({ "id": 1, "text": "0123456789" }); length / 30] });
        let event = system.operator.publish(&tenant, "feedback.created", payload).await;
        wait_until(SOON, "the attempt to be on record", async || {
            !system.operator.attempts_of(&event).await.is_empty()
        })
        .await;
        let attempt = system.operator.attempts_of(&event).await.remove(0);
        for (name, path) in [
            ("event", format!("/webhooks/events/{event}")),
            ("delivery", format!("/webhooks/deliveries/{}", attempt.delivery_id)),
            ("attempt", format!("/webhooks/logs/{}", attempt.id)),
        ] {
            visitor.measure(&format!("{name} of {size}"), &path).await;
        }
    }
    let path = format!("/webhooks/endpoints/{}", made.id);
    visitor.measure("endpoint", &path).await;
    visitor.measure("send test", &format!("{path}/test")).await;
}

/// Somebody who is signed in.
#[derive(Clone)]
struct Visitor {
    agent: ureq::Agent,
    base: String,
    cookie: String,
}

impl Visitor {
    async fn sign_in(system: &Standalone, key: &str) -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(SOON))
            .build()
            .into();
        let (base, key) = (system.servers.http.clone(), key.to_owned());
        spawn_blocking(move || {
            let answer = agent
                .post(format!("{base}/webhooks/session"))
                .header("origin", &base)
                .header("content-type", "application/x-www-form-urlencoded")
                .send(format!("key={key}&next=/webhooks"))
                .unwrap();
            let cookie = answer.headers().get("set-cookie");
            let cookie = cookie.unwrap_or_else(|| panic!("no session: {}", answer.status()));
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            Self { agent, base, cookie }
        })
        .await
        .unwrap()
    }

    /// An answer as it is on the wire, with its time and its status.
    fn get(&self, path: &str, encoding: &str) -> (Duration, u16, Vec<u8>) {
        let began = Instant::now();
        let answer = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("cookie", &self.cookie)
            .header("accept-encoding", encoding)
            .call()
            .unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().with_config().limit(u64::MAX).read_to_vec().unwrap();
        (began.elapsed(), status, body)
    }

    /// Measures a page and prints a row.
    async fn measure(&self, name: &str, path: &str) {
        let (visitor, path) = (self.clone(), path.to_owned());
        let measured = spawn_blocking(move || {
            let (_, status, plain) = visitor.get(&path, "identity");
            assert_eq!(status, 200, "{path}");
            let mut times = Vec::with_capacity(ROUNDS);
            let mut wire = 0;
            for _ in 0..ROUNDS {
                let (took, status, body) = visitor.get(&path, "br");
                assert_eq!(status, 200, "{path}");
                times.push(took);
                wire = body.len();
            }
            times.sort();
            (times[ROUNDS / 2], times[ROUNDS * 99 / 100], wire, plain.len())
        });
        let (median, p99, wire, plain) = measured.await.unwrap();
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        println!("{name:<44} {:>8.1} {:>8.1} {wire:>10} {plain:>10}", ms(median), ms(p99));
    }

    /// Prints what a first visit asks for: the page and everything that it refers to.
    async fn first_visit(&self, path: &str) {
        let (visitor, path) = (self.clone(), path.to_owned());
        let visit = spawn_blocking(move || {
            let (_, _, plain) = visitor.get(&path, "identity");
            let text = String::from_utf8(plain).unwrap();
            let assets: BTreeSet<&str> = text
                .split('"')
                .filter(|value| value.contains("/assets/"))
                .map(|value| value.split('#').next().unwrap())
                .collect();
            let (_, _, page) = visitor.get(&path, "br");
            println!("first visit: {} bytes over the wire", page.len());
            let mut bytes = page.len();
            for asset in &assets {
                let (_, status, body) = visitor.get(asset, "br");
                assert_eq!(status, 200, "{asset}");
                println!("  {:>7} {asset}", body.len());
                bytes += body.len();
            }
            println!("  {bytes:>7} in {} requests", 1 + assets.len());
        });
        visit.await.unwrap();
    }
}

/// Prints when Chromium first painted the log, with nothing in its cache.
async fn paint(system: &Standalone) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let driver = spawn_blocking(Driver::start).await.unwrap();
    let mut wanted = DesiredCapabilities::chrome();
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
    ] {
        wanted.add_arg(argument).unwrap();
    }
    let web = WebDriver::new(driver.url(), wanted).await.unwrap();
    let url = format!("{}/webhooks/logs", system.servers.http);
    web.goto(format!("{url}#token={TOKEN}")).await.unwrap();
    wait_until(SOON, "the log to be shown", async || {
        web.find(By::Id("attempts")).await.is_ok()
    })
    .await;
    let mut paints = Vec::new();
    for _ in 0..VISITS {
        web.cdp()
            .send_raw("Network.clearBrowserCache", Value::Null)
            .await
            .unwrap();
        web.goto(&url).await.unwrap();
        let script = "const done = arguments[0];
            new PerformanceObserver((list) => {
              const first = performance.getEntriesByName('first-contentful-paint')[0].startTime;
              done([first, list.getEntries().at(-1).startTime]);
            }).observe({ type: 'largest-contentful-paint', buffered: true });";
        let times = web.execute_async(script, Vec::new()).await.unwrap();
        paints.push(times.convert::<[f64; 2]>().unwrap());
    }
    paints.sort_by(|one, other| one[1].total_cmp(&other[1]));
    let [first, largest] = paints[VISITS / 2];
    println!("Chromium, empty cache: first paint {first:.0} ms, largest {largest:.0} ms (median of {VISITS})");
    web.quit().await.unwrap();
}
