//! Classification of SQLite's errors.

use rusqlite::{Error, ErrorCode, ffi};

use crate::error::StoreError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match &error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::Unavailable("the disk is full: free some space".into()),
                ErrorCode::SystemIoFailure => Self::Unavailable(format!("the disk failed: {error}")),
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly => Self::Unavailable(error.to_string()),
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt(error.to_string()),
                ErrorCode::ConstraintViolation => violated(failure.extended_code, &error),
                _ => Self::Refused(error.to_string()),
            },
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}

fn violated(constraint: i32, error: &Error) -> StoreError {
    match constraint {
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => StoreError::Conflict("there is no such tenant".into()),
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE => {
            StoreError::Conflict("something with this id exists already".into())
        }
        _ => StoreError::Refused(error.to_string()),
    }
}
