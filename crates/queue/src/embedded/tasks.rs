//! The three tasks of an embedded queue: storing and reading, deleting, and returning dropped messages.
//!
//! One task both stores and reads, so that it always knows if a message that was just stored has been read as well.
//! Many publishes share one commit: a batch holds what arrived during the commit before.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidings_store::StoreError;
use tidings_store::sqlite::{NewMessage, StoredMessage};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use super::Inner;
use super::in_memory::Held;
use crate::PublishError;

/// A message to store and who waits for it.
pub(super) struct Job {
    pub(super) lane: i64,
    /// In milliseconds since 1970; as soon as possible if `None`.
    pub(super) ready_at_ms: Option<i64>,
    pub(super) body: bytes::Bytes,
    pub(super) reply: oneshot::Sender<Result<(), PublishError>>,
}

/// A message that was dropped without being settled, and who had it.
pub(super) struct Returned {
    pub(super) message: Held,
    pub(super) taker: u64,
}

// Bounds one commit, so that acknowledgements and the store's other writers get their turn.
const MAX_BATCH: usize = 1024;
const PAGE: u32 = 128;

/// Delay before a dropped message is redelivered, so that a worker that can't settle anything does not spin.
const REDELIVER_AFTER: Duration = Duration::from_secs(1);

/// Delay before an operation of the store is repeated after an error.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Stores published messages and reads those to be delivered, until the queue is closed and the last
/// publish answered.
pub(super) async fn store_and_read(inner: Arc<Inner>, jobs: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut jobs = jobs.lock().await;
    let mut batch = Vec::new();
    loop {
        let due = inner.lanes().next_due();
        tokio::select! {
            // In this order, so that a queue under load still notices that it is closed.
            biased;
            // Closed, the channel still yields what was sent before, so every publisher gets its answer.
            () = inner.closing.cancelled(), if !jobs.is_closed() => jobs.close(),
            taken = jobs.recv_many(&mut batch, MAX_BATCH) => match taken {
                0 => return,
                _ => store(&inner, &mut batch).await,
            },
            () = inner.unread.notified() => {}
            () = until(&inner, due) => {}
        }
        if let Err(error) = read(&inner).await {
            tracing::error!(%error, "cannot read the queue's table; retrying");
            sleep(RETRY_AFTER).await;
            inner.unread.notify_one();
        }
    }
}

async fn store(inner: &Arc<Inner>, batch: &mut Vec<Job>) {
    let now = inner.now_ms();
    let messages: Vec<NewMessage> = batch
        .iter()
        .map(|job| NewMessage {
            lane: job.lane,
            ready_at_ms: job.ready_at_ms.unwrap_or(now),
            body: job.body.clone(),
        })
        .collect();
    match inner.store.insert_messages(messages).await {
        Ok(seqs) => {
            let mut stored = Vec::with_capacity(batch.len());
            let mut replies = Vec::with_capacity(batch.len());
            for (job, seq) in batch.drain(..).zip(seqs) {
                let ready_at_ms = job.ready_at_ms.unwrap_or(now);
                stored.push(StoredMessage {
                    seq,
                    lane: job.lane,
                    ready_at_ms,
                    body: job.body,
                });
                replies.push(job.reply);
            }
            place(inner, stored);
            for reply in replies {
                let _ = reply.send(Ok(()));
            }
        }
        Err(error) => {
            let error = publish_error(&error);
            for job in batch.drain(..) {
                let _ = job.reply.send(Err(error.clone()));
            }
        }
    }
}

fn place(inner: &Arc<Inner>, mut stored: Vec<StoredMessage>) {
    stored.sort_unstable_by_key(StoredMessage::cursor);
    let touched: BTreeSet<i64> = stored.iter().map(|message| message.lane).collect();
    let now = inner.now_ms();
    let mut lanes = inner.lanes();
    // Before any is placed: one that is not known as this process's own would count as redelivered.
    stored.iter().for_each(|message| lanes.owns(message.seq));
    for message in stored {
        lanes.stored(message, now);
    }
    drop(lanes);
    for lane in touched {
        inner.hand_out(lane);
    }
}

