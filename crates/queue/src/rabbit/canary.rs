//! Canary: a message sent through the shortest delay queue at intervals, to see that delay queues still forward.
//!
//! The broker can stop dead-lettering without reporting an error: the supervisor of all its transfers gives up after
//! too many crashes in a second, and every delay queue then keeps its messages. One process at a time watches: the
//! one whose connection owns the exclusive queue `tidings.canary.v1.watch`, which disappears with that connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use uuid::Uuid;

use super::Shared;
use super::connection::{ANSWER, Failure, answer, code, explain};
use super::consuming::Generation;
use super::declare::depth;
use super::publish::publish_to;
use crate::{metrics, topology};

const EVERY: Duration = Duration::from_secs(15);

/// Time after which an unreturned canary counts as missing; the shortest delay queue lasts a second at most.
const MISSING_AFTER: Duration = Duration::from_secs(10);

/// Watches, or waits for its turn to.
pub(super) async fn watch(shared: &Shared, mut generations: watch::Receiver<Option<Arc<Generation>>>) {
    loop {
        let generation = match generations.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(generation)) => generation.clone(),
            _ => return,
        };
        let Err(failure) = keep_watch(shared, &generation).await;
        tracing::debug!(reason = failure.reason, "this process does not watch the canary");
        // Who does not watch does not know.
        metrics::CANARY_MISSING.set(0);
        // Not kept while waiting, because it holds the connection's socket.
        drop(generation);
        sleep(EVERY).await;
    }
}

async fn keep_watch(shared: &Shared, generation: &Generation) -> Result<Infallible, Failure> {
    let channel = answer("open a channel", generation.line.create_channel()).await?;
    // The claim alone would tell too, but the broker logs an error for each that comes late.
    match depth(&channel, &topology::canary_queue()).await? {
        Some((_, 0)) => claim(&channel).await?,
        Some(_) => return Err(Failure::passing("another process does")),
        None => return Err(Failure::passing("its queue is missing")),
    }
    let options = BasicConsumeOptions {
        // A canary that is lost is just what is looked for, so nothing is gained by acknowledging.
        no_ack: true,
        ..Default::default()
    };
    let queue = topology::canary_queue();
    let consumer = channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default());
    let mut consumer = answer("consume the canary's queue", consumer).await?;
    let mut timer = interval(EVERY);
    // After a slow round ticks would otherwise come at once and publish canaries in a row.
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        let canary = Uuid::now_v7().to_string();
        let sent = Instant::now();
        let published = publish_to(shared, shared.topology.canary_address().into(), canary.clone().into()).await;
        // Whether publishing works is seen elsewhere.
        if published.is_err() {
            continue;
        }
        match timeout(MISSING_AFTER, back(&mut consumer, &canary)).await {
            Ok(came) => {
                came?;
                metrics::CANARY_SECONDS.set(sent.elapsed().as_secs_f64());
                if metrics::CANARY_MISSING.get() > 0 {
                    tracing::info!("the canary is back: delay queues forward again");
                }
                metrics::CANARY_MISSING.set(0);
                tidings_service::metrics::succeeded("canary");
            }
            Err(_) => {
                metrics::CANARY_MISSING.set(1);
                tracing::error!(
                    "a message through the shortest delay queue was not back within {MISSING_AFTER:?}: the broker does not \
                     forward what has waited long enough. Restart its nodes one after the other; nothing is lost, and \
                     the sweeper delivers meanwhile"
                );
            }
        }
    }
}

/// Takes the queue that only one connection can have.
async fn claim(channel: &Channel) -> Result<(), Failure> {
    const LOCKED: u16 = 405;
    let options = QueueDeclareOptions {
        exclusive: true,
        ..Default::default()
    };
    let mut arguments = FieldTable::default();
    // A quorum queue can't be exclusive.
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    let queue = topology::canary_watch();
    match timeout(ANSWER, channel.queue_declare(queue.as_str().into(), options, arguments)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if code(&error) == Some(LOCKED) => Err(Failure::passing("another process does")),
        Ok(Err(error)) => Err(Failure::passing(explain(&error))),
        Err(_) => Err(Failure::passing(format!("no answer within {ANSWER:?}"))),
    }
}

/// Waits for this canary; late ones from before are let go.
async fn back(consumer: &mut Consumer, canary: &str) -> Result<(), Failure> {
    while let Some(delivery) = consumer.next().await {
        match delivery {
            Ok(delivery) if delivery.data == canary.as_bytes() => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(Failure::passing(explain(&error))),
        }
    }
    Err(Failure::passing("the broker cancelled the consumer"))
}
