//! A publisher that never gives up: steady in rate, and what is refused is published again as a new event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tidings_acceptance::{Client, Tenant, request};
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::journal::Journal;
use crate::receivers::{KINDS, event_type};

/// Time to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause after a rejected publish.
const PAUSE: Duration = Duration::from_millis(250);

/// Maximum number of events that wait for an answer; at that number no new ones are begun.
const UNDER_WAY: usize = 3_000;

/// Interval between two batches of new events.
const TICK: Duration = Duration::from_millis(20);

/// A task that publishes until it is stopped.
#[derive(Debug)]
pub(crate) struct Publisher {
    stop: Arc<AtomicBool>,
    publishing: JoinHandle<()>,
}

impl Publisher {
    pub(crate) fn start(client: Client, tenant: Tenant, per_second: u32, journal: Arc<Journal>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let publishing = tokio::spawn(publish(client, tenant, per_second, journal, stop.clone()));
        Self { stop, publishing }
    }

    /// Begins nothing new and waits for the last answers.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        (&mut self.publishing).await?;
        Ok(())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.publishing.abort();
    }
}

async fn publish(client: Client, tenant: Tenant, per_second: u32, journal: Arc<Journal>, stop: Arc<AtomicBool>) {
    let mut timer = tokio::time::interval(TICK);
    timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let tenant = Arc::new(tenant);
    let mut events = JoinSet::new();
    let (mut number, mut due) = (0_u64, 0.0);
    while !stop.load(Ordering::Relaxed) {
        timer.tick().await;
        while events.try_join_next().is_some() {}
        due += f64::from(per_second) * TICK.as_secs_f64();
        while due >= 1.0 {
            due -= 1.0;
            if events.len() < UNDER_WAY {
                number += 1;
                events.spawn(until_accepted(
                    client.clone(),
                    tenant.clone(),
                    number,
                    journal.clone(),
                    stop.clone(),
                ));
            }
        }
    }
    events.join_all().await;
}

async fn until_accepted(
    client: Client,
    tenant: Arc<Tenant>,
    number: u64,
    journal: Arc<Journal>,
    stop: Arc<AtomicBool>,
) {
    let kind = (number % u64::from(KINDS)) as u8;
    let payload = json!({ "number": number, "text": TEXT });
    loop {
        let request = request(&tenant, &event_type(kind), payload.clone());
        let answer = tokio::time::timeout(PATIENCE, client.events().publish(request)).await;
        let event = match answer {
            Ok(Ok(answer)) => answer.into_inner().event_id.parse().ok(),
            Ok(Err(_)) | Err(_) => None,
        };
        if let Some(event) = event {
            return journal.accepted(event, kind);
        }
        journal.refused();
        if stop.load(Ordering::Relaxed) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Makes payloads about as large as those of the documents.
const TEXT: &str = "The export button doesn't work when the table has more than a thousand rows: it shows a spinner for \
    a minute, then the page is empty, and the download never starts. Same in two browsers, with and without a filter. \
    Smaller tables are exported at once. We need this every Monday for the weekly report, so please look into it soon.";
