//! The schema and its versions.
//!
//! Migrations go forward only and are never edited once published: what was applied is remembered with its
//! checksum, and a file that differs from what was applied stops everything.
//!
//! A program that is older than the schema runs on it if the newest migration says so (`compatible_from`), so that
//! processes of two versions share a database during a rollout, and the previous version can be put back after one.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tidings_domain::Timestamp;
use tidings_service::Backoff;
use tokio::time::Instant;
use tokio_postgres::{Client, Error, GenericClient};

use super::partitions::is_locked;
use super::{Config, partitions, session};
use crate::error::StoreError;

struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

/// Every file of the `migrations` directory, in order.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        sql: include_str!("../../../../migrations/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "cancel_held_before",
        sql: include_str!("../../../../migrations/0002_cancel_held_before.sql"),
    },
    Migration {
        version: 3,
        name: "claim_token",
        sql: include_str!("../../../../migrations/0003_claim_token.sql"),
    },
    Migration {
        version: 4,
        name: "failing",
        sql: include_str!("../../../../migrations/0004_failing.sql"),
    },
    Migration {
        version: 5,
        name: "management",
        sql: include_str!("../../../../migrations/0005_management.sql"),
    },
    Migration {
        version: 6,
        name: "erasures_without_errors",
        sql: include_str!("../../../../migrations/0006_erasures_without_errors.sql"),
    },
    Migration {
        version: 7,
        name: "jobs_that_end",
        sql: include_str!("../../../../migrations/0007_jobs_that_end.sql"),
    },
    Migration {
        version: 8,
        name: "announce_endpoints",
        sql: include_str!("../../../../migrations/0008_announce_endpoints.sql"),
    },
    Migration {
        version: 9,
        name: "sent_again",
        sql: include_str!("../../../../migrations/0009_sent_again.sql"),
    },
    Migration {
        version: 10,
        name: "upkeep",
        sql: include_str!("../../../../migrations/0010_upkeep.sql"),
    },
    Migration {
        version: 11,
        name: "endpoint_health",
        sql: include_str!("../../../../migrations/0011_endpoint_health.sql"),
    },
    Migration {
        version: 12,
        name: "compatible_from",
        sql: include_str!("../../../../migrations/0012_compatible_from.sql"),
    },
    Migration {
        version: 13,
        name: "endpoints_by_state",
        sql: include_str!("../../../../migrations/0013_endpoints_by_state.sql"),
    },
    Migration {
        version: 14,
        name: "links_that_work_once",
        sql: include_str!("../../../../migrations/0014_links_that_work_once.sql"),
    },
];

/// The number under which `pg_advisory_lock` keeps migrations apart: "tidings" in ASCII.
const LOCK: i64 = 0x74_69_64_69_6e_67_73;
/// Limit for a migration's wait for the lock of a table. It is tried again after pauses, for a limited time in all.
const LOCK_TIMEOUT: &str = "500ms";
const PAUSE: Duration = Duration::from_secs(2);
const LOCKS_WITHIN: Duration = Duration::from_secs(300);
/// Days for which a fresh schema has partitions; the log service makes more.
const DAYS_AHEAD: u32 = 2;

/// Interval between two looks at another process that migrates.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The names of the migrations that were applied, in order.
    pub applied: Vec<String>,
    /// The version of the schema.
    pub version: i32,
    /// `true` if a newer program has migrated the schema, and this one can run on it.
    pub newer: bool,
}

/// Brings the schema to this version and makes the partitions of the days around now. Each migration is one
/// transaction; any number of processes may try at once. A server that is not there is waited for as long as `wait`, and
/// others who migrate or use the tables for as long as that or five minutes.
///
/// # Errors
/// [`StoreError::Schema`] when the schema is too new for this version or was made by other files.
pub async fn migrate(config: &Config, wait: Duration) -> Result<Migrated, StoreError> {
    let (session, tls) = session(config)?;
    let deadline = Instant::now() + wait;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
    let (mut client, connection) = loop {
        match session.connect(tls.clone()).await.map_err(StoreError::from) {
            Err(StoreError::Unavailable(reason)) if Instant::now() < deadline => {
                tracing::info!(reason, "the database can't be reached yet; retrying");
                tokio::time::sleep(backoff.next()).await;
            }
            connected => break connected?,
        }
    };
    let driver = tokio::spawn(connection);
    let migrated = locked(&mut client, wait.max(LOCKS_WITHIN)).await;
    // Closing the connection releases the advisory lock.
    drop(client);
    driver.abort();
    migrated
}

