//! What the ledger's operations cost when millions of deliveries are open: `scripts/bench-ledger` runs it.
//!
//! Fills an empty database through [`Ledger::record`], without secondary indexes until all is there, and calls each
//! operation 20 times. Nine tenths and more wait for a time within the next 24 hours, 1 % is overdue, 1 % is held for
//! 1,000 endpoints. Limit: one client and nothing else; what writers do to each other is not measured.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that can not run has nobody to tell but its user"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_domain::{
    AttemptId, DeliveryId, DeliveryState, EndpointId, EventId, FailureReason, HoldReason, Outcome, Step, TenantId,
    Timestamp, Timing,
};
use tidings_store::Ledger;
use tidings_store::ledger::{Attempt, AttemptSummary, DeliveryMove, NewEvent, Overdue, Record, RequestBody};
use tidings_store::postgres::{Config, Postgres, migrate};
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;
use tokio_postgres::NoTls;
use uuid::{Builder, Uuid};

const ROUNDS: usize = 20;
const FILL_BATCH: u64 = 2_000;
const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
/// How many days' partitions a ledger has that runs for a while.
const DAYS_KEPT: u32 = 30;
/// Over how many days the open deliveries were accepted.
const DAYS_OPEN: u32 = 3;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, place, count] = &arguments[..] else {
        eprintln!("usage: ledger_at_scale postgres URL COUNT | ledger_at_scale sqlite FILE COUNT");
        std::process::exit(2);
    };
    let open = Open {
        count: count.parse().unwrap(),
        now: Timestamp::now(),
    };
    match engine.as_str() {
        "postgres" => postgres(place, &open).await,
        "sqlite" => sqlite(Path::new(place), &open).await,
        other => panic!("`{other}` is neither postgres nor sqlite"),
    }
}

async fn postgres(url: &str, open: &Open) {
    let config = Config {
        url: url.into(),
        ..Config::default()
    };
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = Postgres::connect(&config, sealer()).await.unwrap();
    store
        .prepare_partitions(open.now - DAYS_KEPT * DAY, DAYS_KEPT)
        .await
        .unwrap();

    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let indexes = client
        .query(
            "SELECT c.relname::text, replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
             FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
             WHERE c.relkind = 'I' AND NOT i.indisprimary",
            &[],
        )
        .await
        .unwrap();
    for index in &indexes {
        let drop = format!("DROP INDEX {}", index.get::<_, &str>(0));
        client.batch_execute(&drop).await.unwrap();
    }
    fill(&store, open).await;
    client.batch_execute("SET maintenance_work_mem = '1GB'").await.unwrap();
    for index in &indexes {
        client.batch_execute(index.get(1)).await.unwrap();
    }
    client.batch_execute("VACUUM ANALYZE").await.unwrap();
    let size = client
        .query_one("SELECT pg_database_size(current_database())", &[])
        .await
        .unwrap();
    println!("  {:.1} GB", size.get::<_, i64>(0) as f64 / 1e9);
    measure_all(&store, open).await;
}

