//! The sweeper: publishes what the ledger says is due and the queue does not have.
//!
//! Need: a queue may lose a message, be purged, or have been away when an event was accepted (guarantees G1, G2);
//! and a wait that no rung matches is kept by the ledger alone. Mechanism: every open delivery has a time from
//! which it counts as forgotten; the sweeper takes those past it, moves them one step on and publishes them. What
//! the queue should have is put off while its lane has a backlog, a few times and each time for twice as long: it
//! probably waits there. Limit: a delivery can then be in the queue twice; the dispatcher asks the ledger
//! before it sends.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::Timestamp;
use tidings_queue::{Lane, LaneKind};
use tidings_service::failpoint;
use tidings_store::Ledger;
use tidings_store::ledger::OpenDelivery;
use tokio_util::sync::CancellationToken;

use crate::republish::Republisher;
use crate::{Config, metrics};

/// How many deliveries are taken at once.
const BATCH: u32 = 500;

/// A lane in which so many messages wait has a backlog.
const BACKLOG: u64 = 100;

/// How long the sweeper waits for spilled records to be written after the ledger was away.
const DRAINS_WITHIN: Duration = Duration::from_secs(60);

/// How often a delivery is put off because of a backlog.
const PUT_OFFS: u32 = 6;

pub(crate) async fn run(
    ledger: Arc<dyn Ledger>,
    republisher: Republisher,
    config: Config,
    shutdown: CancellationToken,
) {
    let mut timer = tokio::time::interval(config.sweep_every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // After a start and after an outage the ledger may be behind: what was attempted meanwhile waits as records, and
    // would be taken for forgotten.
    let mut behind = Some(Instant::now());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        // While the queue is away nothing is taken, so that everything is there at once when it is back.
        if !republisher.queue.available() {
            continue;
        }
        if behind.is_some_and(|since| since.elapsed() < DRAINS_WITHIN) && republisher.has_records().await {
            continue;
        }
        behind = None;
        let mut backlog = None;
        while !shutdown.is_cancelled() && republisher.queue.available() {
            let overdue = match ledger.sweep(Timestamp::now(), config.grace, BATCH).await {
                Ok(overdue) => overdue,
                Err(error) => {
                    tracing::debug!(%error, "the ledger can't be swept right now");
                    behind = Some(Instant::now());
                    break;
                }
            };
            let found = overdue.len();
            if found > 0 {
                if backlog.is_none() {
                    backlog = Some(republisher.lanes_with_backlog(BACKLOG).await);
                }
                failpoint::pass("log::before_sweep");
            }
            let lanes = backlog.get_or_insert_default();
            let in_backlog = |delivery: &OpenDelivery| waits_in(delivery, republisher.shards, lanes);
            let (put_off, forgotten): (Vec<_>, Vec<_>) = overdue.into_iter().partition(in_backlog);
            metrics::PUT_OFF.inc_by(put_off.len() as u64);
            let (kept, lost): (Vec<_>, Vec<_>) = forgotten.into_iter().partition(|delivery| delivery.kept_by_ledger);
            metrics::DUE.inc_by(kept.len() as u64);
            metrics::SWEPT.inc_by(lost.len() as u64);
            if !lost.is_empty() {
                tracing::warn!(
                    count = lost.len(),
                    first = %lost[0].id,
                    "deliveries were overdue and not in their lanes: published again"
                );
            }
            let count = kept.len() + lost.len();
            let published = republisher.publish(kept.into_iter().chain(lost).collect()).await;
            // Publishing failed for some: they are hidden for the grace, and taking more would hide more.
            if found < BATCH as usize || published < count as u64 {
                break;
            }
        }
    }
}

/// Whether the message of this delivery probably waits in a lane that has a backlog.
fn waits_in(delivery: &OpenDelivery, shards: u16, backlog: &HashSet<Lane>) -> bool {
    // It was just moved by being taken.
    let moves = delivery.step.moves().saturating_sub(1);
    if delivery.kept_by_ledger || moves >= PUT_OFFS {
        return false;
    }
    let first = delivery.step.attempt() == 1 && moves == 0;
    let kinds: &[LaneKind] = if first {
        &[LaneKind::Live, LaneKind::Bulk]
    } else {
        &[LaneKind::Retry]
    };
    let shard = delivery.endpoint.shard(shards);
    kinds.iter().any(|kind| backlog.contains(&Lane { kind: *kind, shard }))
}

#[cfg(test)]
mod tests {
    use tidings_domain::{DeliveryId, EndpointId, EventId, Step, TenantId};

    use super::*;

    fn taken(step: Step, kept_by_ledger: bool) -> OpenDelivery {
        OpenDelivery {
            id: DeliveryId::new(),
            event: EventId::new(),
            tenant: TenantId::new(),
            endpoint: EndpointId::new(),
            step: step.moved(),
            due: None,
            kept_by_ledger,
        }
    }

    fn backlog(kind: LaneKind) -> HashSet<Lane> {
        HashSet::from([Lane { kind, shard: 0 }])
    }

    #[test]
    fn what_probably_waits_in_a_long_lane_is_put_off() {
        let first = taken(Step::FIRST, false);
        assert!(waits_in(&first, 1, &backlog(LaneKind::Live)));
        assert!(waits_in(&first, 1, &backlog(LaneKind::Bulk)));
        assert!(!waits_in(&first, 1, &backlog(LaneKind::Retry)));
        let retry = taken(Step::FIRST.after_attempt(), false);
        assert!(waits_in(&retry, 1, &backlog(LaneKind::Retry)));
        assert!(!waits_in(&retry, 1, &HashSet::new()));
    }

    #[test]
    fn what_only_the_ledger_has_and_what_was_put_off_often_is_published() {
        let lanes = backlog(LaneKind::Retry);
        assert!(!waits_in(&taken(Step::FIRST.after_attempt(), true), 1, &lanes));
        let often = (0..PUT_OFFS).fold(Step::FIRST, |step, _| step.moved());
        assert!(!waits_in(&taken(often, false), 1, &lanes));
    }
}
