//! `/webhooks/logs/export` and `/webhooks/logs/watch`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Duration;

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone, Tenant};
use tidings_testkit::{Answer, Receiver, wait_until};
use tokio::task::spawn_blocking;

use super::Caller;

const PATH: &str = "/webhooks/logs";

/// A tenant with an endpoint.
struct Case {
    tenant: Tenant,
    caller: Caller,
    receiver: Receiver,
}

impl Case {
    async fn new(system: &Standalone) -> Self {
        let receiver = Receiver::start().await;
        let tenant = system.operator.create_tenant("exports").await;
        let caller = Caller::new(system, &tenant.token);
        let asked = json!({ "url": receiver.url(), "subscriptions": [{ "pattern": "*" }], "schedule": ["1h"] });
        caller.post("/endpoints", asked).await.is(201);
        system.operator.ingest_is_up_to_date().await;
        Self {
            tenant,
            caller,
            receiver,
        }
    }

    /// Publishes an event that is answered so; returns the id of the attempt.
    async fn attempt(&self, system: &Standalone, status: u16) -> String {
        self.receiver.answer_next([Answer::Status(status)]);
        let event = system.operator.publish(&self.tenant, "order.paid", json!(status)).await;
        wait_until(SOON, "the attempt to be on record", async || {
            !system.operator.attempts_of(&event).await.is_empty()
        })
        .await;
        system.operator.attempts_of(&event).await[0].id.clone()
    }

    /// The answer to a GET as it comes.
    async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Opened {
        let mut request = ureq::get(format!("{}{path}", self.caller.base))
            .config()
            .http_status_as_error(false)
            .timeout_global(Some(SOON))
            .build()
            .header("authorization", format!("Bearer {}", self.caller.key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        spawn_blocking(move || {
            let answer = request.call().expect("HTTP is answered");
            let header = |name: &str| {
                let value = answer
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned());
                value.unwrap_or_default()
            };
            Opened {
                status: answer.status().as_u16(),
                content_type: header("content-type"),
                disposition: header("content-disposition"),
                body: BufReader::new(Box::new(answer.into_body().into_reader())),
            }
        })
        .await
        .unwrap()
    }
}

struct Opened {
    status: u16,
    content_type: String,
    disposition: String,
    body: BufReader<Box<dyn std::io::Read + Send>>,
}

impl Opened {
    /// All of the body.
    async fn text(mut self) -> String {
        spawn_blocking(move || {
            let mut text = String::new();
            self.body.read_to_string(&mut text).expect("the body ends as it should");
            text
        })
        .await
        .unwrap()
    }

    /// The next Server-Sent Event: its name, id and data. Comments are passed over.
    async fn event(self) -> (Self, [String; 2], Value) {
        spawn_blocking(move || {
            let mut opened = self;
            let (mut name, mut id, mut data) = (String::new(), String::new(), String::new());
            loop {
                let mut line = String::new();
                assert_ne!(opened.body.read_line(&mut line).unwrap(), 0, "the stream ended");
                match line.trim_end().split_once(": ") {
                    Some(("event", value)) => name = value.to_owned(),
                    Some(("id", value)) => id = value.to_owned(),
                    Some(("data", value)) => data = value.to_owned(),
                    None if line == "\n" && !data.is_empty() => {
                        return (opened, [name, id], serde_json::from_str(&data).unwrap());
                    }
                    _ => {}
                }
            }
        })
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn everything_that_matches_is_exported() {
    let system = Standalone::start().await;
    let (case, other) = (Case::new(&system).await, Case::new(&system).await);
    let mut failed = Vec::new();
    for status in [200, 503, 200, 404] {
        let id = case.attempt(&system, status).await;
        if status != 200 {
            failed.insert(0, id);
        }
    }
    other.attempt(&system, 503).await;

    let file = case.open(&format!("{PATH}/export?status_code=4xx,5xx"), &[]).await;
    assert_eq!((file.status, file.content_type.as_str()), (200, "application/x-ndjson"));
    assert!(
        file.disposition.starts_with("attachment; filename=\"attempts-"),
        "{}",
        file.disposition
    );
    let text = file.text().await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids, failed);
    assert_eq!(lines[0]["status_code"], 404);
    assert!(lines[0]["error"].as_str().unwrap().contains("404"), "{}", lines[0]);

    let file = case.open(&format!("{PATH}/export?format=csv&error=503"), &[]).await;
    assert!(file.content_type.starts_with("text/csv"), "{}", file.content_type);
    assert!(file.disposition.ends_with(".csv\""), "{}", file.disposition);
    let text = file.text().await;
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("id,delivery_id,"), "{text}");
    assert!(lines[1].starts_with(&failed[1]) && lines[1].contains(",503,"), "{text}");

