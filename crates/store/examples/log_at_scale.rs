//! The cost of searching a large log: `scripts/bench-log` runs it. With `fill` it only fills the log.
//!
//! Fills the attempts of an empty database over ten of thirty days' partitions, without secondary indexes until all is
//! there, and asks for each page 20 times. One tenant has half of all attempts, ten thousand share the rest unevenly; 2
//! % failed. Limit: one client and nothing else, and what is asked for twenty times is in memory from the second time
//! on.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that can not run has nobody to tell but its user"
)]

use std::time::{Duration, Instant};

use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, FailureReason, TenantId, Timestamp};
use tidings_store::Ledger;
use tidings_store::ledger::AttemptQuery;
use tidings_store::postgres::{Config, Postgres, migrate};
use tidings_store::seal::{SealKey, Sealer};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

const ROUNDS: usize = 20;
const PAGE: u32 = 50;
const BATCH: u64 = 250_000;
const DAY: Duration = Duration::from_secs(24 * 3600);
const DAYS_KEPT: u32 = 30;
const DAYS_FILLED: u32 = 10;

/// Attempts `$1` to `$2`, of which one is made every `$4` microseconds from `$3` on. Everything about one follows from
/// its number: `r` and `q` are like chance.
const FILL: &str = "
INSERT INTO attempts (id, delivery_id, event_id, tenant_id, endpoint_id, started_at, duration_us, number, status_code,
                      payload_at, response_truncated, event_type, url, dialect, outcome, reason, error, remote_address,
                      request_headers, request_body, response_headers, response_body, test, connect_us, first_byte_us)
SELECT (millis || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
       (millis || '7' || substr(hash, 5, 3) || '8' || substr(hash, 8, 15))::uuid,
       (millis || '7' || substr(hash, 9, 3) || '8' || substr(hash, 12, 15))::uuid,
       lpad(to_hex(tenant), 32, '0')::uuid,
       lpad(to_hex(tenant * 100 + endpoint), 32, '0')::uuid,
       at,
       CASE WHEN reason = 'timeout' THEN 15000000 ELSE 5000 + q % 200000 END,
       1, status, 8, false,
       CASE WHEN n % 1000000 = 999 THEN 'account.closed'
            WHEN q % 100 < 60 THEN 'feedback.created'
            WHEN q % 100 < 90 THEN 'feedback.updated'
            ELSE 'survey.' || q % 10 END,
       'https://hooks.example.com/' || tenant, 'standard',
       CASE WHEN status = 200 THEN 'succeeded' WHEN status = 410 THEN 'failed_final' ELSE 'failed_retryable' END,
       reason,
       CASE reason WHEN 'timeout' THEN 'no answer within 15s' WHEN 'connect' THEN 'Connection reset by peer'
                   WHEN 'status' THEN 'the receiver answered ' || status ELSE '' END,
       '192.0.2.1', '[]', '{\"data\":}', '[]', 'ok', false, 900, 4000
FROM (
    SELECT *, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS millis,
           CASE WHEN status IS NOT NULL THEN CASE WHEN status <> 200 THEN 'status' END
                WHEN q % 2 = 0 THEN 'timeout' ELSE 'connect' END AS reason
    FROM (
        SELECT n, q, hash, at,
               CASE WHEN r % 2 = 0 THEN 0 ELSE 1 + (power((r % 100003) / 100003.0, 3) * 10000)::bigint END AS tenant,
               CASE WHEN r % 1000 = 0 THEN 19 ELSE r % 19 END AS endpoint,
               CASE WHEN n % 1000000 = 500 THEN 418
                    WHEN (q / 100) % 1000 >= 20 THEN 200
                    WHEN (q / 100) % 1000 < 2 THEN 410
                    WHEN (q / 100) % 1000 < 12 THEN 503
                    WHEN (q / 100) % 1000 < 15 THEN 404 END AS status
        FROM (
            SELECT n, md5(n::text) AS hash, ('x' || substr(md5(n::text), 1, 8))::bit(32)::bigint AS r,
                   ('x' || substr(md5(n::text), 9, 8))::bit(32)::bigint AS q,
                   to_timestamp(($3::bigint + n * $4::bigint) / 1000000.0) AS at
            FROM generate_series($1::bigint, $2::bigint) AS n
        ) AS numbered
    ) AS chosen
) AS described";

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (url, count, is_measured) = match &arguments[..] {
        [url, count] => (url, count, true),
        [url, count, word] if word == "fill" => (url, count, false),
        _ => {
            eprintln!("usage: log_at_scale URL COUNT [fill]");
            std::process::exit(2);
        }
    };
    let log = Log {
        url: url.clone(),
        count: count.parse().unwrap(),
        now: Timestamp::now(),
    };
    let config = Config {
        url: url.into(),
        ..Config::default()
    };
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = Postgres::connect(&config, Sealer::new(vec![SealKey::generate()]).unwrap())
        .await
        .unwrap();
    store
        .prepare_partitions(log.now - DAYS_KEPT * DAY, DAYS_KEPT)
        .await
        .unwrap();
    log.fill().await;
    if is_measured {
        log.measure_all(&store).await;
    }
}

