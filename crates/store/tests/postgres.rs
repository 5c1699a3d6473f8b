//! What only the PostgreSQL store does: the schema's versions, partitions, connections that are lost.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

#[allow(dead_code, reason = "the contract uses the rest of it")]
#[path = "contract/fixtures.rs"]
mod fixtures;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_domain::{DeliveryState, EndpointId, EventId, Tenant, TenantId, Timestamp};
use tidings_store::ledger::{DeliveryQuery, EventQuery, NewEvent, Overdue, Record};
use tidings_store::postgres::{Config, Postgres, migrate};
use tidings_store::registry::{AuditQuery, Of};
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::{Erasures, Ledger, Registry, Store, StoreError};
use tidings_testkit::{FaultProxy, TestDatabase};
use tokio_postgres::NoTls;

async fn database() -> (TestDatabase, Config) {
    let database = TestDatabase::create().await;
    let config = Config {
        url: database.url().into(),
        max_connections: 4,
        ..Config::default()
    };
    (database, config)
}

async fn connect(config: &Config) -> Result<Postgres, StoreError> {
    Postgres::connect(
        config,
        Sealer::new(vec![SealKey::new("test", [7; 32]).unwrap()]).unwrap(),
    )
    .await
}

/// The single number that a query gives.
async fn count(database: &TestDatabase, sql: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn migrating_twice_applies_once() {
    let (_database, config) = database().await;
    assert_eq!(
        migrate(&config, Duration::ZERO).await.unwrap().applied,
        [
            "0001_initial",
            "0002_cancel_held_before",
            "0003_claim_token",
            "0004_failing",
            "0005_management",
            "0006_erasures_without_errors",
            "0007_jobs_that_end",
            "0008_announce_endpoints",
            "0009_sent_again",
            "0010_upkeep",
            "0011_endpoint_health",
            "0012_compatible_from",
            "0013_endpoints_by_state",
            "0014_links_that_work_once",
        ]
    );
    assert!(migrate(&config, Duration::ZERO).await.unwrap().applied.is_empty());
    connect(&config).await.unwrap();
}

#[tokio::test]
async fn of_many_that_migrate_at_once_one_applies() {
    let (database, config) = database().await;
    let applied = futures::future::join_all((0..6).map(|_| migrate(&config, Duration::ZERO))).await;
    let applied: Vec<String> = applied.into_iter().flat_map(|it| it.unwrap().applied).collect();
    assert_eq!(
        applied,
        [
            "0001_initial",
            "0002_cancel_held_before",
            "0003_claim_token",
            "0004_failing",
            "0005_management",
            "0006_erasures_without_errors",
            "0007_jobs_that_end",
            "0008_announce_endpoints",
            "0009_sent_again",
            "0010_upkeep",
            "0011_endpoint_health",
            "0012_compatible_from",
            "0013_endpoints_by_state",
            "0014_links_that_work_once",
        ]
    );
    assert_eq!(count(&database, "SELECT count(*) FROM schema_migrations").await, 14);
}

#[tokio::test]
async fn an_edited_migration_is_refused() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    database
        .execute("UPDATE schema_migrations SET checksum = 'other'")
        .await;
    let refused = migrate(&config, Duration::ZERO).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Schema(text) if text.contains("0001_initial")),
        "{refused:?}"
    );
    assert!(matches!(connect(&config).await, Err(StoreError::Schema(_))));
}

#[tokio::test]
async fn an_older_schema_says_how_to_migrate() {
    let (database, config) = database().await;
    let refused = connect(&config).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unmigrated(text) if text.contains("run `tidings migrate`")),
        "{refused:?}"
    );
    migrate(&config, Duration::ZERO).await.unwrap();
    database.execute("DELETE FROM schema_migrations").await;
    assert!(matches!(connect(&config).await, Err(StoreError::Unmigrated(_))));
}

/// Does what a later version's migration would.
async fn migrate_to_later(database: &TestDatabase, compatible_from: &str) {
    let sql = format!(
        "INSERT INTO schema_migrations (version, name, checksum, compatible_from) VALUES (9999, 'later', '', {compatible_from})"
    );
    database.execute(&sql).await;
}

