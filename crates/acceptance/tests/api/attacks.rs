//! What somebody with a key, or without one, may try: each is refused or bounded, and others are answered meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone, Tenant, endpoint};
use tidings_proto::pb;
use tidings_testkit::Receiver;
use tokio::task::spawn_blocking;

/// Somebody who speaks HTTP as a browser never would.
struct Attacker {
    address: SocketAddr,
    token: String,
}

impl Attacker {
    fn new(system: &Standalone, tenant: &Tenant) -> Self {
        let address = system.servers.rest.trim_start_matches("http://").parse();
        Self {
            address: address.unwrap(),
            token: tenant.token.clone(),
        }
    }

    /// The status and the problem's code of the answer to a POST with this body.
    async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> (u16, String) {
        let body = body.into();
        let head = format!(
            "POST /api/v2{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.address,
            self.token,
            body.len()
        );
        let address = self.address;
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            // The server may have had enough before all of it is sent.
            let _ = stream.write_all(&body);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            read_answer(&answer)
        })
        .await
        .unwrap()
    }
}

/// The status and the problem's code.
fn read_answer(answer: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body: Value = text
        .split_once("\r\n\r\n")
        .and_then(|(_, body)| serde_json::from_str(body).ok())
        .unwrap_or_default();
    (
        status.unwrap_or(0),
        body["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn bodies_that_are_too_large_or_too_deep_are_refused_at_once() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("bodies").await;
    let attacker = Attacker::new(&system, &tenant);
    let began = Instant::now();
    let deep = "[".repeat(500_000);
    for path in ["/endpoints", "/replays", "/api-keys", "/erasures"] {
        let (status, code) = attacker.post(path, deep.clone()).await;
        assert_eq!(status, 400, "{path}: {code}");
        let nested = format!("{{\"name\":{}{}}}", "{\"a\":".repeat(100_000), "1");
        let (status, code) = attacker.post(path, nested).await;
        assert_eq!(status, 400, "{path}: {code}");
        let (status, code) = attacker.post(path, vec![b' '; 2 * 1024 * 1024]).await;
        assert_eq!((status, code.as_str()), (413, "request_too_large"), "{path}");
    }
    let event = format!("{{\"event_type\":\"a.b\",\"payload\":{deep}}}");
    let (status, code) = attacker.post("/events", event).await;
    assert!((400..500).contains(&status), "{status} {code}");
    let (status, _) = attacker.post("/events", vec![b' '; 20 * 1024 * 1024]).await;
    assert_eq!(status, 413);
    assert!(began.elapsed() < SOON);
}

#[tokio::test]
async fn who_drips_a_body_is_cut_off_and_others_are_answered_meanwhile() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("dripping").await;
    let attacker = Attacker::new(&system, &tenant);
    let head = format!(
        "POST /api/v2/endpoints HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 1000000\r\n\r\n",
        tenant.token
    );
    let address = attacker.address;
    let drips: Vec<_> = (0..50)
        .map(|_| {
            let head = head.clone();
            spawn_blocking(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                stream.write_all(head.as_bytes()).unwrap();
                let began = Instant::now();
                let mut answer = Vec::new();
                // A byte now and then, until the server has had enough.
                while began.elapsed() < 2 * SOON {
                    let mut part = [0; 4_096];
                    match stream.read(&mut part) {
                        Ok(0) => break,
                        Ok(read) => {
                            answer.extend_from_slice(&part[..read]);
                            break;
                        }
                        Err(_) if stream.write_all(b" ").is_err() => break,
                        Err(_) => {}
                    }
                }
                (began.elapsed(), read_answer(&answer).0)
            })
        })
        .collect();
    let (status, code) = attacker.post("/endpoints", "{}").await;
    assert_eq!((status, code.as_str()), (400, "field_missing"), "others are answered");
    for drip in drips {
        let (held, status) = drip.await.unwrap();
        assert!(held < Duration::from_secs(45), "a connection was held for {held:?}");
        assert!(status == 400 || status == 0, "{status}");
    }
}

