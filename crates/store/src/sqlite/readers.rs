//! A few connections that only read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::StoreError;

/// Steps of SQLite's machine between two checks of the time limit: a millisecond or so.
const LOOK_EVERY: i32 = 20_000;

pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    /// Limit for one read, after which it is interrupted.
    timeout: Duration,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>, timeout: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self {
            idle: Arc::new(Mutex::new(connections)),
            permits,
            timeout,
        }
    }

    /// Runs `work` on a connection. It is interrupted when it takes too long, or when its caller is gone.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("it is being closed".into());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let idle = Arc::clone(&self.idle);
        let (deadline, waiter) = (Instant::now() + self.timeout, Waiter::default());
        let abandoned = Arc::clone(&waiter.0);
        let task = tokio::task::spawn_blocking(move || {
            // The lease gives the connection back before the permit, even when `work` panics.
            let _permit = permit;
            let mut lease = Lease {
                connection: take(&idle),
                idle,
            };
            let connection = lease.connection.as_mut().ok_or_else(closed)?;
            let enough = move || abandoned.load(Ordering::Relaxed) || Instant::now() > deadline;
            connection.progress_handler(LOOK_EVERY, Some(enough))?;
            let transaction = connection.unchecked_transaction()?;
            let result = work(&transaction);
            transaction.finish()?;
            result
        });
        task.await
            .map_err(|error| StoreError::Refused(format!("a read failed: {error}")))?
    }
}

fn take(idle: &Mutex<Vec<Connection>>) -> Option<Connection> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// The caller of a read; dropping it interrupts the read.
#[derive(Default)]
struct Waiter(Arc<AtomicBool>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Lease {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            // It only fails where there are no handlers.
            let _ = connection.progress_handler(0, None::<fn() -> bool>);
        }
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(self.connection.take());
    }
}