/// The log that is made up: one attempt every so often until now.
struct Log {
    url: String,
    count: u64,
    now: Timestamp,
}

impl Log {
    fn first_micros(&self) -> i64 {
        (self.now - DAYS_FILLED * DAY).as_microsecond()
    }

    fn micros_between(&self) -> i64 {
        (DAYS_FILLED * DAY).as_micros() as i64 / self.count as i64
    }

    /// When the attempt of this number was made.
    fn at(&self, number: u64) -> Timestamp {
        Timestamp::from_microsecond(self.first_micros() + number as i64 * self.micros_between()).unwrap()
    }

    async fn fill(&self) {
        let began = Instant::now();
        let client = self.connect().await;
        let indexes = client
            .query(
                "SELECT c.relname::text, replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
                 FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
                 WHERE c.relkind = 'I' AND NOT i.indisprimary AND i.indrelid = 'attempts'::regclass",
                &[],
            )
            .await
            .unwrap();
        for index in &indexes {
            let drop = format!("DROP INDEX {}", index.get::<_, &str>(0));
            client.batch_execute(&drop).await.unwrap();
        }
        // The log of writes would only take room: nothing is written later.
        let partitions = client
            .query(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'attempts'::regclass",
                &[],
            )
            .await
            .unwrap();
        for partition in &partitions {
            let unlog = format!("ALTER TABLE {} SET UNLOGGED", partition.get::<_, &str>(0));
            client.batch_execute(&unlog).await.unwrap();
        }
        let (first, second) = (0..self.count / 2, self.count / 2..self.count);
        tokio::join!(self.fill_part(first), self.fill_part(second));
        println!("{} attempts, filled in {:.0?}", self.count, began.elapsed());

        let began = Instant::now();
        client
            .batch_execute("SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 2")
            .await
            .unwrap();
        for index in &indexes {
            client.batch_execute(index.get(1)).await.unwrap();
        }
        client.batch_execute("VACUUM ANALYZE attempts").await.unwrap();
        let size = client
            .query_one("SELECT pg_database_size(current_database())", &[])
            .await
            .unwrap();
        let size = size.get::<_, i64>(0) as f64 / 1e9;
        println!("{size:.1} GB with indexes, made in {:.0?}", began.elapsed());
    }

    async fn fill_part(&self, numbers: std::ops::Range<u64>) {
        let client = self.connect().await;
        for first in numbers.clone().step_by(BATCH as usize) {
            let last = (first + BATCH).min(numbers.end) - 1;
            let (first, last) = (first as i64, last as i64);
            client
                .execute(FILL, &[&first, &last, &self.first_micros(), &self.micros_between()])
                .await
                .unwrap();
        }
    }

    async fn connect(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// The ids of an attempt in the middle of the log, of its event and of its delivery.
    async fn one(&self) -> (EventId, DeliveryId) {
        let client = self.connect().await;
        let from = AttemptId::floor(self.at(self.count / 2)).uuid();
        let sql = "SELECT event_id, delivery_id FROM attempts WHERE id >= $1 ORDER BY id LIMIT 1";
        let row = client.query_one(sql, &[&from]).await.unwrap();
        (EventId::from_uuid(row.get(0)), DeliveryId::from_uuid(row.get(1)))
    }

    async fn measure_all(&self, store: &Postgres) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        println!("load average {}", load.trim());
        let deep = AttemptId::floor(self.at(self.count - 2_000_000.min(self.count / 2)));
        println!(
            "{:<44} {:>25} {:>27}",
            "", "first page: p50, p99", "page deep in: p50, p99"
        );
        for (name, query) in self.questions().await {
            let first = measure(store, &query).await;
            let query = AttemptQuery {
                before: Some(deep),
                ..query
            };
            println!("{name:<44} {first} {}", measure(store, &query).await);
        }
    }

