//! The schema and its versions, which SQLite keeps as `user_version`.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

/// Every step from an empty file to the present schema. Steps are only ever added.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001_first.sql"),
    include_str!("schema/0002_cancel_held_before.sql"),
    include_str!("schema/0003_claim_token.sql"),
    include_str!("schema/0004_failing.sql"),
    include_str!("schema/0005_management.sql"),
    include_str!("schema/0006_erasures_without_errors.sql"),
    include_str!("schema/0007_jobs_that_end.sql"),
    include_str!("schema/0008_sent_again.sql"),
    include_str!("schema/0009_upkeep.sql"),
    include_str!("schema/0010_endpoint_health.sql"),
];

/// Applies what is missing. A schema of a newer version is a [`StoreError::Schema`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = MIGRATIONS.len() as u32;
    if found > known {
        return Err(StoreError::Schema(format!(
            "the database has schema version {found}, this program knows {known} and older: use the newer program"
        )));
    }
    for (version, migration) in (1u32..).zip(MIGRATIONS).skip(found as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