#[tokio::test]
async fn a_newer_schema_that_takes_a_newer_program_is_refused() {
    for compatible_from in ["NULL", "9999"] {
        let (database, config) = database().await;
        migrate(&config, Duration::ZERO).await.unwrap();
        migrate_to_later(&database, compatible_from).await;
        let refused = [
            connect(&config).await.unwrap_err(),
            migrate(&config, Duration::ZERO).await.unwrap_err(),
        ];
        for refused in refused {
            let text = refused.to_string();
            assert!(
                matches!(refused, StoreError::Schema(_)) && text.contains("older than the schema"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_newer_schema_that_is_fit_for_this_version_is_left_alone() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    migrate_to_later(&database, "12").await;
    let migrated = migrate(&config, Duration::ZERO).await.unwrap();
    assert!(
        migrated.applied.is_empty() && migrated.newer && migrated.version == 9999,
        "{migrated:?}"
    );
    connect(&config).await.unwrap();
}

#[tokio::test]
async fn a_database_that_comes_later_is_waited_for() {
    let (database, config) = database().await;
    let mut proxy = FaultProxy::start(&database.url()).await;
    let behind = Config {
        url: proxy.in_front_of(&database.url()).into(),
        ..config
    };
    proxy.cut().await;
    let waiting = tokio::spawn({
        let behind = behind.clone();
        async move { migrate(&behind, Duration::from_secs(60)).await }
    });
    assert!(matches!(
        migrate(&behind, Duration::ZERO).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(!waiting.is_finished());
    proxy.restore();
    assert_eq!(waiting.await.unwrap().unwrap().version, 14);
}

#[tokio::test]
async fn somebody_else_who_migrates_is_waited_for() {
    let (database, config) = database().await;
    let (other, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    // The lock of those who migrate.
    other
        .execute("SELECT pg_advisory_lock(x'746964696e6773'::bigint)", &[])
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let config = config.clone();
        async move { migrate(&config, Duration::ZERO).await }
    });
    tidings_testkit::wait_until(Duration::from_secs(20), "it to ask for the lock", async || {
        let asking = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()";
        count(&database, asking).await == 1
    })
    .await;
    assert!(!waiting.is_finished());
    assert_eq!(
        count(&database, "SELECT count(*) FROM pg_class WHERE relname = 'tenants'").await,
        0
    );
    drop(other);
    assert_eq!(waiting.await.unwrap().unwrap().version, 14);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let config = Config {
        url: "postgres://nobody@127.0.0.1:1/nothing".into(),
        ..Config::default()
    };
    assert!(matches!(connect(&config).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(
        migrate(&config, Duration::ZERO).await,
        Err(StoreError::Unavailable(_))
    ));
    let config = Config {
        url: "mysql://x".into(),
        ..Config::default()
    };
    assert!(matches!(connect(&config).await, Err(StoreError::Refused(_))));
}

#[tokio::test]
async fn migrating_makes_the_partitions_of_these_days() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    store.record(vec![event(Timestamp::now())]).await.unwrap();
    assert_eq!(count(&database, "SELECT count(*) FROM events").await, 1);
    assert_eq!(count(&database, "SELECT count(*) FROM events_default").await, 0);
    assert_eq!(count(&database, "SELECT count(*) FROM deliveries_default").await, 0);
}

#[tokio::test]
async fn rows_without_a_partition_move_into_it_when_it_is_made() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    let day: Timestamp = "2031-05-01T00:00:00Z".parse().unwrap();
    // The first and the last millisecond of the day, and its neighbours.
    let seconds = [0.0, 86_399.999, -0.001, 86_400.0];
    let times = seconds.map(|s: f64| Timestamp::from_millisecond(day.as_millisecond() + (s * 1e3) as i64).unwrap());
    store.record(times.map(event).into()).await.unwrap();
    assert_eq!(count(&database, "SELECT count(*) FROM events_default").await, 4);

    let (one, other) = tokio::join!(store.prepare_partitions(day, 0), store.prepare_partitions(day, 0));
    one.unwrap();
    other.unwrap();
    for table in ["events", "deliveries"] {
        assert_eq!(
            count(&database, &format!("SELECT count(*) FROM {table}_20310430")).await,
            1
        );
        assert_eq!(
            count(&database, &format!("SELECT count(*) FROM {table}_20310501")).await,
            2
        );
        assert_eq!(
            count(&database, &format!("SELECT count(*) FROM {table}_default")).await,
            1
        );
        assert_eq!(count(&database, &format!("SELECT count(*) FROM {table}")).await, 4);
    }
    let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = ";
    assert_eq!(
        count(&database, &format!("{indexes} 'deliveries_20310501'")).await,
        count(&database, &format!("{indexes} 'deliveries'")).await,
    );
    let swept = store
        .sweep(
            Overdue::All,
            day + Duration::from_secs(90_000),
            Duration::from_secs(60),
            10,
        )
        .await
        .unwrap();
    assert_eq!(swept.len(), 4, "whatever partition they are in");
}

#[tokio::test]
async fn partitions_are_made_while_records_are_written() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    let day: Timestamp = "2031-05-01T12:00:00Z".parse().unwrap();
    let write = async {
        for _ in 0..50 {
            store.record((0..10).map(|_| event(day)).collect()).await.unwrap();
        }
    };
    let ((), prepared) = tokio::join!(write, store.prepare_partitions(day, 3));
    prepared.unwrap();
    assert_eq!(count(&database, "SELECT count(*) FROM events").await, 500);
    let query = DeliveryQuery {
        limit: 1_000,
        ..Default::default()
    };
    assert_eq!(store.deliveries(&query).await.unwrap().rows.len(), 500);
}

#[tokio::test]
async fn a_lost_connection_is_unavailable_and_the_next_call_works() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    let mut changes = store.changes().await.unwrap();
    database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'tidings'",
        )
        .await;
    let closed = tokio::time::timeout(Duration::from_secs(10), changes.recv())
        .await
        .unwrap();
    assert_eq!(closed, None, "changes may have been missed");
    if let Err(error) = store.ping().await {
        assert!(error.is_transient(), "{error:?}");
    }
    store.ping().await.unwrap();
    assert!(
        store
            .events(&EventQuery {
                limit: 1,
                ..Default::default()
            })
            .await
            .unwrap()
            .rows
            .is_empty()
    );
}

#[tokio::test]
async fn changes_made_by_hand_are_announced() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    let tenant = TenantId::new();
    let mut changes = store.changes().await.unwrap();
    let insert = format!("INSERT INTO tenants VALUES ('{}', 'By hand', now())", tenant.uuid());
    database.execute(&insert).await;
    let change = tokio::time::timeout(Duration::from_secs(10), changes.recv())
        .await
        .unwrap();
    assert_eq!(change, Some(Of::Tenant(tenant)));
    let stored: Option<Tenant> = store.tenant(tenant).await.unwrap();
    assert_eq!(stored.unwrap().name, "By hand");
}

