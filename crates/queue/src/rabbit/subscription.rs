//! One call of `consume`: a channel and a consumer per queue, renewed on every new connection.
//!
//! Each queue has a channel of its own because the broker answers one request after the other per channel, and a
//! queue with an unresponsive leader would delay all others.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::{join_all, try_join_all};
use futures::stream::{self, BoxStream, FuturesUnordered};

use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Acker, Channel, Consumer};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::connection::{ANSWER, Failure, answer, explain, patient_answer};
use super::consuming::Generation;
use super::line::Line;
use crate::{Acknowledge, Incoming, Source, metrics};

/// Arguments of one call of `consume`.
pub(super) struct Subscription {
    pub(super) source: Source,
    pub(super) prefetch: u16,
    pub(super) messages: mpsc::Sender<Incoming>,
}

impl Subscription {
    /// Delivers messages until the receiver is dropped or the queue is shut down.
    pub(super) async fn run(self, shared: Arc<Shared>, mut generations: watch::Receiver<Option<Arc<Generation>>>) {
        loop {
            let generation = tokio::select! {
                () = self.messages.closed() => return,
                () = shared.ending.cancelled() => return,
                found = generations.wait_for(Option::is_some) => match found.as_deref() {
                    Ok(Some(generation)) => generation.clone(),
                    _ => return,
                },
            };
            match self.consume(&shared, &generation).await {
                Ok(leftover) => {
                    // Closes the channel of messages, so that the consumer's stream ends while its messages are
                    // settled.
                    drop(self);
                    return leftover.settle(&shared).await;
                }
                // Any failure ends the whole generation, so that no tag of an old channel is used on a new one.
                Err(failure) => generation.fail(failure),
            }
            // Waits for another connection: trying again on this one would only fail again.
            let another =
                |now: &Option<Arc<Generation>>| !now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &generation));
            if generations.wait_for(another).await.is_err() {
                return;
            }
        }
    }

    async fn consume(&self, shared: &Shared, generation: &Generation) -> Result<Leftover, Failure> {
        let queues = shared.topology.queues_of(self.source);
        let mut starting: FuturesUnordered<_> = queues
            .into_iter()
            .map(|queue| start(&generation.line, queue, self.prefetch))
            .collect();
        let mut started = Vec::new();
        let mut deliveries = Deliveries::new();
        let (dropped, mut returned) = mpsc::unbounded_channel();
        let mut returns = Returns::new(shared.config.redeliver_after);
        let taken = metrics::Taken::of(self.source);
        loop {
            tokio::select! {
                Some(consumer) = starting.next() => {
                    let (channel, consumer) = consumer?;
                    started.push((channel, consumer.tag()));
                    deliveries.push(with_end(consumer));
                }
                Some(delivery) = deliveries.next() => match delivery {
                    Some(Ok(delivery)) => {
                        taken.count(delivery.redelivered);
                        // The channel has room for all that the prefetch allows; a closed one is seen below.
                        let _ = self.messages.send(incoming(delivery, &dropped)).await;
                    }
                    Some(Err(error)) => return Err(Failure::passing(format!("consuming failed: {}", explain(&error)))),
                    None => return Err(Failure::passing("the broker cancelled a consumer: was its queue deleted?")),
                },
                Some(acker) = returned.recv() => returns.push(acker),
                acker = returns.next_due() => give_back(&acker).await?,
                () = self.messages.closed() => break,
                () = shared.ending.cancelled() => break,
            }
        }
        // Their wait for redelivery ends with the subscription.
        let unwanted = returns.waiting.into_iter().map(|(_, acker)| acker).collect();
        Ok(Leftover {
            started,
            deliveries,
            unwanted,
            returned,
        })
    }
}

/// Consumes a queue on a channel of its own. The broker may take its time over a queue whose leader stands still; whether
/// the connection lives is seen elsewhere.
async fn start(line: &Line, queue: String, prefetch: u16) -> Result<(Channel, Consumer), Failure> {
    let channel = answer("open a channel", line.create_channel()).await?;
    // RabbitMQ 4.3 refuses global limits, and quorum queues never knew them.
    let qos = channel.basic_qos(prefetch, BasicQosOptions { global: false });
    answer("set the prefetch", qos).await?;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default());
    let consumer = patient_answer(&format!("consume queue {queue}"), consumer).await?;
    Ok((channel, consumer))
}

