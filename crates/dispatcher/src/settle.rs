//! Settles a message: record, then successor, then acknowledgement (guarantee G4).
//!
//! A crash between two of these steps makes a duplicate at worst: the ledger knows what was recorded, and an
//! unacknowledged message is redelivered.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tidings_domain::{DeliveryState, HoldReason, Timestamp};
use tidings_proto::pb;
use tidings_queue::{Lane, LaneKind, Message, Outgoing, Queue, Route};
use tidings_recorder::{RecordError, Recorder};
use tidings_service::backoff::Backoff;
use tidings_service::failpoint;
use tokio_util::sync::CancellationToken;

use crate::limiter::{Rejection, Throttled};
use crate::{metrics, record};

/// Waits of a delivery that is deferred repeatedly because a dependency is unavailable; the last one repeats. They
/// are short because the dependency may return at any moment.
const UNAVAILABLE_WAITS: [Duration; 3] = [seconds(1), seconds(5), seconds(15)];

/// Waits of a throttled delivery: the shortest that is long enough is used.
const THROTTLED_WAITS: [Duration; 4] = [seconds(1), seconds(5), seconds(15), seconds(60)];

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Reason for deferring a delivery without an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deferral {
    /// The endpoint's limiter granted no permit.
    Throttled(Throttled),
    /// The ledger is unavailable, or does not know the delivery yet.
    LedgerAway,
    RegistryAway,
    /// There is no connection to be had, for reasons that are not the receiver's failure.
    NoConnection,
}

/// Fate of the message, carried out by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Everything is durable: remove the message.
    Acknowledge,
    /// Nothing durable happened; it must come again.
    Requeue,
}

/// Makes what happened durable and publishes what follows.
pub(crate) struct Settler {
    pub(crate) recorder: Recorder,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) shards: u16,
    pub(crate) stopping: CancellationToken,
}

