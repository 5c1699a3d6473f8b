//! What only the SQLite store promises: one process, group commits, durability through kill -9, and the messages
//! of the embedded queue. What it shares with PostgreSQL is in the contract suite.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tidings_domain::{
    Actor, ApiKey, AuditEntry, DeliveryState, Endpoint, EndpointId, EventId, Scope, Secret, Tenant, TenantId, Timestamp,
};
use tidings_store::StoreError;
use tidings_store::ledger::{DeliveryQuery, Ledger, NewEvent, Record};
use tidings_store::registry::{Of, Registry};
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::{Cursor, NewMessage, Sqlite};

fn sealer() -> Sealer {
    Sealer::new(vec![SealKey::generate()]).unwrap()
}

fn open(path: &Path) -> Result<Sqlite, StoreError> {
    Sqlite::open(path, sealer())
}

fn fresh() -> (TempDir, PathBuf, Sqlite) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/tidings.db");
    let store = open(&path).unwrap();
    (directory, path, store)
}

fn event(payload: usize) -> NewEvent {
    let now = Timestamp::now();
    NewEvent {
        id: EventId::new(),
        tenant: TenantId::new(),
        event_type: "feedback.created".parse().unwrap(),
        occurred_at: now,
        accepted_at: now,
        payload: vec![b'x'; payload].into(),
        idempotency_key: None,
        traceparent: None,
        deliveries: vec![(EndpointId::new(), DeliveryState::Pending)],
        grace: Duration::from_secs(60),
        test: false,
    }
}

fn message(lane: i64, ready_at_ms: i64, body: &'static str) -> NewMessage {
    NewMessage {
        lane,
        ready_at_ms,
        body: Bytes::from_static(body.as_bytes()),
    }
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_the_file() {
    let (_directory, path, store) = fresh();
    let refusal = open(&path).err().unwrap();
    assert!(
        matches!(&refusal, StoreError::Conflict(why) if why.contains("another process")),
        "{refusal}"
    );
    drop(store);
    open(&path).unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_that_takes_a_newer_program_is_refused() {
    let (_directory, path, store) = fresh();
    store
        .write(|c| {
            c.execute("UPDATE schema_compatibility SET compatible_from = 99", ())?;
            Ok(c.pragma_update(None, "user_version", 99)?)
        })
        .await
        .unwrap();
    drop(store);
    let refusal = open(&path).err().unwrap();
    assert!(
        matches!(&refusal, StoreError::Schema(why) if why.contains("99")),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_newer_schema_that_is_fit_for_this_version_is_opened_and_left_alone() {
    let (_directory, path, store) = fresh();
    // What a later version would do: it adds a column, and says that nobody needs to know.
    let newer = |c: &rusqlite::Connection| {
        c.execute_batch("ALTER TABLE tenants ADD COLUMN later TEXT")?;
        Ok(c.pragma_update(None, "user_version", 99)?)
    };
    store.write(newer).await.unwrap();
    drop(store);
    let store = open(&path).unwrap();
    store.ping().await.unwrap();
    let version =
        |c: &rusqlite::Connection| Ok(c.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))?);
    assert_eq!(store.read(version).await.unwrap(), 99);
}

#[tokio::test]
async fn a_write_that_fails_or_panics_takes_no_other_with_it() {
    let (_directory, _path, store) = fresh();
    let insert = "INSERT INTO tenants (id, name, created_at) VALUES (?1, '', 0)";
    let writes = (0..60u8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .write(move |connection| {
                    connection.prepare_cached(insert)?.execute([vec![n]])?;
                    assert_ne!(n % 3, 1, "told to panic");
                    if n % 3 == 2 {
                        Err(StoreError::Refused("told to fail".into()))
                    } else {
                        Ok(n)
                    }
                })
                .await
        })
    });
    for (n, write) in writes.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(write.await.unwrap().is_ok(), n % 3 == 0, "write {n}");
    }
    let stored = store
        .read(|c| Ok(c.query_row("SELECT count(*) FROM tenants", (), |r| r.get::<_, u32>(0))?))
        .await;
    assert_eq!(stored.unwrap(), 20);
}

#[tokio::test]
async fn a_full_disk_is_an_outage_that_passes() {
    let (_directory, _path, store) = fresh();
    let pages = |count: u32| {
        store.write(move |c| Ok(c.query_row(&format!("PRAGMA max_page_count = {count}"), (), |_| Ok(()))?))
    };
    store.record(vec![Record::Event(event(1000))]).await.unwrap();
    pages(1).await.unwrap();
    let refused = store.record(vec![Record::Event(event(1_000_000))]).await.unwrap_err();
    assert!(
        refused.is_transient() && refused.to_string().contains("disk"),
        "{refused}"
    );
    pages(1_000_000).await.unwrap();
    store.record(vec![Record::Event(event(1_000_000))]).await.unwrap();
    assert_eq!(
        store
            .deliveries(&DeliveryQuery {
                limit: 10,
                ..DeliveryQuery::default()
            })
            .await
            .unwrap()
            .rows
            .len(),
        2
    );
}

