//! The consuming connection: dialled for ever, shared by all subscriptions.
//!
//! It is apart from the publishing one because a broker with an alarm stops reading from a connection that
//! publishes, and acknowledgements must go on.

use std::sync::Arc;

use futures::StreamExt;
use lapin::{Connection, Event};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::connection::{self, Cure, Failure, explain};
use super::status::Side;
use super::{Shared, backoff};
use crate::metrics;

/// One connection that subscriptions open their channels on.
pub(super) struct Generation {
    pub(super) connection: Connection,
    failures: mpsc::Sender<Failure>,
}

impl Generation {
    /// Ends the generation for everybody.
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
            Ok(connection) => {
                backoff.reset();
                match run(&shared, &generations, connection).await {
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

async fn run(
    shared: &Shared,
    generations: &watch::Sender<Option<Arc<Generation>>>,
    connection: Connection,
) -> Option<Failure> {
    let mut events = connection::events(&connection);
    let (failures, mut failed) = mpsc::channel(1);
    let generation = Arc::new(Generation { connection, failures });
    let up = metrics::CONNECTIONS.with_label_values(&[Side::Consuming.as_str()]);
    up.set(1);
    generations.send_replace(Some(generation.clone()));
    shared.status.up(Side::Consuming);
    let failure = loop {
        tokio::select! {
            () = shared.closing.cancelled() => break None,
            Some(failure) = failed.recv() => break Some(failure),
            event = events.next() => match event {
                Some(Event::Error(error)) => break Some(Failure::passing(format!("connection lost: {}", explain(&error)))),
                Some(_) => {}
                None => break Some(Failure::passing("connection lost")),
            },
        }
    };
    up.set(0);
    generations.send_replace(None);
    if failure.is_none() {
        shared.subscriptions.close();
        shared.subscriptions.wait().await;
    } else {
        metrics::RECONNECTS.with_label_values(&[Side::Consuming.as_str()]).inc();
    }
    connection::close(&generation.connection).await;
    failure
}
