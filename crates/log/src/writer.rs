//! Group commit: records that arrive while commits are in flight share the next one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::Timestamp;
use tidings_service::{Health, Supervisor, failpoint};
use tidings_store::ledger::Record;
use tidings_store::{Ledger, StoreError};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::backlog::Backlog;
use crate::gone::is_dropped;
use crate::metrics;
use crate::tail::Tail;

/// Maximum records per commit; more would only make everybody in it wait longer.
const MAX_RECORDS: usize = 1_000;

/// Handle for writing records; cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    committer: Committer,
}

/// Commits a batch and notifies those who depend on it.
#[derive(Clone)]
pub(crate) struct Committer {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) tail: Tail,
    pub(crate) backlog: Backlog,
    /// Retention of events; forever if zero.
    pub(crate) retention: Duration,
}

struct Job {
    records: Vec<Record>,
    done: oneshot::Sender<Result<(), Arc<StoreError>>>,
}

impl Writer {
    /// Starts `writers` tasks. They end with the last handle, after writing what was accepted.
    pub(crate) fn start(committer: Committer, writers: usize, health: &Health) -> Self {
        let (jobs, waiting) = mpsc::channel(1_024);
        let waiting = Arc::new(Mutex::new(waiting));
        let supervisor = Supervisor::new(health.clone(), CancellationToken::new());
        for _ in 0..writers.max(1) {
            let (committer, waiting) = (committer.clone(), waiting.clone());
            supervisor.spawn("writer", move || write(committer.clone(), waiting.clone()));
        }
        Self { jobs, committer }
    }

    /// Writes records; `Ok` when they are committed.
    ///
    /// A commit that fails for a reason that lies in the records is tried again without the others, so that one
    /// bad record does not refuse its neighbours.
    pub(crate) async fn write(&self, records: Vec<Record>) -> Result<(), Arc<StoreError>> {
        let retry = records.clone();
        let (done, result) = oneshot::channel();
        let stopped = || Arc::new(StoreError::Unavailable("the writer has stopped".into()));
        self.jobs.send(Job { records, done }).await.map_err(|_| stopped())?;
        match result.await.map_err(|_| stopped())? {
            // Not through the queue, where it would share a commit again and could be refused for a neighbour's
            // fault.
            Err(error) if is_refusal(&error) => self.committer.commit(retry).await.map_err(Arc::new),
            result => result,
        }
    }
}

impl Committer {
    async fn commit(&self, mut records: Vec<Record>) -> Result<(), StoreError> {
        // The rest of their event is dropped, so nothing would ever drop them.
        let now = Timestamp::now();
        records.retain(|record| match record {
            Record::Attempt(attempt) => !is_dropped(attempt.summary.delivery, self.retention, now),
            Record::Event(_) | Record::Move(_) => true,
        });
        let (count, attempts) = (records.len() as u64, self.tail.pick(&records));
        self.backlog.count(&records);
        let started = Instant::now();
        match self.ledger.record(records).await {
            Ok(()) => {
                metrics::COMMIT_SECONDS.observe(started.elapsed().as_secs_f64());
                metrics::RECORDS_COMMITTED.inc_by(count);
                self.tail.send(attempts);
                failpoint::pass("log::before_answer");
                Ok(())
            }
            Err(error) => {
                metrics::COMMITS_FAILED.inc();
                tracing::warn!(%error, count, "could not commit records");
                Err(error)
            }
        }
    }
}

/// Recognises errors that lie in the records, which will therefore never be accepted. Any other error is about the
/// database's state and passes.
pub(crate) fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::Refused(_) | StoreError::Conflict(_))
}

async fn write(committer: Committer, waiting: Arc<Mutex<mpsc::Receiver<Job>>>) {
    loop {
        let (mut records, mut waiters) = (Vec::new(), Vec::new());
        {
            // Given up before the commit, so that another writer gathers the next batch meanwhile.
            let mut waiting = waiting.lock().await;
            let Some(first) = waiting.recv().await else { return };
            let mut next = Some(first);
            while let Some(job) = next {
                records.extend(job.records);
                waiters.push(job.done);
                next = if records.len() < MAX_RECORDS {
                    waiting.try_recv().ok()
                } else {
                    None
                };
            }
        }
        let result = committer.commit(records).await.map_err(Arc::new);
        for waiter in waiters {
            // A caller that has gone gets its answer by asking again; records are idempotent.
            let _ = waiter.send(result.clone());
        }
    }
}
