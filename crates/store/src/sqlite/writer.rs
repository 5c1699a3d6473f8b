//! The one thread that writes, and how writes share commits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;

pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// Writes that may wait; further callers wait for a place.
const WAITING: usize = 4096;
/// Limits of a group, in writes and time, so that its first write does not wait long for its last.
const GROUP_JOBS: usize = 512;
const GROUP_TIME: Duration = Duration::from_millis(25);

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("tidings-sqlite".into())
            .spawn(move || work(&connection, waiting))
            .map_err(|error| StoreError::Unavailable(format!("the writing thread did not start: {error}")))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Queues a write and waits for its commit. `then` runs on the thread after a commit that `work` is part of.
    pub(super) async fn write<T, W, A>(&self, work: W, then: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let stopped = || StoreError::Unavailable("the writing thread has stopped".into());
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Box::new(Write {
            work: Some(work),
            result: None,
            then,
            reply,
        }))
        .await
        .map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    /// Lets queued writes end before the file is given back.
    fn drop(&mut self) {
        // Closes the channel, which ends the thread; it would be waited for in vain otherwise.
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writing thread of the database panicked");
        }
    }
}

/// A write with its caller's channel.
trait Job: Send {
    /// Does the work and keeps its result. If it failed, says why for the others of the group.
    fn run(&mut self, connection: &Connection) -> Result<(), String>;
    /// Sends the caller the result of the work, or the reason why nothing was committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<T, W, A> {
    work: Option<W>,
    result: Option<Result<T, StoreError>>,
    then: A,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W, A> Job for Write<T, W, A>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    A: FnOnce(&T) + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), String> {
        let Some(work) = self.work.take() else { return Ok(()) };
        // A panic is a defect of one caller; it must not take the others' writes with it.
        let result = catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|_| Err(StoreError::Refused("the write panicked".into())));
        self.result
            .insert(result)
            .as_ref()
            .map(|_| ())
            .map_err(ToString::to_string)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            // What failed by itself says why better than the group does.
            (_, Some(Err(error))) | (Err(error), _) => Err(error),
            (Ok(()), Some(Ok(value))) => {
                (self.then)(&value);
                Ok(value)
            }
            (Ok(()), None) => return,
        };
        // A caller that has gone away needs no answer.
        let _ = self.reply.send(result);
    }
}

fn work(connection: &Connection, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = waiting.blocking_recv() {
        write_group(connection, first, &mut waiting);
    }
}

fn write_group(connection: &Connection, first: Box<dyn Job>, waiting: &mut mpsc::Receiver<Box<dyn Job>>) {
    // Takes the write lock at once. A transaction that begins by reading may fail to get it later, in the middle of a
    // group.
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        first.answer(Err(error.into()));
        return;
    }
    let began = Instant::now();
    let mut group = Vec::new();
    let mut next = Some(first);
    let mut written = Ok(());
    while let Some(mut job) = next {
        written = run_in_savepoint(connection, job.as_mut());
        group.push(job);
        let full = group.len() == GROUP_JOBS || began.elapsed() >= GROUP_TIME;
        next = if written.is_err() || full {
            None
        } else {
            // Only writes that wait already join the group: a commit is never delayed for company.
            waiting.try_recv().ok()
        };
    }
    let committed = written.and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if let Err(error) = &committed {
        tracing::error!(%error, writes = group.len(), "the database did not commit");
        if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
            tracing::error!("the database did not roll back");
        }
    }
    // Every write of the group was rolled back, so all of their callers may try again.
    let cause = committed.err().map(|error| format!("nothing was committed: {error}"));
    for job in group {
        job.answer(
            cause
                .clone()
                .map_or(Ok(()), |cause| Err(StoreError::Unavailable(cause))),
        );
    }
}

/// An error here is one of the whole transaction. After some failures (a full disk, a failing one) SQLite has
/// rolled all of it back, and the savepoint is gone with it.
fn run_in_savepoint(connection: &Connection, job: &mut dyn Job) -> Result<(), StoreError> {
    let execute = |sql| connection.prepare_cached(sql)?.execute(());
    execute("SAVEPOINT job")?;
    if let Err(cause) = job.run(connection) {
        if connection.is_autocommit() {
            return Err(StoreError::Unavailable(cause));
        }
        execute("ROLLBACK TO job")?;
    }
    execute("RELEASE job")?;
    Ok(())
}
