//! The database file of a standalone system.

use std::path::Path;

use tidings_store::sqlite::examine;

use super::finding::Findings;
use crate::config::Config;

/// With less room than this the disk is soon full.
const ENOUGH_ROOM: u64 = 1 << 30;

pub(super) fn database(config: &Config, directory: &Path, found: &mut Findings) -> anyhow::Result<()> {
    let file = directory.join("tidings.db");
    let seen = match examine(&file) {
        Ok(seen) => seen,
        Err(error) => return found.fail("database", error.to_string(), "name the data directory with --data-dir"),
    };
    let (size, free) = (seen.size >> 20, seen.free >> 20);
    let open = if seen.in_use {
        "a process has it open"
    } else {
        "no process has it open"
    };
    found.ok("database", format!("{} has {size} MiB; {open}", file.display()))?;
    match &seen.schema {
        Ok(version) => found.ok("schema", format!("version {version}"))?,
        Err(reason) => found.fail("schema", reason, "use the version that wrote it, or a newer one")?,
    }
    if seen.free < ENOUGH_ROOM {
        let says = format!("{free} MiB are free; nothing is accepted when it is full");
        found.warn("disk", says, "free some space, or keep less (log.retention)")?;
    } else {
        found.ok("disk", format!("{free} MiB are free"))?;
    }
    if seen.readable_by_others {
        let says = format!("others may read {}, which holds payloads", file.display());
        found.warn("rights", says, "chmod 600")?;
    }
    let key = directory.join("secrets.key");
    if config.secrets.keys.is_empty() && !key.exists() {
        let says = format!("there is no {}, and secrets.keys is empty", key.display());
        return found.fail("keys", says, "restore the key that belongs to the database");
    }
    found.ok("keys", "there is one; a backup is worthless without it")
}
