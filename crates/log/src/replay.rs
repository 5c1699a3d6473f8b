//! Runs replays: creates new deliveries for rows of the log.
//!
//! A million deliveries are sent again at the requested rate, and a process that is killed loses nothing. Each
//! replica takes a replay that nobody works on and processes its rows in batches; a batch's deliveries and the
//! replay's position are one commit, and the sweeper publishes the deliveries. They go to the retry lane, behind
//! nobody's first attempts, and no more are created for an endpoint in whose lane many wait, because others' retries
//! are in that lane too. A replica works on one replay at a time; waiting ones take turns after [`TURN`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use tidings_auth::Caller;
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tidings_queue::{Lane, LaneKind, Source};
use tidings_service::failpoint;
use tidings_store::replays::{Batch, Replay, ReplayClaim};
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::republish::Republisher;
use crate::rows::Rows;

/// Interval between looks for replays.
const EVERY: Duration = Duration::from_millis(500);
/// Time without progress after which another replica may take a replay.
const LEASE: Duration = Duration::from_secs(10);
const BATCH: u32 = 500;
/// Time for one replay while others may wait.
const TURN: Duration = Duration::from_secs(10);
/// Messages in a retry lane above which a replay pauses: about a second's work of dispatchers.
const BACKLOG: u64 = 2_000;
/// Interval between looks at the lanes during a replay.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Replays with long lanes that are skipped per look.
const PASSED_OVER: usize = 32;

/// Next step for a replay after a turn.
enum Next {
    /// Nothing: it has ended, or was given back.
    Done,
    /// It goes on when fewer messages wait where it sends to; until others had their turn it is kept.
    Later,
}

pub(crate) async fn run(store: Arc<dyn Store>, republisher: Republisher, shutdown: CancellationToken) {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        let mut passed_over = Vec::new();
        while passed_over.len() < PASSED_OVER {
            match store.claim_replay(Timestamp::now(), LEASE).await {
                Ok(Some((replay, claim))) => match work(&*store, &republisher, &replay, claim, &shutdown).await {
                    Ok(Next::Done) => {}
                    Ok(Next::Later) => passed_over.push((replay.id, claim)),
                    Err(error) => {
                        tracing::warn!(replay = %replay.id, %error, "a replay failed; retrying");
                        break;
                    }
                },
                Ok(None) => {
                    tidings_service::metrics::succeeded("replays");
                    break;
                }
                Err(error) => {
                    tracing::debug!(%error, "could not look for replays; retrying");
                    break;
                }
            }
            if shutdown.is_cancelled() {
                break;
            }
        }
        for (id, claim) in passed_over {
            // One that can't be given back is free when its lease ends.
            if let Err(error) = store.release_replay(id, claim).await {
                tracing::debug!(replay = %id, %error, "a replay could not be given back");
            }
        }
    }
}

/// Works on a replay until it ends, is paused or cancelled, too much waits where it sends to, or it is another's turn.
async fn work(
    store: &dyn Store,
    republisher: &Republisher,
    replay: &Replay,
    claim: ReplayClaim,
    shutdown: &CancellationToken,
) -> Result<Next, StoreError> {
    let rows = pb::LogRows::decode(replay.rows.clone())
        .map_err(|error| error.to_string())
        .and_then(|rows| Rows::read(&Caller::Internal, &rows).map_err(|problem| problem.detail));
    let rows = match rows {
        Ok(rows) => rows.of(replay.tenant),
        Err(error) => {
            let error = format!("its rows can't be understood: {error}");
            store
                .end_replay(replay.id, claim, Some(&error), Timestamp::now())
                .await?;
            return Ok(Next::Done);
        }
    };
    let per_second = replay.per_second.max(1);
    // A second's worth at most, so that the rate is kept in small steps.
    let size = per_second.min(BATCH);
    let (began, mut looked, mut long) = (Instant::now(), None::<Instant>, HashSet::new());
    let mut mark = replay.progress.walked_to;
    let mut made = replay.progress.deliveries;
    while !shutdown.is_cancelled() {
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            looked = Some(Instant::now());
            let retries = republisher.queue.depths_of(Source::Work(LaneKind::Retry)).await;
            // A queue that can't tell is taken for one without a backlog; the sweeper stops at what it refuses.
            let retries = retries.unwrap_or_default().into_iter();
            let with_backlog = retries.filter(|depth| depth.ready >= BACKLOG);
            long = with_backlog.filter_map(|depth| depth.lane).collect();
        }
        let Some(batch) = rows.batch(store, mark, replay.to, size).await? else {
            store.end_replay(replay.id, claim, None, Timestamp::now()).await?;
            tracing::info!(replay = %replay.id, deliveries = made, "replay finished");
            return Ok(Next::Done);
        };
        if goes_to(&batch, &long, republisher.shards) {
            return Ok(Next::Later);
        }
        mark = Some(batch.last);
        failpoint::pass("log::before_replay_batch");
        let now = Timestamp::now();
        // Somebody paused or cancelled it, or it took too long and belongs to another.
        let Some(progress) = store.replay_batch(replay, claim, batch, now, LEASE).await? else {
            return Ok(Next::Done);
        };
        let new = progress.deliveries.saturating_sub(made);
        made = progress.deliveries;
        metrics::REPLAYED.inc_by(new);
        // Only what was made counts against the rate, not rows that were passed over.
        let pause = Duration::from_secs_f64(new as f64 / f64::from(per_second));
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        if began.elapsed() > TURN {
            break;
        }
    }
    store.release_replay(replay.id, claim).await?;
    Ok(Next::Done)
}

/// Tells if a batch contains a delivery for one of these lanes.
fn goes_to(batch: &Batch, lanes: &HashSet<Lane>, shards: u16) -> bool {
    batch.again.iter().any(|(_, endpoint)| {
        let shard = endpoint.shard(shards);
        let kind = LaneKind::Retry;
        lanes.contains(&Lane { kind, shard })
    })
}

#[cfg(test)]
mod tests {
    use tidings_domain::{EndpointId, EventId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_what_is_sent_to_a_long_lane_waits_for_it() {
        const SHARDS: u16 = 8;
        let endpoint = EndpointId::new();
        let batch = Batch {
            rows: 1,
            last: Uuid::nil(),
            again: vec![(EventId::new(), endpoint)],
        };
        let lane = |kind, shard| HashSet::from([Lane { kind, shard }]);
        let own = endpoint.shard(SHARDS);
        assert!(goes_to(&batch, &lane(LaneKind::Retry, own), SHARDS));
        assert!(!goes_to(&batch, &lane(LaneKind::Retry, (own + 1) % SHARDS), SHARDS));
        assert!(!goes_to(&batch, &lane(LaneKind::Live, own), SHARDS));
        let nothing = Batch {
            again: Vec::new(),
            ..batch
        };
        assert!(!goes_to(&nothing, &lane(LaneKind::Retry, own), SHARDS));
    }
}