#[tokio::test]
async fn messages_come_in_order_from_a_cursor_on_and_stay_until_deleted() {
    let (_directory, path, store) = fresh();
    let new = vec![
        message(1, 20, "c"),
        message(1, 10, "a"),
        message(2, 10, "other"),
        message(1, 10, "b"),
        message(1, 99, "later"),
    ];
    let seqs = store.insert_messages(new).await.unwrap();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]));
    let bodies = |found: &[tidings_store::sqlite::StoredMessage]| {
        found
            .iter()
            .map(|m| String::from_utf8(m.body.to_vec()).unwrap())
            .collect::<Vec<_>>()
    };

    let first = store.messages_ready(1, Cursor::START, 50, 2).await.unwrap();
    assert_eq!(bodies(&first), ["a", "b"]);
    let second = store.messages_ready(1, first[0].cursor(), 50, 10).await.unwrap();
    assert_eq!(bodies(&second), ["b", "c"]);
    assert!(
        store
            .messages_ready(1, first[0].cursor(), 9, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let rest = store.messages_ready(1, first[1].cursor(), 50, 10).await.unwrap();
    assert_eq!(bodies(&rest), ["c"]);
    assert_eq!(
        store.next_message_ready_at(1, rest[0].cursor()).await.unwrap(),
        Some(99)
    );
    assert_eq!(store.next_message_ready_at(3, Cursor::START).await.unwrap(), None);
    assert_eq!(store.count_messages().await.unwrap(), [(1, 4), (2, 1)]);

    store.delete_messages(seqs).await.unwrap();
    assert_eq!(store.count_messages().await.unwrap(), []);
    let last = store.insert_messages(vec![message(1, 0, "x")]).await.unwrap()[0];
    store.delete_messages(vec![last, 12345]).await.unwrap();
    drop(store);
    let again = open(&path)
        .unwrap()
        .insert_messages(vec![message(1, 0, "y")])
        .await
        .unwrap()[0];
    assert!(again > last, "{again} was used before");
}

#[tokio::test]
async fn a_secret_is_sealed_in_the_file_and_missing_its_key_costs_only_its_endpoint() {
    let (directory, path, store) = fresh();
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    let tenant = Tenant::new("Acme", now);
    let (key, _) = ApiKey::new(Some(tenant.id), vec![Scope::Manage], now);
    let entry = || AuditEntry::new(now, Actor::Internal, "test", "nothing");
    let endpoint = Endpoint {
        secret: Some(Secret::new("correct horse battery staple").unwrap()),
        ..Endpoint::new(tenant.id, "https://example.com/hook".parse().unwrap(), "standard", now)
    };
    store.create_tenant(&tenant, &key, &entry()).await.unwrap();
    store.create_endpoint(&endpoint, &entry()).await.unwrap();
    assert_eq!(store.endpoint(endpoint.id).await.unwrap(), Some(endpoint.clone()));
    drop(store);
    for file in std::fs::read_dir(directory.path().join("data")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(13).any(|window| window == b"correct horse"));
    }

    let store = open(&path).unwrap();
    let found = store.endpoint(endpoint.id).await.unwrap().unwrap();
    assert_eq!((&found.secret, found.is_signed()), (&None, true));
    assert!(matches!(store.open(&found), Err(StoreError::Corrupt(_))));
    assert_eq!(store.snapshot(Of::Everything).await.unwrap().endpoints, [found]);
}

const CHILD: &str = "TIDINGS_TEST_DATABASE";

/// Three times: a child writes and says what was acknowledged, is killed in the middle of it, and everything that
/// it said is there.
#[tokio::test]
async fn kill_9_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidings.db");
    let mut acknowledged: Vec<EventId> = Vec::new();
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut seen = 0;
        for line in lines {
            // The test harness prints too; and the last line may be cut off.
            if let Some(Ok(id)) = line.split_whitespace().last().map(str::parse) {
                acknowledged.push(id);
                seen += 1;
            }
            if seen == 300 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= 300, "the child ended by itself after {seen}");

        let store = open(&path).unwrap();
        for id in &acknowledged {
            assert!(store.event(*id).await.unwrap().is_some(), "{id} is lost");
            let query = DeliveryQuery {
                event: Some(*id),
                limit: 2,
                ..DeliveryQuery::default()
            };
            assert_eq!(store.deliveries(&query).await.unwrap().rows.len(), 1, "{id}");
        }
        let check: String = store
            .read(|c| Ok(c.query_row("PRAGMA integrity_check", (), |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(check, "ok");
    }
}

/// Not a test of its own: the child of the one above.
#[tokio::test]
#[ignore = "runs until it is killed"]
async fn writes_until_it_is_killed() {
    let path = std::env::var_os(CHILD).unwrap();
    let store = open(Path::new(&path)).unwrap();
    let writers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let event = event(500);
                let id = event.id;
                store.record(vec![Record::Event(event)]).await.unwrap();
                println!("\n{id}");
            }
        })
    });
    for writer in writers.collect::<Vec<tokio::task::JoinHandle<()>>>() {
        writer.await.unwrap();
    }
}