/// Checks that this version can work with the schema, and returns the schema's version.
pub(super) async fn check(client: &impl GenericClient) -> Result<i32, StoreError> {
    let version = match applied(client).await? {
        Some(rows) => verify(&rows)?,
        None => 0,
    };
    if version < newest() {
        return Err(StoreError::Unmigrated(format!(
            "the schema of the database is version {version}, this program needs {}: run `tidings migrate`",
            newest()
        )));
    }
    Ok(version)
}

async fn locked(client: &mut Client, patience: Duration) -> Result<Migrated, StoreError> {
    lock(client, patience).await?;
    // Under the lock: two sessions that create it at the same moment can collide in the catalogue.
    client.batch_execute(CREATE_TABLE).await?;
    let version = verify(&applied(client).await?.unwrap_or_default())?;
    let mut names = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > version) {
        apply(client, migration, patience).await?;
        names.push(migration.file_name());
    }
    partitions::prepare(client, Timestamp::now(), DAYS_AHEAD).await?;
    Ok(Migrated {
        applied: names,
        version: version.max(newest()),
        newer: version > newest(),
    })
}

/// Locks out other migrations until the connection ends.
async fn lock(client: &Client, patience: Duration) -> Result<(), StoreError> {
    let deadline = Instant::now() + patience;
    loop {
        let row = client
            .query_one("/* name: lock_migrations */ SELECT pg_try_advisory_lock($1)", &[&LOCK])
            .await?;
        if row.try_get(0)? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(StoreError::Unavailable(format!(
                "another process has been migrating the schema for {patience:?}: see what it waits for in pg_stat_activity"
            )));
        }
        tracing::info!("another process is migrating the schema; waiting for it");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

const CREATE_TABLE: &str = "
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_migrations IS 'The migrations that made this schema.';
COMMENT ON COLUMN schema_migrations.version IS 'The number of the file.';
COMMENT ON COLUMN schema_migrations.name IS 'The name of the file, without number and ending.';
COMMENT ON COLUMN schema_migrations.checksum IS 'SHA-256 of the file, hexadecimal.';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When it was applied.';
";

/// Applies a migration, as soon as it gets its locks. Those who use the tables wait behind a lock that waits, so it waits
/// for a moment only, and is tried again.
async fn apply(client: &mut Client, migration: &Migration, patience: Duration) -> Result<(), StoreError> {
    let deadline = Instant::now() + patience;
    loop {
        match try_to_apply(client, migration).await {
            Err(error) if is_locked(&error) && Instant::now() < deadline => {
                tracing::info!(
                    migration = migration.file_name(),
                    "other sessions use the tables; retrying"
                );
                tokio::time::sleep(PAUSE).await;
            }
            result => return Ok(result?),
        }
    }
}

async fn try_to_apply(client: &mut Client, migration: &Migration) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    let timeout = format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'");
    transaction.batch_execute(&timeout).await?;
    transaction.batch_execute(migration.sql).await?;
    transaction
        .execute(
            "-- name: note_migration
                 INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            &[&migration.version, &migration.name, &migration.checksum()],
        )
        .await?;
    if let Some(compatible_from) = migration.compatible_from() {
        let sql = "-- name: note_compatibility
             UPDATE schema_migrations SET compatible_from = $2 WHERE version = $1";
        transaction
            .execute(sql, &[&migration.version, &compatible_from])
            .await?;
    }
    transaction.commit().await
}

/// A migration that was applied, by whichever program.
struct Applied {
    version: i32,
    checksum: String,
    /// The newest migration that a program must know at least to run on the schema that this one makes.
    compatible_from: Option<i32>,
}