impl Settler {
    /// Limits the wait for records to become durable, for a shutdown within `after`.
    pub(crate) fn stop_waiting(&self, after: Duration) {
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            // Half of the grace, so that time is left to return the messages.
            tokio::time::sleep(after / 2).await;
            stopping.cancel();
        });
    }

    /// Tells if the queue keeps this wait: it has a delay queue for it and is available. Otherwise the ledger keeps
    /// it.
    pub(crate) fn is_kept_by_queue(&self, wait: Duration) -> bool {
        self.queue.delays().contains(&wait) && self.queue.available()
    }

    /// Settles an attempt: makes its record durable, then publishes the next attempt if the queue keeps the wait.
    pub(crate) async fn attempted(
        &self,
        message: &Message,
        record: pb::Record,
        state: DeliveryState,
        in_queue: Option<Duration>,
    ) -> Disposition {
        failpoint::pass("dispatcher::before_record");
        let disposition = self.make_durable(message, record).await;
        // A successor without a record would be an attempt that the ledger does not know of.
        failpoint::pass("dispatcher::before_successor");
        if disposition == Disposition::Acknowledge
            && let (Some(wait), DeliveryState::Scheduled { due }) = (in_queue, state)
        {
            let next = Message {
                step: message.step.after_attempt(),
                due: Some(due),
                ..message.reference()
            };
            self.publish_later(&next, wait).await;
        }
        disposition
    }

    /// Records that a delivery ends, or is held, without an attempt.
    pub(crate) async fn moved(&self, message: &Message, state: DeliveryState) -> Disposition {
        let record = record::delivery_moved(message, message.step.moved(), &state, false);
        self.make_durable(message, record).await
    }

    /// Sends a delivery that can't be attempted right now to a delay queue. A throttled delivery waits there once;
    /// the second time, or when too many of its endpoint do, it is held, because the releaser knows the endpoint's
    /// pace.
    pub(crate) async fn deferred(&self, message: &Message, why: Deferral) -> Disposition {
        metrics::DEFERRALS.with_label_values(&[why.as_str()]).inc();
        let times = message.step.moves() as usize;
        let mut wait = UNAVAILABLE_WAITS[times.min(UNAVAILABLE_WAITS.len() - 1)];
        if let Deferral::Throttled(throttled) = why {
            if times > 0 || !throttled.may_delay {
                return self
                    .moved(message, DeliveryState::Held(throttled.reason.hold_reason()))
                    .await;
            }
            let [.., longest] = THROTTLED_WAITS;
            let enough = THROTTLED_WAITS.into_iter().find(|delay| *delay >= throttled.wait);
            wait = enough.unwrap_or(longest);
        }
        let due = Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        let step = message.step.moved();
        let (state, in_queue) = (DeliveryState::Scheduled { due }, self.is_kept_by_queue(wait));
        let record = record::delivery_moved(message, step, &state, in_queue);
        let disposition = self.make_durable(message, record).await;
        if disposition == Disposition::Acknowledge && in_queue {
            let next = Message {
                step,
                due: Some(due),
                ..message.reference()
            };
            self.publish_later(&next, wait).await;
        }
        disposition
    }

    /// A message that came before its time: the rest of the wait, in steps that are never too long.
    pub(crate) async fn too_early(&self, message: &Message, left: Duration) -> Disposition {
        let fits = |delay: &&Duration| **delay <= left;
        match self.queue.delays().iter().rev().find(fits) {
            Some(delay) if self.publish_later(message, *delay).await => Disposition::Acknowledge,
            _ => Disposition::Requeue,
        }
    }

    pub(crate) async fn park(&self, body: bytes::Bytes, reason: &str) -> Disposition {
        match self.queue.park(body, reason).await {
            Ok(()) => Disposition::Acknowledge,
            Err(_) => Disposition::Requeue,
        }
    }

    /// Publishes a message that the ledger records as being in a delay queue. If the publish fails or stays
    /// unconfirmed, the ledger is given the wait instead; if that fails too, the sweeper publishes the message after
    /// its grace.
    async fn publish_later(&self, message: &Message, wait: Duration) -> bool {
        let lane = Lane {
            kind: LaneKind::Retry,
            shard: message.lane(self.shards).shard,
        };
        let outgoing = Outgoing {
            to: Route::Delay(wait, lane),
            body: message.encode(),
        };
        let published = self.queue.publish(outgoing).await;
        if let Err(error) = &published {
            metrics::LEFT_TO_SWEEPER.inc();
            tracing::debug!(delivery = %message.delivery, %error, "left the next attempt to the sweeper");
            if let Some(due) = message.due {
                let record = record::left_to_ledger(message, due, error.republish_after());
                let _ = self.recorder.record(record).await;
            }
        }
        published.is_ok()
    }

    /// Retries until a record is durable. The message stays unsettled meanwhile, so that an outage of everything
    /// slows the lanes down instead of making them spin. A refused record is parked and the delivery goes on; of an
    /// attempt whose details can't be recorded, at least the outcome is.
    async fn make_durable(&self, message: &Message, mut record: pb::Record) -> Disposition {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            match self.recorder.record(record.clone()).await {
                Ok(_) => return Disposition::Acknowledge,
                Err(RecordError::Unavailable { log, queue }) => {
                    tracing::warn!(delivery = %message.delivery, log, queue, "cannot persist a record, log service and queue are unavailable; retrying");
                }
                Err(RecordError::Refused(reason)) => {
                    if self.set_aside(&record, &reason).await {
                        metrics::RECORDS_PARKED.inc();
                        tracing::error!(delivery = %message.delivery, reason,
                            "parked a record that the log service refused; see `tidings queue parked list`");
                        match record::outcome_alone(record) {
                            Some(outcome) => record = outcome,
                            None => return Disposition::Acknowledge,
                        }
                        continue;
                    }
                }
                Err(RecordError::Stopped) => return Disposition::Requeue,
            }
            tokio::select! {
                () = self.stopping.cancelled() => return Disposition::Requeue,
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
    }

    /// Parks a record that the ledger refuses.
    async fn set_aside(&self, record: &pb::Record, reason: &str) -> bool {
        let parked = self.queue.park_record(record.encode_to_vec().into(), reason).await;
        if let Err(error) = &parked {
            tracing::warn!(%error, "cannot park a refused record; retrying");
        }
        parked.is_ok()
    }
}

impl Deferral {
    /// Every name, and those of reasons for which deliveries are held at once.
    pub(crate) const NAMES: [&'static str; 10] = [
        "endpoint_busy",
        "rate_limited",
        "circuit_open",
        "ledger_away",
        "registry_away",
        "no_connection",
        "endpoint_disabled",
        "endpoint_unusable",
        "dialect_unknown",
        "secret_unreadable",
    ];

    /// Label in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Throttled(throttled) => throttled.reason.hold_reason().as_str(),
            Self::LedgerAway => "ledger_away",
            Self::RegistryAway => "registry_away",
            Self::NoConnection => "no_connection",
        }
    }
}

impl Rejection {
    fn hold_reason(self) -> HoldReason {
        match self {
            Self::Busy => HoldReason::EndpointBusy,
            Self::RateLimited => HoldReason::RateLimited,
            Self::CircuitOpen => HoldReason::CircuitOpen,
        }
    }
}

#[cfg(test)]
mod tests;