async fn sqlite(file: &Path, open: &Open) {
    let store = Sqlite::open(file, sealer()).unwrap();
    let indexes: Vec<(String, String)> = store
        .read(|connection| {
            let mut select =
                connection.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")?;
            let found = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
        .unwrap();
    let drop: String = indexes.iter().map(|(name, _)| format!("DROP INDEX {name};")).collect();
    store.write(move |c| Ok(c.execute_batch(&drop)?)).await.unwrap();
    fill(&store, open).await;
    for (_, create) in indexes {
        store.write(move |c| Ok(c.execute_batch(&create)?)).await.unwrap();
    }
    println!("  {:.1} GB", std::fs::metadata(file).unwrap().len() as f64 / 1e9);
    measure_all(&store, open).await;
}

fn sealer() -> Sealer {
    Sealer::new(vec![SealKey::generate()]).unwrap()
}

async fn fill(ledger: &dyn Ledger, open: &Open) {
    let began = Instant::now();
    for first in (0..open.count).step_by(FILL_BATCH as usize) {
        let batch = first..open.count.min(first + FILL_BATCH);
        let events = batch.map(|number| Record::Event(open.event(number)));
        ledger.record(events.collect()).await.unwrap();
    }
    println!("{} deliveries, filled in {:.0?}", open.count, began.elapsed());
}

async fn measure_all(ledger: &dyn Ledger, open: &Open) {
    println!("  load average {}", load());
    println!("  {:<40} {:>10} {:>10}", "", "median", "worst");
    let now = open.now;
    measure("sweep that takes 500", async |_| {
        assert_eq!(ledger.sweep(Overdue::All, now, HOUR, 500).await.unwrap().len(), 500);
    })
    .await;
    while !ledger.sweep(Overdue::All, now, HOUR, 500).await.unwrap().is_empty() {}
    measure("sweep that finds nothing", async |_| {
        assert!(ledger.sweep(Overdue::All, now, HOUR, 500).await.unwrap().is_empty());
    })
    .await;
    measure("endpoints_with_held, 1,000", async |_| {
        assert_eq!(ledger.endpoints_with_held().await.unwrap().len(), 1_000);
    })
    .await;
    measure("release_held of 200", async |round| {
        let released = ledger.release_held(endpoint(round), now, HOUR, 200).await.unwrap();
        assert_eq!(released.len(), 200.min(open.count as usize / 20_000));
    })
    .await;
    let some = |round: u64, count: u64| -> Vec<DeliveryId> {
        let numbers = (0..count).map(|n| mixed(round * count + n) % open.count);
        numbers.map(|number| open.delivery(number)).collect()
    };
    measure("states of 500", async |round| {
        assert!(ledger.states(&some(round, 500)).await.unwrap().len() > 450);
    })
    .await;
    measure("fetch of 500", async |round| {
        let fetched = ledger.fetch(&some(round + 1_000, 500)).await.unwrap();
        assert!(fetched.len() > 450 && fetched.iter().all(|delivery| delivery.content.is_some()));
    })
    .await;
    measure("record of 128 events and 128 attempts", async |round| {
        ledger.record(open.batch(round)).await.unwrap();
    })
    .await;
    println!("  load average {}", load());
}

async fn measure(what: &str, call: impl AsyncFn(u64)) {
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS as u64 {
        let began = Instant::now();
        call(round).await;
        times.push(began.elapsed());
    }
    times.sort();
    let [median, worst] = [times[ROUNDS / 2], times[ROUNDS - 1]].map(|time| time.as_secs_f64() * 1e3);
    println!("  {what:<40} {median:>7.1} ms {worst:>7.1} ms");
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

/// The open deliveries, each a function of its number.
struct Open {
    count: u64,
    now: Timestamp,
}

impl Open {
    fn event(&self, number: u64) -> NewEvent {
        let age = DAYS_OPEN * DAY.mul_f64((self.count - number) as f64 / self.count as f64);
        let accepted_at = self.now - age;
        let within = |time: Duration| time.mul_f64((mixed(number) >> 32) as f64 / f64::from(u32::MAX));
        let endpoint = endpoint_of(number);
        let state = match number % 100 {
            0 => DeliveryState::Held(HoldReason::EndpointDisabled),
            1 => DeliveryState::Scheduled {
                due: self.now - 2 * HOUR + within(HOUR),
            },
            _ => DeliveryState::Scheduled {
                due: self.now + within(DAY),
            },
        };
        NewEvent {
            id: EventId::from_uuid(uuid_at(accepted_at, number)),
            tenant: tenant(endpoint),
            event_type: "feedback.created".parse().unwrap(),
            occurred_at: accepted_at,
            accepted_at,
            payload: Bytes::from(format!(r#"{{"number":{number}}}"#)),
            idempotency_key: None,
            traceparent: None,
            deliveries: vec![(self::endpoint(endpoint), state)],
            grace: Duration::from_secs(60),
            test: false,
        }
    }

    fn delivery(&self, number: u64) -> DeliveryId {
        DeliveryId::derive(self.event(number).id, endpoint(endpoint_of(number)))
    }

    /// As many new events as attempts at deliveries that wait.
    fn batch(&self, round: u64) -> Vec<Record> {
        let new = (0..128).map(|n| {
            let mut event = self.event(2 + 100 * (round * 128 + n));
            event.id = EventId::new();
            Record::Event(event)
        });
        let waiting = (0..128).map(|n| mixed(round * 128 + n) % (self.count / 100) * 100 + 2);
        let attempts = waiting.map(|number| Record::Attempt(Box::new(failed(&self.event(number), self.now))));
        new.chain(attempts).collect()
    }
}

fn failed(event: &NewEvent, at: Timestamp) -> Attempt {
    let endpoint = event.deliveries[0].0;
    let delivery = DeliveryId::derive(event.id, endpoint);
    let due = at + HOUR;
    Attempt {
        summary: AttemptSummary {
            id: AttemptId::new(),
            delivery,
            event: event.id,
            tenant: event.tenant,
            endpoint,
            event_type: event.event_type.clone(),
            number: 1,
            started_at: at,
            duration: Duration::from_millis(12),
            url: "https://crm.example.com/hooks/feedback".into(),
            dialect: "standard".into(),
            outcome: Outcome::retryable(FailureReason::Status),
            error: "the receiver answered 503".into(),
            status_code: Some(503),
            next_attempt_at: Some(due),
            test: false,
        },
        after: Some(DeliveryMove {
            id: delivery,
            event: event.id,
            tenant: event.tenant,
            endpoint,
            step: Step::FIRST.after_attempt(),
            state: DeliveryState::Scheduled { due },
            sweep_at: Some(due),
            at,
        }),
        request_headers: vec![("content-type".into(), "application/json".into())],
        request_body: RequestBody::Around {
            envelope: Bytes::from_static(br#"{"data":}"#),
            payload_at: 8,
        },
        response_headers: vec![("content-type".into(), "text/plain".into())],
        response_body: Bytes::from_static(b"later"),
        response_truncated: false,
        remote_address: "192.0.2.1:443".into(),
        timing: Timing::default(),
        sent_again: String::new(),
    }
}

/// Held are 500 deliveries of each of the first 100 endpoints (when there are 10 million) and 55 of each of the next
/// 900; the others are spread over 10,000.
fn endpoint_of(number: u64) -> u64 {
    let nth_held = number / 100;
    match number % 100 {
        0 if nth_held.is_multiple_of(2) => nth_held / 2 % 100,
        0 => 100 + nth_held / 2 % 900,
        _ => mixed(number) % 10_000,
    }
}

fn endpoint(number: u64) -> EndpointId {
    EndpointId::from_uuid(uuid_at(Timestamp::UNIX_EPOCH, number + 1_000_000))
}

fn tenant(endpoint: u64) -> TenantId {
    TenantId::from_uuid(uuid_at(Timestamp::UNIX_EPOCH, endpoint % 100 + 2_000_000))
}

fn uuid_at(at: Timestamp, seed: u64) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap();
    let random = u128::from(mixed(seed)) << 64 | u128::from(mixed(!seed));
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&random.to_be_bytes()[..10]);
    Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// Splitmix64: numbers in a row come out as if drawn.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
