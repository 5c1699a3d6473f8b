//! Reports the state of ledger and queue in metrics.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::Timestamp;
use tidings_queue::Queue;
use tidings_store::Ledger;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Interval of updates: about as often as metrics are scraped.
const EVERY: Duration = Duration::from_secs(15);

pub(crate) async fn run(ledger: Arc<dyn Ledger>, queue: Arc<dyn Queue>, shutdown: CancellationToken) {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(timer.tick()).await.is_some() {
        let look = async { tokio::join!(look_at_ledger(&*ledger), look_at_queues(&*queue)) };
        shutdown.run_until_cancelled(look).await;
    }
}

async fn look_at_ledger(ledger: &dyn Ledger) {
    match ledger.standing(Timestamp::now()).await {
        Ok(standing) => metrics::show(&standing),
        Err(error) => tracing::debug!(%error, "could not read the ledger's state; retrying"),
    }
}

async fn look_at_queues(queue: &dyn Queue) {
    // What is not known is not shown: the last numbers would look like news.
    let depths = queue.depths().await;
    if depths.is_err() {
        metrics::QUEUE_DEPTH.reset();
    }
    for depth in depths.unwrap_or_default() {
        let lane = depth.lane.map_or("", |lane| lane.kind.as_str());
        metrics::QUEUE_DEPTH
            .with_label_values(&[&depth.name, depth.stage(), lane])
            .set(i64::try_from(depth.ready).unwrap_or(i64::MAX));
    }
}