/// A subscription that takes nothing more while some of its messages are still being worked on.
struct Leftover {
    started: Vec<(Channel, ShortString)>,
    deliveries: Deliveries,
    unwanted: Vec<Acker>,
    returned: mpsc::UnboundedReceiver<Acker>,
}

impl Leftover {
    /// Returns messages that were not taken, waits until the last message is acknowledged or dropped, then closes
    /// the channels. When the queue is closed, all that is unsettled goes back with them.
    async fn settle(mut self, shared: &Shared) {
        tokio::select! {
            _ = self.give_all_back() => {}
            () = shared.closing.cancelled() => {}
        }
        let closing = self
            .started
            .iter()
            .map(|(channel, _)| channel.close(200, "done".into()));
        let _ = timeout(ANSWER, join_all(closing)).await;
    }

    async fn give_all_back(&mut self) -> Result<(), Failure> {
        let cancelling = self.started.iter().map(|(channel, tag)| {
            let cancelled = channel.basic_cancel(tag.clone(), BasicCancelOptions::default());
            answer("cancel", cancelled)
        });
        // First, or the broker hands out again at once what is given back below.
        try_join_all(cancelling).await?;
        // The client has some that it was sent before it was told of the cancellation.
        while let Some(delivery) = self.deliveries.next().await {
            self.unwanted
                .extend(delivery.and_then(Result::ok).map(|delivery| delivery.acker));
        }
        for acker in &self.unwanted {
            give_back(acker).await?;
        }
        while let Some(acker) = self.returned.recv().await {
            give_back(&acker).await?;
        }
        Ok(())
    }
}

/// Merged deliveries of a subscription's consumers, with a `None` whenever one of them ends.
type Deliveries = stream::SelectAll<BoxStream<'static, Option<lapin::Result<Delivery>>>>;

/// The deliveries of a consumer and `None` when it ends: merging streams would hide the end of one.
fn with_end(consumer: Consumer) -> BoxStream<'static, Option<lapin::Result<Delivery>>> {
    consumer.map(Some).chain(stream::once(async { None })).boxed()
}

fn incoming(delivery: Delivery, dropped: &mpsc::UnboundedSender<Acker>) -> Incoming {
    let unsettled = Unsettled {
        acker: Some(delivery.acker),
        dropped: dropped.clone(),
    };
    Incoming {
        body: delivery.data.into(),
        redelivered: delivery.redelivered,
        ack: Box::new(unsettled),
    }
}

/// A message that has neither been acknowledged nor dropped.
struct Unsettled {
    acker: Option<Acker>,
    dropped: mpsc::UnboundedSender<Acker>,
}

#[async_trait]
impl Acknowledge for Unsettled {
    /// Resolves when the acknowledgement is written to the socket.
    async fn ack(mut self: Box<Self>) -> bool {
        let Some(acker) = self.acker.take() else { return false };
        let acked = matches!(
            timeout(ANSWER, acker.ack(BasicAckOptions::default())).await,
            // The client reports a channel that is gone as `Ok(false)`.
            Ok(Ok(true))
        );
        if !acked {
            metrics::ACKS_FAILED.inc();
        }
        acked
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            let _ = self.dropped.send(acker);
        }
    }
}

/// Messages that were dropped, to be given back after a while: a worker that can't settle anything must not
/// spin.
struct Returns {
    after: Duration,
    waiting: VecDeque<(Instant, Acker)>,
}

impl Returns {
    fn new(after: Duration) -> Self {
        Self {
            after,
            waiting: VecDeque::new(),
        }
    }

    fn push(&mut self, acker: Acker) {
        // All wait equally long, so the first in is the first due.
        self.waiting.push_back((Instant::now() + self.after, acker));
    }

    async fn next_due(&mut self) -> Acker {
        loop {
            let Some(&(due, _)) = self.waiting.front() else {
                std::future::pending().await
            };
            sleep_until(due).await;
            if let Some((_, acker)) = self.waiting.pop_front() {
                return acker;
            }
        }
    }
}

async fn give_back(acker: &Acker) -> Result<(), Failure> {
    let options = BasicNackOptions {
        requeue: true,
        ..Default::default()
    };
    answer("give a message back", acker.nack(options)).await.map(drop)
}
