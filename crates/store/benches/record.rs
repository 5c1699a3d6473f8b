//! What recording costs: batches of 250 events with one delivery each and, a batch later, their 250 attempts.
//!
//! Needs a PostgreSQL server, as tests do. Prints events a second and the server's CPU time per event, which is
//! what a capacity plan needs; read from `/proc`, so only where the server runs on this machine.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that can not run has nobody to tell but its user"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidings_domain::{
    AttemptId, DeliveryId, DeliveryState, EndpointId, EventId, Outcome, Step, TenantId, Timestamp, Timing,
};
use tidings_store::Ledger;
use tidings_store::ledger::{Attempt, AttemptSummary, DeliveryMove, NewEvent, Record, RequestBody};
use tidings_store::postgres::{Config, Postgres, migrate};
use tidings_store::seal::{SealKey, Sealer};
use tidings_testkit::TestDatabase;
use tokio::runtime::Runtime;

const BATCH: u64 = 250;

fn record(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(TestDatabase::create());
    let store = runtime.block_on(async {
        let config = Config {
            url: database.url().into(),
            max_connections: 1,
            ..Config::default()
        };
        migrate(&config, Duration::ZERO).await.unwrap();
        Postgres::connect(&config, Sealer::new(vec![SealKey::generate()]).unwrap())
            .await
            .unwrap()
    });

    let (mut events, mut server, mut client) = (0, Duration::ZERO, Duration::ZERO);
    let mut group = criterion.benchmark_group("record");
    group
        .throughput(Throughput::Elements(BATCH))
        .sample_size(20)
        .bench_function("event, then attempt", |bencher| {
            bencher.iter_custom(|batches| {
                let batches: Vec<_> = (0..batches).map(|_| batch()).collect();
                let (server_before, client_before) = (cpu_of_servers(), cpu("self").unwrap_or_default());
                events += BATCH * batches.len() as u64;
                let begun = Instant::now();
                for (accepted, attempted) in batches {
                    runtime.block_on(store.record(black_box(accepted))).unwrap();
                    runtime.block_on(store.record(black_box(attempted))).unwrap();
                }
                let elapsed = begun.elapsed();
                server += cpu_of_servers().saturating_sub(server_before);
                client += cpu("self").unwrap_or_default().saturating_sub(client_before);
                elapsed
            });
        });
    group.finish();
    let per_event = |cpu: Duration| cpu.as_secs_f64() * 1e6 / events as f64;
    println!(
        "CPU per event: server {:.1} µs, client {:.1} µs",
        per_event(server),
        per_event(client)
    );
}

fn batch() -> (Vec<Record>, Vec<Record>) {
    let (tenant, now) = (TenantId::new(), Timestamp::now());
    let events: Vec<_> = (0..BATCH).map(|_| event(tenant, now)).collect();
    let attempts = events
        .iter()
        .map(|event| Record::Attempt(Box::new(attempt(event))))
        .collect();
    (events.into_iter().map(Record::Event).collect(), attempts)
}

fn event(tenant: TenantId, now: Timestamp) -> NewEvent {
    NewEvent {
        id: EventId::new(),
        tenant,
        event_type: "feedback.created".parse().unwrap(),
        occurred_at: now,
        accepted_at: now,
        payload: Bytes::from(format!(r#"{{"comment":"{}"}}"#, "lorem ipsum ".repeat(84))),
        idempotency_key: None,
        traceparent: None,
        deliveries: vec![(EndpointId::new(), DeliveryState::Pending)],
        grace: Duration::from_secs(60),
        test: false,
    }
}

fn attempt(event: &NewEvent) -> Attempt {
    let endpoint = event.deliveries[0].0;
    let delivery = DeliveryId::derive(event.id, endpoint);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Attempt {
        summary: AttemptSummary {
            id: AttemptId::new(),
            delivery,
            event: event.id,
            tenant: event.tenant,
            endpoint,
            event_type: event.event_type.clone(),
            number: 1,
            started_at: event.accepted_at,
            duration: Duration::from_millis(12),
            url: "https://crm.example.com/hooks/feedback".into(),
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
            tenant: event.tenant,
            endpoint,
            step: Step::FIRST,
            state: DeliveryState::Succeeded,
            sweep_at: None,
            at: event.accepted_at,
        }),
        request_headers: vec![
            header("content-type", "application/json"),
            header("webhook-id", "evt_0193e4b2c1d27e3f8a4b5c6d7e8f9012"),
            header("webhook-timestamp", "1764000000"),
            header("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
        ],
        request_body: RequestBody::Around {
            envelope: Bytes::from_static(br#"{"data":}"#),
            payload_at: 8,
        },
        response_headers: vec![header("content-type", "text/plain"), header("content-length", "2")],
        response_body: Bytes::from_static(b"ok"),
        response_truncated: false,
        remote_address: "192.0.2.1:443".into(),
        timing: Timing::default(),
        sent_again: String::new(),
    }
}

/// The CPU time that the processes serving clients have used so far.
fn cpu_of_servers() -> Duration {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Duration::ZERO;
    };
    let names = processes.filter_map(|process| process.ok()?.file_name().into_string().ok());
    let serving = names.filter(|pid| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.starts_with(b"postgres: ") && contains(&line, b"tidings_test_"))
    });
    serving.filter_map(|pid| cpu(&pid)).sum()
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|window| window == word)
}

/// User and system time of a process: fields 14 and 15 of `/proc/PID/stat`, in hundredths of a second.
fn cpu(pid: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
}

criterion_group!(benches, record);
criterion_main!(benches);