    let from = case.open(&format!("{PATH}/export?after={}", failed[1]), &[]).await;
    assert_eq!(from.text().await.lines().count(), 1);
    let wrong = case.caller.get(&format!("{PATH}/export?format=xml")).await;
    wrong.is_problem(400, "format_unknown", "format", "`ndjson`");
    let wrong = case.caller.get(&format!("{PATH}/export?limit=5")).await;
    wrong.is_problem(400, "field_unknown", "limit", "");
    let others = format!("{PATH}/export?tenant_id={}", other.tenant.id);
    case.caller
        .get(&others)
        .await
        .is_problem(404, "tenant_unknown", "tenant_id", "");
}

#[tokio::test]
async fn attempts_are_told_as_they_are_recorded() {
    let system = Standalone::start().await;
    let (case, other) = (Case::new(&system).await, Case::new(&system).await);
    let before = case.attempt(&system, 200).await;

    let stream = case.open(&format!("{PATH}/watch?status_code=5xx"), &[]).await;
    assert_eq!(
        (stream.status, stream.content_type.as_str()),
        (200, "text/event-stream")
    );
    other.attempt(&system, 503).await;
    case.attempt(&system, 200).await;
    let failed = case.attempt(&system, 503).await;
    let (stream, [name, id], data) = stream.event().await;
    assert_eq!((name.as_str(), &id), ("attempt", &failed));
    let listed = case.caller.get(&format!("{PATH}?status_code=5xx")).await.is(200);
    assert_eq!(data, listed["data"][0]);
    drop(stream);

    // Who comes back gets what happened meanwhile, and then what happens.
    let missed = case.attempt(&system, 404).await;
    let stream = case
        .open(
            &format!("{PATH}/watch?status_code=4xx,5xx"),
            &[("last-event-id", &before)],
        )
        .await;
    let (stream, [_, first], _) = stream.event().await;
    let (stream, [_, second], _) = stream.event().await;
    assert_eq!([first, second], [failed, missed]);
    let now = case.attempt(&system, 500).await;
    let (_, [_, third], _) = stream.event().await;
    assert_eq!(third, now);

    let wrong = case
        .caller
        .call("GET", &format!("{PATH}/watch"), &[("last-event-id", "1")], "")
        .await;
    wrong.is_problem(400, "id_invalid", "Last-Event-ID", "`att_`");
    let wrong = case.caller.get(&format!("{PATH}/watch?since=2024-03-15")).await;
    wrong.is_problem(400, "field_unknown", "since", "");
    let wrong = case.caller.get(&format!("{PATH}/watch?outcome=lost")).await;
    wrong.is_problem(400, "name_unknown", "outcome", "");
}

#[tokio::test]
async fn watching_ends_when_the_process_is_to_stop() {
    let mut system = Standalone::start().await;
    let case = Case::new(&system).await;
    let stream = case.open(&format!("{PATH}/watch"), &[]).await;
    let ended = tokio::spawn(stream.text());
    // Less than the grace that other requests have.
    assert!(system.process.terminate(Duration::from_secs(5)).await.success());
    ended.await.unwrap();
}
