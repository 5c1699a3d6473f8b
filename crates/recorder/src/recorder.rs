//! Writes records durably, to the ledger or to the records queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use prost::Message as _;
use tidings_proto::pb;
use tidings_queue::{Outgoing, PublishError, Queue, Route};
use tidings_service::Health;
use tidings_service::trace::{self, Kind};
use tonic::{Code, Status};

use crate::backlogs::BackloggedEndpoints;
use crate::batch::{Batcher, Limits};
use crate::client::LogClient;
use crate::lags::Lags;
use crate::metrics;

/// Batches of up to this size go to the log service, a few at once.
const LIMITS: Limits = Limits {
    items: 512,
    // Far below the largest message between roles, so that a single large record still fits.
    bytes: 8 * 1024 * 1024,
    concurrent: 4,
    gather: Duration::ZERO,
};

/// Time for which outcomes are gathered into one batch. Only the acknowledgement of a message waits for that, and its
/// request has been made; a crash may repeat the requests of this much more time.
const GATHER_OUTCOMES: Duration = Duration::from_millis(3);

/// Pause after a failure of the log service: meanwhile records go to the queue first, so that an outage costs each of
/// them one publish and no timeout.
const REST: Duration = Duration::from_millis(500);

/// Handle for writing records; clones share batches.
#[derive(Clone)]
pub struct Recorder {
    /// Events, for which their publishers wait.
    events: Batcher<pb::Record, Result<Durable, RecordError>>,
    /// Attempts and changes of deliveries.
    outcomes: Batcher<pb::Record, Result<Durable, RecordError>>,
    backlogs: BackloggedEndpoints,
    lags: Lags,
}

/// Place where a record is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    InLedger,
    /// In the records queue, on its way to the ledger.
    Spilled,
}

/// Reason why a record is not durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Neither the log service nor the records queue took it.
    #[error("neither the log service nor the queue is available: {log}; {queue}")]
    Unavailable { log: String, queue: String },
    /// The log service refuses the record for good.
    #[error("the log service refuses the record: {0}")]
    Refused(String),
    /// The process is shutting down.
    #[error("the recorder has stopped")]
    Stopped,
}

impl Recorder {
    /// Starts the batching task, which ends with the last handle.
    #[must_use]
    pub fn start(log: LogClient, queue: Arc<dyn Queue>, health: &Health) -> Self {
        metrics::register();
        let (backlogs, lags) = (BackloggedEndpoints::default(), Lags::default());
        let path = Arc::new(Path {
            log,
            queue,
            backlogs: backlogs.clone(),
            lags: lags.clone(),
            started: Instant::now(),
            rest_until_ms: AtomicU64::new(0),
        });
        let batcher = |task, limits| {
            let path = path.clone();
            Batcher::start(task, health, limits, move |records| path.clone().write(records))
        };
        Self {
            events: batcher("event_recorder", LIMITS),
            outcomes: batcher(
                "outcome_recorder",
                Limits {
                    gather: GATHER_OUTCOMES,
                    ..LIMITS
                },
            ),
            backlogs,
            lags,
        }
    }

    /// Endpoints with a backlog, as the log service reported last.
    #[must_use]
    pub fn backlogs(&self) -> &BackloggedEndpoints {
        &self.backlogs
    }

    /// Tenants whose first attempts are late, as the log service reported last.
    #[must_use]
    pub fn lags(&self) -> &Lags {
        &self.lags
    }

    /// Writes a record; `Ok` means that it is durable.
    pub async fn record(&self, mut record: pb::Record) -> Result<Durable, RecordError> {
        let span = trace::within("record", Kind::Client);
        // Before the size is taken, for it is part of what is sent.
        record.span = trace::traceparent(&span).unwrap_or_default();
        let bytes = record.encoded_len();
        let batcher = match record.record {
            Some(pb::record::Record::Event(_)) => &self.events,
            _ => &self.outcomes,
        };
        let written = batcher.call(record, bytes).await;
        let written = written.unwrap_or(Err(RecordError::Stopped));
        match &written {
            Ok(durable) => trace::note(&span, "tidings.spilled", || *durable == Durable::Spilled),
            Err(_) => trace::fail(&span, "not_durable"),
        }
        written
    }
}

/// The two ways a record can take.
struct Path {
    log: LogClient,
    queue: Arc<dyn Queue>,
    backlogs: BackloggedEndpoints,
    lags: Lags,
    started: Instant,
    rest_until_ms: AtomicU64,
}