    async fn questions(&self) -> Vec<(&'static str, AttemptQuery)> {
        let (event, delivery) = self.one().await;
        let all = AttemptQuery {
            limit: PAGE,
            ..AttemptQuery::default()
        };
        let of = |number: u128| AttemptQuery {
            tenant: Some(TenantId::from_uuid(Uuid::from_u128(number))),
            ..all.clone()
        };
        let to = |number: u128| AttemptQuery {
            endpoint: Some(EndpointId::from_uuid(Uuid::from_u128(number))),
            ..of(0)
        };
        let (large, small) = (of(0), of(5_000));
        let typed = |name: &str| AttemptQuery {
            event_types: vec![name.parse().unwrap()],
            ..large.clone()
        };
        let answered = |status: u16| AttemptQuery {
            status_codes: vec![status],
            ..large.clone()
        };
        let class = |class: u16| AttemptQuery {
            status_classes: vec![class],
            ..large.clone()
        };
        let ended = |outcome: &str| AttemptQuery {
            outcomes: vec![outcome.into()],
            ..large.clone()
        };
        let failed = |reason| AttemptQuery {
            failure_reasons: vec![reason],
            ..large.clone()
        };
        let slower = |seconds| AttemptQuery {
            min_duration: Some(Duration::from_secs(seconds)),
            ..large.clone()
        };
        let saying = |text: &str| AttemptQuery {
            error_contains: Some(text.into()),
            ..large.clone()
        };
        let within = |query: AttemptQuery| AttemptQuery {
            since: Some(self.at(self.count / 4)),
            until: Some(self.at(self.count / 4 + self.count / 100)),
            ..query
        };
        vec![
            ("all tenants", all.clone()),
            ("tenant: the large one", large.clone()),
            ("tenant: a small one", small.clone()),
            ("endpoint: busy", to(1)),
            ("endpoint: quiet", to(19)),
            (
                "event",
                AttemptQuery {
                    event: Some(event),
                    ..all.clone()
                },
            ),
            (
                "delivery",
                AttemptQuery {
                    delivery: Some(delivery),
                    ..all.clone()
                },
            ),
            ("time range", within(large.clone())),
            ("event type: usual", typed("feedback.created")),
            ("event type: 1 of 100", typed("survey.3")),
            ("event type: 1 of a million", typed("account.closed")),
            ("event type: none", typed("nobody.knows")),
            ("status 200", answered(200)),
            ("status 503: 1 of 100", answered(503)),
            ("status 418: 1 of a million", answered(418)),
            (
                "status 418, all tenants",
                AttemptQuery {
                    tenant: None,
                    ..answered(418)
                },
            ),
            ("status 202: none", answered(202)),
            ("class 2xx", class(2)),
            ("class 5xx", class(5)),
            ("no response", class(0)),
            ("succeeded", ended("succeeded")),
            ("failed_retryable", ended("failed_retryable")),
            ("failed_final: 2 of 1000", ended("failed_final")),
            (
                "failed_final, all tenants",
                AttemptQuery {
                    tenant: None,
                    ..ended("failed_final")
                },
            ),
            ("reason timeout", failed(FailureReason::Timeout)),
            ("reason tls: none", failed(FailureReason::Tls)),
            ("slower than 10 s", slower(10)),
            ("slower than 60 s: none", slower(60)),
            ("error with `reset by`", saying("reset by")),
            ("error with `nonsense`: none", saying("nonsense")),
            (
                "small tenant, error with `reset by`",
                AttemptQuery {
                    tenant: small.tenant,
                    ..saying("reset by")
                },
            ),
            (
                "small tenant, event type: none",
                AttemptQuery {
                    tenant: small.tenant,
                    ..typed("nobody.knows")
                },
            ),
            (
                "quiet endpoint, 5xx",
                AttemptQuery {
                    endpoint: to(19).endpoint,
                    ..class(5)
                },
            ),
            (
                "quiet endpoint, reason tls: none",
                AttemptQuery {
                    endpoint: to(19).endpoint,
                    ..failed(FailureReason::Tls)
                },
            ),
            (
                "event type 1 of 100, 5xx",
                AttemptQuery {
                    status_classes: vec![5],
                    ..typed("survey.3")
                },
            ),
            (
                "failed with `503`",
                AttemptQuery {
                    outcomes: vec!["failed_retryable".into()],
                    ..saying("503")
                },
            ),
            ("time range, slower than 10 s", within(slower(10))),
            (
                "another tenant's endpoint",
                AttemptQuery {
                    endpoint: to(1).endpoint,
                    ..small.clone()
                },
            ),
        ]
    }
}

/// How long a page takes, and how full it is.
struct Measured {
    median: Duration,
    worst: Duration,
    rows: usize,
    is_last: bool,
}

async fn measure(store: &Postgres, query: &AttemptQuery) -> Measured {
    let mut times = Vec::with_capacity(ROUNDS);
    let mut rows = 0;
    let mut is_last = false;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let page = store.attempts(query).await.unwrap();
        times.push(began.elapsed());
        (rows, is_last) = (page.rows.len(), page.next.is_none());
    }
    times.sort();
    Measured {
        median: times[ROUNDS / 2],
        worst: times[ROUNDS - 1],
        rows,
        is_last,
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [median, worst] = [self.median, self.worst].map(|time| time.as_secs_f64() * 1e3);
        let more = if self.is_last { ' ' } else { '+' };
        write!(f, "{median:>7.1} {worst:>7.1} ms {:>3}{more} rows", self.rows)
    }
}
