//! What PostgreSQL's errors mean to callers.

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::error::StoreError;

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = describe(&error);
        match error.code() {
            None if error.is_closed() || is_io(&error) => Self::Unavailable(text),
            Some(state) if is_transient(state) => Self::Unavailable(text),
            Some(&(SqlState::UNIQUE_VIOLATION | SqlState::FOREIGN_KEY_VIOLATION)) => Self::Conflict(text),
            _ => Self::Refused(text),
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_) => Self::Unavailable("no connection became free or could be made in time".into()),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// States (PostgreSQL's manual, appendix A) that pass without anybody changing the statement.
fn is_transient(state: &SqlState) -> bool {
    const CLASSES: [&str; 2] = ["08", "53"]; // connection exceptions; insufficient resources
    CLASSES.iter().any(|class| state.code().starts_with(class))
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::QUERY_CANCELED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            // A standby after a failover, until the address follows the primary.
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(state)
}

/// Whether the connection, and not the statement, failed.
fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

fn describe(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(db), _) => {
            let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{} [{}]{detail}", db.message(), db.code().code())
        }
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// Something stored that this version can't read.
pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}