#[tokio::test]
async fn only_data_that_does_not_fit_is_refused() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    let Record::Event(good) = event(Timestamp::now()) else {
        unreachable!("it is one");
    };
    let nul = NewEvent {
        idempotency_key: Some("a\0b".into()),
        ..good.clone()
    };
    let refused = store.record(vec![Record::Event(nul)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");

    // What lies in the surroundings passes when somebody mends it.
    database.execute("ALTER TABLE events RENAME TO elsewhere").await;
    let away = store.record(vec![Record::Event(good.clone())]).await.unwrap_err();
    assert!(away.is_transient(), "{away:?}");
    database.execute("ALTER TABLE elsewhere RENAME TO events").await;
    store.record(vec![Record::Event(good)]).await.unwrap();
}

#[tokio::test]
async fn a_role_that_may_not_log_in_or_write_is_unavailable() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let role = format!("strange_{}", uuid::Uuid::now_v7().simple());
    database.execute(&format!("CREATE ROLE {role} NOLOGIN")).await;
    let url = database.url().replacen("tidings@", &format!("{role}@"), 1);
    let strange = Config {
        url: url.as_str().into(),
        ..config.clone()
    };
    let away = connect(&strange).await.unwrap_err();
    assert!(away.is_transient(), "{away:?}");
    database.execute(&format!("ALTER ROLE {role} LOGIN")).await;
    let away = connect(&strange).await.unwrap_err();
    assert!(away.is_transient(), "{away:?}");
    let grant = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    database.execute(&grant).await;
    let store = connect(&strange).await.unwrap();
    let away = store.record(vec![event(Timestamp::now())]).await.unwrap_err();
    assert!(away.is_transient(), "{away:?}");
    drop(store);
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test]
async fn a_statement_that_is_prepared_outlives_a_change_of_its_columns() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    assert_eq!(store.tenant(TenantId::new()).await.unwrap(), None);
    database
        .execute("ALTER TABLE tenants ALTER COLUMN name TYPE varchar(200)")
        .await;
    assert_eq!(store.tenant(TenantId::new()).await.unwrap(), None);
}

#[tokio::test]
async fn searches_that_nobody_waits_for_are_cancelled_and_keep_nothing_from_being_recorded() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    let (mut other, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = other.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE audit").await.unwrap();
    let query = AuditQuery {
        limit: 1,
        ..AuditQuery::default()
    };
    let searches = (0..8).map(|_| tokio::time::timeout(Duration::from_millis(200), store.audit(&query)));
    for given_up in futures::future::join_all(searches).await {
        assert!(given_up.is_err(), "the table is locked");
    }
    store.record(vec![event(Timestamp::now())]).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%audit%'";
    tidings_testkit::wait_until(Duration::from_secs(20), "searches that are cancelled", async || {
        count(&database, waiting).await == 0
    })
    .await;
    drop(lock);
    store.audit(&query).await.unwrap();
}