#[tokio::test]
async fn headers_are_not_injected_and_templates_not_evaluated() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let tenant = client.create_tenant("injecting").await;
    let attacker = Attacker::new(&system, &tenant);
    let receiver = Receiver::start().await;
    for value in ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\0b", "ä"] {
        let asked = json!({
            "url": receiver.url(), "subscriptions": [{ "pattern": "*" }],
            "authentication": { "headers": { "x-own": value } }
        });
        let (status, code) = attacker.post("/endpoints", asked.to_string()).await;
        let expected = if value.contains('\0') {
            "text_invalid"
        } else {
            "authentication_invalid"
        };
        assert_eq!((status, code.as_str()), (400, expected), "{value:?}");
    }
    for name in ["webhook-id", "Host", "content-length", "x evil", "x-evil:"] {
        let asked = json!({
            "url": receiver.url(), "subscriptions": [{ "pattern": "*" }],
            "authentication": { "headers": { name: "1" } }
        });
        let (status, code) = attacker.post("/endpoints", asked.to_string()).await;
        assert_eq!((status, code.as_str()), (400, "authentication_invalid"), "{name:?}");
    }

    // What looks like a template in a payload or a name is text.
    let template = "{{ 77777 * 77777 }}{% for x in range(9) %}x{% endfor %}${jndi:ldap://x}";
    let mut expected = 0;
    for dialect in [
        "standard",
        "userback",
        "userhero",
        "feedbackpulse",
        "cloudevents",
        "slack",
        "discord",
    ] {
        let made = pb::Endpoint {
            name: template.into(),
            dialect: dialect.into(),
            ..endpoint(&tenant, &receiver.url())
        };
        client.create_endpoint(made).await;
        expected += 1;
    }
    let payload = json!({ "id": 1, "message": template, "comment": template });
    client.publish(&tenant, "feedback.created", payload).await;
    for request in receiver.wait_for(expected, SOON).await {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!body.contains("6049261729") && !body.contains("xxxxxxxxx"), "{body}");
        // Discord's messages escape the asterisk.
        assert!(body.contains("{{ 77777 "), "{body}");
    }
}

#[tokio::test]
async fn every_spelling_of_a_private_address_is_refused() {
    let system = Standalone::start_with(&[("DESTINATIONS__ALLOWED_NETWORKS", "[]")]).await;
    let tenant = system.operator.create_tenant("ssrf").await;
    let attacker = Attacker::new(&system, &tenant);
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "https://127.0.0.1./",
        "https://①②⑦.⓪.⓪.①/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://metadata.google.internal/",
        "https://intranet/",
        "https://user:password@example.com/",
        "https://example.com:22/",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "javascript:alert(1)",
        "//example.com/",
        "https://",
    ] {
        let asked = json!({ "url": url, "subscriptions": [{ "pattern": "*" }] });
        let (status, code) = attacker.post("/endpoints", asked.to_string()).await;
        assert_eq!(status, 400, "{url}: {code}");
        assert!(
            ["url_not_allowed", "url_invalid"].contains(&code.as_str()),
            "{url}: {code}"
        );
    }
}

#[tokio::test]
async fn one_event_does_not_go_to_more_endpoints_than_a_tenant_may_have() {
    let system = Standalone::start_with(&[("CONTROL__MAX_ENDPOINTS_PER_TENANT", "20")]).await;
    let tenant = system.operator.create_tenant("fan-out").await;
    let attacker = Attacker::new(&system, &tenant);
    let receiver = Receiver::start().await;
    let asked = json!({ "url": receiver.url(), "subscriptions": [{ "pattern": "*" }] }).to_string();
    for number in 0..20 {
        let (status, code) = attacker.post("/endpoints", asked.clone()).await;
        assert_eq!(status, 201, "{number}: {code}");
    }
    let (status, code) = attacker.post("/endpoints", asked.clone()).await;
    assert_eq!((status, code.as_str()), (429, "too_many_endpoints"));
    let many = vec![json!({ "pattern": "a.b" }); 100_000];
    let asked = json!({ "url": receiver.url(), "subscriptions": many });
    let (status, _) = attacker.post("/endpoints", asked.to_string()).await;
    assert!([400, 413].contains(&status), "{status}");
}
