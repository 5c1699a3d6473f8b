//! A pooled connection in use.
//!
//! Whoever takes a connection finds it idle. A caller that gives up drops its future while the server still works on
//! the statement, and the next statement would wait behind it; so a connection returns to the pool only when the server
//! is done. A read is cancelled first, and its connection closed: a cancellation may arrive at any later time and would
//! hit whatever runs by then. Until then the connection counts as taken, which keeps abandoned searches within the size
//! of their pool.

use std::ops::Deref;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, IsolationLevel, Row};

use super::error::is_stale;
use super::tls::Tls;
use crate::error::StoreError;

/// Time for the server to finish an abandoned or cancelled statement, before the connection is closed instead.
// Longer than the time limit of a statement of the work pool, after which the server is done by itself.
const IDLE_WITHIN: Duration = Duration::from_secs(35);

/// Nothing runs on the connection.
const IDLE: u8 = 0;
/// Something runs that is left to end.
const WRITING: u8 = 1;
/// A read runs, whose result is useless once the lease ends.
const READING: u8 = 2;

/// A transaction. What it does is left to end when its future is dropped, unless it only reads.
pub(super) struct Work<'a> {
    transaction: Transaction<'a>,
    doing: &'a AtomicU8,
}

/// A connection taken from a pool, returned to it once idle.
pub(super) struct Lease {
    object: Option<Object>,
    doing: AtomicU8,
    tls: Tls,
}

impl Lease {
    pub(super) fn new(object: Object, tls: Tls) -> Self {
        Self {
            object: Some(object),
            doing: AtomicU8::new(IDLE),
            tls,
        }
    }

    /// Runs a statement, prepared once per connection, and returns its rows. Dropping the future cancels it.
    pub(super) async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        self.rows(READING, sql, values).await
    }

    /// Runs a statement that is planned for these values; gives its rows. Dropping the future cancels it.
    pub(super) async fn query_once(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let client = self.client()?;
        self.doing(READING);
        let rows = client.query(sql, values).await;
        self.done(rows)
    }

    /// Runs a statement, prepared once per connection, and returns the number of rows that it changed. It runs to its
    /// end even when the future is dropped.
    pub(super) async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let client = self.client()?;
        self.doing(WRITING);
        let mut changed = execute(client, sql, values).await;
        if changed.as_ref().is_err_and(is_stale) {
            forget_statements(client);
            changed = execute(client, sql, values).await;
        }
        self.done(changed)
    }

    /// Like [`execute`](Self::execute), and returns the statement's rows.
    pub(super) async fn change(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        self.rows(WRITING, sql, values).await
    }

    async fn rows(&self, doing: u8, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let client = self.client()?;
        self.doing(doing);
        let mut rows = query(client, sql, values).await;
        if rows.as_ref().is_err_and(is_stale) {
            forget_statements(client);
            rows = query(client, sql, values).await;
        }
        self.done(rows)
    }

    pub(super) async fn transaction(&mut self) -> Result<Work<'_>, StoreError> {
        self.doing(WRITING);
        let doing = &self.doing;
        let object = self.object.as_mut().ok_or_else(given_back)?;
        let transaction = object.transaction().await?;
        Ok(Work { transaction, doing })
    }

    /// Begins a transaction that only reads, and sees one moment.
    pub(super) async fn moment(&mut self) -> Result<Work<'_>, StoreError> {
        self.doing(READING);
        let doing = &self.doing;
        let beginning = self.object.as_mut().ok_or_else(given_back)?.build_transaction();
        let beginning = beginning
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true);
        let transaction = beginning.start().await?;
        Ok(Work { transaction, doing })
    }

    /// The connection itself, for what is more than a statement. What runs is left to end when its future is dropped.
    pub(super) fn whole(&mut self) -> Result<&mut Client, StoreError> {
        self.doing(WRITING);
        Ok(&mut **self.client_mut()?)
    }

    /// Classifies a statement's failure. A lost connection usually means that those resting in the pool are lost too,
    /// and each would fail one caller before it is noticed: they are dropped.
    pub(super) fn failed(&self, error: Error) -> StoreError {
        let pool = self.object.as_ref().and_then(Object::pool);
        if let Some(pool) = pool {
            if error.is_closed() {
                pool.retain(|_, _| false);
            } else if is_stale(&error) {
                pool.manager().statement_caches.clear();
            }
        }
        error.into()
    }

    fn done<T>(&self, result: Result<T, Error>) -> Result<T, StoreError> {
        self.doing(IDLE);
        result.map_err(|error| self.failed(error))
    }

    // Set before anything is sent: a future that is dropped meanwhile leaves no statement unnoticed.
    fn doing(&self, what: u8) {
        self.doing.store(what, Ordering::Relaxed);
    }

    fn client(&self) -> Result<&Object, StoreError> {
        self.object.as_ref().ok_or_else(given_back)
    }

    fn client_mut(&mut self) -> Result<&mut Object, StoreError> {
        self.object.as_mut().ok_or_else(given_back)
    }
}

impl<'a> Deref for Work<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Transaction<'a> {
        &self.transaction
    }
}

impl Work<'_> {
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.transaction.commit().await?;
        // A commit leaves the connection idle, so there is nothing to cancel or to ask (docs/decisions/0034).
        self.doing.store(IDLE, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let doing = *self.doing.get_mut();
        let (Some(object), Ok(runtime)) = (self.object.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if doing != IDLE && !object.is_closed() {
            runtime.spawn(give_back(object, doing == READING, self.tls.clone()));
        }
    }
}

/// Gives a connection back when the server is done with what runs on it, or closes it.
async fn give_back(object: Object, cancel: bool, tls: Tls) {
    let idle = async {
        if cancel {
            // An error says that the server can't be reached; then nothing is to be waited for.
            object.cancel_token().cancel_query(tls).await?;
        }
        // It waits behind whatever runs.
        object.simple_query("").await
    };
    let is_idle = matches!(tokio::time::timeout(IDLE_WITHIN, idle).await, Ok(Ok(_)));
    // A cancellation may arrive late and would hit the next statement on this connection (decision 0034).
    if cancel || !is_idle {
        drop(Object::take(object));
    }
}

async fn query(client: &Object, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, values).await
}

async fn execute(client: &Object, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, values).await
}

/// The schema has changed under statements that are prepared, here and probably on the other connections.
fn forget_statements(client: &Object) {
    if let Some(pool) = Object::pool(client) {
        pool.manager().statement_caches.clear();
    }
}

fn given_back() -> StoreError {
    StoreError::Unavailable("the connection was given back".into())
}
