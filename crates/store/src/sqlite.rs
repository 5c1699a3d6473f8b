//! The store in one SQLite file, for one process.
//!
//! One thread owns the only writing connection. Writes that wait for it share a transaction, each in a
//! savepoint of its own, and are answered after the commit has reached the disk, so that the cost of reaching
//! the disk is paid once per group. Reads run beside it on connections of their own (WAL). A lock file beside
//! the database keeps a second process out.

mod answers;
mod backup;
mod erasures;
mod error;
mod examine;
mod filter;
mod health;
mod idempotency;
mod ledger;
mod messages;
mod notices;
mod query;
mod readers;
mod record;
mod registry;
mod replays;
mod retention;
mod row;
mod schema;
mod standing;
mod sweep;
mod watch;
mod writer;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

pub use backup::backup;
pub use examine::{Examined, examine};
pub use messages::{Cursor, NewMessage, StoredMessage};

use crate::error::StoreError;
use crate::registry::Of;
use crate::seal::Sealer;
use readers::Readers;
use writer::Writer;

/// A database file; cheap to clone. It is closed, and its lock given back, with the last clone.
#[derive(Clone)]
pub struct Sqlite {
    sealer: Sealer,
    subscribers: Subscribers,
    // Declared before the lock: fields are dropped in order, and the lock must outlive the connections.
    writer: Arc<Writer>,
    /// Connections for reads that events wait for.
    readers: Arc<Readers>,
    /// For the queue, which hands out nothing while it can't read.
    queue: Arc<Readers>,
    /// Connections for reads that people wait for.
    searches: Arc<Readers>,
    path: Arc<Path>,
    _lock: Arc<File>,
}

/// Channels of the subscribers to changes of the registry.
type Subscribers = Arc<Mutex<Vec<mpsc::Sender<Of>>>>;

/// Changes that may wait for a subscriber. Its channel is closed when there are more, and it loads everything again.
const CHANGES: usize = 1024;
/// Connections that read for events, and the longest duration of one read.
const READERS: (usize, Duration) = (2, Duration::from_secs(30));
const QUEUE_READERS: (usize, Duration) = (1, Duration::from_secs(30));
const SEARCHES: (usize, Duration) = (4, Duration::from_secs(10));
/// With less room than this on its disk, bytes, the store says that it is full.
const MIN_ROOM: u64 = 4 * 1024 * 1024;
/// Only a foreign program with the file open (a shell, a backup) can keep us waiting.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl Sqlite {
    /// Opens a database, or makes it with the directories above it, and brings its schema up to date.
    ///
    /// [`StoreError::Conflict`] if another process has it open, [`StoreError::Schema`] if it was written by a
    /// newer version, [`StoreError::Unavailable`] if the file can't be opened.
    pub fn open(path: &Path, sealer: Sealer) -> Result<Self, StoreError> {
        // SQLite itself would let two processes take turns. But the embedded queue knows in memory which messages are
        // handed out, and a second process would hand them out again.
        let lock = lock(path)?;
        keep_private(path)?;
        let mut connection = Connection::open(path)?;
        configure(&connection)?;
        schema::migrate(&mut connection)?;
        let readers = |(number, timeout)| -> Result<_, StoreError> {
            let connections = (0..number).map(|_| open_reader(path)).collect::<Result<_, _>>()?;
            Ok(Arc::new(Readers::new(connections, timeout)))
        };
        Ok(Self {
            sealer,
            subscribers: Subscribers::default(),
            writer: Arc::new(Writer::start(connection)?),
            readers: readers(READERS)?,
            queue: readers(QUEUE_READERS)?,
            searches: readers(SEARCHES)?,
            path: path.into(),
            _lock: Arc::new(lock),
        })
    }

    /// Runs `work` on the writing connection, in a transaction that it may share with other writes; an error
    /// undoes only what `work` itself did. Returns when the transaction has reached the disk.
    ///
    /// Once begun the write happens, whether or not the caller still waits for it.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(work, |_| ()).await
    }

    /// Runs `work` on a reading connection, in a transaction: it sees one moment, with every write that was
    /// answered before.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(work).await
    }

    /// Reads on the connection reserved for the queue.
    async fn read_queue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue.read(work).await
    }

    /// Reads for people: nothing by which events get on waits for it.
    async fn search<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.searches.read(work).await
    }

    /// Writes to the registry and announces what `changed` derives from the result. The writing thread does it, so it
    /// happens even if the caller is gone by then.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        changed: impl FnOnce(&T) -> Option<Of> + Send + 'static,
    ) -> Result<T, StoreError> {
        let subscribers = Arc::clone(&self.subscribers);
        let announce = move |result: &T| announce(&subscribers, changed(result));
        self.writer.write(work, announce).await
    }

    /// Writes what may change parts of the registry, and announces those that `work` names.
    async fn change_many(
        &self,
        work: impl FnOnce(&Connection) -> Result<Vec<Of>, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let subscribers = Arc::clone(&self.subscribers);
        let announce = move |changed: &Vec<Of>| announce(&subscribers, changed.iter().copied());
        self.writer.write(work, announce).await?;
        Ok(())
    }

    /// An error if the disk is about to be full: a commit may then still fit or not, as chance has it.
    fn check_room(&self) -> Result<(), StoreError> {
        let failed = |error| StoreError::Unavailable(format!("the free space of the disk can't be read: {error}"));
        let disk = rustix::fs::statvfs(&*self.path).map_err(failed)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < MIN_ROOM {
            return Err(StoreError::Unavailable("the disk is full: free some space".into()));
        }
        Ok(())
    }

    fn subscribe(&self) -> mpsc::Receiver<Of> {
        let (sender, receiver) = mpsc::channel(CHANGES);
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        receiver
    }
}

fn announce(subscribers: &Subscribers, changes: impl IntoIterator<Item = Of>) {
    let mut subscribers = subscribers.lock().unwrap_or_else(PoisonError::into_inner);
    for of in changes {
        // A subscriber that lags so far behind is closed rather than waited for: it then loads everything again.
        subscribers.retain(|subscriber| subscriber.try_send(of).is_ok());
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock_path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Conflict(format!(
            "another process has {} open: stop it, or choose another file",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Makes the file, if it is not there, and lets nobody but its owner read it: it holds payloads. SQLite gives the files
/// beside it the same mode.
fn keep_private(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        file.set_permissions(mode).map_err(failed)?;
    }
    Ok(())
}

/// FULL, so that a commit has reached the disk when it is answered; a larger log than usual between
/// checkpoints, because every checkpoint writes a page once however often it changed; and what savepoints would
/// put back is kept in memory, not in a temporary file.
fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 8000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -65536;",
    )?;
    Ok(())
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SealKey;

    pub(super) fn open(path: &Path) -> Sqlite {
        Sqlite::open(path, Sealer::new(vec![SealKey::generate()]).unwrap()).unwrap()
    }
}
