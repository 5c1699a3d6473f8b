//! What only the PostgreSQL store does: the schema's versions, partitions, connections that are lost.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

use std::time::Duration;

use bytes::Bytes;
use tidings_domain::{DeliveryState, EndpointId, EventId, Tenant, TenantId, Timestamp};
use tidings_store::ledger::{DeliveryQuery, EventQuery, NewEvent, Overdue, Record};
use tidings_store::postgres::{Config, Postgres, migrate};
use tidings_store::registry::Of;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::{Ledger, Registry, StoreError};
use tidings_testkit::TestDatabase;
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
        migrate(&config).await.unwrap(),
        [
            "0001_initial",
            "0002_cancel_held_before",
            "0003_claim_token",
            "0004_failing",
            "0005_management",
            "0006_erasures_without_errors",
            "0007_jobs_that_end",
            "0008_announce_endpoints",
            "0009_sent_again"
        ]
    );
    assert!(migrate(&config).await.unwrap().is_empty());
    connect(&config).await.unwrap();
}

#[tokio::test]
async fn of_many_that_migrate_at_once_one_applies() {
    let (database, config) = database().await;
    let applied = futures::future::join_all((0..6).map(|_| migrate(&config))).await;
    let applied: Vec<String> = applied.into_iter().flat_map(Result::unwrap).collect();
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
            "0009_sent_again"
        ]
    );
    assert_eq!(count(&database, "SELECT count(*) FROM schema_migrations").await, 9);
}

#[tokio::test]
async fn an_edited_migration_is_refused() {
    let (database, config) = database().await;
    migrate(&config).await.unwrap();
    database
        .execute("UPDATE schema_migrations SET checksum = 'other'")
        .await;
    let refused = migrate(&config).await.unwrap_err();
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
        matches!(&refused, StoreError::Schema(text) if text.contains("run `tidings migrate`")),
        "{refused:?}"
    );
    migrate(&config).await.unwrap();
    database.execute("DELETE FROM schema_migrations").await;
    assert!(matches!(connect(&config).await, Err(StoreError::Schema(_))));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (database, config) = database().await;
    migrate(&config).await.unwrap();
    database
        .execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'later', '')")
        .await;
    for refused in [connect(&config).await.unwrap_err(), migrate(&config).await.unwrap_err()] {
        let text = refused.to_string();
        assert!(
            matches!(refused, StoreError::Schema(_)) && text.contains("older than the schema"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let config = Config {
        url: "postgres://nobody@127.0.0.1:1/nothing".into(),
        ..Config::default()
    };
    assert!(matches!(connect(&config).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(migrate(&config).await, Err(StoreError::Unavailable(_))));
    let config = Config {
        url: "mysql://x".into(),
        ..Config::default()
    };
    assert!(matches!(connect(&config).await, Err(StoreError::Refused(_))));
}

#[tokio::test]
async fn migrating_makes_the_partitions_of_these_days() {
    let (database, config) = database().await;
    migrate(&config).await.unwrap();
    let store = connect(&config).await.unwrap();
    store.record(vec![event(Timestamp::now())]).await.unwrap();
    assert_eq!(count(&database, "SELECT count(*) FROM events").await, 1);
    assert_eq!(count(&database, "SELECT count(*) FROM events_default").await, 0);
    assert_eq!(count(&database, "SELECT count(*) FROM deliveries_default").await, 0);
}

#[tokio::test]
async fn rows_without_a_partition_move_into_it_when_it_is_made() {
    let (database, config) = database().await;
    migrate(&config).await.unwrap();
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
    migrate(&config).await.unwrap();
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
    migrate(&config).await.unwrap();
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
    migrate(&config).await.unwrap();
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
    migrate(&config).await.unwrap();
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
