//! The schema and its versions, which SQLite keeps as `user_version`.
//!
//! A program that is older than the file runs on it if the newest step said so (`compatible_from`), so that the previous
//! version can be put back after an upgrade.

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
    include_str!("schema/0011_compatible_from.sql"),
    include_str!("schema/0012_links_that_work_once.sql"),
];

/// Applies what is missing. A schema of a newer version that this one can't run on is a [`StoreError::Schema`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found = check(connection)?;
    for (version, migration) in (1u32..).zip(MIGRATIONS).skip(found as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        if let Some(compatible_from) = compatible_from(migration) {
            transaction.execute(
                "/* name: write_schema_compatibility */ UPDATE schema_compatibility SET compatible_from = ?1",
                [compatible_from],
            )?;
        }
        // In the commit of the step, so that a crash leaves all of it or nothing.
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The version of the schema, if this version can run on it or bring it up to date; a [`StoreError::Schema`] if not.
pub(super) fn check(connection: &Connection) -> Result<u32, StoreError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = MIGRATIONS.len() as u32;
    if found <= known {
        return Ok(found);
    }
    let sql = "/* name: read_schema_compatibility */ SELECT compatible_from FROM schema_compatibility";
    let needed: u32 = connection.query_row(sql, (), |row| row.get(0))?;
    if needed <= known {
        tracing::info!(
            schema = found,
            program = known,
            "the schema is of a newer version and compatible with this one"
        );
        return Ok(found);
    }
    Err(StoreError::Schema(format!(
        "the database has schema version {found}, which takes a program that knows {needed}, and this one knows {known} at \
         most: use the newer program"
    )))
}

/// The oldest version that may run on this schema, from the file's first line; steps have it from version 11 on.
fn compatible_from(migration: &str) -> Option<u32> {
    let first = migration.lines().next()?;
    first.strip_prefix("-- compatible-from: ")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_says_which_programs_may_run_on_what_it_makes() {
        let mut before = 11;
        for (version, migration) in (1u32..).zip(MIGRATIONS).skip(10) {
            let compatible_from = compatible_from(migration).unwrap_or_else(|| panic!("{version}"));
            assert!((before..=version).contains(&compatible_from));
            before = compatible_from;
        }
    }
}
