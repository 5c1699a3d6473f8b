//! The schema and its versions.
//!
//! Migrations go forward only and are never edited once published: what was applied is remembered with its
//! checksum, and a file that differs from what was applied stops everything.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tidings_domain::Timestamp;
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
        version: 13,
        name: "endpoints_by_state",
        sql: include_str!("../../../../migrations/0013_endpoints_by_state.sql"),
    },
];

/// The number under which `pg_advisory_lock` keeps migrations apart: "tidings" in ASCII.
const LOCK: i64 = 0x74_69_64_69_6e_67_73;
/// How long a migration waits for the lock of a table, how often it is tried and after which pauses: five minutes in all.
const LOCK_TIMEOUT: &str = "500ms";
const TRIES: u32 = 120;
const PAUSE: Duration = Duration::from_secs(2);
/// How far ahead a fresh schema has partitions; the log service makes more.
const DAYS_AHEAD: u32 = 2;

/// Brings the schema to this version and makes the partitions of the days around now. Each migration is one
/// transaction; any number of processes may try at once. Returns the names of what was applied.
///
/// # Errors
/// [`StoreError::Schema`] when the schema is newer than this version or was made by other files.
pub async fn migrate(config: &Config) -> Result<Vec<String>, StoreError> {
    let (session, tls) = session(config)?;
    let (mut client, connection) = session.connect(tls).await?;
    let driver = tokio::spawn(connection);
    let applied = locked(&mut client).await;
    drop(client);
    driver.abort();
    applied
}

/// Checks that the schema is the one of this version.
pub(super) async fn check(client: &impl GenericClient) -> Result<(), StoreError> {
    let version = match applied(client).await? {
        Some(rows) => verify(&rows)?,
        None => 0,
    };
    if version < newest() {
        return Err(StoreError::Schema(format!(
            "the schema of the database is version {version}, this program needs {}: run `tidings migrate`",
            newest()
        )));
    }
    Ok(())
}

async fn locked(client: &mut Client) -> Result<Vec<String>, StoreError> {
    // Held until the connection ends.
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    client.batch_execute(CREATE_TABLE).await?;
    let version = verify(&applied(client).await?.unwrap_or_default())?;
    let mut names = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > version) {
        apply(client, migration).await?;
        names.push(migration.file_name());
    }
    partitions::prepare(client, Timestamp::now(), DAYS_AHEAD).await?;
    Ok(names)
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
async fn apply(client: &mut Client, migration: &Migration) -> Result<(), StoreError> {
    let mut tries = 1;
    loop {
        match try_to_apply(client, migration).await {
            Err(error) if is_locked(&error) && tries < TRIES => {
                tracing::info!(
                    migration = migration.file_name(),
                    "others use the tables; it is tried again"
                );
                tries += 1;
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
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            &[&migration.version, &migration.name, &migration.checksum()],
        )
        .await?;
    transaction.commit().await
}

/// Version and checksum of everything that was applied; nothing if this never was a database of ours.
async fn applied(client: &impl GenericClient) -> Result<Option<Vec<(i32, String)>>, StoreError> {
    let row = client
        .query_one("SELECT to_regclass('schema_migrations') IS NOT NULL", &[])
        .await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let rows = client
        .query("SELECT version, checksum FROM schema_migrations ORDER BY version", &[])
        .await?;
    let pairs = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(Some(pairs.collect::<Result<_, tokio_postgres::Error>>()?))
}

/// The version of a schema that was made by these migrations and no others.
fn verify(applied: &[(i32, String)]) -> Result<i32, StoreError> {
    for (version, checksum) in applied {
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == *version) else {
            return Err(StoreError::Schema(format!(
                "the schema of the database is version {version}, this program knows {} at most: it is older than \
                 the schema, use the version that migrated it or a newer one",
                newest()
            )));
        };
        if migration.checksum() != *checksum {
            return Err(StoreError::Schema(format!(
                "migration {} was applied from a file with other content: restore the published file",
                migration.file_name()
            )));
        }
    }
    Ok(applied.last().map_or(0, |(version, _)| *version))
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
}