/// Everything that was applied, in order; nothing if this never was a database of ours.
async fn applied(client: &impl GenericClient) -> Result<Option<Vec<Applied>>, StoreError> {
    let row = client
        .query_one(
            "/* name: check_migrations_table */ SELECT to_regclass('schema_migrations') IS NOT NULL",
            &[],
        )
        .await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    // A schema before version 12 lacks the column.
    let sql = "-- name: read_migrations
               SELECT version, checksum, (to_jsonb(m) ->> 'compatible_from')::integer
               FROM schema_migrations m ORDER BY version";
    let rows = client.query(sql, &[]).await?;
    let applied = rows.iter().map(|row| {
        Ok(Applied {
            version: row.try_get(0)?,
            checksum: row.try_get(1)?,
            compatible_from: row.try_get(2)?,
        })
    });
    Ok(Some(applied.collect::<Result<_, tokio_postgres::Error>>()?))
}

/// The version of a schema that was made by these migrations, and maybe by newer ones that leave it fit for this program.
fn verify(applied: &[Applied]) -> Result<i32, StoreError> {
    for Applied { version, checksum, .. } in applied {
        let known = MIGRATIONS.iter().find(|migration| migration.version == *version);
        if let Some(migration) = known.filter(|migration| migration.checksum() != *checksum) {
            return Err(StoreError::Schema(format!(
                "migration {} was applied from a file with other content: restore the published file",
                migration.file_name()
            )));
        }
    }
    let Some(last) = applied.last() else { return Ok(0) };
    let needed = last.compatible_from.unwrap_or(last.version);
    if needed > newest() && last.version > newest() {
        return Err(StoreError::Schema(format!(
            "the schema of the database is version {}, which takes a program that knows {needed}, and this one knows {} \
             at most: it is older than the schema, use the version that migrated it or a newer one",
            last.version,
            newest()
        )));
    }
    Ok(last.version)
}

fn newest() -> i32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

impl Migration {
    fn file_name(&self) -> String {
        format!("{:04}_{}", self.version, self.name)
    }

    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql))
    }

    /// The oldest version that may run on this schema, from the file's first line; migrations have it from version 12
    /// on.
    fn compatible_from(&self) -> Option<i32> {
        let first = self.sql.lines().next()?;
        first.strip_prefix("-- compatible-from: ")?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_embedded_in_order() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .filter_map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .to_str()
                    .and_then(|n| n.strip_suffix(".sql").map(str::to_owned))
            })
            .collect();
        files.sort();
        assert_eq!(files, MIGRATIONS.iter().map(Migration::file_name).collect::<Vec<_>>());
        assert!(MIGRATIONS.iter().map(|m| m.version).eq(1..=newest()));
    }

    #[test]
    fn every_file_says_which_programs_may_run_on_what_it_makes() {
        let mut before = 12;
        for migration in MIGRATIONS.iter().filter(|migration| migration.version >= 12) {
            let compatible_from = migration.compatible_from();
            let compatible_from = compatible_from.unwrap_or_else(|| panic!("{}", migration.file_name()));
            assert!((before..=migration.version).contains(&compatible_from));
            before = compatible_from;
        }
    }

    #[test]
    fn an_older_program_runs_on_a_newer_schema_that_says_so() {
        let schema = |newer: &[(i32, Option<i32>)]| {
            let known = MIGRATIONS.iter().map(|migration| Applied {
                version: migration.version,
                checksum: migration.checksum(),
                compatible_from: migration.compatible_from(),
            });
            let newer = newer.iter().map(|&(version, compatible_from)| Applied {
                version,
                checksum: "of a file that this program does not have".into(),
                compatible_from,
            });
            verify(&known.chain(newer).collect::<Vec<_>>())
        };
        let n = newest();
        assert_eq!(schema(&[]).unwrap(), n);
        assert_eq!(schema(&[(n + 1, Some(n)), (n + 2, Some(n))]).unwrap(), n + 2);
        for refused in [&[(n + 1, None)][..], &[(n + 1, Some(n)), (n + 2, Some(n + 1))]] {
            assert!(matches!(schema(refused), Err(StoreError::Schema(_))));
        }
        assert_eq!(verify(&[]).unwrap(), 0);
    }
}
