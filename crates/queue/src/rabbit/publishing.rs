//! The publishing connection: dialled for ever, declared upon, shared by a few publishers.
//!
//! Connection, channels and publishers are one generation. Any error or timeout ends it; callers whose
//! messages were under way get "unknown", and the next generation starts afresh. It is of use once the broker has
//! confirmed a message, and only while it confirms some: a cluster without a majority takes connections and keeps
//! nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::select_ok;
use futures::stream::BoxStream;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Event};
use tidings_service::Backoff;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::check;
use super::connection::{self, Cure, Failure, answer, explain};
use super::declare::{declare, depth};
use super::line::Line;
use super::publisher::{self, Common, Job};
use super::routes::{Address, Confirmed};
use super::status::Side;
use super::{OPERATOR_RETRY, Shared, backoff};
use crate::{Depth, Outgoing, PublishError, Route, Source, metrics};

/// How publishing stands.
#[derive(Clone)]
pub(super) enum Link {
    /// No connection, and why.
    Down(String),
    /// The broker has an alarm and takes no messages.
    Blocked(String),
    /// Ready.
    Up(Arc<Publishers>),
}

impl Link {
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self, Self::Blocked(_))
    }
}

/// The publishers of one generation.
pub(super) struct Publishers {
    line: Arc<Line>,
    common: Arc<Common>,
    jobs: Vec<mpsc::Sender<Job>>,
    next: AtomicUsize,
    /// The channel on which queues are looked at.
    looking: Mutex<Option<Channel>>,
}

impl Publishers {
    fn pick(&self) -> mpsc::Sender<Job> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.jobs[turn % self.jobs.len()].clone()
    }
}

/// Publishes one message and waits for its confirmation.
pub(super) async fn publish(shared: &Shared, outgoing: Outgoing) -> Result<(), PublishError> {
    let to = way(shared, outgoing.to)?;
    publish_to(shared, to, outgoing.body).await
}

/// Publishes one message to an exchange, with a routing key.
pub(super) async fn publish_to(shared: &Shared, to: Address, body: Bytes) -> Result<(), PublishError> {
    publishers(shared).await?.publish(to, body).await
}

/// The address of a route; for a lane whose queue is avoided, that of another shard: whoever works on one works on all.
fn way(shared: &Shared, route: Route) -> Result<Address, PublishError> {
    let address = Address::from(shared.topology.address(route)?);
    if !shared.routes.avoids(&address) {
        return Ok(address);
    }
    let others = match route {
        Route::Work(lane) => shared.topology.other_shards(lane).map(Route::Work).collect(),
        _ => Vec::new(),
    };
    for other in others {
        let other = Address::from(shared.topology.address(other)?);
        if !shared.routes.avoids(&other) {
            return Ok(other);
        }
    }
    Err(PublishError::Unavailable(format!(
        "the broker did not confirm messages to {address} a moment ago"
    )))
}

impl Publishers {
    async fn publish(&self, to: Address, body: Bytes) -> Result<(), PublishError> {
        let (reply, confirmation) = oneshot::channel();
        let jobs = self.pick();
        let limit = self.common.confirm_timeout;
        let confirmed = async {
            if jobs.send(Job { to, body, reply }).await.is_err() {
                return Err(PublishError::Unavailable("the connection was lost".into()));
            }
            drop(jobs);
            let lost = || PublishError::Unknown("the connection was lost before the broker answered".into());
            confirmation.await.unwrap_or_else(|_| Err(lost()))
        };
        let late = |_| Err(PublishError::Unknown(format!("no answer within {limit:?}")));
        timeout(limit, confirmed).await.unwrap_or_else(late)
    }
}

/// How many messages wait in each queue; what is on its way from a rung to a lane counts nowhere.
pub(super) async fn depths(shared: &Shared) -> Result<Vec<Depth>, PublishError> {
    let queues = shared.topology.queues().into_iter().filter(|queue| !queue.is_probe());
    look_at(shared, queues.map(|queue| queue.name).collect()).await
}

/// The same for the queues of one source.
pub(super) async fn depths_of(shared: &Shared, source: Source) -> Result<Vec<Depth>, PublishError> {
    look_at(shared, shared.topology.queues_of(source)).await
}

/// Looks at queues, on a channel that is kept as long as nothing goes wrong on it.
async fn look_at(shared: &Shared, queues: Vec<String>) -> Result<Vec<Depth>, PublishError> {
    let unavailable = |failure: Failure| PublishError::Unavailable(failure.reason);
    let publishers = publishers(shared).await?;
    let mut kept = publishers.looking.lock().await;
    let channel = match kept.take() {
        Some(channel) => channel,
        None => answer("open a channel", publishers.line.create_channel())
            .await
            .map_err(unavailable)?,
    };
    let mut depths = Vec::new();
    for queue in queues {
        match depth(&channel, &queue).await.map_err(unavailable)? {
            Some((ready, consumers)) => depths.push(Depth {
                lane: shared.topology.lane_of(&queue),
                name: queue,
                ready,
                consumers,
            }),
            None => return Err(PublishError::Unavailable(format!("queue {queue} does not exist"))),
        }
    }
    *kept = Some(channel);
    Ok(depths)
}