#[tokio::test]
async fn partitions_wait_for_a_long_reader_and_nothing_else_does() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = std::sync::Arc::new(connect(&config).await.unwrap());
    let now = Timestamp::now();
    let day: Timestamp = "2031-05-01T12:00:00Z".parse().unwrap();
    let old = now - tidings_domain::SignedDuration::from_hours(24 * 40);
    store.prepare_partitions(old, 0).await.unwrap();
    let (mut other, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let reading = other.transaction().await.unwrap();
    for table in ["events", "deliveries", "attempts"] {
        reading
            .query(&format!("SELECT count(*) FROM {table}"), &[])
            .await
            .unwrap();
    }
    let keeping = tokio::spawn({
        let store = store.clone();
        async move {
            store.prepare_partitions(day, 0).await.unwrap();
            let before = now - tidings_domain::SignedDuration::from_hours(24 * 30);
            while store.drop_days_before(before, now, 1).await.unwrap() > 0 {}
        }
    });
    // Longer than a lock is waited for, and longer than a read has to last to be waited for without one.
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        store.record(vec![event(now)]).await.unwrap();
        store
            .sweep(Overdue::All, now, Duration::from_secs(60), 10)
            .await
            .unwrap();
    }
    assert!(!keeping.is_finished());
    drop(reading);
    tokio::time::timeout(Duration::from_secs(30), keeping)
        .await
        .unwrap()
        .unwrap();
    let made = "SELECT count(*) FROM pg_class WHERE relname = 'events_20310501'";
    assert_eq!(count(&database, made).await, 1);
    let old_day = old.to_string()[..10].replace('-', "");
    let dropped = format!("SELECT count(*) FROM pg_class WHERE relname = 'events_{old_day}'");
    assert_eq!(count(&database, &dropped).await, 0);
}

#[tokio::test]
async fn rows_that_came_late_get_a_partition_of_their_day() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store = connect(&config).await.unwrap();
    let now = Timestamp::now();
    for days in [10, 40, 41] {
        let late = now - tidings_domain::SignedDuration::from_hours(24 * days);
        store.record(vec![event(late)]).await.unwrap();
    }
    assert_eq!(count(&database, "SELECT count(*) FROM events_default").await, 3);
    store.prepare_partitions(now, 1).await.unwrap();
    assert_eq!(count(&database, "SELECT count(*) FROM events_default").await, 0);
    assert_eq!(count(&database, "SELECT count(*) FROM deliveries_default").await, 0);
    assert_eq!(count(&database, "SELECT count(*) FROM events").await, 3);
    let before = now - tidings_domain::SignedDuration::from_hours(24 * 30);
    while store.drop_days_before(before, now, 1).await.unwrap() > 0 {}
    assert_eq!(count(&database, "SELECT count(*) FROM events").await, 1);
}

