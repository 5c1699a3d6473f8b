//! Copies of a database file, made while it is in use.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, keep_private};
use crate::error::StoreError;

/// Copies a database file as it stands at one moment, checks the copy, and brings it to the disk; returns its size, bytes.
/// Whoever has the file open goes on writing meanwhile, to a log beside it that grows for so long.
///
/// # Errors
/// [`StoreError::Conflict`] when there is something at `to`, [`StoreError::Unavailable`] when a file can't be read or
/// written, [`StoreError::Corrupt`] when the copy is damaged, which then stays for somebody to look at.
pub fn backup(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let failed = |path: &Path, error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    if to.exists() {
        return Err(StoreError::Conflict(format!(
            "{} exists: name a file that does not",
            to.display()
        )));
    }
    let Some(name) = to.to_str() else {
        return Err(StoreError::Unavailable(format!("{} is no text", to.display())));
    };
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    source.busy_timeout(BUSY_TIMEOUT)?;
    // An empty file is taken for one that is not there; nobody else is to read it.
    keep_private(to)?;
    // One statement sees one moment; a copied file would lack what is in the log beside it.
    source.execute("VACUUM INTO ?1", [name])?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let said: String = copy.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if said != "ok" {
        return Err(StoreError::Corrupt(format!("the copy is damaged: {said}")));
    }
    drop(copy);
    let file = File::open(to).map_err(|error| failed(to, error))?;
    file.sync_all().map_err(|error| failed(to, error))?;
    // Until the directory is on the disk, a crash of the machine may lose the file's name.
    if let Some(directory) = to.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failed(directory, error))?;
    }
    Ok(file.metadata().map_err(|error| failed(to, error))?.len())
}
