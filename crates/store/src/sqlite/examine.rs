//! Checks of a database file before an operator trusts it, for `tidings doctor`.

use std::fs::{File, TryLockError};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::schema;
use crate::error::StoreError;

#[derive(Debug, Clone)]
pub struct Examined {
    /// The file's size in bytes.
    pub size: u64,
    /// Free space on its disk in bytes.
    pub free: u64,
    /// The schema's version, or why this version can't work with it.
    pub schema: Result<u32, String>,
    /// `true` if a process has the file open.
    pub in_use: bool,
    /// `true` if users other than its owner may read it.
    pub readable_by_others: bool,
}

/// Examines a database file without changing it; other processes may have it open.
///
/// # Errors
/// [`StoreError::Unavailable`] when the file or its disk can't be looked at.
pub fn examine(path: &Path) -> Result<Examined, StoreError> {
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let disk = rustix::fs::statvfs(path).map_err(|error| failed(error.into()))?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(super::BUSY_TIMEOUT)?;
    let schema = match schema::check(&connection) {
        Ok(version) => Ok(version),
        Err(StoreError::Schema(reason)) => Err(reason),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    let readable_by_others = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0;
    #[cfg(not(unix))]
    let readable_by_others = false;
    Ok(Examined {
        size: metadata.len(),
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        schema,
        in_use: is_locked(path),
        readable_by_others,
    })
}

fn is_locked(path: &Path) -> bool {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let Ok(file) = File::open(lock) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}
