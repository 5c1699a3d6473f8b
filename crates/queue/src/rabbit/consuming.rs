//! The consuming connection: reconnected forever, shared by all subscriptions.
//!
//! It is separate from the publishing connection because a broker with an alarm stops reading from connections that
//! publish, and acknowledgements must still arrive.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::Event;
use lapin::options::BasicQosOptions;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::connection::{self, Cure, Failure, answer, explain, within};
use super::line::Line;
use super::status::Side;
use super::{Shared, backoff};
use crate::metrics;

/// One connection that subscriptions open their channels on.
pub(super) struct Generation {
    pub(super) line: Line,
    failures: mpsc::Sender<Failure>,
}

impl Generation {
    /// Ends this connection for all subscriptions.
    pub(super) fn fail(&self, failure: Failure) {
        // One failure is enough; the others would say the same.
        let _ = self.failures.try_send(failure);
    }
}

/// Keeps a generation alive until the queue is closed and no subscription needs it any more.
pub(super) async fn keep(shared: Arc<Shared>, generations: Arc<watch::Sender<Option<Arc<Generation>>>>) {
    let mut backoff = backoff();
    let mut declared = shared.declared.subscribe();
    loop {
        // What is consumed must have been declared.
        tokio::select! {
            () = shared.closing.cancelled() => return,
            _ = declared.wait_for(|declared| *declared) => {}
        }
        let dialled = tokio::select! {
            () = shared.closing.cancelled() => return,
            dialled = shared.dial(Side::Consuming) => dialled,
        };
        let failure = match dialled {
            Ok(line) => {
                backoff.reset();
                match run(&shared, &generations, line).await {
                    None => return,
                    Some(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        shared.status.down(Side::Consuming, &failure);
        if failure.cure == Cure::Declare {
            shared.declared.send_replace(false);
        }
        tokio::select! {
            () = shared.closing.cancelled() => return,
            () = sleep(backoff.next()) => {}
        }
    }
}

async fn run(shared: &Shared, generations: &watch::Sender<Option<Arc<Generation>>>, line: Line) -> Option<Failure> {
    let mut events = connection::events(&line);
    let (failures, mut failed) = mpsc::channel(1);
    let generation = Arc::new(Generation { line, failures });
    let up = metrics::CONNECTIONS.with_label_values(&[Side::Consuming.as_str()]);
    up.set(1);
    generations.send_replace(Some(generation.clone()));
    shared.status.up(Side::Consuming);
    let silence = silence(&generation.line, shared.config.confirm_timeout);
    tokio::pin!(silence);
    let failure = loop {
        tokio::select! {
            () = shared.closing.cancelled() => break None,
            Some(failure) = failed.recv() => break Some(failure),
            failure = &mut silence => break Some(failure),
            event = events.next() => match event {
                Some(Event::Error(error)) => break Some(Failure::passing(format!("connection lost: {}", explain(&error)))),
                Some(_) => {}
                None => break Some(Failure::passing("connection lost")),
            },
        }
    };
    up.set(0);
    generations.send_replace(None);
    if let Some(failure) = &failure {
        metrics::RECONNECTS.with_label_values(&[Side::Consuming.as_str()]).inc();
        shared.leave(&generation.line, failure);
    } else {
        // Before the connection ends: acknowledgements of messages in flight still go over it.
        shared.subscriptions.close();
        shared.subscriptions.wait().await;
    }
    generation.line.close().await;
    failure
}

/// Ends when the broker answers nothing any more. Heartbeats tell it too, but after twice their interval, and nothing is
/// delivered until then.
async fn silence(line: &Line, limit: Duration) -> Failure {
    let watch = async {
        let channel = answer("open a channel", line.create_channel()).await?;
        loop {
            // So that silence is noticed within one and a half limits at most.
            sleep(limit / 2).await;
            // The node that has the connection answers this by itself, however its queues and other nodes are.
            let asked = channel.basic_qos(1, BasicQosOptions { global: false });
            within(limit, "does the broker answer", asked).await?;
        }
    };
    let Err::<Infallible, _>(failure) = watch.await;
    failure
}
