//! Writing records durably, to the ledger or past it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use tidings_proto::pb;
use tidings_queue::{Outgoing, Queue, Route};
use tidings_service::Health;
use tonic::{Code, Status};

use crate::backlogs::Backlogs;
use crate::batch::{Batcher, Limits};
use crate::client::LogClient;
use crate::metrics;

/// Batches of up to this size go to the log service, a few at once.
const LIMITS: Limits = Limits {
    items: 512,
    bytes: 8 * 1024 * 1024,
    concurrent: 4,
};

/// After a failure the log service is left alone for this long, so that an outage costs each record one publish
/// and not also a deadline.
const REST: Duration = Duration::from_millis(500);

/// Makes records durable.
#[derive(Clone)]
pub struct Recorder {
    batches: Batcher<pb::Record, Result<Durable, RecordError>>,
    backlogs: Backlogs,
}

/// Where a record is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// In the ledger.
    InLedger,
    /// In the records queue, on its way to the ledger.
    Spilled,
}

/// Why a record is not durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Neither the log service nor the records queue took it.
    #[error("neither the log service nor the queue is available: {log}; {queue}")]
    Unavailable {
        /// What the log service said.
        log: String,
        /// What the queue said.
        queue: String,
    },
    /// The log service refuses the record for good.
    #[error("the log service refuses the record: {0}")]
    Refused(String),
    /// The process is ending.
    #[error("the recorder has stopped")]
    Stopped,
}

impl Recorder {
    /// Starts the recorder.
    #[must_use]
    pub fn start(log: LogClient, queue: Arc<dyn Queue>, health: &Health) -> Self {
        metrics::register();
        let backlogs = Backlogs::default();
        let path = Arc::new(Path {
            log,
            queue,
            backlogs: backlogs.clone(),
            started: Instant::now(),
            rest_until_ms: AtomicU64::new(0),
        });
        Self {
            batches: Batcher::start("recorder", health, LIMITS, move |records| path.clone().write(records)),
            backlogs,
        }
    }

    /// Which endpoints have a backlog, as the log service said last.
    #[must_use]
    pub fn backlogs(&self) -> &Backlogs {
        &self.backlogs
    }

    /// Writes a record; `Ok` means that it is durable.
    pub async fn record(&self, record: pb::Record) -> Result<Durable, RecordError> {
        let bytes = record.encoded_len();
        self.batches
            .call(record, bytes)
            .await
            .unwrap_or(Err(RecordError::Stopped))
    }
}

/// The two ways a record can take.
struct Path {
    log: LogClient,
    queue: Arc<dyn Queue>,
    backlogs: Backlogs,
    started: Instant,
    rest_until_ms: AtomicU64,
}

impl Path {
    async fn write(self: Arc<Self>, records: Vec<pb::Record>) -> Vec<Result<Durable, RecordError>> {
        let count = records.len();
        if self.resting() {
            return self.spill(records, "it was away a moment ago").await;
        }
        // Cloning is cheap for the large parts: payloads and bodies are shared buffers.
        match self.log.record(records.clone()).await {
            Ok(backlogged) => {
                self.backlogs.hear(backlogged);
                metrics::RECORDS_WRITTEN.inc_by(count as u64);
                vec![Ok(Durable::InLedger); count]
            }
            Err(status) if is_refusal(&status) => self.write_one_by_one(records).await,
            Err(status) => {
                self.rest();
                metrics::LOG_FAILURES.inc();
                tracing::warn!(code = ?status.code(), error = status.message(), count, "log service away: spilling records");
                self.spill(records, status.message()).await
            }
        }
    }

    /// One record of the batch is bad; the others must not suffer for it.
    async fn write_one_by_one(&self, records: Vec<pb::Record>) -> Vec<Result<Durable, RecordError>> {
        let mut results = Vec::with_capacity(records.len());
        for record in records {
            results.push(match self.log.record(vec![record.clone()]).await {
                Ok(_) => Ok(Durable::InLedger),
                Err(status) if is_refusal(&status) => Err(RecordError::Refused(status.message().to_owned())),
                Err(status) => self.spill_one(&record, status.message()).await,
            });
        }
        results
    }

    async fn spill(&self, records: Vec<pb::Record>, why: &str) -> Vec<Result<Durable, RecordError>> {
        futures::future::join_all(records.iter().map(|record| self.spill_one(record, why))).await
    }

    async fn spill_one(&self, record: &pb::Record, why: &str) -> Result<Durable, RecordError> {
        let body = Bytes::from(record.encode_to_vec());
        match self
            .queue
            .publish(Outgoing {
                to: Route::Records,
                body,
            })
            .await
        {
            Ok(()) => {
                metrics::RECORDS_SPILLED.inc();
                Ok(Durable::Spilled)
            }
            Err(error) => Err(RecordError::Unavailable {
                log: why.to_owned(),
                queue: error.to_string(),
            }),
        }
    }

    fn resting(&self) -> bool {
        self.now_ms() < self.rest_until_ms.load(Ordering::Relaxed)
    }

    fn rest(&self) {
        self.rest_until_ms
            .store(self.now_ms() + REST.as_millis() as u64, Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// Whether the service has read the records and will never take them.
fn is_refusal(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition
    )
}
