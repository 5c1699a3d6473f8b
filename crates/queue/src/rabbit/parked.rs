//! Parked messages, read one by one over a connection of their own, because RabbitMQ has no way to read a queue
//! without taking from it. Unsettled messages return to their place when the reader closes.

use futures::future::join_all;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{Acker, Channel, Connection};
use tokio::time::timeout;

use super::Shared;
use super::connection::{ANSWER, Failure, answer};
use super::declare;
use super::line::Line;
use super::publish::publish;
use super::status::Side;
use crate::{MessageError, Outgoing, Parked, ParkedQueue, PublishError, Selection, Settle, Settled, metrics};

/// Messages settled concurrently. The broker delays more than 32 acknowledgements per channel while a quorum queue is
/// busy, and drops the delayed ones when the channel is closed.
const BATCH: usize = 16;

pub(super) async fn list(
    shared: &Shared,
    from: ParkedQueue,
    selection: &Selection,
    limit: usize,
) -> Result<Vec<Parked>, PublishError> {
    let mut reader = Reader::open(shared, from).await?;
    let found = reader.take(selection, limit).await;
    // After an error too, or what was taken stays hidden from others until the broker notices.
    reader.close().await;
    Ok(found?.into_iter().map(|(parked, _)| parked).collect())
}

pub(super) async fn settle(
    shared: &Shared,
    from: ParkedQueue,
    selection: &Selection,
    how: Settle,
) -> Result<Settled, PublishError> {
    let mut reader = Reader::open(shared, from).await?;
    let settled = settle_all(shared, &mut reader, selection, how).await;
    reader.close().await;
    settled
}

async fn settle_all(
    shared: &Shared,
    reader: &mut Reader,
    selection: &Selection,
    how: Settle,
) -> Result<Settled, PublishError> {
    let mut settled = Settled::default();
    loop {
        let batch = reader.take(selection, BATCH).await?;
        if batch.is_empty() {
            return Ok(settled);
        }
        let settling = batch
            .into_iter()
            .map(|(parked, acker)| settle_one(shared, parked, acker, how));
        for outcome in join_all(settling).await {
            settled.count(outcome?);
        }
    }
}

async fn settle_one(
    shared: &Shared,
    parked: Parked,
    acker: Acker,
    how: Settle,
) -> Result<Result<(), MessageError>, PublishError> {
    if how == Settle::Requeue {
        let to = match parked.home(shared.topology.shards()) {
            Ok(to) => to,
            Err(error) => return Ok(Err(error)),
        };
        // Before the acknowledgement, so that an error in between leaves two copies and not none.
        publish(shared, Outgoing { to, body: parked.body }).await?;
    }
    match answer("settle a message", acker.ack(BasicAckOptions::default())).await {
        Ok(true) => {
            metrics::settled(how, 1);
            Ok(Ok(()))
        }
        // `false` means that the channel is gone and the broker will deliver the message again.
        Ok(false) => Err(unavailable(Failure::passing("the connection was lost"))),
        Err(failure) => Err(unavailable(failure)),
    }
}

/// Takes from queues, one after the other, what was in each when its first message was taken.
struct Reader {
    line: Line,
    channel: Channel,
    from: ParkedQueue,
    queue: &'static str,
    to_come: Vec<&'static str>,
    /// Known from the first message on: the count that the broker gives otherwise lags behind what was just given back.
    left: Option<u32>,
}

impl Reader {
    async fn open(shared: &Shared, from: ParkedQueue) -> Result<Self, PublishError> {
        let line = shared.dial(Side::Consuming).await.map_err(unavailable)?;
        let opened = async {
            let to_come = existing(&line, from).await?;
            Ok((to_come, answer("open a channel", line.create_channel()).await?))
        };
        match opened.await {
            Ok((mut to_come, channel)) => Ok(Self {
                channel,
                from,
                left: if to_come.is_empty() { Some(0) } else { None },
                queue: to_come.pop().unwrap_or(from.as_str()),
                to_come,
                line,
            }),
            Err(failure) => {
                line.close().await;
                Err(unavailable(failure))
            }
        }
    }

    /// The next messages that are meant, at most `limit`. The others are left alone.
    async fn take(&mut self, selection: &Selection, limit: usize) -> Result<Vec<(Parked, Acker)>, PublishError> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((parked, acker)) = self.next().await?
        {
            if selection.includes(&parked) {
                taken.push((parked, acker));
                // Reading on would hide other messages from other readers for nothing.
                if matches!(selection, Selection::One(_)) {
                    self.left = Some(0);
                    self.to_come.clear();
                }
            }
        }
        Ok(taken)
    }

    async fn next(&mut self) -> Result<Option<(Parked, Acker)>, PublishError> {
        let (delivery, message_count) = loop {
            if self.left == Some(0) {
                let Some(queue) = self.to_come.pop() else {
                    return Ok(None);
                };
                (self.queue, self.left) = (queue, None);
            }
            let queue = self.queue;
            let get = self.channel.basic_get(queue.into(), BasicGetOptions::default());
            let got = answer(&format!("look into queue {queue}"), get)
                .await
                .map_err(unavailable)?;
            match got {
                Some(BasicGetMessage {
                    delivery,
                    message_count,
                }) => break (delivery, message_count),
                None => self.left = Some(0),
            }
        };
        self.left = Some(self.left.map_or(message_count, |left| left - 1));
        let message_id = delivery.properties.message_id().clone();
        let message_id = message_id.as_ref().map_or("", |id| id.as_str());
        let parked = Parked::read(self.from, delivery.data.into(), message_id);
        Ok(Some((parked, delivery.acker)))
    }

    /// Gives back what was taken and not settled, before the next reader comes.
    async fn close(self) {
        let everything = BasicNackOptions {
            multiple: true,
            requeue: true,
        };
        let given_back = answer("give messages back", self.channel.basic_nack(0, everything)).await;
        if given_back.is_ok() {
            let _ = timeout(ANSWER, self.channel.close(200, "done".into())).await;
        }
        self.line.close().await;
    }
}

/// Existing queues of parked messages, in reverse order of reading.
async fn existing(connection: &Connection, from: ParkedQueue) -> Result<Vec<&'static str>, Failure> {
    let mut existing = Vec::new();
    for queue in from.queues() {
        if queue != from.as_str() {
            let channel = answer("open a channel", connection.create_channel()).await?;
            if declare::depth(&channel, queue).await?.is_none() {
                continue;
            }
            let _ = timeout(ANSWER, channel.close(200, "looked".into())).await;
        }
        existing.insert(0, queue);
    }
    Ok(existing)
}

fn unavailable(failure: Failure) -> PublishError {
    PublishError::Unavailable(failure.reason)
}