#[tokio::test]
async fn a_migration_waits_for_its_locks_behind_nobody() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    database
        .execute(
            "DELETE FROM schema_migrations WHERE version >= 11; ALTER TABLE schema_migrations DROP COLUMN compatible_from;
             DROP TRIGGER forget_health ON endpoints;
             DROP TRIGGER forget_health_when_enabled ON endpoints; DROP FUNCTION forget_endpoint_health;
             DROP TABLE endpoint_health;
             ALTER TABLE api_keys DROP COLUMN link_hash, DROP COLUMN exchanged_at",
        )
        .await;
    let (mut other, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let reading = other.transaction().await.unwrap();
    reading.query("SELECT count(*) FROM endpoints", &[]).await.unwrap();
    reading
        .batch_execute("LOCK TABLE endpoints IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();
    let migrating = tokio::spawn({
        let config = config.clone();
        async move { migrate(&config, Duration::ZERO).await }
    });
    let gave_up = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND query = 'ROLLBACK' AND state = 'idle'";
    tidings_testkit::wait_until(Duration::from_secs(20), "a try that was given up", async || {
        count(&database, gave_up).await == 1
    })
    .await;
    count(&database, "SELECT count(*) FROM endpoints").await;
    drop(reading);
    assert_eq!(
        migrating.await.unwrap().unwrap().applied,
        [
            "0011_endpoint_health",
            "0012_compatible_from",
            "0013_endpoints_by_state",
            "0014_links_that_work_once",
        ]
    );
}

/// The recovery follows its batch in a statement of its own, so a batch may be written and its recovery fail. The batch is
/// recorded again then: nothing of it counts twice, and the endpoint recovers.
#[tokio::test]
async fn a_batch_whose_recovery_fails_is_recorded_again_and_recovers() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(connect(&config).await.unwrap());
    let tenant = fixtures::stored_tenant(&store).await;
    let endpoint = fixtures::endpoint(tenant);
    store.create_endpoint(&endpoint, &fixtures::entry()).await.unwrap();
    let lost = fixtures::event_at(fixtures::now() - fixtures::HOUR, tenant, &[endpoint.id]);
    let given_up = fixtures::to(
        &lost,
        endpoint.id,
        tidings_domain::Step::FIRST.after_attempt(),
        DeliveryState::Exhausted,
    );
    let given_up = Record::Attempt(Box::new(fixtures::attempt(&lost, 1, given_up)));
    store.record(vec![Record::Event(lost), given_up]).await.unwrap();
    let failing = async || {
        store
            .endpoint(endpoint.id)
            .await
            .unwrap()
            .unwrap()
            .failing_since
            .is_some()
    };
    assert!(failing().await);
    for notice in store
        .take_notices(fixtures::now() + fixtures::MINUTE, 100)
        .await
        .unwrap()
    {
        store.remove_notice(notice.id).await.unwrap();
    }

    database
        .execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'out of memory' USING ERRCODE = 'out_of_memory'; END $$;
             CREATE TRIGGER fail BEFORE UPDATE ON endpoints FOR EACH ROW
                WHEN (NEW.failing_since IS NULL AND OLD.failing_since IS NOT NULL) EXECUTE FUNCTION fail();",
        )
        .await;
    let well = fixtures::event(tenant, &[endpoint.id]);
    let batch = vec![Record::Event(well.clone()), fixtures::succeeded(&well, endpoint.id)];
    let error = store.record(batch.clone()).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let attempts = format!("SELECT count(*) FROM attempts WHERE event_id = '{}'", well.id.uuid());
    assert_eq!((count(&database, &attempts).await, failing().await), (1, true));

    database.execute("DROP TRIGGER fail ON endpoints").await;
    store.record(batch).await.unwrap();
    let made = fixtures::delivery(&store, well.id, endpoint.id).await.unwrap();
    // It is the second attempt that succeeds.
    assert_eq!((made.state, made.attempts), (DeliveryState::Succeeded, 2));
    assert_eq!((count(&database, &attempts).await, failing().await), (1, false));
    let notices = store
        .take_notices(fixtures::now() + fixtures::MINUTE, 100)
        .await
        .unwrap();
    let kinds: Vec<_> = notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [tidings_domain::NoticeKind::EndpointRecovered]);
}

fn event(accepted_at: Timestamp) -> Record {
    let mut id = EventId::floor(accepted_at).uuid().as_u128();
    id |= EventId::new().uuid().as_u128() & (u128::MAX >> 48);
    Record::Event(NewEvent {
        id: EventId::from_uuid(uuid::Uuid::from_u128(id)),
        tenant: TenantId::new(),
        event_type: "feedback.created".parse().unwrap(),
        occurred_at: accepted_at,
        accepted_at,
        payload: Bytes::from_static(b"{}"),
        idempotency_key: None,
        traceparent: None,
        deliveries: vec![(EndpointId::new(), DeliveryState::Pending)],
        grace: Duration::from_secs(60),
        test: false,
    })
}

/// Whatever the role or the database is set to: what was answered has reached the disk.
#[tokio::test]
async fn commits_are_durable_whatever_the_database_is_set_to() {
    let (database, config) = database().await;
    migrate(&config, Duration::ZERO).await.unwrap();
    database
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
        )
        .await;
    // A trigger writes down what holds for the connection that commits.
    database
        .execute(
            "CREATE TABLE seen (setting text);
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
             CREATE TRIGGER see AFTER INSERT ON tenants EXECUTE FUNCTION see();",
        )
        .await;
    let store = connect(&config).await.unwrap();
    let tenant = Tenant::new("Acme", Timestamp::now());
    let (key, _) = tidings_domain::ApiKey::new(Some(tenant.id), vec![], tenant.created_at);
    let entry = tidings_domain::AuditEntry::new(Timestamp::now(), tidings_domain::Actor::Internal, "test", "nothing");
    store.create_tenant(&tenant, &key, &entry).await.unwrap();
    assert_eq!(
        count(&database, "SELECT count(*) FROM seen WHERE setting = 'on'").await,
        1
    );
}
