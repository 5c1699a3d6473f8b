//! Works off replays: makes new deliveries of what the log can find.
//!
//! Need: a million deliveries are sent again, no faster than asked, and a process that is killed loses nothing of it.
//! Mechanism: each replica takes a replay on which nobody works and goes through its rows in batches; a batch's
//! deliveries and the replay's mark are one commit, and the sweeper publishes what that commit made. The deliveries go to
//! the retry lane, behind nobody's first attempts, and no more are made while many wait there: others' retries do as
//! well. Limit: one replica works on one replay at a time; those that wait take turns after `TURN`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tidings_queue::{LaneKind, Source};
use tidings_service::failpoint;
use tidings_store::replays::{Replay, ReplayClaim};
use tidings_store::{Caller, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::republish::Republisher;
use crate::rows::Rows;

/// How often replays are looked for.
const EVERY: Duration = Duration::from_millis(500);
/// How long a replay belongs to who took it without getting on.
const LEASE: Duration = Duration::from_secs(10);
/// The most rows of one batch.
const BATCH: u32 = 500;
/// How long one replay is worked on while others may wait.
const TURN: Duration = Duration::from_secs(10);
/// How many messages may wait in a lane of retries while more is sent again: what dispatchers send in a second.
const BACKLOG: u64 = 2_000;
/// How often the lanes are looked at while a replay gets on.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// When the next replay is to be taken.
enum Next {
    AtOnce,
    /// When fewer messages wait.
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
        loop {
            match store.claim_replay(Timestamp::now(), LEASE).await {
                Ok(Some((replay, claim))) => match work(&*store, &republisher, &replay, claim, &shutdown).await {
                    Ok(Next::AtOnce) => {}
                    Ok(Next::Later) => break,
                    Err(error) => {
                        tracing::warn!(replay = %replay.id, %error, "a replay could not go on; it is taken up again");
                        break;
                    }
                },
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "replays can't be looked for right now");
                    break;
                }
            }
            if shutdown.is_cancelled() {
                return;
            }
        }
    }
}

/// Works on a replay until it ends, is paused or cancelled, too much waits to be sent, or it is another's turn.
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
            return Ok(Next::AtOnce);
        }
    };
    let per_second = replay.per_second.max(1);
    let size = per_second.min(BATCH);
    let (began, mut looked) = (Instant::now(), None::<Instant>);
    let mut mark = replay.progress.walked_to;
    let mut made = replay.progress.deliveries;
    while !shutdown.is_cancelled() {
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            looked = Some(Instant::now());
            let retries = republisher.queue.depths_of(Source::Work(LaneKind::Retry)).await;
            if retries.unwrap_or_default().iter().any(|depth| depth.ready >= BACKLOG) {
                store.give_back_replay(replay.id, claim).await?;
                return Ok(Next::Later);
            }
        }
        let Some(batch) = rows.batch(store, mark, replay.to, size).await? else {
            store.end_replay(replay.id, claim, None, Timestamp::now()).await?;
            tracing::info!(replay = %replay.id, deliveries = made, "a replay has ended");
            return Ok(Next::AtOnce);
        };
        mark = Some(batch.last);
        failpoint::pass("log::before_replay_batch");
        let now = Timestamp::now();
        // Somebody paused or cancelled it, or it took too long and belongs to another.
        let Some(progress) = store.replay_batch(replay, claim, batch, now, LEASE).await? else {
            return Ok(Next::AtOnce);
        };
        let new = progress.deliveries.saturating_sub(made);
        made = progress.deliveries;
        metrics::REPLAYED.inc_by(new);
        let pause = Duration::from_secs_f64(new as f64 / f64::from(per_second));
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        if began.elapsed() > TURN {
            break;
        }
    }
    store.give_back_replay(replay.id, claim).await?;
    Ok(Next::AtOnce)
}