/// The publishers there are; a blocked connection is waited for a little.
async fn publishers(shared: &Shared) -> Result<Arc<Publishers>, PublishError> {
    let mut link = shared.link.borrow().clone();
    if link.is_blocked() {
        let mut changes = shared.link.subscribe();
        if let Ok(Ok(now)) = timeout(shared.config.blocked_wait, changes.wait_for(|link| !link.is_blocked())).await {
            link = now.clone();
        }
    }
    match link {
        Link::Up(publishers) => Ok(publishers),
        Link::Blocked(reason) => Err(PublishError::Unavailable(format!("blocked: {reason}"))),
        Link::Down(reason) => Err(PublishError::Unavailable(reason)),
    }
}

/// Keeps a generation alive until the queue is closed.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut backoff = backoff();
    loop {
        let started = tokio::select! {
            () = shared.closing.cancelled() => break,
            started = start(&shared) => started,
        };
        let failure = match started {
            Ok(generation) => {
                let ended = generation.run(&shared, &mut backoff).await;
                match ended {
                    None => break,
                    Some(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        shared.link.send_replace(Link::Down(failure.reason.clone()));
        shared.status.down(Side::Publishing, &failure);
        tokio::select! {
            () = shared.closing.cancelled() => break,
            () = sleep(wait_after(&failure, &mut backoff)) => {}
        }
    }
    shared.link.send_replace(Link::Down("the queue is closed".into()));
}

fn wait_after(failure: &Failure, backoff: &mut Backoff) -> Duration {
    if failure.cure == Cure::Operator {
        OPERATOR_RETRY
    } else {
        backoff.next()
    }
}

/// One connection with its channels.
struct Generation {
    publishers: Arc<Publishers>,
    tasks: Tasks,
    events: BoxStream<'static, Event>,
}

async fn start(shared: &Shared) -> Result<Generation, Failure> {
    let line = shared.dial(Side::Publishing).await?;
    let made = make(shared, &line).await;
    match made {
        Ok((tasks, jobs, common)) => Ok(Generation {
            events: connection::events(&line),
            publishers: Arc::new(Publishers {
                line: Arc::new(line),
                common,
                jobs,
                next: AtomicUsize::new(0),
                looking: Mutex::default(),
            }),
            tasks,
        }),
        Err(failure) => {
            shared.leave(&line, &failure);
            Err(failure)
        }
    }
}

type Tasks = JoinSet<Result<(), Failure>>;

async fn make(shared: &Shared, line: &Line) -> Result<(Tasks, Vec<mpsc::Sender<Job>>, Arc<Common>), Failure> {
    if !*shared.declared.borrow() && declare(line, &shared.topology, &shared.declared_before).await? {
        let settle = shared.config.settle;
        if !settle.is_zero() {
            let reason = format!("declared new queues; taking messages in {settle:?}");
            shared.link.send_replace(Link::Down(reason.clone()));
            shared.status.down(Side::Publishing, &Failure::passing(reason));
            sleep(settle).await;
        }
    }
    let common = Arc::new(Common {
        link: shared.link.subscribe(),
        confirm_timeout: shared.config.confirm_timeout,
        confirmed: Confirmed::default(),
        routes: shared.routes.clone(),
        returned: Arc::new(Notify::new()),
    });
    let (mut tasks, mut senders) = (JoinSet::new(), Vec::new());
    for _ in 0..shared.config.publish_channels.max(1) {
        let channel = answer("open a channel", line.create_channel()).await?;
        answer(
            "turn on confirms",
            channel.confirm_select(ConfirmSelectOptions::default()),
        )
        .await?;
        let (sender, jobs) = mpsc::channel(WAITING_JOBS);
        senders.push(sender);
        tasks.spawn(publisher::run(channel, jobs, common.clone()));
    }
    Ok((tasks, senders, common))
}

/// Per publisher: two batches.
const WAITING_JOBS: usize = 512;

impl Generation {
    /// Serves until something fails, or until the queue is closed (`None`) and what is under way has ended.
    async fn run(mut self, shared: &Shared, backoff: &mut Backoff) -> Option<Failure> {
        let up = metrics::CONNECTIONS.with_label_values(&[Side::Publishing.as_str()]);
        up.set(1);
        shared.declared.send_replace(true);
        let failure = self.watch(shared, backoff).await;
        up.set(0);
        let line = self.publishers.line.clone();
        match &failure {
            Some(failure) => {
                metrics::RECONNECTS
                    .with_label_values(&[Side::Publishing.as_str()])
                    .inc();
                shared.link.send_replace(Link::Down(failure.reason.clone()));
                shared.leave(&line, failure);
                if failure.cure == Cure::Declare {
                    shared.declared.send_replace(false);
                }
                self.tasks.shutdown().await;
            }
            None => {
                shared.link.send_replace(Link::Down("the queue is closing".into()));
            }
        }
        drop(self.publishers);
        // Without senders the publishers finish what they have and close their channels.
        while self.tasks.join_next().await.is_some() {}
        line.close().await;
        failure
    }

    async fn watch(&mut self, shared: &Shared, backoff: &mut Backoff) -> Option<Failure> {
        let mut blocked_since = None;
        let mut usable = false;
        let mut declared = shared.declared.subscribe();
        let publishers = self.publishers.clone();
        let (proofs, mut proven) = mpsc::channel(1);
        let proving = prove(shared, &publishers, proofs);
        let checking = check::watch(shared, &publishers.line, &publishers.common.returned);
        tokio::pin!(proving, checking);
        let failure = loop {
            tokio::select! {
                () = shared.closing.cancelled() => break None,
                // Topology is declared at the start of a generation and nowhere else.
                _ = declared.wait_for(|declared| !declared) => {
                    break Some(Failure::passing("a queue is missing; declaring it again"));
                }
                Some(ended) = self.tasks.join_next() => break Some(match ended {
                    Ok(Err(failure)) => failure,
                    Ok(Ok(())) => Failure::passing("a publisher ended"),
                    Err(error) => Failure::passing(format!("a publisher failed: {error}")),
                }),
                failure = &mut proving => break Some(failure),
                failure = &mut checking, if usable => break Some(failure),
                Some(()) = proven.recv() => {
                    usable = true;
                    backoff.reset();
                    if blocked_since.is_none() {
                        self.announce(shared);
                    }
                }
                event = self.events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        blocked_since.get_or_insert_with(Instant::now);
                        metrics::BLOCKED.set(1);
                        let failure = Failure::passing(format!("blocked by an alarm of the broker: {reason}"));
                        shared.status.down(Side::Publishing, &failure);
                        shared.link.send_replace(Link::Blocked(reason));
                    }
                    Some(Event::ConnectionUnblocked) => {
                        count_blocked(blocked_since.take());
                        self.announce(shared);
                    }
                    Some(Event::Error(error)) => break Some(Failure::passing(format!("connection lost: {}", explain(&error)))),
                    Some(_) => {}
                    None => break Some(Failure::passing("connection lost")),
                },
            }
        };
        count_blocked(blocked_since);
        failure
    }

    fn announce(&self, shared: &Shared) {
        shared.link.send_replace(Link::Up(self.publishers.clone()));
        shared.status.up(Side::Publishing);
    }
}

/// Publishes messages of its own whenever nothing else was confirmed for a while, and ends when those are not confirmed
/// either. The first confirmation is told.
async fn prove(shared: &Shared, publishers: &Publishers, proofs: mpsc::Sender<()>) -> Failure {
    /// Two of these and the limit for a confirmation, at the most, pass until a broker that keeps nothing is noticed.
    const EVERY: Duration = Duration::from_secs(1);
    let mut proven = false;
    loop {
        if !proven || !publishers.common.confirmed.within(EVERY) {
            // They are led by different nodes: one of them is enough, or a node that stands still would hide the others.
            let probes = shared.topology.probes().map(|queue| {
                let to = Address::from((String::new(), queue));
                Box::pin(publishers.publish(to, Bytes::from_static(b"probe")))
            });
            match select_ok(probes).await {
                Ok(_) if proven => {}
                Ok(_) => {
                    proven = true;
                    let _ = proofs.send(()).await;
                }
                Err(_) if shared.link.borrow().is_blocked() => {}
                Err(PublishError::Unroutable(to)) => {
                    return Failure {
                        reason: format!("queue {to} is missing; declaring it again"),
                        cure: Cure::Declare,
                    };
                }
                Err(error) => {
                    return Failure::passing(format!(
                        "the broker takes connections and confirms no message ({error}): a cluster needs a majority of \
                         its nodes"
                    ));
                }
            }
        }
        sleep(EVERY).await;
    }
}

fn count_blocked(since: Option<Instant>) {
    metrics::BLOCKED.set(0);
    if let Some(since) = since {
        metrics::BLOCKED_SECONDS.inc_by(since.elapsed().as_secs_f64());
    }
}
