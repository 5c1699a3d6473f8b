//! How many events a second the SQLite ledger records: event, delivery, attempt and the delivery's new state, with a
//! payload of 1 KB, in batches of 100.

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidings_domain::{
    AttemptId, DeliveryId, DeliveryState, EndpointId, EventId, Outcome, Step, TenantId, Timestamp, Timing,
};
use tidings_store::ledger::{Attempt, AttemptSummary, DeliveryMove, Ledger, NewEvent, Record, RequestBody};
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;

const BATCH: usize = 100;

fn record(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let sealer = Sealer::new(vec![SealKey::generate()]).expect("a sealer");
    let store = Sqlite::open(&directory.path().join("bench.db"), sealer).expect("a database");
    let tenants: Vec<_> = (0..100).map(|_| (TenantId::new(), EndpointId::new())).collect();

    let mut group = c.benchmark_group("sqlite");
    group
        .throughput(Throughput::Elements(BATCH as u64))
        .sample_size(20)
        .measurement_time(Duration::from_secs(10));
    for writers in [1, 4] {
        group.bench_function(format!("record, batches of {BATCH}, {writers} at a time"), |b| {
            b.iter_custom(|batches| {
                let batches: Vec<_> = (0..batches).map(|_| batch(&tenants)).collect();
                let began = Instant::now();
                runtime.block_on(async {
                    let mut tasks = tokio::task::JoinSet::new();
                    for batch in batches {
                        if tasks.len() == writers {
                            tasks.join_next().await;
                        }
                        let store = store.clone();
                        tasks.spawn(async move { store.record(batch).await.expect("recorded") });
                    }
                    tasks.join_all().await;
                });
                began.elapsed()
            });
        });
    }
    group.finish();
}

fn batch(tenants: &[(TenantId, EndpointId)]) -> Vec<Record> {
    (0..BATCH)
        .flat_map(|n| event_and_attempt(tenants[n % tenants.len()]))
        .collect()
}

fn event_and_attempt((tenant, endpoint): (TenantId, EndpointId)) -> [Record; 2] {
    let now = Timestamp::now();
    let event = NewEvent {
        id: EventId::new(),
        tenant,
        event_type: "feedback.created".parse().expect("a type"),
        occurred_at: now,
        accepted_at: now,
        payload: vec![b'x'; 1024].into(),
        idempotency_key: None,
        traceparent: None,
        deliveries: vec![(endpoint, DeliveryState::Pending)],
        grace: Duration::from_secs(300),
        test: false,
    };
    let delivery = DeliveryId::derive(event.id, endpoint);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let attempt = Attempt {
        summary: AttemptSummary {
            id: AttemptId::new(),
            delivery,
            event: event.id,
            tenant,
            endpoint,
            event_type: event.event_type.clone(),
            number: 1,
            started_at: now,
            duration: Duration::from_millis(40),
            url: "https://hooks.example.com/tidings/receive".into(),
            dialect: "standard".into(),
            outcome: Outcome::Succeeded,
            error: String::new(),
            status_code: Some(200),
            next_attempt_at: None,
            test: false,
        },
        after: Some(DeliveryMove {
            id: delivery,
            event: event.id,
            tenant,
            endpoint,
            step: Step::FIRST.after_attempt(),
            state: DeliveryState::Succeeded,
            sweep_at: None,
            at: now,
        }),
        request_headers: vec![
            header("webhook-id", &event.id.to_string()),
            header("webhook-timestamp", "1767799800"),
            header("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
            header("content-type", "application/json"),
        ],
        request_body: RequestBody::Around {
            envelope: Bytes::from_static(b"{\"type\":\"feedback.created\",\"data\":}"),
            payload_at: 33,
        },
        response_headers: vec![header("content-type", "text/plain"), header("content-length", "2")],
        response_body: Bytes::from_static(b"ok"),
        response_truncated: false,
        remote_address: "203.0.113.7:443".into(),
        timing: Timing::default(),
        sent_again: String::new(),
    };
    [Record::Event(event), Record::Attempt(Box::new(attempt))]
}

criterion_group!(benches, record);
criterion_main!(benches);