/// Reason why the log service did not take a record.
enum Untaken {
    /// It has read the record and will never take it.
    Refused(String),
    /// It, or what it needs, is away.
    Away(String),
}

impl Path {
    /// Tries the log service and then the queue; while the log service rests the other way round, because another
    /// replica of it may be up. Nothing is refused that one of them can take.
    async fn write(self: Arc<Self>, records: Vec<pb::Record>) -> Vec<Result<Durable, RecordError>> {
        if self.resting() {
            self.queue_first(records).await
        } else {
            self.log_first(records).await
        }
    }

    async fn log_first(&self, records: Vec<pb::Record>) -> Vec<Result<Durable, RecordError>> {
        // Cloning is cheap for the large parts: payloads and bodies are shared buffers.
        let written = self.to_log(records.clone()).await;
        let results = records
            .iter()
            .zip(written)
            .map(async |(record, written)| match written {
                Ok(()) => Ok(Durable::InLedger),
                Err(Untaken::Refused(reason)) => Err(RecordError::Refused(reason)),
                Err(Untaken::Away(log)) => match self.spill(record).await {
                    Ok(()) => Ok(Durable::Spilled),
                    Err(error) => Err(RecordError::Unavailable {
                        log,
                        queue: error.to_string(),
                    }),
                },
            });
        join_all(results).await
    }

    async fn queue_first(&self, records: Vec<pb::Record>) -> Vec<Result<Durable, RecordError>> {
        let spilled = join_all(records.iter().map(|record| self.spill(record))).await;
        let left = records
            .into_iter()
            .zip(&spilled)
            .filter(|(_, spilled)| spilled.is_err());
        let mut written = self.to_log(left.map(|(record, _)| record).collect()).await.into_iter();
        let results = spilled.into_iter().map(|spilled| match spilled {
            Ok(()) => Ok(Durable::Spilled),
            Err(error) => match written.next() {
                Some(Ok(())) => Ok(Durable::InLedger),
                Some(Err(Untaken::Refused(reason))) => Err(RecordError::Refused(reason)),
                Some(Err(Untaken::Away(log))) => Err(RecordError::Unavailable {
                    log,
                    queue: error.to_string(),
                }),
                None => Err(RecordError::Stopped),
            },
        });
        results.collect()
    }

    /// Writes records to the log service, with a result for each. A batch that is refused is halved until those are
    /// found that are bad, so that the others do not suffer for them; one for which the service is away is not.
    async fn to_log(&self, records: Vec<pb::Record>) -> Vec<Result<(), Untaken>> {
        let mut results = Vec::with_capacity(records.len());
        let mut parts = vec![records];
        while let Some(mut part) = parts.pop().filter(|part| !part.is_empty()) {
            let count = part.len();
            match self.log.record(part.clone()).await {
                Ok(report) => {
                    self.backlogs.update(report.backlogged);
                    self.lags.update(report.lags);
                    metrics::RECORDS_WRITTEN.inc_by(count as u64);
                    results.extend((0..count).map(|_| Ok(())));
                }
                Err(status) if is_refusal(&status) && count > 1 => {
                    // The second half goes below the first, so that results keep the order of records.
                    parts.push(part.split_off(count / 2));
                    parts.push(part);
                }
                Err(status) if is_refusal(&status) => {
                    results.push(Err(Untaken::Refused(status.message().to_owned())));
                }
                Err(status) => {
                    self.rest();
                    metrics::LOG_FAILURES.inc();
                    let left = count + parts.iter().map(Vec::len).sum::<usize>();
                    tracing::warn!(code = ?status.code(), error = status.message(), left, "log service away");
                    // Halves that were not tried count as away: trying each would cost a deadline per half.
                    results.extend((0..left).map(|_| Err(Untaken::Away(status.message().to_owned()))));
                    break;
                }
            }
        }
        results
    }

    async fn spill(&self, record: &pb::Record) -> Result<(), PublishError> {
        // One message per record, so that one which can't be written is parked without its neighbours.
        let body = Bytes::from(record.encode_to_vec());
        let to = Route::Records;
        self.queue.publish(Outgoing { to, body }).await?;
        metrics::RECORDS_SPILLED.inc();
        Ok(())
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

/// Recognises a refusal: the service has read the records and will never accept one of them. Any other failure, the
/// database's state among them, leads to a spill.
fn is_refusal(status: &Status) -> bool {
    matches!(
        status.code(),
        // `OutOfRange` is a batch above the size limit, which halving cures.
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition
    )
}