/// Reads one page of each lane that wants one.
async fn read(inner: &Arc<Inner>) -> Result<(), StoreError> {
    if inner.closing.is_cancelled() {
        return Ok(());
    }
    let now = inner.now_ms();
    let wanting = inner.lanes().wanting(now);
    for (lane, cursor) in wanting {
        let page = inner.store.messages_ready(lane, cursor, now, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        let end = page.last().map_or(cursor, StoredMessage::cursor);
        let rest_due = if is_last {
            Some(inner.store.next_message_ready_at(lane, end).await?)
        } else {
            None
        };
        // Nothing is stored between the query and this, because the same task does both.
        inner.lanes().read(lane, page, rest_due);
        inner.hand_out(lane);
        // Another round and no loop here, so that publishes get their turn between two pages.
        if !is_last {
            inner.unread.notify_one();
        }
    }
    Ok(())
}

/// Waits until a time. Checks the clock at intervals, because it may be set, or the machine may sleep.
async fn until(inner: &Inner, due_ms: Option<i64>) {
    const LOOK: Duration = Duration::from_secs(30);
    match due_ms {
        None => std::future::pending().await,
        Some(due) => {
            // A due time in the past gives a negative number and becomes no wait.
            let wait = Duration::from_millis(u64::try_from(due - inner.now_ms()).unwrap_or(0));
            sleep(wait.min(LOOK)).await;
        }
    }
}

/// Deletes what is acknowledged, many at a time, until the queue is closed and the last is gone. While the
/// store fails it keeps trying: this process never delivers an acknowledged message again.
pub(super) async fn delete(inner: Arc<Inner>, acknowledged: Arc<Mutex<mpsc::Receiver<i64>>>) {
    let mut acknowledged = acknowledged.lock().await;
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = inner.closing.cancelled(), if !acknowledged.is_closed() => acknowledged.close(),
            taken = acknowledged.recv_many(&mut batch, MAX_BATCH) => {
                if taken == 0 {
                    return;
                }
                // Deleting is idempotent, so a batch of unknown outcome is simply deleted again.
                while let Err(error) = inner.store.delete_messages(batch.clone()).await {
                    tracing::error!(%error, messages = batch.len(), "cannot delete acknowledged messages; retrying");
                    if inner.closing.is_cancelled() {
                        return;
                    }
                    sleep(RETRY_AFTER).await;
                }
                batch.clear();
            }
        }
    }
}

/// Channel of dropped messages, and those that wait for their redelivery.
pub(super) type Dropped = (mpsc::UnboundedReceiver<Returned>, VecDeque<(Instant, Returned)>);

/// Puts messages that were dropped back into their lanes: after a while, or at once when who dropped them is
/// gone.
pub(super) async fn give_back(inner: Arc<Inner>, dropped: Arc<Mutex<Dropped>>) {
    let (returned, waiting) = &mut *dropped.lock().await;
    loop {
        let due = waiting.front().map(|(due, _)| *due);
        let next_due = async {
            match due {
                None => std::future::pending().await,
                Some(due) => sleep_until(due).await,
            }
        };
        let back = tokio::select! {
            () = inner.closing.cancelled() => return,
            () = next_due => waiting.pop_front().map(|(_, back)| back),
            dropped = returned.recv() => match dropped {
                None => return,
                // Only who is still there could spin; messages of a consumer that is gone go to another at once.
                Some(dropped) if inner.lanes().is_present(dropped.taker) => {
                    waiting.push_back((Instant::now() + REDELIVER_AFTER, dropped));
                    None
                }
                dropped => dropped,
            },
        };
        if let Some(Returned { message, taker }) = back {
            let lane = message.lane;
            inner.lanes().returned(message, taker);
            inner.hand_out(lane);
        }
    }
}

fn publish_error(error: &StoreError) -> PublishError {
    if error.is_transient() {
        PublishError::Unavailable(error.to_string())
    } else {
        PublishError::Rejected(error.to_string())
    }
}
