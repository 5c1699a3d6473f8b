//! The drain: writes records that were spilled to the queue while the ledger was away.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tidings_proto::pb;
use tidings_queue::{Incoming, Queue, Source};
use tidings_service::backoff::Backoff;
use tidings_service::failpoint;
use tidings_store::StoreError;
use tidings_store::ledger::Record;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::convert::read_record;
use crate::gone::Drained;
use crate::metrics;
use crate::writer::{Writer, is_refusal};

/// Prefetch of spilled records.
const BATCH: u16 = 256;

/// Writes what was spilled until the process is to stop.
pub(crate) async fn run(
    queue: Arc<dyn Queue>,
    writer: Writer,
    drained: Drained,
    grace: Duration,
    shutdown: CancellationToken,
) -> Result<(), &'static str> {
    let mut records = queue.consume(Source::Records, BATCH).await;
    loop {
        let batch = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            batch = take(&mut records) => batch,
        };
        if batch.is_empty() {
            return Err("the queue stopped delivering records");
        }
        // The queue no longer counts these records as waiting, and they are not in the ledger yet.
        let _in_hand = drained.in_hand();
        tokio::select! {
            // What is not acknowledged comes again.
            () = shutdown.cancelled() => return Ok(()),
            () = write(&*queue, &writer, grace, batch) => {}
        }
    }
}

async fn take(records: &mut mpsc::Receiver<Incoming>) -> Vec<Incoming> {
    let mut batch = Vec::new();
    records.recv_many(&mut batch, usize::from(BATCH)).await;
    batch
}

async fn write(queue: &dyn Queue, writer: &Writer, grace: Duration, batch: Vec<Incoming>) {
    let mut readable = Vec::with_capacity(batch.len());
    for incoming in batch {
        let record = pb::Record::decode(incoming.body.clone()).map_err(|error| error.to_string());
        match record.and_then(|record| read_record(record, grace).map_err(|error| error.to_string())) {
            Ok(record) => readable.push((record, incoming)),
            Err(reason) => park(queue, incoming, &reason).await,
        }
    }
    let records = readable.iter().map(|(record, _)| record.clone()).collect();
    match persist(writer, records).await {
        Ok(()) => {
            failpoint::pass("log::before_drain_ack");
            for (_, incoming) in readable {
                metrics::DRAINED.inc();
                incoming.ack().await;
            }
        }
        // Not all of them can be bad: find out which.
        Err(_) => {
            for (record, incoming) in readable {
                match persist(writer, vec![record]).await {
                    Ok(()) => {
                        metrics::DRAINED.inc();
                        incoming.ack().await;
                    }
                    Err(error) => park(queue, incoming, &error.to_string()).await,
                }
            }
        }
    }
}

/// Writes records, waiting for the database as long as it takes; an error is one of the records themselves.
async fn persist(writer: &Writer, records: Vec<Record>) -> Result<(), Arc<StoreError>> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        match writer.write(records.clone()).await {
            Err(error) if !is_refusal(&error) => tokio::time::sleep(backoff.next()).await,
            result => return result,
        }
    }
}

async fn park(queue: &dyn Queue, incoming: Incoming, reason: &str) {
    tracing::error!(reason, "parked an unreadable spilled record");
    metrics::PARKED.inc();
    // A record that can't be parked stays where it is and comes again.
    if queue.park_record(incoming.body.clone(), reason).await.is_ok() {
        incoming.ack().await;
    }
}
