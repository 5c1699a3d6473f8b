//! Classification of PostgreSQL's errors.
//!
//! A record is refused for good only when its own data can't be stored. Everything else (a changed password, a missing
//! right, an unreadable file, a schema that is being altered) lies in the database and passes once it is mended. Until
//! then the database counts as unavailable, and records wait elsewhere.

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::error::StoreError;

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = describe(&error);
        match error.code() {
            // These are of class 23 as well, and callers decide what they mean.
            Some(&(SqlState::UNIQUE_VIOLATION | SqlState::FOREIGN_KEY_VIOLATION)) => Self::Conflict(text),
            Some(state) if lies_in_data(state) => Self::Refused(text),
            None if is_ours(&error) => Self::Corrupt(text),
            _ => Self::Unavailable(text),
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_) => Self::Unavailable("no connection became free or could be made in time".into()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// States (PostgreSQL's manual, appendix A) that the values of a statement can cause: data exceptions, violated
/// constraints, and limits of the program such as the size of an index row.
fn lies_in_data(state: &SqlState) -> bool {
    ["22", "23", "54"].iter().any(|class| state.code().starts_with(class))
}

/// `true` if a statement fails only because it was planned before the schema changed, or because the server has lost
/// it: it works once prepared again.
pub(super) fn is_stale(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|state| [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INVALID_SQL_STATEMENT_NAME].contains(state))
}

/// `true` if a column could not be converted to a value, or a value to a parameter. The client distinguishes these
/// errors by their text only.
fn is_ours(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    let of_values = [
        "error serializing parameter",
        "error deserializing column",
        "invalid column",
    ];
    of_values.iter().any(|beginning| text.starts_with(beginning))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_data_can_cause_lies_in_the_data() {
        for code in ["22001", "22003", "22021", "22P05", "23502", "23514", "54000"] {
            assert!(lies_in_data(&SqlState::from_code(code)), "{code}");
        }
        for code in [
            "08006", "0A000", "25006", "26000", "28000", "28P01", "3D000", "40001", "40P01", "42501", "42703", "42P01",
            "53100", "55P03", "57014", "57P01", "58030", "58P01", "XX000", "XX001", "P0001",
        ] {
            assert!(!lies_in_data(&SqlState::from_code(code)), "{code}");
        }
    }
}
