//! Errors of stores.

use tidings_service::problem::Problem;

/// A failure to store or read something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached or is shutting down; trying again later makes sense.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The change contradicts what is stored: an id or name that exists, a row that changed meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// The schema is older than what this version works with, or not there: to be migrated.
    #[error("{0}")]
    Unmigrated(String),
    /// The schema is one that this version can't work with, and no migration of it mends that.
    #[error("{0}")]
    Schema(String),
    /// Something stored can't be read: an unknown value, a secret sealed with another key.
    #[error("stored data can't be read: {0}")]
    Corrupt(String),
    /// The database refused a statement that should be right.
    #[error("the database refused a statement: {0}")]
    Refused(String),
}

impl StoreError {
    /// `true` if the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Problem shown to callers. Statements and addresses stay in the log.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => {
                tracing::warn!(cause, "the database is unavailable");
                Self::unavailable("database_unavailable", "the database is unavailable: try again shortly")
            }
            StoreError::Conflict(detail) => Self::conflict("conflict", detail),
            StoreError::Unmigrated(_) | StoreError::Schema(_) | StoreError::Corrupt(_) | StoreError::Refused(_) => {
                tracing::error!(%error, "the database did not answer as it should");
                Self::internal(
                    "database_error",
                    "the database did not answer as it should: see the service's log",
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_see_conflicts_and_no_causes() {
        let told = |error: StoreError| Problem::from(error);
        let away = told(StoreError::Unavailable("10.0.0.5 refused".into()));
        assert_eq!(away.code, "database_unavailable");
        let refused = told(StoreError::Refused("SELECT secret".into()));
        assert_eq!(refused.code, "database_error");
        assert!(!away.detail.contains("10.0.0.5") && !refused.detail.contains("SELECT"));
        let conflict = told(StoreError::Conflict("there is no such tenant".into()));
        assert_eq!(
            (conflict.code, conflict.detail.as_str()),
            ("conflict", "there is no such tenant")
        );
    }
}
