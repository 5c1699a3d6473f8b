//! Spans: one trace from the publisher to the answer, and a collector that nobody waits for.

use std::time::{Duration, Instant};

use serde_json::json;
use tidings_acceptance::{Collector, Load, SOON, Span, System, endpoint, request};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};
use tokio::net::TcpListener;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What OpenTelemetry calls the kinds.
const SERVER: &str = "SPAN_KIND_SERVER";
const CLIENT: &str = "SPAN_KIND_CLIENT";
const PRODUCER: &str = "SPAN_KIND_PRODUCER";
const CONSUMER: &str = "SPAN_KIND_CONSUMER";

#[tokio::test]
async fn one_trace_leads_from_the_publisher_to_the_answer_and_into_the_ledger() {
    let collector = Collector::start();
    let mut system = System::prepare().await;
    system.set("TIDINGS_TRACING__ENDPOINT", &collector.url());
    system.set("TIDINGS_TRACING__SAMPLE", "0");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    let operator = &system.operator;
    let tenant = operator.create_tenant("tracing").await;
    let wanted = pb::Endpoint {
        schedule: vec![prost_types::Duration { seconds: 1, nanos: 0 }],
        ..endpoint(&tenant, &format!("{}/hook/of-a-customer", receiver.url()))
    };
    operator.create_endpoint(wanted).await;

    let untraced = operator.publish(&tenant, "traced.not", json!({})).await;
    operator.wait_for_state(&untraced, "succeeded").await;
    receiver.answer_next([Answer::Status(503), Answer::Status(410)]);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let mut publish = tonic::Request::new(request(&tenant, "traced", json!({ "private": "content" })));
    publish
        .metadata_mut()
        .insert("traceparent", traceparent.parse().unwrap());
    let event = operator.events().publish(publish).await.unwrap().into_inner().event_id;
    let received = receiver.wait_for(3, SOON).await;
    assert!(
        received[1..]
            .iter()
            .all(|request| request.header("traceparent") == Some(&traceparent))
    );

    let found = |name: &str, of: &str| {
        let spans = collector.spans();
        spans.into_iter().find(|span| span.name == name && span.parent == of)
    };
    let publish = wait_for("publish", || found("publish", PARENT)).await;
    assert_eq!((publish.service.as_str(), publish.kind), ("tidings-ingest", SERVER));
    assert_eq!(publish.attributes["tidings.event.id"], event);
    let queue = wait_for("queue", || found("queue", &publish.id)).await;
    assert_eq!(queue.kind, PRODUCER);
    let record = wait_for("record", || found("record", &publish.id)).await;
    assert_eq!(record.kind, CLIENT);
    let commit = wait_for("commit", || found("commit", &record.id)).await;
    assert_eq!((commit.service.as_str(), commit.kind), ("tidings-log", SERVER));

    let attempt = wait_for("attempt", || found("attempt", &publish.id)).await;
    assert_eq!(
        (attempt.service.as_str(), attempt.kind),
        ("tidings-dispatcher", CONSUMER)
    );
    assert!(attempt.failed && attempt.attributes["tidings.outcome"] == "failed_retryable");
    let sent = wait_for("request", || found("request", &attempt.id)).await;
    assert_eq!((sent.kind, sent.failed), (CLIENT, true));
    assert_eq!(sent.attributes["http.response.status_code"], "503");
    assert_eq!(sent.attributes["server.address"], "127.0.0.1");
    let record = wait_for("record of the attempt", || found("record", &attempt.id)).await;
    wait_for("commit of the attempt", || found("commit", &record.id)).await;

    // A trace of its own, a day later perhaps, which leads back to the publisher's.
    let is_retry = |span: &Span| span.name == "attempt" && span.parent.is_empty();
    let retry = wait_for("retry", || collector.spans().into_iter().find(is_retry)).await;
    assert_ne!(retry.trace, TRACE);
    assert_eq!(
        (retry.links.as_slice(), retry.attributes["tidings.attempt"].as_str()),
        ([TRACE.to_owned()].as_slice(), "2")
    );
    let line = system
        .dispatcher
        .running()
        .wait_for_line("answered 410 Gone", SOON)
        .await;
    assert!(line.contains(&retry.trace), "log lines bear the trace: {line}");

    let spans = collector.spans();
    assert!(
        spans
            .iter()
            .all(|span| [TRACE, &retry.trace].contains(&span.trace.as_str())),
        "{spans:?}"
    );
    let all = format!("{spans:?}");
    for private in ["of-a-customer", "private", "webhook-signature"] {
        assert!(!all.contains(private), "{private}: {all}");
    }
}

#[tokio::test]
async fn a_collector_that_dies_or_hangs_costs_no_delivery_and_no_time() {
    let mut collector = Collector::start();
    let mut system = System::prepare().await;
    system.set("TIDINGS_TRACING__ENDPOINT", &collector.url());
    system.set("TIDINGS_TRACING__SAMPLE", "1");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("tracing").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    let spans_of = |outcome: &str| format!("tidings_trace_spans_total{{outcome=\"{outcome}\"}}");

    let load = Load::start(&operator, &tenant, 40);
    wait_until(SOON, "spans", async || !collector.spans().is_empty()).await;
    collector.stop();
    let away = async || system.dispatcher.get("/metrics").await.body;
    wait_until(SOON, "spans to fail", async || {
        let metrics = away().await;
        let failed = metrics.lines().find_map(|line| line.strip_prefix(&spans_of("failed")));
        failed.is_some_and(|count| count.trim() != "0")
    })
    .await;
    let before = collector.spans().len();
    collector.restart();
    wait_until(SOON, "spans again", async || collector.spans().len() > before).await;
    let published = load.stop().await;
    assert_eq!(published.refused, 0);
    operator.wait_for_all(&published.accepted, &made, "succeeded").await;

    // One that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    for role in system.roles() {
        role.terminate(SOON).await;
    }
    system.set("TIDINGS_TRACING__ENDPOINT", &address);
    system.start_roles().await;
    let load = Load::start(&operator, &tenant, 40);
    let sent = receiver.count();
    wait_until(SOON, "deliveries", async || receiver.count() > sent + 100).await;
    let published = load.stop().await;
    assert_eq!(published.refused, 0);
    operator.wait_for_all(&published.accepted, &made, "succeeded").await;
    for role in system.roles() {
        let told = Instant::now();
        assert_eq!(role.terminate(SOON).await.code(), Some(0));
        println!("stopped in {:?}", told.elapsed());
        assert!(
            told.elapsed() < Duration::from_secs(15),
            "the end of a process waits for spans, but not for long"
        );
    }
}

/// Waits for a span and returns it.
async fn wait_for(what: &str, mut find: impl FnMut() -> Option<Span>) -> Span {
    let mut found = None;
    wait_until(SOON, &format!("the span {what}"), async || {
        found = find();
        found.is_some()
    })
    .await;
    found.unwrap()
}
